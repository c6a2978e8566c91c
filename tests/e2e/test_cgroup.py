# SPDX-License-Identifier: GPL-2.0
"""Does --cgroup follow whoever is in a cgroup, enters it and is born in it, and nobody else?"""
import os
import signal

import pytest

from cgroups import cgroup
from program import bytes_touched, eventually, memtrace, pids_of, refused
from puppet import PAGE, puppet
import support


def test_members_at_the_start():
    with cgroup() as group, puppet(preexec_fn=group.enter) as member, puppet() as stranger:
        member.do("touch 300")
        truth = support.status_of(member.pid)
        with support.following("--cgroup", group.path) as follower:
            member.do("touch 100")
            stranger.do("touch 100")
            document = follower.stop()
    assert pids_of(document) == {member.pid}
    process = support.process_of(document, member.pid)
    support.assert_balanced(process)
    assert process["opening"] == truth
    assert bytes_touched(process) == 100 * PAGE
    assert process["cgroup"] == group.name


def test_who_enters_later():
    with cgroup() as group, puppet() as late:
        with support.following("--cgroup", group.path) as follower:
            late.do("touch 200")
            truth = support.status_of(late.pid)
            group.take(late.pid)
            late.do("touch 100")
            child = late.do("born 50")
            document = follower.stop()
    assert pids_of(document) == {late.pid, child}
    process = support.process_of(document, late.pid)
    support.assert_balanced(process)
    assert process["opening"] == truth
    assert bytes_touched(process) == 100 * PAGE
    assert process["cgroup"] == group.name


def test_children_born_inside():
    with cgroup() as group, puppet(preexec_fn=group.enter) as member:
        with support.following("--cgroup", group.path) as follower:
            living, ended, program = (member.do(line) for line in ("fork 40", "born 60", "vfork"))
            document = follower.stop()
    assert pids_of(document) == {member.pid, living, ended, program}
    for process in document["processes"]:
        support.assert_balanced(process)
        assert process["cgroup"] == group.name, process["command"]
    assert bytes_touched(support.process_of(document, ended)) >= 60 * PAGE


def test_child_cgroups():
    """Those at the start, and those that are made later."""
    with cgroup() as group, cgroup("inner", group) as inner:
        with puppet(preexec_fn=inner.enter) as member, puppet() as late:
            with support.following("--cgroup", group.path) as follower:
                with cgroup("new", group) as new:
                    new.take(late.pid)
                    member.do("touch 10")
                    late.do("touch 20")
                    document = follower.stop()
                    assert pids_of(document) == {member.pid, late.pid}
                    assert {process["cgroup"] for process in document["processes"]} == \
                        {inner.name, new.name}
    for process in document["processes"]:
        support.assert_balanced(process)


def test_member_of_the_parent_is_a_stranger():
    with cgroup() as group, cgroup("inner", group) as inner:
        with puppet(preexec_fn=group.enter) as outside, puppet(preexec_fn=inner.enter) as inside:
            with support.following("--cgroup", inner.path) as follower:
                outside.do("touch 10")
                outside.do("born 10")
                document = follower.stop()
            assert pids_of(document) == {inside.pid}


def test_sibling_with_a_longer_name_is_a_stranger():
    with cgroup("one") as group, cgroup("one1") as sibling:
        with puppet(preexec_fn=group.enter) as member, puppet(preexec_fn=sibling.enter):
            assert pids_of(support.report("--cgroup", group.path, "-d", "0.1")) == {member.pid}


@pytest.mark.parametrize("form", ["{path}", "{path}/", "{name}", "{short}"])
def test_ways_to_name_it(form):
    """The folder; what /proc/PID/cgroup says; the same without its slash."""
    with cgroup() as group, puppet(preexec_fn=group.enter) as member:
        words = form.format(path=group.path, name=group.name, short=group.name[1:])
        assert pids_of(support.report("--cgroup", words, "-d", "0.1")) == {member.pid}


def test_top_of_the_hierarchy():
    with puppet() as target:
        assert target.pid in pids_of(support.report("--cgroup", "/", "-d", "0.1"))


def test_empty_cgroup():
    """Nobody is there yet: the report says so."""
    with cgroup() as group:
        done = memtrace("--cgroup", group.path, "-d", "0.2")
        assert (done.status, done.err) == (0, b"")
        assert "No process was followed." in done.text
        assert support.report("--cgroup", group.path, "-d", "0.2")["processes"] == []


@pytest.mark.parametrize("path", ["/no/such/cgroup", "no-such-cgroup", "/etc", "/proc/self"])
def test_cgroup_that_does_not_exist(path):
    refused("--cgroup", path, "-d", "0.1", says=["cgroup", path])


def test_empty_name():
    """As of an unset variable: it does not mean the whole machine."""
    done = memtrace("--cgroup", "", "-d", "0.1")
    assert done.status in (1, 2) and done.out == b"", done


def test_cgroup_that_goes_while_it_is_followed():
    """What was counted is reported."""
    with cgroup() as group:
        with cgroup("short", group) as short:
            with support.following("--cgroup", short.path) as follower:
                with puppet(preexec_fn=short.enter) as member:
                    member.do("touch 100")
                    member.end()
                short.remove()
                short.path.mkdir()
                document = follower.stop()
    process = support.process_of(document, member.pid)
    support.assert_balanced(process)
    assert bytes_touched(process) >= 100 * PAGE


def test_born_and_gone_inside():
    """As a container is: it enters the cgroup and execs, many times over."""
    with cgroup() as group:
        with support.following("--cgroup", group.path) as follower:
            pids = set()
            for _ in range(20):
                with support.started("/bin/true", preexec_fn=group.enter) as process:
                    assert process.wait() == 0
                    pids.add(process.pid)
            document = follower.stop()
    assert pids <= pids_of(document)
    for pid in pids:
        process = support.process_of(document, pid)
        support.assert_balanced(process)
        assert (process["command"], process["exit"]) == ("true", {"code": 0, "signal": 0})
    assert not any(document["capture"]["losses"].values())


def test_stranger_that_forks_at_the_same_time():
    with cgroup() as group, puppet(preexec_fn=group.enter) as member, puppet() as stranger:
        with support.following("--cgroup", group.path) as follower:
            stranger.do("spawn 50")
            member.do("spawn 5")
            document = follower.stop()
    assert len(document["processes"]) == 6
    assert stranger.pid not in pids_of(document)


def test_ends_at_ctrl_c():
    with cgroup() as group, puppet(preexec_fn=group.enter) as member:
        with support.following("--cgroup", group.path) as follower:
            member.end()
            assert not eventually(lambda: follower.process.poll() is not None, 0.5), \
                "others may enter"
            os.kill(follower.process.pid, signal.SIGINT)
            assert pids_of(follower.wait()) == {member.pid}
