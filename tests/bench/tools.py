# SPDX-License-Identifier: GPL-2.0
"""What do the tools cost that people would use instead, on the same work?

Each runs the same program; ratios of its own time to that of the runs without a tool, which
are interleaved with them.  Also the most memory of the tool itself and the size of its file.
Run as root, in a mount namespace of its own (tracefs is mounted there): `make bench` does that.
"""
import argparse
import contextlib
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORK = ROOT / "build" / "tests" / "bench" / "work"
MEMTRACE = ROOT / "build" / "memtrace"
CASES = {"131,072 faults": [WORK, "faults"], "20,000 mappings": [WORK, "mappings"],
         "1,000,000 malloc": [WORK, "malloc"],
         "a Python list": ["/usr/bin/python3", ROOT / "tests" / "bench" / "list.py"]}
FAULT_STACKS = "tracepoint:exceptions:page_fault_user { @[ustack] = count(); }"
MIB = 2 ** 20

# Name and words; {file} is what it writes, {command} the work (words of their own where the word
# stands alone), {pid} the work that waits already, for tools that only attach.
TOOLS = {
    "memtrace": [MEMTRACE, "-o", "{file}", "--", "{command}"],
    "memtrace --stacks none": [MEMTRACE, "--stacks", "none", "-o", "{file}", "--", "{command}"],
    "memtrace --calls off": [MEMTRACE, "--calls", "off", "-o", "{file}", "--", "{command}"],
    "bpftrace, faults by user stack": ["bpftrace", "-o", "{file}", "-e", FAULT_STACKS, "-c",
                                       "{words}"],
    "perf record -e page-faults -c 1 -g": ["perf", "record", "-q", "-e", "page-faults", "-c", "1",
                                           "-g", "-o", "{file}", "--", "{command}"],
    "perf record -e page-faults -c 1 --call-graph dwarf": [
        "perf", "record", "-q", "-e", "page-faults", "-c", "1", "--call-graph", "dwarf", "-o",
        "{file}", "--", "{command}"],
    "heaptrack": ["heaptrack", "--record-only", "-o", "{file}", "{command}"],
    "perf trace -F all": ["perf", "trace", "-F", "all", "-o", "{file}", "--", "{command}"],
    "strace -f -e trace=memory": ["strace", "-f", "-e", "trace=memory", "-o", "{file}",
                                  "{command}"],
    "memleak-bpfcc -p": ["memleak-bpfcc", "-o", "0", "-p", "{pid}", "1000"],
}
SETTLED_SECONDS = 2  # a tool that only attaches does not say when it has


class Failure(Exception):
    """Why there is no figure, in a word or two."""


class Peak(threading.Thread):
    """The most that a process had resident."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.bytes = pid, 0
        self.start()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                text = pathlib.Path(f"/proc/{self.pid}/status").read_text()
                found = re.search(r"VmHWM:\s+(\d+)", text)
                if not found:
                    return
                self.bytes = max(self.bytes, 1024 * int(found[1]))
                time.sleep(0.02)


def fill(words, command, file, pid=0):
    """The words of a tool with what stands for something replaced."""
    filled = []
    for word in map(str, words):
        if word == "{command}":
            filled += command
            continue
        word = word.replace("{words}", " ".join(command)).replace("{file}", str(file))
        filled.append(word.replace("{pid}", str(pid)))
    return filled


@contextlib.contextmanager
def started(words, said):
    """A process and its group, which is killed at the end of the block."""
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said,
                          start_new_session=True) as process:
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def words_of(said):
    said.seek(0)
    return said.read().decode(errors="replace")


def wait_until_attached(process, seconds):
    """Until it has events open, and opens no more."""
    folder = pathlib.Path(f"/proc/{process.pid}/fd")
    deadline = time.monotonic() + seconds
    before, since = 0, time.monotonic()
    while process.poll() is None and time.monotonic() < deadline:
        links = []
        for link in folder.iterdir():
            with contextlib.suppress(OSError):
                links.append(os.readlink(link))
        events = sum("perf_event" in link or "bpf" in link for link in links)
        if events != before:
            before, since = events, time.monotonic()
        if events and time.monotonic() - since > SETTLED_SECONDS:
            return
        time.sleep(0.1)
    raise Failure("does not run" if process.poll() else "does not attach")


def let_work(process, said, seconds):
    """Lets the work begin and waits for what it has the line of; its own ns."""
    process.stdin.write(b"\n")
    process.stdin.close()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        ended = process.poll() is not None
        found = re.search(r"^work (\d+)$", words_of(said), re.MULTILINE)
        if found:
            return int(found[1])
        if ended:
            last = words_of(said).strip().splitlines()[-1:] or ["nothing said"]
            raise Failure(f"ended with {process.returncode}: {last[0][:60]}")
        time.sleep(0.02)
    raise Failure(f"over {seconds:.0f} s")


def run_command(words, command, file, said, seconds):
    """Of a tool that starts the work itself: ns, and the most memory of the tool."""
    with started(fill(words, command, file), said) as process:
        peak = Peak(process.pid)
        took = let_work(process, said, seconds)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failure(f"over {seconds:.0f} s to write its file") from None
    return took, peak.bytes


def run_attached(words, command, file, said, seconds):
    """The same of a tool that only attaches."""
    with tempfile.TemporaryFile("a+b") as other, started(command, said) as work, \
            started(fill(words, command, file, work.pid), other) as process:
        peak = Peak(process.pid)
        wait_until_attached(process, seconds)
        return let_work(work, said, seconds), peak.bytes


def run(words, command, seconds):
    """One run: the work's own ns, the tool's peak, its file, in bytes."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("a+b") as said:
        file = pathlib.Path(folder) / "out"
        how = run_attached if "{pid}" in words else run_command
        took, peak = how(words, command, file, said, seconds)
        return took, peak, file.stat().st_size if file.exists() else 0


def measure(words, command, options):
    """Of one tool on one work: a cell, and its peaks and files."""
    ratios, runs = [], []
    try:
        for _ in range(options.rounds):
            base, _, _ = run(["{command}"], command, options.seconds)
            runs.append(run(words, command, options.seconds))
            ratios.append(runs[-1][0] / base)
    except Failure as failure:
        return str(failure), runs
    return f"{statistics.median(ratios):.2f}", runs


def print_row(name, words, options):
    if not shutil.which(str(words[0])):
        print(f"| `{name}` |" + " not installed |" * (len(CASES) + 2), flush=True)
        return
    cells, runs = [], []
    for command in CASES.values():
        cell, more = measure(words, list(map(str, command)), options)
        cells.append(cell)
        runs += more
    peak, size = [max((one[figure] for one in runs), default=0) for figure in (1, 2)]
    cells += [f"{peak / MIB:.0f} MiB", f"{size / MIB:.1f} MiB" if size > MIB / 10 else
              f"{size / 1024:.0f} KiB" if size else "none"]
    print(f"| `{name}` | " + " | ".join(cells) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=120, help="the most that a run may take")
    options = parser.parse_args()
    print("| wall time, alone = 1 | " + " | ".join(CASES) + " | its memory | its file |")
    print("| --- |" + " ---: |" * (len(CASES) + 2))
    for name, words in TOOLS.items():
        print_row(name, words, options)


main()
