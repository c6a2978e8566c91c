# SPDX-License-Identifier: GPL-2.0
"""What does memtrace add to a fault, a release, a mapping, any other call?

Ratios of interleaved runs: nothing attached, empty programs on the same hooks, memtrace on the
process, memtrace on another one.  In each run the cheapest pieces of work count (see storm.c);
of all runs, the median.
"""
import argparse
import contextlib
import os
import pathlib
import statistics
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
BENCH = ROOT / "build" / "tests" / "bench"
MEMTRACE = ROOT / "build" / "memtrace"
FIGURES = ("page fault", "page released", "mmap and munmap", "any other call")
KINDS = ("nothing", "empty", "memtrace", "another")


@contextlib.contextmanager
def attached(words):
    """From when it counts to the end of the block."""
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True) as process:
        try:
            if not any("counting" in line for line in process.stderr):
                raise SystemExit(f"{words[0]} did not attach")
            yield
        finally:
            process.kill()


def tracer(kind, calls, pid, idle):
    """The words of what is attached in that kind of run, none for nothing."""
    memtrace = [MEMTRACE, "-v", "--stacks", "none", "--calls", calls, "-p"]
    return {"nothing": [], "empty": [BENCH / "empty", "calls" if calls == "on" else "none"],
            "memtrace": [*memtrace, str(pid)], "another": [*memtrace, str(idle)]}[kind]


def run(storm, words):
    """One run of the storm under a tracer; its figures in ns."""
    with attached(words) if words else contextlib.nullcontext():
        storm.stdin.write("\n")
        storm.stdin.flush()
        return [float(word) for word in storm.stdout.readline().split()]


def measure(rounds, calls):
    """Runs of each kind, in turns that begin with another kind each time."""
    runs = {kind: [] for kind in KINDS}
    cpu = str(max(os.sched_getaffinity(0)))
    with subprocess.Popen(["sleep", "infinity"]) as idle, \
            subprocess.Popen(["taskset", "-c", cpu, BENCH / "storm"], text=True,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE) as storm:
        try:
            for turn in range(rounds):
                for at in range(len(KINDS)):
                    kind = KINDS[(at + turn) % len(KINDS)]
                    runs[kind].append(run(storm, tracer(kind, calls, storm.pid, idle.pid)))
        finally:
            idle.kill()
            storm.kill()
    return runs


def median(runs, kind, figure):
    return statistics.median(run[figure] for run in runs[kind])


def print_table(runs):
    print("| ns | alone | empty programs add | memtrace adds "
          "| memtrace on another process adds | memtrace : empty | another : empty |")
    print("| --- |" + " ---: |" * 6)
    for figure, name in enumerate(FIGURES):
        base = median(runs, "nothing", figure)
        empty, memtrace, another = [median(runs, kind, figure) - base for kind in KINDS[1:]]
        cells = [f"{one:+.0f} (x{1 + one / base:.2f})" for one in (empty, memtrace, another)]
        # Where empty programs add nothing to speak of, a ratio would be one of noise.
        ratios = [f"{one / empty:.2f}" if empty > base / 50 else "-" for one in (memtrace, another)]
        print(f"| {name} | {base:.0f} | " + " | ".join(cells + ratios) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    rounds = parser.parse_args().rounds
    for calls in ("off", "on"):
        print(f"With `--calls {calls}` (rounds: {rounds}):\n", flush=True)
        print_table(measure(rounds, calls))
        print(flush=True)


if __name__ == "__main__":
    main()
