# SPDX-License-Identifier: GPL-2.0
"""What do the keys of a terminal do to memtrace and to the command that it runs?"""
import os
import signal
import time

from program import BALANCED, assert_full_report, eventually, memtrace, public_folder
from puppet import puppet
from terminal import CTRL_BACKSLASH, CTRL_C, CTRL_Z, on_terminal
from witness import QUIET, WITNESS, signals_in
import support

STUBBORN = "trap '' INT TERM; echo ready; sleep 30 >/dev/null 2>&1 & wait; wait"


# ---- Ctrl-C on a terminal ----

def test_ctrl_c_reaches_the_command_once_and_memtrace_reports():
    with on_terminal(support.MEMTRACE, "-v", "--", *WITNESS, "2.5") as terminal:
        terminal.read_until(b"ready")
        terminal.read_until(b"counting")
        terminal.type(CTRL_C)
        status = terminal.wait()
    assert signals_in(terminal.seen.replace(b"^C", b"")) == [b"SIGINT"]
    assert b"SIGINT from kernel" in terminal.seen
    assert status == 9, terminal.seen
    assert_full_report(terminal.text)


def test_ctrl_c_on_a_plain_command():
    """It dies of it, memtrace reports, and the status is as the shell's."""
    with on_terminal(support.MEMTRACE, "-v", "--", "sleep", "60") as terminal:
        terminal.read_until(b"counting")
        terminal.type(CTRL_C)
        assert terminal.wait() == 128 + signal.SIGINT
    assert_full_report(terminal.text)


def test_ctrl_c_on_a_command_in_a_group_of_its_own():
    """timeout(1) makes one.  Without memtrace that would be the terminal's, and be told."""
    with on_terminal(support.MEMTRACE, "-v", "--", "timeout", "20", *WITNESS,
                     "2.5") as terminal:
        terminal.read_until(b"ready")
        terminal.read_until(b"counting")
        terminal.type(CTRL_C)
        assert terminal.wait() == 9
    assert set(signals_in(terminal.seen.replace(b"^C", b""))) == {b"SIGINT"}
    assert_full_report(terminal.text)


def test_ctrl_c_on_a_command_that_left_the_terminal():
    with on_terminal(support.MEMTRACE, "-v", "--", "setsid", *WITNESS, "2.5") as terminal:
        terminal.read_until(b"ready")
        terminal.read_until(b"counting")
        terminal.type(CTRL_C)
        assert terminal.wait() == 9
    assert signals_in(terminal.seen.replace(b"^C", b"")) == []


def test_interactive_shell_has_its_jobs_and_keys_to_itself():
    with on_terminal(support.MEMTRACE, "--", "bash", "--norc", "--noprofile", "-i",
                     variables={"PS1": "$ "}) as terminal:
        terminal.read_until(b"$ ")
        terminal.type(b"sleep 60\r")
        time.sleep(0.5)
        terminal.type(CTRL_C)
        terminal.read_until(b"$ ", count=2)
        terminal.type(b"sleep 60\r")
        time.sleep(0.5)
        terminal.type(CTRL_Z)
        terminal.read_until(b"Stopped")
        terminal.type(b"kill %1; exit 7\r")
        terminal.type(b"exit 7\r")
        assert terminal.wait() == 7
    assert b"memtrace 0" not in terminal.seen.partition(b"exit 7")[0]
    assert_full_report(terminal.text)


# ---- a job in the background ----

def in_shell(terminal, line, until):
    terminal.type(line.encode() + b"\r")
    terminal.read_until(until)


def test_background_job_leaves_the_terminal_alone():
    """Neither a status line over what the user types, nor a stop for having written one."""
    with puppet() as target, public_folder() as folder:
        with on_terminal("bash", "--norc", "--noprofile", "-i",
                         variables={"PS1": "$ "}) as terminal:
            in_shell(terminal, "stty tostop; echo se''t", b"set\r\n")
            in_shell(terminal, f"{support.MEMTRACE} -o {folder}/report -d 2 -p {target.pid} & "
                               "echo star''ted", b"started\r\n")
            before = len(terminal.seen)
            in_shell(terminal, "sleep 1.2; jobs; echo lo''oked", b"looked\r\n")
            assert b"Running" in terminal.seen[before:], terminal.seen
            in_shell(terminal, "wait; echo al''l", b"all\r\n")
            assert b"Ctrl-C stops" not in terminal.seen
            terminal.type(b"exit\r")
            terminal.wait()
        assert_full_report((folder / "report").read_text())


def test_status_line_comes_with_the_foreground():
    with puppet() as target:
        with on_terminal("bash", "--norc", "--noprofile", "-i",
                         variables={"PS1": "$ "}) as terminal:
            in_shell(terminal, f"{support.MEMTRACE} -p {target.pid} & echo star''ted",
                     b"started\r\n")
            time.sleep(1)
            assert b"Ctrl-C stops" not in terminal.seen
            in_shell(terminal, "fg", b"Ctrl-C stops")
            terminal.type(CTRL_C)
            terminal.read_until(b"maps.")
            terminal.type(b"exit\r")
            terminal.wait()


# ---- and other keys ----

def test_ctrl_backslash_is_the_commands():
    with on_terminal(support.MEMTRACE, "-v", "--", *WITNESS, QUIET) as terminal:
        terminal.read_until(b"ready")
        terminal.read_until(b"counting")
        terminal.type(CTRL_BACKSLASH)
        assert terminal.wait() == 9
    assert signals_in(terminal.seen.replace(b"^\\", b"")) == [b"SIGQUIT"]


def test_command_that_ignores_ctrl_c():
    """The report comes after a short grace; the second Ctrl-C kills memtrace."""
    with on_terminal(support.MEMTRACE, "-v", "--", "sh", "-c", STUBBORN) as terminal:
        terminal.read_until(b"ready")
        terminal.read_until(b"counting")
        terminal.type(CTRL_C)
        terminal.read_until(b"maps.")
        assert terminal.process.poll() is None, "the command goes on, so memtrace waits"
        terminal.type(CTRL_C)
        assert terminal.wait(10) == -signal.SIGINT
    assert_full_report(terminal.text)


def test_second_ctrl_c_within_the_grace_kills():
    with on_terminal(support.MEMTRACE, "-v", "--", "sh", "-c", STUBBORN) as terminal:
        terminal.read_until(b"ready")
        terminal.read_until(b"counting")
        terminal.type(CTRL_C)
        time.sleep(0.5)
        terminal.type(CTRL_C)
        assert terminal.wait(10) == -signal.SIGINT


def test_ctrl_z_and_fg_in_a_shell():
    """Both stop, both go on, and the books balance over the pause."""
    with on_terminal("bash", "--norc", "--noprofile", "-i", variables={"PS1": "$ "}) as terminal:
        terminal.type(f"{support.MEMTRACE} -- sh -c 'echo rea\"\"dy; sleep 2; echo do\"\"ne'; "
                      "echo status=$?\r".encode())
        terminal.read_until(b"ready\r\n")
        terminal.type(CTRL_Z)
        terminal.read_until(b"Stopped")
        terminal.type(b"fg\r")
        terminal.read_until(b"done\r\n")
        terminal.read_until(b"maps.")
        terminal.type(b"exit\r")
        terminal.wait()
    assert BALANCED.encode() in terminal.seen


def test_second_signal_may_be_another_one():
    with on_terminal(support.MEMTRACE, "-v", "--", "sh", "-c", STUBBORN) as terminal:
        terminal.read_until(b"ready")
        terminal.read_until(b"counting")
        os.kill(terminal.process.pid, signal.SIGTERM)
        time.sleep(0.5)
        terminal.type(CTRL_C)
        assert terminal.wait(10) == -signal.SIGINT


# ---- a terminal that goes away ----

def test_terminal_that_is_closed():
    """It ends, and does not spin or hang."""
    with puppet() as target:
        with on_terminal(support.MEMTRACE, "-v", "-p", target.pid) as terminal:
            terminal.read_until(b"counting")
            terminal.hang_up()
            assert eventually(lambda: terminal.process.poll() is not None, 10)
        assert target.do("touch 1") == target.pid


def test_terminal_that_is_closed_with_the_report_in_a_file():
    """A closed laptop must not cost the capture."""
    with puppet() as target, public_folder() as folder:
        with on_terminal(support.MEMTRACE, "-v", "-o", folder / "report", "-w",
                         folder / "capture", "-p", target.pid) as terminal:
            terminal.read_until(b"counting")
            terminal.hang_up()
            assert eventually(lambda: terminal.process.poll() is not None, 10)
            assert terminal.process.returncode == 0
        assert_full_report((folder / "report").read_text())
        assert memtrace("report", folder / "capture").status == 0
