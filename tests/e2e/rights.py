# SPDX-License-Identifier: GPL-2.0
"""What may a process still do, and what comes of it when it is made to try?"""
import os
import pathlib
import re
import subprocess

FILTERED, ENOSYS = 2, 38


def rights(pid):
    """Of each thread, from /proc/PID/status: all of them the same."""
    found = set()
    for path in pathlib.Path(f"/proc/{pid}/task").iterdir():
        text = (path / "status").read_text()
        found.add(tuple(sorted(re.findall(r"^(Cap\w+|NoNewPrivs|Seccomp):\s*(\w+)$", text, re.M))))
    assert len(found) == 1
    return {name: int(value, 16) for name, value in found.pop()}


def assert_confined(pid, *capabilities):
    wanted = sum(1 << capability for capability in capabilities)
    assert rights(pid) == {"CapEff": wanted, "CapPrm": wanted, "CapInh": 0, "CapBnd": 0,
                           "CapAmb": 0, "NoNewPrivs": 1, "Seccomp": FILTERED}


def children_of(pid):
    return [int(child) for child in
            pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def reader_of(pid):
    """The process that reads files of code for memtrace."""
    reader, = [child for child in children_of(pid)
               if pathlib.Path(f"/proc/{child}/comm").read_text() == "memtrace-reader\n"]
    return reader


def has_ended(pid):
    """Reaped or not: the first process of a container may not wait for its children."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] == b"Z"
    except FileNotFoundError:
        return True


def made_to(pid, *calls):
    """What C library calls return, and what errno is then, when a debugger has it make them."""
    words = [word for call in calls for word in
             ("-ex", f"print (long) {call}", "-ex", "print *(int *) __errno_location()")]
    done = subprocess.run(["gdb", "-nx", "-batch", "-iex", "set debuginfod enabled off",
                           "-p", str(pid), *words], capture_output=True, text=True, timeout=60)
    numbers = list(map(int, re.findall(r"^\$\d+ = (-?\d+)$", done.stdout, re.M)))
    assert len(numbers) == 2 * len(calls), done.stdout + done.stderr
    return list(zip(numbers[::2], numbers[1::2]))


HARM = ['open("/etc/hostname", 1)', 'open("/tmp/memtrace-test-none", 0101, 0600)',
        'syscall({execve}, "/bin/true", 0L, 0L)', 'socket(2, 1, 0)', 'fork()',
        'ptrace(16, 1, 0L, 0L)', 'kill(2, 0)', 'setuid(0)', 'chmod("/tmp", 01777)',
        'rename("/tmp/none", "/tmp/other")', 'mmap(0L, 4096L, 7, 0x22, -1, 0L)']


def harm():
    return [call.format(execve={"x86_64": 59}.get(os.uname().machine, 221)) for call in HARM]
