# SPDX-License-Identifier: GPL-2.0
"""Whom can memtrace -p follow, in whatever shape a process is, and whom not?"""
import contextlib
import os
import pathlib
import signal
import subprocess

import pytest

from program import (BALANCED, PF_KTHREAD, assert_full_report, bytes_touched, eventually,
                     memtrace, pids_of, refused, running, stat_of)
from puppet import PAGE, puppet
import support


@contextlib.contextmanager
def followed(*words):
    """A puppet that is followed."""
    with puppet() as target:
        with support.following(*words, "-p", target.pid) as follower:
            yield target, follower


def book_of(document, pid):
    process = support.process_of(document, pid)
    support.assert_balanced(process)
    return process


# ---- who is there ----

def test_several_processes():
    with puppet() as one, puppet() as two, puppet() as three:
        with support.following("-p", f"{one.pid},{two.pid}", "-p", three.pid) as follower:
            for pages, each in ((100, one), (200, two), (300, three)):
                each.do(f"touch {pages}")
            document = follower.stop()
    assert pids_of(document) == {one.pid, two.pid, three.pid}
    assert document["capture"]["mode"] == "attach"
    for pages, each in ((100, one), (200, two), (300, three)):
        assert bytes_touched(book_of(document, each.pid)) == pages * PAGE


def test_a_process_named_twice_is_followed_once():
    with puppet() as target:
        with support.following("-p", f"{target.pid},{target.pid}") as follower:
            target.do("touch 100")
            document = follower.stop()
    assert bytes_touched(book_of(document, target.pid)) == 100 * PAGE


def test_many_processes():
    with contextlib.ExitStack() as stack:
        pids = [stack.enter_context(support.started("sleep", "120")).pid for _ in range(150)]
        document = support.report("-p", ",".join(map(str, pids)), "-d", "0.1")
    assert pids_of(document) == set(pids)


def test_what_it_had_before_is_its_opening():
    with puppet() as target:
        target.do("touch 500")
        truth = support.status_of(target.pid)
        document = support.report("-p", target.pid, "-d", "0.1")
        assert book_of(document, target.pid)["opening"] == truth


def test_ends_when_all_have_ended_and_not_before():
    with puppet() as one, puppet() as two:
        with support.following("-p", f"{one.pid},{two.pid}") as follower:
            one.end()
            two.do("touch 10")
            assert not eventually(lambda: follower.process.poll() is not None, 0.7)
            two.tell("exit 5")
            document = follower.wait()
    assert book_of(document, one.pid)["exit"] == {"code": 0, "signal": 0}
    assert book_of(document, two.pid)["exit"] == {"code": 5, "signal": 0}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_process_that_is_killed(number):
    with followed() as (target, follower):
        target.do("touch 1000")
        os.kill(target.pid, number)
        document = follower.wait()
        process = book_of(document, target.pid)
    assert process["exit"] == {"code": 0, "signal": number}
    assert process["at_exit"] == process["kernel_at_exit"]
    assert process["at_exit"]["anon_bytes"] >= 1000 * PAGE
    assert not any(process["closing"].values())


def test_process_that_ends_has_the_same_balance_as_the_kernel_said():
    with followed() as (target, follower):
        target.do("touch 777")
        truth = support.status_of(target.pid)
        os.kill(target.pid, signal.SIGKILL)
        process = book_of(follower.wait(), target.pid)
    assert process["at_exit"] == truth == process["kernel_at_exit"]


def test_stopped_process():
    with puppet() as target:
        os.kill(target.pid, signal.SIGSTOP)
        try:
            document = support.report("-p", target.pid, "-d", "0.1")
        finally:
            os.kill(target.pid, signal.SIGCONT)
        assert book_of(document, target.pid)["exit"] is None


def test_process_that_strace_follows():
    with puppet() as target:
        with support.started("strace", "-f", "-p", target.pid, "-o", "/dev/null",
                             stderr=subprocess.DEVNULL) as tracer:
            assert eventually(lambda: tracer_of(target.pid) == tracer.pid)
            with support.following("-p", target.pid) as follower:
                target.do("touch 100")
                assert bytes_touched(book_of(follower.stop(), target.pid)) == 100 * PAGE


def tracer_of(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("TracerPid:"):
            return int(line.split()[1])


def test_its_parent():
    """The shell that started memtrace, as in `memtrace -p $$`."""
    script = f'"{support.MEMTRACE}" -f json -o /dev/null -p $$ -d 0.1; echo $?'
    assert subprocess.run(["sh", "-c", script], capture_output=True, timeout=60).stdout == b"0\n"


# ---- who is not ----

def unused_pid():
    with support.started("true") as process:
        process.wait()
        return process.pid


def kernel_thread():
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit() and int(stat_of(entry.name)[6]) & PF_KTHREAD:
            return int(entry.name)
    return pytest.skip("no kernel thread to be seen")


def test_pid_that_does_not_exist():
    pid = unused_pid()
    refused("-p", str(pid), says=[str(pid), "no process"])


def test_pid_above_all_pids():
    refused("-p", "2147483647", says=["2147483647", "no process"])


def test_one_of_several_does_not_exist():
    with puppet() as target:
        refused("-p", f"{target.pid},{unused_pid()}", says=["no process"])


def test_kernel_thread():
    pid = kernel_thread()
    refused("-p", str(pid), says=[str(pid), "kernel thread"])


def test_thread_of_a_process():
    """It names the process that the thread is of."""
    with puppet() as target:
        thread = target.do("thread")
        refused("-p", str(thread), says=[str(thread), "thread", f"-p {target.pid}"])


def test_zombie():
    with support.started("true") as process:
        assert eventually(lambda: stat_of(process.pid)[0] == "Z")
        refused("-p", str(process.pid), says=[str(process.pid), "zombie"])


def test_a_file_that_was_there_stays_where_nobody_is_followed(tmp_path):
    old = tmp_path / "capture"
    old.write_text("an old capture")
    refused("-p", str(unused_pid()), "-w", old, "-o", tmp_path / "report")
    assert old.read_text() == "an old capture"


# ---- children ----

def test_children_made_from_now_on():
    with puppet() as target:
        before = target.do("fork 10")
        with support.following("-p", target.pid) as follower:
            living, ended = target.do("fork 200"), target.do("born 300")
            document = follower.stop()
            truth = support.status_of(living)
    assert pids_of(document) == {target.pid, living, ended}, f"{before} was there before"
    assert book_of(document, living)["closing"] == truth
    assert bytes_touched(book_of(document, living)) >= 200 * PAGE
    child = book_of(document, ended)
    assert bytes_touched(child) >= 300 * PAGE
    assert (child["parent_pid"], child["exit"]) == (target.pid, {"code": 7, "signal": 0})
    book_of(document, target.pid)


def test_no_children():
    with followed("--no-children") as (target, follower):
        target.do("fork 200")
        target.do("born 300")
        target.do("vfork")
        document = follower.stop()
    assert pids_of(document) == {target.pid}
    book_of(document, target.pid)


def test_child_that_outlives_its_parent():
    """Its own end is not the end of what was asked for, so it is shown as running."""
    with followed() as (target, follower):
        orphan = target.orphan()
        target.end()
        process = book_of(follower.wait(), orphan)
        os.kill(orphan, signal.SIGKILL)
    assert process["exit"] is None and process["closing"]["virtual_bytes"] > 0


# ---- other programs ----

def test_exec():
    with followed() as (target, follower):
        target.do("touch 1000")
        target.do("exec anew")
        target.do("touch 50")
        truth = support.status_of(target.pid)
        document = follower.stop()
    process = book_of(document, target.pid)
    assert process["closing"] == truth
    assert process["arguments"][1:] == ["--again", "anew"]
    assert support.moved(process, "exec", "anon_bytes") < -900 * PAGE
    assert support.counted(process, "exec") == 1
    assert len(document["processes"]) == 1


def test_many_execs():
    with followed() as (target, follower):
        for _ in range(30):
            target.do("exec")
        process = book_of(follower.stop(), target.pid)
    assert support.counted(process, "exec") == 30


def test_vfork():
    """The parent's memory is not the child's before its exec, and the child is not the parent."""
    with followed() as (target, follower):
        target.do("touch 1000")
        child = target.do("vfork")
        document = follower.stop()
    parent, child = book_of(document, target.pid), book_of(document, child)
    assert child["command"] == "true"
    assert child["opening"]["anon_bytes"] == 0
    assert child["peak"]["resident_bytes"] < 1000 * PAGE
    assert parent["closing"]["anon_bytes"] >= 1000 * PAGE


# ---- one memory, two processes ----

def assert_counted_once(document, host, guest, pages):
    host, guest = book_of(document, host), support.process_of(document, guest)
    assert guest["shares_memory_with"] == host["pid"]
    assert not any(guest["closing"].values()) and guest["ledger"] == []
    assert bytes_touched(host) >= pages * PAGE


def test_child_in_its_parents_memory():
    with followed() as (target, follower):
        guest = target.do("share 500")
        assert eventually(lambda: stat_of(guest)[0] == "S")  # it goes to sleep after its answer
        truth = support.status_of(target.pid)
        document = follower.stop()
    assert_counted_once(document, target.pid, guest, 500)
    assert book_of(document, target.pid)["closing"] == truth


def test_child_that_was_in_its_parents_memory_before():
    with puppet() as target:
        guest = target.do("share 500")
        with support.following("-p", f"{target.pid},{guest}") as follower:
            target.do("touch 100")
            document = follower.stop()
    assert_counted_once(document, target.pid, guest, 100)


def test_child_in_its_parents_memory_followed_alone():
    """What there is to see of it is the memory that it lives in."""
    with puppet() as target:
        target.do("touch 100")
        guest = target.do("share 500")
        document = support.report("-p", guest, "-d", "0.1")
        truth = support.status_of(guest)
    total = [process["closing"]["anon_bytes"] for process in document["processes"]]
    assert sum(total) == truth["anon_bytes"]
    assert guest in pids_of(document)


# ---- threads ----

def test_process_whose_main_thread_has_ended():
    """/proc calls it a zombie, and it goes on all the same."""
    with puppet() as target:
        target.do("touch 100")
        target.do("main-gone")
        assert eventually(lambda: stat_of(target.pid)[0] == "Z")
        with support.following("-p", target.pid) as follower:
            target.do("touch 200")
            document = follower.stop()
    assert bytes_touched(book_of(document, target.pid)) == 200 * PAGE


def test_main_thread_that_ends_while_followed():
    with followed() as (target, follower):
        target.do("touch 100")
        target.do("main-gone")
        target.do("touch 200")
        assert eventually(lambda: stat_of(target.pid)[0] == "Z")
        assert not eventually(lambda: follower.process.poll() is not None, 0.5), "it goes on"
        document = follower.stop()
    process = book_of(document, target.pid)
    assert bytes_touched(process) >= 300 * PAGE
    assert process["exit"] is None


def test_process_without_main_thread_that_ends():
    with followed() as (target, follower):
        target.do("main-gone")
        target.do("touch 200")
        assert target.end() == 0
        process = book_of(follower.wait(), target.pid)
    assert process["exit"] == {"code": 0, "signal": 0}
    assert process["at_exit"] == process["kernel_at_exit"]
    assert process["at_exit"]["anon_bytes"] >= 200 * PAGE


# ---- text ----

def test_text_report_of_an_attached_process():
    with puppet() as target, running("-p", str(target.pid)) as background:
        target.do("touch 256")
        background.signal(signal.SIGINT)
        done = background.wait()
    assert_full_report(done.text)
    assert f"process {target.pid}, running" in done.text
    assert BALANCED in done.text
    assert "+1.0 MiB" in done.text


def test_verbose_is_all_that_speaks_on_standard_error():
    with puppet() as target:
        assert memtrace("-p", str(target.pid), "-d", "0.1").err == b""
        assert memtrace("-q", "-p", str(target.pid), "-d", "0.1").err == b""
