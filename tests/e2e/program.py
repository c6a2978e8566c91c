# SPDX-License-Identifier: GPL-2.0
"""How does a user start memtrace, and what does it say on which stream and with what status?"""
import contextlib
import dataclasses
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

from terminal import SEQUENCE
import support

SECONDS = 30  # what takes longer hangs
SETTLING_SECONDS = 0.05  # so that a test of something else fails for that alone
OWN_FAILURE = 125  # of memtrace, where the status is otherwise the command's
PF_KTHREAD = 0x00200000  # in field 9 of /proc/PID/stat
BALANCED = "The books balance to the byte."


@dataclasses.dataclass
class Done:
    """What a run of memtrace came to."""
    status: int
    out: bytes
    err: bytes

    @property
    def text(self):
        return self.out.decode()

    @property
    def said(self):
        return self.err.decode()


def memtrace(*words, program=None, prefix=(), **options):
    """Runs it to its end, behind a prefix such as unshare or setpriv."""
    options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE,
               "stderr": subprocess.PIPE, "timeout": SECONDS} | options
    done = subprocess.run([*prefix, program or support.MEMTRACE, *words], **options)
    return Done(done.returncode, done.stdout or b"", done.stderr or b"")


def assert_sentence(done, status, *parts):
    """One sentence on standard error that says these things, and that status."""
    assert done.status == status, (done.status, done.err)
    lines = done.said.splitlines()
    assert len(lines) == 1 and lines[0].startswith("memtrace: "), done.err
    assert len(lines[0]) > len("memtrace: ") + 10, lines[0]
    for part in parts:
        assert part in lines[0], lines[0]


def refused(*words, status=1, says=(), **options):
    """A run that has to fail with one sentence, and with nothing on standard output."""
    done = memtrace(*words, **options)
    assert_sentence(done, status, *says)
    assert done.out == b"", done.out
    return done.said


def eventually(condition, seconds=20):
    """Whether it comes true within that time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


class Background:
    """memtrace while it runs: its streams are pipes; with -v it tells when it counts."""

    def __init__(self, *words, prefix=(), settled=True, **options):
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE} | options
        self.process = subprocess.Popen([*prefix, support.MEMTRACE, "-v", *words],
                                        stderr=subprocess.PIPE, **options)
        self.pid = self.process.pid
        self.said = b""
        while b"memtrace: counting\n" not in self.said:
            line = self.process.stderr.readline()
            self.said += line
            assert line, f"memtrace ended at once: {self.said}"
        if settled:
            time.sleep(SETTLING_SECONDS)

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, seconds=SECONDS):
        out, err = self.process.communicate(timeout=seconds)
        return Done(self.process.returncode, out or b"", self.said + err)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream:
                stream.close()


@contextlib.contextmanager
def running(*words, **options):
    one = Background(*words, **options)
    try:
        yield one
    finally:
        one.close()


@contextlib.contextmanager
def public_folder():
    """A folder that every user can read and write."""
    with tempfile.TemporaryDirectory(prefix="memtrace-test-") as folder:
        os.chmod(folder, 0o777)
        yield pathlib.Path(folder)


@contextlib.contextmanager
def public_copy():
    """The program where every user can run it."""
    with public_folder() as folder:
        path = folder / "memtrace"
        shutil.copy(support.MEMTRACE, path)
        os.chmod(path, 0o755)
        yield path


@contextlib.contextmanager
def command_file(text, name="command"):
    """An executable script."""
    with public_folder() as folder:
        path = folder / name
        path.write_text(text)
        os.chmod(path, 0o755)
        yield path


def assert_full_report(text):
    """All of the text report is there, to its last words."""
    text = SEQUENCE.sub("", text).replace("\r", "\n")
    whole = re.search(r"^memtrace \d.*^Lost: .*^memtrace itself: .*maps\.", text, re.M | re.S)
    assert whole, f"...{text[-500:]}"


def shell(script, *words, **options):
    """Runs a script with $MEMTRACE in it."""
    return memtrace("-c", script, "sh", *words, program="/bin/sh",
                    env={**os.environ, "MEMTRACE": str(support.MEMTRACE)}, **options)


def pids_of(document):
    return {process["pid"] for process in document["processes"]}


def bytes_touched(process):
    """Of anonymous memory, by the program itself."""
    return support.moved(process, "fault", "anon_bytes")


def stat_of(pid):
    """The fields of /proc/PID/stat from the state on: [0] is the third of them."""
    return pathlib.Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(") ")[2].split()


def boot_unix_seconds():
    for line in pathlib.Path("/proc/stat").read_text().splitlines():
        if line.startswith("btime "):
            return int(line.split()[1])
    raise AssertionError("no btime in /proc/stat")


def nobody(*capabilities):
    """The prefix that makes another user of whom it runs, with these capabilities at most."""
    words = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    if capabilities:
        listed = ",".join(f"+{name}" for name in capabilities)
        words += ["--inh-caps", listed, "--ambient-caps", listed]
    return words


def in_mount_namespace(before, after=""):
    """The prefix that changes mounts for nobody but whom it runs, and looks at them then."""
    return ["unshare", "-m", "--propagation", "private", "sh", "-c",
            f'{before} || exit 99; "$@"; status=$?; {after or ":"}; exit $status', "sh"]
