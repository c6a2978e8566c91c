# SPDX-License-Identifier: GPL-2.0
"""How long does it take to look inside a heap, and how much memory of memtrace's own?"""
import argparse
import json
import pathlib
import statistics
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
HEAP = ROOT / "build" / "tests" / "bench" / "heap"
MEMTRACE = ROOT / "build" / "memtrace"
MIB = 2 ** 20


def look(pid):
    """ms by the clock, of CPU time, the figures, and the memory that memtrace has in the end."""
    done = subprocess.run([MEMTRACE, "-d", "0.1", "-f", "json", "-p", str(pid)], check=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    document = json.loads(done.stdout)
    capture = document["capture"]
    overhead = capture["overhead"]
    glibc = document["processes"][0]["allocators"][0]
    return (overhead["allocators_ns"] / 1e6, overhead["allocators_cpu_ns"] / 1e6, glibc,
            overhead["resident_bytes"])


def measure(mib, block, kept, rounds):
    words = [str(word) for word in (HEAP, mib, block, kept)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as heap:
        try:
            if heap.stdout.readline() != "there\n":
                raise SystemExit("cannot make a heap")
            looks = [look(heap.pid) for _ in range(rounds)]
        finally:
            heap.kill()
    glibc = looks[-1][2]
    chunks = glibc["figures"]["main_used_count"] + glibc["figures"]["main_free_count"]
    wall, took, resident = (statistics.median(one[i] for one in looks) for i in (0, 1, 3))
    print(f"| {mib:,} MiB, blocks of {block:,}, 1 of {kept} in use | {chunks:,} "
          f"| {wall:.0f} ms | {took:.0f} ms | {resident / MIB:.1f} MiB "
          f"| {'yes' if glibc['complete'] else 'no'} |",
          flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    print("| heap | chunks | a look | its CPU time | memtrace's RSS at the end | all of it |")
    print("| --- |" + " ---: |" * 5)
    for mib, block, kept in ((1024, 1000, 2), (1024, 100, 2), (1024, 48, 3)):
        measure(mib, block, kept, rounds)


main()
