# SPDX-License-Identifier: GPL-2.0
"""Does `memtrace diff` say what is different in the reports of two captures?"""
import json
import platform
import re

import jsonschema
import pytest

from program import memtrace, refused
import support

SCRIPT = """
import mmap, os, sys, time
time.sleep(0.3)  # until the interpreter is known
def hold(pages):
    area = mmap.mmap(-1, pages * 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    area.madvise(mmap.MADV_NOHUGEPAGE)
    for at in range(pages): area[at * 4096] = 1
    return area
def drop(area): area.close()
kept = hold(int(sys.argv[1]))
for _ in range(int(sys.argv[2])): drop(hold(997))
os._exit(0)
"""
SCHEMA = jsonschema.Draft202012Validator(
    json.loads((support.ROOT / "docs" / "memtrace-diff-1.schema.json").read_text()))


def compared(*words):
    out, _ = support.run("diff", "-f", "json", *words)
    document = json.loads(out)
    SCHEMA.validate(document)
    return document


@pytest.fixture(scope="module", name="captures")
def two_captures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("diff")
    stacks = ("--stacks", "python") if platform.machine() == "x86_64" else ()
    (folder / "hold.py").write_text(SCRIPT)
    for name, words in (("old", (5003, 7)), ("new", (9001, 3))):
        support.run(*stacks, "-w", folder / name, "-o", "/dev/null", "--", "/usr/bin/python3",
                    folder / "hold.py", *words)
    return folder / "old", folder / "new"


def only_process(path):
    process, = json.loads(support.run("report", "-f", "json", path)[0])["processes"]
    return process


def test_figures_are_those_of_the_reports(captures):
    old, new = map(only_process, captures)
    process, = compared(*captures)["processes"]
    assert (process["old_pid"], process["new_pid"]) == (old["pid"], new["pid"])
    assert process["arguments"] == new["arguments"]
    for name, figure in process["balances"].items():
        if name in support.BALANCES:
            assert figure == {"old": old["at_exit"][name], "new": new["at_exit"][name],
                              "change": new["at_exit"][name] - old["at_exit"][name]}
    rows = {(row["operation"], row["call"]): row for row in process["ledger"]}
    for what, one in (("old", old), ("new", new)):
        for row in one["ledger"]:
            changed = rows.get((row["operation"], row["call"]), {})
            assert changed.get("count", {what: row["count"]})[what] == row["count"]
            assert changed.get("anon_bytes", {what: row["anon_bytes"]})[what] == row["anon_bytes"]
    assert rows["munmap", None]["anon_bytes"]["change"] == 4 * 997 * 4096


@pytest.mark.skipif(platform.machine() != "x86_64", reason="stacks are unwound on x86-64 only")
def test_code_that_holds_more_comes_first(captures):
    process, = compared(*captures)["processes"]
    site = process["sites"][0]
    assert "hold" in [frame["function"] for frame in site["stack"]]
    assert site["resident_bytes"]["change"] == (9001 - 5003) * 4096
    text, _ = support.run("diff", *captures)
    assert re.search(r" 19\.5 MiB +35\.2 MiB +\+15\.6 MiB  hold \(hold\.py:\d\)\n", text)


def test_findings_have_their_figures(captures):
    old, new = map(only_process, captures)
    process, = compared(*captures)["processes"]
    before, now = ({one["id"]: one["bytes"] for one in each["findings"]} for each in (old, new))
    assert before and {one["id"] for one in process["findings"]} == set(before) | set(now)
    for one in process["findings"]:
        state = "stayed" if one["id"] in before and one["id"] in now else \
            "came" if one["id"] in now else "went"
        assert one["state"] == state
        assert (one["bytes"]["old"], one["bytes"]["new"]) == (
            before.get(one["id"], 0), now.get(one["id"], 0))


def test_a_person_sees_both(captures):
    text, _ = support.run("diff", *captures)
    assert text.startswith("old: followed for ")
    assert re.search(r"python3 \S*hold\.py 9001 3 \(\d+, then \d+\)", text)
    assert re.search(r"  resident \(RSS\) +[\d.]+ MiB +[\d.]+ MiB +\+15\.\d MiB\n", text)
    assert re.search(r"  munmap +\d+ -> \d+ ", text)


def test_nothing_changed(captures):
    text, _ = support.run("diff", captures[0], captures[0])
    assert text.endswith("1 process is as before.\n")
    process, = compared(captures[0], captures[0])["processes"]
    assert process["ledger"] == process["sites"] == []
    assert all(not figure["change"] for figure in process["balances"].values())


def test_processes_that_came_and_went(captures, tmp_path):
    other = tmp_path / "other"
    support.run("-w", other, "-o", "/dev/null", "--", "/bin/true")
    processes = compared(captures[0], other)["processes"]
    assert sorted((one["command"], bool(one["old_pid"]), bool(one["new_pid"]))
                  for one in processes) == [("python3", True, False), ("true", False, True)]
    text, _ = support.run("diff", captures[0], other)
    assert "in the old one alone" in text and "in the new one alone" in text


def test_what_is_no_capture_is_refused(captures, tmp_path):
    (tmp_path / "text").write_text("no capture")
    for pair in ((captures[0], tmp_path / "text"), (tmp_path / "none", captures[0])):
        done = memtrace("diff", *map(str, pair))
        assert done.status == 1 and done.out == b"" and str(tmp_path) in done.said
    refused("diff", "-f", "folded", *map(str, captures), status=2, says=["text and json"])
