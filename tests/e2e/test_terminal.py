# SPDX-License-Identifier: GPL-2.0
"""Does memtrace look right on a terminal, on odd ones too, and plain where there is none?"""
import contextlib
import re
import signal
import subprocess
import time

import pytest

from program import (assert_full_report, eventually, nobody, public_copy, public_folder,
                     running)
from puppet import puppet
from terminal import CTRL_C, COLOR, SEQUENCE, columns_of, on_terminal, plain, screen
import support

STATUS = b"Ctrl-C stops"
WIDE = "記憶體測試程式"


@contextlib.contextmanager
def attached(target, *words, **options):
    """memtrace -p on a terminal, counting."""
    with on_terminal(support.MEMTRACE, "-v", *words, "-p", target.pid, **options) as terminal:
        terminal.read_until(b"counting")
        yield terminal


def report_of(target, *words, busy=0.0, **options):
    """All that the terminal has got when memtrace has ended after Ctrl-C."""
    with attached(target, *words, **options) as terminal:
        target.do("touch 1000")
        target.do("born 100")
        deadline = time.monotonic() + busy
        while time.monotonic() < deadline:
            target.do("touch 10")
            terminal.read(0.1)
        terminal.type(CTRL_C)
        assert terminal.wait() == 0
        return terminal.text.replace("^C", "")


def assert_narrow(text, columns):
    """No line is wider than the terminal, nor was one that has been wiped."""
    for line in re.split(r"[\r\n]", text):
        line = SEQUENCE.sub("", line)
        assert columns_of(line) <= columns, f"{columns_of(line)} columns: {line!r}"


# ---- color ----

def test_colored_on_a_terminal():
    with puppet() as target:
        text = report_of(target)
    assert COLOR.search(text)
    assert_full_report(plain(text))


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {"TERM": None}],
                         ids=str)
def test_plain_where_that_is_wanted(variables):
    with puppet() as target:
        text = report_of(target, "-q", variables=variables)
    assert "\x1b" not in text
    assert_full_report(text)


def test_empty_no_color_is_none():
    """As no-color.org has it."""
    with puppet() as target:
        assert COLOR.search(report_of(target, variables={"NO_COLOR": ""}))


@pytest.mark.parametrize("variables", [{"TERM": "dumb"}, {"TERM": None}], ids=str)
def test_dumb_terminal_gets_no_escape_code(variables):
    """The status line neither."""
    with puppet() as target:
        assert "\x1b" not in report_of(target, busy=1.2, variables=variables)


def test_plain_in_a_pipe():
    with puppet() as target:
        with running("-p", str(target.pid)) as background:
            target.do("born 100")
            background.signal(signal.SIGINT)
            done = background.wait()
    assert b"\x1b" not in done.out and b"\r" not in done.out
    assert done.out.isascii()
    assert_full_report(done.text)


def test_plain_in_a_file_though_there_is_a_terminal():
    with puppet() as target, public_folder() as folder:
        assert not re.search("^memtrace \\d", report_of(target, "-o", folder / "report"), re.M)
        text = (folder / "report").read_text()
    assert "\x1b" not in text and text.isascii()
    assert_full_report(text)


@pytest.mark.parametrize("locale, ascii", [("C", True), ("POSIX", True), ("C.UTF-8", False)])
def test_locale(locale, ascii):
    """Bars of blocks where the terminal can show them."""
    with puppet() as target:
        text = report_of(target, variables={"LC_ALL": locale})
    assert text.isascii() is ascii


def test_unknown_locale():
    with puppet() as target:
        assert report_of(target, variables={"LC_ALL": "xx_YY.UTF-8"}).isascii()


# ---- width ----

MODES = {"attach": [], "intervals": ["-i", "0.3"], "calls off": ["--calls", "off"]}


@pytest.mark.parametrize("columns", [80, 81, 100, 132])
@pytest.mark.parametrize("mode", MODES)
def test_no_line_is_wider_than_the_terminal(mode, columns):
    with puppet("an argument " * 30) as target:
        target.do("touch 100")
        target.do("lazy 50")
        text = report_of(target, *MODES[mode], busy=0.6, columns=columns)
    assert_full_report(plain(text))
    assert_narrow(text, columns)


@pytest.mark.parametrize("columns", [80, 100])
@pytest.mark.parametrize("locale", ["C.UTF-8", "C"])
def test_wide_characters(columns, locale):
    """They take two columns each, whatever the locale says."""
    with puppet(WIDE * 20, "e\u0301" * 40, name=WIDE * 3) as target:
        target.name(WIDE.encode()[:15])
        text = report_of(target, "-i", "0.3", busy=0.6, columns=columns,
                         variables={"LC_ALL": locale})
    assert WIDE[:4] in text or locale == "C"
    assert_narrow(text, columns)


def test_system_on_80_columns():
    with puppet(WIDE * 20) as target, on_terminal(support.MEMTRACE, "-a", "-i", "0.3", "-d", "1",
                                                  "--calls", "on", "--limit", "1000") as terminal:
        for number in range(6):
            target.do(f"born {number + 1}00")
            terminal.read(0.1)
        assert terminal.wait() == 0
        assert_full_report(plain(terminal.text))
        assert_narrow(terminal.text, 80)


def test_check_on_80_columns():
    """Where much is missing, and each has its remedy."""
    with public_copy() as program, on_terminal(*nobody(), program, "check") as terminal:
        assert terminal.wait() == 1
        assert "MISSING" in terminal.text
        assert_narrow(terminal.text, 80)


@pytest.mark.parametrize("columns", [1, 2, 10, 40, 500, 5000, 65535])
def test_odd_widths_do_not_break(columns):
    with puppet(WIDE) as target:
        text = plain(report_of(target, busy=0.6, columns=columns))
    assert_full_report(text)
    assert f"process {target.pid}" in text
    assert "The books balance" in text.replace("\n", " ")


def test_terminal_without_a_size():
    with puppet("x" * 200) as target:
        text = report_of(target, columns=0, rows=0)
    assert_full_report(plain(text))
    assert_narrow(text, 80)


# ---- the status line ----

@pytest.mark.parametrize("words", [["-a"], ["-p", "{pid}"], ["--cgroup", "/"]], ids=" ".join)
def test_status_line_on_a_terminal(words):
    with puppet() as target:
        words = [word.format(pid=target.pid) for word in words]
        with on_terminal(support.MEMTRACE, *words) as terminal:
            terminal.read_until(STATUS, 2)
            assert b"RSS" in terminal.seen
            terminal.type(CTRL_C)
            assert terminal.wait() == 0
        shown = screen(terminal.text, 80)
    assert not any("Ctrl-C stops" in line for line in shown), "it is wiped before the report"
    assert_full_report(plain(terminal.text))


def test_status_line_on_a_narrow_terminal():
    """It leaves no rest behind: each one takes the place of the one before."""
    with puppet() as target, on_terminal(support.MEMTRACE, "-o", "/dev/null", "-p", target.pid,
                                         columns=40) as terminal:
        for _ in range(14):
            terminal.read(0.2)
        terminal.type(CTRL_C)
        assert terminal.wait() == 0
        shown = screen(terminal.text.replace("^C", ""), 40)
    assert [line for line in shown if line.strip()] == []


def test_intervals_and_status_line_do_not_mix():
    with puppet() as target:
        text = report_of(target, "-i", "0.2", busy=2)
        shown = screen(text, 80)
    assert not any("Ctrl-C" in line for line in shown), shown
    assert sum(f" {target.pid} " in line and "fault" in line for line in shown) >= 2, shown


def test_quiet():
    with puppet() as target, attached(target, "-q") as terminal:
        deadline = time.monotonic() + 1.5
        while time.monotonic() < deadline:
            terminal.read(0.1)
        terminal.type(CTRL_C)
        assert terminal.wait() == 0
        assert STATUS not in terminal.seen


def test_no_status_line_beside_a_command():
    """The terminal is the command's."""
    with on_terminal(support.MEMTRACE, "-o", "/dev/null", "--", "sh", "-c",
                     "sleep 1.3; echo end") as terminal:
        assert terminal.wait() == 0
        assert terminal.seen == b"end\r\n"


def test_no_status_line_in_a_pipe():
    with puppet() as target:
        with running("-p", str(target.pid)) as background:
            assert not eventually(lambda: background.process.poll() is not None, 1.3)
            background.signal(signal.SIGINT)
            assert background.wait().err == b"memtrace: counting\n"


def test_status_line_where_only_standard_error_is_a_terminal():
    """`memtrace -p PID > report`: the report is plain, the line is on the terminal."""
    with puppet() as target, public_folder() as folder:
        with open(folder / "report", "wb") as file:
            with on_terminal(support.MEMTRACE, "-p", target.pid, stdout=file) as terminal:
                terminal.read_until(STATUS)
                terminal.type(CTRL_C)
                assert terminal.wait() == 0
        text = (folder / "report").read_text()
    assert "\x1b" not in text and "Ctrl-C" not in text
    assert_full_report(text)
    assert not re.search("^memtrace \\d", terminal.text, re.M)


def test_report_where_only_standard_output_is_a_terminal():
    with puppet() as target, on_terminal(support.MEMTRACE, "-p", target.pid, "-d", "1.2",
                                         stderr=subprocess.DEVNULL) as terminal:
        assert terminal.wait() == 0
        assert STATUS not in terminal.seen
        assert COLOR.search(terminal.text)


def test_keys_that_are_typed_are_the_shells():
    """memtrace leaves what is typed meanwhile to whom it is meant for."""
    with puppet() as target:
        with on_terminal("sh", "-c", f"'{support.MEMTRACE}' -v -o /dev/null -d 0.7 -p {target.pid};"
                         " read line; echo got $line") as terminal:
            terminal.read_until(b"counting")
            terminal.type(b"typed ahead\r")
            assert terminal.wait() == 0
            assert b"got typed ahead\r\n" in terminal.seen


# ---- intervals ----

def test_intervals_then_the_report():
    with puppet() as target:
        with running("-p", str(target.pid), "-i", "0.2") as background:
            for _ in range(8):
                target.do("touch 25")
                time.sleep(0.1)
            background.signal(signal.SIGINT)
            done = background.wait()
    before, _, after = done.text.partition("\nmemtrace ")
    lines = [line for line in before.splitlines() if line]
    assert len(lines) >= 2
    assert all(str(target.pid) in line or "nothing moved" in line for line in lines)
    assert any("fault +" in line for line in lines)
    assert_full_report("memtrace " + after)


def test_intervals_come_as_they_are():
    """Not when the pipe's buffer is full: `memtrace -i 1 ... | tee` is watched."""
    with puppet() as target, running("-p", str(target.pid), "-i", "0.2") as background:
        target.do("touch 10")
        assert background.process.stdout.readline()
        assert background.process.poll() is None


def test_intervals_where_nothing_moves():
    with puppet() as target:
        with running("-p", str(target.pid), "-i", "0.1", "-d", "0.6") as background:
            done = background.wait()
    assert done.status == 0
    assert_full_report(done.text[done.text.index("memtrace "):])


def test_interval_longer_than_the_capture():
    with puppet() as target:
        out, _ = support.run("-p", target.pid, "-i", "1000", "-d", "0.2")
    assert out.startswith("memtrace ")


def test_intervals_in_other_formats_keep_the_document_whole():
    with puppet() as target:
        document = support.report("-p", target.pid, "-i", "0.1", "-d", "0.5")
        assert document["schema"] == "memtrace/1"
        support.assert_balanced(support.process_of(document, target.pid))
        out, _ = support.run("-f", "openmetrics", "-p", target.pid, "-i", "0.1", "-d", "0.5")
    assert out.startswith("# ") and out.endswith("# EOF\n")
