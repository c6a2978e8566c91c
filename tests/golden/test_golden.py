# SPDX-License-Identifier: GPL-2.0
"""Is each report of each capture made by hand, byte for byte, the one that is expected?"""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unicodedata

import pytest

import golden
import support


@pytest.fixture(scope="module", name="captures")
def packed_captures():
    with tempfile.TemporaryDirectory() as folder:
        paths = {capture: pathlib.Path(folder) / capture for capture in golden.REPORTS}
        for capture, path in paths.items():
            golden.pack(capture, path)
        yield paths


def cases(*wanted):
    return [(capture, name) for capture, names in golden.REPORTS.items() for name in names
            if not wanted or name in wanted]


@pytest.mark.parametrize("capture, name", cases())
def test_report(captures, capture, name):
    expected = (golden.FOLDER / capture / name).read_text().splitlines()
    got = golden.report(captures[capture], name).decode().splitlines()
    assert got == expected, "tests/golden/update rewrites it"


def test_every_capture_is_reported():
    folders = {path.parent.name for path in golden.FOLDER.glob("*/capture.textproto")}
    assert folders == set(golden.REPORTS)


@pytest.mark.parametrize("capture, name", cases("report.json"))
def test_document_is_valid(captures, capture, name):
    support.validate(json.loads(golden.report(captures[capture], name)))


@pytest.mark.parametrize("capture, name", cases("report.om"))
def test_promtool_takes_it(captures, capture, name):
    done = subprocess.run(["promtool", "check", "metrics"], capture_output=True, timeout=60,
                          input=golden.report(captures[capture], name), check=False)
    assert done.returncode == 0, done.stderr.decode()


def test_terminal_takes_no_orders(captures):
    """Escapes are those of memtrace's own colours, and no other character steers."""
    text = golden.report(captures["run"], "terminal.txt").decode()
    assert r"\x1b]0;title\x07" in text
    for order in ("\033]", "\033[31m", "\033[2J"):  # those of the names
        assert order not in text
    for character in text.replace("\033", "").replace("\n", ""):
        assert unicodedata.category(character) not in ("Cc", "Cf"), repr(character)


def test_report_needs_no_root(captures):
    """As nobody, in a folder of its own: a checkout may be closed to others."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        shutil.copy(golden.MEMTRACE, folder)
        shutil.copy(captures["attach"], folder / "capture")
        for path in (folder, folder / "memtrace", folder / "capture"):
            path.chmod(0o755)
        done = subprocess.run([folder / "memtrace", "report", folder / "capture"], check=True,
                              stdout=subprocess.PIPE, timeout=60, cwd="/",
                              user="nobody" if os.geteuid() == 0 else None)
    assert done.stdout == golden.report(captures["attach"], "report.txt")
