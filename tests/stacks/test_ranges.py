# SPDX-License-Identifier: GPL-2.0
"""Do the sites name who reserved address space, and what of it was never touched?"""
import json
import os
import subprocess

import pytest

import support
from test_sites import place, places

RANGES = support.ROOT / "build" / "tests" / "stacks" / "ranges"
CASES = ("heap", "whole", "touched", "below", "above", "dropped", "unmapped", "moved", "grown",
         "shrunk", "covered", "covering", "failed", "huge", "attached")
FIELDS = ("reserved_bytes", "unreserved_bytes", "never_touched_bytes",
          "unreserved_untouched_bytes")


def read_cases(text):
    """What the program printed: by name the bytes, the frames to leave out, the chain."""
    cases = {}
    for line in text.splitlines():
        word, name, *pages, theirs, chain = line.split(" ", 7)
        assert word == "range", line
        numbers = [int(count) * os.sysconf("SC_PAGESIZE") for count in pages]
        cases[name] = (numbers, int(theirs), tuple(place(one) for one in chain.split(" ")[1:]))
    return cases


@pytest.fixture(scope="module", name="run")
def run_ranges(tmp_path_factory):
    report = tmp_path_factory.mktemp("ranges") / "report.json"
    done = subprocess.run([support.MEMTRACE, "--stacks", "native", "-f", "json", "-o", report,
                           "--", RANGES], stdout=subprocess.PIPE, text=True, check=True,
                          timeout=120)
    document = support.validate(json.loads(report.read_text()))
    assert not any(document["capture"]["losses"].values()), document["capture"]["losses"]
    process, = document["processes"]
    return process, read_cases(done.stdout)


def test_every_case_ran(run):
    assert set(run[1]) == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_case(run, name):
    """One site has the chain of calls that libgcc sees, and what became of its pages."""
    process, cases = run
    numbers, theirs, chain = cases[name]
    found = [site for site in process["sites"] if places(site)[theirs:] == chain
             and site["reserved_bytes"]]
    assert len(found) == 1, [places(site) for site in process["sites"] if site["reserved_bytes"]]
    assert [found[0][field] for field in FIELDS] == numbers


def test_address_space_adds_up(run):
    """What no site has reserved is what exec made, and how the stack grew."""
    process, _ = run
    elsewhere = sum(row["virtual_bytes"] for row in process["ledger"]
                    if row["operation"] in ("exec", "stack"))
    assert process["unsited"]["virtual_bytes"] == elsewhere


def test_what_was_given_back_adds_up(run):
    """To the byte what the ledger has of each call."""
    process, _ = run
    for row in process["ledger"]:
        if row["operation"] in ("munmap", "brk.shrink", "mremap", "madvise.dontneed"):
            gave = sum(site["gave_back_by"].get(row["operation"], 0) for site in process["sites"])
            assert gave == -row["anon_bytes"], row
