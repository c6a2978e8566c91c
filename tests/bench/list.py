# SPDX-License-Identifier: GPL-2.0
"""The work of a Python program: a list of ten million numbers, made and deleted."""
import sys
import time

sys.stdin.readline()
start = time.monotonic_ns()
numbers = [number for number in range(10_000_000)]
del numbers
print("work", time.monotonic_ns() - start, file=sys.stderr)
