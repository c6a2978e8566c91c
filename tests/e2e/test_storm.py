# SPDX-License-Identifier: GPL-2.0
"""Is anything lost in silence where thousands of processes are born under load?  `make storm`
does the same for ten minutes."""
import signal
import time

import pytest

import storm
import support

SECONDS = 12
MOST_RESIDENT = 32 << 20
MOST_GROWTH = 4 << 20  # in the second half: what it keeps has a bound


@pytest.fixture(scope="module")
def outcome():
    return storm.go_through(SECONDS)


def test_it_was_one(outcome):
    assert outcome.work.born > 1000
    assert all(count > 0 for count in outcome.work.operations.values())


def test_nothing_is_lost_in_silence(outcome):
    storm.lose_nothing_silently(outcome)


def test_books_balance(outcome):
    storm.balance(outcome)


def test_memory_of_memtrace(outcome):
    middle = len(outcome.resident) // 2
    assert max(outcome.resident) < MOST_RESIDENT
    assert max(outcome.resident[middle:]) < max(outcome.resident[:middle]) + MOST_GROWTH


def test_it_ends(outcome):
    assert outcome.end_seconds < storm.END_SECONDS


def test_end_in_the_middle_of_it():
    """Whoever cannot be read at rest is counted; all others balance."""
    with support.following("-a") as follower:
        with support.started(storm.births(), "6", "4"):
            time.sleep(3)
            follower.process.send_signal(signal.SIGINT)
            document = follower.wait()
    wrong = [process for process in document["processes"] if any(process["unexplained"].values())]
    assert len(wrong) <= document["capture"]["losses"]["reads"], wrong
    assert len(document["processes"]) > 100


def test_maps_that_are_too_small(monkeypatch):
    """Most of it finds no room: all that does stays right, and the rest is counted."""
    sizes = f"slots={storm.living() + 100} books=99 blocks=20 ring=8192"
    monkeypatch.setenv("MEMTRACE_SIZES", sizes)
    outcome = storm.go_through(5)
    losses = outcome.document["capture"]["losses"]
    assert any(losses.values())
    storm.lose_nothing_silently(outcome)
    storm.balance(outcome)
