# SPDX-License-Identifier: GPL-2.0
"""Where a map of the kernel side is full, do the losses say what was lost, and is the rest right?

MEMTRACE_SIZES makes one of them tiny: user/collect/sizes.h.
"""
import contextlib
import os
import signal

import pytest

from cgroups import cgroup
from puppet import PAGE, puppet
from storm import kernel_births, living
import support

ROUNDS = 23


@contextlib.contextmanager
def sizes(words):
    os.environ["MEMTRACE_SIZES"] = words
    try:
        yield
    finally:
        del os.environ["MEMTRACE_SIZES"]


def capture(words, lines, *options):
    """What becomes of a puppet that is told these lines: its process, and the document."""
    with sizes(words), puppet() as target, \
            support.following("--stacks", "none", "-p", target.pid, *options) as follower:
        for line in lines:
            target.do(line)
        truth = support.status_of(target.pid)
        document = follower.stop()
    process = support.process_of(document, target.pid)
    assert process["closing"] == truth
    for each in document["processes"]:
        support.assert_balanced(each)
    return process, document


def losses_of(document):
    return {cause: count for cause, count in document["capture"]["losses"].items() if count}


def histogram(document, name, operation=None):
    """Values in it, over all processes."""
    return sum(one["count"] for one in document["histograms"]
               if one["name"] == name and one.get("operation") in (None, operation))


# ---- slots ----

@pytest.mark.parametrize("slots", (1, 3))
def test_slots(slots):
    """Children that only fork have one address space each: it is there, or it is counted."""
    _, document = capture(f"slots={slots}", ["born 5"] * ROUNDS)
    seen = len(document["processes"])
    assert 1 <= seen < ROUNDS
    assert losses_of(document) == {"spaces": ROUNDS + 1 - seen}


def test_slots_of_programs():
    """A child that becomes another program has two, one after the other."""
    _, document = capture("slots=1", [f"spawn {ROUNDS}"])
    assert len(document["processes"]) == 1
    assert losses_of(document) == {"spaces": 2 * ROUNDS}


def test_slots_of_a_cgroup():
    """Who was there before is counted once, however often it is asked for."""
    with sizes("slots=2"), cgroup() as group, contextlib.ExitStack() as stack:
        targets = [stack.enter_context(puppet(preexec_fn=group.enter)) for _ in range(7)]
        with support.following("--cgroup", group.path) as follower:
            targets[0].do("touch 10")
            document = follower.stop()
    assert len(document["processes"]) == 2
    assert losses_of(document) == {"spaces": 5}


def test_slots_of_the_machine():
    """The same, where others are born and end meanwhile."""
    with contextlib.ExitStack() as stack:
        for _ in range(11):
            stack.enter_context(puppet())
        before, born = living(), kernel_births()
        with sizes("slots=9"):
            document = support.report("-a", "-d", "1")
    losses = losses_of(document)
    assert set(losses) == {"spaces"}
    assert losses["spaces"] <= before + 2 * (kernel_births() - born)
    for process in document["processes"]:
        support.assert_balanced(process)


def test_slot_that_is_free_again():
    """With --cgroup and -a whoever found none gets one later."""
    with sizes("slots=1"), cgroup() as group, puppet(preexec_fn=group.enter) as first, \
            puppet(preexec_fn=group.enter) as second:
        with support.following("--cgroup", group.path) as follower:
            first.end()
            second.do(f"touch {ROUNDS}")
            second.do("born 1")  # so that some time passes
            truth = wait_for_slot(second)
            document = follower.stop()
    process = support.process_of(document, second.pid)
    support.assert_balanced(process)
    assert process["closing"] == truth
    assert losses_of(document)["spaces"] >= 1


def wait_for_slot(target):
    """Longer than memtrace takes to use a slot again."""
    signal.sigtimedwait([], 1)
    return support.status_of(target.pid)


# ---- books, rows, histograms ----

def test_books():
    """What finds no book is `other`, to the byte; faults are counted all the same."""
    process, document = capture("books=0", ["touch 10", "drop"] * ROUNDS, "--calls", "off")
    assert {row["operation"] for row in process["ledger"]} <= {"fault", "fault.cow", "other"}
    assert support.moved(process, "fault", "anon_bytes") == 10 * ROUNDS * PAGE
    assert support.moved(process, "other", "anon_bytes") == -10 * ROUNDS * PAGE
    # mmap: a call, VSZ; madvise: a call; munmap: a call, VSZ.  Some go with RSS, page tables.
    losses = losses_of(document)
    assert set(losses) == {"cells"}
    assert 5 * ROUNDS <= losses["cells"] <= 8 * ROUNDS + 2


def test_books_of_children():
    """The first has one; the others' books are the sum of what they did."""
    _, document = capture("books=1", ["born 5"] * ROUNDS)
    assert len(document["processes"]) == ROUNDS + 1
    assert set(losses_of(document)) == {"cells"}
    children = [process for process in document["processes"] if process["exit"]]
    bookless = [process for process in children if support.rows_of(process, "other")]
    assert len(bookless) >= ROUNDS - 2
    for process in bookless:
        assert support.moved(process, "fault", "anon_bytes") >= 5 * PAGE


def test_books_and_histograms():
    """Without a book a call is still in the histograms of all processes."""
    _, document = capture("books=0", ["touch 10", "drop"] * ROUNDS)
    assert histogram(document, "mmap_bytes") == ROUNDS
    assert histogram(document, "munmap_bytes") == ROUNDS
    assert histogram(document, "syscall_ns", "munmap") == ROUNDS


def test_blocks():
    """One that found none of its own is counted once, and its values are those of all."""
    lines = ["touch 10", "drop"] * ROUNDS
    roomy, roomy_document = capture("blocks=99", lines)
    process, document = capture("blocks=0", lines)
    assert losses_of(roomy_document) == {}
    assert losses_of(document) == {"cells": len(roomy["histograms"])}
    assert not process["histograms"]
    for name in ("mmap_bytes", "munmap_bytes", "released_bytes", "touch_delay_ns",
                 "mapping_lifetime_ns"):
        assert histogram(document, name) == ROUNDS, name


# ---- mappings, events ----

def test_mappings():
    process, document = capture("mappings=4", ["touch 1"] * ROUNDS)
    lost = losses_of(document)["mappings"]
    assert ROUNDS - 8 <= lost <= ROUNDS - 4
    assert histogram(document, "touch_delay_ns") == ROUNDS - lost
    assert support.counted(process, "mmap") == ROUNDS
    assert set(losses_of(document)) == {"mappings"}


def test_events():
    """Each child has two: its program, and its end."""
    with sizes("ring=4096"), puppet() as target, \
            support.following("--stacks", "none", "-p", target.pid) as follower:
        follower.process.send_signal(signal.SIGSTOP)
        target.do(f"spawn {ROUNDS}")
        follower.process.send_signal(signal.SIGCONT)
        document = follower.stop()
    children = [one for one in document["processes"] if one["pid"] != target.pid]
    assert len(children) == ROUNDS
    ends = sum(one["exit"] is not None for one in children)
    programs = sum(one["arguments"] == ["true"] for one in children)
    assert losses_of(document) == {"events": 2 * ROUNDS - ends - programs}
    for each in document["processes"]:
        support.assert_balanced(each)


# ---- the variable itself ----

@pytest.mark.parametrize("words", ("slots", "slots=", "slots=x", "slots=1x", "slot=1", "books=0 x"))
def test_sizes_that_make_no_sense(words):
    with sizes(words):
        _, said = support.run("-a", "-d", "0.1", status=1)
    assert said.count("\n") == 1 and "MEMTRACE_SIZES" in said
