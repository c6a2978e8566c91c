# SPDX-License-Identifier: GPL-2.0
"""Calls and faults against what strace and perf count on the same run of the same processes."""
import contextlib
import os
import pathlib
import signal
import subprocess

import pytest

import machine
import support

# Which operations the calls of a name are.
CALLS = {"mmap": ("mmap",), "munmap": ("munmap",), "mremap": ("mremap",),
         "brk": ("brk.grow", "brk.shrink"),
         "madvise": ("madvise.dontneed", "madvise.free", "madvise.remove", "madvise.pageout",
                     "madvise.populate", "madvise.collapse", "madvise.other"),
         "mlock": ("mlock",), "shmat": ("shm",)}
NAMES = {"mmap": ("mmap",), "munmap": ("munmap",), "mremap": ("mremap",), "brk": ("brk",),
         "madvise": ("madvise", "process_madvise"),
         "mlock": ("mlock", "mlock2", "munlock", "mlockall", "munlockall"),
         "shmat": ("shmat", "shmdt")}
ALL_NAMES = sum(NAMES.values(), ())
TOOLS = ("strace", "perf", "mount")  # what is followed, but not counted by itself

PIPELINE = "ls -l /usr/bin | sort -r | tail -n 3 >/dev/null; sleep 0; (exit 3) || true"
PYTHON = """
import mmap, os, subprocess, threading
def churn():
    for size in range(1, 102):
        area = mmap.mmap(-1, size * 4096)
        area[0] = 1
        area.close()
threads = [threading.Thread(target=churn) for _ in range(3)]
for one in threads: one.start()
for one in threads: one.join()
if not os.fork():
    bytearray(7 << 20)
    os._exit(0)
os.wait()
subprocess.run(["true"], check=True)
"""


def compilation(folder):
    source = pathlib.Path(folder) / "sum.c"
    source.write_text("#include <stdio.h>\nint main(void) { return printf(\"%d\", 7) < 0; }\n")
    return ["gcc", "-O2", "-o", f"{folder}/sum", source]


def case_of(program, case):
    """A case of a workload, which is told to go on at once."""
    return ["sh", "-c", f"printf '\\n\\n' | {support.WORKLOADS / program} {case} >/dev/null"]


PROGRAMS = {
    "pipeline": lambda folder: ["sh", "-c", PIPELINE],
    "python": lambda folder: ["/usr/bin/python3", "-c", PYTHON],
    "gcc": compilation,
    "heap": lambda folder: case_of("heap", "small-steps"),
    "advice": lambda folder: case_of("advice", "other"),
    "lock": lambda folder: case_of("lock", "future"),
    "sysv": lambda folder: case_of("shared", "sysv"),
    "failures": lambda folder: case_of("failure", "bad-advice"),
    "threads": lambda folder: case_of("thread", "own-mappings"),
}


def counts_of(document, what):
    """Calls by name, in all processes but the tools that count."""
    processes = [process for process in document["processes"]
                 if os.path.basename(process["executable"]) not in TOOLS]
    assert processes
    return {name: sum(support.counted(process, operation, what)
                      for process in processes for operation in operations)
            for name, operations in CALLS.items()}


def by_kind(counts):
    return {kind: sum(counts.get(name, 0) for name in names) for kind, names in NAMES.items()}


@pytest.mark.parametrize("name", PROGRAMS)
def test_strace_counts_the_same_calls(name, tmp_path):
    table = tmp_path / "table"
    document = support.report("--", "strace", "-f", "-c", "-o", table, "-e",
                              "trace=" + ",".join(ALL_NAMES), *PROGRAMS[name](tmp_path))
    calls, errors = {}, {}
    for words in map(str.split, table.read_text().splitlines()):
        if words and words[-1] in ALL_NAMES:
            calls[words[-1]] = int(words[3])
            errors[words[-1]] = int(words[4]) if len(words) == 6 else 0
    assert sum(calls.values()) > 20
    assert counts_of(document, "count") == by_kind(calls)
    failed = counts_of(document, "failed")
    del failed["brk"]  # which never returns an error
    assert failed == {kind: count for kind, count in by_kind(errors).items() if kind != "brk"}


def read_perf(text):
    """Counts by event, of the comma-separated output of perf stat."""
    counts = {}
    for line in text.splitlines():
        words = line.split(",")
        if len(words) > 2:
            assert words[0].isdigit(), f"perf could not count: {line}"
            counts[words[2].removeprefix("syscalls:sys_enter_")] = int(words[0])
    return counts


@pytest.mark.parametrize("name", PROGRAMS)
def test_perf_counts_the_same_calls(name, tmp_path):
    """In a mount namespace of its own, where tracefs can be mounted without a trace."""
    table, words = tmp_path / "table", PROGRAMS[name](tmp_path)
    events = ",".join(f"syscalls:sys_enter_{name}" for name in ALL_NAMES)
    script = ("mount -t tracefs none /sys/kernel/tracing && "
              f"exec perf stat -x, -o {table} -e {events} -- \"$@\"")
    document = support.report("--", "unshare", "-m", "sh", "-c", script, "sh", *words)
    counts = read_perf(table.read_text())
    assert sum(counts.values()) > 20
    assert counts_of(document, "count") == by_kind(counts)


# ---- faults ----

@contextlib.contextmanager
def perf_attached(pid, events, table):
    """perf counts from inside of this block: it has said that it does."""
    orders, said = os.pipe(), os.pipe()
    words = ["perf", "stat", "-x,", "-o", table, "-e", events, "-p", str(pid), "-D", "-1",
             "--control", f"fd:{orders[0]},{said[1]}"]
    with support.started(*words, pass_fds=(orders[0], said[1]), stderr=subprocess.PIPE) as perf:
        os.close(orders[0])
        os.close(said[1])
        try:
            os.write(orders[1], b"enable\n")
            assert os.read(said[0], 16).startswith(b"ack"), perf.stderr.read()
            yield
            perf.send_signal(signal.SIGINT)
            perf.wait(support.SECONDS)
        finally:
            os.close(orders[1])
            os.close(said[0])


FAULTS = ("fault", "fault.cow", "fault.kernel")
FAULTING = (("mapping", "map-touch-unmap"), ("page", "zero"), ("call", "fill"),
            ("thread", "shared-buffer"), ("thread", "same-pages"), ("fork", "copy-in-child"),
            ("fork", "tree"), ("file", "private"), ("shared", "memfd-private"))


@pytest.mark.parametrize("program, case", FAULTING, ids=map("-".join, FAULTING))
def test_perf_counts_the_same_faults(program, case, tmp_path):
    """Children are counted with their parent, by both."""
    table = tmp_path / "table"
    with machine.prepared(["disk"]) as environment:
        with support.workload(program, case, env=environment) as workload:
            with support.following("-p", workload.pid) as memtrace:
                with perf_attached(workload.pid, "page-faults,minor-faults,major-faults", table):
                    workload.go_on("done")
                    document = memtrace.stop()
                workload.finish()
    counts = read_perf(table.read_text())
    counted = sum(support.counted(process, operation)
                  for process in document["processes"] for operation in FAULTS)
    assert counted == counts["page-faults"]
    assert counted == counts["minor-faults"] + counts["major-faults"]
