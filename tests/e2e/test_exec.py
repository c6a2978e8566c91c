# SPDX-License-Identifier: GPL-2.0
"""Is a process on the books that is just becoming another program, when memtrace comes or goes?"""
import platform
import struct
import subprocess

import pytest

import support

SEGMENTS = 1000  # to map them takes milliseconds, and nothing else is done between two execs
BASE, STEP = 0x10000000, 0x10000
EM = {"x86_64": 62, "aarch64": 183}[platform.machine()]
CODE = bytes.fromhex({  # execve(argv[0], argv, environ); exit(1)
    "x86_64": "488b7c2408 488d742408 488b0424 488d54c410 b83b000000 0f05 bf01000000 b83c000000 "
              "0f05",
    "aarch64": "e00740f9 e1230091 e20340f9 220c028b 42200091 a81b80d2 010000d4 200080d2 a80b80d2 "
               "010000d4"}[platform.machine()])


def program():
    """An ELF file; each of its segments takes a fault while it is mapped, to clear the rest of a
    page."""
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1" + bytes(9), 2, EM, 1, BASE, 64, 0,
                         0, 64, 56, SEGMENTS, 0, 0, 0)
    for number in range(SEGMENTS):
        at = BASE + number * STEP
        header += struct.pack("<IIQQQQQQ", 1, 6 if number else 5, STEP, at, at, len(CODE),
                              3 * 4096 if number else len(CODE), STEP)
    return header.ljust(STEP, b"\0") + CODE.ljust(4096, b"\0")


@pytest.fixture(scope="module")
def restless(tmp_path_factory):
    """A process that becomes the same program again and again."""
    path = tmp_path_factory.mktemp("exec") / "again"
    path.write_bytes(program())
    path.chmod(0o755)
    with support.started(path, stdout=subprocess.DEVNULL) as process:
        yield process


@pytest.mark.parametrize("words", [["-p", "{pid}"], ["-p", "{pid}", "--calls", "off"], ["-a"]],
                         ids=" ".join)
def test_process_in_the_middle_of_an_exec(restless, words):
    words = [word.format(pid=restless.pid) for word in words]
    for attempt in range(12):
        document = support.report("-d", 0.03 + attempt * 0.0013, *words)
        process = support.process_of(document, restless.pid)
        support.assert_balanced(process)
        assert process["closing"]["virtual_bytes"] > 0, "a living process has some memory"
        assert process["exit"] is None and process["command"] == "again"
        assert not any(document["capture"]["losses"].values())
    assert restless.poll() is None, "it has found an end"


def test_nothing_of_it_is_seen_as_another_operation(restless):
    process = support.process_of(support.report("-d", 1, "-p", restless.pid), restless.pid)
    assert support.counted(process, "exec") > 3
    moved = {row["operation"] for row in process["ledger"]
             if any(row[balance] for balance in support.BALANCES)}
    assert moved <= {"exec", "fault", "fault.kernel"}, moved
