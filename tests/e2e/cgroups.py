# SPDX-License-Identifier: GPL-2.0
"""How does a test get a cgroup of its own, of either version, and leave none behind?"""
import contextlib
import os
import pathlib
import time

import pytest

VERSION_1, VERSION_2 = pathlib.Path("/sys/fs/cgroup/memory"), pathlib.Path("/sys/fs/cgroup")


def hierarchy():
    """Where the cgroups with the memory controller are."""
    for top in (VERSION_1, VERSION_2):
        if (top / "cgroup.procs").exists():
            return top
    return pytest.skip("no cgroup hierarchy with the memory controller")


class Cgroup:
    def __init__(self, path):
        self.path = path

    @property
    def name(self):
        """As /proc/PID/cgroup has it."""
        return "/" + str(self.path.relative_to(hierarchy()))

    def enter(self):
        """Of the calling process: made to be a preexec_fn."""
        self.take(os.getpid())

    def take(self, pid):
        (self.path / "cgroup.procs").write_text(str(pid))

    def members(self):
        return {int(pid) for pid in (self.path / "cgroup.procs").read_text().split()}

    def remove(self):
        """Whoever is left in it goes back to the top."""
        for pid in self.members():
            with contextlib.suppress(OSError):
                (hierarchy() / "cgroup.procs").write_text(str(pid))
        for _ in range(100):
            try:
                return self.path.rmdir()
            except OSError:  # the last to go is not gone yet
                time.sleep(0.05)
        return self.path.rmdir()


@contextlib.contextmanager
def cgroup(name="test", inside=None):
    top = inside.path if inside else hierarchy()
    one = Cgroup(top / (name if inside else f"memtrace-e2e-{name}-{os.getpid()}"))
    one.path.mkdir()
    try:
        yield one
    finally:
        one.remove()


def cgroup_of(pid):
    """The line of /proc/PID/cgroup that the memory controller is on."""
    for line in pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        number, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(",") or (number == "0" and hierarchy() == VERSION_2):
            return path
    raise AssertionError("no memory controller in /proc/PID/cgroup")
