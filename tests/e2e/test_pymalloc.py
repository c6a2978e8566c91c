# SPDX-License-Identifier: GPL-2.0
"""Are the arenas of CPython, read from outside, what it says, and what keeps them?"""
import json
import os
import pathlib
import re
import subprocess
import tempfile

import pytest
import interpreters

from program import memtrace
import support

SOURCE = pathlib.Path(__file__).with_name("kept.py")
FOLDER = tempfile.TemporaryDirectory(prefix="memtrace-pymalloc-")
# Of this machine, wherever they are, and of Debian's the oldest and the newest.
NAMES = ("python3", *(f"python3.{minor}" for minor in range(8, 15)))
PATHS = ("/usr/bin", "/usr/local/bin",
         *map(str, pathlib.Path.home().glob(".pyenv/versions/3.*/bin")))
VERSIONS = ("3.9", "3.14")
MIB = 1 << 20


def paths():
    found = {}
    for folder in PATHS:
        for name in NAMES:
            path = os.path.realpath(os.path.join(folder, name))
            if os.access(path, os.X_OK) and re.search(r"python3\.([89]|1[0-4])$", path):
                found[path] = None
    return list(found)


def anon_bytes(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"^RssAnon:\s+(\d+) kB", text, re.MULTILINE).group(1)) * 1024


def trimmed_bytes(target):
    target.stdin.write(b"trim\n")
    target.stdin.flush()
    return anon_bytes(target.pid) if target.stdout.readline() == b"done\n" else None


class Look:
    def __init__(self, interpreter, case, **environment):
        stats = pathlib.Path(FOLDER.name) / "stats"
        with open(stats, "wb") as errors, \
                support.started(*interpreters.interpreter(interpreter).command(SOURCE), case,
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
                                env=os.environ | environment) as target:
            assert target.stdout.readline() == b"ready\n"
            done = memtrace("-d", "0.1", "-f", "json", "-p", str(target.pid))
            self.anon_at_look = anon_bytes(target.pid)
            self.anon = trimmed_bytes(target)
        assert done.status == 0, done.err
        self.process = json.loads(done.out)["processes"][0]
        self.stats = stats.read_text()
        self.figures = {one["name"]: one["figures"] for one in self.process["allocators"]}

    def said(self, pattern):
        return int(re.search(pattern, self.stats).group(1).replace(",", ""))


@pytest.mark.parametrize("interpreter", [*paths(), *VERSIONS])
def test_arenas_are_what_python_says(interpreter):
    one = Look(interpreter, "kept")
    figures = one.figures["pymalloc"]
    assert figures["arena_count"] == one.said(r"# arenas allocated current += +([\d,]+)")
    assert figures["arena_bytes"] == one.said(r"bytes/arena += +([\d,]+)")
    # Saying it takes and gives back a block or two.
    assert abs(figures["used_bytes"] -
               one.said(r"# bytes in allocated blocks += +([\d,]+)")) <= 4096
    assert abs(figures["free_block_bytes"] -
               one.said(r"# bytes in available blocks += +([\d,]+)")) <= 4 * 16384
    assert abs(figures["free_pool_count"] + figures["unused_pool_count"] -
               one.said(r"(\d+) unused pools")) <= 4
    assert figures["sparse_arena_count"] > 10


@pytest.mark.parametrize("case", ["kept", "used"])
@pytest.mark.parametrize("version", ["3.13", "3.14"])
def test_segments_of_mimalloc_are_what_python_says(version, case):
    """With the GIL it says so of all of them; without it, of those that are not for objects."""
    one = Look(version, case, PYTHONMALLOC="mimalloc")
    figures = one.figures["mimalloc"]
    used, committed = (one.said(rf"{name}: (\d+)") for name in ("Allocated Bytes", "Committed"))
    assert abs(figures["used_count"] - one.said(r"Allocated Blocks: (\d+)")) <= 64
    assert abs(figures["used_bytes"] - used) <= 16384
    assert abs(figures["free_block_bytes"] - (committed - used)) <= 65536
    assert figures["page_bytes"] >= one.said(r"Reserved: (\d+)")
    assert figures["segment_bytes"] == figures["segment_count"] << 25
    assert used <= figures["segment_resident_bytes"] <= one.anon_at_look
    assert (figures["free_page_resident_bytes"] > 24 * MIB) == (case == "kept")


def test_what_keeps_them_is_found():
    one = Look(paths()[0], "kept")
    first = one.process["findings"][0]
    assert first["id"] == "pymalloc-arenas-pinned"
    assert first["bytes"] > 8 * MIB


def test_what_to_try_gives_back_what_it_says():
    """The same program with malloc, which is trimmed."""
    one = Look(paths()[0], "kept")
    other = Look(paths()[0], "kept", PYTHONMALLOC="malloc")
    found = one.process["findings"][0]
    assert "PYTHONMALLOC=malloc" in found["try"]
    spared = one.anon - other.anon
    assert abs(found["evidence"]["free_pool_resident_bytes"] - spared) <= spared * 0.1


def test_what_mimalloc_keeps_goes_with_what_is_to_try():
    one = Look("3.14", "kept", PYTHONMALLOC="mimalloc")
    other = Look("3.14", "kept", PYTHONMALLOC="mimalloc", MIMALLOC_PURGE_DELAY="0")
    # What it has reserved besides is a finding of its own, and larger.
    found, = (finding for finding in one.process["findings"] if finding["id"] == "mimalloc-kept")
    assert "MIMALLOC_PURGE_DELAY=0" in found["try"]
    spared = one.anon_at_look - other.anon_at_look
    assert abs(found["evidence"]["free_page_resident_bytes"] - spared) <= spared * 0.1
    assert all(finding["id"] != "mimalloc-kept" for finding in other.process["findings"])


def test_objects_in_use_are_no_finding():
    one = Look(paths()[0], "used")
    assert one.process["findings"][0]["id"] == "still-in-use"
    assert all(finding["id"] != "pymalloc-arenas-pinned" for finding in one.process["findings"])
