# SPDX-License-Identifier: GPL-2.0
"""Are names of programs, cgroups and files taken for what they are, whatever is in them?"""
import contextlib
import json
import os
import shutil
import signal
import subprocess

import pytest

from cgroups import cgroup
from program import OWN_FAILURE, eventually, memtrace, public_folder, running
from puppet import program, puppet
from test_names import NAMES, as_utf8, assert_harmless, samples
import support

# What a file can be called: no slash, no NUL, and not nothing.
FILES = {name: data for name, data in NAMES.items()
         if data.strip(b".") and b"/" not in data} | {
    "long": b"x" * 255, "long and wide": "記".encode() * 85, "long and steering": b"\x1b[7m" * 60}
HOSTILE = ["newline", "color", "title", "invalid", "right to left", "quotes", "long and steering"]


@contextlib.contextmanager
def folder_named(data):
    with public_folder() as folder:
        path = os.path.join(os.fsencode(folder), data)
        os.mkdir(path, 0o755)
        yield path


# ---- programs ----

@pytest.mark.parametrize("name", FILES)
def test_program_that_was_there(name):
    with folder_named(FILES[name]) as folder:
        path = shutil.copy(program(), os.path.join(folder, FILES[name]))
        with puppet(executable=path) as target:
            process = support.process_of(support.report("-p", target.pid, "-d", "0.05"), target.pid)
    assert process["executable"] == as_utf8(path)
    assert process["command"] == as_utf8(FILES[name][:15])


@pytest.mark.parametrize("name", FILES)
def test_program_that_is_run(name):
    """Which is gone before anybody could ask /proc."""
    with folder_named(FILES[name]) as folder:
        path = shutil.copy("/bin/true", os.path.join(folder, FILES[name]))
        report = os.path.join(os.path.dirname(folder), b"report")
        done = memtrace("-f", "json", "-o", report, "--", path)
        assert (done.status, done.out, done.err) == (0, b"", b"")
        with open(report, encoding="utf-8") as file:
            process, = support.validate(json.load(file))["processes"]
    shown = process["executable"]
    assert shown == as_utf8(path) or (len(path) > 500 and shown.startswith("…/") and
                                      as_utf8(path).endswith(shown[1:]))
    assert process["arguments"] == [as_utf8(path)]


@pytest.mark.parametrize("name", HOSTILE)
def test_program_in_the_text_report(name):
    with folder_named(FILES[name]) as folder:
        path = shutil.copy("/bin/true", os.path.join(folder, FILES[name]))
        done = memtrace("--", path, FILES[name])
    assert done.status == 0
    assert_harmless(done.text)


@pytest.mark.parametrize("name", HOSTILE)
def test_program_whose_stacks_are_followed(name):
    """What its file is called is the module of its frames."""
    with folder_named(FILES[name]) as folder:
        path = shutil.copy(program(), os.path.join(folder, FILES[name]))
        with puppet(executable=path) as target:
            with running("--stacks", "native", "-f", "json", "-p", str(target.pid)) as background:
                target.do("touch 100")
                background.signal(signal.SIGINT)
                done = background.wait()
    assert done.status == 0
    process = support.process_of(json.loads(done.out.decode("utf-8", "strict")), target.pid)
    support.assert_balanced(process)
    modules = {frame["module"] for site in process["sites"] for frame in site["stack"]}
    shown = as_utf8(path)
    assert modules & {shown, shown.replace("\n", "\\012")}


# ---- functions ----

CALLS = """
#include <sys/mman.h>
#include <unistd.h>
__attribute__((noinline)) void named(char *at)
{
    for (int i = 0; i < 1000; i++)
        at[i * 4096L] = 1;
    __asm__ volatile("" ::: "memory");
}
int main(void)
{
    char *at = mmap(0, 4096000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    madvise(at, 4096000, MADV_NOHUGEPAGE);
    usleep(500000); /* to be known by then */
    named(at);
    return sleep(1);
}
"""


@contextlib.contextmanager
def with_function(data):
    """A program whose memory was touched by a function of that name."""
    with public_folder() as folder:
        (folder / "calls.c").write_text(CALLS)
        subprocess.run(["cc", "-O1", "-o", folder / "calls", folder / "calls.c"], check=True)
        subprocess.run([b"objcopy", b"--redefine-sym", b"named=" + data,
                        os.fsencode(folder / "calls")], check=True)
        yield folder / "calls"


@pytest.mark.parametrize("name", ["color", "title", "newline", "invalid", "right to left", "quotes",
                                  "long and steering", "html", "format"])
def test_function(name):
    with with_function(FILES[name]) as path, public_folder() as folder:
        capture = folder / "capture"
        done = memtrace("--stacks", "native", "-d", "0.9", "-w", capture, "--", path)
        json_report, folded = (memtrace("report", "-f", format, capture)
                               for format in ("json", "folded"))
    assert done.err == b""
    assert_harmless(done.text)
    assert_harmless(folded.text)
    document = json.loads(json_report.out.decode("utf-8", "strict"))
    functions = {frame["function"] for site in document["processes"][0]["sites"]
                 for frame in site["stack"]}
    assert as_utf8(FILES[name]) in functions


# ---- cgroups ----

@pytest.mark.parametrize("name", [name for name in FILES if b"\n" not in FILES[name]
                                  and len(FILES[name]) < 200])
def test_cgroup(name):
    with cgroup() as outer, cgroup(os.fsdecode(FILES[name]), inside=outer) as group, \
            puppet(preexec_fn=group.enter) as member:
        path = os.fsencode(group.path)
        with public_folder() as folder:
            capture = folder / "capture"
            done = memtrace("-d", "0.05", "-w", capture, "--cgroup", path)
            assert (done.status, done.err) == (0, b"")
            document, metrics = (memtrace("report", "-f", format, capture)
                                 for format in ("json", "openmetrics"))
        assert_harmless(done.text)
        process = support.process_of(json.loads(document.out), member.pid)
        # The kernel writes control characters and backslashes in octal there.
        with open(f"/proc/{member.pid}/cgroup", "rb") as file:
            shown = [line.rstrip(b"\n").split(b":", 2)[2] for line in file]
        assert process["cgroup"] in map(as_utf8, shown)
        assert "\ufffd" in process["cgroup"] or \
            {labels["cgroup"] for _, labels, _ in samples(metrics.text) if "cgroup" in labels} >= \
            {process["cgroup"]} or any(ord(c) < 32 or c == "\x7f" for c in process["cgroup"])


# ---- what is said ----

@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("words, status", [
    (["report", "{}"], 1), (["-w", "{}/x", "--", "true"], OWN_FAILURE),
    (["-o", "{}/x", "-a", "-d", "0.1"], 1), (["--cgroup", "/{}", "-d", "0.1"], 1),
    (["--", "{}"], 127), (["-a", "-f", "{}"], 2), (["-p", "{}"], 2), (["{}"], 127),
    (["report", "-f", "json", "-o", "{}/x", "/dev/null"], 1)], ids=lambda value: str(value))
def test_sentence_about_a_name(words, status, name):
    done = memtrace(*(word.encode().replace(b"{}", FILES[name]) for word in words))
    assert done.status == status
    assert done.err.startswith(b"memtrace: ") and done.err.count(b"\n") == 1
    assert_harmless(done.said.rstrip("\n"))


@pytest.mark.parametrize("name", HOSTILE)
def test_damaged_capture_of_a_name(name):
    with public_folder() as folder:
        path = os.path.join(os.fsencode(folder), FILES[name])
        with open(path, "wb") as file:
            file.write(b"MEMTRACE" + bytes(100))
        done = memtrace("report", path)
    assert done.status == 1
    assert_harmless(done.said.rstrip("\n"))


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_said_while_it_counts(name):
    """-v, with processes that come, change their names and go."""
    with public_folder() as folder:
        with support.started(support.MEMTRACE, "-v", "-a", "-i", "0.1", "-d", "0.6", "-o",
                             folder / "report", stderr=subprocess.PIPE) as process:
            for _ in range(5):
                with puppet(FILES[name], name=FILES[name]) as target:
                    target.name(FILES[name][:15])
                    target.do("touch 100")
                    child = target.do("fork 1")
                    os.kill(child, signal.SIGKILL)
            said = process.communicate(timeout=60)[1].decode()
        assert process.returncode == 0
        assert eventually((folder / "report").read_text)
        assert_harmless((folder / "report").read_text())
    assert_harmless(said)
