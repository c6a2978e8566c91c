# SPDX-License-Identifier: GPL-2.0
"""Do folded stacks and the profile for pprof say of the sites what the JSON report says?"""
import collections
import json
import pathlib
import re
import subprocess
import tempfile

import pytest

import golden

VALUES = ["resident", "reserved", "touched", "released"]
FOLDED = re.compile(r"(.*)\s+?(\d+(?:\.\d*)?)")  # as flamegraph.pl takes a line apart


@pytest.fixture(scope="module", name="capture")
def packed_capture():
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "capture"
        golden.pack("sites", path)
        yield path


def report(capture, *words):
    done = subprocess.run([golden.MEMTRACE, "report", *words, capture], check=True, timeout=60,
                          stdout=subprocess.PIPE)
    return done.stdout


def sites(capture):
    for process in json.loads(report(capture, "-f", "json"))["processes"]:
        for site in process["sites"]:
            yield process, site


# ---- folded stacks ----

def lines(capture, value):
    text = report(capture, "-f", "folded", "--value", value).decode()
    assert text.endswith("\n")
    return text[:-1].split("\n")


@pytest.mark.parametrize("value", VALUES)
def test_a_line_is_a_site(capture, value):
    got = lines(capture, value)
    expected = list(sites(capture))
    assert len(got) == len(expected)
    for line, (_, site) in zip(got, expected):
        words, amount = FOLDED.fullmatch(line).groups()
        assert int(amount) == site[f"{value}_bytes"]
        frames = words.split(";")[1:]
        assert ("[truncated]" in frames) == site["truncated"]
        assert len(frames) == len(site["stack"]) + site["truncated"]


@pytest.mark.parametrize("value", VALUES)
def test_no_name_becomes_a_value_or_a_frame(capture, value):
    """flamegraph.pl takes two numbers at a line's end for a comparison of two profiles."""
    for line in lines(capture, value):
        words = FOLDED.fullmatch(line).group(1)
        assert not FOLDED.fullmatch(words), line
        assert words.isprintable()
        assert "" not in words.split(";")


def test_resident_is_what_is_meant(capture):
    assert report(capture, "-f", "folded") == report(capture, "-f", "folded", "--value", "resident")


def test_outermost_comes_first(capture):
    """And a name is told from others by the file it is in."""
    line = lines(capture, "resident")[0]
    assert line == "list:_3;_start;__libc_start_main;main;make_list;__libc_malloc;" \
                   "libc.so.6+0x98509 8388608"


# ---- pprof ----

def name_of(frame):
    """As pprof shows it: of code without a name, where it is."""
    file = frame["module"].rpartition("/")[2]
    return frame["function"] or (f"{file}+" if file else "") + frame["address"]


def sums(capture, value):
    """Of each function: what it touched itself, and what it and those that it called did."""
    flat, both = collections.Counter(), collections.Counter()
    for _, site in sites(capture):
        names = [name_of(frame) for frame in site["stack"]] or ["[unknown]"]
        amount = site[f"{value}_bytes"]
        if amount:
            flat[names[0]] += amount
            both.update({name: amount for name in set(names)})
    return {name: (flat[name], amount) for name, amount in both.items()}


def top(profile, value):
    """What `go tool pprof -top` says of each function."""
    done = subprocess.run(["go", "tool", "pprof", "-top", "-unit=B", "-nodefraction=0",
                           "-nodecount=100000", f"-sample_index={value}", profile],
                          stdout=subprocess.PIPE, text=True, timeout=60, check=True,
                          env={"PPROF_BINARY_PATH": "/nowhere", "PATH": "/usr/bin:/bin",
                               "HOME": str(profile.parent)})
    rows = done.stdout.split("cum%\n", 1)[1].splitlines()
    found = (re.fullmatch(r" *(\d+)B? +\S+ +\S+ +(\d+)B? +\S+  (.*)", row) for row in rows)
    return {row.group(3): (int(row.group(1)), int(row.group(2))) for row in found}


@pytest.mark.parametrize("value", VALUES)
def test_pprof_agrees(capture, value, tmp_path):
    """But for its own way with names: controls are written out in all that a person may see."""
    profile = tmp_path / "profile.pb.gz"
    report(capture, "-f", "pprof", "-o", profile)
    expected = {name.replace("\033", r"\x1b").replace("\n", r"\x0a"): amounts
                for name, amounts in sums(capture, value).items()}
    got = top(profile, value)
    assert got == expected


def test_profile_has_what_others_ask_for(capture, tmp_path):
    profile = tmp_path / "profile.pb.gz"
    report(capture, "-f", "pprof", "-o", profile)
    text = subprocess.run(["go", "tool", "pprof", "-raw", profile], stdout=subprocess.PIPE,
                          text=True, timeout=60, check=True,
                          env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}).stdout
    assert "reserved/bytes touched/bytes released/bytes resident/bytes[dflt]" in text
    assert re.search(r"/opt/list ac857403 \[FN\]\[FL\]\[LN\]", text)
    assert re.search(r"0x1270 M=\d+ make_list /src/list.c:7", text)
    assert "Comment: process 100, list; 3: 1048576 bytes before memtrace are in no sample" in text
    assert text.count("truncated:[yes]") == len(
        [site for _, site in sites(capture) if site["truncated"]])
