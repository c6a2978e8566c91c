# SPDX-License-Identifier: GPL-2.0
"""Do the sites name who touched each page, and who gave it back?  libgcc and pagemap say so."""
import dataclasses
import json
import os
import pathlib
import subprocess

import pytest

import support

ZOO = support.ROOT / "build" / "tests" / "stacks" / "zoo"
CASES = ("plain", "recursion", "alloca", "far-frame", "realigned", "callback", "handler", "thread",
         "read", "populated", "locked", "collapsed", "unmapped", "dropped", "moved", "cut",
         "covered", "heap")
FAULTS = ("fault", "fault.kernel", "fault.cow")


@dataclasses.dataclass
class Case:
    touched: int
    present: int
    released_by: str
    theirs: int  # frames to leave out of memtrace's, where the touch itself is
    chain: tuple


def read_cases(text):
    """What the zoo printed."""
    cases = {}
    for line in text.splitlines():
        word, name, touched, present, by, theirs, *chain = line.split(" ")
        assert word == "case", line
        page = os.sysconf("SC_PAGESIZE")
        # Whoever touched is elsewhere by then: its callers count.
        frames = tuple(place(frame) for frame in chain[1:])
        cases[name] = Case(int(touched) * page, int(present) * page, by, int(theirs), frames)
    return cases


def place(frame):
    module, _, address = frame.rpartition("+")
    return pathlib.Path(module).name, int(address, 16)


def places(site):
    return tuple((pathlib.Path(frame["module"] or "?").name, int(frame["address"], 16))
                 for frame in site["stack"] if not frame.get("inlined"))


@pytest.fixture(scope="module", name="run")
def run_zoo(tmp_path_factory):
    """The zoo under memtrace: the report and what it says of itself."""
    report = tmp_path_factory.mktemp("zoo") / "report.json"
    done = subprocess.run([support.MEMTRACE, "--stacks", "native", "-f", "json", "-o", report,
                           "--", ZOO], stdout=subprocess.PIPE, text=True, check=True, timeout=120)
    document = json.loads(report.read_text())
    assert not any(document["capture"]["losses"].values()), document["capture"]["losses"]
    process, = document["processes"]
    return process, read_cases(done.stdout)


def test_every_case_ran(run):
    assert set(run[1]) == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_case(run, name):
    """One site has the chain of calls that libgcc sees, and the pages that pagemap counts."""
    process, cases = run
    case = cases[name]
    found = [site for site in process["sites"] if places(site)[case.theirs:] == case.chain
             and site["touched_bytes"] >= case.touched]
    assert len(found) == 1, [places(site) for site in process["sites"]
                             if site["touched_bytes"] == case.touched] or process["sites"][:3]
    site, = found
    assert not site["truncated"]
    assert site["touched_bytes"] == case.touched
    assert site["resident_bytes"] == case.present
    gone = case.touched - case.present
    assert site["released_by"] == ({case.released_by: gone} if gone else {})


def test_every_page_has_a_site(run):
    """From its first instruction on each page was touched by somebody, but for what exec made."""
    process, _ = run
    elsewhere = sum(row["anon_bytes"] for row in process["ledger"]
                    if row["operation"] in ("exec", "fork", "gup", "other"))
    resident = sum(site["resident_bytes"] for site in process["sites"])
    assert resident + elsewhere == process["at_exit"]["anon_bytes"]
    touched = sum(site["touched_bytes"] for site in process["sites"])
    brought = sum(row["anon_bytes"] for row in process["ledger"]
                  if row["operation"] in (*FAULTS, "mmap", "mlock", "madvise.collapse",
                                          "madvise.populate"))
    assert touched == brought + sum(site["gave_back_by"].get("mmap", 0)
                                    for site in process["sites"])


def test_stacks_are_whole(run):
    process, _ = run
    touched = sum(site["touched_bytes"] for site in process["sites"])
    whole = sum(site["touched_bytes"] for site in process["sites"] if not site["truncated"])
    assert whole >= 0.995 * touched, [site for site in process["sites"] if site["truncated"]]
