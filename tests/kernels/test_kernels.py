# SPDX-License-Identifier: GPL-2.0
"""Does memtrace, as it was built here, work on the kernels of the list?

Each is booted once, and does all that is planned for it; the tests look at what came of it.
MEMTRACE_KERNELS: `all`, or the names of some; without it those that the list marks with a star.
"""
import concurrent.futures
import functools
import json
import os
import re
import shutil

import pytest

import guest
import judge
import machine
import package
import plan
import record
import support

CHOSEN = os.environ.get("MEMTRACE_KERNELS", "").strip()
QUICK = not CHOSEN
SECONDS = {True: 600, False: 2400}[QUICK]  # a guest's
GROWTH = 1.2
# How a case ends, before it is counted, whose calls or flags came with a later kernel.
NEW = re.compile(r"workload: .*: (Invalid argument|Function not implemented|"
                 r"Operation not supported)|a file to reclaim by: No such file or directory")
WITNESS = "sched_process_exit before the memory goes"
UNINTERRUPTED = "events in which nobody is preempted"
STACKS = "stacks (--stacks)"
# What says whose code touches how many pages; by whether it is for this machine.  In emulation the
# programs for stacks take long to be verified.
WITH_STACKS = {True: ["sites"], False: ["sites", "framed"]}
VARIANTS = {"calls": "--calls on"} if QUICK else {"calls": "--calls on", "off": "--calls off"}
KERNELS = package.chosen(CHOSEN)
CASES = plan.cases(QUICK)


# ---- booting ----

def programs(kernel):
    """What was built: for another machine, a static one each (make arm64)."""
    native = kernel.architecture == package.native()
    build = support.BUILD if native else support.BUILD / kernel.architecture
    found = {"t/memtrace": build / "memtrace"}
    if native:
        found["t/setpriv"] = shutil.which("setpriv")
    for name in WITH_STACKS[native] + (["verifier.so"] if native else ["verified"]):
        found[f"t/{name}"] = build / f"tests/kernels/{name}"
    for program in (build / "tests/workload").iterdir():
        if os.access(program, os.X_OK):
            found[f"t/workload/{program.name}"] = program
    return found


def numbers():
    ending = " ".join(name for name, needs in CASES.items() if "ends" in needs)
    return (f"CGROUP_BYTES={machine.CGROUP_BYTES}\nPOOL_PAGES={machine.POOL_PAGES}\n"
            f"ENDING='{ending}'\n")


@pytest.fixture(name="outcomes", scope="session")
def all_outcomes(request):
    """By kernel, something that waits for its guest: there are as many at a time as CPUs."""
    asked = [item.callspec.params.get("kernel") for item in request.session.items
             if hasattr(item, "callspec")]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        yield {kernel: pool.submit(guest.boot, kernel, plan.plan(CASES, VARIANTS), numbers(),
                                   programs(kernel), SECONDS, fresh=CHOSEN == "all")
               for kernel in KERNELS if kernel in asked}
        pool.shutdown(cancel_futures=True)


@pytest.fixture(name="outcome")
def outcome_of(outcomes, kernel):
    return outcomes[kernel].result()


every_kernel = pytest.mark.parametrize("kernel", KERNELS, ids=str)
NATIVE = [kernel for kernel in KERNELS if kernel.architecture == package.native()]
every_native_kernel = pytest.mark.parametrize("kernel", NATIVE, ids=str)


@every_kernel
def test_comes_to_its_end(outcome):
    assert not outcome.problem, f"{outcome.problem}\n{outcome.console[-4000:]}"


@every_kernel
def test_kernel_finds_no_fault(outcome):
    assert not outcome.splats(), "\n".join(outcome.splats())


# ---- what a kernel has ----

@every_kernel
def test_check_says_what_the_readme_says(outcome, kernel):
    assert outcome.text("check-exit") == "0\n", outcome.text("check")
    features = record.features_in(outcome.text("check"))
    assert len(features) > 15
    assert {name for name, there in features.items() if not there} == record.lacking(kernel)


@every_kernel
def test_verifier_has_no_more_to_do(outcome, kernel):
    seen = record.instructions_in(outcome.text("verifier"))
    written = record.all_instructions().get(str(kernel), {})
    assert len(seen) > 8
    grown = [f"{program}: {count}, was {written.get(program)}"
             for program, count in seen.items() if count > written.get(program, 0) * GROWTH]
    assert not grown, "tests/kernels/update writes it down:\n" + "\n".join(grown)


@every_kernel
@pytest.mark.parametrize("mode", ["system", "cgroup", "command"])
def test_books_balance(outcome, mode):
    assert outcome.text(f"{mode}-exit") == "0\n"
    document = support.validate(json.loads(outcome.text(f"{mode}.json")))
    assert document["processes"]
    losses = document["capture"]["losses"]
    assert not losses["missed"] or not has(outcome, UNINTERRUPTED), losses
    assert not any({**losses, "missed": 0}.values()), losses
    for process in document["processes"]:
        if not process["shares_memory_with"]:
            support.assert_balanced(process)


if NATIVE:
    @every_native_kernel
    def test_two_capabilities_are_enough(outcome):
        assert outcome.text("few/document-exit") == "0\n", outcome.text("said")
        document = support.validate(json.loads(outcome.text("few/document.json")))
        process, = document["processes"]
        support.assert_balanced(process)


def assert_sites(sites, rows):
    """Those of a program are as it says: pages, whether the stack is whole, its functions."""
    rows = [line.split() for line in rows.splitlines()]
    known = {function for _, _, *functions in rows for function in functions}
    assert len(rows) > 5
    for pages, end, *functions in rows:
        mine = [site for site in sites if functions ==
                [frame["function"] for frame in site["stack"] if frame["function"] in known]]
        assert sum(site["touched_bytes"] for site in mine) == int(pages) * 4096, functions
        assert all(site["truncated"] == (end == "cut") for site in mine), mine


@every_kernel
def test_stacks_or_a_word_why_not(outcome, kernel):
    for name in WITH_STACKS[kernel.architecture == package.native()]:
        assert outcome.text(f"{name}-exit") == "0\n"
        document = support.validate(json.loads(outcome.text(f"{name}.json")))
        for process in document["processes"]:
            support.assert_balanced(process)
        sites = [site for process in document["processes"] for site in process["sites"]]
        said = any("stacks" in note.lower() for note in document["capture"].get("notes", []))
        there = any(site["stack"] for site in sites)
        assert there == has(outcome, STACKS) and said != there
        if there:
            assert_sites(sites, outcome.text(f"{name}.rows"))


# ---- the cases ----

def folder_of(outcome, variant, name):
    found = list(outcome.folder.glob(f"{variant}-*/{name}"))
    if found:
        return found[0]
    for lacks in outcome.folder.glob(f"{variant}-*/lacks"):
        needs = CASES[name]
        if lacks.read_text().strip() in needs:
            pytest.skip(f"this kernel has no {lacks.read_text().strip()}")
    return pytest.fail(f"it was not run: {outcome.problem}", pytrace=False)


@functools.lru_cache
def document_of(batch):
    """What memtrace said of all cases of a batch."""
    assert (batch / "exit").exists(), "memtrace did not end: " + (batch / "said").read_text()
    assert (batch / "exit").read_text() == "0\n", (batch / "said").read_text()
    return support.validate(json.loads((batch / "report.json").read_text()))


def ends_well(folder, expected, pid):
    status = int((folder / "exit").read_text())
    end = support.end_in(expected, pid)
    return status == (128 + end["signal"] if end["signal"] else end["code"])


def has(outcome, feature):
    return record.features_in(outcome.text("check"))[feature]


def captured_in(outcome, folder):
    """A case's share of what its batch brought."""
    def text(name):
        return (folder / name).read_text()

    if (folder / "failed").exists():
        refused = NEW.search(text("said"))
        if refused and not (folder / "expected").exists():
            pytest.skip(f"this kernel does not have it: {refused.group()}")
        pytest.fail(f"{text('failed')}{text('said')}", pytrace=False)
    pid = int(text("pid"))
    expected = support.expected_in(text("expected"), pid)
    assert ends_well(folder, expected, pid), text("exit")
    document = document_of(folder.parent)
    mine = [process for process in document["processes"] if process["pid"] in expected]
    threads = [int(line.split()[1]) for line in text("status").splitlines()
               if line.startswith("Threads:")]
    return judge.Captured({**document, "processes": mine}, expected, pid,
                          support.status_in(text("status")),
                          support.rollup_in(text("smaps_rollup")),
                          support.faults_in(text("stat")) - support.faults_in(text("before")),
                          threads[0], has(outcome, WITNESS), not has(outcome, UNINTERRUPTED))


@every_kernel
@pytest.mark.parametrize("case", CASES)
def test_case(outcome, case):
    judge.assert_good(captured_in(outcome, folder_of(outcome, "calls", case)))


if not QUICK:
    @every_kernel
    @pytest.mark.parametrize("case", CASES)
    def test_case_without_calls(outcome, case):
        judge.assert_good_without_calls(captured_in(outcome, folder_of(outcome, "off", case)))


@every_kernel
def test_follows_nobody_else(outcome):
    """What cases do not expect is in no document."""
    batches = [path.parent for path in outcome.folder.glob("*/report.json")]
    assert batches
    for batch in batches:
        expected = set()
        for path in batch.glob("*/expected"):
            pid = int((path.parent / "pid").read_text())
            expected |= set(support.expected_in(path.read_text(), pid))
        assert {process["pid"] for process in document_of(batch)["processes"]} == expected
