# SPDX-License-Identifier: GPL-2.0
"""Do the mappings of a process add up to its address space, and are they told apart?"""
import json
import os
import subprocess
import sys

import pytest

from program import running
import support

MIB = 1 << 20
SCRIPT = f"""
import mmap, threading, sys
room = mmap.mmap(-1, 97 * {MIB}, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
room[:3 * {MIB}] = b"x" * (3 * {MIB})
shared = mmap.mmap(-1, 5 * {MIB})
shared[:2 * {MIB}] = b"x" * (2 * {MIB})
threading.stack_size(2 * {MIB})
wait = threading.Event()
for i in range(3):
    threading.Thread(target=wait.wait, daemon=True).start()
print("ready", flush=True)
sys.stdin.readline()
"""


def capture(path, *words):
    with support.started(sys.executable, "-c", SCRIPT, stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE) as target:
        assert target.stdout.readline() == b"ready\n"
        with running("-d", "0.3", "-f", "json", "-o", str(path), *words,
                     *([] if words else ["-p", str(target.pid)])) as one:
            done = one.wait()
    assert done.status == 0, done.said
    document = support.validate(json.loads(path.read_text()))
    return next(process for process in document["processes"] if process["pid"] == target.pid)


@pytest.fixture(scope="module", name="process")
def captured(tmp_path_factory):
    return capture(tmp_path_factory.mktemp("mappings") / "report.json")


def of_kind(process, kind):
    return [mapping for mapping in process["mappings"] if mapping["kind"] == kind]


def test_they_add_up(process):
    """To the page, in a process that stands still."""
    closing = process["closing"]
    assert sum(one["virtual_bytes"] for one in process["mappings"]) == closing["virtual_bytes"]
    assert sum(one["resident_bytes"] for one in process["mappings"]) == (
        closing["anon_bytes"] + closing["file_bytes"] + closing["shmem_bytes"])


def test_each_kind_and_name_is_there_once(process):
    names = [(one["kind"], one["name"]) for one in process["mappings"]]
    assert len(set(names)) == len(names)
    sizes = [one["resident_bytes"] for one in process["mappings"]]
    assert sizes == sorted(sizes, reverse=True)


def test_kinds(process):
    stacks, = of_kind(process, "thread-stack")
    assert stacks["count"] == 3 and stacks["virtual_bytes"] == 6 * MIB
    shared, = of_kind(process, "shmem")
    assert shared["resident_bytes"] == 2 * MIB and shared["never_touched_bytes"] is None
    anon, = (one for one in of_kind(process, "anon") if not one["name"])
    assert 94 * MIB <= anon["never_touched_bytes"] < anon["virtual_bytes"] - 3 * MIB
    assert [one["count"] for one in of_kind(process, "stack")] == [1]
    libc, = (one for one in of_kind(process, "file") if os.path.basename(one["name"]) in (
        "libc.so.6", "libc-2.31.so"))
    assert libc["count"] > 1


def test_small_ones_of_the_whole_system_have_none(tmp_path):
    """There it would take longer than all else."""
    report = tmp_path / "report.json"
    with support.started("sleep", support.SECONDS) as sleeper:
        process = capture(report, "-a")
        assert process["mappings"]
        small = support.process_of(json.loads(report.read_text()), sleeper.pid)
        assert small["mappings"] == []
