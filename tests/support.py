# SPDX-License-Identifier: GPL-2.0
"""Running memtrace and workloads, and comparing what they say.

Everything that a test starts is killed when it ends, also when it fails.
"""
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import tempfile

import jsonschema

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
MEMTRACE = BUILD / "memtrace"
WORKLOADS = BUILD / "tests" / "workload"

BALANCES = ("virtual_bytes", "anon_bytes", "file_bytes", "shmem_bytes", "swap_bytes",
            "page_table_bytes", "locked_bytes", "hugetlb_bytes")
RESIDENT = ("anon_bytes", "file_bytes", "shmem_bytes")

# The lines of /proc/PID/status that are the kernel's word on a balance, in KiB.
STATUS = {"VmSize": "virtual_bytes", "RssAnon": "anon_bytes", "RssFile": "file_bytes",
          "RssShmem": "shmem_bytes", "VmSwap": "swap_bytes", "VmPTE": "page_table_bytes",
          "VmLck": "locked_bytes", "HugetlbPages": "hugetlb_bytes"}

SCHEMA = jsonschema.Draft202012Validator(
    json.loads((ROOT / "docs" / "memtrace-1.schema.json").read_text()))

SECONDS = 60  # longer than anything here may take


def validate(document):
    """Holds a document against docs/memtrace-1.schema.json; returns it."""
    wrong = jsonschema.exceptions.best_match(SCHEMA.iter_errors(document))
    assert not wrong, f"{wrong.json_path}: {wrong.message}"
    return document


def run(*words, status=0, **options):
    """Runs memtrace to its end; returns its standard output and standard error as text."""
    done = subprocess.run([MEMTRACE, *map(str, words)], capture_output=True, timeout=SECONDS,
                          **options)
    out, err = done.stdout.decode(), done.stderr.decode()
    assert done.returncode == status, f"status {done.returncode}, not {status}: {err}"
    return out, err


def report(*words, status=0, **options):
    """Runs memtrace with a JSON report to a file of its own; returns the document."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "report.json"
        run("-f", "json", "-o", path, *words, status=status, **options)
        return validate(json.loads(path.read_text()))


class Follower:
    """memtrace in the background, with a JSON report at its end."""

    def __init__(self, *words):
        self.folder = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self.folder.name) / "report.json"
        self.process = subprocess.Popen(
            [MEMTRACE, "-v", "-f", "json", "-o", self.path, *map(str, words)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.said = ""

    def wait_until_counting(self):
        while True:
            line = self.process.stderr.readline()
            self.said += line
            assert line, f"memtrace ended at once: {self.said}"
            if "counting" in line:
                break

    def stop(self, status=0):
        """Ends the capture as Ctrl-C does; returns the document."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.wait(status)

    def wait(self, status=0):
        """Waits until the capture ends by itself; returns the document."""
        _, err = self.process.communicate(timeout=SECONDS)
        self.said += err
        assert self.process.returncode == status, self.said
        return validate(json.loads(self.path.read_text()))

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stderr.close()
        self.folder.cleanup()


@contextlib.contextmanager
def following(*words):
    follower = Follower(*words)
    try:
        follower.wait_until_counting()
        yield follower
    finally:
        follower.close()


@contextlib.contextmanager
def started(*words, **options):
    """A process, killed at the end of the block if it is still there."""
    process = subprocess.Popen([str(word) for word in words], **options)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                stream.close()


def text_of(pid, name):
    return pathlib.Path(f"/proc/{pid}/{name}").read_text()


def status_in(text):
    """The balances of /proc/PID/status, in bytes."""
    balances = dict.fromkeys(BALANCES, 0)
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name in STATUS:
            balances[STATUS[name]] = int(value.split()[0]) * 1024
    return balances


def status_of(pid):
    return status_in(text_of(pid, "status"))


def faults_in(text):
    """Page faults of a process so far, by the kernel's count: of all its threads."""
    words = text.rpartition(") ")[2].split()
    return int(words[7]) + int(words[9])


def faults_of(pid):
    return faults_in(text_of(pid, "stat"))


def rollup_in(text):
    """Rss of /proc/PID/smaps_rollup in bytes: a walk of the page tables, not a counter."""
    for line in text.splitlines():
        if line.startswith("Rss:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no Rss in smaps_rollup")


def rollup_of(pid):
    return rollup_in(text_of(pid, "smaps_rollup"))


def process_of(document, pid):
    """The only process of a document with that pid."""
    found = [process for process in document["processes"] if process["pid"] == pid]
    assert len(found) == 1, f"{len(found)} processes with pid {pid}"
    return found[0]


def rows_of(process, operation):
    return [row for row in process["ledger"] if row["operation"] == operation]


def moved(process, operation, balance):
    """What an operation moved of a balance, over all calls in flight."""
    return sum(row[balance] for row in rows_of(process, operation))


def counted(process, operation, what="count"):
    return sum(row[what] or 0 for row in rows_of(process, operation))


def assert_balanced(process):
    """The law: opening plus every entry is closing, and that is what the kernel says."""
    for balance in BALANCES:
        total = process["opening"][balance] + sum(row[balance] for row in process["ledger"])
        assert total == process["closing"][balance], balance
    assert process["kernel"] == process["closing"], (process["kernel"], process["closing"])
    assert not any(process["unexplained"].values()), process["unexplained"]


def expected_in(text, pid):
    """What a workload prints that it expects: by pid, operation and figure."""
    expected = {pid: {}}
    for other, operation, figure, value in json.loads(text):
        expected.setdefault(other or pid, {}).setdefault(operation, {})[figure] = value
    return expected


def end_in(expected, pid):
    """How a workload is to end."""
    return expected[pid].get("exit status", {"code": 0, "signal": 0})


class Workload:
    """A case of a workload program."""

    def __init__(self, program, case, **options):
        self.process = subprocess.Popen([WORKLOADS / program, case], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, **options)
        self.pid = self.process.pid

    def wait_for(self, word):
        line = self.process.stdout.readline()
        assert line == word + "\n", f"the workload said {line!r}, not {word!r}"

    def go_on(self, word):
        """Lets it go on until it says that word."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        self.wait_for(word)

    def finish(self):
        """Lets it end; returns what it expects: by pid, operation and figure."""
        out, _ = self.process.communicate("\n", timeout=SECONDS)
        expected = expected_in(out, self.pid)
        ends = end_in(expected, self.pid)
        assert self.process.returncode == (-ends["signal"] or ends["code"])
        return expected

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


@contextlib.contextmanager
def workload(program, case, **options):
    """A case that has warmed up, at the point before it is counted."""
    one = Workload(program, case, **options)
    try:
        one.wait_for("ready")
        yield one
    finally:
        one.close()
