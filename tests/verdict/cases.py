# SPDX-License-Identifier: GPL-2.0
"""Why is memory where it is?  The same in Python: a known cause each, and how many bytes."""
import gc
import mmap
import os
import sys

MIB = 1 << 20
kept = []


def hold(size):
    print(size, flush=True)
    sys.stdin.read()


def hold_buffers():
    kept.extend(bytearray(b"x") * MIB for _ in range(71))
    hold(71 * MIB)


def hold_numbers():
    kept.append(list(range(2_600_011)))
    hold(2_600_011 * 40)


def drop_list():
    numbers = list(range(1_500_007))
    del numbers
    hold(1_500_007 * 40)


def drop_buffers():
    buffers = [bytearray(b"x") * MIB for _ in range(89)]
    del buffers[7:]
    gc.collect()
    hold(82 * MIB)


def reserve():
    kept.append(mmap.mmap(-1, 421 * MIB, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
    kept[0][:3 * MIB] = b"x" * (3 * MIB)
    hold(418 * MIB)


def churn():
    """Each is larger than what malloc would keep for the next one."""
    for _ in range(11):
        bytearray(b"x") * (37 * MIB)
    hold(10 * 37 * MIB)


def read_in_child():
    """Nothing is written, but reference counts are."""
    kept.extend(object() for _ in range(2_000_003))
    if os.fork():
        sys.stdin.read()
        os.wait()
        return
    for thing in kept:
        other = thing
    del other
    hold(2_000_003 * 16)


sys.stdin.readline()
globals()[sys.argv[1].replace("-", "_")]()
