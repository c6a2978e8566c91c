# SPDX-License-Identifier: GPL-2.0
"""What do the tools cost that people would use instead, on the same work?

Each runs the same program; ratios of its own time to that of the runs without a tool, which
are interleaved with them.  Also the most memory of the tool itself and the size of its file.
Run as root, in a mount namespace of its own (tracefs is mounted there): `make bench` does that.
"""
import argparse
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
CASES = {"faults": [WORK, "faults"], "mappings": [WORK, "mappings"], "malloc": [WORK, "malloc"],
         "python list": ["/usr/bin/python3", ROOT / "tests" / "bench" / "list.py"]}
FAULT_STACKS = "tracepoint:exceptions:page_fault_user { @[ustack] = count(); }"

# Name and words; {file} is what it writes, {command} the work (words of their own where the word
# stands alone), {pid} the work that waits already, for tools that only attach.
TOOLS = [
    ("memtrace", [MEMTRACE, "-o", "{file}", "--", "{command}"]),
    ("memtrace --calls off", [MEMTRACE, "--calls", "off", "-o", "{file}", "--", "{command}"]),
    ("bpftrace, faults by user stack", ["bpftrace", "-o", "{file}", "-e", FAULT_STACKS, "-c",
                                        "{words}"]),
    ("perf record -e page-faults -g", ["perf", "record", "-q", "-e", "page-faults", "-c", "1",
                                       "-g", "-o", "{file}", "--", "{command}"]),
    ("perf trace -F all", ["perf", "trace", "-F", "all", "-o", "{file}", "--", "{command}"]),
    ("strace -f -e trace=memory", ["strace", "-f", "-e", "trace=memory", "-o", "{file}",
                                   "{command}"]),
    ("memleak-bpfcc -p", ["memleak-bpfcc", "-o", "0", "-p", "{pid}", "1000"]),
]
ATTACHING_SECONDS = 12  # a tool that only attaches does not say when it is ready


class Peak(threading.Thread):
    """The most that a process had resident, and how long after its start the work began."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.kib = pid, 0
        self.start()

    def run(self):
        while True:
            try:
                text = pathlib.Path(f"/proc/{self.pid}/status").read_text()
            except OSError:
                return
            found = re.search(r"VmHWM:\s+(\d+)", text)
            if not found:
                return
            self.kib = max(self.kib, int(found[1]))
            time.sleep(0.02)


def fill(words, command, file, pid):
    """The words of a tool with what stands for something replaced."""
    filled = []
    for word in map(str, words):
        if word == "{command}":
            filled += command
            continue
        word = word.replace("{words}", " ".join(command)).replace("{file}", str(file))
        filled.append(word.replace("{pid}", str(pid)))
    return filled


def start(words):
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                            stderr=subprocess.PIPE, text=True, start_new_session=True)


def take(work, seconds):
    """Lets the work begin; its own ns, or None if it took too long."""
    timer = threading.Timer(seconds, os.killpg, (work.pid, signal.SIGKILL))
    timer.start()
    work.stdin.write("\n")
    work.stdin.flush()
    took = None
    for line in work.stderr:
        found = re.match(r"work (\d+)", line)
        if found:
            took = int(found[1])
            break
    work.stdin.close()
    timer.join(0)
    return took, timer


def end(process, timer=None):
    if timer is None:
        os.killpg(process.pid, signal.SIGKILL)
    threading.Thread(target=process.stderr.read, daemon=True).start()
    process.wait()
    if timer:
        timer.cancel()


def run(words, case, seconds):
    """One run; the work's own ns, the tool's peak in MiB, its file in MiB.  None: too slow."""
    command = [str(word) for word in CASES[case]]
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "out"
        if "{pid}" not in words:
            process = start(fill(words, command, file, 0) if words else command)
            peak = Peak(process.pid)
            took, timer = take(process, seconds)
            end(process, timer)
        else:
            work = start(command)
            process = subprocess.Popen(fill(words, command, file, work.pid),
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            peak = Peak(process.pid)
            time.sleep(ATTACHING_SECONDS)
            if process.poll() is not None:
                work.kill()
                return None, 0, 0
            took, timer = take(work, seconds)
            process.kill()
            process.wait()
            end(work, timer)
        size = file.stat().st_size if file.exists() else 0
        return took, peak.kib / 1024, size / 2**20


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=120, help="the most that a run may take")
    options = parser.parse_args()
    print("| ratio of wall time | " + " | ".join(CASES) + " | its memory | its file |")
    print("| --- |" + " ---: |" * (len(CASES) + 2))
    for name, words in TOOLS:
        if not shutil.which(str(words[0])):
            print(f"| {name} |" + " not installed |" * (len(CASES) + 2))
            continue
        cells, peaks, sizes = [], [], []
        for case in CASES:
            ratios = []
            for _ in range(options.rounds):
                base, _, _ = run([], case, options.seconds)
                took, peak, size = run(words, case, options.seconds)
                if took is None:
                    break
                ratios.append(took / base)
                peaks.append(peak)
                sizes.append(size)
            cells.append(f"{statistics.median(ratios):.2f}" if ratios else "-")
        print(f"| {name} | " + " | ".join(cells)
              + f" | {max(peaks, default=0):.0f} MiB | {max(sizes, default=0):.1f} MiB |",
              flush=True)


main()
