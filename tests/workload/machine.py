# SPDX-License-Identifier: GPL-2.0
"""What of the machine does a case need, and how is it put back?

Everything here is a context manager that restores what it found, also when the test fails or is
interrupted.  What this machine cannot give makes the test skip, with the reason.
"""
import contextlib
import ctypes
import os
import pathlib
import signal
import subprocess
import tempfile
import time

import pytest

MEMORY = pathlib.Path("/sys/kernel/mm")
HUGE = MEMORY / "transparent_hugepage"
MIB = 1 << 20

SWAP_BYTES = 256 * MIB
CGROUP_BYTES = 64 * MIB
POOL_PAGES = 32


def chosen(text):
    """The value of a setting, of which some list all their values: `always [madvise] never`."""
    return text.split("[")[1].split("]")[0] if "[" in text else text.strip()


@contextlib.contextmanager
def setting(path, value):
    """A file of /sys or /proc that has that value for a while."""
    path = pathlib.Path(path)
    if not path.exists():
        pytest.skip(f"no {path}")
    before = chosen(path.read_text())
    try:
        path.write_text(str(value))
        yield
    finally:
        path.write_text(before)


@contextlib.contextmanager
def settings(values):
    with contextlib.ExitStack() as stack:
        for path, value in values.items():
            stack.enter_context(setting(path, value))
        yield


def filesystem_of(folder):
    """The type of the file system that a folder lies on."""
    done = subprocess.run(["stat", "-f", "-c", "%T", folder], capture_output=True, text=True,
                          check=True)
    return done.stdout.strip()


def disk_folder():
    """A folder on a real disk, so that its pages are those of files."""
    for folder in (tempfile.gettempdir(), "/var/tmp", pathlib.Path(__file__).parent):
        if filesystem_of(folder) not in ("tmpfs", "ramfs"):
            return pathlib.Path(folder)
    return pytest.skip("no folder on a disk")


# ---- what a case may name as a need: each yields the environment that it has to run in ----

@contextlib.contextmanager
def disk():
    yield {"WORKLOAD_DIRECTORY": str(disk_folder())}


@contextlib.contextmanager
def tmpfs():
    if filesystem_of("/dev/shm") != "tmpfs":
        pytest.skip("/dev/shm is no tmpfs")
    yield {"WORKLOAD_DIRECTORY": "/dev/shm"}


@contextlib.contextmanager
def swap():
    """A swap file of its own."""
    with tempfile.NamedTemporaryFile(dir=disk_folder(), prefix="memtrace-swap-") as file:
        os.posix_fallocate(file.fileno(), 0, SWAP_BYTES)
        subprocess.run(["mkswap", file.name], check=True, capture_output=True)
        done = subprocess.run(["swapon", file.name], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"no swap file: {done.stderr.strip()}")
        try:
            yield {}
        finally:
            subprocess.run(["swapoff", file.name], check=True)


class Cgroup:
    """A memory cgroup of its own, of either version."""

    def __init__(self, top, limit_name):
        self.path = top / f"memtrace-test-{os.getpid()}"
        self.limit = self.path / limit_name
        second = limit_name == "memory.max"
        self.no_swap = self.path / ("memory.swap.max" if second else "memory.swappiness")
        self.reclaim = self.path / ("memory.reclaim" if second else "memory.force_empty")
        self.members = self.path / "cgroup.procs"

    def enter(self):
        """Moves the calling process into it."""
        self.members.write_text(str(os.getpid()))

    def environment(self):
        return {"WORKLOAD_CGROUP": str(self.members), "WORKLOAD_LIMIT": str(CGROUP_BYTES),
                "WORKLOAD_RECLAIM": str(self.reclaim)}

    def remove(self):
        """Ends what is still in it; nobody else puts anything there."""
        deadline = time.monotonic() + 10
        while members := self.members.read_text().split():
            assert time.monotonic() < deadline, members
            for pid in members:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            time.sleep(0.01)
        while True:
            try:
                return self.path.rmdir()
            except OSError:  # the last to go is not gone yet
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)


def find_cgroup():
    one, two = pathlib.Path("/sys/fs/cgroup/memory"), pathlib.Path("/sys/fs/cgroup")
    if (one / "memory.limit_in_bytes").exists():
        return Cgroup(one, "memory.limit_in_bytes")
    delegated = two / "cgroup.subtree_control"
    if delegated.exists() and "memory" in delegated.read_text().split():
        return Cgroup(two, "memory.max")
    return pytest.skip("no memory cgroup to be had")


@contextlib.contextmanager
def limited_cgroup(limit=CGROUP_BYTES):
    """A cgroup that may have so many bytes."""
    group = find_cgroup()
    group.path.mkdir()
    try:
        group.limit.write_text(str(limit))
        yield group
    finally:
        group.remove()


@contextlib.contextmanager
def cgroup():
    with limited_cgroup() as group:
        yield group.environment()


@contextlib.contextmanager
def oom():
    """A cgroup in which too much is the end."""
    with limited_cgroup() as group:
        if group.no_swap.exists():
            group.no_swap.write_text("0")
        yield group.environment()


def quiet_khugepaged():
    """Settings with which khugepaged fills no holes, so that it moves no balance."""
    return {HUGE / "khugepaged/max_ptes_none": 0, HUGE / "khugepaged/max_ptes_swap": 0}


@contextlib.contextmanager
def thp():
    """Huge pages wherever they fit, and nobody who makes more of them later."""
    values = {HUGE / "enabled": "always", HUGE / "defrag": "always"} | quiet_khugepaged()
    per_size = HUGE / "hugepages-2048kB/enabled"
    if per_size.exists():
        values[per_size] = "inherit"
    with settings(values):
        yield {}


@contextlib.contextmanager
def mthp():
    """Folios of 64 KiB wherever they fit, and no others."""
    if not (HUGE / "hugepages-64kB").exists():
        pytest.skip("no folios of several sizes (before 6.8)")
    values = dict.fromkeys(HUGE.glob("hugepages-*kB/enabled"), "never")
    values[HUGE / "hugepages-64kB/enabled"] = "always"
    with settings(values | {HUGE / "defrag": "always"} | quiet_khugepaged()):
        yield {}


@contextlib.contextmanager
def hugetlb():
    """So many huge pages in the pool as are needed, besides those in use."""
    pool = MEMORY / "hugepages/hugepages-2048kB/nr_hugepages"
    if not pool.exists():
        pytest.skip("no hugetlbfs with pages of 2 MiB")
    wanted = int(pool.read_text()) + POOL_PAGES
    with setting(pool, wanted):
        if int(pool.read_text()) < wanted:
            pytest.skip("too little contiguous memory for huge pages")
        yield {}


@contextlib.contextmanager
def khugepaged():
    """khugepaged in a hurry, for memory that asks for it."""
    with settings({HUGE / "enabled": "madvise", HUGE / "defrag": "madvise",
                   HUGE / "khugepaged/max_ptes_none": 511,
                   HUGE / "khugepaged/pages_to_scan": 1 << 20,
                   HUGE / "khugepaged/scan_sleep_millisecs": 20}):
        yield {}


@contextlib.contextmanager
def ksm():
    """ksmd in a hurry, merging with the zero page so that it shows."""
    folder = MEMORY / "ksm"
    if not (folder / "use_zero_pages").exists():
        pytest.skip("no KSM")
    with settings({folder / "use_zero_pages": 1, folder / "pages_to_scan": 20000,
                   folder / "sleep_millisecs": 5, folder / "run": 1}):
        yield {}


def calls(number, *words):
    """Skips where the kernel has no such system call, or lets nobody use it."""
    library = ctypes.CDLL(None, use_errno=True)
    made = library.syscall(number, *words)
    if made < 0:
        pytest.skip(os.strerror(ctypes.get_errno()))
    os.close(made)


@contextlib.contextmanager
def userfaultfd():
    calls(323, os.O_CLOEXEC)
    yield {}


@contextlib.contextmanager
def io_uring():
    calls(425, 2, ctypes.create_string_buffer(120))
    yield {}


NEEDS = {need.__name__: need for need in
         (disk, tmpfs, swap, cgroup, oom, thp, mthp, hugetlb, khugepaged, ksm, userfaultfd,
          io_uring)}


@contextlib.contextmanager
def held_back(*signals):
    """Signals that come meanwhile are taken at the end of the block."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield before
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def prepared(needs):
    """All that a case needs; yields the environment of its process.

    Only the block itself can be interrupted: never in the middle of a change.
    """
    ends = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)
    with held_back(*ends) as mask, contextlib.ExitStack() as stack:
        # Without restartable sequences: the kernel writes to theirs whenever it likes.
        environment = dict(os.environ, GLIBC_TUNABLES="glibc.pthread.rseq=0")
        for need in needs:
            environment |= stack.enter_context(NEEDS[need]())
        try:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            yield environment
        finally:
            signal.pthread_sigmask(signal.SIG_BLOCK, ends)
