# SPDX-License-Identifier: GPL-2.0
"""Is it said rightly who a process is: its parent, start, program, words, cgroup, name?"""
import os
import pathlib
import shutil
import subprocess
import time

import pytest

from cgroups import cgroup, cgroup_of
from program import boot_unix_seconds, command_file, public_folder, stat_of
from puppet import puppet
import support


def identity_of(pid):
    """What /proc says, to be compared with a process of the report."""
    folder = pathlib.Path(f"/proc/{pid}")
    words = (folder / "cmdline").read_bytes().decode(errors="replace")
    return {"pid": pid,
            "parent_pid": int(stat_of(pid)[1]),
            "command": (folder / "comm").read_bytes()[:-1].decode(errors="replace"),
            "arguments": words.split("\0")[:-1],
            "executable": os.readlink(folder / "exe"),
            "cgroup": cgroup_of(pid)}


def told_of(process):
    return {what: process[what] for what in
            ("pid", "parent_pid", "command", "arguments", "executable", "cgroup")}


def started_unix_ns(pid):
    ticks = int(stat_of(pid)[19])
    return int((boot_unix_seconds() + ticks / os.sysconf("SC_CLK_TCK")) * 1e9)


# ---- while it lives ----

@pytest.mark.parametrize("arguments", [
    ["a b", "", " ", "'", '"', "\\"], ["one\ntwo", "\t"], ["", "", ""], ["ü", "測試", "\U0001f600"],
    ["x" * 900], []], ids=["marks", "newline", "empty", "wide", "long", "none"])
def test_process_that_was_there(arguments):
    with puppet(*arguments) as target:
        process = support.process_of(support.report("-p", target.pid, "-d", "0.1"), target.pid)
        assert told_of(process) == identity_of(target.pid)
        assert process["arguments"][1:] == arguments
        assert abs(process["started_unix_ns"] - started_unix_ns(target.pid)) < 1e9


@pytest.mark.parametrize("mode", [["-a"], ["-p", "{pid}"], ["--cgroup", "{cgroup}"]],
                         ids=["-a", "-p", "--cgroup"])
def test_in_each_mode(mode):
    with cgroup() as group, puppet("an argument", preexec_fn=group.enter) as target:
        words = [word.format(pid=target.pid, cgroup=group.path) for word in mode]
        process = support.process_of(support.report(*words, "-d", "0.2"), target.pid)
        assert told_of(process) == identity_of(target.pid)
        assert process["cgroup"] == group.name


def test_who_moves_to_another_cgroup_while_followed():
    """It is where it is at the end, as /proc says then."""
    with cgroup() as group, puppet() as target:
        with support.following("-p", target.pid) as follower:
            target.do("touch 10")
            time.sleep(0.3)
            group.take(target.pid)
            target.do("touch 10")
            process = support.process_of(follower.stop(), target.pid)
        assert process["cgroup"] == cgroup_of(target.pid) == group.name


def test_name_that_changes_while_followed():
    with puppet() as target:
        with support.following("-p", target.pid) as follower:
            target.do("touch 10")
            target.name(b"renamed")
            target.do("touch 10")
            process = support.process_of(follower.stop(), target.pid)
        assert process["command"] == "renamed" == identity_of(target.pid)["command"]


def test_name_is_that_of_the_process_and_not_of_its_last_thread():
    with puppet() as target:
        with support.following("-p", target.pid) as follower:
            target.name(b"leader")
            target.do("main-gone")
            target.name(b"worker")
            target.do("touch 10")
            process = support.process_of(follower.stop(), target.pid)
            comm = pathlib.Path(f"/proc/{target.pid}/comm").read_text()
        assert process["command"] + "\n" == "leader\n" == comm


def test_program_after_exec():
    with puppet() as target:
        with support.following("-p", target.pid) as follower:
            target.do("exec something new")
            time.sleep(0.3)
            process = support.process_of(follower.stop(), target.pid)
        assert told_of(process) == identity_of(target.pid)


def test_child_and_its_parent():
    with puppet("words") as target:
        with support.following("-p", target.pid) as follower:
            child = target.do("fork 10")
            process = support.process_of(follower.stop(), child)
        assert told_of(process) == identity_of(child)
        assert process["parent_pid"] == target.pid
        assert abs(process["started_unix_ns"] - started_unix_ns(child)) < 1e9


def test_executable_that_was_replaced():
    """As an upgrade does: /proc marks the old one as deleted."""
    with public_folder() as folder:
        copy = shutil.copy("/bin/sleep", folder / "sleeper")
        with support.started(copy, "60") as target:
            time.sleep(0.1)
            os.unlink(copy)
            process = support.process_of(support.report("-p", target.pid, "-d", "0.1"), target.pid)
            assert process["executable"] == os.readlink(f"/proc/{target.pid}/exe")
            assert process["executable"].startswith(str(copy))


# ---- when it is gone ----

def test_child_that_ended_at_once_has_its_parents_words():
    """A fork without exec is the same program, however short it lives."""
    with cgroup() as group, puppet("words", preexec_fn=group.enter) as target:
        with support.following("-p", target.pid) as follower:
            child = target.do("born 10")
            process = support.process_of(follower.stop(), child)
        parent = identity_of(target.pid)
    assert process["parent_pid"] == target.pid
    for what in ("arguments", "executable", "cgroup", "command"):
        assert process[what] == parent[what], what


def test_program_that_ended_at_once():
    with cgroup() as group, puppet(preexec_fn=group.enter) as target:
        with support.following("-p", target.pid) as follower:
            child = target.do("vfork")
            process = support.process_of(follower.stop(), child)
    assert process["command"] == "true" and process["arguments"] == ["true"]
    assert process["parent_pid"] == target.pid
    assert process["cgroup"] == group.name


@pytest.mark.parametrize("seconds", ["0", "0.5"])
def test_executable_does_not_depend_on_how_long_it_lives(seconds):
    """As /proc/PID/exe has it: absolute, and no link on the way."""
    with public_folder() as folder:
        (folder / "link").symlink_to(shutil.which("sleep"))
        process, = support.report("--", "./link", seconds, cwd=folder)["processes"]
        assert process["executable"] == os.path.realpath(folder / "link")


def test_script():
    """The kernel runs its interpreter, and that is what /proc shows, too."""
    with public_folder() as folder:
        script = folder / "script"
        script.write_text("#!/bin/sh\nsleep 0.4\n")
        script.chmod(0o755)
        document = support.report("--", script, "an argument")
    process, = [one for one in document["processes"] if one["command"] == "script"]
    assert process["executable"] == os.path.realpath("/bin/sh")
    assert process["arguments"] == ["/bin/sh", str(script), "an argument"]


def test_started_and_exit_of_a_command():
    before = time.time_ns()
    process, = support.report("--", "sh", "-c", "exit 42", status=42)["processes"]
    assert before - 1e9 < process["started_unix_ns"] < time.time_ns() + 1e9
    assert process["exit"] == {"code": 42, "signal": 0}
    assert process["parent_pid"] != 0


# ---- many words ----

# 2.8 KB: a Java server
LONG = ["-Xmx1g"] + [f"--option-{number}={'v' * 30}" for number in range(60)]
HUGE = ["x" * 100 * 1024]


@pytest.mark.parametrize("mode", ["run", "attach"])
def test_long_command_line_is_whole(mode):
    process = words_of(mode, LONG)
    assert len(process["arguments"]) == 1 + len(LONG)
    assert process["arguments"][1:] == LONG


@pytest.mark.parametrize("mode", ["run", "attach"])
def test_huge_command_line_is_cut_and_says_so(mode):
    """100 KiB of words: the first of them, and somehow that there were more."""
    process = words_of(mode, HUGE)
    kept = process["arguments"][1]
    begins_right = HUGE[0].startswith(kept.rstrip("\u2026.")) and len(kept) > 500
    assert begins_right, kept[:100]
    whole, marked = kept == HUGE[0], not HUGE[0].startswith(kept)
    assert whole or marked or process.get("arguments_truncated"), \
        f"{len(kept)} of {len(HUGE[0])} bytes, and no word of it"


def words_of(mode, words):
    if mode == "run":
        with command_file("#!/bin/sh\nsleep 0.4\n") as path:
            document = support.report("--", path, *words)
        process, = [one for one in document["processes"] if one["command"] == "command"]
        return {**process, "arguments": process["arguments"][1:]}  # without /bin/sh
    with puppet(*words) as target:
        return support.process_of(support.report("-p", target.pid, "-d", "0.1"), target.pid)


def test_huge_command_line_breaks_no_table():
    with puppet(*HUGE) as target, puppet(*HUGE) as other:
        out, _ = support.run("-p", f"{target.pid},{other.pid}", "-d", "0.1")
        assert max(map(len, out.splitlines())) <= 100
        done = subprocess.run([support.MEMTRACE, "-f", "openmetrics", "-p", str(target.pid), "-d",
                               "0.1"], capture_output=True, timeout=60)
        assert len(done.stdout) < 100000
