# SPDX-License-Identifier: GPL-2.0
"""Does memtrace top show what is so, obey its keys, fit any size, and put the terminal back?"""
import contextlib
import os
import pathlib
import re
import shlex
import signal
import subprocess
import tempfile
import time

import pytest

from program import eventually, refused
from puppet import puppet
from terminal import on_terminal
import support

UNITS = {"": 1, "B": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
COLOR = re.compile(rb"\x1b\[(?:\d*;)*[34][0-79](?:;\d+)*m")


class Tmux:
    """A terminal by somebody else, whose screen can be read."""

    def __init__(self, command, columns=80, rows=24, variables=()):
        self.folder = tempfile.TemporaryDirectory(prefix="memtrace-test-")
        self.call("new-session", "-d", "-x", columns, "-y", rows,
                  "env", "LC_ALL=C.UTF-8", *variables, "sh", "-c", command)

    def call(self, *words):
        done = subprocess.run(["tmux", "-u", "-f", "/dev/null", "-S", f"{self.folder.name}/socket",
                               *map(str, words)], stdout=subprocess.PIPE, text=True, check=True,
                              env={**os.environ, "LC_ALL": "C.UTF-8", "TERM": "screen"})
        return done.stdout

    def type(self, *keys):
        self.call("send-keys", *keys)

    def resize(self, columns, rows):
        self.call("resize-window", "-x", columns, "-y", rows)

    @property
    def lines(self):
        return self.call("capture-pane", "-p").split("\n")

    @property
    def flags(self):
        """What a program has made of the terminal: all but the cursor is off otherwise."""
        return self.call("display-message", "-p", "#{alternate_on} #{keypad_cursor_flag} "
                         "#{keypad_flag} #{cursor_flag}").strip()

    def shows(self, words, seconds=20):
        """Waits for it; the line that has it."""
        found = []

        def look():
            found[:] = [line for line in self.lines if words in line]
            return found

        assert eventually(look, seconds), f"no {words!r} in\n" + "\n".join(self.lines)
        return found[0]

    def hides(self, words, seconds=20):
        assert eventually(lambda: all(words not in line for line in self.lines), seconds)

    def close(self):
        with contextlib.suppress(subprocess.CalledProcessError):
            self.call("kill-server")
        self.folder.cleanup()


@contextlib.contextmanager
def tmux(*words, prefix="", after="; sleep 1000", **options):
    command = " ".join(map(shlex.quote, map(str, words)))
    one = Tmux(f"{prefix}{command}{after}", **options)
    try:
        yield one
    finally:
        one.close()


@contextlib.contextmanager
def top(*words, **options):
    """memtrace top, once there was a second picture."""
    with tmux(support.MEMTRACE, "top", "-i", "0.3", *words, **options) as screen:
        screen.shows("memtrace top")
        yield screen


def size_of(text):
    number, unit = re.fullmatch(r"([-+]?[\d.]+)([BKMG]?)", text).groups()
    return float(number) * UNITS[unit]


def table(screen):
    """The line of titles, and those of processes."""
    lines = screen.lines
    title = next((i for i, line in enumerate(lines) if "PID" in line and "RSS" in line), 0)
    end = next((i for i, line in enumerate(lines) if line.startswith("─")), 0)
    return lines[title], lines[title + 1:end]


def has_row(screen, pid):
    return any(re.match(rf" *{pid} +\d", line) for line in table(screen)[1])


def pids(screen):
    return [int(line.split()[0]) for line in table(screen)[1] if line.strip()]


def figures(screen, pid):
    """The line of a process, by the titles of the columns; each figure is below its title."""
    title, lines = table(screen)
    line = next(line for line in lines if re.match(rf" *{pid} ", line))
    return {found.group().rstrip("▼▲"): line[:found.end()].split()[-1]
            for found in re.finditer(r"\S+", title) if found.group()[0] in "RVAFS"}


def status_of(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return {name: int(value) * 1024
            for name, value in re.findall(r"^(\w+):\s+(\d+) kB", text, re.M)}


def agrees(shown, bytes_):
    """As far as three figures go."""
    return abs(size_of(shown) - bytes_) <= max(bytes_ / 100, 1024)


# ---- what it shows ----

def test_figures_are_those_of_proc():
    names = {"RSS": "VmRSS", "VSZ": "VmSize", "ANON": "RssAnon", "FILE": "RssFile",
             "SHMEM": "RssShmem", "SWAP": "VmSwap"}
    with puppet() as target, top("-p", target.pid, columns=120) as screen:
        for pages in (10000, 3000):
            target.do(f"touch {pages}")

            def right():
                shown, status = figures(screen, target.pid), status_of(target.pid)
                return all(agrees(shown[name], status[names[name]]) for name in names)

            assert eventually(right), (figures(screen, target.pid), status_of(target.pid))


def test_what_moved_it_and_why():
    with puppet() as target, top("-p", target.pid) as screen:
        target.do("touch 10000")
        screen.shows("in use")
        assert re.search(r"start: fault \+39\.\dM \(touched by the program\)",
                         screen.shows("Moved since the start: fault +39"))
        target.do("touch 20000")
        screen.shows("fault +", seconds=5)


def test_whose_code():
    with puppet() as target, top("-p", target.pid, "--stacks", "native", rows=40) as screen:
        target.do("touch 10000")
        site = screen.shows(" MiB  touched by", seconds=60)
        assert size_of(site.split()[0] + "M") >= 38, site
        assert "touched by touch" in site
        screen.type("Enter")
        screen.shows("whose code touched it first")


def test_whole_system_by_size():
    with puppet() as target, top(columns=100, rows=50) as screen:
        target.do("touch 100000")
        assert eventually(lambda: any(re.match(rf" *{target.pid} +39\d", line)
                                      for line in table(screen)[1]))
        screen.shows("top -a")
        sizes = [size_of(line.split()[1]) for line in table(screen)[1] if line.strip()]
        assert len(sizes) > 5
        assert sizes == sorted(sizes, reverse=True)
        assert re.search(r"CPU \d+\.\d %", screen.shows("memtrace itself: CPU"))
        assert "lost: " in screen.shows("processes")


def test_target_that_ends_leaves_its_picture():
    with puppet() as target, top("-p", target.pid) as screen:
        target.do("touch 10000")
        screen.shows("39.2 MiB  in use")
        os.kill(target.pid, signal.SIGKILL)
        screen.shows("killed by signal 9: the last picture")
        assert has_row(screen, target.pid)
        screen.type("Enter")
        screen.shows(f"process {target.pid}, killed by signal 9")
        screen.type("q", "q")
        screen.hides("signal 9")


# ---- keys ----

def test_keys():
    with puppet() as target, top("-a") as screen:
        screen.type("N")
        screen.shows("PID▼")
        assert pids(screen) == sorted(pids(screen))
        screen.type("F6")
        screen.shows("Sort by")
        screen.type("End", "Enter")
        screen.shows("COMMAND▼")
        screen.type("I")
        screen.shows("COMMAND▲")
        screen.type("M", "t")
        screen.type("F4")
        screen.type(target.pid)
        screen.shows(f"Filter: {target.pid}_")
        screen.type("Enter")
        screen.shows(f"only: {target.pid}")
        assert pids(screen) == [target.pid]
        screen.type("F4", "Escape")
        screen.hides("only:")
        screen.type("/")
        screen.type(target.pid)
        screen.shows(f"─ {target.pid} ")
        screen.type("Enter", "Enter")
        screen.shows(f"process {target.pid}, running")
        screen.type("Escape")
        screen.type("F1")
        screen.shows("Any key goes back")
        screen.type("x", "Space")
        screen.shows("PAUSED")
        screen.type("Space")
        screen.hides("PAUSED")


def test_pause_stands_still():
    with puppet() as target, top("-p", target.pid) as screen:
        screen.type("Space")
        screen.shows("PAUSED")
        target.do("touch 10000")
        time.sleep(1)
        assert size_of(figures(screen, target.pid)["RSS"]) < 39 << 20
        screen.type("Space")
        assert eventually(lambda: size_of(figures(screen, target.pid)["RSS"]) > 39 << 20)


# ---- any terminal ----

@pytest.mark.parametrize("columns, rows", [(80, 24), (40, 10), (200, 60), (45, 13), (132, 20)])
def test_sizes(columns, rows):
    with puppet() as target, top("-p", target.pid, columns=columns, rows=rows) as screen:
        assert eventually(lambda: has_row(screen, target.pid))
        assert table(screen)[0].index("PID") == 4
        assert eventually(lambda: screen.lines[rows - 1].startswith("F1"))


def test_resizing():
    with puppet() as target, top("-p", target.pid) as screen:
        for columns, rows in [(40, 10), (200, 60), (30, 8), (1, 1), (80, 24)]:
            screen.resize(columns, rows)
            if columns >= 40:
                assert eventually(lambda: has_row(screen, target.pid))
                assert eventually(lambda: screen.lines[rows - 1].startswith("F1"))
            elif columns > 10:
                screen.shows("Too small")


@pytest.mark.parametrize("variables, colored", [
    ({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "vt100"}, False)], ids=str)
def test_colors(variables, colored):
    with puppet() as target:
        with on_terminal(support.MEMTRACE, "top", "-i", "0.2", "-p", target.pid,
                         variables=variables) as terminal:
            terminal.read_until(b"events/s")
            terminal.type(b"q")
            assert terminal.wait() == 0
            assert bool(COLOR.search(terminal.seen)) == colored


def test_locale_without_utf_8():
    with support.started("/bin/bash", "-c", "exec -a 記憶 sleep 1000") as process:
        with on_terminal(support.MEMTRACE, "top", "-d", "1", "-p", process.pid,
                         variables={"LC_ALL": "C"}) as terminal:
            assert terminal.wait() == 0
            assert b"???? 1000" in terminal.seen
            assert all(byte < 0x80 for byte in terminal.seen)


def test_names_do_not_steer_the_terminal():
    name = "a\x1b]0;title\x07\x1b[2Jb"
    with support.started("/bin/bash", "-c", f"exec -a \"$0\" sleep 1000", name) as process:
        with top("-p", process.pid) as screen:
            screen.shows(r"a\x1b]0;title\x07\x1b[2Jb 1000")


@pytest.mark.parametrize("variables, says", [
    ({"TERM": "nothing-like-it"}, b"set TERM"), ({"TERM": "dumb"}, b"cursor"),
    ({"TERM": None}, b"TERM")], ids=str)
def test_terminal_that_cannot(variables, says):
    with on_terminal(support.MEMTRACE, "top", variables=variables) as terminal:
        assert terminal.wait() == 1
        assert says in terminal.seen
        assert b"\x1b" not in terminal.seen


def test_no_terminal():
    refused("top", status=2, says=["terminal"])
    refused("top", "-p", "1", status=2, says=["terminal"])


def test_target_that_is_not_there():
    with on_terminal(support.MEMTRACE, "top", "-p", "4194304") as terminal:
        assert terminal.wait() == 1
        assert b"4194304" in terminal.seen
        assert b"\x1b" not in terminal.seen


# ---- putting it back ----

def ends(screen, how):
    pid = int(screen.call("list-panes", "-F", "#{pane_pid}"))
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    if isinstance(how, int):
        os.kill(int(children[0]), how)
    else:
        screen.type(how)


@pytest.mark.parametrize("how, status", [
    ("q", 0), ("F10", 0), ("C-c", 0), (signal.SIGTERM, 0), (signal.SIGHUP, 0),
    ("C-\\", 131), (signal.SIGSEGV, 139), (signal.SIGABRT, 134)], ids=str)
def test_terminal_is_put_back(how, status):
    with tempfile.TemporaryDirectory(prefix="memtrace-test-") as folder:
        before, after = f"{folder}/before", f"{folder}/after"
        with tmux(support.MEMTRACE, "top", "-i", "0.3",
                  prefix=f"trap : INT QUIT; stty -g > {before}; ",
                  after=f"; echo ended with $?; stty -g > {after}; sleep 1000") as screen:
            screen.shows("memtrace itself: CPU")
            assert screen.flags == "1 1 1 0"
            ends(screen, how)
            screen.shows(f"ended with {status}")
            assert screen.flags == "0 0 0 1"
            settings = pathlib.Path(before).read_text()
            assert settings
            assert eventually(lambda: pathlib.Path(after).exists() and
                              pathlib.Path(after).read_text() == settings)
            screen.hides("PID")


def test_end_of_time():
    with tmux(support.MEMTRACE, "top", "-d", "1", after="; echo ended with $?; sleep 1000") as \
            screen:
        screen.shows("ended with 0")


def test_stop_and_go_on():
    """As a shell with jobs has it."""
    with tmux("bash", "--norc", "-i", after="") as screen:
        screen.type("-l", f"{support.MEMTRACE} top -i 0.3\n")
        screen.shows("memtrace itself: CPU")
        screen.type("C-z")
        screen.shows("Stopped")
        assert screen.flags == "0 0 0 1"
        screen.type("-l", "stty -a | tr ' ' '\\n' | grep -c '^echo$'; fg\n")
        screen.shows("memtrace itself: CPU")
        screen.type("q")
        screen.shows("Stopped")
        screen.hides("PID")


def test_terminal_that_goes():
    with on_terminal(support.MEMTRACE, "top", "-i", "0.2") as terminal:
        terminal.read_until(b"events/s")
        terminal.hang_up()
        assert eventually(lambda: terminal.process.poll() is not None)


def test_second_signal_while_nobody_reads():
    """The terminal takes nothing any more: one kills all the same."""
    with on_terminal(support.MEMTRACE, "top", "-i", "0.1", columns=500, rows=200) as terminal:
        terminal.read_until(b"events/s")
        time.sleep(2)
        for _ in range(2):
            os.kill(terminal.process.pid, signal.SIGTERM)
            time.sleep(0.5)
        assert eventually(lambda: terminal.process.poll() is not None)
