# SPDX-License-Identifier: GPL-2.0
"""Does the first finding name the cause, to within 5 % of what the program itself says?"""
import dataclasses
import json
import pathlib
import subprocess
import sys

import pytest

import support

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "e2e"))
import cgroups  # noqa: E402  (of another folder)

sys.path.append(str(HERE.parent / "workload"))
import machine  # noqa: E402  (of another folder)

C = [support.BUILD / "tests/verdict/cases"]
SHAPES = [support.BUILD / "tests/verdict/shapes"]
TRICKS = [support.BUILD / "tests/verdict/tricks"]
LIVES = [support.BUILD / "tests/verdict/lives"]
CXX = [support.BUILD / "tests/verdict/shapes-cc"]
PYTHON = ["/usr/bin/python3", HERE / "cases.py"]
PYTHON_SHAPES = ["/usr/bin/python3", HERE / "shapes.py"]
TOLERANCE = 0.05


@dataclasses.dataclass
class Case:
    """A program with one cause, which `alarm` says is to be mended."""
    language: list
    name: str
    finding: str
    alarm: bool = False
    child: bool = False  # of which the verdict is
    how: str = "follow"  # from before it begins; "late": after; "command": as one that ends at once

    def __str__(self):
        name = f"{pathlib.Path(self.language[-1]).name}:{self.name}"
        return name if self.how == "follow" else f"{name}:{self.how}"


CASES = (
    Case(C, "hold-mapping", "still-in-use"),
    Case(C, "hold-heap", "still-in-use"),
    Case(C, "never-touch", "never-touched"),
    Case(C, "give-back", "returned"),
    Case(C, "give-back-by-advice", "returned"),
    Case(C, "give-back-heap", "returned"),
    Case(C, "free-lazily", "lazily-freed", alarm=True),
    Case(C, "churn", "churn", alarm=True),
    Case(C, "churn-by-advice", "churn", alarm=True),
    Case(C, "copy-in-child", "cow-after-fork", alarm=True, child=True),
    Case(C, "share-with-parent", "shared-not-yours", child=True),
    Case(C, "share-memory", "shared-not-yours"),
    Case(C, "map-file", "file-cache-not-heap"),
    Case(C, "have-children", "child-processes"),
    Case(C, "have-threads", "thread-stacks"),
    Case(C, "leak", "mapping-leak", alarm=True),
    Case(PYTHON, "hold-buffers", "still-in-use"),
    Case(PYTHON, "hold-buffers", "still-in-use", how="command"),
    Case(PYTHON, "hold-numbers", "still-in-use"),
    Case(PYTHON, "drop-list", "returned"),
    Case(PYTHON, "drop-buffers", "returned"),
    Case(PYTHON, "reserve", "never-touched"),
    Case(PYTHON, "churn", "churn", alarm=True),
    Case(PYTHON, "read-in-child", "cow-after-fork", alarm=True, child=True),
    # Once more, in other shapes.
    Case(SHAPES, "pin-small", "heap-top-pinned", alarm=True, how="command"),
    Case(SHAPES, "pin-large", "heap-top-pinned", alarm=True),
    Case(SHAPES, "free-every-second", "heap-fragmented", alarm=True, how="late"),
    Case(SHAPES, "free-nine-of-ten", "heap-fragmented", alarm=True, how="command"),
    Case(SHAPES, "free-in-threads", "thread-arenas", alarm=True, how="late"),
    Case(SHAPES, "free-in-threads", "thread-arenas", alarm=True, how="command"),
    Case(SHAPES, "have-threads", "thread-stacks", how="command"),
    Case(SHAPES, "raise-thresholds", "mmap-threshold-grew", alarm=True, how="command"),
    Case(SHAPES, "churn-large", "churn", alarm=True, how="command"),
    Case(SHAPES, "give-back-large", "returned", how="command"),
    Case(SHAPES, "clear-and-leave", "never-touched", how="command"),
    Case(SHAPES, "take-without-use", "never-touched", how="late"),
    Case(SHAPES, "set-aside-alone", "never-touched", how="late"),
    Case(SHAPES, "set-aside-and-use", "still-in-use", how="command"),
    Case(SHAPES, "leak-small", "mapping-leak", alarm=True),
    Case(SHAPES, "leak-beside-churn", "mapping-leak", alarm=True, how="command"),
    Case(SHAPES, "free-parts-lazily", "lazily-freed", alarm=True, how="late"),
    Case(SHAPES, "free-parts-lazily", "lazily-freed", alarm=True, how="command"),
    Case(SHAPES, "share-anonymous", "shared-not-yours", how="command"),
    Case(SHAPES, "copy-in-parent", "cow-after-fork", alarm=True, how="command"),
    Case(SHAPES, "let-child-do-it", "child-processes", how="command"),
    Case(SHAPES, "run-others", "still-in-use"),
    Case(SHAPES, "run-others", "still-in-use", how="command"),
    Case(SHAPES, "touch-sparsely", "thp-inflation", alarm=True, how="late"),
    Case(SHAPES, "touch-sparsely", "thp-inflation", alarm=True, how="command"),
    Case(TRICKS, "grow-by-realloc", "still-in-use", how="late"),
    Case(TRICKS, "use-part-again", "lazily-freed", alarm=True, how="command"),
    Case(TRICKS, "shrink-mapping", "returned"),
    Case(TRICKS, "leak-in-threads", "mapping-leak", alarm=True),
    Case(TRICKS, "write-sparsely-in-parent", "cow-after-fork", alarm=True, how="command"),
    Case(TRICKS, "write-to-file", "file-cache-not-heap", how="late"),
    Case(TRICKS, "read-alone", "never-touched", how="command"),
    Case(LIVES, "free-a-list", "heap-not-trimmed", alarm=True, how="late"),
    Case(LIVES, "free-a-list", "heap-not-trimmed", how="command"),
    Case(LIVES, "load-and-leak", "mapping-leak", alarm=True),
    Case(LIVES, "load-and-leak", "mapping-leak", alarm=True, how="command"),
    Case(LIVES, "gather-and-free", "returned", how="command"),
    Case(LIVES, "have-workers", "child-processes"),
    Case(LIVES, "have-workers", "child-processes", how="command"),
    Case(CXX, "keep-an-index", "heap-top-pinned", alarm=True, how="late"),
    Case(CXX, "keep-a-map", "still-in-use"),
    Case(CXX, "reserve-a-vector", "never-touched", how="late"),
    Case(PYTHON_SHAPES, "keep-a-few", "pymalloc-arenas-pinned", alarm=True, how="late"),
    Case(PYTHON_SHAPES, "keep-a-few", "pymalloc-arenas-pinned", alarm=True, how="command"),
    Case(PYTHON_SHAPES, "have-threads", "thread-stacks", how="command"),
    Case(PYTHON_SHAPES, "map-file", "file-cache-not-heap", how="command"),
    Case(PYTHON_SHAPES, "free-lazily", "lazily-freed", alarm=True, how="command"),
    Case(PYTHON_SHAPES, "leak", "mapping-leak", alarm=True),
    Case(PYTHON_SHAPES, "leak", "mapping-leak", alarm=True, how="command"),
    Case(PYTHON_SHAPES, "have-threads", "thread-stacks", how="late"),
    Case(PYTHON_SHAPES, "map-file", "file-cache-not-heap"),
    Case(PYTHON_SHAPES, "free-lazily", "lazily-freed", alarm=True, how="late"),
    Case(PYTHON_SHAPES, "fill-a-dictionary", "still-in-use", how="command"),
    Case(PYTHON_SHAPES, "fill-a-stream", "still-in-use", how="command"),
    Case(PYTHON_SHAPES, "make-zeros", "never-touched", how="command"),
    Case(PYTHON_SHAPES, "make-and-drop-ones", "returned", how="command"),
)


def process_of(document, pid, child):
    """The one that the verdict is about."""
    found = [process for process in document["processes"]
             if process["parent_pid" if child else "pid"] == pid]
    assert len(found) == 1
    return found[0]


def begin(program):
    """Lets it do what it does; returns what it says of that."""
    program.stdin.write("\n")
    program.stdin.flush()
    return int(program.stdout.readline())


PIPES = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}


def capture(case, *words, **options):
    """What the program says of itself, and what memtrace says of it."""
    with support.started(*case.language, case.name, **PIPES, **options) as program:
        if case.how == "late":
            truth = begin(program)
            document = support.report("-d", 0.3, "-p", program.pid, *words)
        else:
            with support.following("-p", program.pid, *words) as follower:
                truth = begin(program)
                document = follower.stop()
        program.stdin.close()
        program.wait(support.SECONDS)
    return truth, process_of(document, program.pid, case.child)


def capture_command(case, path):
    with support.started(support.MEMTRACE, "-f", "json", "-o", path, "--", *case.language,
                         case.name, **PIPES) as tracer:
        truth = begin(tracer)
        tracer.stdin.close()
        assert tracer.wait(support.SECONDS) == 0
    document = json.loads(path.read_text())  # the schema is for other tests: that takes seconds
    root, = (process["pid"] for process in document["processes"]
             if not any(process["parent_pid"] == other["pid"] for other in document["processes"]))
    return truth, process_of(document, root, case.child)


@pytest.fixture(scope="module", autouse=True)
def shapes_in_cxx():
    subprocess.run(["c++", "-O1", "-g", "-o", *CXX, HERE / "shapes.cc"], check=True)


@pytest.fixture(name="huge_pages_by_advice", scope="module")
def give_huge_pages_by_advice():
    with machine.setting(machine.HUGE / "enabled", "madvise"):
        yield


@pytest.mark.parametrize("case", CASES, ids=str)
def test_first_finding_is_the_cause(case, tmp_path, huge_pages_by_advice):
    if case.how == "command":
        judge(case, *capture_command(case, tmp_path / "report.json"))
    else:
        judge(case, *capture(case))


def test_what_is_swapped_out_is_told():
    with machine.swap():
        case = Case(SHAPES, "page-out", "swapped-out", alarm=True)
        judge(case, *capture(case))


@pytest.mark.parametrize("language, name", [(SHAPES, "serve"), (SHAPES, "fill-a-cache"),
                                            (SHAPES, "work-in-one-buffer")])
@pytest.mark.parametrize("how", ["follow", "command"])
def test_no_alarm_in_what_works_well(language, name, how, tmp_path):
    case = Case(language, name, "", how=how)
    if how == "command":
        _, process = capture_command(case, tmp_path / "report.json")
    else:
        _, process = capture(case)
    assert not [one["why"] for one in process["findings"] if one["alarm"]]


@pytest.mark.parametrize("name, finding, words", [
    ("drop-list", "returned",
     ("drop_list (cases.py:28) touched", "back at drop_list (cases.py:29)")),
    ("reserve", "never-touched", ("was reserved by reserve (cases.py:41)",)),
    ("hold-buffers", "still-in-use", ("<genexpr> (cases.py:18)",)),
])
def test_code_is_named(name, finding, words):
    case = Case(PYTHON, name, finding)
    truth, process = capture(case, "--stacks", "python")
    judge(case, truth, process)
    for word in words:
        assert word in process["findings"][0]["why"]


@pytest.mark.parametrize("words", [
    ["/usr/bin/python3", "-c", "numbers = {number: str(number) for number in range(300_007)}"],
    ["/usr/bin/python3", "-c", "import json, http.client, asyncio"],
    ["sort", "/usr/share/common-licenses/GPL-3"],
    ["sh", "-c", "gzip -c /usr/bin/python3 | gzip -dc | sha256sum"],
    ["cc", "-O2", f"-I{support.ROOT}", "-o", "/dev/null", HERE / "cases.c"],
    ["c++", "-O1", "-c", "-o", "/dev/null", HERE / "shapes.cc"],
    ["find", "/usr", "-name", "*.so"],
    ["apt-cache", "search", "memory"],
    ["ls", "-lR", "/usr/share/doc"],
    ["sleep", "0.4"],
    ["/usr/bin/python3", "-c", "import json\nfor number in range(300):\n"
                               "    json.loads(json.dumps([str(n) for n in range(2000)]))"],
    ["perl", "-e", "my @rows = map { $_ x 100 } 1 .. 100_003;"],
], ids=lambda words: " ".join(map(str, words))[:40])
def test_no_alarm_where_all_is_well(words, tmp_path):
    support.run("-f", "json", "-o", tmp_path / "report.json", "--", *words)
    document = json.loads((tmp_path / "report.json").read_text())
    assert document["processes"]
    assert not [one["why"] for process in document["processes"] for one in process["findings"]
                if one["alarm"]]


def test_limit_of_a_cgroup_is_near():
    with cgroups.cgroup("verdict") as group:
        limits = {"memory.max", "memory.limit_in_bytes"}
        limit, = (path for path in group.path.iterdir() if path.name in limits)
        limit.write_text(str(91 << 20))
        case = Case(C, "hold-mapping", "limit-near", alarm=True)
        judge(case, *capture(case, preexec_fn=group.enter))


def judge(case, truth, process):
    findings = process["findings"]
    said = "\n".join(f"{one['bytes']:>12} {one['id']}: {one['why']}" for one in findings)
    assert findings and findings[0]["id"] == case.finding, f"{truth}, and\n{said}"
    assert abs(findings[0]["bytes"] - truth) <= TOLERANCE * truth, f"{truth}, and\n{said}"
    assert any(one["alarm"] for one in findings) == case.alarm, said
    assert findings == sorted(findings, key=lambda one: -one["bytes"])
