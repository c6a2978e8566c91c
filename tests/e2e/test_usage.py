# SPDX-License-Identifier: GPL-2.0
"""Is whatever a user may mistype answered with one sentence and status 2?"""
import os
import subprocess

import pytest

from program import assert_sentence, memtrace, nobody, public_copy, refused
import support

WRONG = [
    [],
    ["-d", "1"],
    ["-p"],
    ["-p", ""],
    ["-p", "x"],
    ["-p", "0"],
    ["-p", "-1"],
    ["-p", "+1"],
    ["-p", " 1"],
    ["-p", "1 "],
    ["-p", "1,"],
    ["-p", ",1"],
    ["-p", "1,,2"],
    ["-p", "1 2"],
    ["-p", "1;2"],
    ["-p", "1.5"],
    ["-p", "0x1"],
    ["-p", "2147483648"],
    ["-p", "99999999999999999999999"],
    ["--pid=abc"],
    ["-a", "-p", "1"],
    ["-a", "--", "true"],
    ["-p", "1", "--", "true"],
    ["-p", "1", "--cgroup", "/"],
    ["--cgroup", "/", "--", "true"],
    ["-a", "-d", "0"],
    ["-a", "-d", "-1"],
    ["-a", "-d", "nan"],
    ["-a", "-d", "inf"],
    ["-a", "-d", "-inf"],
    ["-a", "-d", "1e400"],
    ["-a", "-d", "1e300"],
    ["-a", "-d", ""],
    ["-a", "-d", "5s"],
    ["-a", "-d", "1,5"],
    ["-a", "-d", "ten"],
    ["-a", "-d"],
    ["-a", "-i", "0"],
    ["-a", "-i", "-0.5"],
    ["-a", "-i", "nan"],
    ["-a", "-i", "inf"],
    ["-a", "-i", ""],
    ["-a", "-f", "xml"],
    ["-a", "-f", ""],
    ["-a", "-f", "TEXT"],
    ["-a", "-f"],
    ["-a", "--calls", "maybe"],
    ["-a", "--calls"],
    ["-a", "--limit", "-1"],
    ["-a", "--limit", "many"],
    ["-a", "--limit", "99999999999"],
    ["-a", "--limit", ""],
    ["-a", "-o"],
    ["-a", "-w"],
    ["-a", "--no-such-option"],
    ["-a", "-Z"],
    ["-a", "-dZ"],
    ["-a", "--all=yes"],
    ["report"],
    ["report", "one", "two"],
    ["report", "--no-such-option", "file"],
    ["report", "-f", "xml", "file"],
    ["check", "something"],
    ["check", "--no-such-option"],
]


@pytest.mark.parametrize("words", WRONG, ids=" ".join)
def test_mistyped(words):
    refused(*words, status=2)


@pytest.mark.parametrize("words, named", [
    (["-a", "--no-such-option"], "--no-such-option"), (["-a", "-Z"], "-Z"), (["-aZ"], "Z"),
    (["-a", "-d", "ten"], "ten"), (["-p", "4x"], "4x"), (["-a", "-f", "xml"], "xml"),
    (["-a", "-d"], "-d"), (["-a", "--duration"], "--duration"), (["-a", "--limit", "-1"], "-1"),
    (["-a", "--all=yes"], "--all")], ids=str)
def test_what_was_mistyped_is_named(words, named):
    refused(*words, status=2, says=[named])


def test_format_that_is_not_there_names_those_that_are():
    refused("-a", "-f", "xml", status=2, says=["text", "json", "openmetrics"])


@pytest.mark.parametrize("words", [["-a", "-d", "\x1b[31m\x07"], ["--\x1b]0;title\x07"],
                                   ["report", "/tmp/\x1b[2J"], ["-p", "1\n2"]], ids=repr)
def test_control_characters_are_not_sent_to_the_terminal(words):
    """The words may come from a script that got them from elsewhere."""
    done = memtrace(*words)
    assert done.status in (1, 2)
    assert not any(byte < 32 and byte != 10 or byte == 127 for byte in done.err), done.err
    assert done.err.count(b"\n") == 1


@pytest.mark.parametrize("words", [["-a", "-d", "\udcff"], ["-p", "\udcfe"],
                                   ["report", "/tmp/\udcff"]], ids=ascii)
def test_words_that_are_not_text(words):
    done = memtrace(*map(os.fsencode, words))
    assert done.status in (1, 2) and done.err.startswith(b"memtrace: ")


# ---- forms that are right ----

@pytest.mark.parametrize("words", [
    ["-d0.2", "-a"], ["-d", "0.2", "--all"], ["--duration=0.2", "-a"], ["--dur", "0.2", "-a"],
    ["-qad", ".2"], ["-a", "-d", "1e-1"], ["-a", "-d", "0.000000001"], ["-a", "-d", "+0.2"],
    ["-a", "-a", "-d", "99", "-d", "0.1"], ["-a", "-f", "text", "--limit", "1", "-d", "0.1"],
    ["-a", "-d", "0.1", "--calls", "on"], ["-a", "-d", "0.1", "--calls=off"]], ids=" ".join)
def test_other_ways_to_say_it(words):
    done = memtrace(*words)
    assert (done.status, done.err) == (0, b"")
    assert done.text.startswith("memtrace ")


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["-a", "--help"], ["report", "--help"],
                                   ["check", "--help"]], ids=" ".join)
def test_help(words):
    done = memtrace(*words)
    assert (done.status, done.err) == (0, b"")
    assert max(map(len, done.text.splitlines())) <= 80
    for option in ("--pid", "--duration", "--interval", "--format", "--output", "--write",
                   "--calls", "--cgroup", "--no-children", "--limit", "--strict", "--quiet",
                   "--verbose", "--help", "--version", "report", "check"):
        assert option in done.text


@pytest.mark.parametrize("words", [["--version"], ["-V"]], ids=" ".join)
def test_version(words):
    done = memtrace(*words)
    assert (done.status, done.err) == (0, b"")
    name, number = done.text.split()
    assert name == "memtrace" and number[0].isdigit() and done.out.count(b"\n") == 1


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["-a", "--no-such-option"],
                                   ["-p", "x"]], ids=" ".join)
def test_words_are_understood_without_privileges(words):
    with public_copy() as program:
        done = memtrace(*words, program=program, prefix=nobody(), cwd="/")
        as_root = memtrace(*words)
    assert (done.status, done.out, done.err) == (as_root.status, as_root.out, as_root.err)


def test_name_that_it_was_started_by_does_not_matter():
    done = subprocess.run(["an\nodd name", "-a", "--no-such-option"], executable=support.MEMTRACE,
                          capture_output=True, timeout=60)
    assert done.returncode == 2 and done.stderr.startswith(b"memtrace: ")


def test_no_words_at_all():
    """Not even its own name, as execve() allows on some kernels."""
    done = subprocess.run([""], executable=support.MEMTRACE, capture_output=True, timeout=60)
    assert done.returncode == 2


def test_options_that_mean_nothing_to_a_report_are_refused(tmp_path):
    """`memtrace report -p 1 FILE` does not choose a process: better to say so."""
    capture = tmp_path / "capture"
    support.run("-w", capture, "-o", "/dev/null", "--", "true")
    for words in (["-p", "1"], ["-a"], ["-d", "5"], ["-i", "1"], ["-w", tmp_path / "other"],
                  ["--cgroup", "/"]):
        done = memtrace("report", *words, capture)
        assert_sentence(done, 2, words[0])
