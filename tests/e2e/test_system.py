# SPDX-License-Identifier: GPL-2.0
"""Does -a follow everything that lives and is born, and not memtrace itself?"""
import json
import pathlib

from program import PF_KTHREAD, bytes_touched, memtrace, pids_of, stat_of
from puppet import PAGE, puppet
import support


def living():
    """Every process that has memory of its own."""
    pids = set()
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and int((entry / "statm").read_text().split()[0]):
                pids.add(int(entry.name))
        except OSError:
            continue
    return pids


def test_everything_that_lives():
    """All that is there before and after, but for those that the kernel hides from BPF."""
    before = living()
    document = support.report("-a", "-d", "0.5")
    missing = (before & living()) - pids_of(document)
    assert document["capture"]["mode"] == "system"
    assert not missing or "kernel does not show" in json.dumps(document), \
        f"{missing} cannot be followed, and nothing says so"
    assert len(missing) < 10, missing


def test_everything_that_is_born():
    with puppet() as target:
        with support.following("-a") as follower:
            living_child, ended, program = (target.do(line)
                                            for line in ("fork 100", "born 200", "vfork"))
            with support.started("/bin/true") as stranger:
                stranger.wait()
            target.do("touch 300")
            document = follower.stop()
    assert {target.pid, living_child, ended, program, stranger.pid} <= pids_of(document)
    for pid in (target.pid, living_child, ended, program, stranger.pid):
        support.assert_balanced(support.process_of(document, pid))
    assert bytes_touched(support.process_of(document, target.pid)) == 300 * PAGE
    assert bytes_touched(support.process_of(document, ended)) >= 200 * PAGE


def test_books_of_all_balance():
    document = support.report("-a", "-d", "0.3")
    for process in document["processes"]:
        if process["kernel"]:
            assert not any(process["unexplained"].values()), process
        else:
            assert any(document["capture"]["losses"].values()), process


def test_memtrace_does_not_follow_itself():
    with support.following("-a") as follower:
        own = follower.process.pid
        document = follower.stop()
    assert own not in pids_of(document)
    assert document["capture"]["overhead"]["resident_bytes"] > 0


def test_another_memtrace_is_followed():
    with puppet() as target, support.following("-p", target.pid) as other:
        with support.following("-a") as follower:
            document = follower.stop()
    process = support.process_of(document, other.process.pid)
    support.assert_balanced(process)
    assert process["command"] == "memtrace"


def test_kernel_threads_are_not_listed():
    document = support.report("-a", "-d", "0.2")
    for pid in pids_of(document):
        try:
            assert not int(stat_of(pid)[6]) & PF_KTHREAD, pid
        except FileNotFoundError:
            continue


def test_calls_are_off_unless_asked_for():
    """They cost every system call of the machine."""
    for words, calls in ((["-a"], False), (["-a", "--calls", "on"], True)):
        with puppet() as target, support.following(*words) as follower:
            target.do("touch 10")
            document = follower.stop()
        assert document["capture"]["features"]["calls"] is calls
        row, = support.rows_of(support.process_of(document, target.pid), "mmap")
        expected = (0, 10 * PAGE) if calls else (None, None)
        assert (row["failed"], row["requested_bytes"]) == expected


def test_process_without_main_thread():
    with puppet() as target:
        thread = target.do("thread")
        target.do("main-gone")
        target.do("touch 100")
        with support.following("-a") as follower:
            target.do("touch 200")
            truth = support.status_of(f"{target.pid}/task/{thread}")
            document = follower.stop()
    process = support.process_of(document, target.pid)
    support.assert_balanced(process)
    assert process["closing"] == truth
    assert bytes_touched(process) == 200 * PAGE


def test_child_in_its_parents_memory_is_not_counted_twice():
    with puppet() as target:
        guest = target.do("share 1000")
        with support.following("-a") as follower:
            document = follower.stop()
    host, guest = (support.process_of(document, pid) for pid in (target.pid, guest))
    assert host["closing"]["anon_bytes"] >= 1000 * PAGE
    assert guest["closing"]["anon_bytes"] == 0 and guest["shares_memory_with"] == target.pid


def test_nobody_is_said_to_be_hidden_who_is_not():
    """A process in another's memory is there, as everything else."""
    with puppet() as target:
        before = memtrace("-a", "-d", "0.2").text
        guests = [target.do("share 10") for _ in range(3)]
        after = memtrace("-a", "-d", "0.2").text
    notes = [[line for line in text.splitlines() if "could not be followed" in line]
             for text in (before, after)]
    assert notes[0] == notes[1], f"{guests} are not hidden"


def test_table_is_limited():
    done = memtrace("-a", "-d", "0.2", "--limit", "2")
    assert "more (--limit)" in done.text
    assert memtrace("-a", "-d", "0.2", "--limit", "0").status == 0
