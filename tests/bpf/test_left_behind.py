# SPDX-License-Identifier: GPL-2.0
"""What is left in the kernel when memtrace has ended, however it did?"""
import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import time

import pytest

import support

BPFTOOL = "/usr/sbin/bpftool"
KINDS = {"prog_id": "prog", "map_id": "map", "link_id": "link"}
MODES = {"attach": ["-p", "{pid}"], "attach without calls": ["--calls", "off", "-p", "{pid}"],
         "system": ["-a"], "system with calls": ["-a", "--calls", "on"],
         "cgroup": ["--cgroup", "/"], "intervals": ["-i", "0.1", "-p", "{pid}"]}
PLACES = ["/sys/fs/bpf", "/sys/kernel/tracing/kprobe_events", "/sys/kernel/tracing/uprobe_events",
          "/sys/kernel/tracing/set_event", "/sys/kernel/debug/kprobes/list",
          "/proc/sys/kernel/bpf_stats_enabled", "/proc/sys/kernel/perf_event_paranoid"]


def held_by(pid):
    """The programs, maps and links that a process holds: (kind, id)."""
    held = set()
    for path in pathlib.Path(f"/proc/{pid}/fdinfo").iterdir():
        with contextlib.suppress(OSError):
            fields = dict(re.findall(r"^(\w+):\s*(\d+)$", path.read_text(), re.M))
            kind = "link_id" if "link_id" in fields else \
                "prog_id" if "prog_id" in fields else "map_id"
            if kind in fields:
                held.add((KINDS[kind], int(fields[kind])))
    return held


def listed(kind):
    done = subprocess.run([BPFTOOL, "-j", kind, "list"], capture_output=True, timeout=60)
    return {one["id"]: one for one in json.loads(done.stdout or b"[]") if "id" in one}


def still_there(held):
    """Of these, what the kernel still has: ids are not used again."""
    there = {kind: listed(kind) for kind in ("prog", "map", "link")}
    return {(kind, number) for kind, number in held if number in there[kind]}


def assert_gone(held, seconds=15):
    """The kernel frees them after a grace period of its own."""
    deadline = time.monotonic() + seconds
    while left := still_there(held):
        assert time.monotonic() < deadline, left
        time.sleep(0.1)


def places():
    """What lies where BPF and tracing leave traces in files."""
    found = {}
    for place in map(pathlib.Path, PLACES):
        if place.is_dir():
            found[place] = sorted(path.name for path in place.iterdir())
        elif place.exists():
            found[place] = place.read_text()
    return found


@contextlib.contextmanager
def followed(mode):
    """A memtrace that counts, and what it holds."""
    before = places()
    with support.started("sleep", "600") as target:
        words = [word.format(pid=target.pid) for word in MODES[mode]]
        with support.following(*words) as follower:
            held = held_by(follower.process.pid)
            assert {kind for kind, _ in held} == {"prog", "map", "link"}
            yield follower, held
        assert target.poll() is None, "the target lives on"
    assert_gone(held)
    assert places() == before


@pytest.mark.parametrize("mode", MODES)
def test_nothing_is_left_by_kill_9(mode):
    with followed(mode) as (follower, _):
        follower.process.kill()
        follower.process.wait()


@pytest.mark.parametrize("mode", MODES)
def test_nothing_is_left_by_a_normal_end(mode):
    with followed(mode) as (follower, _):
        follower.stop()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT])
def test_command_survives_memtrace(number):
    """And it is not even disturbed: it goes on reading, writing, making children."""
    script = "while read line; do /bin/true && echo $line; done; exit 5"
    command = [support.MEMTRACE, "-v", "-o", "/dev/null", "--", "sh", "-c", script]
    with support.started(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, start_new_session=True) as memtrace:
        while b"counting" not in (line := memtrace.stderr.readline()):
            assert line
        held = held_by(memtrace.pid)
        children = pathlib.Path(f"/proc/{memtrace.pid}/task/{memtrace.pid}/children")
        command_pid = int(children.read_text().split()[0])  # the timer comes after it
        memtrace.send_signal(number)
        memtrace.wait()
        for word in (b"one\n", b"two\n"):
            memtrace.stdin.write(word)
            memtrace.stdin.flush()
            assert memtrace.stdout.readline() == word
        assert os.path.exists(f"/proc/{command_pid}")
        memtrace.stdin.close()
        assert memtrace.stdout.read() == b""
    assert_gone(held)


def test_nothing_is_held_while_the_command_is_waited_for():
    """After the report of a duration the machine is as if memtrace were not there."""
    command = [support.MEMTRACE, "-v", "-d", "0.5", "-o", "/dev/null", "--", "sleep", "600"]
    with support.started(*command, stderr=subprocess.PIPE) as memtrace:
        while b"counting" not in (line := memtrace.stderr.readline()):
            assert line
        held = held_by(memtrace.pid)
        assert held
        deadline = time.monotonic() + 15
        while held_by(memtrace.pid):
            assert time.monotonic() < deadline, held_by(memtrace.pid)
            time.sleep(0.05)
        assert memtrace.poll() is None
        assert_gone(held)
        memtrace.send_signal(signal.SIGTERM)
        assert memtrace.wait(15) == 128 + signal.SIGTERM


def test_nothing_is_left_by_a_second_signal():
    """It kills, with everything attached: the command takes no notice of the first."""
    script = "trap '' TERM; echo ready; read line"
    command = [support.MEMTRACE, "-v", "-o", "/dev/null", "--", "sh", "-c", script]
    with support.started(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE) as memtrace:
        while b"counting" not in (line := memtrace.stderr.readline()):
            assert line
        assert memtrace.stdout.readline() == b"ready\n"
        held = held_by(memtrace.pid)
        memtrace.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert held_by(memtrace.pid) == held, "the command has two seconds to end"
        memtrace.send_signal(signal.SIGTERM)
        assert memtrace.wait(15) == -signal.SIGTERM
        assert_gone(held)


def is_alive(pid):
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(") ")[2][0] not in "ZX"


@pytest.mark.parametrize("delay", [0.002, 0.01, 0.03, 0.05])
def test_nobody_waits_for_a_memtrace_that_was_killed_at_its_start(delay):
    """Its child is to become the command: then the command runs, or there is no child."""
    with support.started(support.MEMTRACE, "-o", "/dev/null", "--", "sleep", "600") as memtrace:
        time.sleep(delay)
        children = pathlib.Path(f"/proc/{memtrace.pid}/task/{memtrace.pid}/children")
        pids = [int(pid) for pid in children.read_text().split()]
        memtrace.kill()
        memtrace.wait()
    time.sleep(0.3)
    for pid in filter(is_alive, pids):
        name = pathlib.Path(f"/proc/{pid}/comm").read_text()
        os.kill(pid, signal.SIGKILL)
        assert name == "sleep\n"


def test_killed_in_the_middle_of_the_report():
    with followed("system with calls") as (follower, _):
        follower.process.send_signal(signal.SIGINT)
        time.sleep(0.005)
        follower.process.kill()
        follower.process.wait()


def test_programs_and_maps_are_found_by_their_names():
    """`bpftool prog` has to show what the source says, not half of it."""
    with followed("system with calls") as (_, held):
        names = {kind: {listed(kind)[number].get("name", "") for which, number in held
                        if which == kind} for kind in ("prog", "map")}
    source = "".join(path.read_text() for path in (support.ROOT / "bpf").iterdir())
    for name in names["prog"]:
        assert name.startswith("mt_") and re.search(rf"\b{name}\b", source), name
    assert len(names["prog"]) == len([1 for kind, _ in held if kind == "prog"])


CALL_PROGRAMS = {"mt_sys_enter", "mt_sys_exit"}


@pytest.mark.parametrize("mode, calls", [("attach", True), ("attach without calls", False),
                                         ("system", False), ("system with calls", True),
                                         ("cgroup", False)])
def test_system_calls_of_the_machine_are_touched_only_with_calls(mode, calls):
    """A program at sys_enter costs every call of every process."""
    with followed(mode) as (_, held):
        programs = listed("prog")
        names = {programs[number]["name"] for kind, number in held if kind == "prog"}
    assert (CALL_PROGRAMS <= names) is calls
    assert bool(CALL_PROGRAMS & names) is calls


def test_nothing_runs_by_perf_events_or_kprobes():
    """Their detaching takes a second; and on Debian they want more privileges."""
    with followed("system with calls") as (_, held):
        kinds = {one["type"] for one in listed("link").values() if ("link", one["id"]) in held}
        types = {one["type"] for one in listed("prog").values() if ("prog", one["id"]) in held}
    assert "perf_event" not in kinds and "kprobe_multi" not in kinds, kinds
    assert types <= {"tracing", "raw_tracepoint", "syscall", "raw_tracepoint_writable"}, types


def test_memory_of_the_maps_is_what_is_reported():
    """The overhead in the report is the kernel's own figure for what is held."""
    with followed("attach") as (follower, held):
        maps = listed("map")
        total = sum(maps[number]["bytes_memlock"] for kind, number in held if kind == "map")
        overhead = follower.stop()["capture"]["overhead"]
    assert overhead["kernel_bytes"] == total
