# SPDX-License-Identifier: GPL-2.0
"""Which anonymous pages does a process have?  Its page tables say so, by address."""
import ctypes
import functools
import mmap
import os
import struct

PAGE = os.sysconf("SC_PAGESIZE")
PRESENT, SHARED, FRAME = 1 << 63, 1 << 61, (1 << 55) - 1
MOST_BYTES = 1 << 36  # an area is read, when it is no larger


def entries(pid, start, end):
    with open(f"/proc/{pid}/pagemap", "rb", buffering=0) as file:
        file.seek(start // PAGE * 8)
        for number, (entry,) in enumerate(struct.iter_unpack("<Q", file.read(
                (end - start) // PAGE * 8))):
            yield start // PAGE + number, entry


@functools.cache
def zeroes():
    """The frame of the page of zeroes, which all read that nobody has written to."""
    with mmap.mmap(-1, PAGE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as area:
        assert area[0] == 0
        cell = ctypes.c_char.from_buffer(area)
        start = ctypes.addressof(cell)
        (_, entry), = entries(os.getpid(), start, start + PAGE)
        del cell
    return entry & FRAME


def anonymous(pid):
    """The numbers of the pages that are present, not of files and not of hugetlbfs."""
    pages = set()
    with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as maps:
        for line in maps:
            start, end = (int(word, 16) for word in line.split()[0].split("-"))
            if end - start > MOST_BYTES or "[vsyscall]" in line or "/anon_hugepage" in line:
                continue
            pages |= {number for number, entry in entries(pid, start, end)
                      if entry & PRESENT and not entry & SHARED and entry & FRAME != zeroes()}
    return pages
