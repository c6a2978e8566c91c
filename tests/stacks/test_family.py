# SPDX-License-Identifier: GPL-2.0
"""Are the pages that a child was born with its own as soon as it writes to them, and not before?"""
import json
import os
import subprocess

import pytest

import support
from test_sites import place, places

FAMILY = support.ROOT / "build" / "tests" / "stacks" / "family"
CASES = ("parent", "copied", "taken")
UNMAPPED = 11  # by the child, of what it had copied


@pytest.fixture(scope="module", name="run")
def run_family(tmp_path_factory):
    report = tmp_path_factory.mktemp("family") / "report.json"
    done = subprocess.run([support.MEMTRACE, "--stacks", "native", "-f", "json", "-o", report,
                           "--", FAMILY], stdout=subprocess.PIPE, text=True, check=True,
                          timeout=120)
    document = support.validate(json.loads(report.read_text()))
    assert not any(document["capture"]["losses"].values()), document["capture"]["losses"]
    lines = [line.split(" ") for line in done.stdout.splitlines()]
    return document, {name: (int(pages), chain) for _, name, pages, *chain in lines}


@pytest.mark.parametrize("name", CASES)
def test_case(run, name):
    """Pages are of whom they were written by, in each process."""
    document, cases = run
    pages, chain = cases[name]
    page_bytes = os.sysconf("SC_PAGESIZE")
    callers = tuple(place(one) for one in chain[1:])
    found = [site for process in document["processes"] for site in process["sites"]
             if places(site)[1:] == callers and site["touched_bytes"]]
    assert len(found) == 1
    assert found[0]["touched_bytes"] == pages * page_bytes
    gone = UNMAPPED * page_bytes if name == "copied" else 0
    assert found[0]["resident_bytes"] == found[0]["touched_bytes"] - gone
    assert found[0]["released_by"] == ({"munmap": gone} if gone else {})


def test_the_rest_is_inherited(run):
    """Of each child; and no page is in two sites."""
    children = [process for process in run[0]["processes"]
                if any(row["operation"] == "fork" for row in process["ledger"])]
    assert len(children) == 3
    for process in children:
        assert process["unsited"]["meaning"] == f"inherited from {process['parent_pid']}"
        assert process["unsited"]["resident_bytes"] > 0
        held = sum(site["resident_bytes"] for site in process["sites"])
        assert held + process["unsited"]["resident_bytes"] == process["at_exit"]["anon_bytes"]
