# SPDX-License-Identifier: GPL-2.0
"""Is a report from a saved capture the live one, byte for byte, wherever and for whomever?"""
import contextlib
import os
import random
import resource
import shutil
import struct
import subprocess

import pytest

from program import (assert_sentence, memtrace, nobody, public_copy, public_folder, refused,
                     running)
from puppet import puppet
import support

FORMATS = ["text", "json", "openmetrics"]
HOSTILE = b"a\"b\\c\x1b[1m\xff"


@contextlib.contextmanager
def elsewhere():
    """How an unprivileged user in another folder runs the program."""
    with public_copy() as program, public_folder() as folder:
        yield {"program": program, "prefix": nobody(), "cwd": folder, "env": {}}


def taken(mode, format, capture):
    """A live report with its capture: words, and what was said."""
    with puppet("an argument", "\x1b[31m", "記憶體" * 30) as target:
        target.name(HOSTILE)
        if mode == "run":
            return memtrace("-v", "-f", format, "-w", capture, "--",
                            "sh", "-c", "/bin/true; exit 0")
        words = ["-p", str(target.pid)] if mode != "system" else ["-a", "--calls", "on"]
        words += ["-i", "0.1"] if mode == "intervals" else []
        with running("-d", "0.7", "-f", format, "-w", capture, *words) as background:
            for line in ("touch 100", "born 200", "fork 10", "vfork"):
                target.do(line)
            return background.wait()


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("mode", ["run", "attach", "system", "intervals"])
def test_same_report_again(mode, format):
    with elsewhere() as options:
        capture = options["cwd"] / "capture"
        live = taken(mode, format, capture)
        assert live.status == 0, live.err
        capture.chmod(0o644)
        again = memtrace("report", "-v", "-f", format, "capture", **options)
        assert (again.status, again.err) == (0, b"")
        assert again.out == live.out


@pytest.fixture(scope="module")
def capture(tmp_path_factory):
    path = tmp_path_factory.mktemp("capture") / "capture"
    taken("attach", "text", path)
    return path


def test_each_report_from_one_capture(capture):
    for format in FORMATS:
        one, two = (memtrace("report", "-f", format, capture) for _ in range(2))
        assert one.status == 0 and one.out == two.out != b""


def test_report_into_a_file(capture, tmp_path):
    assert memtrace("report", "-o", tmp_path / "report", capture).out == b""
    assert (tmp_path / "report").read_bytes() == memtrace("report", capture).out


def test_report_from_a_pipe(capture):
    for name in ("/dev/stdin", "/proc/self/fd/0"):
        with subprocess.Popen(["cat", capture], stdout=subprocess.PIPE) as source:
            done = memtrace("report", name, stdin=source.stdout)
        assert done.out == memtrace("report", capture).out


def test_limit_of_rows(capture):
    text = memtrace("report", "--limit", "1", capture).text
    assert "more (--limit)" in text
    assert len(text) < len(memtrace("report", "--limit", "1000", capture).text)
    assert memtrace("report", "--limit", "0", capture).status == 0


def test_strict_in_a_report(capture):
    assert memtrace("report", "--strict", capture).status == 0


def test_file_says_what_it_is(capture):
    assert capture.read_bytes().startswith(b"MEMTRACE")


# ---- files that are none ----

def write(folder, data):
    path = folder / "file"
    path.write_bytes(data)
    return path


FOREIGN = {"empty": b"", "one byte": b"M", "zeros": bytes(100000), "text": b"hello\n" * 1000,
           "name alone": b"MEMTRACE", "noise": random.Random(1).randbytes(100000),
           "lines": b"\n" * 100000, "perf": b"PERFILE2" + bytes(1000)}


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_file(name, tmp_path):
    refused("report", write(tmp_path, FOREIGN[name]), says=["file", "capture"])


def test_program_is_no_capture():
    refused("report", support.MEMTRACE, says=["capture"])


def test_file_that_is_not_there(tmp_path):
    refused("report", tmp_path / "nothing", says=["nothing", "No such file"])


def test_folder():
    refused("report", "/", says=["/", "directory"])


def test_file_that_may_not_be_read(capture):
    with elsewhere() as options:
        shutil.copy(capture, options["cwd"] / "secret")
        (options["cwd"] / "secret").chmod(0o600)
        done = memtrace("report", "secret", **options)
    assert_sentence(done, 1, "secret", "Permission denied")


def test_truncated_at_any_place(capture, tmp_path):
    data = capture.read_bytes()
    for length in sorted({*range(0, 40, 3), *range(40, len(data), max(1, len(data) // 25)),
                          len(data) - 1}):
        refused("report", write(tmp_path, data[:length]), says=["file"])


def test_damaged_at_any_place(capture, tmp_path):
    """The checksum finds each; what it does not cover is looked at by itself."""
    data = bytearray(capture.read_bytes())
    for at in sorted({*range(24), *range(24, len(data), max(1, len(data) // 25)), len(data) - 1}):
        damaged = bytes(data[:at]) + bytes([data[at] ^ 0x55]) + bytes(data[at + 1:])
        done = memtrace("report", write(tmp_path, damaged))
        if 12 <= at < 16:  # kept for later
            assert done.status == 0 or done.out == b""
            continue
        assert_sentence(done, 1, "file")
        assert done.out == b""


def test_something_behind_the_end(capture, tmp_path):
    refused("report", write(tmp_path, capture.read_bytes() + b"x"), says=["file"])


def test_capture_of_another_version(capture, tmp_path):
    data = bytearray(capture.read_bytes())
    struct.pack_into("<I", data, 8, 999)
    refused("report", write(tmp_path, bytes(data)), says=["999", "format"])


def test_size_that_is_a_lie(capture, tmp_path):
    for size in (0, 1, 1 << 29, 1 << 40, (1 << 64) - 1):
        data = bytearray(capture.read_bytes())
        struct.pack_into("<Q", data, 16, size)
        refused("report", write(tmp_path, bytes(data)), says=["file"])


def limited():
    resource.setrlimit(resource.RLIMIT_AS, (256 << 20, 256 << 20))


@pytest.mark.parametrize("begins", [b"", b"MEMTRACE"], ids=["foreign", "right name"])
def test_huge_file(begins, tmp_path):
    """It is not taken into memory to be found out."""
    path = write(tmp_path, begins)
    os.truncate(path, 1 << 40)
    refused("report", path, says=["file"], preexec_fn=limited)


def test_file_without_end():
    refused("report", "/dev/zero", says=["/dev/zero"], preexec_fn=limited)


def test_small_file_that_unpacks_to_much(tmp_path):
    """A run of Z is names of operations for the message, and one block of its file each 128 KiB."""
    blocks, block_bytes = 1600, 128 << 10
    head = struct.pack("<8sIIQ", b"MEMTRACE", 1, 0, blocks * block_bytes)
    frame = b"\x28\xb5\x2f\xfd\xe0" + struct.pack("<Q", blocks * block_bytes)
    run = struct.pack("<I", block_bytes << 3 | 2)[:3] + b"Z"
    last = struct.pack("<I", block_bytes << 3 | 3)[:3] + b"Z"
    path = write(tmp_path, head + frame + run * (blocks - 1) + last)
    refused("report", path, says=["would take more than 16.0 MiB of memory"], preexec_fn=limited)


def test_report_does_not_touch_what_was_there_when_it_fails(tmp_path):
    old = tmp_path / "old report"
    old.write_text("old")
    refused("report", "-o", old, write(tmp_path, b"foreign"))
    assert old.read_text() == "old"
