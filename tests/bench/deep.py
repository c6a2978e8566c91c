# SPDX-License-Identifier: GPL-2.0
"""The work of Python programs, for each line that comes in; a line of nanoseconds goes out.

`deep`: a page fault under five functions, as deep.c measures it.  `list`: a list of ten million
numbers, made and deleted; the least of three.
"""
import mmap
import sys
import time

PIECE, PIECES, ROUNDS, CHEAPEST = 256 * 4096, 64, 4, 50


def touch(area, start):
    began = time.perf_counter_ns()
    for at in range(start, start + PIECE, 4096):
        area[at] = 1
    return (time.perf_counter_ns() - began) / 256


def deeper(area, start, calls):
    return deeper(area, start, calls - 1) if calls else touch(area, start)


def deep(area):
    times = []
    for turn in range(ROUNDS):
        for i in range(PIECES):
            took = deeper(area, i * PIECE, 2)
            if turn:
                times.append(took)
        area.madvise(mmap.MADV_DONTNEED)
    return sorted(times)[len(times) // CHEAPEST]


def numbers(_):
    times = []
    for _ in range(3):
        began = time.process_time_ns()
        kept = [number for number in range(10_000_000)]
        del kept
        times.append(time.process_time_ns() - began)
    return min(times)


def main():
    area = mmap.mmap(-1, PIECE * PIECES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    area.madvise(mmap.MADV_NOHUGEPAGE)
    work = {"deep": deep, "list": numbers}[sys.argv[1]]
    for _ in sys.stdin:
        print(f"{work(area):.2f}", flush=True)


main()
