# SPDX-License-Identifier: GPL-2.0
"""Each workload against the ledger that it prints, the kernel's counters and the page tables."""
import dataclasses
import subprocess

import pytest

import histograms
import machine
import support

NOISE_SHARE = 0.001  # of the bytes moved: what `other` may have
MOVED = tuple(balance for balance in support.BALANCES if balance != "page_table_bytes")
FAULTS = ("fault", "fault.cow", "fault.kernel")
# Calls in which the kernel brings pages without a fault, but counts them as if there were one.
FAULTLESS = ("mmap", "mlock", "madvise.populate", "madvise.other", "gup")
NOT_OPERATIONS = ("exit status", "beyond", "guest", "lazy_free", "all faults", "other faults",
                  "sizes", "times")


def cases():
    for program in sorted(support.WORKLOADS.iterdir()):
        listed = subprocess.run([program, "--list"], capture_output=True, text=True, check=True)
        for line in listed.stdout.splitlines():
            case, *needs = line.split()
            yield pytest.param(program.name, case, needs, id=f"{program.name}-{case}")


@dataclasses.dataclass
class Captured:
    """What memtrace said of a case, what the case expects, and what the kernel knows."""
    document: dict
    expected: dict  # by pid
    pid: int
    truth: dict
    resident: int
    faults: int

    def process(self, pid=None):
        return support.process_of(self.document, pid or self.pid)


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
    return Captured(document, expected, workload.pid, truth, resident, faults)


# ---- the ledger ----

def is_named(row, name):
    """Whether an expectation's name means a row: operations, or one for one call alone."""
    operations, _, call = name.partition(" ")
    return row["operation"] in operations.split("+") and (not call or row["call"] == call)


def figure(rows, what):
    return sum(row[part] or 0 for row in rows for part in what.split("+"))


def unexpected_figures(process, name, wanted, figures):
    rows = [row for row in process["ledger"] if is_named(row, name)]
    parts = {part for what in wanted for part in what.split("+")}
    # What an expectation says nothing of is 0, but for one about several operations together.
    rest = () if "+" in name else [what for what in figures if what not in parts]
    for what in (*wanted, *rest):
        value, got = wanted.get(what, 0), figure(rows, what)
        if what.split("+")[0] in figures and value is not None and got != value:
            yield f"{name} {what}: {got}, expected {value}"


def unexpected(process, expected, figures):
    """Where a ledger is not what was expected, to the byte, or has what nobody named."""
    names = [name for name in expected if name not in NOT_OPERATIONS]
    for name in names:
        if "anything" not in expected[name]:
            yield from unexpected_figures(process, name, expected[name], figures)
    for row in process["ledger"]:
        if not any(is_named(row, name) for name in names if "+" not in name):
            for what in figures:
                if row[what]:
                    yield f"{row['operation']} ({row['call']}) {what}: {row[what]}, unexpected"


def without(process, sibling):
    """A process less what its sibling did."""
    keys = {(row["operation"], row["call"]) for row in process["ledger"] + sibling["ledger"]}
    ledger = []
    for operation, call in sorted(keys, key=str):
        row = {"operation": operation, "call": call}
        for what in ("count", "failed", "requested_bytes", *MOVED):
            mine, its = (figure([row for row in one["ledger"]
                                 if (row["operation"], row["call"]) == (operation, call)], what)
                         for one in (process, sibling))
            row[what] = mine - its
        ledger.append(row)
    return {"ledger": ledger}


def problems_of(captured, pid, figures=("count", "failed", "requested_bytes", *MOVED)):
    process, expected = captured.process(pid), captured.expected[pid]
    ledger = process
    if "beyond" in expected:
        ledger = without(process, captured.process(expected["beyond"]["pid"]))
    yield from unexpected(ledger, expected, figures)
    if "all faults" in expected:
        got = sum(support.counted(process, operation) for operation in FAULTS)
        if got != expected["all faults"]["count"]:
            yield f"{got} faults; the kernel says {expected['all faults']['count']}"
    if "guest" in expected and process["shares_memory_with"] != expected["guest"]["of"]:
        yield f"a guest of {process['shares_memory_with']}"
    lazy_free = expected.get("lazy_free", {}) if "count" in figures else {}
    for what, value in lazy_free.items():
        got = figure([process["lazy_free"]], what)
        if got != value:
            yield f"lazy_free {what}: {got}, expected {value}"


def assert_expected(captured, *figures):
    problems = []
    for pid in captured.expected:
        problems += [f"process {pid}: {problem}"
                     for problem in problems_of(captured, pid, *figures)]
    assert not problems, "\n" + "\n".join(problems)


# ---- the rest ----

def assert_little_other(process):
    rows = [row for row in process["ledger"] if row["operation"] == "other"]
    for balance in support.BALANCES:
        moved = sum(abs(row[balance]) for row in process["ledger"])
        other = sum(abs(row[balance]) for row in rows)
        assert other <= moved * NOISE_SHARE, f"other moved {other} of {moved} {balance}"


def assert_ended(process, status):
    """It gave everything back, and what it had just before is what the kernel said then."""
    assert process["exit"] == status
    assert support.counted(process, "exit") == 1
    assert not any(process["closing"].values()), process["closing"]
    assert process["at_exit"] == process["kernel_at_exit"]


def assert_sound(captured):
    """What holds whatever was done: the books balance, nothing was lost or left unnamed."""
    assert not any(captured.document["capture"]["losses"].values())
    assert {process["pid"] for process in captured.document["processes"]} == set(captured.expected)
    for process in captured.document["processes"]:
        if process["shares_memory_with"]:
            assert not process["ledger"] and not any(process["closing"].values())
        else:
            support.assert_balanced(process)
        assert_little_other(process)
        if "exit status" in captured.expected[process["pid"]]:
            assert_ended(process, captured.expected[process["pid"]]["exit status"])


def assert_true(captured):
    """A process that stands still is what /proc says that it is, counter by counter."""
    process = captured.process()
    assert process["closing"] == captured.truth
    assert sum(process["closing"][balance] for balance in support.RESIDENT) == captured.resident
    faultless = any(support.moved(process, operation, balance) > 0
                    for operation in FAULTLESS for balance in (*support.RESIDENT, "hugetlb_bytes"))
    if not faultless and "other faults" not in captured.expected[captured.pid]:
        counted = sum(support.counted(process, operation) for operation in FAULTS)
        assert counted == captured.faults, f"{counted} faults, but {captured.faults}"


@pytest.mark.parametrize("program, case, needs", cases())
def test_workload(program, case, needs):
    captured = capture(program, case, needs)
    assert_sound(captured)
    if "ends" not in needs:
        assert_true(captured)
    assert_expected(captured)
    for process in captured.document["processes"]:
        problems = list(histograms.wrong(process))
        problems += histograms.unexpected(process, captured.expected[process["pid"]])
        assert not problems, "\n".join(problems)


@pytest.mark.parametrize("program, case, needs", cases())
def test_workload_without_calls(program, case, needs):
    """What moved, and by what, is known without an event for each call."""
    captured = capture(program, case, needs, "--calls", "off")
    assert_sound(captured)
    if "ends" not in needs:
        assert_true(captured)
    # What is in no RSS is noticed at the next event that there is.
    assert_expected(captured, [balance for balance in MOVED if balance != "hugetlb_bytes"])
    for process in captured.document["processes"]:
        assert all(row["failed"] is None and row["requested_bytes"] is None
                   for row in process["ledger"])
