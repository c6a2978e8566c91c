# SPDX-License-Identifier: GPL-2.0
"""Is a command that memtrace runs the same as without memtrace, to its very status?"""
import contextlib
import json
import os
import signal
import subprocess
import sys

import pytest

from program import (OWN_FAILURE, assert_full_report, assert_sentence, command_file, memtrace,
                     public_folder, refused, shell)
from terminal import on_terminal
import support

TO_NOWHERE = ("-o", "/dev/null")


# ---- status ----

@pytest.mark.parametrize("status", [0, 1, 2, 3, 125, 126, 127, 255])
def test_status_is_that_of_the_command(status):
    done = memtrace(*TO_NOWHERE, "--", "sh", "-c", f"exit {status}")
    assert (done.status, done.err) == (status, b"")


@pytest.mark.parametrize("name", ["KILL", "TERM", "SEGV", "ABRT", "PIPE"])
def test_status_of_a_command_that_a_signal_killed(name):
    done = memtrace("-f", "json", "--", "sh", "-c", f"kill -{name} $$")
    number = getattr(signal, f"SIG{name}")
    assert done.status == 128 + number, done.err
    assert json.loads(done.out)["processes"][0]["exit"] == {"code": 0, "signal": number}


def test_command_that_looks_for_its_leaks(tmp_path):
    """LeakSanitizer traces the process, and cannot where somebody else does."""
    (tmp_path / "leaky.c").write_text("#include <stdlib.h>\nint main(void)\n{\n"
                                      "\tfree(malloc(7));\n\treturn 5;\n}\n")
    subprocess.run(["cc", "-fsanitize=address", "-o", tmp_path / "leaky", tmp_path / "leaky.c"],
                   check=True)
    done = memtrace(*TO_NOWHERE, "--", tmp_path / "leaky")
    assert (done.status, done.err) == (5, b"")


def test_report_follows_what_the_command_wrote():
    done = memtrace("--", "echo", "from the command")
    assert done.text.startswith("from the command\nmemtrace ")
    assert_full_report(done.text)


@pytest.mark.parametrize("words", [
    ["no-such-command-here"], ["./no-such-command"], ["/no/such/folder/command"], [""]])
def test_command_that_is_not_there(words):
    refused("--", *words, status=127, says=[words[0]])


def test_command_that_is_there_but_not_on_the_path():
    """What the shell does not find, memtrace does not find, whatever lies in the folder."""
    with command_file("#!/bin/sh\n") as path:
        refused("--", path.name, status=127, says=[path.name], cwd=path.parent)


def test_command_without_permission():
    with command_file("#!/bin/sh\n") as path:
        path.chmod(0o644)
        refused("--", path, status=126, says=[str(path), "Permission denied"])


def test_command_that_is_a_folder():
    refused("--", "/", status=126, says=["/"])


def test_command_through_a_file():
    refused("--", "/etc/passwd/command", status=126, says=["/etc/passwd/command"])


def test_script_whose_interpreter_is_missing():
    with command_file("#!/no/such/interpreter\n") as path:
        refused("--", path, status=126, says=[str(path)])


def test_script_on_the_path_whose_interpreter_is_missing():
    with command_file("#!/no/such/interpreter\n") as path:
        refused("--", path.name, status=126, says=[path.name],
                env={**os.environ, "PATH": f"{path.parent}:{os.environ['PATH']}"})


def test_file_that_no_kernel_can_run():
    """A damaged program: the shell says `cannot execute binary file`, and 126."""
    with command_file("") as path:
        path.write_bytes(b"\x7fELF" + bytes(100))
        done = memtrace(*TO_NOWHERE, "--", path)
        assert done.status in (126, 127), done  # 127: execvp() has asked sh, which knows no better


def test_script_without_first_line_is_run_by_the_shell():
    with command_file("exit 6\n") as path:
        assert memtrace(*TO_NOWHERE, "--", path).status == 6


@pytest.mark.parametrize("words", [["-o", "/no/such/folder/report"], ["-o", "/"],
                                   ["-w", "/no/such/folder/capture"], ["-w", "/"]])
def test_nothing_is_run_where_there_is_no_place_for_the_result(words):
    """As strace and perf do: an hour's work must not be done before it turns out."""
    with public_folder() as folder:
        done = memtrace(*words, "--", "touch", folder / "was-run")
        assert_sentence(done, OWN_FAILURE, words[1])
        assert not (folder / "was-run").exists(), "the command was run all the same"


def test_own_failure_is_not_taken_for_the_commands():
    refused("--cgroup", "/no/such/cgroup", "-o", "/", "-p", "1", status=2)
    with public_folder() as folder:
        done = memtrace("-o", folder, "--", "sh", "-c", "exit 3")
        assert_sentence(done, OWN_FAILURE)


# ---- streams ----

def test_streams_are_untouched():
    data = bytes(range(256)) * 5000
    words = ["sh", "-c", "cat; head -c 70000 /dev/zero >&2"]
    done = memtrace(*TO_NOWHERE, "--", *words, stdin=None, input=data)
    assert (done.status, done.out, done.err) == (0, data, bytes(70000))


def test_end_of_input_reaches_the_command():
    assert memtrace(*TO_NOWHERE, "--", "wc", "-c").out == b"0\n"


def test_command_without_standard_input():
    script = "readlink /proc/self/fd/0 || echo closed"
    assert shell(f'"$MEMTRACE" -o /dev/null -- sh -c "{script}" <&-').out == b"closed\n"


def test_command_reads_standard_input_alone():
    """memtrace takes not a byte of it: what the command leaves is there for the next."""
    done = shell('"$MEMTRACE" -o /dev/null -- sh -c "read line"; cat', stdin=None,
                 input=b"first\nsecond\n")
    assert done.out == b"second\n"


INTERACTIVE = """
import os, sys, termios, tty
print(os.isatty(0), os.isatty(1), os.isatty(2), os.ttyname(0) == os.ttyname(2),
      os.get_terminal_size(), os.tcgetpgrp(0) == os.getpgrp(), flush=True)
before = termios.tcgetattr(0)
tty.setraw(0)
os.write(1, b"raw\\r\\n")
keys = b""
while not keys.endswith(b"q"):
    keys += os.read(0, 100)
termios.tcsetattr(0, termios.TCSADRAIN, before)
print(keys, input("name? "), file=sys.stderr)
sys.exit(5)
"""


def talk(*prefix):
    """What an interactive program shows on a terminal, and its status."""
    with on_terminal(*prefix, sys.executable, "-c", INTERACTIVE, columns=93, rows=31) as terminal:
        terminal.read_until(b"raw")
        terminal.type(b"\x1b[A\x03\x04\x1aq")
        terminal.read_until(b"name? ")
        terminal.type(b"somebody\r")
        return terminal.wait(), terminal.seen


def test_interactive_command_has_the_terminal_to_itself():
    assert talk(support.MEMTRACE, *TO_NOWHERE, "--") == talk()


# ---- what a command is born with ----

BIRTH = r"""
env | sort | grep -v '^_='
pwd; umask; ulimit -a; ulimit -aH
grep -E '^(Umask|Uid|Gid|FDSize|Groups|Sig|Shd|Cap|NoNew)' /proc/self/status | grep -v SigQ
grep -E '^(Seccomp|Specul|Cpus_allowed|Mems|Thp|Cored)' /proc/self/status
cat /proc/self/oom_score_adj /proc/self/coredump_filter /proc/self/cgroup \
    /proc/self/timerslack_ns /proc/self/personality /proc/self/loginuid /proc/self/setgroups
for fd in /proc/self/fd/*; do echo "${fd##*/}" "$(readlink "$fd")"; done | grep -v pipe:
for space in /proc/self/ns/*; do readlink "$space"; done
cut -d ' ' -f 5,6,7,8,19 /proc/self/stat
nice; echo "$0" "$@"
"""


def birth(*prefix, script=BIRTH, **options):
    done = subprocess.run([*prefix, "sh", "-c", script, "name", "a b", ""], capture_output=True,
                          timeout=60, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode().splitlines()


def odd_birth():
    """Signals ignored and blocked, a umask, a limit and a niceness that are not the usual."""
    for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGPIPE, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, {signal.SIGINT, signal.SIGUSR2, signal.SIGCHLD})
    os.umask(0o137)
    os.nice(3)


@pytest.mark.parametrize("before", [None, odd_birth], ids=["usual", "odd"])
def test_command_is_born_as_without_memtrace(before):
    with public_folder() as folder, open("/etc/passwd", "rb") as file:
        options = {"cwd": folder, "stdin": subprocess.DEVNULL, "pass_fds": [file.fileno()],
                   "env": {**os.environ, "ODD": "a\nb", "LD_BIND_NOW": ""}, "preexec_fn": before}
        assert birth(support.MEMTRACE, *TO_NOWHERE, "--", **options) == birth(**options)


def test_command_without_environment():
    assert memtrace(*TO_NOWHERE, "--", "/usr/bin/env", env={}).out == b""


def ignore_the_end_of_children():
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)


def test_status_where_the_end_of_children_is_ignored():
    """Some daemons ignore SIGCHLD, and all that they start inherits it."""
    done = memtrace(*TO_NOWHERE, "--", "sh", "-c", "exit 7",
                    timeout=5, preexec_fn=ignore_the_end_of_children)
    assert done.status == 7, done.err


def test_ignored_end_of_children_stays_ignored_in_the_command():
    words, before = ["grep", "SigIgn", "/proc/self/status"], ignore_the_end_of_children
    done = memtrace(*TO_NOWHERE, "--", *words, timeout=5, preexec_fn=before)
    assert done.out == subprocess.run(words, capture_output=True, preexec_fn=before).stdout


# ---- children ----

def test_children_and_grandchildren_are_followed():
    document = support.report("--", "sh", "-c", "sh -c '/bin/true; exit 4'; exit 0")
    commands = [process["command"] for process in document["processes"]]
    assert sorted(commands) == ["sh", "sh", "true"], commands
    assert sorted(process["exit"]["code"] for process in document["processes"]) == [0, 0, 4]
    for process in document["processes"]:
        support.assert_balanced(process)


def test_no_children():
    document = support.report("--no-children", "--", "sh", "-c", "/bin/true; sh -c /bin/true; :")
    assert len(document["processes"]) == 1
    support.assert_balanced(document["processes"][0])


@contextlib.contextmanager
def left_behind(script):
    """What came of memtrace, and the process that the script has left running and named."""
    with public_folder() as folder:
        done = memtrace("-f", "json", "-o", folder / "report", "--", "sh", "-c", script)
        pid = int(done.out)
        try:
            document = json.loads((folder / "report").read_text())
            daemon = support.process_of(document, pid)
            assert daemon["exit"] is None and daemon["at_exit"] is None
            assert daemon["closing"]["virtual_bytes"] > 0, "a living process has some memory"
            yield done, daemon
        finally:
            os.kill(pid, signal.SIGKILL)


def test_daemon_outlives_the_command():
    """The capture ends with the command; who stays behind is shown as running."""
    with left_behind("sleep 60 >/dev/null 2>&1 & echo $!; sleep 0.2; exit 4") as (done, daemon):
        assert done.status == 4
        assert daemon["command"] == "sleep"
        support.assert_balanced(daemon)


def test_daemon_that_is_about_to_become_another_program():
    """The capture ends somewhere in its exec: it has some memory, and the kernel says how much."""
    for attempt in range(10):
        wait = f"i=0; while [ $i -lt {attempt * 30} ]; do i=$((i + 1)); done"
        with left_behind(f"(exec sleep 60) >/dev/null 2>&1 & echo $!; {wait}") as (_, daemon):
            support.assert_balanced(daemon)


def test_mode_and_losses_of_a_plain_run():
    document = support.report("--strict", "--", "true")
    assert document["capture"]["mode"] == "run"
    assert not any(document["capture"]["losses"].values())


# ---- -d ----

def test_duration_ends_the_capture_and_not_the_command():
    """The report comes then; memtrace waits for the command and ends with its status."""
    document = None
    with public_folder() as folder:
        report = folder / "report"
        script = f"sleep 0.2; for i in $(seq 500); do [ -s {report} ] && break; sleep 0.05; " \
                 "done; sleep 0.3; echo went on; exit 6"
        done = memtrace("-d", "0.5", "-f", "json", "-o", report, "--", "sh", "-c", script)
        document = json.loads(report.read_text())
    assert (done.status, done.out) == (6, b"went on\n")
    assert [process["exit"] for process in document["processes"]
            if process["arguments"][:2] == ["sh", "-c"]] == [None]
    assert 0.4e9 < document["capture"]["duration_ns"]
    for process in document["processes"]:
        support.assert_balanced(process)


def test_command_that_ends_before_the_duration():
    done = memtrace("-d", "1000", *TO_NOWHERE, "--", "sh", "-c", "exit 2")
    assert done.status == 2


# ---- the text after which the command comes ----

def test_words_after_the_dashes_are_the_commands():
    assert memtrace(*TO_NOWHERE, "--", "echo", "-o", "--help", "--", "-p").out == \
        b"-o --help -- -p\n"


def test_options_of_a_command_without_dashes_are_its_own():
    assert memtrace(*TO_NOWHERE, "echo", "-o", "x", "--version").out == b"-o x --version\n"


@pytest.mark.parametrize("name", ["diff", "top", "serve"])
def test_a_command_of_memtrace_is_never_another_program(name):
    """`memtrace top` without dashes is memtrace's own, in this version or not at all."""
    with command_file("#!/bin/sh\necho the other program\n", name) as path:
        done = memtrace(name, "--no-such-option", env={
            **os.environ, "PATH": f"{path.parent}:{os.environ['PATH']}"})
        assert b"the other program" not in done.out
        assert_sentence(done, 2)


@pytest.mark.parametrize("name", ["report", "check", "diff", "top", "serve"])
def test_program_with_the_name_of_a_command_of_memtrace(name):
    """It is run where that is clear, and only there."""
    with command_file("#!/bin/sh\necho the other program $*\n", name) as path:
        env = {**os.environ, "PATH": f"{path.parent}:{os.environ['PATH']}"}
        done = memtrace(*TO_NOWHERE, "--", name, "x", env=env)
        assert (done.status, done.out) == (0, b"the other program x\n")
        done = memtrace(*TO_NOWHERE, path, "x")
        assert (done.status, done.out) == (0, b"the other program x\n")
        refused("-d", "1", name, "x", status=2, says=[name], env=env)
