# SPDX-License-Identifier: GPL-2.0
"""Which captures made by hand are there, and what does memtrace make of each?

A capture is written as protobuf text; beside it are the reports that are expected of it.
"""
import fcntl
import gzip
import os
import pathlib
import pty
import struct
import subprocess
import termios

FOLDER = pathlib.Path(__file__).resolve().parent
ROOT = FOLDER.parent.parent
MEMTRACE = ROOT / "build/memtrace"
PACK = ROOT / "build/tests/golden/pack"
SECONDS = 60
COLUMNS = 80  # of the terminal

# Of each capture, the reports by the name of their file, which tells the format.
REPORTS = {
    "attach": ("report.txt", "report.json", "report.om"),
    "run": ("report.txt", "report.json", "report.om", "terminal.txt"),
    "system": ("report.txt", "report.json", "report.om"),
    "sites": ("report.txt", "report.json", "report.om", "terminal.txt", "report.folded",
              "report.pprof"),
}
FORMATS = {"report.txt": "text", "report.json": "json", "report.om": "openmetrics",
           "report.folded": "folded", "report.pprof": "pprof"}


def message(capture):
    """The message of a capture, in bytes."""
    schema = ROOT / "user/snapshot"
    return subprocess.run(
        ["protoc-c", "--encode=mt.Capture", f"--proto_path={schema}", "capture.proto"],
        input=(FOLDER / capture / "capture.textproto").read_bytes(),
        stdout=subprocess.PIPE, timeout=SECONDS, check=True).stdout


def profile_text(data):
    """A profile of pprof in protobuf's text form."""
    schema = ROOT / "user/report"
    return subprocess.run(
        ["protoc-c", "--decode=pprof.Profile", f"--proto_path={schema}", "profile.proto"],
        input=gzip.decompress(data), stdout=subprocess.PIPE, timeout=SECONDS, check=True).stdout


def pack(capture, path):
    """Writes a capture as memtrace saves it."""
    subprocess.run([PACK, path], input=message(capture), timeout=SECONDS, check=True)


def on_terminal(words):
    """What a program writes to a terminal of UTF-8, colours and a fixed width."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    environment.update(TERM="xterm", LC_ALL="C.UTF-8")
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=theirs, env=environment) as done:
        os.close(theirs)
        out = b""
        while True:
            try:
                data = os.read(ours, 1 << 16)
            except OSError:  # EIO: nobody has the other side open any more
                break
            out += data
        os.close(ours)
    assert done.returncode == 0
    return out.replace(b"\r\n", b"\n")


def report(path, name):
    """What memtrace reports of a file, as the golden file of that name has it."""
    if name == "terminal.txt":
        return on_terminal([MEMTRACE, "report", path])
    done = subprocess.run([MEMTRACE, "report", "-f", FORMATS[name], path], timeout=SECONDS,
                          stdout=subprocess.PIPE, check=True)
    return profile_text(done.stdout) if name == "report.pprof" else done.stdout
