# SPDX-License-Identifier: GPL-2.0
"""Where is Python when it is stopped?  In its own code, in numpy's, and in what calls it back."""
import ctypes
import json
import re
import threading
import zlib

import numpy

LIBC = ctypes.CDLL(None)
COMPARE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
DATA = {str(i): [i, i / 3, None, "ü" * (i % 9)] for i in range(300)}


@COMPARE
def compare(left, right):
    return left[0] - right[0]


def called_back():
    numbers = (ctypes.c_int * 50)(*range(50, 0, -1))
    LIBC.qsort(numbers, 50, ctypes.sizeof(ctypes.c_int), compare)


def of_numpy():
    square = numpy.random.default_rng(1).random((60, 60))
    numpy.linalg.inv(square + numpy.eye(60))
    numpy.sort(square.ravel())
    numpy.fft.fft(square)
    return (square * square).sum(axis=0).astype("f4").astype(str)


def of_libraries():
    text = json.dumps(DATA, indent=1)
    json.loads(text)
    re.findall(r"(\d+)\.(\d+)", text)
    zlib.decompress(zlib.compress(text.encode()))
    sorted(DATA, key=lambda key: [int(key), hash(key)])


def recurse(depth):
    return recurse(depth - 1) + 1 if depth else sum(i * i for i in range(300))


def roam():
    while True:
        called_back()
        of_numpy()
        of_libraries()
        recurse(30)


threading.Thread(target=roam, daemon=True).start()
print("ready", flush=True)
roam()
