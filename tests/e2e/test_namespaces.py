# SPDX-License-Identifier: GPL-2.0
"""Are pids those of the caller, and is a pid that is used again another process?"""
import contextlib
import json
import os
import pathlib
import subprocess
import sys

import pytest

from program import bytes_touched, eventually, memtrace, pids_of, public_folder, refused
from puppet import PAGE, puppet
import support

INSIDE = ["unshare", "-pf", "--mount-proc", "--kill-child"]


def children_of(pid):
    return [int(child) for child in
            pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_program(pid, name):
    """Has it become that?  Up to there it may use the address space of its parent (vfork)."""
    return pathlib.Path(f"/proc/{pid}/comm").read_text() == f"{name}\n"


def run_inside(script, *words):
    """A Python script as the first process of a pid namespace, with memtrace at $MEMTRACE."""
    done = subprocess.run([*INSIDE, sys.executable, "-c", script, *map(str, words)], timeout=60,
                          capture_output=True, text=True,
                          env={**os.environ, "MEMTRACE": str(support.MEMTRACE)})
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextlib.contextmanager
def process_inside(*words):
    """A process in a pid namespace of its own; yields its pid out here and its child's there."""
    with support.started(*INSIDE, *words, stdout=subprocess.PIPE, stdin=subprocess.PIPE,
                         text=True) as outer:
        assert eventually(lambda: children_of(outer.pid))
        yield children_of(outer.pid)[0], outer


# ---- seen from outside ----

SHELL = "echo ready; while read line; do sh -c 'echo $$; exec 0>&-; sleep 60' & done; wait"


def test_process_of_another_pid_namespace():
    """It and its children have the pids that the caller's /proc shows."""
    with process_inside("sh", "-c", SHELL) as (pid, outer):
        assert outer.stdout.readline() == "ready\n"
        with support.following("-p", pid) as follower:
            outer.stdin.write("\n")
            outer.stdin.flush()
            inner = int(outer.stdout.readline())
            assert eventually(lambda: children_of(pid) and children_of(children_of(pid)[0]))
            child = children_of(pid)[0]
            grandchild = children_of(child)[0]
            assert eventually(lambda: is_program(grandchild, "sleep"))
            document = follower.stop()
    assert inner < 10
    assert pids_of(document) == {pid, child, grandchild}
    for each, parent in ((child, pid), (grandchild, child)):
        process = support.process_of(document, each)
        support.assert_balanced(process)
        assert process["parent_pid"] == parent


def test_command_that_makes_a_pid_namespace():
    document = support.report("--", *INSIDE, "sh", "-c", "/bin/true; sh -c /bin/true; :")
    assert len(document["processes"]) >= 4
    assert all(process["pid"] > 100 for process in document["processes"]), pids_of(document)
    for process in document["processes"]:
        support.assert_balanced(process)


# ---- from inside ----

def test_pids_are_those_of_memtraces_namespace():
    with public_folder() as folder:
        done = memtrace("-f", "json", "-o", folder / "report", "--", "sh", "-c",
                        "echo $$; sh -c 'echo $$ $PPID; :'; exec sleep 0.3", prefix=INSIDE)
        document = json.loads((folder / "report").read_text())
    first, second = done.text.splitlines()
    child, parent = map(int, second.split())
    assert parent == int(first) == 2
    assert pids_of(document) == {parent, child}
    for process in document["processes"]:
        support.assert_balanced(process)
    process = support.process_of(document, parent)
    assert process["executable"].endswith("/sleep") and process["arguments"] == ["sleep", "0.3"]
    assert process["parent_pid"] == 1
    assert support.process_of(document, child)["parent_pid"] == parent


ATTACH_INSIDE = """
import json, os, subprocess, sys
child = subprocess.Popen(["sleep", "60"])
json_text = subprocess.run([os.environ["MEMTRACE"], "-f", "json", "-d", "0.2", *sys.argv[1:]],
                           capture_output=True, check=True).stdout
child.kill()
print(json.dumps({"child": child.pid, "own": os.getpid(), "document": json.loads(json_text)}))
"""


def test_attach_in_a_pid_namespace():
    told = json.loads(run_inside(ATTACH_INSIDE, "-p", "2"))
    process = support.process_of(told["document"], told["child"])
    support.assert_balanced(process)
    assert process["command"] == "sleep" and process["arguments"] == ["sleep", "60"]
    assert process["opening"]["virtual_bytes"] > 0


def test_system_in_a_pid_namespace():
    """The processes outside have no pid there, and are not followed."""
    told = json.loads(run_inside(ATTACH_INSIDE, "-a"))
    assert pids_of(told["document"]) == {told["own"], told["child"]}
    assert not any(told["document"]["capture"]["losses"].values())


def test_pid_of_another_namespace_does_not_exist():
    with puppet() as target:
        refused("-p", str(target.pid), prefix=INSIDE, says=["no process", str(target.pid)])


def test_time_namespace():
    """A container may have clocks of its own: who started when must not be lost in them."""
    prefix = ["unshare", "--time", "--boottime", "1000000", "--monotonic", "1000000", "--fork"]
    with public_folder() as folder:
        done = memtrace("-f", "json", "-o", folder / "report", "-d", "0.3", "--", "sleep", "0.5",
                        prefix=prefix)
        document = json.loads((folder / "report").read_text())
    assert done.status == 0, done.err
    process, = document["processes"]
    support.assert_balanced(process)
    assert process["executable"].endswith("/sleep") and process["executable"].startswith("/")
    assert process["arguments"] == ["sleep", "0.5"]
    assert abs(process["started_unix_ns"] - document["capture"]["started_unix_ns"]) < 5e9
    assert document["capture"]["duration_ns"] < 60e9
    assert process["peak"]["at_ns"] < 60e9


# ---- the same pid again ----

RECYCLING = """
import mmap, os, subprocess, sys

def born(pid, pages):
    with open("/proc/sys/kernel/ns_last_pid", "w") as file:
        file.write(str(pid - 1))
    child = os.fork()
    if child == 0:
        memory = mmap.mmap(-1, pages * 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        memory.madvise(15)  # no huge pages
        for at in range(0, len(memory), 4096):
            memory[at] = 1
        os._exit(pages % 100)
    assert child == pid, (child, pid)
    os.waitpid(child, 0)

memtrace = subprocess.Popen([os.environ["MEMTRACE"], "-v", "-f", "json", *sys.argv[1:]],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
while "counting" not in memtrace.stderr.readline():
    pass
for pages in range(101, 131):
    born(1000, pages)
memtrace.terminate()
print(memtrace.communicate()[0])
"""


@pytest.mark.parametrize("target", [["-a"], ["-p", "1"]], ids=["-a", "-p"])
def test_pid_that_is_used_again_at_once(target):
    """Thirty processes, one after the other, all with pid 1000: each has a book of its own."""
    document = json.loads(run_inside(RECYCLING, *target))
    books = [process for process in document["processes"] if process["pid"] == 1000]
    assert len(books) == 30
    assert len({process["started_unix_ns"] for process in books}) == 30
    books.sort(key=lambda process: process["started_unix_ns"])
    for pages, process in zip(range(101, 131), books):
        support.assert_balanced(process)
        assert process["exit"] == {"code": pages % 100, "signal": 0}
        touched = bytes_touched(process)
        assert pages * PAGE <= touched < (pages + 60) * PAGE, (pages, touched / PAGE)
    assert not any(document["capture"]["losses"].values())


FOLLOWED_PID_AGAIN = """
import os, subprocess, time

def set_next(pid):
    with open("/proc/sys/kernel/ns_last_pid", "w") as file:
        file.write(str(pid - 1))

set_next(1000)
first = subprocess.Popen(["sleep", "60"])
other = subprocess.Popen(["sleep", "60"])
assert first.pid == 1000
memtrace = subprocess.Popen([os.environ["MEMTRACE"], "-v", "-f", "json", "-p",
                             "1000,%d" % other.pid],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
while "counting" not in memtrace.stderr.readline():
    pass
first.kill()
first.wait()
set_next(1000)
second = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
assert second.pid == 1000
time.sleep(0.3)
other.kill()
other.wait()
print(memtrace.communicate(timeout=20)[0])
second.kill()
"""


def test_pid_of_a_target_that_a_stranger_gets():
    """The stranger is not followed, and does not keep the capture from ending."""
    document = json.loads(run_inside(FOLLOWED_PID_AGAIN))
    process = support.process_of(document, 1000)
    support.assert_balanced(process)
    assert process["command"] == "sleep"
    assert process["exit"] == {"code": 0, "signal": 9}
