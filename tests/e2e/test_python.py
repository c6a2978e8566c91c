# SPDX-License-Identifier: GPL-2.0
"""Are the frames of Python on a stack those that Python itself would tell of?"""
import json
import os
import pathlib
import re
import subprocess

import pytest
import interpreters

from program import memtrace
import support

CHAINS = pathlib.Path(__file__).with_name("chains.py")
COPIES = CHAINS.with_name("copies.c")
PAGE = 4096
# Of this machine, the oldest and the newest of Debian's.
INTERPRETERS = interpreters.chosen(os.environ.get("MEMTRACE_PYTHONS", "3,3.9,3.14"))
DEEP = 30  # functions, of which all are known however many there are behind them
LOOP = "_PyEval_EvalFrameDefault"


def run(tmp_path, *command, stacks="python"):
    """What the command said, and its sites."""
    report = tmp_path / "report.json"
    done = memtrace("--stacks", stacks, "-f", "json", "-o", report, "--", *command)
    assert done.status == 0, done.said
    document = json.loads(report.read_text())
    assert not any(document["capture"]["losses"].values()), document["capture"]["losses"]
    return done.text, [site for process in document["processes"] for site in process["sites"]]


def python_frames(site):
    return [[frame["function"], frame["line"]] for frame in site["stack"]
            if frame["kind"] == "python"]


@pytest.fixture(scope="module", params=INTERPRETERS)
def chains(request, tmp_path_factory):
    command = interpreters.interpreter(request.param).command(CHAINS)
    said, sites = run(tmp_path_factory.mktemp("chains"), *command)
    return json.loads(said), sites


def touched_by(sites, chain):
    return sum(site["touched_bytes"] for site in sites if python_frames(site) == chain)


def test_each_caller_is_the_one_that_python_tells_of(chains):
    """All but what the call itself takes besides."""
    expected, sites = chains
    assert len(expected) == 26
    touched = {pages: touched_by(sites, chain) // PAGE for pages, chain in expected.items()}
    wrong = {pages: (touched[pages], chain) for pages, chain in expected.items()
             if not int(pages) <= touched[pages] <= int(pages) + 2}
    assert not wrong, json.dumps(wrong, indent=1)


@pytest.mark.parametrize("interpreter", INTERPRETERS)
@pytest.mark.parametrize("case, count", [("deep", 3), ("tasks", 9), ("many", 65)])
def test_callers_in(tmp_path, interpreter, case, count):
    """Coroutines, many threads; of calls deeper than what is kept the innermost ones."""
    command = interpreters.interpreter(interpreter).command(CHAINS)
    said, sites = run(tmp_path, *command, case)
    expected = json.loads(said)
    assert len(expected) == count
    for chain in expected.values():
        same = [int(pages) for pages, other in expected.items() if other == chain]
        is_deep = len(chain) > DEEP
        found = [site for site in sites if site["truncated"] == is_deep
                 and chain[:DEEP] == python_frames(site)[:DEEP if is_deep else None]]
        touched = sum(site["touched_bytes"] for site in found) // PAGE
        assert sum(same) <= touched <= sum(same) + 2 * len(same), (same, touched, chain[:5])


def test_no_caller_is_made_up(chains):
    expected, sites = chains
    callers = [chain[1:] for chain in expected.values()]
    for site in sites:
        frames = python_frames(site)
        if frames and frames[0][0] == "touch":
            assert frames[1:] in callers, frames


def test_files_are_named(chains):
    files = {frame["file"] for site in chains[1] for frame in site["stack"]
             if frame["function"] == "recurse"}
    assert files == {str(CHAINS)}


def test_frames_of_the_loop_are_replaced(chains):
    """None is left where Python's frames are known, and native callees stay in their places."""
    sites = [site for site in chains[1] if not site["truncated"] and python_frames(site)]
    left = [site["stack"] for site in sites
            if any(frame["function"] == LOOP for frame in site["stack"])]
    assert len(sites) > 30
    assert len(left) <= len(sites) // 50, json.dumps(left[0], indent=1)


def kinds_between(site, inner, outer):
    names = [frame["function"] for frame in site["stack"]]
    return [frame["kind"] for frame in site["stack"][names.index(inner) + 1:names.index(outer)]]


@pytest.mark.parametrize("inner, outer, kinds", [
    ("compare.<locals>.<lambda>", "compare", {"native"}),
    ("touch", "recurse", set()),
    ("generator", "drive", {"native"}),
    ("of_exec", "drive", {"python", "native"}),
], ids=lambda value: value if isinstance(value, str) else "")
def test_native_and_python_frames_are_in_the_right_order(chains, inner, outer, kinds):
    """sorted() is native code between two functions of Python; a plain call is not, but up to 3.10,
    where functions have no long names either."""
    if not any(name == "Body.method" for name, _ in chains[0]["102"]):
        inner, kinds = inner.rpartition(".")[2], kinds | {"native"}
    sites = [site for site in chains[1] if not site["truncated"]
             and {inner, outer} <= {frame["function"] for frame in site["stack"]}]
    assert sites
    for site in sites:
        assert set(kinds_between(site, inner, outer)) == kinds
        assert site["stack"][0]["kind"] == site["stack"][-1]["kind"] == "native"


def test_threads_without_the_lock_are_not_taken_for_each_other(chains):
    unpacked = [site for site in chains[1] if site["touched_bytes"] >= 8 << 20]
    assert unpacked
    for site in unpacked:
        assert python_frames(site)[0][0] == "unpack", python_frames(site)
    spinning = [site for site in chains[1]
                if ["spin"] == [name for name, _ in python_frames(site)][:1]]
    assert sum(site["touched_bytes"] for site in spinning) < 1 << 20


def test_native_stacks_have_no_frames_of_python(tmp_path):
    script = "import time; time.sleep(.5); x = bytearray(1 << 22); time.sleep(.1)"
    _, sites = run(tmp_path, "/usr/bin/python3", "-c", script, stacks="native")
    assert sites and not any(map(python_frames, sites))
    assert any(frame["function"] == LOOP for site in sites for frame in site["stack"])


def test_interpreter_that_contradicts_itself_has_native_frames_only(tmp_path):
    """It says that it has no lock (struct _Py_DebugOffsets), its objects that it has one."""
    found = interpreters.interpreter("3.14")
    code = pathlib.Path(f"{found.root}{found.path}").read_bytes()
    said, count = re.subn(rb"(?s)(xdebugpy....\x00{4})\x00{8}",
                          lambda told: told[1] + b"\1" + bytes(7), code)
    assert count == 1
    there = found.root / "usr/bin/contradictory"
    there.write_bytes(said)
    there.chmod(0o755)
    other = interpreters.Interpreter("/usr/bin/contradictory", found.root)
    out, sites = run(tmp_path, *other.command(CHAINS))
    assert json.loads(out) and sites and not any(map(python_frames, sites))
    assert "native frames only" in (tmp_path / "report.json").read_text()


def test_copies_of_instructions(tmp_path):
    """Of 3.14 without its lock, which Debian has not: a program has in memory what it would."""
    program = tmp_path / "copies"
    subprocess.run(["gcc", "-O2", "-g", "-Wall", "-Werror", "-rdynamic", "-pthread",
                    "-fno-optimize-sibling-calls", COPIES, "-o", program], check=True)
    said, sites = run(tmp_path, program)
    expected = json.loads(said)
    assert len(expected) == 20
    touched = {pages: touched_by(sites, chain) // PAGE for pages, chain in expected.items()}
    assert touched == {pages: int(pages) for pages in expected}


def test_program_that_ends_at_once_has_its_callers(tmp_path):
    """All that it touches is touched from its line, however short it runs."""
    _, sites = run(tmp_path, "/usr/bin/python3", "-S", "-c",
                   "pages = [bytearray(4096) for _ in range(2003)]")
    own = sum(site["touched_bytes"] for site in sites if ["<module>", 1] in python_frames(site))
    assert 2003 <= own // PAGE < 2003 + 128


REPLACED = """
import mmap, sys, time
time.sleep(1) # what was loaded just now has its tables by then
PAGE, LOOPS = 4096, 96
area = mmap.mmap(-1, PAGE * LOOPS * 2, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
area.madvise(mmap.MADV_NOHUGEPAGE)
for i in range(LOOPS):
    space = {}
    text = "\\n" * i + "def fill(area, at):\\n area[at] = area[at + 4096] = 1"
    exec(compile(text, sys.argv[1], "exec"), space)
    space["fill"](area, PAGE * i * 2)
    del space
"""
RENUMBERED = """
import mmap, sys, time, types
time.sleep(1)
PAGE, LOOPS = 4096, 96
area = mmap.mmap(-1, PAGE * LOOPS * 2, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
area.madvise(mmap.MADV_NOHUGEPAGE)
space = {}
exec(compile("def fill(area, at):\\n area[at] = 1", sys.argv[1], "exec"), space)
for i in range(LOOPS):
    fill = types.FunctionType(space["fill"].__code__.replace(co_firstlineno=i % 3 + 1), space)
    fill(area, PAGE * i * 2)
    del fill
"""


@pytest.mark.parametrize("name", ["part.py", "<part>"])
@pytest.mark.parametrize("text, pages", [(REPLACED, {line: 2 for line in range(2, 98)}),
                                         (RENUMBERED, {line: 32 for line in range(2, 5)})],
                         ids=["each new", "in turns"])
def test_functions_that_replace_each_other_are_told_apart(tmp_path, text, pages, name):
    """Same place, name, file and table of lines: only where it begins is another line."""
    script = tmp_path / "replaced.py"
    script.write_text(text)
    _, sites = run(tmp_path, "/usr/bin/python3", script, name)
    lines = {}
    for site in sites:
        frames = python_frames(site)
        if frames and frames[0][0] == "fill":
            lines[frames[0][1]] = lines.get(frames[0][1], 0) + site["touched_bytes"] // PAGE
    assert lines == pages


FILL = """
import mmap
def fill(area):
    area.write(data)
data = bytes(4096 * 211)
area = mmap.mmap(-1, len(data), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
area.madvise(mmap.MADV_NOHUGEPAGE)
input(print("ready"))
fill(area)
input(print("done"))
"""


def test_perf_map_of_python(tmp_path):
    """From 3.12 on python -X perf makes a bit of code for each function, which has its name."""
    script = tmp_path / "fill.py"
    script.write_text(FILL)
    found = interpreters.interpreter("3.14")
    words = found.command(script, "-u", "-X", "perf")
    with support.started(*words, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         text=True) as process:
        assert process.stdout.readline() == "ready\n"
        with support.following("--stacks", "native", "-p", process.pid) as follower:
            process.stdin.write("\n")
            process.stdin.flush()
            while "done" not in process.stdout.readline():
                pass
            document = follower.stop()
    (found.root / f"tmp/perf-{process.pid}.map").unlink()
    site = max(document["processes"][0]["sites"], key=lambda one: one["touched_bytes"])
    assert site["stack"][-1]["function"] == f"py::fill:{script}", site["stack"]
