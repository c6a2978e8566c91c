# SPDX-License-Identifier: GPL-2.0
"""Which functions of Python touch memory, in every way that there is to be called?  Says of each
number of pages who called, as Python itself has it; memtrace has to say the same."""
import functools
import json
import mmap
import sys
import threading
import time
import zlib

FILL = memoryview(bytes(4096 * 400))
PRIVATE = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
CHAINS, AREAS = {}, []


def note(pages):
    chain, frame = [], sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        chain.append([getattr(code, "co_qualname", code.co_name), frame.f_lineno])
        frame = frame.f_back
    CHAINS[pages] = chain
    return 4096 * pages


def touch(pages):
    area = mmap.mmap(-1, 4096 * pages, flags=PRIVATE)
    area.madvise(mmap.MADV_NOHUGEPAGE)
    area.write(FILL[:note(pages)])
    AREAS.append(area)
    return 1


time.sleep(1)


class Body:
    touch(101)

    def method(self):
        return [touch(102)
                for _ in range(1)]

    @property
    def property(self):
        return (1 +
                touch(103) +
                2)

    @staticmethod
    def static(): return touch(104)

    def __del__(self):
        touch(105)


def generator():
    yield touch(106)
    try:
        raise ValueError
    except ValueError:
        touch(107)
    finally:
        touch(108)


async def outer():
    await inner()


async def inner():
    touch(109)
    with open("/dev/null"):
        touch(110)


def recurse(depth, pages=111):
    if depth:
        return recurse(depth - 1, pages)
    return touch(pages)


def compare():
    sorted([1], key=lambda _: touch(112) and 1)


def decorator(function):
    def wrapper(*arguments):
        for _ in range(3):
            pass
        result = function(*arguments)
        return result
    return wrapper


@decorator
def decorated():
    touch(113)


def größe():
    touch(114)


dictionary = (lambda: {key: touch(key)
                       for key in (115,)})


def unpack(packed):
    """Without the lock: another thread runs Python at the same time."""
    AREAS.append(zlib.decompress(packed))


def spin(until):
    while not until.is_set():
        pass


def without_lock():
    until = threading.Event()
    spinner = threading.Thread(target=spin, args=(until,))
    packed = zlib.compress(mmap.mmap(-1, 32 << 20, flags=PRIVATE))  # read, which takes no memory
    worker = threading.Thread(target=unpack, args=(packed,))
    spinner.start()
    worker.start()
    worker.join()
    until.set()
    spinner.join()


def fill(area, pages):
    for at in range(0, len(area), 4096):
        area[at] = note(pages) and 1


def in_parallel():
    """The same code, each thread called from a line of its own: where there is no lock, at once."""
    start, threads = threading.Barrier(4), []
    for pages in range(211, 215):
        area = mmap.mmap(-1, 4096 * pages, flags=PRIVATE)
        area.madvise(mmap.MADV_NOHUGEPAGE)
        AREAS.append(area)
        space = {"fill": fill, "start": start}
        exec("\n" * pages + "def filler(area, pages):\n  start.wait()\n  fill(area, pages)", space)
        threads.append(threading.Thread(target=space["filler"], args=(area, pages)))
        threads[-1].start()
    for thread in threads:
        thread.join()


def drive():
    body = Body()
    body.method()
    body.property
    body.static()
    del body
    list(generator())
    coroutine = outer()
    try:
        coroutine.send(None)
    except StopIteration:
        pass
    recurse(20)
    compare()
    decorated()
    größe()
    dictionary()
    functools.partial(touch, 116)()
    functools.reduce(lambda *_: touch(117), [1, 2])
    exec("def of_exec():\n\n  touch(118)\nof_exec()", {"touch": touch})
    thread = threading.Thread(target=touch, args=(119,))
    thread.start()
    thread.join()
    for pages in (120, 121):
        if pages == 120:
            touch(pages)
        else:
            touch(pages)


def everything():
    drive()
    without_lock()
    in_parallel()
    exec("\n" * 3000 + "def many():\n" + "  x = [1, 2, 3]\n" * 900 + "  touch(122)\nmany()",
         {"touch": touch})


def deep():
    """Deeper than what is kept of a stack, by calls of Python's alone and through C."""
    recurse(500)
    sys.setrecursionlimit(3000)

    def through_c(depth):
        return max([1], key=lambda _: through_c(depth - 1) if depth else touch(131))
    through_c(300)


def tasks():
    """Coroutines that wait for each other, and one thread for them all."""
    import asyncio
    time.sleep(1)  # its libraries have their tables by then

    async def wait(pages):
        await asyncio.sleep(0.01 * (pages % 3))
        touch(pages)

    async def produce():
        for pages in (145, 146):
            await asyncio.sleep(0)
            yield touch(pages)

    async def main():
        await asyncio.gather(*(wait(pages) for pages in range(141, 145)))
        async for _ in produce():
            pass
        asyncio.get_running_loop().call_soon(touch, 147)
        await asyncio.wait_for(asyncio.create_task(wait(148)), 5)
    asyncio.run(main())


def many():
    """Threads that begin and end all the time, each with a state of its own."""
    for first in range(150, 214, 16):
        threads = [threading.Thread(target=recurse, args=(pages - first, pages))
                   for pages in range(first, first + 16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


{"deep": deep, "tasks": tasks, "many": many}.get(sys.argv[-1], everything)()
json.dump(CHAINS, sys.stdout)
