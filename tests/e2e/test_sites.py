# SPDX-License-Identifier: GPL-2.0
"""Does a report say whose code holds what is resident, and does it add up?"""
import functools
import gzip
import json
import os
import pathlib
import platform
import re
import subprocess
import tempfile

import pytest

from program import memtrace, refused, running
from terminal import on_terminal
import support

SOURCE = pathlib.Path(__file__).with_name("sites.c")
FOLDER = tempfile.TemporaryDirectory(prefix="memtrace-sites-")
MIB = 1 << 20
LIST_BYTES = 20011 * (512 + 8)  # at the least: malloc has a share of its own

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64",
                                reason="stacks are unwound on x86-64 only")


@functools.cache
def program():
    path = pathlib.Path(FOLDER.name) / "sites"
    subprocess.run(["cc", "-O2", "-g", "-fomit-frame-pointer", "-D_GNU_SOURCE", "-o", path,
                    SOURCE], check=True)
    return path


def follow(capture, *words):
    """Saves a capture of the program's second step, when all is held."""
    with support.started(program(), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as target:
        assert target.stdout.readline() == b"ready\n"
        with running(*words, "-w", str(capture), "-o", "/dev/null", "-p", str(target.pid)) as one:
            target.stdin.write(b"\n")
            target.stdin.flush()
            assert target.stdout.readline() == b"held\n"
            one.process.terminate()
            done = one.wait()
    assert done.status == 0, done.said


@pytest.fixture(scope="module", name="capture")
def saved_capture():
    path = pathlib.Path(FOLDER.name) / "capture"
    follow(path, "--stacks", "native")
    return path


def report(capture, *words):
    out, _ = support.run("report", *words, capture)
    return out


@pytest.fixture(scope="module", name="process")
def only_process(capture):
    document = support.validate(json.loads(report(capture, "-f", "json")))
    assert len(document["processes"]) == 1
    return document["processes"][0]


def functions(site):
    return [frame["function"] for frame in site["stack"]]


def with_function(process, name):
    """Those that touched something."""
    return [site for site in process["sites"]
            if name in functions(site) and site["touched_bytes"]]


# ---- JSON ----

def test_sites_and_the_rest_are_the_anonymous_memory(process):
    assert not any(process["unexplained"].values())
    held = sum(site["resident_bytes"] for site in process["sites"])
    assert held + process["unsited"]["resident_bytes"] == process["closing"]["anon_bytes"]
    assert process["unsited"]["meaning"] == "before memtrace"
    assert 0 < process["unsited"]["resident_bytes"] <= process["opening"]["anon_bytes"]


def test_sites_are_those_of_the_program(process):
    (buffer,) = with_function(process, "hold_buffer")
    assert (buffer["touched_bytes"], buffer["resident_bytes"]) == (8 * MIB, 5 * MIB)
    assert (buffer["released_bytes"], buffer["released_by"]) == (
        3 * MIB, {"madvise.dontneed": 3 * MIB})
    names = functions(buffer)
    assert names[:2] == ["hold_buffer", "main"] and not buffer["truncated"]
    assert buffer["stack"][0]["file"].endswith("sites.c") and buffer["stack"][0]["line"] > 20
    items = with_function(process, "hold_list")
    assert LIST_BYTES < sum(site["resident_bytes"] for site in items) < LIST_BYTES + MIB


# ---- text ----

TABLE = re.compile(r" +resident +touched +released  whose code touched it first\n(.*?)\n\n", re.S)


def test_a_person_reads_whose_code_it_is(capture):
    rows = TABLE.search(report(capture)).group(1).splitlines()
    assert re.search(r"1[01]\.\d MiB +1[01]\.\d MiB +hold_list \(sites\.c:\d+\) in sites calling "
                     r"(malloc|libc)", rows[0])
    assert rows[1].strip().startswith("from main (sites.c:")
    assert re.fullmatch(r" +5\.0 MiB +8\.0 MiB +-3\.0 MiB  hold_buffer \(sites\.c:\d+\) in sites",
                        rows[2])
    assert rows[4].strip() == "given back by madvise.dontneed 3.0 MiB"
    assert rows[-2].endswith("KiB                          before memtrace")
    assert rows[-1].endswith("all anonymous memory")


def test_limit_hides_rows_and_no_bytes(capture):
    rows = TABLE.search(report(capture, "--limit", "1")).group(1).splitlines()
    assert re.match(r" +5\.\d MiB .*\.\.\. and \d+ more \(--limit\)", rows[2])
    assert rows[-1].endswith("all anonymous memory")


def test_nothing_of_it_without_stacks(tmp_path):
    follow(tmp_path / "capture", "--stacks", "none")
    text = report(tmp_path / "capture")
    (process,) = json.loads(report(tmp_path / "capture", "-f", "json"))["processes"]
    assert "whose code" not in text and process["sites"] == [] and "unsited" not in process
    assert report(tmp_path / "capture", "-f", "folded") == ""


# ---- other formats ----

@pytest.mark.parametrize("value", ["resident", "reserved", "touched", "released"])
def test_folded_has_the_same_bytes(capture, process, value):
    lines = report(capture, "-f", "folded", "--value", value).splitlines()
    assert [int(line.rpartition(" ")[2]) for line in lines] == [
        site[f"{value}_bytes"] for site in process["sites"]]
    assert any(site[f"{value}_bytes"] for site in process["sites"])
    assert all(line.startswith("sites;") for line in lines)
    for line, site in zip(lines, process["sites"]):
        if "hold_buffer" in functions(site) and site["touched_bytes"]:
            assert re.search(r";main;hold_buffer \d+$", line)


def test_pprof_knows_who_called(capture, process, tmp_path):
    profile = tmp_path / "profile"
    report(capture, "-f", "pprof", "-o", profile)
    out = subprocess.run(["go", "tool", "pprof", "-peek", "^hold_buffer$", "-unit=B",
                          "-sample_index=touched", profile], stdout=subprocess.PIPE, text=True,
                         env={**os.environ, "HOME": str(tmp_path)}, check=True, timeout=60).stdout
    assert re.search(rf" {8 * MIB}B +100% \| +main\n +{8 * MIB}B .* \| hold_buffer\n", out)
    total = sum(site["touched_bytes"] for site in process["sites"])
    assert f"of {total}B total" in out


def test_pprof_goes_into_a_pipe(capture):
    done = memtrace("report", "-f", "pprof", str(capture))
    assert done.status == 0 and gzip.decompress(done.out)


def test_pprof_is_nothing_for_a_terminal(capture, tmp_path):
    """Which is said at once, not when the capture is over."""
    for words in (["report", "-f", "pprof", capture], ["-f", "pprof", "--", "sleep", "1000"]):
        with on_terminal(support.MEMTRACE, *words) as terminal:
            assert terminal.wait() == 2
            assert "name a file with -o" in terminal.text
            assert len(terminal.text.splitlines()) == 1
    path = tmp_path / "profile"
    with on_terminal(support.MEMTRACE, "report", "-f", "pprof", "-o", path, capture) as terminal:
        assert (terminal.wait(), terminal.text) == (0, "")
    assert gzip.decompress(path.read_bytes())


def test_value_is_one_of_four():
    refused("-a", "-f", "folded", "--value", "peak", status=2,
            says=["resident", "reserved", "touched", "released"])


# ---- several processes ----

def test_each_process_has_its_sites(tmp_path):
    """In JSON all of them; in the text those whose books are shown."""
    path = tmp_path / "capture"
    script = "for i in 1 2 3 4; do /bin/true; done; :"
    support.run("--stacks", "native", "-w", path, "-o", "/dev/null", "--", "sh", "-c", script)
    processes = support.validate(json.loads(report(path, "-f", "json")))["processes"]
    assert len(processes) == 5
    for process in processes:
        held = sum(site["resident_bytes"] for site in process["sites"])
        assert held + process["unsited"]["resident_bytes"] == process["at_exit"]["anon_bytes"]
    assert report(path).count("whose code touched it first") == 3
