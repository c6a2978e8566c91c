# SPDX-License-Identifier: GPL-2.0
"""What do stacks cost the process itself, and the machine?

Ratios of interleaved runs: nothing attached, memtrace without stacks, with native ones, with
those of Python; of all runs of a kind the least, since all else in a machine only adds to it.
Then what the tables to walk them take to make, and the memory of what is known of each page.
"""
import argparse
import json
import pathlib
import signal
import statistics
import subprocess

from hooks import BENCH, MEMTRACE, ROOT, run

WORKS = {"a storm of faults": ([BENCH / "storm"], 1, "ns"),
         "a fault under 10 native calls": ([BENCH / "deep"], 1, "ns"),
         "a fault under 5 functions of Python": (["/usr/bin/python3", ROOT / "tests" / "bench" /
                                                  "deep.py", "deep"], 1, "ns"),
         "a list of 10 million integers": (["/usr/bin/python3", ROOT / "tests" / "bench" /
                                            "deep.py", "list"], 1e6, "ms")}
KINDS = ("alone", "none", "native", "python")
NUMPY = "import numpy; print(flush=True); input()"
HOLD = """
import mmap
memory = mmap.mmap(-1, {bytes}, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
memory.madvise(mmap.MADV_NOHUGEPAGE)
input()
for at in range(0, {bytes}, 4096):
    memory[at] = 1
print(flush=True)
input()
"""
GIB = 2 ** 30


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
                    runs[kind] += run(process, words(kind, process.pid))[:1]
        finally:
            process.kill()
    return {kind: min(figures) for kind, figures in runs.items()}


def python(text):
    return subprocess.Popen(["/usr/bin/python3", "-c", text], text=True, stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE)


def code_of(pid):
    """The files that a process may run code of."""
    lines = pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines()
    fields = [line.split(maxsplit=5) for line in lines]
    return sorted({one[5] for one in fields if "x" in one[1] and one[-1].startswith("/")})


def make_tables(rounds):
    """Of Python with numpy: files, rows, ms of CPU time of each round."""
    with python(NUMPY) as process:
        process.stdout.readline()
        files = code_of(process.pid)
        process.kill()
    said = [subprocess.run([BENCH / "tables", *files], check=True, text=True,
                           stdout=subprocess.PIPE).stdout.split() for _ in range(rounds)]
    return len(files), int(said[0][1]), [float(one[0]) for one in said]


def maps_bytes(held):
    """Of memtrace's maps in the kernel, when a process has touched so much."""
    with python(HOLD.format(bytes=held)) as process, \
            subprocess.Popen([MEMTRACE, "-v", "--stacks", "native", "-f", "json", "-p",
                              str(process.pid)], text=True, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE) as memtrace:
        if not any("counting" in line for line in memtrace.stderr):
            raise SystemExit("memtrace did not attach")
        process.stdin.write("\n")
        process.stdin.flush()
        process.stdout.readline()
        memtrace.send_signal(signal.SIGINT)
        document = json.loads(memtrace.communicate()[0])
        process.kill()
    return document["capture"]["overhead"]["kernel_bytes"]


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
    files, rows, times = make_tables(rounds)
    print(f"\nTables of Python with numpy ({files} files, {rows:,} rows): "
          f"{statistics.median(times):.0f} ms of CPU time (worst {max(times):.0f}).")
    share = (maps_bytes(GIB) - maps_bytes(4096)) / GIB
    print(f"What is known of each page of 1 GiB: {100 * share:.2f} % of it in the kernel's maps.")


main()
