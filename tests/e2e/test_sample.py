# SPDX-License-Identifier: GPL-2.0
"""Is what --sample estimates near what is there, and everything else as exact as without it?

Addresses differ from run to run, and with them the pages that are followed.
"""
import collections
import functools
import gzip
import json
import math
import pathlib
import platform
import subprocess
import tempfile

import pytest

from program import refused
import support

PAGE = 4096
SOURCE = pathlib.Path(__file__).with_name("sample.c")
FOLDER = tempfile.TemporaryDirectory(prefix="memtrace-sample-")
HUGE = pathlib.Path("/sys/kernel/mm/transparent_hugepage/enabled")
SAMPLE, RUNS = 16, 5
FIGURES = ("touched_bytes", "resident_bytes", "released_bytes")
EXACT = ("reserved_bytes", "unreserved_bytes")
AGAIN = {"touch_and_unmap": 100}  # so often the same pages, all of which are followed or none
FUNCTIONS = ("touch_small", "touch_and_unmap", "touch_huge", "touch_at_once")

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64",
                                reason="stacks are unwound on x86-64 only")


@functools.cache
def program():
    path = pathlib.Path(FOLDER.name) / "sample"
    subprocess.run(["cc", "-O1", "-g", "-fomit-frame-pointer", "-D_GNU_SOURCE", "-o", path,
                    SOURCE], check=True)
    return path


def captured(*words):
    path = pathlib.Path(FOLDER.name) / "capture"
    support.run("--stacks", "native", *words, "-w", path, "-o", "/dev/null", "--", program())
    return path


def report(path, *words):
    out, _ = support.run("report", *words, path)
    return out


def figures(document):
    """Of each function all figures in bytes, and of the process the rows of its ledger."""
    process, = document["processes"]
    sums = {name: collections.Counter() for name in FUNCTIONS}
    for site in process["sites"]:
        for name in {frame["function"] for frame in site["stack"]} & set(FUNCTIONS):
            held = site["released_by"].get("exit", 0)
            sums[name].update({figure: site[figure] for figure in (*FIGURES, *EXACT)})
            sums[name].update(resident_bytes=held, released_bytes=-held)
            sums[name].update({"never_touched": site["never_touched_bytes"] +
                               site["unreserved_untouched_bytes"]})
    return sums, {(row["operation"], row["call"]): (row["count"], row["anon_bytes"])
                  for row in process["ledger"]}


@pytest.fixture(scope="module", name="runs")
def all_runs():
    """The figures of all pages, and those of each run with a sample."""
    full = support.validate(json.loads(report(captured(), "-f", "json")))
    assert full["capture"]["sample"] == 1
    sampled = []
    for _ in range(RUNS):
        document = support.validate(json.loads(report(captured("--sample", SAMPLE), "-f",
                                                      "json")))
        assert document["capture"]["sample"] == SAMPLE
        assert not any(document["capture"]["losses"].values())
        sampled.append(figures(document))
    return figures(full), sampled


@pytest.mark.parametrize("name", FUNCTIONS)
def test_near(runs, name):
    """Each run within 5 standard deviations, and all of them together, too."""
    (full, _), sampled = runs
    if name == "touch_huge" and "[never]" in HUGE.read_text():
        pytest.skip("no huge pages")
    assert full[name]["touched_bytes"] > 9000 * PAGE
    for figure in (*FIGURES, "never_touched"):
        # What was never touched is all that was reserved less what was touched.
        pages = full[name][figure if figure in FIGURES else "touched_bytes"] / PAGE
        deviation = math.sqrt(pages * AGAIN.get(name, 1) * (SAMPLE - 1))
        off = [(sums[name][figure] - full[name][figure]) / PAGE for sums, _ in sampled]
        if figure == "never_touched" and min(sums[name][figure] for sums, _ in sampled) == 0:
            continue  # less than nothing is not said
        assert all(abs(one) <= 5 * deviation for one in off), (figure, off, deviation)
        assert abs(sum(off)) <= 5 * deviation * math.sqrt(RUNS), (figure, off, deviation)


def test_touch_and_release_agree(runs):
    for sums, _ in runs[1]:
        for name in FUNCTIONS:
            one = sums[name]
            assert one["touched_bytes"] - one["released_bytes"] == one["resident_bytes"]
        assert sums["touch_and_unmap"]["resident_bytes"] == 0


def test_the_rest_is_exact(runs):
    (full, ledger), sampled = runs
    for sums, rows in sampled:
        for name in FUNCTIONS:
            assert {what: sums[name][what] for what in EXACT} == {
                what: full[name][what] for what in EXACT}
        for row in (("mmap", None), ("munmap", None), ("madvise.dontneed", None),
                    ("madvise.populate", None)):
            assert rows[row] == ledger[row]


def test_every_report_says_so(tmp_path):
    path = captured("--sample", SAMPLE)
    assert f"one page of {SAMPLE} (--sample)" in " ".join(report(path).split())
    assert f"\nmemtrace_sample_pages {SAMPLE}\n" in report(path, "-f", "openmetrics")
    sites, _ = figures(json.loads(report(path, "-f", "json")))
    folded = report(path, "-f", "folded", "--value", "touched").splitlines()
    assert sites["touch_small"]["touched_bytes"] == sum(
        int(line.rpartition(" ")[2]) for line in folded if ";touch_small;" in line)
    report(path, "-f", "pprof", "-o", tmp_path / "profile")
    assert f"one page of {SAMPLE}".encode() in gzip.decompress((tmp_path / "profile").read_bytes())


@pytest.mark.parametrize("text", ["0", "-1", "x", "1.5", "1000001"])
def test_refused(text):
    refused("-a", "--sample", text, status=2, says=["--sample", text])
