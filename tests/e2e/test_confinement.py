# SPDX-License-Identifier: GPL-2.0
"""What could memtrace still do if what it reads had taken it over?"""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import threading

import pytest

from program import (assert_full_report, eventually, memtrace, nobody, public_copy, public_folder,
                     refused, running)
from puppet import program, puppet
from rights import (ENOSYS, FILTERED, assert_confined, children_of, harm, has_ended, made_to,
                    rights)
from terminal import on_terminal
import support

CAP_DAC_READ_SEARCH, CAP_KILL, CAP_SYS_PTRACE, CAP_SYS_ADMIN = 2, 5, 19, 21
CAP_BPF, CAP_CHECKPOINT_RESTORE = 39, 40
FORMATS = ["text", "json", "openmetrics"]


# ---- a capture ----

@pytest.mark.parametrize("words", [["-p", "{}"], ["-a"], ["--cgroup", "/"],
                                   ["-i", "0.1", "-p", "{}"]], ids=" ".join)
def test_capture_keeps_what_it_needs(words):
    with puppet() as target:
        with running("--stacks", "none",
                     *(word.format(target.pid) for word in words)) as background:
            assert_confined(background.pid, CAP_SYS_PTRACE)
            background.signal(signal.SIGINT)
            assert background.wait().status == 0


def test_capture_of_a_command_may_send_it_signals():
    with running("--stacks", "none", "--", "sleep", "60") as background:
        assert_confined(background.pid, CAP_SYS_PTRACE, CAP_KILL)
        background.signal(signal.SIGINT)
        background.wait()


def test_screen_may_set_its_terminal_and_nothing_else():
    with puppet() as target:
        with on_terminal(support.MEMTRACE, "top", "-i", "0.2", "-p", target.pid) as terminal:
            terminal.read_until(b"events/s")
            assert_confined(terminal.process.pid, CAP_SYS_PTRACE)
            terminal.type(b"q")
            assert terminal.wait() == 0


def test_screen_does_no_harm():
    """Nor does it type for whoever reads the terminal next."""
    calls = [*harm(), 'ioctl(0, 0x5412, "x")']
    with puppet() as target:
        with on_terminal(support.MEMTRACE, "top", "-p", target.pid) as terminal:
            terminal.read_until(b"lost:")
            for call, (returned, number) in zip(calls, made_to(terminal.process.pid, *calls)):
                assert (returned, number) == (-1, ENOSYS), call
            terminal.type(b"q")
            assert terminal.wait() == 0


def test_screen_makes_no_call_that_it_may_not():
    with puppet() as target, public_folder() as folder:
        with on_terminal("strace", "-f", "-o", folder / "calls", support.MEMTRACE, "top", "-i",
                         "0.2", "-p", target.pid) as terminal:
            terminal.read_until(b"events/s")
            for keys in (b"\r", b"\x1b", b"/x\r", b"\x0c", b"q"):
                terminal.type(keys)
                terminal.read(0.5)
            assert terminal.wait() == 0
        assert "ENOSYS" not in (folder / "calls").read_text(errors="replace")


def test_capture_with_stacks_opens_files_and_makes_maps():
    with puppet() as target, running("--stacks", "native", "-p", str(target.pid)) as background:
        assert_confined(background.pid, CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH, CAP_BPF,
                        CAP_CHECKPOINT_RESTORE)
        background.signal(signal.SIGINT)
        assert background.wait().status == 0


def test_stacks_in_a_program_that_its_user_alone_may_read():
    with public_folder() as folder:
        path = shutil.copy(program(), folder / "private")
        os.chown(path, 65534, 65534)
        path.chmod(0o700)
        with puppet(executable=path, preexec_fn=lambda: os.setuid(65534)) as target:
            with running("--stacks", "native", "-f", "json", "-p", str(target.pid)) as background:
                target.do("touch 100")
                background.signal(signal.SIGINT)
                document = json.loads(background.wait().out)
    process = support.process_of(document, target.pid)
    assert str(path) in {frame["module"] for site in process["sites"] for frame in site["stack"]}


def test_capture_of_nobody_keeps_nothing():
    with puppet() as target, public_copy() as copy:
        prefix = nobody("bpf", "perfmon")
        words = [copy, "-v", "-d", "3", "--stacks", "none", "-p", str(target.pid)]
        with support.started(*prefix, *words, stdout=subprocess.DEVNULL,
                             stderr=subprocess.PIPE) as process:
            while b"counting" not in process.stderr.readline():
                pass
            assert {name: value for name, value in rights(process.pid).items()
                    if name != "CapBnd"} == {"CapEff": 0, "CapPrm": 0, "CapInh": 0, "CapAmb": 0,
                                             "NoNewPrivs": 1, "Seccomp": FILTERED}


@pytest.mark.parametrize("words", [[], ["--stacks", "native"]], ids=["", "stacks"])
def test_capture_does_no_harm(words):
    with puppet() as target, running(*words, "-p", str(target.pid)) as background:
        calls = harm()
        for call, (returned, number) in zip(calls, made_to(background.pid, *calls)):
            assert (returned, number) == (-1, ENOSYS), call
        background.signal(signal.SIGINT)
        assert_full_report(background.wait().text)
    assert not os.path.exists("/tmp/memtrace-test-none")


@pytest.mark.parametrize("words", [[], ["--stacks", "native"]], ids=["", "stacks"])
def test_capture_loads_nothing_more(words):
    """What is left of bpf(2) are maps, and the iterators that are there."""
    number = {"x86_64": 321}.get(os.uname().machine, 280)
    with puppet() as target, running(*words, "-p", str(target.pid)) as background:
        load, timing = made_to(background.pid, f"syscall({number}, 5, 0L, 0)",
                               f"syscall({number}, 32, 0L, 0)")
        assert load == timing == (-1, ENOSYS)


def test_figures_are_those_of_before():
    """With the rights that are left all is read that there is to be read."""
    with puppet(preexec_fn=lambda: os.setuid(65534)) as target:
        target.do("touch 100")
        process = support.process_of(support.report("-p", target.pid, "-d", "0.2"), target.pid)
    support.assert_balanced(process)
    assert process["executable"].endswith("/puppet") and process["cgroup"]


# ---- the process that has the programs timed ----

def test_timer_has_one_right_and_holds_nothing():
    with running("-a") as background:
        timer, = children_of(background.pid)
        assert_confined(timer, CAP_SYS_ADMIN)
        held = {os.readlink(path) for path in pathlib.Path(f"/proc/{timer}/fd").iterdir()}
        assert len(held) == 1 and held.pop().startswith("socket:")
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(timer, number)
        background.signal(signal.SIGINT)
        done = background.wait()
        assert done.status == 0
    assert not os.path.exists(f"/proc/{timer}")


@pytest.mark.parametrize("words", [["-a"], ["--", "sleep", "60"]], ids=" ".join)
def test_timer_goes_with_memtrace(words):
    with running(*words) as background:
        timers = children_of(background.pid)
        background.process.kill()
        background.process.wait()
        timer = timers[-1]
        assert eventually(lambda: has_ended(timer), 10)
        for other in timers[:-1]:
            os.kill(other, signal.SIGKILL)


def test_timer_that_is_gone_is_not_waited_for():
    with running("-f", "json", "-a") as background:
        timer, = children_of(background.pid)
        os.kill(timer, signal.SIGKILL)
        background.signal(signal.SIGINT)
        done = background.wait()
    assert done.status == 0 and json.loads(done.out)["processes"]


def test_timer_is_not_in_the_report():
    with running("-f", "json", "-a") as background:
        own = {background.pid, *children_of(background.pid)}
        background.signal(signal.SIGINT)
        document = json.loads(background.wait().out)
    assert len(own) == 2
    assert not own & {process["pid"] for process in document["processes"]}
    assert document["capture"]["overhead"]["bpf_ns"] is not None


# ---- a command ----

def test_command_has_the_rights_of_its_user():
    words = ["grep", "-E", "^(Cap|NoNewPrivs|Seccomp)", "/proc/self/status"]
    for prefix in ([], nobody("bpf", "perfmon")):
        with public_copy() as copy:
            done = memtrace("-o", "/dev/null", "--", *words, program=copy, prefix=prefix)
        plain = subprocess.run([*prefix, *words], capture_output=True, timeout=60)
        assert (done.status, done.out) == (0, plain.stdout)


OTHER_USER = ["setpriv", "--reuid", "65534", "--clear-groups", "sh", "-c",
              "trap : TERM; trap 'exit 7' USR1; echo ready >&2; while :; do sleep 0.05; done"]


@pytest.mark.parametrize("reported", [False, True], ids=["counting", "reported"])
def test_signals_reach_a_command_that_has_become_another_user(reported):
    with running("--", *OTHER_USER, settled=False) as background:
        while b"ready" not in background.said:
            background.said += background.process.stderr.readline()
            assert background.process.poll() is None
        if reported:
            background.signal(signal.SIGTERM)
            for line in iter(background.process.stdout.readline, b""):
                if line.startswith(b"memtrace itself"):
                    break
            assert eventually(lambda: rights(background.pid)["CapEff"] == 1 << CAP_KILL)
        background.signal(signal.SIGUSR1)
        assert background.wait().status == 7


# ---- a report ----

@pytest.fixture(scope="module")
def capture(tmp_path_factory):
    path = tmp_path_factory.mktemp("confinement") / "capture"
    with puppet() as target:
        with running("--stacks", "native", "-w", path, "-p", str(target.pid)) as background:
            target.do("touch 100")
            background.signal(signal.SIGINT)
            assert background.wait().status == 0
    return path


@contextlib.contextmanager
def waiting_for_a_capture(folder, *words):
    """`memtrace report` with a pipe that nothing has come through so far, and its other end."""
    os.mkfifo(folder / "fifo")
    with support.started(support.MEMTRACE, "report", *words, folder / "fifo",
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        with open(folder / "fifo", "wb") as stream:
            assert eventually(lambda: rights(process.pid)["Seccomp"] == FILTERED)
            yield process, stream


@pytest.mark.parametrize("format", [*FORMATS, "folded", "pprof"])
def test_report_is_made_without_rights(format, capture, tmp_path):
    with waiting_for_a_capture(tmp_path, "-f", format) as (process, stream):
        assert_confined(process.pid)
        stream.write(capture.read_bytes())
        stream.close()
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, b"")
    assert out == memtrace("report", "-f", format, capture).out != b""


def test_report_does_no_harm(capture, tmp_path):
    with waiting_for_a_capture(tmp_path) as (process, stream):
        calls = [*harm(), 'open("/etc/passwd", 0)', 'unlink("/tmp/memtrace-test-none")']
        for call, (returned, number) in zip(calls, made_to(process.pid, *calls)):
            assert (returned, number) == (-1, ENOSYS), call
        stream.write(capture.read_bytes())
        stream.close()
        assert_full_report(process.communicate(timeout=60)[0].decode())


def test_report_of_nobody_has_the_filter_too(capture, tmp_path):
    with public_copy() as copy, public_folder() as folder:
        os.mkfifo(folder / "fifo", 0o666)
        os.chmod(folder / "fifo", 0o666)
        with support.started(*nobody(), copy, "report", folder / "fifo",
                             stdout=subprocess.PIPE) as process:
            with open(folder / "fifo", "wb") as stream:
                assert eventually(lambda: rights(process.pid)["Seccomp"] == FILTERED)
                stream.write(capture.read_bytes())
            assert_full_report(process.communicate(timeout=60)[0].decode())


@pytest.mark.parametrize("format", FORMATS)
def test_report_after_a_capture_is_made_without_rights(format):
    """It hangs in a pipe that nobody reads."""
    reader, writer = os.pipe()
    with puppet() as target:
        with running("-f", format, "-a", "--calls", "on", stdout=writer) as background:
            os.close(writer)
            target.do("touch 10")
            os.set_blocking(reader, False)
            with contextlib.suppress(BlockingIOError):
                os.read(reader, 1 << 20)
            os.set_blocking(reader, True)
            background.signal(signal.SIGINT)
            assert eventually(lambda: not rights(background.pid)["CapPrm"])
            assert_confined(background.pid)
            drain = threading.Thread(target=lambda: [None for _ in iter(
                lambda: os.read(reader, 1 << 16), b"")])
            drain.start()
            assert background.process.wait(60) == 0
            drain.join()
    os.close(reader)


def test_report_of_a_broken_capture_has_a_sentence(capture, tmp_path):
    broken = tmp_path / "broken"
    broken.write_bytes(capture.read_bytes()[:-7])
    refused("report", "-o", tmp_path / "report", broken, says=["broken"])
    assert not (tmp_path / "report").exists() or not (tmp_path / "report").read_bytes()
