# SPDX-License-Identifier: GPL-2.0
"""Each workload against the ledger that it prints, the kernel's counters and the page tables."""
import subprocess

import pytest

import judge
import machine
import pagemap
import support


def cases():
    for program in sorted(support.WORKLOADS.iterdir()):
        listed = subprocess.run([program, "--list"], capture_output=True, text=True, check=True)
        for line in listed.stdout.splitlines():
            case, *needs = line.split()
            yield pytest.param(program.name, case, needs, id=f"{program.name}-{case}")


def capture(program, case, needs, *options, look=lambda pid: None):
    ends = "ends" in needs
    with machine.prepared(need for need in needs if need != "ends") as environment:
        with support.workload(program, case, env=environment) as workload:
            before = support.faults_of(workload.pid)
            look(workload.pid)
            with support.following(*options, "-p", workload.pid) as memtrace:
                workload.go_on("done")
                truth, resident = support.status_of(workload.pid), support.rollup_of(workload.pid)
                faults = support.faults_of(workload.pid) - before
                look(workload.pid)
                document = None if ends else memtrace.stop()
                expected = workload.finish()
                document = document or memtrace.wait()
    return judge.Captured(document, expected, workload.pid, truth, resident, faults)


@pytest.mark.parametrize("program, case, needs", cases())
def test_workload(program, case, needs):
    judge.assert_good(capture(program, case, needs, "--stacks", "none"))


@pytest.mark.parametrize("program, case, needs", cases())
def test_workload_without_calls(program, case, needs):
    judge.assert_good_without_calls(capture(program, case, needs, "--calls", "off"))


# What brings pages that nobody of the process has touched.
FOREIGN = ("khugepaged", "remote")
# The kernel shows which pages it has merged to nobody without privileges: they stay in sites.
MERGED = ("ksm", "madvise.other")
ALSO_AGAIN = {("heap", "calloc-large")}  # gives back what it had before memtrace, touches it again


class Pages:
    """Which anonymous pages a process has, before it is followed and after."""

    def __init__(self):
        self.before = self.now = None

    def look(self, pid):
        pages = pagemap.anonymous(pid)
        if self.before is None:
            self.before = pages
        else:
            self.now = pages


def assert_sites_have(process, pages, again):
    """All that has come since, but for what came from elsewhere."""
    by = {operation: support.moved(process, operation, "anon_bytes") // pagemap.PAGE
          for operation in (*FOREIGN, *MERGED)}
    foreign = sum(max(by[operation], 0) for operation in FOREIGN)
    merged = -sum(by[operation] for operation in MERGED) if by["ksm"] else 0
    held = sum(site["resident_bytes"] for site in process["sites"]) // pagemap.PAGE - merged
    new = len(pages.now - pages.before) - foreign
    assert new <= held <= len(pages.now) if again else held == new, (held, new, by)


def assert_no_more_than(process):
    """Of what was given back unasked before it ended it is not known whose it was."""
    taken = sum(row["anon_bytes"] for row in process["ledger"] if row["anon_bytes"] < 0 and
                row["operation"] in ("reclaim", "madvise.pageout", "ksm", "remote"))
    born = sum(row["swap_bytes"] for row in process["ledger"] if row["operation"] == "fork")
    assert process.get("unsited", {"resident_bytes": 0})["resident_bytes"] >= taken - born


@pytest.mark.parametrize("program, case, needs", cases())
def test_workload_with_stacks(program, case, needs):
    """The same books; and each page that has come is in the site of who touched it."""
    pages = Pages()
    captured = capture(program, case, needs, "--stacks", "python", look=pages.look)
    judge.assert_good(captured)
    for process in captured.document["processes"]:
        if not process["exit"] and process["pid"] == captured.pid and "unsited" in process:
            assert_sites_have(process, pages, (program, case) in ALSO_AGAIN)
        elif (program, case) != ("exec", "shared"):
            # The sites of the memory that it left go on under the name of who stayed there.
            assert_no_more_than(process)
