# SPDX-License-Identifier: GPL-2.0
"""Each workload against the ledger that it prints, the kernel's counters and the page tables."""
import subprocess

import pytest

import judge
import machine
import support


def cases():
    for program in sorted(support.WORKLOADS.iterdir()):
        listed = subprocess.run([program, "--list"], capture_output=True, text=True, check=True)
        for line in listed.stdout.splitlines():
            case, *needs = line.split()
            yield pytest.param(program.name, case, needs, id=f"{program.name}-{case}")


def capture(program, case, needs, *options):
    ends = "ends" in needs
    with machine.prepared(need for need in needs if need != "ends") as environment:
        with support.workload(program, case, env=environment) as workload:
            before = support.faults_of(workload.pid)
            with support.following(*options, "-p", workload.pid) as memtrace:
                workload.go_on("done")
                truth, resident = support.status_of(workload.pid), support.rollup_of(workload.pid)
                faults = support.faults_of(workload.pid) - before
                document = None if ends else memtrace.stop()
                expected = workload.finish()
                document = document or memtrace.wait()
    return judge.Captured(document, expected, workload.pid, truth, resident, faults)


@pytest.mark.parametrize("program, case, needs", cases())
def test_workload(program, case, needs):
    judge.assert_good(capture(program, case, needs))


@pytest.mark.parametrize("program, case, needs", cases())
def test_workload_without_calls(program, case, needs):
    judge.assert_good_without_calls(capture(program, case, needs, "--calls", "off"))


# Who takes pages from a process without a call that says which: they stay in their sites.
TAKEN_BY = ("reclaim", "madvise.pageout", "ksm", "remote")


@pytest.mark.parametrize("program, case, needs", cases())
def test_workload_with_stacks(program, case, needs):
    """The same books; and no site has a page that it has not, but for what the kernel took."""
    captured = capture(program, case, needs, "--stacks", "native")
    judge.assert_good(captured)
    if (program, case) == ("exec", "shared"):
        return  # the sites of the memory that it left go on under the name of who stayed there
    for process in captured.document["processes"]:
        taken = sum(row["anon_bytes"] for row in process["ledger"]
                    if row["operation"] in TAKEN_BY and row["anon_bytes"] < 0)
        born = sum(row["swap_bytes"] for row in process["ledger"] if row["operation"] == "fork")
        assert process.get("unsited", {"resident_bytes": 0})["resident_bytes"] >= taken - born
