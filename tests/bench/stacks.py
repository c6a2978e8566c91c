# SPDX-License-Identifier: GPL-2.0
"""What do stacks cost the process itself?

Ratios of interleaved runs: nothing attached, memtrace without stacks, with native ones, with
those of Python; of all runs of a kind the least, since all else in a machine only adds to it.
"""
import argparse
import subprocess

from hooks import BENCH, MEMTRACE, ROOT, run

WORKS = {"a fault under 10 native calls": ([BENCH / "deep"], 1, "ns"),
         "a fault under 5 functions of Python": (["/usr/bin/python3", ROOT / "tests" / "bench" /
                                                  "deep.py", "deep"], 1, "ns"),
         "a list of 10 million integers": (["/usr/bin/python3", ROOT / "tests" / "bench" /
                                            "deep.py", "list"], 1e6, "ms")}
KINDS = ("alone", "none", "native", "python")


def words(kind, pid):
    return [] if kind == "alone" else [MEMTRACE, "-v", "--stacks", kind, "-p", str(pid)]


def measure(work, rounds):
    """The least of each kind, in turns that begin with another kind each time."""
    runs = {kind: [] for kind in KINDS}
    with subprocess.Popen(list(map(str, work)), text=True, stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as process:
        try:
            for turn in range(rounds):
                for at in range(len(KINDS)):
                    kind = KINDS[(at + turn) % len(KINDS)]
                    runs[kind] += run(process, words(kind, process.pid))
        finally:
            process.kill()
    return {kind: min(figures) for kind, figures in runs.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    rounds = parser.parse_args().rounds
    print("| | alone | `--stacks none` | `native` | `python` |")
    print("| --- |" + " ---: |" * 4)
    for name, (work, unit, unit_name) in WORKS.items():
        least = measure(work, rounds)
        cells = [f"{least['alone'] / unit:.0f} {unit_name}"]
        cells += [f"x{least[kind] / least['alone']:.2f}" for kind in KINDS[1:]]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


main()
