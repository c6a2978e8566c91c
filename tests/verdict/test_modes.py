# SPDX-License-Identifier: GPL-2.0
"""Does the first finding name the cause in the other modes: all processes, samples, cgroups?"""
import json
import os
import signal
import subprocess
import time

import pytest

import support
import test_verdict as verdict
from test_verdict import C, PIPES, PYTHON_SHAPES, SHAPES, TRICKS, Case, begin, cgroups

MIB = 1 << 20


def capture(case, *words):
    with support.started(*case.language, case.name, **PIPES) as program:
        if case.how == "late":
            truth = begin(program)
            document = support.report("-d", 0.3, *words)
        else:
            with support.following(*words) as follower:
                truth = begin(program)
                document = follower.stop()
        program.stdin.close()
        program.wait(support.SECONDS)
    return truth, verdict.process_of(document, program.pid, case.child)


# ---- the whole system, without stacks and without a look at allocators ----

@pytest.mark.parametrize("case", [
    Case(C, "churn", "churn", alarm=True),
    Case(C, "copy-in-child", "cow-after-fork", alarm=True, child=True),
    Case(C, "free-lazily", "lazily-freed", alarm=True),
    Case(C, "leak", "mapping-leak", alarm=True),
    Case(C, "hold-heap", "still-in-use"),
    Case(SHAPES, "copy-in-parent", "cow-after-fork", alarm=True),
    Case(SHAPES, "free-parts-lazily", "lazily-freed", alarm=True, how="late"),
    Case(SHAPES, "have-threads", "thread-stacks"),
    Case(SHAPES, "run-others", "still-in-use"),
    Case(SHAPES, "set-aside-and-use", "still-in-use"),
    Case(PYTHON_SHAPES, "have-threads", "thread-stacks", how="late"),
    Case(PYTHON_SHAPES, "map-file", "file-cache-not-heap"),
], ids=str)
def test_first_finding_in_the_whole_system(case):
    truth, process = capture(case, "-a")
    verdict.judge(case, truth, process)
    if case.finding == "still-in-use":  # of which part may be free
        assert "--allocators on" in process["findings"][0]["why"]


def test_first_screen_of_the_whole_system_says_where_something_can_be_done():
    with support.started(*C, "free-lazily", **PIPES) as program:
        with support.started(support.MEMTRACE, "-v", "-a", "-d", "2", stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True) as tracer:
            tracer.stderr.readline()  # it counts
            begin(program)
            report, _ = tracer.communicate(timeout=support.SECONDS)
        program.stdin.close()
        program.wait(support.SECONDS)
    screen = report.split("\n")
    title = next(at for at, line in enumerate(screen) if line.startswith("Where something can"))
    rows = [line for line in screen[title:] if line.split()[:1] == [str(program.pid)]]
    assert title < 12 and "(lazily-freed)" in rows[0]
    assert title < next(at for at, line in enumerate(screen) if "by highest RSS" in line)


# ---- one page of many ----

@pytest.mark.parametrize("sample", [8, 64])
@pytest.mark.parametrize("case", [
    Case(C, "give-back", "returned"),
    Case(SHAPES, "pin-large", "heap-top-pinned", alarm=True),
    Case(TRICKS, "write-sparsely-in-parent", "cow-after-fork", alarm=True),
], ids=str)
def test_first_finding_with_a_sample(case, sample):
    with support.started(*case.language, case.name, **PIPES) as program:
        with support.following("-p", program.pid, "--sample", sample) as follower:
            truth = begin(program)
            document = follower.stop()
        program.stdin.close()
        program.wait(support.SECONDS)
    verdict.judge(case, truth, support.process_of(document, program.pid))


# ---- children that are not followed ----

FORKED = """
import mmap, os, signal, sys, time
memory = mmap.mmap(-1, 83 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
for at in range(0, len(memory), 4096):
    memory[at] = 1
child = os.fork()
if not child:
    time.sleep(60)
print(0, flush=True)
sys.stdin.readline()
for at in range(0, 59 << 20, 4096):
    memory[at] = 2
print(59 << 20, flush=True)
sys.stdin.read()
os.kill(child, signal.SIGKILL)
"""


def test_copies_of_what_a_child_from_before_shares():
    with support.started("/usr/bin/python3", "-c", FORKED, **PIPES) as program:
        program.stdout.readline()
        with support.following("-p", program.pid) as follower:
            truth = begin(program)
            document = follower.stop()
        program.stdin.close()
        program.wait(support.SECONDS)
    process = support.process_of(document, program.pid)
    verdict.judge(Case(C, "", "cow-after-fork", alarm=True), truth, process)
    assert "with its parent, or with a child" in process["findings"][0]["why"]


# ---- a daemon: who was born with its memory has ended, but who started that goes on ----

DAEMON = """
import mmap, os, signal, sys
memory = mmap.mmap(-1, 131 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
for at in range(0, len(memory), 4096):
    memory[at] = 1
for each in range(2):
    if os.fork():
        os._exit(0)
    os.setsid()
print(os.getpid(), flush=True)
signal.pause()
"""


def test_what_a_daemon_was_born_with_is_its_own():
    with support.started("sh", "-c", f"read x; /usr/bin/python3 -c '{DAEMON}'; read x",
                         **PIPES) as shell:
        with support.following("-p", shell.pid) as follower:
            pid = begin(shell)
            try:
                time.sleep(0.2)  # its parents end
                document = follower.stop()
            finally:
                os.kill(pid, signal.SIGKILL)
        shell.stdin.close()
        shell.wait(support.SECONDS)
    verdict.judge(Case(C, "", "still-in-use"), 131 * MIB, support.process_of(document, pid))


# ---- limits ----

HOLD = """
import mmap, sys
memory = mmap.mmap(-1, 79 << 20, flags=mmap.{}|mmap.MAP_ANONYMOUS)
for at in range(0, len(memory), 4096):
    memory[at] = 1
print(flush=True)
sys.stdin.read()
"""

# As it is in a container: what it sees of the cgroups begins with its own.
CONTAINED = """
set -e
mount --make-rprivate /
mount={mount}
echo $$ > $mount/cgroup.procs
umount $mount
mount -t {type} cgroup $mount
exec "$@"
"""


def limited(group):
    limits = {"memory.max", "memory.limit_in_bytes"}
    limit, = (path for path in group.path.iterdir() if path.name in limits)
    limit.write_text(str(91 * MIB))


def contained(group, pid):
    """The report of one who sees this cgroup as the highest, but is not limited by it."""
    top = cgroups.hierarchy()
    kind = "cgroup2" if top == cgroups.VERSION_2 else "cgroup -o memory"
    done = subprocess.run(["unshare", "--cgroup", "--mount", "sh", "-c",
                           CONTAINED.format(mount=top, type=kind), "sh", support.MEMTRACE, "-f",
                           "json", "-d", "0.2", "-p", str(pid)], capture_output=True, text=True,
                          timeout=support.SECONDS, check=True, preexec_fn=group.enter)
    return json.loads(done.stdout)


@pytest.mark.parametrize("how", ["MAP_PRIVATE", "MAP_SHARED"])
def test_limit_far_above_and_in_a_container(how):
    """Shared memory cannot be dropped, though the kernel counts it among the files."""
    with cgroups.cgroup("limit") as group, cgroups.cgroup("inner", group) as inner, \
            cgroups.cgroup("most", inner) as most:
        limited(group)
        with support.started("/usr/bin/python3", "-c", HOLD.format(how), preexec_fn=most.enter,
                             **PIPES) as program:
            program.stdout.readline()
            for document, name in ((support.report("-d", 0.2, "-p", program.pid), group.name),
                                   (support.report("-d", 0.2, "--cgroup", group.path), group.name),
                                   (contained(group, program.pid), "/")):
                first = support.process_of(document, program.pid)["findings"][0]
                assert (first["id"], first["alarm"]) == ("limit-near", True)
                assert f"cgroup {name} together" in first["why"]
                held = {"MAP_SHARED": "shmem_bytes", "MAP_PRIVATE": "anon_bytes"}[how]
                assert 79 * MIB <= first["evidence"][held] <= 83 * MIB
                assert first["evidence"]["file_bytes"] < 8 * MIB
            program.stdin.close()
            program.wait(support.SECONDS)
