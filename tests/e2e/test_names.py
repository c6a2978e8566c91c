# SPDX-License-Identifier: GPL-2.0
"""Can a process with a hostile name break a report, a terminal, a parser, or the road to it?"""
import contextlib
import json
import re
import subprocess
import unicodedata

import pytest

from program import memtrace, refused
from puppet import puppet
from terminal import CTRL_C, SEQUENCE, on_terminal
import support

NAMES = {
    "quotes": b"a\"b'c",
    "backslash": b"a\\b\\\\n\\",
    "newline": b"one\ntwo",
    "newlines": b"\n\n\n",
    "return": b"good\rbad",
    "tab": b"a\tb\v\f",
    "color": b"\x1b[31mred\x1b[0m",
    "title": b"\x1b]0;title\x07",
    "bell": b"\x07\x08\x08\x08",
    "invalid": b"\xff\xfe\xfd",
    "cut": "記憶體記憶體".encode()[:14],
    "overlong": b"\xc0\xaf\xe0\x80\xaf",
    "surrogate": b"\xed\xa0\x80x",
    "above all": b"\xf4\x90\x80\x80x",
    "longest": b"123456789012345",
    "empty": b"",
    "space": b" ",
    "spaces": b"  a  b  ",
    "C1": b"a\xc2\x9b31mb",
    "C1 alone": b"\x9b31m\x90",
    "right to left": "\u202egpj.exe".encode(),
    "isolates": "\u2066a\u2069".encode(),
    "arabic mark": "\u061cabc".encode(),
    "marks": "\u200e\u200f\u200b\ufeff".encode(),
    "separators": "a\u2028b\u2029".encode(),
    "delete": b"a\x7fb",
    "wide": "記憶體".encode(),
    "combining": "e\u0301\u0301\u0301".encode(),
    "tag": "\U000e0041x".encode(),
    "format": b"%s%n%d%1000c",
    "json": b'","a":[{"',
    "metric": b'"} 1\n# EOF\n',
    "label": b'x",le="1',
    "stat": b") R 1 1 1 1 1",
    "brackets": b"((a) (b)",
    "html": b"<script>alert",
    "path": b"../../etc",
    "option": b"--help",
    "semicolon": b"a;b c",
}
BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def as_utf8(data):
    """What the contract makes of it: each byte that is not of UTF-8 becomes U+FFFD."""
    text, at = "", 0
    while at < len(data):
        for length in (1, 2, 3, 4):
            with contextlib.suppress(UnicodeDecodeError):
                text += data[at:at + length].decode()
                at += length
                break
        else:
            text += "\ufffd"
            at += 1
    return text


@pytest.fixture(scope="module")
def captured(tmp_path_factory):
    """Processes with all the names: by pid what they are called here, and their capture."""
    path = tmp_path_factory.mktemp("names") / "capture"
    with contextlib.ExitStack() as stack:
        targets = {}
        for name, data in NAMES.items():
            targets[name] = stack.enter_context(puppet(data, b"", name=data or b"x"))
            targets[name].name(data)
        with support.following("-a", "--calls", "on", "-w", path) as follower:
            for target in targets.values():
                target.do("touch 10")
            follower.stop()
    return {target.pid: name for name, target in targets.items()}, path


def report(captured, *words):
    return memtrace("report", "--limit", "10000", *words, captured[1])


# ---- -p ----

@pytest.mark.parametrize("name", NAMES)
def test_it_can_be_followed(name):
    with puppet() as target:
        target.name(NAMES[name])
        process = support.process_of(support.report("-p", target.pid, "-d", "0.05"), target.pid)
    assert process["command"] == as_utf8(NAMES[name])
    support.assert_balanced(process)


@pytest.mark.parametrize("name", ["newline", "stat", "brackets"])
def test_zombie_and_thread_are_seen_through_the_name(name):
    """/proc/PID/stat has the name in brackets, before what is looked for."""
    with puppet() as target:
        target.name(NAMES[name])
        thread = target.do("thread")
        refused("-p", str(thread), says=["thread"])
        target.tell("exit 0")
        while b"State:\tZ" not in status_of(target.pid):
            pass
        refused("-p", str(target.pid), says=["zombie"])


def status_of(pid):
    with open(f"/proc/{pid}/status", "rb") as file:
        return file.read()


def test_system_finds_all_of_them(captured):
    document = json.loads(report(captured, "-f", "json").out)
    assert set(captured[0]) <= {process["pid"] for process in document["processes"]}


# ---- JSON ----

def test_json_is_utf8(captured):
    document = json.loads(report(captured, "-f", "json").out.decode("utf-8", "strict"))
    for process in document["processes"]:
        name = captured[0].get(process["pid"])
        if name is not None:
            data = NAMES[name]
            assert process["command"] == as_utf8(data[:15]), name
            assert process["arguments"] == [as_utf8(data or b"x"), as_utf8(data), ""], name
            support.assert_balanced(process)


def test_json_holds_no_half_of_a_surrogate_pair(captured):
    assert not re.search(rb"\\u[dD][89a-fA-F]", report(captured, "-f", "json").out)


# ---- OpenMetrics ----

SAMPLE = re.compile(r'(memtrace_[a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\[\\"n])*",?)*)\})? (\S+)')
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')


def samples(text):
    lines = text.split("\n")
    assert lines[-2:] == ["# EOF", ""]
    for line in lines[:-2]:
        if line.startswith("# "):
            assert re.fullmatch(r"# (HELP|TYPE|UNIT) memtrace_[a-z_]+ .+", line), line
            continue
        found = SAMPLE.fullmatch(line)
        assert found, line
        labels = {name: re.sub(r"\\(.)", lambda mark: {"n": "\n"}.get(mark[1], mark[1]), value)
                  for name, value in LABEL.findall(found[2] or "")}
        yield found[1], labels, float(found[3])


def test_openmetrics_is_what_prometheus_reads(captured):
    out = report(captured, "-f", "openmetrics").out
    checked = subprocess.run(["promtool", "check", "metrics"], input=out, capture_output=True,
                             timeout=60)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


def test_openmetrics_names_come_back_whole(captured):
    text = report(captured, "-f", "openmetrics").text
    commands = {labels["command"] for name, labels, _ in samples(text) if "command" in labels}
    for name, data in NAMES.items():  # a parser need not bear controls other than a newline
        assert re.sub("[\0-\x09\x0b-\x1f\x7f]", "\ufffd", as_utf8(data[:15])) in commands, name


def test_openmetrics_has_each_series_once_and_no_pid(captured):
    seen = [(name, *sorted(labels.items())) for name, labels, _ in
            samples(report(captured, "-f", "openmetrics").text)]
    assert len(seen) == len(set(seen))
    assert not any(label[0] == "pid" for one in seen for label in one[1:])


def test_openmetrics_families(captured):
    """Each is described once, before its samples, and its samples stand together."""
    text = report(captured, "-f", "openmetrics").text
    kinds, order = {}, []
    for line in text.split("\n")[:-1]:
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            assert name not in kinds, f"{name} twice"
            kinds[name] = kind
        elif not line.startswith("#"):
            name = re.match(r"[a-z_]+", line)[0]
            family = name if name in kinds else re.sub("_(total|bucket|count|sum)$", "", name)
            assert family in kinds, line
            if not order or order[-1] != family:
                order.append(family)
    assert len(order) == len(set(order)), "samples of a family stand apart"
    for name, labels, value in samples(text):
        if name.endswith("_total"):
            assert value >= 0


@pytest.mark.parametrize("names", [(b"x\xfe", b"x\xff"), (b"x\x01", b"x\x02")], ids=ascii)
def test_openmetrics_with_two_names_that_become_one(names):
    """What cannot be written becomes U+FFFD: one series then, not the same one twice."""
    with puppet() as one, puppet() as two:
        one.name(names[0])
        two.name(names[1])
        out, _ = support.run("-f", "openmetrics", "-p", f"{one.pid},{two.pid}", "-d", "0.1")
    counts = [value for name, labels, value in samples(out) if name == "memtrace_processes"]
    assert counts == [2]


# ---- text ----

def assert_harmless(text):
    for line in text.split("\n"):
        for character in line:
            kind = unicodedata.category(character)
            assert kind not in ("Cc", "Zl", "Zp") and character not in BIDI, ascii(line)


def test_text_has_nothing_that_a_terminal_acts_on(captured):
    assert_harmless(report(captured).text)


def test_text_has_a_line_for_each(captured):
    text = report(captured).text
    for pid in captured[0]:
        assert len(re.findall(f"^ +{pid} ", text, re.M)) == 1, captured[0][pid]


@pytest.mark.parametrize("name", ["newline", "color", "title", "C1", "right to left",
                                  "arabic mark", "bell"])
def test_intervals_and_books_are_harmless(name):
    """On a terminal, where it would act."""
    with puppet(NAMES[name], name=NAMES[name]) as target:
        target.name(NAMES[name])
        with on_terminal(support.MEMTRACE, "-v", "-a", "-i", "0.2") as terminal:
            terminal.read_until(b"counting")
            for _ in range(5):
                target.do("touch 1000")
                terminal.read(0.1)
            terminal.type(CTRL_C)
            assert terminal.wait() == 0
        text = SEQUENCE.sub("", terminal.text).replace("\r", "")
    assert_harmless(text)
    assert len([line for line in text.split("\n") if f"{target.pid} " in line]) >= 2


def test_empty_name_is_still_a_row():
    with puppet() as target:
        target.name(b"")
        out, _ = support.run("-p", target.pid, "-d", "0.1")
    assert f"process {target.pid}" in out
