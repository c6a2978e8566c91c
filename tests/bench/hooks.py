# SPDX-License-Identifier: GPL-2.0
"""What does memtrace add to a fault, a release, a mapping, any other call?

Ratios of interleaved runs: nothing attached, empty programs on the same hooks, memtrace on the
process, memtrace on another one.  Medians over the rounds, of CPU time of the process itself.
"""
import argparse
import pathlib
import statistics
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
BENCH = ROOT / "build" / "tests" / "bench"
MEMTRACE = ROOT / "build" / "memtrace"
FIGURES = ("fault", "release", "mapping", "call")


def attach(words):
    """Starts what is to be attached and waits until it is."""
    process = subprocess.Popen([str(word) for word in words], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        if "counting" in line:
            return process
    raise SystemExit(f"{words[0]} did not attach")


class Storm:
    """The storm process; each run is a line."""

    def __init__(self):
        self.process = subprocess.Popen(["taskset", "-c", "1", BENCH / "storm"], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.idle = subprocess.Popen(["sleep", "100000"])

    def run(self, kind, calls):
        """One run under a kind of tracing; its figures in ns."""
        tracer = None
        if kind == "empty":
            tracer = attach([BENCH / "empty", "calls" if calls == "on" else "none"])
        elif kind != "nothing":
            pid = self.process.pid if kind == "memtrace" else self.idle.pid
            tracer = attach([MEMTRACE, "-v", "--calls", calls, "-p", pid])
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        figures = [float(word) for word in self.process.stdout.readline().split()]
        if tracer:
            tracer.kill()
            tracer.wait()
        return figures

    def close(self):
        for process in (self.process, self.idle):
            process.kill()
            process.wait()


def added(runs, kind, figure):
    """Median of the differences to the run without tracing of the same turn."""
    return statistics.median(run[figure] - base[figure]
                             for run, base in zip(runs[kind], runs["nothing"]))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    rounds = parser.parse_args().rounds
    kinds = ["nothing", "empty", "memtrace", "another"]
    for calls in ("off", "on"):
        storm = Storm()
        runs = {kind: [] for kind in kinds}
        for turn in range(rounds):
            for at in range(len(kinds)):
                kind = kinds[(at + turn) % len(kinds)]
                runs[kind].append(storm.run(kind, calls))
        storm.close()
        print(f"--calls {calls}, {rounds} rounds, ns; what is added by")
        print(f"{'':10}{'base':>9}{'empty':>16}{'memtrace':>16}{'to another':>16}"
              f"{'memtrace/empty':>16}{'another/empty':>15}")
        for figure, name in enumerate(FIGURES):
            base = statistics.median(run[figure] for run in runs["nothing"])
            extra = [added(runs, kind, figure) for kind in kinds[1:]]
            cells = "".join(f"{f'{one:+.0f} x{1 + one / base:.3f}':>16}" for one in extra)
            print(f"{name:10}{base:9.0f}{cells}{extra[1] / extra[0]:16.2f}"
                  f"{extra[2] / extra[0]:15.2f}")


main()
