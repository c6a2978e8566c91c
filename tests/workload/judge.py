# SPDX-License-Identifier: GPL-2.0
"""Is what memtrace said of a workload what the workload expects, and what the kernel knows?

To the byte.  But where a kernel counts the faults of a thread late (up to 6.1), residency may be
off by what those bring, for each thread and in each figure, and a fault that brought a page may
pass for one that copied it, since the page is not counted by then.  Without an event of mmap_lock
besides (5.10), pages that a call took without a fault pass for those of faults.

And where programs may be interrupted (7.0 and newer), events may be missed: a count may fall short
by so many as memtrace says, what was asked for by no more than so many of the largest calls, and
histograms lack them.  Virtual and locked memory that is mapped and unmapped again while its events
are missed is in neither row, within the same bound.  All else that moved is as exact as everywhere.
"""
import collections
import dataclasses
import math

import histograms
import support

NOISE_SHARE = 0.001  # of the bytes moved: what `other` may have
MOVED = tuple(balance for balance in support.BALANCES if balance != "page_table_bytes")
FAULTS = ("fault", "fault.cow", "fault.kernel")
# Calls in which the kernel brings pages without a fault, but counts them as if there were one.
FAULTLESS = ("mmap", "mlock", "madvise.populate", "madvise.other", "gup")
NOT_OPERATIONS = ("exit status", "beyond", "guest", "lazy_free", "all faults", "other faults",
                  "sizes", "times")
# What a kernel without per-CPU counters may keep back of a thread: 64 faults, of which those on
# files bring what is around, too.
LATE_PAGES = {"anon_bytes": 64, "swap_bytes": 64, "file_bytes": 64 * 16, "shmem_bytes": 64 * 16}


@dataclasses.dataclass
class Captured:
    """What memtrace said of a case, what the case expects, and what the kernel knows."""
    document: dict
    expected: dict  # by pid
    pid: int
    truth: dict
    resident: int
    faults: int
    threads: int = 1
    witnessed: bool = True  # the kernel shows a balance at exit besides that of the books
    interruptible: bool = False  # a program of this kernel may be interrupted, and miss events

    def process(self, pid=None):
        return support.process_of(self.document, pid or self.pid)

    def is_late(self):
        return not self.document["capture"]["features"]["cpu_counters"]

    def missed(self):
        return self.document["capture"]["losses"]["missed"] if self.interruptible else 0

    def falls_short(self, what, got, wanted, largest):
        """Whether what was missed explains a figure of calls, which asked for `largest` at most."""
        mapped = largest if math.isfinite(largest) else 0
        most = {"count": 1, "failed": 1, "requested_bytes": largest,
                "virtual_bytes": mapped, "locked_bytes": mapped}
        short = wanted - got if wanted >= 0 else got - wanted
        return what in most and 0 <= short <= self.missed() * most[what]

    def is_near(self, what, got, wanted):
        """Whether a figure is right, as far as this kernel lets it be."""
        late = sum(LATE_PAGES.get(part, 0) for part in what.split("+"))
        page_bytes = self.document["host"]["page_bytes"]
        return abs(got - wanted) <= self.is_late() * late * self.threads * page_bytes


# ---- the ledger ----

def is_named(row, name):
    """Whether an expectation's name means a row: operations, or one for one call alone."""
    operations, _, call = name.partition(" ")
    return row["operation"] in operations.split("+") and (not call or row["call"] == call)


def figure(rows, what):
    return sum(row[part] or 0 for row in rows for part in what.split("+"))


def largest_request(process, rows, told):
    """The size under which all calls of those operations lie, if it is known: those that were seen,
    and those that the workload made, of which the largest may be the one that was missed."""
    operations = {row["operation"] for row in rows}
    seen = [size or math.inf for name, group in histograms.SIZES.items()
            if operations & set(group) for one in histograms.histograms_of(process, name)
            for size in histograms.in_buckets(one)]
    return max(seen + told, default=math.inf)


def unexpected_figures(captured, process, name, wanted, figures):
    rows = [row for row in process["ledger"] if is_named(row, name)]
    told = [wanted["largest_bytes"]] if "largest_bytes" in wanted else []
    largest = largest_request(process, rows, told) if captured.missed() else 0
    wanted = {what: value for what, value in wanted.items() if what != "largest_bytes"}
    parts = {part for what in wanted for part in what.split("+")}
    # What an expectation says nothing of is 0, but for one about several operations together.
    rest = () if "+" in name else [what for what in figures if what not in parts]
    for what in (*wanted, *rest):
        value, got = wanted.get(what, 0), figure(rows, what)
        if what.split("+")[0] in figures and value is not None and \
                not captured.is_near(what, got, value) and \
                not captured.falls_short(what, got, value, largest):
            yield f"{name} {what}: {got}, expected {value}"


def unexpected(captured, process, expected, figures):
    """Where a ledger is not what was expected, to the byte, or has what nobody named."""
    names = [name for name in expected if name not in NOT_OPERATIONS]
    for name in names:
        if "anything" not in expected[name]:
            yield from unexpected_figures(captured, process, name, expected[name], figures)
    for row in process["ledger"]:
        if not any(is_named(row, name) for name in names if "+" not in name):
            for what in figures:
                if not captured.is_near(what, row[what] or 0, 0):
                    yield f"{row['operation']} ({row['call']}) {what}: {row[what]}, unexpected"


def add_figure(merged, what, value):
    before = merged.get(what, 0)
    merged[what] = before + value if value is not None and before is not None else None


def with_copies_as_faults(process, expected):
    """Both with each `fault.cow` as a `fault`."""
    def renamed(name):
        return "+".join("fault" if part == "fault.cow" else part for part in name.split("+"))

    merged = collections.defaultdict(dict)
    for name, wanted in expected.items():
        for what, value in wanted.items():
            add_figure(merged[renamed(name)], what, value)
    ledger = [{**row, "operation": renamed(row["operation"])} for row in process["ledger"]]
    return {**process, "ledger": ledger}, merged


def with_calls_as_faults(process, expected):
    """Both with pages that a call took (`gup`) as if they had come by faults, uncounted."""
    merged = collections.defaultdict(dict)
    for name, wanted in expected.items():
        taken = name.split(" ")[0] == "gup"
        for what, value in wanted.items():
            if not (taken and what == "count"):
                add_figure(merged["fault" if taken else name], what, value)
    ledger = [{**row, "operation": "fault", "call": None, "count": 0}
              if row["operation"] == "gup" else row for row in process["ledger"]]
    return {**process, "ledger": ledger}, merged


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
    return {"ledger": ledger, "histograms": process["histograms"]}


def problems_of(captured, pid, figures=("count", "failed", "requested_bytes", *MOVED)):
    process, expected = captured.process(pid), captured.expected[pid]
    ledger = process
    if "beyond" in expected:
        ledger = without(process, captured.process(expected["beyond"]["pid"]))
    if captured.is_late():
        ledger, expected = with_copies_as_faults(ledger, expected)
        if not captured.document["capture"]["features"]["mmap_lock"]:
            ledger, expected = with_calls_as_faults(ledger, expected)
    yield from unexpected(captured, ledger, expected, figures)
    if "all faults" in expected:
        got = sum(row["count"] or 0 for row in ledger["ledger"] if row["operation"] in FAULTS)
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


def assert_ended(process, status, witnessed):
    """It gave everything back, and what it had just before is what the kernel said then."""
    assert process["exit"] == status
    assert support.counted(process, "exit") == 1
    assert not any(process["closing"].values()), process["closing"]
    assert process["kernel_at_exit"] == (process["at_exit"] if witnessed else None)


def assert_sound(captured):
    """What holds whatever was done: the books balance, nothing was lost or left unnamed."""
    losses = captured.document["capture"]["losses"]
    if captured.missed():  # of a task whose end was missed, its call looks as if it went on
        losses = {**losses, "missed": 0, "storage": max(losses["storage"] - captured.missed(), 0)}
    assert not any(losses.values()), losses
    assert {process["pid"] for process in captured.document["processes"]} == set(captured.expected)
    for process in captured.document["processes"]:
        if process["shares_memory_with"]:
            assert not process["ledger"] and not any(process["closing"].values())
        else:
            support.assert_balanced(process)
        assert_little_other(process)
        if "exit status" in captured.expected[process["pid"]]:
            assert_ended(process, captured.expected[process["pid"]]["exit status"],
                         captured.witnessed)
        assert captured.is_late() or min(process["closing"].values()) >= 0


def assert_true(captured):
    """A process that stands still is what /proc says that it is, counter by counter."""
    process = captured.process()
    # The kernel shows 0 for what is below it while it is late.
    shown = {balance: max(value, 0) for balance, value in process["closing"].items()}
    assert (shown if captured.is_late() else process["closing"]) == captured.truth
    resident = sum(process["closing"][balance] for balance in support.RESIDENT)
    assert captured.is_near("+".join(support.RESIDENT), captured.resident, resident), resident
    faultless = any(support.moved(process, operation, balance) > 0 or
                    captured.is_late() and support.counted(process, operation)
                    for operation in FAULTLESS for balance in (*support.RESIDENT, "hugetlb_bytes"))
    if not faultless and "other faults" not in captured.expected[captured.pid]:
        counted = sum(support.counted(process, operation) for operation in FAULTS)
        assert counted == captured.faults, f"{counted} faults, but {captured.faults}"


# ---- all of it ----

def assert_good(captured):
    assert_sound(captured)
    if "exit status" not in captured.expected[captured.pid]:
        assert_true(captured)
    assert_expected(captured)
    for process in captured.document["processes"]:
        problems = list(histograms.wrong(process, whole=not captured.missed()))
        if captured.is_late():  # what comes late comes with what is given back
            problems = [one for one in problems if not one.startswith("released_bytes sum")]
        if not captured.missed():
            problems += histograms.unexpected(process, captured.expected[process["pid"]])
        assert not problems, "\n".join(problems)


def counted_twice(captured, pid):
    """Without an event for each call it is counted by what it moves: once, or not at all."""
    for name, wanted in captured.expected[pid].items():
        rows = [row for row in captured.process(pid)["ledger"] if is_named(row, name)]
        if name in histograms.CALLS and wanted.get("count") is not None and \
                figure(rows, "count") > wanted["count"]:
            yield f"process {pid}: {name} count: {figure(rows, 'count')} of {wanted['count']}"


def assert_good_without_calls(captured):
    """What moved, and by what, is known without an event for each call."""
    assert_sound(captured)
    if "exit status" not in captured.expected[captured.pid]:
        assert_true(captured)
    # What is in no RSS is noticed at the next event that there is.
    assert_expected(captured, [balance for balance in MOVED if balance != "hugetlb_bytes"])
    problems = [one for pid in captured.expected for one in counted_twice(captured, pid)]
    assert not problems, "\n".join(problems)
    for process in captured.document["processes"]:
        assert all(row["failed"] is None and row["requested_bytes"] is None
                   for row in process["ledger"])
