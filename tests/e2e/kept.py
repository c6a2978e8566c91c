# SPDX-License-Identifier: GPL-2.0
"""Objects of which a few stay.  Says what Python makes of it; "trim" and an end are asked for."""
import os
import sys

OBJECTS = 1_000_003


class Small:
    __slots__ = ("one",)


def main():
    objects = [Small() for _ in range(OBJECTS)]
    kept = objects[::50_021] if sys.argv[1] == "kept" else objects
    objects = None
    if hasattr(sys, "_debugmallocstats"):
        sys._debugmallocstats()
    sys.stderr.flush()
    os.write(1, b"ready\n")
    while os.read(0, 16):
        import ctypes  # which some interpreters of the tests have not
        ctypes.CDLL(None).malloc_trim(0)
        os.write(1, b"done\n")
    assert kept or objects


main()
