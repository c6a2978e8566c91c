# SPDX-License-Identifier: GPL-2.0
"""What does a person see who starts a program on a terminal, and what do the keys do?"""
import contextlib
import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import termios
import time
import unicodedata

SECONDS = 30
CTRL_C = b"\x03"
CTRL_Z = b"\x1a"
CTRL_BACKSLASH = b"\x1c"
SEQUENCE = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])")
COLOR = re.compile(r"\x1b\[[0-9;]*m")


def columns_of(text):
    """How wide a terminal shows it: two columns for wide characters, none for marks."""
    width = 0
    for character in text:
        if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Cf"):
            continue
        width += 2 if unicodedata.east_asian_width(character) in "WF" else 1
    return width


def plain(text):
    """Without colors, and a line for each status that was wiped."""
    return SEQUENCE.sub("", text).replace("\r", "\n")


def screen(text, columns):
    """The lines that are left standing after a terminal has shown all of it."""
    lines, at = [""], 0  # `at`: the column of the cursor, which is always in the last line
    position = 0
    while position < len(text):
        found = SEQUENCE.match(text, position)
        if found:
            position = found.end()
            if found.group(2) == "K":
                lines[-1] = lines[-1][:at]
            continue
        character = text[position]
        position += 1
        if character == "\r":
            at = 0
        elif character == "\n":
            lines.append("")
            at = 0
        else:
            if at >= columns:
                lines.append("")
                at = 0
            lines[-1] = lines[-1][:at].ljust(at) + character + lines[-1][at + 1:]
            at += 1
    return lines


class Terminal:
    """A program in a session of its own on a terminal of that size."""

    def __init__(self, *words, columns=80, rows=24, variables=None, **options):
        self.seen = b""
        self.master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        environment = {**os.environ, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
        environment.pop("NO_COLOR", None)
        for name, value in (variables or {}).items():
            environment[name] = value
            if value is None:
                del environment[name]
        options = {"stdin": slave, "stdout": slave, "stderr": slave} | options
        before = options.pop("preexec_fn", None)

        def take_terminal():
            fcntl.ioctl(slave_copy, termios.TIOCSCTTY, 0)
            os.close(slave_copy)
            if before:
                before()

        slave_copy = os.dup(slave)
        self.process = subprocess.Popen([str(word) for word in words], start_new_session=True,
                                        preexec_fn=take_terminal, pass_fds=[slave_copy],
                                        env=environment, **options)
        os.close(slave)
        os.close(slave_copy)

    @property
    def text(self):
        return self.seen.decode(errors="replace").replace("\r\n", "\n")

    def read(self, seconds):
        """Takes in what comes within that time; False at the end."""
        if not select.select([self.master], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.master, 1 << 16)
        except OSError:  # all have closed it
            return False
        self.seen += data
        return bool(data)

    def read_until(self, words, count=1, seconds=SECONDS):
        deadline = time.monotonic() + seconds
        while self.seen.count(words) < count:
            assert time.monotonic() < deadline, f"no {words!r} in {self.seen!r}"
            assert self.read(0.1) or self.seen.count(words) >= count, \
                f"ended without {words!r}: {self.seen!r}"

    def type(self, keys):
        os.write(self.master, keys)

    def wait(self, seconds=SECONDS):
        """Until it ends; returns its status."""
        deadline = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"still there: {self.seen!r}"
            if not self.read(0.1):
                time.sleep(0.01)
        while select.select([self.master], [], [], 0)[0] and self.read(0):
            pass
        return self.process.returncode

    def hang_up(self):
        os.close(self.master)
        self.master = -1

    def close(self):
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        if self.master >= 0:
            self.hang_up()


@contextlib.contextmanager
def on_terminal(*words, **options):
    one = Terminal(*words, **options)
    try:
        yield one
    finally:
        one.close()
