# SPDX-License-Identifier: GPL-2.0
"""What may the process that reads files of code do, and what if such a file has broken it?"""
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys

import pytest

from program import assert_full_report, eventually, public_folder, running
from puppet import PAGE, puppet
from rights import (ENOSYS, assert_confined, children_of, harm, has_ended, made_to, reader_of)
from terminal import on_terminal
import support

NOBODY = 65534
SENTENCE = "The process that reads files of code for memtrace ended"
LIBRARIES = 200


def status_of(pid, name):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return re.search(rf"^{name}:[ \t]*(.*)$", text, re.M).group(1).split()


def links_of(pid):
    links = []
    for path in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            links.append(os.readlink(path))
    return links


def stop(background):
    background.signal(signal.SIGINT)
    done = background.wait()
    assert done.status == 0
    return done


# ---- what it may ----

def test_it_is_nobody_and_may_nothing():
    with puppet() as target, running("-p", str(target.pid)) as background:
        reader = reader_of(background.pid)
        assert_confined(reader)
        assert status_of(reader, "Uid") == status_of(reader, "Gid") == [str(NOBODY)] * 4
        assert not status_of(reader, "Groups")
        stop(background)
    assert has_ended(reader)


def test_it_holds_the_socket_and_code():
    with puppet() as target, running("-p", str(target.pid)) as background:
        links = links_of(reader_of(background.pid))
        stop(background)
    assert sum(link.startswith("socket:") for link in links) == 1
    rest = [link for link in links if not link.startswith("socket:")]
    assert rest.count("/") == 2, "the places of standard output and error, that say nothing"
    for path in set(rest) - {"/"}:
        assert path.endswith("/puppet") or re.search(r"\.so\b|/ld-|\.debug$", path), path
    assert any(path.endswith("/puppet") for path in rest)


def test_it_does_no_harm():
    """It cannot even read: only what it was given."""
    calls = [*harm(), 'open("/etc/passwd", 0)', 'readlink("/proc/self/exe", 0L, 0L)',
             'access("/etc/passwd", 0)', 'write(2, "x", 1L)', 'dup(0)', 'prctl(4, 1L, 0L, 0L, 0L)',
             'sendto(0, "x", 1L, 0, 0L, 0)', 'execl("/bin/true", "true", 0L)']
    with puppet() as target, running("-p", str(target.pid)) as background:
        for call, (returned, number) in zip(calls, made_to(reader_of(background.pid), *calls)):
            assert (returned, number) == (-1, ENOSYS), call
        assert_full_report(stop(background).text)
    assert not os.path.exists("/tmp/memtrace-test-none")


def test_its_memory_is_bounded():
    with puppet() as target, running("-p", str(target.pid)) as background:
        limits = pathlib.Path(f"/proc/{reader_of(background.pid)}/limits").read_text()
        stop(background)
    for name in ("data", "file", "core file"):
        bound = re.search(rf"^Max {name} size +(\d+) +(\d+) ", limits, re.M)
        assert bound and bound.group(1) == bound.group(2), limits
        assert int(bound.group(1)) <= 2 << 30


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_is_not_disturbed(number):
    with puppet() as target, running("-f", "json", "-p", str(target.pid)) as background:
        os.kill(reader_of(background.pid), number)
        target.do("touch 100")
        assert named(json.loads(stop(background).out), target.pid)


def test_it_goes_with_memtrace():
    with puppet() as target, running("-p", str(target.pid)) as background:
        reader = reader_of(background.pid)
        background.process.kill()
        background.process.wait()
        assert eventually(lambda: has_ended(reader), 10)


def test_without_stacks_there_is_none():
    with puppet() as target, running("--stacks", "none", "-p", str(target.pid)) as background:
        assert len(children_of(background.pid)) == 1
        stop(background)


def test_it_is_not_in_the_report():
    with running("--stacks", "native", "-f", "json", "-a") as background:
        reader = reader_of(background.pid)
        document = json.loads(stop(background).out)
    assert reader not in {process["pid"] for process in document["processes"]}


def test_it_counts_as_overhead():
    with puppet() as target, running("-f", "json", "-p", str(target.pid)) as background:
        alone = int(status_of(background.pid, "VmRSS")[0]) * 1024
        reader = int(status_of(reader_of(background.pid), "VmRSS")[0]) * 1024
        overhead = json.loads(stop(background).out)["capture"]["overhead"]
    assert overhead["resident_bytes"] > alone * 0.9 + reader * 0.9


# ---- what if it is gone ----

def named(document, pid):
    process = support.process_of(document, pid)
    support.assert_balanced(process)
    return [frame["function"] for site in process["sites"] for frame in site["stack"]
            if frame["function"]]


def notes(document):
    return [note for note in document["capture"].get("notes", []) if SENTENCE in note]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_names_are_lost_and_nothing_else(number):
    """Killed, or hanging: all is counted, and one sentence says what is missing."""
    with puppet() as target, running("-f", "json", "-p", str(target.pid)) as background:
        reader = reader_of(background.pid)
        target.do("touch 100")
        os.kill(reader, number)
        document = json.loads(stop(background).out)
        if number == signal.SIGSTOP:
            os.kill(reader, signal.SIGCONT)
    assert len(notes(document)) == 1
    assert not named(document, target.pid)
    process = support.process_of(document, target.pid)
    assert sum(site["touched_bytes"] for site in process["sites"]) >= 100 * PAGE
    assert any(frame["module"].endswith("/puppet") and frame["offset"] == 0
               for site in process["sites"] for frame in site["stack"])
    assert eventually(lambda: has_ended(reader))


def test_text_says_it_in_one_sentence():
    with puppet() as target, running("-p", str(target.pid)) as background:
        target.do("touch 100")
        os.kill(reader_of(background.pid), signal.SIGKILL)
        done = stop(background)
    assert_full_report(done.text)
    assert done.text.count("reads files of code") == 1


def test_command_without_it():
    """It dies while the command loads what was not there before."""
    script = "import time; time.sleep(1); import json, sqlite3; x = bytearray(1 << 22); print(7)"
    with running("-f", "json", "-o", "/dev/stderr", "--", sys.executable, "-c",
                 script) as background:
        os.kill(reader_of(background.pid), signal.SIGKILL)
        done = background.wait()
    assert (done.status, done.out) == (0, b"7\n")
    document = json.loads(done.err[done.err.index(b"{"):])
    assert len(notes(document)) == 1
    support.assert_balanced(document["processes"][0])


def test_screen_goes_on_without_it():
    with puppet() as target:
        with on_terminal(support.MEMTRACE, "top", "--stacks", "native", "-i", "0.2", "-p",
                         target.pid) as terminal:
            terminal.read_until(b"events/s")
            os.kill(reader_of(terminal.process.pid), signal.SIGKILL)
            target.do("touch 100")
            terminal.read_until(b"touched by")
            terminal.type(b"q")
            assert terminal.wait() == 0


# ---- files ----

@pytest.fixture(scope="module", name="libraries")
def fixture_libraries(tmp_path_factory):
    folder = tmp_path_factory.mktemp("libraries")
    (folder / "one.c").write_text("int one(void) { return 1; }\n")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", folder / "0.so", folder / "one.c"], check=True)
    for number in range(1, LIBRARIES):
        shutil.copy(folder / "0.so", folder / f"{number}.so")
    return folder


LOADING = """
import ctypes, sys
input()
for number in range({}): ctypes.CDLL(f"{{sys.argv[1]}}/{{number}}.so").one()
print("done", flush=True)
input()
"""


def test_descriptors_do_not_leak(libraries):
    """memtrace opens each file, hands it over, and has done with it as soon as it has a table."""
    with subprocess.Popen([sys.executable, "-c", LOADING.format(LIBRARIES), libraries], text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        with running("-p", str(process.pid)) as background:
            before = len(links_of(background.pid))
            process.stdin.write("\n")
            process.stdin.flush()
            assert process.stdout.readline() == "done\n"
            reader = reader_of(background.pid)
            assert eventually(lambda: sum(link.startswith(str(libraries))
                                          for link in links_of(reader)) > LIBRARIES / 2)
            assert eventually(lambda: len(links_of(background.pid)) <= before + 4)
            stop(background)
        process.communicate("\n", timeout=support.SECONDS)


HEAD = b"\x7fELF\x02\x01\x01" + bytes(9)


@pytest.mark.parametrize("data, is_given", [
    (HEAD + b"\x03\0\x3e\0\x01\0\0\0" + b"\xff" * 8192, True),
    (HEAD + b"\x03\0\x3e\0\x01\0\0\0" + bytes(16) + b"\x40" + bytes(17) + b"\x40\0\xff\xff", True),
    (HEAD + b"\x04\0\x3e\0" + bytes(8192), False),
    (b"secret " * 1000, False),
], ids=["garbage", "sections", "core", "text"])
def test_code_of_no_program(data, is_given, tmp_path):
    """It runs code from a file that no linker has made."""
    path = tmp_path / "code"
    path.write_bytes(data + bytes(16384))
    script = ("import mmap, sys; f = open(sys.argv[1]); "
              "m = mmap.mmap(f.fileno(), 8192, flags=2, prot=5); print(1, flush=True); "
              "input(); x = bytearray(1 << 22); print(2, flush=True); input()")
    with subprocess.Popen([sys.executable, "-c", script, path], text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        with running("-f", "json", "-p", str(process.pid)) as background:
            given = links_of(reader_of(background.pid))
            process.stdin.write("\n")
            process.stdin.flush()
            process.stdout.readline()
            document = json.loads(stop(background).out)
        process.communicate("\n", timeout=support.SECONDS)
    assert not notes(document) and named(document, process.pid)
    assert is_given or str(path) not in given


def test_what_it_asks_for_is_a_program():
    """A link to debug symbols that leads to a file which others may not read."""
    with public_folder() as folder:
        secret = folder / "secret"
        secret.write_text("not for everybody\n" * 100)
        secret.chmod(0o600)
        shutil.copy("/bin/sleep", folder / "sleep")
        subprocess.run(["objcopy", f"--add-gnu-debuglink={secret}", folder / "sleep"], check=True)
        with subprocess.Popen([folder / "sleep", "60"]) as process:
            with running("-p", str(process.pid)) as background:
                given = links_of(reader_of(background.pid))
                stop(background)
            process.kill()
    assert str(folder / "sleep") in given and str(secret) not in given
