# SPDX-License-Identifier: GPL-2.0
"""Does the first finding name the cause, to within 5 % of what the program itself says?"""
import dataclasses
import pathlib
import subprocess
import sys

import pytest

import support

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "e2e"))
import cgroups  # noqa: E402  (of another folder)

C = [support.BUILD / "tests/verdict/cases"]
PYTHON = ["/usr/bin/python3", HERE / "cases.py"]
TOLERANCE = 0.05


@dataclasses.dataclass
class Case:
    """A program with one cause, which `alarm` says is to be mended."""
    language: list
    name: str
    finding: str
    alarm: bool = False
    child: bool = False  # of which the verdict is

    def __str__(self):
        return f"{pathlib.Path(self.language[-1]).name}:{self.name}"


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
    Case(PYTHON, "hold-numbers", "still-in-use"),
    Case(PYTHON, "drop-list", "returned"),
    Case(PYTHON, "drop-buffers", "returned"),
    Case(PYTHON, "reserve", "never-touched"),
    Case(PYTHON, "churn", "churn", alarm=True),
    Case(PYTHON, "read-in-child", "cow-after-fork", alarm=True, child=True),
)


def process_of(document, pid, child):
    """The one that the verdict is about."""
    found = [process for process in document["processes"]
             if process["parent_pid" if child else "pid"] == pid]
    assert len(found) == 1
    return found[0]


def capture(case, *words, **options):
    """What the program says of itself, and what memtrace says of it."""
    with support.started(*case.language, case.name, stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, text=True, **options) as program:
        with support.following("-p", program.pid, *words) as follower:
            program.stdin.write("\n")
            program.stdin.flush()
            truth = int(program.stdout.readline())
            document = follower.stop()
        program.stdin.close()
        program.wait(support.SECONDS)
    return truth, process_of(document, program.pid, case.child)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_first_finding_is_the_cause(case):
    judge(case, *capture(case))


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
    ["perl", "-e", "my @rows = map { $_ x 100 } 1 .. 100_003;"],
], ids=lambda words: " ".join(words)[:40])
def test_no_alarm_where_all_is_well(words):
    document = support.report("--", *words)
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
