# SPDX-License-Identifier: GPL-2.0
"""Is a process in a container followed like any other, and memtrace in a container not lost?"""
import contextlib
import json
import os
import pathlib
import shutil
import subprocess

import pytest

from cgroups import VERSION_2, cgroup, cgroup_of, hierarchy
from program import memtrace, nobody, pids_of, public_copy, public_folder
from puppet import program, puppet
import support

CONTAINER = ["unshare", "--mount", "--uts", "--ipc", "--net", "--cgroup", "--pid", "--fork",
             "--mount-proc", "--kill-child", "--propagation", "private"]
KINDS = {
    "container": CONTAINER,
    "nested": [*CONTAINER, *CONTAINER],
    "rootless": [*nobody(), "unshare", "--user", "--map-root-user", *CONTAINER[1:]],
    "nested rootless": [*nobody(), "unshare", "--user", "--map-root-user", *CONTAINER[1:],
                        "unshare", "--user", "--map-root-user", *CONTAINER[1:]],
    "user namespace": ["unshare", "--user"],
    "time namespace": ["unshare", "--time", "--boottime", "1000000", "--fork", "--kill-child"],
}


def children_of(pid):
    with contextlib.suppress(FileNotFoundError):
        return [int(child) for child in
                pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def innermost(pid):
    """Who is at the end of a chain of processes that have one child each."""
    while children := children_of(pid):
        pid, = children
    return pid


@contextlib.contextmanager
def contained(prefix):
    """A puppet behind a prefix, and its pid out here, which is not what it says itself."""
    with puppet(name=prefix[0], executable=shutil.which(prefix[0]),
                *[*prefix[1:], program()]) as target:
        yield target, innermost(target.process.pid)


# ---- seen from outside ----

@pytest.mark.parametrize("kind", KINDS)
def test_process_in_a_container(kind):
    with contained(KINDS[kind]) as (target, pid):
        target.do("touch 10")
        truth = support.status_of(pid)
        with support.following("-p", pid) as follower:
            target.do("touch 100")
            target.do("born 50")
            document = follower.stop()
    process = support.process_of(document, pid)
    assert len(pids_of(document)) == 2
    for each in document["processes"]:
        support.assert_balanced(each)
        assert each["executable"] == str(program()) and each["cgroup"].startswith("/")
    assert process["opening"] == truth
    assert support.moved(process, "fault", "anon_bytes") == 100 * 4096


@pytest.mark.parametrize("kind", KINDS)
def test_system_has_who_is_in_a_container(kind):
    with contained(KINDS[kind]) as (target, pid):
        with support.following("-a") as follower:
            target.do("touch 100")
            document = follower.stop()
    support.assert_balanced(support.process_of(document, pid))


def test_container_by_its_cgroup():
    """As runtimes make them: all that is in it, and what is born in it."""
    with cgroup() as group:
        prefix = ["sh", "-c", f'echo $$ > {group.path}/cgroup.procs; exec "$@"', "sh", *CONTAINER]
        with contained(prefix) as (target, pid):
            members = group.members()
            with support.following("--cgroup", group.path) as follower:
                target.do("born 50")
                document = follower.stop()
        assert pid in members and members <= pids_of(document)
        assert len(pids_of(document)) == len(members) + 1
        for process in document["processes"]:
            support.assert_balanced(process)
            assert process["cgroup"] == group.name


# ---- programs that are elsewhere ----

OWN_MOUNT = ["unshare", "-m", "--propagation", "private", "sh", "-c",
             'mount -t tmpfs memtrace-test /mnt && cp "$0" /mnt/own && exec /mnt/own "$@"']


def test_program_that_no_other_sees():
    """It is named as its own mount namespace has it."""
    with contained([*OWN_MOUNT]) as (_, pid):
        assert os.readlink(f"/proc/{pid}/exe") == "/mnt/own"
        assert not os.path.exists("/mnt/own")
        process = support.process_of(support.report("-p", pid, "-d", "0.05"), pid)
    assert process["executable"] == "/mnt/own"


def test_program_that_no_other_sees_and_that_is_gone_at_once():
    document = support.report("--", *OWN_MOUNT, "/bin/true")
    assert "/mnt/own" in {process["executable"] for process in document["processes"]}


def test_program_in_a_root_of_its_own():
    """As chroot(1) makes it: named by where it is for the caller."""
    with public_folder() as folder:
        for path in ("bin", "lib", "lib64", "usr"):
            (folder / path).mkdir()
        prefix = ["unshare", "-m", "--propagation", "private", "sh", "-c",
                  f'for i in bin lib lib64 usr; do mount --rbind /$i {folder}/$i; done; '
                  f'cp "$0" {folder}/own && exec chroot {folder} /own "$@"']
        with contained(prefix) as (target, pid):
            assert os.readlink(f"/proc/{pid}/root") == str(folder)
            with support.following("-p", pid) as follower:
                target.do("touch 50")
                process = support.process_of(follower.stop(), pid)
            assert process["executable"] == os.readlink(f"/proc/{pid}/exe") == f"{folder}/own"
    support.assert_balanced(process)


# ---- seen from inside ----

INSIDE = """
import json, os, subprocess, sys
prefix = ["unshare", "-pf", "--mount-proc", "--kill-child", "sleep", "60"]
child = subprocess.Popen(prefix)
def children(pid):
    return [int(one) for one in open("/proc/%d/task/%d/children" % (pid, pid)).read().split()]
while not children(child.pid):
    pass
inner = children(child.pid)[0]
while os.readlink("/proc/%d/exe" % inner) != os.path.realpath("/bin/sleep"):
    pass
out = subprocess.run([os.environ["MEMTRACE"], "-f", "json", "-d", "0.2", "-p", str(inner)],
                     capture_output=True)
child.kill()
print(json.dumps({"pid": inner, "err": out.stderr.decode(), "status": out.returncode,
                  "out": out.stdout.decode()}))
"""


def from_inside(*prefix):
    done = subprocess.run([*prefix, "python3", "-c", INSIDE], capture_output=True, text=True,
                          timeout=60, env={**os.environ, "MEMTRACE": str(support.MEMTRACE)})
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["status"], told["err"]) == (0, "")
    return support.process_of(json.loads(told["out"]), told["pid"])


def mounting_cgroups():
    """A cgroup namespace with its own hierarchy mounted, as containers have it."""
    kind = "cgroup2 none" if hierarchy() == VERSION_2 else "cgroup -o memory none"
    return ["unshare", "--cgroup", "--mount", "--propagation", "private", "sh", "-c",
            f'umount -l {hierarchy()} && mount -t {kind} {hierarchy()} && exec "$@"', "sh"]


@pytest.mark.parametrize("prefix", [[], ["unshare", "--cgroup"], CONTAINER], ids=len)
def test_memtrace_with_a_container_in_its_own(prefix):
    """The pids of the outer one, and the cgroups as the hierarchy that is mounted has them."""
    process = from_inside(*prefix)
    support.assert_balanced(process)
    assert process["executable"] == os.path.realpath("/bin/sleep")
    assert process["arguments"] == ["sleep", "60"]
    assert process["cgroup"] == cgroup_of(os.getpid())


def test_cgroup_namespace_with_its_own_names():
    with cgroup() as group:
        enter = ["sh", "-c", f'echo $$ > {group.path}/cgroup.procs; exec "$@"', "sh"]
        assert from_inside(*enter, *mounting_cgroups())["cgroup"] == "/"
        assert from_inside(*enter)["cgroup"] == group.name


def test_command_in_a_rootless_container():
    """memtrace outside, and what it runs makes a user namespace."""
    with public_copy() as copy, public_folder() as folder:
        words = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc",
                 "--mount", "sh", "-c", "id -u; sh -c 'exit 3'"]
        done = memtrace("-f", "json", "-o", folder / "report", "--", *words, program=copy,
                        prefix=nobody("bpf", "perfmon"))
        assert (done.status, done.out) == (3, b"0\n"), done.err
        document = json.loads((folder / "report").read_text())
    assert len(document["processes"]) >= 3
    for process in document["processes"]:
        support.assert_balanced(process)
