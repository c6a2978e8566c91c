# SPDX-License-Identifier: GPL-2.0
"""What do signals do to memtrace, and what reaches the command that it runs?"""
import contextlib
import fcntl
import os
import pathlib
import signal
import subprocess
import time
import warnings

import pytest

from program import (BALANCED, SECONDS, SETTLING_SECONDS, assert_full_report, eventually, memtrace,
                     public_folder, running)
from puppet import puppet
from witness import QUIET, WITNESS, signals_in
import support


@contextlib.contextmanager
def witnessed(*words):
    """memtrace runs a witness, which has said that it is ready."""
    with running("-o", "/dev/null", *words, "--", *WITNESS, QUIET) as background:
        assert background.process.stdout.readline() == b"ready\n"
        yield background


# ---- a command, and who sends what ----

@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT", "SIGUSR1", "SIGUSR2", "SIGQUIT",
                                  "SIGALRM", "SIGWINCH", "SIGRTMIN"])
def test_signal_to_memtrace_reaches_the_command_once(name):
    with witnessed() as background:
        background.signal(signal.Signals[name])
        done = background.wait()
    assert signals_in(done.out) == [name.encode()]
    assert done.status == 9, done.err


def test_all_signals_reach_the_command():
    with witnessed() as background:
        for name in ("SIGUSR1", "SIGUSR2", "SIGQUIT", "SIGHUP"):
            background.signal(signal.Signals[name])
            time.sleep(0.1)
        done = background.wait()
    assert signals_in(done.out) == [b"SIGUSR1", b"SIGUSR2", b"SIGQUIT", b"SIGHUP"]
    assert done.status == 9


@pytest.mark.parametrize("name", ["SIGTERM", "SIGUSR1", "SIGHUP", "SIGINT"])
def test_signals_reach_the_command_after_the_report_of_a_duration(name):
    """The capture is over, the command is not: memtrace still stands in for it."""
    with witnessed("-d", "0.1") as background:
        time.sleep(0.4)
        background.signal(signal.Signals[name])
        done = background.wait()
    assert signals_in(done.out) == [name.encode()]
    assert done.status == 9, done


def test_signal_before_the_command_runs():
    """Nothing is counted yet and nothing was run: it ends as any program, and alone."""
    with public_folder() as folder:
        for delay in (0.001, 0.01, 0.03, 0.06):
            with support.started(support.MEMTRACE, "--", "touch", folder / "was-run",
                                 stdout=subprocess.DEVNULL) as process:
                time.sleep(delay)
                process.send_signal(signal.SIGTERM)
                status = process.wait(SECONDS)
            assert status in (-signal.SIGTERM, 128 + signal.SIGTERM, 0)
            assert (folder / "was-run").exists() is (status == 0)
            (folder / "was-run").unlink(missing_ok=True)


def test_interrupt_of_a_background_job_of_a_script():
    """A shell without job control lets those ignore SIGINT; `kill -INT $!` has to work."""
    with puppet() as target, public_folder() as folder:
        done = memtrace("-c", '"$1" -v -p "$2" 2>said & '
                        "until grep -q counting said; do sleep 0.05; done; "
                        "kill -INT $!; wait $!", "sh", support.MEMTRACE, str(target.pid),
                        program="/bin/sh", cwd=folder)
    assert done.status == 0
    assert_full_report(done.text)


def test_hangup_of_nohup_is_ignored():
    """Who started it with nohup wants it to live on."""
    with puppet() as target:
        with running("-p", str(target.pid), preexec_fn=lambda: signal.signal(
                signal.SIGHUP, signal.SIG_IGN)) as background:
            background.signal(signal.SIGHUP)
            time.sleep(0.5)
            assert background.process.poll() is None
            background.signal(signal.SIGINT)
            assert background.wait().status == 0


def test_command_that_a_passed_signal_killed():
    with running("--", "sleep", "60") as background:
        background.signal(signal.SIGTERM)
        done = background.wait()
    assert done.status == 128 + signal.SIGTERM
    assert_full_report(done.text)


def test_blocked_signals_of_memtrace_still_stop_it():
    """Who starts it may have signals blocked, and forget."""
    with puppet() as target:
        with running("-p", str(target.pid), preexec_fn=lambda: signal.pthread_sigmask(
                signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})) as background:
            background.signal(signal.SIGTERM)
            done = background.wait()
    assert done.status == 0
    assert_full_report(done.text)


def test_status_of_a_command_that_takes_its_time_after_a_signal():
    script = "trap 'kill $!; sleep 3; exit 4' TERM; echo ready; sleep 30 >/dev/null 2>&1 & wait"
    with running("--", "sh", "-c", script) as background:
        assert background.process.stdout.readline() == b"ready\n"
        background.signal(signal.SIGTERM)
        done = background.wait()
    assert done.status == 4
    assert_full_report(done.text)


def test_suspended_and_continued_while_attached():
    with puppet() as target, support.following("-p", target.pid) as follower:
        target.do("touch 10")
        follower.process.send_signal(signal.SIGTSTP)
        time.sleep(0.2)
        target.do("touch 20")
        follower.process.send_signal(signal.SIGCONT)
        target.do("touch 30")
        process = support.process_of(follower.stop(), target.pid)
    support.assert_balanced(process)
    assert support.moved(process, "fault", "anon_bytes") >= 60 * 4096





# ---- what ends a capture ----

def test_signal_at_the_very_moment_that_it_counts():
    """From then on there is something to report."""
    with puppet() as target:
        for _ in range(5):
            with running("-p", str(target.pid), settled=False) as background:
                background.signal(signal.SIGTERM)
                assert background.wait().status == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("mode", ["-p", "-a"])
def test_signal_gives_the_full_report(mode, number):
    with puppet() as target:
        words = ["-p", str(target.pid)] if mode == "-p" else ["-a"]
        with running(*words) as background:
            background.signal(number)
            done = background.wait()
        assert done.status == 0, done.err
        assert_full_report(done.text)
        assert target.do("touch 1") == target.pid, "the target lives on"


def test_duration_gives_the_full_report():
    with puppet() as target:
        done = memtrace("-p", str(target.pid), "-d", "0.3")
        assert (done.status, done.err) == (0, b"")
        assert_full_report(done.text)
        assert done.text.count(BALANCED) == 1


def test_end_of_the_target_gives_the_full_report():
    with puppet() as target, running("-p", str(target.pid)) as background:
        target.do("touch 5")
        assert target.end() == 0
        done = background.wait()
    assert done.status == 0
    assert_full_report(done.text)
    assert "ended with status 0" in done.text


@pytest.mark.parametrize("name", ["TERM", "INT"])
def test_timeout_gives_the_full_report(name):
    """timeout(1) sends its signal to memtrace, and at once again to the whole group."""
    with puppet() as target:
        for _ in range(5):
            done = memtrace("--stacks", "none", "-p", str(target.pid),
                            prefix=["timeout", "-s", name, "1"])
            assert done.status == 124
            assert_full_report(done.text)


def pending(pid):
    """The signals that a process has been sent and has not taken."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("ShdPnd:"):
            return int(line.split()[1], 16)
    return 0


def test_a_signal_that_comes_twice_at_once_is_one():
    """As timeout(1) sends it: no person has pressed a key a second time."""
    with puppet() as target:
        for _ in range(5):
            with running("-p", str(target.pid)) as background:
                background.signal(signal.SIGTERM)
                while pending(background.pid):
                    pass
                background.signal(signal.SIGTERM)
                done = background.wait()
            assert done.status == 0
            assert_full_report(done.text)


def test_signal_to_the_whole_group_gives_the_full_report():
    """`kill -- -GROUP`, as scripts and supervisors do."""
    with puppet() as target:
        with running("-p", str(target.pid), start_new_session=True) as background:
            os.killpg(background.pid, signal.SIGTERM)
            done = background.wait()
    assert done.status == 0
    assert_full_report(done.text)


# ---- the second Ctrl-C ----

@contextlib.contextmanager
def unread_pipe():
    """A pipe with little room, and nobody who reads it."""
    reader, writer = os.pipe()
    try:
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
        yield writer
    finally:
        os.close(reader)
        os.close(writer)


@pytest.mark.parametrize("format", ["text", "json", "openmetrics"])
def test_second_ctrl_c_kills_where_nobody_reads_the_report(format):
    with puppet() as target, unread_pipe() as writer:
        for _ in range(100):
            target.do("fork 1")
        with running("-a", "-f", format, "--limit", "1000", stdout=writer) as background:
            background.signal(signal.SIGINT)
            time.sleep(1)
            assert background.process.poll() is None, "the report fitted into the pipe"
            background.signal(signal.SIGINT)
            assert background.wait(10).status == -signal.SIGINT


def test_ctrl_c_kills_where_nobody_reads_the_intervals():
    """It hangs in writing an interval: the first may be waiting, the second must kill."""
    with puppet() as target, unread_pipe() as writer:
        with running("-p", str(target.pid), "-i", "0.01", stdout=writer) as background:
            for _ in range(20):
                target.do("touch 1")
                time.sleep(0.1)
            background.signal(signal.SIGINT)
            time.sleep(0.5)
            background.signal(signal.SIGINT)
            done = background.wait(10)
    assert done.status == -signal.SIGINT


def test_first_ctrl_c_after_a_duration_does_not_cost_the_report():
    """It comes a moment too late to stop anything; the second kills as ever."""
    with puppet() as target, unread_pipe() as writer:
        for _ in range(100):
            target.do("fork 1")
        with running("-a", "-f", "json", "-d", "0.2", stdout=writer) as background:
            time.sleep(1.5)
            assert background.process.poll() is None, "the report fitted into the pipe"
            background.signal(signal.SIGINT)
            time.sleep(0.5)
            assert background.process.poll() is None, "the first has killed"
            background.signal(signal.SIGINT)
            assert background.wait(10).status == -signal.SIGINT


def test_ctrl_c_while_an_interval_waits_for_its_reader():
    """The reader is slow, not gone: all is written, and the full report at the end."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    with puppet() as target, open(reader, "rb") as stream:
        with running("-p", str(target.pid), "-i", "0.02", stdout=writer) as background:
            os.close(writer)
            for _ in range(20):
                target.do("touch 1")
                time.sleep(0.1)
            background.signal(signal.SIGINT)
            time.sleep(0.5)
            text = stream.read().decode()
            assert background.wait().status == 0
    assert_full_report(text[text.index("\nmemtrace 0"):])


def test_hangups_do_not_kill():
    """A terminal that goes sends several, far from each other on a busy machine."""
    with puppet() as target, unread_pipe() as writer:
        with running("-p", str(target.pid), "-i", "0.01", stdout=writer) as background:
            for _ in range(20):
                target.do("touch 1")
                time.sleep(0.1)
            for _ in range(3):
                background.signal(signal.SIGHUP)
                time.sleep(0.3)
            assert background.process.poll() is None
            background.signal(signal.SIGTERM)
            assert background.wait(10).status == -signal.SIGTERM


def test_first_process_of_a_container_reports_at_the_first_signal():
    script = 'echo ready; sleep 20 & trap "kill $!; exit 3" TERM; wait'
    with subprocess.Popen(["unshare", "-pf", "--mount-proc", "--kill-child", support.MEMTRACE, "-v",
                           "--", "sh", "-c", script], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as outer:
        seen = b""
        while b"ready" not in seen or b"counting" not in seen:
            seen += outer.stdout.readline()
        time.sleep(SETTLING_SECONDS)
        os.kill(child_of(outer.pid), signal.SIGTERM)
        text = outer.stdout.read().decode()
        assert outer.wait(SECONDS) == 3
    assert_full_report(text)


def test_second_signal_ends_the_first_process_of_a_container():
    """There a signal without a handler is void, also the one that memtrace sends itself."""
    script = f"trap '' TERM; echo ready; exec sleep 20"
    with subprocess.Popen(["unshare", "-pf", "--mount-proc", "--kill-child", support.MEMTRACE, "-v",
                           "-o", "/dev/null", "--", "sh", "-c", script],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as outer:
        try:
            seen = b""
            while b"ready" not in seen or b"counting" not in seen:
                line = outer.stdout.readline()
                assert line, seen
                seen += line
            inner = child_of(outer.pid)
            os.kill(inner, signal.SIGTERM)
            time.sleep(0.5)
            os.kill(inner, signal.SIGTERM)
            ended = eventually(lambda: outer.poll() is not None, 8)
        finally:
            outer.kill()
    assert ended, "memtrace took no notice"


def child_of(pid):
    return int(pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text())


# ---- time ----

def test_time_to_attach_and_to_end():
    """How long the first is, is only told; the second is what a user waits for after Ctrl-C."""
    with puppet() as target:
        started = time.monotonic()
        with running("-p", str(target.pid)) as background:
            counting = time.monotonic()
            background.signal(signal.SIGINT)
            background.wait(SECONDS)
            ended = time.monotonic()
    warnings.warn(f"memtrace -p counted after {(counting - started) * 1000:.0f} ms and ended "
                  f"{(ended - counting) * 1000:.0f} ms after Ctrl-C")
    assert ended - counting < 5
