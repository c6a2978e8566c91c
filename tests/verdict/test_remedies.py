# SPDX-License-Identifier: GPL-2.0
"""Do the bytes go that a finding says, within 10 %, where what it says to try is done?"""
import subprocess

import pytest

import support

SHAPES = support.BUILD / "tests/verdict/shapes"
PYTHON_SHAPES = support.ROOT / "tests/verdict/shapes.py"
PIPES = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
TOLERANCE = 0.1


class Look:
    """What memtrace says of a program that has done what it does, and what it has then."""

    def __init__(self, *words):
        with support.started(*words, **PIPES) as program:
            with support.following("-p", program.pid) as follower:
                program.stdin.write("\n")
                program.stdin.flush()
                program.stdout.readline()
                self.status = support.status_of(program.pid)
                document = follower.stop()
            self.process = support.process_of(document, program.pid)
            program.stdin.close()
            program.wait(support.SECONDS)

    @property
    def touched(self):
        """By its faults, all in all."""
        return support.moved(self.process, "fault", "anon_bytes")

    @property
    def first(self):
        return self.process["findings"][0]


def resident(look):
    return look.status["anon_bytes"]


def address_space(look):
    return look.status["virtual_bytes"]


def touched(look):
    return look.touched


LARGE = 1 << 30


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
], ids=lambda value: value if isinstance(value, str) else "")
def test_what_to_try_saves_the_bytes(finding, told, figure, words, instead):
    before, after = Look(*words), Look(*instead)
    assert before.first["id"] == finding
    assert told in before.first["try"]
    spared = figure(before) - figure(after)
    assert abs(spared - before.first["bytes"]) <= TOLERANCE * before.first["bytes"]
    assert not [one for one in after.process["findings"]
                if one["id"] == finding and one["bytes"] > before.first["bytes"] * TOLERANCE]
