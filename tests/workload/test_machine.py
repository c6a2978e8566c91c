# SPDX-License-Identifier: GPL-2.0
"""Is the machine left as it was found, whatever becomes of a test?"""
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

import machine
import support

HUGE, MEMORY = machine.HUGE, machine.MEMORY


def watched():
    """Files whose values tests change."""
    yield from HUGE.glob("hugepages-*kB/enabled")
    yield from (HUGE / name for name in ("enabled", "defrag"))
    yield from (HUGE / "khugepaged").glob("*_*")
    yield from (MEMORY / "ksm" / name for name in ("run", "use_zero_pages", "pages_to_scan",
                                                   "sleep_millisecs"))
    yield from MEMORY.glob("hugepages/hugepages-*kB/nr_hugepages")
    yield pathlib.Path("/proc/swaps")
    yield pathlib.Path("/proc/self/mounts")


def counted(path):
    """Whether it is a setting, not a number that counts up."""
    return path.name not in ("full_scans", "pages_collapsed")


def state():
    values = {path: path.read_text() for path in watched() if path.exists() and counted(path)}
    for folder in (pathlib.Path("/sys/fs/cgroup"), pathlib.Path("/sys/fs/cgroup/memory")):
        values[folder] = sorted(path.name for path in folder.glob("memtrace-test-*"))
    for folder in {machine.disk_folder(), pathlib.Path("/dev/shm")}:
        values[folder] = sorted(path.name for path in folder.glob("memtrace*"))
    return values


@pytest.mark.parametrize("end", (None, AssertionError, KeyboardInterrupt))
@pytest.mark.parametrize("need", machine.NEEDS)
def test_put_back(need, end):
    before = state()
    changes = need not in ("disk", "tmpfs", "userfaultfd", "io_uring")
    try:
        with machine.prepared([need]):
            assert (state() != before) == changes
            if end:
                raise end("in the middle of a test")
    except (AssertionError, KeyboardInterrupt) as error:
        if not end or "in the middle" not in str(error):
            raise
    assert state() == before


@pytest.mark.parametrize("number", (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
def test_put_back_after_a_signal(number):
    """A whole run of tests is told to end, while one of them has swap and a cgroup."""
    before = state()
    words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "--rootdir",
             support.ROOT / "tests", "-k", "reclaim-own",
             pathlib.Path(__file__).parent / "test_workload.py"]
    with support.started(*words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                         env=dict(os.environ, MEMTRACE_RESULTS="")) as run:
        deadline = time.monotonic() + support.SECONDS
        while state() == before:
            assert run.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        run.send_signal(number)
        said, _ = run.communicate(timeout=support.SECONDS)
    assert run.returncode == 2, said  # pytest's own word for "interrupted"
    assert state() == before, said
