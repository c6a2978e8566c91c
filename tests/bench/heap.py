# SPDX-License-Identifier: GPL-2.0
"""How long does it take to look inside a heap, and how much memory of memtrace's own?"""
import argparse
import json
import pathlib
import re
import statistics
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
HEAP = ROOT / "build" / "tests" / "bench" / "heap"
MEMTRACE = ROOT / "build" / "memtrace"
MIB = 2 ** 20
MS = {"ns": 1e-6, "us": 1e-3, "ms": 1, "s": 1e3}


def look(pid):
    """ms of CPU time, the figures, and the memory that memtrace has in the end."""
    done = subprocess.run([MEMTRACE, "-d", "0.1", "-f", "json", "-p", str(pid)], check=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    document = json.loads(done.stdout)
    capture = document["capture"]
    took = re.search(r"which took ([\d.]+) (\w+) of CPU time", " ".join(capture["notes"]))
    glibc = document["processes"][0]["allocators"][0]
    return (float(took.group(1)) * MS[took.group(2)], glibc,
            capture["overhead"]["resident_bytes"])


def measure(mib, block, kept, rounds):
    words = [str(word) for word in (HEAP, mib, block, kept)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as heap:
        try:
            if heap.stdout.readline() != "there\n":
                raise SystemExit("cannot make a heap")
            looks = [look(heap.pid) for _ in range(rounds)]
        finally:
            heap.kill()
    glibc = looks[-1][1]
    chunks = glibc["figures"]["main_used_count"] + glibc["figures"]["main_free_count"]
    took = statistics.median(one[0] for one in looks)
    resident = statistics.median(one[2] for one in looks)
    print(f"| {mib:,} MiB, blocks of {block:,}, 1 of {kept} in use | {chunks:,} "
          f"| {took:.0f} ms | {resident / MIB:.1f} MiB | {'yes' if glibc['complete'] else 'no'} |",
          flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    print("| heap | chunks | CPU time of a look | memtrace's RSS at the end | all of it |")
    print("| --- |" + " ---: |" * 4)
    for mib, block, kept in ((1024, 1000, 2), (1024, 100, 2), (1024, 48, 3)):
        measure(mib, block, kept, rounds)


main()
