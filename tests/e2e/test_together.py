# SPDX-License-Identifier: GPL-2.0
"""Do several memtraces, and memtrace within memtrace, leave each other's books alone?"""
import contextlib
import json
import subprocess

from program import bytes_touched, memtrace, pids_of, public_folder, running
from puppet import PAGE, puppet
import support

EXACT = ("count", "failed", "requested_bytes", *support.BALANCES)


def rows(process):
    return {(row["operation"], row["call"]): tuple(row[what] for what in EXACT)
            for row in process["ledger"]}


def test_two_have_the_same_ledger():
    with puppet() as target:
        target.do("touch 10")
        with support.following("-p", target.pid) as one, \
                support.following("-p", target.pid) as two:
            for line in ("touch 500", "drop", "touch 300", "lazy 100", "born 50", "vfork",
                         "exec again", "touch 40"):
                target.do(line)
            documents = [one.stop(), two.stop()]
    assert pids_of(documents[0]) == pids_of(documents[1])
    for pid in pids_of(documents[0]):
        first, second = (support.process_of(document, pid) for document in documents)
        for process in (first, second):
            support.assert_balanced(process)
        assert rows(first) == rows(second)
        for what in ("opening", "closing", "at_exit", "exit", "arguments", "executable", "command"):
            assert first[what] == second[what], what


def test_one_of_all_and_one_of_a_process():
    with puppet() as target:
        with support.following("-a", "--calls", "on") as all_of_them:
            with support.following("-p", target.pid) as one:
                target.do("touch 500")
                alone = support.process_of(one.stop(), target.pid)
            among = support.process_of(all_of_them.stop(), target.pid)
    assert bytes_touched(alone) == bytes_touched(among) == 500 * PAGE
    assert rows(alone)["mmap", None] == rows(among)["mmap", None]


def test_attached_to_what_another_runs():
    with public_folder() as folder:
        with running("-f", "json", "-o", folder / "report", "--", "sh", "-c",
                     "echo $$; read line; /bin/true; exit 3",
                     stdin=subprocess.PIPE) as runner:
            pid = int(runner.process.stdout.readline())
            with support.following("-p", pid) as attached:
                runner.process.stdin.write(b"\n")
                runner.process.stdin.close()
                runner.process.stdin = None
                document = attached.wait()
            assert runner.wait().status == 3
        ran = json.loads((folder / "report").read_text())
    assert pids_of(ran) == pids_of(document)
    for each in pids_of(ran):
        for one in (ran, document):
            support.assert_balanced(support.process_of(one, each))
        assert support.process_of(ran, each)["at_exit"] == \
            support.process_of(document, each)["at_exit"]


def test_memtrace_that_runs_memtrace():
    with public_folder() as folder:
        done = memtrace("-f", "json", "-o", folder / "outer", "--", support.MEMTRACE, "-f", "json",
                        "-o", folder / "inner", "--", "sh", "-c", "/bin/true; exit 7")
        outer, inner = (json.loads((folder / name).read_text()) for name in ("outer", "inner"))
    assert done.status == 7
    assert pids_of(inner) < pids_of(outer)
    for document in (outer, inner):
        for process in document["processes"]:
            support.assert_balanced(process)
    for pid in pids_of(inner):
        assert support.process_of(inner, pid)["at_exit"] == \
            support.process_of(outer, pid)["at_exit"]


def test_memtrace_that_follows_memtrace():
    with puppet() as target, support.following("-p", target.pid) as inner:
        with support.following("-p", inner.process.pid) as outer:
            target.do("touch 500")
            process = support.process_of(inner.stop(), target.pid)
            document = outer.wait()
    support.assert_balanced(process)
    follower = support.process_of(document, inner.process.pid)
    support.assert_balanced(follower)
    assert (follower["command"], follower["exit"]) == ("memtrace", {"code": 0, "signal": 0})


def test_ten_at_once():
    with puppet() as target, contextlib.ExitStack() as stack:
        followers = [stack.enter_context(support.following("-p", target.pid)) for _ in range(10)]
        target.do("touch 250")
        for follower in followers:
            process = support.process_of(follower.stop(), target.pid)
            support.assert_balanced(process)
            assert bytes_touched(process) == 250 * PAGE
