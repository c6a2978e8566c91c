# SPDX-License-Identifier: GPL-2.0
"""A process whose eight threads map, touch, give back and unmap without a pause."""
import contextlib
import os
import pathlib
import signal
import subprocess
import time

import pytest

import support

MEASURE_SECONDS = 0.7


@contextlib.contextmanager
def busy():
    with support.started(support.WORKLOADS / "thread", "busy", stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "busy\n"
        yield process


def wait_until_stopped(pid):
    """Until each thread stands still."""
    deadline = time.monotonic() + support.SECONDS
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        while (task / "stat").read_text().rpartition(") ")[2][0] != "T":
            assert time.monotonic() < deadline
            time.sleep(0.01)


def stop(pid):
    os.kill(pid, signal.SIGSTOP)
    wait_until_stopped(pid)


def assert_busy(process):
    """Each thread does the same over and over: 7 pages of 13, or 11 of 31."""
    assert support.counted(process, "mmap") > 100
    assert support.counted(process, "madvise.dontneed") > 100
    mapped = support.moved(process, "mmap", "virtual_bytes")
    assert mapped == support.counted(process, "mmap", "requested_bytes")
    assert mapped == 13 * 4096 * support.counted(process, "mmap")
    brought = support.moved(process, "fault", "anon_bytes")
    assert brought == 4096 * support.counted(process, "fault")
    unmapped = support.counted(process, "munmap")
    assert support.moved(process, "munmap", "virtual_bytes") == -13 * 4096 * unmapped


@pytest.mark.parametrize("calls", ("on", "off"))
def test_stopped_while_busy(calls):
    """Attached to while it runs, looked at while it stands still: not a page is missing."""
    with busy() as process:
        for _ in range(3):
            with support.following("--calls", calls, "-p", process.pid) as memtrace:
                time.sleep(MEASURE_SECONDS)
                stop(process.pid)
                truth, resident = support.status_of(process.pid), support.rollup_of(process.pid)
                document = memtrace.stop()
            os.kill(process.pid, signal.SIGCONT)
            seen = support.process_of(document, process.pid)
            support.assert_balanced(seen)
            assert seen["closing"] == truth
            assert sum(seen["closing"][balance] for balance in support.RESIDENT) == resident
            assert not any(document["capture"]["losses"].values())
            assert not support.rows_of(seen, "other")


def test_attributed_while_busy():
    with busy() as process:
        stop(process.pid)
        with support.following("-p", process.pid) as memtrace:
            os.kill(process.pid, signal.SIGCONT)
            time.sleep(MEASURE_SECONDS)
            stop(process.pid)
            document = memtrace.stop()
        assert_busy(support.process_of(document, process.pid))


def test_never_at_rest():
    """A report comes all the same; what it could not read at rest, it says."""
    with busy() as process:
        document = support.report("-d", MEASURE_SECONDS, "-p", process.pid)
        seen = support.process_of(document, process.pid)
        assert support.counted(seen, "mmap") > 100
        if any(seen["unexplained"].values()):
            assert document["capture"]["losses"]["reads"] > 0


def test_killed_while_busy():
    with busy() as process:
        with support.following("-p", process.pid) as memtrace:
            time.sleep(MEASURE_SECONDS)
            process.kill()
            process.wait()
            document = memtrace.wait()
        seen = support.process_of(document, process.pid)
        support.assert_balanced(seen)
        assert seen["exit"] == {"code": 0, "signal": signal.SIGKILL}
        assert seen["at_exit"] == seen["kernel_at_exit"]
        assert not any(seen["closing"].values())
