# SPDX-License-Identifier: GPL-2.0
"""Do the bytes go that a finding says, within 10 %, where what it says to try is done?"""
import pathlib
import subprocess
import sys

import pytest

import support

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "workload"))
import machine  # noqa: E402  (of another folder)

CASES = support.BUILD / "tests/verdict/cases"
SHAPES = support.BUILD / "tests/verdict/shapes"
PYTHON_SHAPES = support.ROOT / "tests/verdict/shapes.py"
PIPES = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
TOLERANCE = 0.1


class Look:
    """What memtrace says of a program that has done what it does, and what it has then."""

    def __init__(self, *words, child=False):
        with support.started(*words, **PIPES) as program:
            with support.following("-p", program.pid) as follower:
                program.stdin.write("\n")
                program.stdin.flush()
                program.stdout.readline()
                self.status = support.status_of(program.pid)
                document = follower.stop()
            self.process, = (one for one in document["processes"]
                             if one["parent_pid" if child else "pid"] == program.pid)
            program.stdin.close()
            program.wait(support.SECONDS)

    @property
    def touched(self):
        """By its faults, all in all."""
        return support.moved(self.process, "fault", "anon_bytes")

    @property
    def first(self):
        return self.process["findings"][0]


def copied(look):
    return support.counted(look.process, "fault.cow") * 4096


def of_files(look):
    return look.status["file_bytes"]


def resident(look):
    return look.status["anon_bytes"]


def address_space(look):
    return look.status["virtual_bytes"]


def touched(look):
    return look.touched


LARGE = 1 << 30
PYTHON = ["/usr/bin/python3", PYTHON_SHAPES]
WITHOUT_HUGE_PAGES = ["/usr/bin/python3", "-c", """
import ctypes, os, sys
PR_SET_THP_DISABLE = 41
assert not ctypes.CDLL(None).prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""]


@pytest.mark.parametrize("finding, told, figure, words, instead", [
    ("heap-top-pinned", "MALLOC_MMAP_THRESHOLD_=65536", resident, [SHAPES, "pin-buffers"],
     ["env", "MALLOC_MMAP_THRESHOLD_=65536", SHAPES, "pin-buffers"]),
    ("churn", f"MALLOC_MMAP_THRESHOLD_={LARGE} MALLOC_TRIM_THRESHOLD_={LARGE}", touched,
     [SHAPES, "churn-large"],
     ["env", f"MALLOC_MMAP_THRESHOLD_={LARGE}", f"MALLOC_TRIM_THRESHOLD_={LARGE}", SHAPES,
      "churn-large"]),
    ("mmap-threshold-grew", "MALLOC_TRIM_THRESHOLD_=131072", resident,
     [SHAPES, "raise-thresholds"],
     ["env", "MALLOC_TRIM_THRESHOLD_=131072", SHAPES, "raise-thresholds"]),
    ("lazily-freed", "MADV_DONTNEED", resident, ["/usr/bin/python3", PYTHON_SHAPES, "free-lazily"],
     ["/usr/bin/python3", PYTHON_SHAPES, "free-at-once"]),
    ("thread-stacks", "ulimit -s", address_space,
     ["/usr/bin/python3", PYTHON_SHAPES, "have-threads"],
     ["sh", "-c", 'ulimit -s 128 && exec "$@"', "sh", "/usr/bin/python3", PYTHON_SHAPES,
      "have-threads"]),
    ("churn", f"MALLOC_TOP_PAD_={LARGE}", touched, [SHAPES, "churn-small"],
     ["env", f"MALLOC_TOP_PAD_={LARGE}", SHAPES, "churn-small"]),
    ("thread-arenas", "MALLOC_ARENA_MAX=2", resident,
     ["env", "MALLOC_ARENA_MAX=40", SHAPES, "free-in-turn"],
     ["env", "MALLOC_ARENA_MAX=2", SHAPES, "free-in-turn"]),
    ("thp-inflation", "PR_SET_THP_DISABLE", resident, [SHAPES, "touch-sparsely"],
     [*WITHOUT_HUGE_PAGES, SHAPES, "touch-sparsely"]),
    ("mapping-leak", "munmap()", resident, [CASES, "leak"], [SHAPES, "leak-not"]),
    ("file-cache-not-heap", "munmap()", of_files, [*PYTHON, "map-file"],
     [*PYTHON, "map-and-unmap-file"]),
], ids=lambda value: value if isinstance(value, str) else "")
def test_what_to_try_saves_the_bytes(finding, told, figure, words, instead):
    with machine.setting(machine.HUGE / "enabled", "madvise"):
        judge(finding, told, figure, Look(*words), Look(*instead))


@pytest.mark.parametrize("told, words, instead", [
    ("a fork server", [CASES, "copy-in-child"], [SHAPES, "fork-first"]),
    ("gc.freeze()", [*PYTHON, "collect-in-child"], [*PYTHON, "freeze-and-collect-in-child"]),
    ("arrays", [*PYTHON, "read-objects-in-child"], [*PYTHON, "read-array-in-child"]),
], ids=lambda value: value if isinstance(value, str) else "")
def test_what_to_try_saves_copies(told, words, instead):
    judge("cow-after-fork", told, copied, Look(*words, child=True), Look(*instead, child=True))


def judge(finding, told, figure, before, after):
    assert before.first["id"] == finding
    assert told in before.first["try"]
    spared = figure(before) - figure(after)
    assert abs(spared - before.first["bytes"]) <= TOLERANCE * before.first["bytes"]
    assert not [one for one in after.process["findings"]
                if one["id"] == finding and one["bytes"] > before.first["bytes"] * TOLERANCE]
