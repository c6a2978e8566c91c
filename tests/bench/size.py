# SPDX-License-Identifier: GPL-2.0
"""How long does memtrace take to begin and to end, and how much memory does it take?"""
import argparse
import json
import pathlib
import signal
import statistics
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BENCH = ROOT / "build" / "tests" / "bench"
MEMTRACE = ROOT / "build" / "memtrace"
MIB = 2 ** 20


class Capture:
    """One capture: ms until it counts, ms from Ctrl-C to its end, its own memory in bytes."""

    def __init__(self, *words, seconds=0.2):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "report"
            start = time.monotonic()
            with subprocess.Popen([MEMTRACE, "-v", "-f", "json", "-o", path, *map(str, words)],
                                  stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                  text=True) as process:
                if not any("counting" in line for line in process.stderr):
                    raise SystemExit("memtrace did not attach")
                self.began = 1000 * (time.monotonic() - start)
                time.sleep(seconds)
                status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
                start = time.monotonic()
                process.send_signal(signal.SIGINT)
            self.ended = 1000 * (time.monotonic() - start)
            self.document = json.loads(path.read_text())
        self.peak = 1024 * int(status.split("VmHWM:")[1].split()[0])
        overhead = self.document["capture"]["overhead"]
        self.resident, self.kernel = overhead["resident_bytes"], overhead["kernel_bytes"]
        self.processes = len(self.document["processes"])
        self.unbalanced = sum(any(process["unexplained"].values())
                              for process in self.document["processes"])


def of_one(rounds, *words):
    with subprocess.Popen(["sleep", "infinity"]) as sleeper:
        try:
            return [Capture(*words, "-p", sleeper.pid) for _ in range(rounds)]
        finally:
            sleeper.kill()


def of_crowd(processes):
    with subprocess.Popen([BENCH / "crowd", str(processes)], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as crowd:
        if crowd.stdout.readline() != "there\n":
            raise SystemExit(f"cannot make {processes} processes")
        return [Capture("-a", seconds=2)]  # the block closes its input, which ends it


def print_row(name, captures):
    began, ended, peak, resident, kernel = [
        statistics.median(getattr(one, figure) for one in captures)
        for figure in ("began", "ended", "peak", "resident", "kernel")]
    worst = max(one.began for one in captures)
    print(f"| {name} | {captures[-1].processes:,} | {began:.0f} ms (worst {worst:.0f}) "
          f"| {ended:.0f} ms | {peak / MIB:.1f} MiB | {resident / MIB:.1f} MiB "
          f"| {kernel / MIB:.1f} MiB | {max(one.unbalanced for one in captures)} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--crowd", type=int, default=10000)
    options = parser.parse_args()
    print("| | processes | counts after | report and end after Ctrl-C | its peak RSS | its RSS "
          "at the end | maps in the kernel | do not balance |")
    print("| --- |" + " ---: |" * 7)
    print_row("`-p PID`", of_one(options.rounds))
    print_row("`-p PID --stacks none`", of_one(options.rounds, "--stacks", "none"))
    print_row("`-a`", [Capture("-a") for _ in range(options.rounds)])
    print_row("`-a`, a crowd", of_crowd(options.crowd))


main()
