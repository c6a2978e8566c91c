# SPDX-License-Identifier: GPL-2.0
"""What are the stacks of a program where it happens to be?  Run by gdb, in it.

gdb has the threads of a program run for a moment and stops them, as often as STOPS says.  Of one
of them it notes its own backtrace, and then has it write to a fresh page there and then, with all
its registers as they are: for that, two bytes of its code become `mov %al, (%rax)` for one step.
A tracer of page faults has to see the same stack.
"""
import functools
import json
import os
import random
import struct
import subprocess

import gdb

STOPS, OUT = int(os.environ["STOPS"]), os.environ["OUT"]
PAGE = 4096
STORE = b"\x88\x00"  # mov %al, (%rax)
LONGEST_RUN = 0.02
PROTECTION, FLAGS, NOHUGEPAGE = 3, 0x22, 15  # readable and writable, private and anonymous
LOAD, EXECUTABLE = 1, 1
LEFT_OUT = (gdb.INLINE_FRAME, gdb.TAILCALL_FRAME)


def call(function, *words):
    """In the program, in place of what it does."""
    kinds = ", ".join(["long"] * len(words))
    words = ", ".join(map(str, words))
    return int(gdb.parse_and_eval(f"((long (*)({kinds})){function})({words})"))


@functools.lru_cache
def segments(path):
    """Of its code in a file: (offset, how far from there it is linked)."""
    if not path.startswith("/"):
        return [(0, 0)]
    with open(f"/proc/{PID}/root{path}", "rb") as file:
        head = file.read(64)
        if not head.startswith(b"\x7fELF"):
            return []
        start, = struct.unpack_from("<Q", head, 32)
        size, count = struct.unpack_from("<HH", head, 54)
        file.seek(start)
        entries = file.read(size * count)
    found = [struct.unpack_from("<IIQQ", entries, size * i) for i in range(count)]
    return [(offset & -PAGE, address - offset) for kind, flags, offset, address in found
            if kind == LOAD and flags & EXECUTABLE]


def mappings():
    """(start, end, offset, path)"""
    with open(f"/proc/{PID}/maps", encoding="utf-8") as file:
        for line in file:
            span, _, offset, _, _, *path = line.split(None, 5)
            start, end = (int(word, 16) for word in span.split("-"))
            yield start, end, int(offset, 16), path[0].strip() if path else ""


def place(address, mapped):
    """(name of the file, address that it is linked at)"""
    for start, end, offset, path in mapped:
        if not start <= address < end:
            continue
        shifts = [shift for begin, shift in segments(path) if begin <= offset]
        if path.startswith(("/", "[vdso]")) and shifts:
            return os.path.basename(path), address - start + offset + shifts[-1]
    return "?", address


def backtrace():
    """[(file, address)], the innermost first: what is called, not what is inlined.  And whether
    nobody has called the last one."""
    mapped, frames, frame = list(mappings()), [], gdb.newest_frame()
    last = frame
    while frame is not None and frame.pc():
        if frame.type() not in LEFT_OUT:
            frames.append(place(frame.pc(), mapped))
        last, frame = frame, frame.older()
    return frames, last.unwind_stop_reason() == gdb.FRAME_UNWIND_OUTERMOST


def register(name):
    return int(gdb.parse_and_eval(f"(unsigned long)${name}"))


def touch(address):
    """Has the thread write there, and nothing else."""
    inferior = gdb.selected_inferior()
    # The last one tells of a system call that is to be made again; to set pc clears it.
    before = {name: register(name) for name in ("pc", "rax", "orig_rax")}
    code = inferior.read_memory(before["pc"], len(STORE)).tobytes()
    inferior.write_memory(before["pc"], STORE)
    gdb.execute(f"set $rax = {address}")
    gdb.execute("stepi", to_string=True)
    inferior.write_memory(before["pc"], code)
    after = register("pc")
    if after != before["pc"] + len(STORE):
        return False  # a signal came first: it is in its handler now
    for name, value in before.items():
        gdb.execute(f"set ${name} = {value}")
    return True


def stop(chance):
    """Lets it run for a moment.  Chooses one of its threads."""
    seconds = chance.random() * LONGEST_RUN
    gdb.execute("set scheduler-locking off")
    # No child of gdb's, which waits for all of them.
    subprocess.run(["sh", "-c", f"(sleep {seconds:.4f}; kill -INT {PID}) > /dev/null 2>&1 &"],
                   check=True)
    gdb.execute("continue", to_string=True)
    gdb.execute("set scheduler-locking on")
    chance.choice(gdb.selected_inferior().threads()).switch()


def main():
    chance = random.Random(int(os.environ["SEED"]))
    gdb.execute("set scheduler-locking on")
    area = call("mmap", 0, STOPS * PAGE, PROTECTION, FLAGS, -1, 0)
    call("madvise", area, STOPS * PAGE, NOHUGEPAGE)
    with open(OUT, "w", encoding="utf-8") as out:
        for number in range(STOPS):
            stop(chance)
            seen = backtrace()
            if touch(area + number * PAGE):
                print(json.dumps(seen), file=out)


for setting in ("pagination off", "confirm off", "width 0", "backtrace past-main on",
                "backtrace past-entry on", "backtrace limit 1000",
                "print thread-events off", "displaced-stepping off"):
    gdb.execute(f"set {setting}")
gdb.execute("handle SIGUSR1 SIGSEGV nostop pass noprint", to_string=True)
PID = gdb.selected_inferior().pid
main()
