# SPDX-License-Identifier: GPL-2.0
"""Is code that a runtime makes named by its perf map, if that map is its own?"""
import contextlib
import json
import os
import pathlib
import subprocess

import pytest
import support

SOURCE = pathlib.Path(__file__).with_name("jit.c")
BYTES = 223 * 4096
OTHER_USER = 65534


@pytest.fixture(scope="module", name="program")
def fixture_program(tmp_path_factory):
    path = tmp_path_factory.mktemp("jit") / "jit"
    subprocess.run(["gcc", "-O1", "-o", path, SOURCE], check=True)
    return path


def say(process):
    process.stdin.write("\n")
    process.stdin.flush()


@contextlib.contextmanager
def running(program):
    """The process, where its code begins, and the path of its map, which is removed."""
    process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    path = pathlib.Path(f"/tmp/perf-{process.pid}.map")
    try:
        yield process, int(process.stdout.readline(), 16), path
    finally:
        process.kill()
        process.communicate()
        path.unlink(missing_ok=True)


def innermost(process):
    """Of the stack that touched most."""
    with support.following("--stacks", "native", "-p", process.pid) as follower:
        say(process)
        assert process.stdout.readline() == "done\n"
        document = follower.stop()
    site = max(document["processes"][0]["sites"], key=lambda one: one["touched_bytes"])
    assert site["touched_bytes"] == BYTES
    return site["stack"][0]


def test_named_by_the_last_line_that_covers_it(program):
    with running(program) as (process, start, path):
        path.write_text(f"{start:x} 1000 the whole page\nnonsense\n{start + 64:x} 4 old\n"
                        f"{start + 64:x} 4 JS:*load file.js:7\x1b[31m\n{start + 80:x} 4 after\n")
        frame = innermost(process)
    assert frame["function"].startswith("JS:*load file.js:7") and frame["offset"] == 0


def test_not_covered(program):
    with running(program) as (process, start, path):
        path.write_text(f"{start:x} 40 before\n{start + 68:x} 40 after\n")
        assert not innermost(process)["function"]


def test_map_of_another_user(program):
    with running(program) as (process, start, path):
        path.write_text(f"{start:x} 1000 lie\n")
        os.chown(path, OTHER_USER, OTHER_USER)
        assert not innermost(process)["function"]


@pytest.mark.parametrize("kind", ["link", "pipe", "none"])
def test_map_that_is_no_file(program, tmp_path, kind):
    with running(program) as (process, start, path):
        if kind == "link":
            (tmp_path / "lie").write_text(f"{start:x} 1000 lie\n")
            path.symlink_to(tmp_path / "lie")
        elif kind == "pipe":
            os.mkfifo(path)
        assert not innermost(process)["function"]


def test_command_that_has_ended(tmp_path):
    """Its map is read, though there is no way to it any more; and what it has become by then."""
    (tmp_path / "map.js").write_text(NODE_ENDING)
    report = tmp_path / "report.json"
    done = subprocess.run([support.MEMTRACE, "--stacks", "native", "-f", "json", "-o", report, "--",
                           "node", "--perf-basic-prof", tmp_path / "map.js"], cwd=tmp_path,
                          stdout=subprocess.PIPE, text=True, check=True, timeout=support.SECONDS)
    pathlib.Path(f"/tmp/perf-{int(done.stdout)}.map").unlink(missing_ok=True)
    process, = json.loads(report.read_text())["processes"]
    filled = sum(site["touched_bytes"] for site in process["sites"]
                 if site["stack"][0]["function"].split(" ")[0].endswith("fill"))
    assert process["exit"] == {"code": 0, "signal": 0} and filled > 32 << 20


NODE_ENDING = """
function fill(shelf, at) { for (let i = at; i < shelf.length; i += 4096) shelf[i] = 1; }
const small = new Uint8Array(1 << 20);
for (let i = 0; i < 3000; i++) fill(small, i % 7);
fill(new Uint8Array(64 << 20), 0);
Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 700); // until it has been seen
require("fs").unlinkSync(`/tmp/perf-${process.pid}.map`);
console.log(process.pid);
"""

NODE = """
function fill(shelf, at) { for (let i = at; i < shelf.length; i += 4096) shelf[i] = 1; }
const small = new Uint8Array(1 << 20);
for (let i = 0; i < 3000; i++) fill(small, i % 7);
const big = new Uint8Array(64 << 20);
console.log(0);
process.stdin.once("data", () => {
    fill(big, 0);
    console.log("done");
    process.stdin.once("data", () => process.exit());
});
"""


def test_node(tmp_path):
    """What its compiler has made of a function that fills an array."""
    process = subprocess.Popen(["node", "--perf-basic-prof", "-e", NODE], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    try:
        process.stdout.readline()
        with support.following("--stacks", "native", "-p", process.pid) as follower:
            say(process)
            assert process.stdout.readline() == "done\n"
            document = follower.stop()
    finally:
        process.kill()
        process.communicate()
        pathlib.Path(f"/tmp/perf-{process.pid}.map").unlink(missing_ok=True)
    functions = {frame["function"].split(" ")[0]: site["touched_bytes"]
                 for site in document["processes"][0]["sites"] for frame in site["stack"][:1]}
    filled = sum(touched for name, touched in functions.items() if name.endswith("fill"))
    assert filled > 32 << 20, functions
