# SPDX-License-Identifier: GPL-2.0
"""Is it counted and said where something is lost, and does all the rest stay true?"""
import json
import re
import signal
import time

import pytest

from cgroups import cgroup
from program import assert_full_report, memtrace, running
from puppet import PAGE, puppet
import support

BORN = 1500  # far more than the ring buffer holds, and with execs more than there are slots


@pytest.fixture(scope="module")
def lossy(tmp_path_factory):
    """A capture during which memtrace was stopped, and a process made very many children."""
    path = tmp_path_factory.mktemp("losses") / "capture"
    with puppet() as target:
        with running("-p", str(target.pid), "--stacks", "none", "--strict", "-f", "json",
                     "-w", path) as background:
            target.do("touch 100")
            background.signal(signal.SIGSTOP)
            target.do(f"spawn {BORN}")
            last = target.do("fork 50")
            target.do("touch 200")
            background.signal(signal.SIGCONT)
            truth = {pid: support.status_of(pid) for pid in (target.pid, last)}
            background.signal(signal.SIGINT)
            done = background.wait()
    return done, truth, target.pid, path


def test_strict_status(lossy):
    assert lossy[0].status == 3, lossy[0].err


def test_losses_are_counted(lossy):
    losses = json.loads(lossy[0].out)["capture"]["losses"]
    assert losses["events"] > 0
    assert losses["spaces"] > 0


def test_each_birth_is_there_or_counted(lossy):
    """A child that is neither in the report nor among the losses was lost in silence."""
    document = json.loads(lossy[0].out)
    seen = sum(process.get("stands_for", 1) for process in document["processes"])
    assert seen + document["capture"]["losses"]["spaces"] >= BORN + 1


def test_books_of_survivors_balance(lossy):
    done, truth, pid, _ = lossy
    document = json.loads(done.out)
    process = support.process_of(document, pid)
    support.assert_balanced(process)
    assert process["closing"] == truth[pid]
    assert support.moved(process, "fault", "anon_bytes") >= 300 * PAGE
    for process in document["processes"]:
        assert not any(process["unexplained"].values()), process["pid"]


def test_no_command_is_made_up(lossy):
    """Whose exec could not be told is not shown with the words of another program."""
    for process in json.loads(lossy[0].out)["processes"]:
        if process["command"] == "true":
            assert process["arguments"] in (["true"], []), process["arguments"]
            assert process["executable"] in ("", "/bin/true", "/usr/bin/true")


def test_text_says_what_was_lost(lossy):
    text = memtrace("report", lossy[3]).text
    assert_full_report(text)
    lost = text[text.index("Lost: "):]
    losses = json.loads(lossy[0].out)["capture"]["losses"]
    assert "nothing" not in lost.splitlines()[0]
    for cause in ("events", "spaces"):
        assert f"{losses[cause]:,}" in lost


def test_openmetrics_says_what_was_lost(lossy):
    text = memtrace("report", "-f", "openmetrics", lossy[3]).text
    losses = json.loads(lossy[0].out)["capture"]["losses"]
    for cause in ("events", "spaces"):
        assert re.search(f'^memtrace_losses_total{{cause="{cause}"}} {losses[cause]}$', text, re.M)


def test_strict_status_of_a_report_again(lossy):
    assert memtrace("report", "--strict", lossy[3]).status == 3
    assert memtrace("report", lossy[3]).status == 0


def test_report_comes_all_the_same(lossy):
    done = memtrace("report", "--strict", "-f", "json", lossy[3])
    assert json.loads(done.out) == json.loads(lossy[0].out)


# ---- none ----

def test_strict_where_nothing_was_lost():
    with puppet() as target:
        with running("-p", str(target.pid), "--strict") as background:
            target.do("touch 1000")
            target.do("spawn 20")
            background.signal(signal.SIGINT)
            done = background.wait()
    assert done.status == 0
    assert "Lost: nothing." in done.text


def test_many_short_processes_are_no_loss():
    """As long as memtrace can run: two thousand of them, each in the books."""
    with puppet() as target:
        with support.following("--strict", "--stacks", "none", "-p", target.pid) as follower:
            target.do("spawn 2000")
            document = follower.stop()
    seen = sum(process.get("stands_for", 1) for process in document["processes"])
    assert seen == 2001
    for process in document["processes"]:
        assert not any(process["unexplained"].values()), process["pid"]
    assert not any(document["capture"]["losses"].values())


def test_program_that_ends_before_its_predecessor_was_read():
    """The memory from before its exec and that from after it are read in any order."""
    with cgroup() as group, support.started("sleep", "60", preexec_fn=group.enter) as earlier, \
            puppet(preexec_fn=group.enter) as target, puppet(preexec_fn=group.enter) as parent:
        with support.following("--cgroup", group.path) as follower:
            opening = support.status_of(target.pid)
            parent.do("spawn 700")  # no slot is left that was never used
            earlier.kill()
            earlier.wait()
            time.sleep(0.4)  # its slot is free again, and comes before the target's
            target.do("exec")
            target.tell("exit 3")
            target.process.wait()
            document = follower.stop()
    process = support.process_of(document, target.pid)
    assert process["opening"] == opening
    support.assert_balanced(process)
    assert process["exit"] == {"code": 3, "signal": 0}


def test_system_is_followed_on_after_slots_ran_out():
    """-a: who found no slot gets one later, with what it has by then as its opening."""
    with puppet() as target, running("-a", "-f", "json") as background:
        background.signal(signal.SIGSTOP)
        target.do(f"spawn {BORN}")
        late = target.do("fork 50")
        background.signal(signal.SIGCONT)
        time.sleep(0.5)
        target.do("touch 100")
        truth = support.status_of(late)
        background.signal(signal.SIGINT)
        document = json.loads(background.wait().out)
    assert any(document["capture"]["losses"].values())
    process = support.process_of(document, late)
    support.assert_balanced(process)
    assert process["closing"] == truth
