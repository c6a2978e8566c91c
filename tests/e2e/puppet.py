# SPDX-License-Identifier: GPL-2.0
"""How is a process made to do something at the very moment that a test wants it to?"""
import contextlib
import functools
import os
import pathlib
import signal
import subprocess
import tempfile

SOURCE = pathlib.Path(__file__).with_name("puppet.c")
FOLDER = tempfile.TemporaryDirectory(prefix="memtrace-puppet-")
PAGE = 4096


@functools.cache
def program():
    """Compiled once in a test run, where every user can run it."""
    os.chmod(FOLDER.name, 0o755)
    path = pathlib.Path(FOLDER.name) / "puppet"
    subprocess.run(["cc", "-O1", "-D_GNU_SOURCE", "-pthread", "-o", path, SOURCE], check=True)
    return path


def environment():
    return {**os.environ, "PUPPET": str(program())}


class Puppet:
    """See puppet.c for what it can be told to do."""

    def __init__(self, *arguments, name=None, **options):
        self.others = []
        self.process = subprocess.Popen(
            [name or program(), *arguments], executable=options.pop("executable", program()),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment(), **options)
        self.pid = self.answer()

    def answer(self):
        line = self.process.stdout.readline().decode()
        assert line.startswith("ok "), f"the puppet said {line!r}"
        return int(line.split()[1])

    def tell(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def do(self, line):
        """Returns a pid: its own, or that of what it has made."""
        self.tell(line)
        return self.answer()

    def name(self, name):
        self.do(f"name {name.hex()}")

    def orphan(self):
        pid = self.do("orphan")
        self.others.append(pid)
        return pid

    def end(self):
        """It ends by itself; returns its status."""
        self.process.stdin.close()
        return self.process.wait(timeout=60)

    def close(self):
        for pid in self.others:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        self.process.stdout.close()


@contextlib.contextmanager
def puppet(*arguments, **options):
    one = Puppet(*arguments, **options)
    try:
        yield one
    finally:
        one.close()
