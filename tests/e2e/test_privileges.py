# SPDX-License-Identifier: GPL-2.0
"""What may whom, with which privileges, and is it said plainly what is missing?"""
import json
import os
import re
import resource
import signal
import subprocess

import pytest

from program import (OWN_FAILURE, assert_full_report, assert_sentence, bytes_touched,
                     in_mount_namespace, memtrace, nobody, pids_of, public_copy, public_folder,
                     refused)
from puppet import PAGE, puppet
import support

TWO = ("bpf", "perfmon")
NO_BTF = in_mount_namespace("mount -t tmpfs memtrace-test /sys/kernel/btf")
NO_PROC = in_mount_namespace("umount -l /proc")
HIDING_PROC = in_mount_namespace("mount -t proc -o hidepid=invisible memtrace-test /proc")


# ---- nobody ----

def test_nobody_is_told_what_is_missing():
    with puppet() as target, public_copy() as program:
        options = {"program": program, "prefix": nobody()}
        refused("-p", str(target.pid), says=["CAP_BPF", "root"], **options)
        refused("-a", says=["CAP_BPF", "root"], **options)
        refused("--", "true", status=OWN_FAILURE, says=["CAP_BPF", "root"], **options)


def test_nothing_is_run_where_it_cannot_be_followed():
    with public_copy() as program:
        done = memtrace("--", "sh", "-c", "echo was run", program=program, prefix=nobody())
    assert done.status == OWN_FAILURE and b"was run" not in done.out


def check(program, *prefix):
    done = memtrace("check", program=program, prefix=prefix)
    assert done.err == b""
    return done.status, done.text


def missing(text):
    return set(re.findall(r"^ +MISSING +(.+)", text, re.M))


def test_check_of_root():
    status, text = check(support.MEMTRACE)
    assert status == 0 and not missing(text)
    assert text.endswith("memtrace works here.\n")
    assert re.search("^ +yes +seccomp filters", text, re.M)


def test_check_of_nobody():
    with public_copy() as program:
        status, text = check(program, *nobody())
    assert status == 1
    assert missing(text) == {"CAP_BPF", "CAP_PERFMON"}
    assert "to get it:" in text and "cannot" in text.splitlines()[-1]


def test_check_of_the_two_capabilities():
    with public_copy() as program:
        status, text = check(program, *nobody(*TWO))
    assert status == 0 and not missing(text)
    for name in ("CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_KILL"):
        assert re.search(f"^ +no +{name}", text, re.M), text


@pytest.mark.parametrize("one, other", [TWO, TWO[::-1]])
def test_one_capability_is_not_enough(one, other):
    with puppet() as target, public_copy() as program:
        status, text = check(program, *nobody(one))
        assert status == 1 and missing(text) == {f"CAP_{other.upper()}"}
        refused("-p", str(target.pid), program=program, prefix=nobody(one),
                says=[f"CAP_{other.upper()}"])


def test_root_of_a_container():
    """Docker's default set: uid 0, and no capability that BPF wants."""
    prefix = ["setpriv", "--bounding-set", "-all,+chown,+dac_override,+fowner,+fsetid,+kill,"
              "+setgid,+setuid,+setpcap,+net_bind_service,+net_raw,+sys_chroot,+mknod,+audit_write,"
              "+setfcap"]
    with puppet() as target:
        status, text = check(support.MEMTRACE, *prefix)
        assert status == 1 and missing(text) == {"CAP_BPF", "CAP_PERFMON"}
        refused("-p", str(target.pid), prefix=prefix, says=["CAP_BPF"])


def test_root_of_a_user_namespace():
    """All capabilities, but not those of the machine."""
    with puppet() as target:
        done = memtrace("-p", str(target.pid), "-d", "0.1", prefix=["unshare", "-Ur"])
    assert_sentence(done, 1)
    assert "user namespace" in done.said or "CAP_BPF" in done.said, done.said


def test_check_of_a_user_namespace():
    status, _ = check(support.MEMTRACE, "unshare", "-Ur")
    assert status == 1, "nothing can be loaded there"


# ---- two capabilities ----

def test_two_capabilities_follow_a_process_of_another_user():
    with puppet() as target, public_copy() as program:
        target.do("touch 100")
        truth = support.status_of(target.pid)
        done = memtrace("-f", "json", "-p", str(target.pid), "-d", "0.2", program=program,
                        prefix=nobody(*TWO))
    assert (done.status, done.err) == (0, b"")
    process = support.process_of(json.loads(done.out), target.pid)
    support.assert_balanced(process)
    assert process["closing"] == truth


def test_two_capabilities_run_a_command():
    with public_copy() as program, public_folder() as folder:
        done = memtrace("-f", "json", "-o", folder / "report", "--", "sh", "-c", "id -u; exit 3",
                        program=program, prefix=nobody(*TWO))
        assert (done.status, done.out, done.err) == (3, b"65534\n", b"")
        document = json.loads((folder / "report").read_text())
    assert len(document["processes"]) == 2
    for process in document["processes"]:
        support.assert_balanced(process)
        assert process["arguments"] and process["cgroup"]


def test_two_capabilities_follow_the_system():
    with puppet() as target, public_copy() as program:
        done = memtrace("-f", "json", "-a", "-d", "0.2", program=program, prefix=nobody(*TWO))
    document = json.loads(done.out)
    assert target.pid in pids_of(document)
    process = support.process_of(document, target.pid)
    support.assert_balanced(process)
    assert process["command"] == "puppet" and process["cgroup"]
    assert document["capture"]["overhead"]["bpf_ns"] is None, "nobody may not measure that"


def test_two_capabilities_text():
    with puppet() as target, public_copy() as program:
        done = memtrace("-p", str(target.pid), "-d", "0.1", program=program, prefix=nobody(*TWO))
    assert_full_report(done.text)


def test_program_of_another_user_with_capabilities_of_its_own():
    """As the remedy that `memtrace check` names: setcap."""
    with puppet() as target, public_copy() as program:
        subprocess.run(["setcap", "cap_bpf,cap_perfmon+ep", program], check=True)
        done = memtrace("-p", str(target.pid), "-d", "0.1", program=program, prefix=nobody())
    assert (done.status, done.err) == (0, b"")
    assert_full_report(done.text)


def test_command_gets_no_more_than_its_user_has():
    """What setcap gives to memtrace is not for whom it runs."""
    words = ["grep", "-E", "^Cap(Prm|Eff|Amb|Inh)", "/proc/self/status"]
    with public_copy() as program:
        subprocess.run(["setcap", "cap_bpf,cap_perfmon+ep", program], check=True)
        done = memtrace("-o", "/dev/null", "--", *words, program=program, prefix=nobody())
    plain = subprocess.run([*nobody(), *words], capture_output=True, timeout=60)
    assert (done.status, done.out) == (0, plain.stdout)


# ---- what is not there ----

def test_without_btf():
    with puppet() as target:
        refused("-p", str(target.pid), prefix=NO_BTF, says=["BTF", "CONFIG_DEBUG_INFO_BTF"])
        refused("--", "true", prefix=NO_BTF, status=OWN_FAILURE, says=["BTF"])


def test_check_without_btf():
    status, text = check(support.MEMTRACE, *NO_BTF)
    assert status == 1
    assert "BTF of the kernel" in missing(text)
    assert "CONFIG_DEBUG_INFO_BTF" in text


def test_check_without_btf_does_not_blame_the_kernel_for_the_rest():
    """What could not be looked at is not missing: the user needs one thing, not ten."""
    _, text = check(support.MEMTRACE, *NO_BTF)
    assert missing(text) == {"BTF of the kernel"}


def test_without_proc():
    """Nothing that lives can be looked up; it is not said that a process does not exist."""
    with puppet() as target:
        done = memtrace("-p", str(target.pid), "-d", "0.1", prefix=NO_PROC)
        if done.status:
            assert_sentence(done, 1, "/proc")
        done = memtrace("-a", "-d", "0.1", prefix=NO_PROC)
        if done.status:
            assert_sentence(done, 1, "/proc")
        done = memtrace("--", "sh", "-c", "exit 3", prefix=NO_PROC)
        if done.status != 3:
            assert_sentence(done, OWN_FAILURE, "/proc")


def test_process_that_proc_hides():
    """hidepid: it is there, and only /proc does not show it."""
    prefix = [*HIDING_PROC, *nobody(*TWO)]
    with puppet() as target, public_copy() as program:
        done = memtrace("-f", "json", "-p", str(target.pid), "-d", "0.1", program=program,
                        prefix=prefix)
    if done.status:
        assert_sentence(done, 1, "/proc")
        assert "no process has" not in done.said
    else:
        support.assert_balanced(support.process_of(json.loads(done.out), target.pid))


def test_system_where_proc_hides():
    prefix = [*HIDING_PROC, *nobody(*TWO)]
    with puppet() as target, public_copy() as program:
        done = memtrace("-f", "json", "-a", "-d", "0.2", program=program, prefix=prefix)
    process = support.process_of(json.loads(done.out), target.pid)
    support.assert_balanced(process)
    assert process["command"] == "puppet"


def test_without_cgroups():
    prefix = in_mount_namespace("umount -R /sys/fs/cgroup")
    with puppet() as target:
        assert memtrace("-p", str(target.pid), "-d", "0.1", prefix=prefix).status == 0
        refused("--cgroup", "/", "-d", "0.1", prefix=prefix, says=["cgroup"])


def test_without_sys():
    prefix = in_mount_namespace("umount -R /sys")
    with puppet() as target:
        refused("-p", str(target.pid), "-d", "0.1", prefix=prefix, says=["BTF"])


# ---- limits ----

def limit(which, soft, hard=None):
    return lambda: resource.setrlimit(which, (soft, soft if hard is None else hard))


def test_small_memlock():
    with puppet() as target:
        done = memtrace("-p", str(target.pid), "-d", "0.1",
                        preexec_fn=limit(resource.RLIMIT_MEMLOCK, 4096))
    assert (done.status, done.err) == (0, b"")


def test_few_descriptors_that_may_be_more():
    """The soft limit is for programs that do not know better: it can be raised."""
    with puppet() as target:
        done = memtrace("-p", str(target.pid), "-d", "0.1",
                        preexec_fn=limit(resource.RLIMIT_NOFILE, 32, 4096))
    assert (done.status, done.err) == (0, b"")


@pytest.mark.parametrize("count", [4, 5, 6, 7, 8, 9, 10, 16, 32, 40, 45, 48, 50, 55, 60])
def test_few_descriptors(count):
    """What says that there are too few of them says nothing else."""
    with puppet() as target:
        for status, words in ((1, ["-p", str(target.pid), "-d", "0.1"]),
                              (OWN_FAILURE, ["-d", "0.1", "--", "true"])):
            done = memtrace(*words, preexec_fn=limit(resource.RLIMIT_NOFILE, count))
            if done.status:
                assert_sentence(done, status, "open files")
                assert "missing" not in done.said


def test_report_needs_few_descriptors(tmp_path):
    memtrace("-w", tmp_path / "capture", "--", "true")
    for count in (4, 5, 6, 8):
        done = memtrace("report", tmp_path / "capture",
                        preexec_fn=limit(resource.RLIMIT_NOFILE, count))
        if done.status:
            assert_sentence(done, 1, "open files")


def test_command_has_the_limits_that_it_would_have():
    script = "ulimit -Sn; ulimit -Hn; ulimit -Sl"
    done = memtrace("-o", "/dev/null", "--", "sh", "-c", script,
                    preexec_fn=limit(resource.RLIMIT_NOFILE, 200, 4096))
    assert done.out.split()[:2] == [b"200", b"4096"]


def test_more_processes_than_descriptors():
    """Each target takes one."""
    with puppet() as target:
        children = [target.do("fork 1") for _ in range(120)]
        done = memtrace("-p", ",".join(map(str, children)), "-d", "0.1",
                        preexec_fn=limit(resource.RLIMIT_NOFILE, 100))
    if done.status:
        assert_sentence(done, 1, "open files")


@pytest.mark.parametrize("option", ["-w", "-o"])
def test_small_files(option, tmp_path):
    """RLIMIT_FSIZE: an error like any other, not a death by signal."""
    with puppet() as target:
        done = memtrace(option, tmp_path / "file", "-p", str(target.pid), "-d", "0.1",
                        preexec_fn=limit(resource.RLIMIT_FSIZE, 100))
    assert_sentence(done, 1, "File too large")
    assert not any(name.startswith("core") for name in os.listdir(tmp_path))


def test_command_dies_of_its_file_size_as_it_would():
    done = memtrace("-o", "/dev/null", "--", "grep", "SigIgn", "/proc/self/status",
                    preexec_fn=limit(resource.RLIMIT_FSIZE, 1 << 20))
    assert not int(done.out.split()[1], 16) & 1 << (signal.SIGXFSZ - 1)


def test_no_more_processes():
    """As another user, of whom so many are allowed."""
    with public_copy() as program:
        done = memtrace("--", "true", program=program,
                        prefix=[*nobody(*TWO), "prlimit", "--nproc=0"])
    assert_sentence(done, OWN_FAILURE, "process")


def test_little_memory():
    """A small container: a sentence, and no abort."""
    with puppet() as target:
        for which, mebibytes in [(resource.RLIMIT_AS, size) for size in (9, 12, 16, 24, 48)] + \
                [(resource.RLIMIT_DATA, size) for size in (1, 4, 8, 12)]:
            done = memtrace("-p", str(target.pid), "-d", "0.1",
                            preexec_fn=limit(which, mebibytes << 20))
            if done.status:
                assert_sentence(done, 1)
                assert "missing" not in done.said


# ---- surroundings ----

@pytest.mark.parametrize("variables", [{}, {"LANG": "C"}, {"LANG": "C.UTF-8"},
                                       {"HOME": "/no/such"}, {"TMPDIR": "/no/such"},
                                       {"LC_ALL": "none"}, {"LC_ALL": "../../tmp"}, {"PATH": ""},
                                       {"TZ": ":/etc/passwd"}, {"TERM": "\x1b["},
                                       {"COLUMNS": "-1"}, {"LANG": "C.UTF-8", "NO_COLOR": "1"}],
                         ids=str)
def test_environment_does_not_matter(variables):
    with puppet("ü") as target:
        done = memtrace("-f", "json", "-p", str(target.pid), "-d", "0.1", env=variables)
    assert (done.status, done.err) == (0, b"")
    assert support.process_of(json.loads(done.out), target.pid)["arguments"][1] == "ü"


@pytest.mark.parametrize("path, status", [("", 127), ("/no/such:", 127), ("/bin", 0)])
def test_command_is_found_as_the_callers_path_has_it(path, status, tmp_path):
    done = memtrace("-o", tmp_path / "report", "--", "true", env={"PATH": path}, cwd=tmp_path)
    assert done.status == status


@pytest.mark.parametrize("umask", [0, 0o22, 0o777])
def test_command_has_the_callers_umask(umask):
    done = memtrace("-o", "/dev/null", "--", "sh", "-c", "umask", umask=umask)
    assert (done.status, int(done.out, 8)) == (0, umask)


def test_folder_that_is_gone():
    with puppet() as target, public_folder() as folder:
        os.mkdir(folder / "gone")
        prefix = ["sh", "-c", f"cd {folder}/gone && rmdir {folder}/gone && exec \"$@\"", "sh"]
        assert memtrace("-p", str(target.pid), "-d", "0.1", prefix=prefix).status == 0


def test_root_follows_a_process_of_nobody():
    with puppet(preexec_fn=lambda: os.setuid(65534)) as target, support.following(
            "-p", target.pid) as follower:
        target.do("touch 100")
        process = support.process_of(follower.stop(), target.pid)
    support.assert_balanced(process)
    assert bytes_touched(process) == 100 * PAGE
