# SPDX-License-Identifier: GPL-2.0
"""Are the books of malloc, read from outside, what malloc says, and what trimming gives back?"""
import functools
import json
import pathlib
import platform
import re
import subprocess
import tempfile

import pytest

from program import memtrace
import support

SOURCE = pathlib.Path(__file__).with_name("heaps.c")
FOLDER = tempfile.TemporaryDirectory(prefix="memtrace-heaps-")
MIB = 1 << 20
CASES = ["pinned", "fast", "cached", "holes", "alternate", "wide_holes", "grown", "full",
         "threads"]
PAGE = 4096


@functools.cache
def program(*flags):
    path = pathlib.Path(FOLDER.name) / "-".join(["heaps", *flags])
    subprocess.run(["cc", "-O1", "-g", "-D_GNU_SOURCE", "-Wno-unused-result", "-o", path, SOURCE,
                    "-pthread", *flags], check=True)
    return path


def status_bytes(pid, name):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE).group(1)) * 1024


def process_of(done):
    assert done.status == 0, done.err
    return json.loads(done.out)["processes"][0]


def figures_of(process, name="glibc"):
    found = [one for one in process.get("allocators", []) if one["name"] == name]
    assert len(found) == 1, process.get("allocators")
    assert found[0]["read"] and found[0]["complete"] and not found[0]["late"], found[0]
    return found[0]["figures"]


class Look:
    """A case, and what memtrace saw of it while it stood still."""

    def __init__(self, case, *flags):
        stats = pathlib.Path(FOLDER.name) / "stats"
        with open(stats, "wb") as errors, \
                support.started(program(*flags), case, stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, stderr=errors) as target:
            assert target.stdout.readline() == b"ready\n"
            self.resident = status_bytes(target.pid, "RssAnon"), status_bytes(target.pid, "VmSwap")
            done = memtrace("-d", "0.1", "-f", "json", "-p", str(target.pid))
            self.after = status_bytes(target.pid, "RssAnon"), status_bytes(target.pid, "VmSwap")
            target.stdin.write(b"trim\n")
            target.stdin.flush()
            assert target.stdout.readline() == b"done\n"
            self.given_back = self.after[0] - status_bytes(target.pid, "RssAnon")
        self.process = process_of(done)
        self.figures = figures_of(self.process)
        found = re.findall(r"system bytes +=\s*(\d+)\nin use bytes +=\s*(\d+)", stats.read_text())
        self.arenas = [tuple(map(int, one)) for one in found[:-1]]  # the last is their sum


@functools.cache
def look(case, *flags):
    return Look(case, *flags)


@pytest.mark.parametrize("case, flags", [(case, ()) for case in CASES] +
                         [("pinned", ("-static",)), ("threads", ("-static",))])
def test_the_main_arena_is_what_malloc_says(case, flags):
    """malloc counts what a thread keeps for itself (tcache) as used, and so it is here."""
    one = look(case, *flags)
    system, used = one.arenas[0]
    assert one.figures["main_system_bytes"] == system
    assert one.figures["main_used_bytes"] == used
    assert one.figures["main_free_bytes"] + one.figures["main_top_bytes"] == system - used


def test_arenas_of_threads_are_what_malloc_says():
    one = look("threads")
    assert one.figures["thread_arenas"] == len(one.arenas) - 1 >= 2
    assert one.figures["thread_system_bytes"] == sum(system for system, _ in one.arenas[1:])
    free = one.figures["thread_free_bytes"] + one.figures["thread_top_bytes"]
    said = sum(system - used for system, used in one.arenas[1:])
    assert said * 0.999 <= free <= said


@pytest.mark.parametrize("case", CASES)
def test_trimming_gives_back_what_was_foretold(case):
    one = look(case)
    foretold = sum(one.figures[name] for name in
                   ("main_trim_bytes", "main_top_resident_bytes", "thread_trim_bytes"))
    assert abs(one.given_back - foretold) <= max(foretold * 0.01, 8 * PAGE)
    assert (foretold > 10 * MIB) == (case not in ("holes", "alternate", "full"))


@pytest.mark.parametrize("case", CASES)
def test_looking_changes_nothing_that_is_resident(case):
    one = look(case)
    assert one.resident == one.after


def test_the_block_that_holds_the_top_is_told():
    one = look("pinned")
    assert one.figures["last_used_bytes"] == 1008
    assert one.figures["above_largest_count"] == 1
    assert not one.figures["last_used_is_cached"]
    assert look("cached").figures["last_used_is_cached"]


def test_thresholds_that_grew_are_told():
    figures = look("grown").figures
    assert figures["mmap_threshold_bytes"] == (30 << 20) + PAGE
    assert figures["trim_threshold_bytes"] == 2 * figures["mmap_threshold_bytes"]
    assert figures["thresholds_are_dynamic"]
    assert look("full").figures["mmap_threshold_bytes"] == 128 << 10


FINDINGS = {"pinned": ("heap-top-pinned", "trim_bytes"), "fast": ("heap-top-pinned", "trim_bytes"),
            "cached": ("heap-top-pinned", "trim_bytes"),
            "holes": ("heap-fragmented", "trim_bytes"),
            "wide_holes": ("heap-fragmented", "trim_bytes"),
            "grown": ("mmap-threshold-grew", "top_resident_bytes"),
            "threads": ("thread-arenas", "trim_bytes")}


@pytest.mark.parametrize("case", [*FINDINGS, "full"])
def test_the_first_finding_names_the_cause(case):
    first = look(case).process["findings"][0]
    wanted, _ = FINDINGS.get(case, ("still-in-use", None))
    assert first["id"] == wanted, look(case).process["findings"]


@pytest.mark.parametrize("case", FINDINGS)
def test_what_to_try_gives_back_what_it_says(case):
    """malloc_trim(0), within 10 %: of its evidence, and of its bytes where it can give all."""
    one = look(case)
    found, name = one.process["findings"][0], FINDINGS[case][1]
    assert "malloc_trim(0)" in found["try"]
    assert abs(found["evidence"][name] - one.given_back) <= max(one.given_back * 0.1, 64 * PAGE)
    if found["id"] in ("heap-top-pinned", "mmap-threshold-grew"):
        assert abs(found["bytes"] - one.given_back) <= one.given_back * 0.1


@pytest.mark.parametrize("case, setting, share", [
    ("grown", "MALLOC_TRIM_THRESHOLD_=131072", 0.1), ("threads", "MALLOC_ARENA_MAX=1", 1.0),
])
def test_settings_to_try_keep_it_from_happening(case, setting, share):
    """What they would have given back is not there in the first place."""
    words = ["env", setting, program(), case]
    with support.started(*words, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL) as target:
        assert target.stdout.readline() == b"ready\n"
        anon = status_bytes(target.pid, "RssAnon")
    found = look(case).process["findings"][0]
    spared = look(case).resident[0] - anon
    assert setting.split("=", maxsplit=1)[0] in found["try"]
    assert abs(spared - found["bytes"]) <= found["bytes"] * share


def test_a_command_is_looked_at_before_its_end():
    line = f"sleep 1.2 | {program()} pinned >&2"
    process = process_of(memtrace("-f", "json", "--", "sh", "-c", line))
    assert process["command"] == "heaps"
    figures = figures_of(process)
    assert figures["main_trim_bytes"] > 60 * MIB
    assert 0 < process["allocators"][0]["before_end_ns"] < 1_000_000_000


@pytest.mark.skipif(platform.machine() != "x86_64",
                    reason="stacks are unwound on x86-64 only")
def test_the_code_that_took_the_block_at_the_top_is_told():
    line = f"sleep 1.2 | {program()} pinned >&2"
    process = process_of(memtrace("--stacks", "native", "-f", "json", "--", "sh", "-c", line))
    first = process["findings"][0]
    assert first["id"] == "heap-top-pinned"
    assert re.search(r"(take|pinned) \(heaps\.c:\d+\)", first["evidence"]["last_touched_by"])


def test_it_can_be_left_out():
    with support.started(program(), "pinned", stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as target:
        assert target.stdout.readline() == b"ready\n"
        words = ["-d", "0.1", "-f", "json", "-p", str(target.pid)]
        assert "allocators" not in process_of(memtrace("--allocators", "off", *words))
        assert "allocators" in process_of(memtrace(*words))


def test_other_allocators_are_named(tmp_path):
    """Known by their libraries' names, whatever else is in them."""
    library = tmp_path / "libjemalloc.so.2"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, "-x", "c", "/dev/null"], check=True)
    done = memtrace("-d", "0.3", "-f", "json", "--", "env", f"LD_PRELOAD={library}", "sleep", "9")
    names = [one["name"] for process in json.loads(done.out)["processes"]
             for one in process.get("allocators", []) if not one["read"]]
    assert names == ["jemalloc"]
