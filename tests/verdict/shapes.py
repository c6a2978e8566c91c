# SPDX-License-Identifier: GPL-2.0
"""Why is memory where it is?  The causes of cases.py in other shapes; the protocol is the same."""
import array
import gc
import io
import mmap
import os
import sys
import tempfile
import threading
import time

MIB = 1 << 20
kept = []


def hold(size):
    print(size, flush=True)
    sys.stdin.read()


def keep_a_few():
    """Of many small objects, so that none of the arenas that they are in goes."""
    numbers = [[number] for number in range(1_000_003)]
    kept.append(numbers[::1009])
    del numbers
    hold(1_000_003 * 112)


def leak():
    for _ in range(101):
        kept.append(bytearray(b"x") * MIB)
        time.sleep(0.012)
    hold(101 * MIB)


def have_threads():
    kept.append(threading.Event())
    for _ in range(83):
        threading.Thread(target=kept[0].wait, daemon=True).start()
    time.sleep(0.2)
    hold(83 * 8 * MIB)


def map_file(unmap=False):
    with tempfile.TemporaryFile(dir="/var/tmp") as file:
        for _ in range(61):
            file.write(b"x" * MIB)
        file.flush()
        kept.append(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ))
    read = sum(kept[0][::4096])
    if unmap:
        kept.pop().close()
    hold(61 * MIB + 0 * read)


def map_and_unmap_file():
    map_file(unmap=True)


def free_lazily(advice=mmap.MADV_FREE):
    kept.append(mmap.mmap(-1, 97 * MIB, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
    kept[0][:] = b"x" * (97 * MIB)
    kept[0].madvise(advice)
    hold(97 * MIB)


def free_at_once():
    free_lazily(mmap.MADV_DONTNEED)


def fill_a_dictionary():
    kept.append({number: number for number in range(2_000_003)})
    hold(sys.getsizeof(kept[0]) + 2_000_003 * 32)


def fill_a_stream():
    kept.append(io.BytesIO())
    for _ in range(150):
        kept[0].write(b"x" * MIB)
    hold(150 * MIB)


def in_child(work):
    """Its parent lives on, so that what the child writes to is copied."""
    if os.fork():
        sys.stdin.read()
        os.wait()
    else:
        work()
        hold(1)


def collect_in_child():
    kept.extend([] for _ in range(1_000_003))
    gc.collect()
    in_child(gc.collect)


def freeze_and_collect_in_child():
    kept.extend([] for _ in range(1_000_003))
    gc.freeze()
    in_child(gc.collect)


def read_objects_in_child():
    kept.append([float(number) for number in range(2_000_003)])
    in_child(lambda: sum(kept[0]))


def read_array_in_child():
    kept.append(array.array("d", range(2_000_003)))
    in_child(lambda: sum(kept[0]))


def make_zeros():
    import numpy
    kept.append(numpy.zeros((8_009, 8_009)))
    kept[0][:800] = 1
    hold(7_209 * 8_009 * 8)


def make_and_drop_ones():
    import numpy
    ones = numpy.ones(30_000_001)
    del ones
    hold(30_000_001 * 8)


sys.stdin.readline()
globals()[sys.argv[1].replace("-", "_")]()
