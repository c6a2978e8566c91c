# SPDX-License-Identifier: GPL-2.0
"""Does the report go where it was sent, and is it said where it could not?"""
import fcntl
import json
import os
import signal
import stat
import subprocess
import time

import pytest

from program import (OWN_FAILURE, assert_full_report, assert_sentence, eventually,
                     in_mount_namespace, memtrace, public_folder, refused, running, shell)
from puppet import puppet
import support

FORMATS = ["text", "json", "openmetrics"]


@pytest.fixture(scope="module")
def capture(tmp_path_factory):
    """A saved capture."""
    path = tmp_path_factory.mktemp("output") / "capture"
    support.run("-w", path, "-o", "/dev/null", "--", "sh", "-c", "/bin/true; :")
    return path


def assert_whole(text, format):
    if format == "json":
        assert json.loads(text)["schema"] == "memtrace/1"
    elif format == "openmetrics":
        assert text.endswith("# EOF\n")
    else:
        assert_full_report(text)


# ---- formats ----

@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("mode", ["run", "attach", "system"])
def test_standard_output_is_the_report_alone(mode, format):
    with puppet() as target:
        words = {"run": ["--", "true"], "attach": ["-d", "0.1", "-p", str(target.pid)],
                 "system": ["-d", "0.1", "-a"]}[mode]
        done = memtrace("-f", format, *words)
    assert (done.status, done.err) == (0, b"")
    assert_whole(done.text, format)
    if format == "json":
        assert json.loads(done.text)["capture"]["mode"] == mode


def test_every_field_of_the_contract():
    document = support.report("--", "sh", "-c", "/bin/true; :")
    assert {"schema", "host", "capture", "processes", "histograms"} <= set(document)
    assert {"kernel", "architecture", "page_bytes", "cpus"} <= set(document["host"])
    assert {"mode", "started_unix_ns", "duration_ns", "sample", "losses", "features",
            "overhead"} <= set(document["capture"])
    assert {"cells", "stacks", "pages", "mappings", "events"} <= set(document["capture"]["losses"])
    for process in document["processes"]:
        assert {"pid", "parent_pid", "started_unix_ns", "command", "arguments", "executable",
                "cgroup", "exit", "opening", "closing", "kernel", "unexplained", "peak", "at_exit",
                "ledger", "sites", "mappings", "histograms", "findings"} <= set(process)
        for row in process["ledger"]:
            assert {"operation", "call", "count", "failed", "requested_bytes",
                    *support.BALANCES} <= set(row)
    assert document["host"]["kernel"] == os.uname().release
    assert document["host"]["page_bytes"] == os.sysconf("SC_PAGESIZE")


# ---- files ----

@pytest.mark.parametrize("option", ["-o", "-w"])
def test_new_file_is_for_its_owner_alone(option, tmp_path):
    """What it says of other users' processes is not for all to read."""
    file = tmp_path / "file"
    done = memtrace(option, file, "--", "true", umask=0)
    assert done.status == 0 and stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("option", ["-o", "-w"])
def test_file_that_is_there_is_overwritten(option, tmp_path, capture):
    file, other = tmp_path / "file", tmp_path / "another name"
    file.write_bytes(b"x" * 1000000)
    file.chmod(0o640)
    os.link(file, other)
    assert memtrace(option, file, "--", "true").status == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert file.stat().st_ino == other.stat().st_ino
    assert b"xxxxxxxx" not in file.read_bytes()
    if option == "-o":
        assert_full_report(file.read_text())
    else:
        assert memtrace("report", file).status == 0


@pytest.mark.parametrize("option", ["-o", "-w"])
@pytest.mark.parametrize("there", [True, False])
def test_not_through_a_symbolic_link(option, there, tmp_path):
    """In a folder like /tmp another user may have put it there, for root to follow."""
    victim, link = tmp_path / "victim", tmp_path / "link"
    if there:
        victim.write_text("precious")
    link.symlink_to(victim)
    done = memtrace(option, link, "--", "true")
    assert_sentence(done, OWN_FAILURE, str(link), "symbolic link")
    assert victim.exists() is there and (not there or victim.read_text() == "precious")


@pytest.fixture(params=[0o777, 0o1777, 0o1770], ids=oct)
def crowded(request):
    """A folder like /tmp, where others may put files."""
    with public_folder() as folder:
        folder.chmod(request.param)
        yield folder


def put(path, owner=65534):
    path.write_text("old")
    os.chown(path, owner, owner)


@pytest.mark.parametrize("option", ["-o", "-w"])
def test_not_into_what_another_user_has_put_there(option, crowded):
    """Who could read then what root has seen."""
    put(crowded / "file")
    os.mkfifo(crowded / "fifo")
    os.chown(crowded / "fifo", 65534, 65534)
    with open(crowded / "fifo", "r+b", buffering=0):
        for name in ("file", "fifo"):
            assert_sentence(memtrace(option, crowded / name, "--", "true"), OWN_FAILURE, name)
    assert (crowded / "file").read_text() == "old"


@pytest.mark.parametrize("option", ["-o", "-w"])
def test_not_into_another_name_of_a_file(option, crowded):
    (crowded / "own").write_text("precious")
    os.link(crowded / "own", crowded / "trap")
    assert_sentence(memtrace(option, crowded / "trap", "--", "true"), OWN_FAILURE, "trap")
    assert (crowded / "own").read_text() == "precious"


@pytest.mark.parametrize("option", ["-o", "-w"])
def test_own_file_in_a_crowd(option, crowded):
    put(crowded / "file", 0)
    for name in ("file", "new"):
        assert memtrace(option, crowded / name, "--", "true").status == 0
        assert (crowded / name).stat().st_uid == 0
        assert (crowded / name).read_bytes() != b"old"


def test_capture_in_another_users_folder():
    """As with sudo: root may write there, and memtrace has no right to that any more when it
    does."""
    with public_folder() as folder:
        folder.chmod(0o755)
        put(folder / "old")
        os.chown(folder, 65534, 65534)
        for name in ("old", "new"):
            assert memtrace("-w", folder / name, "-o", folder / "report", "--", "true").status == 0
            assert memtrace("report", folder / name).status == 0
            assert not stat.S_IMODE((folder / name).stat().st_mode) & 0o007
        assert_full_report((folder / "report").read_text())


def test_report_to_standard_output_by_its_sign():
    with puppet() as target:
        done = memtrace("-o", "-", "-p", str(target.pid), "-d", "0.1", cwd="/tmp")
    assert done.status == 0
    assert_full_report(done.text)
    assert not os.path.exists("/tmp/-")


def test_file_whose_name_begins_with_a_dash(tmp_path):
    assert memtrace("-o", "-x", "--", "true", cwd=tmp_path).status == 0
    assert_full_report((tmp_path / "-x").read_text())


def test_report_through_a_fifo(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with subprocess.Popen(["cat", fifo], stdout=subprocess.PIPE) as reader:
        assert memtrace("-o", fifo, "--", "true").status == 0
        assert_full_report(reader.communicate(timeout=30)[0].decode())


@pytest.mark.parametrize("option", ["-o", "-w"])
@pytest.mark.parametrize("path", ["/no/such/folder/file", "/", "", "/proc/file", "x" * 300])
def test_file_that_cannot_be_made(option, path):
    with puppet() as target:
        refused(option, path, "-p", str(target.pid), "-d", "0.1", says=[path])


@pytest.mark.parametrize("option", ["-o", "-w"])
def test_it_is_known_at_once_that_a_file_cannot_be_made(option):
    """Not after a day of counting."""
    with puppet() as target:
        with support.started(support.MEMTRACE, option, "/no/such/folder/file", "-p", target.pid,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            assert eventually(lambda: process.poll() is not None, 8), "it is counting"
            assert process.returncode == 1


@pytest.mark.parametrize("option", ["-o", "-w"])
def test_run_that_fails_leaves_files_as_they_were(option, tmp_path):
    """A mistyped pid must not cost yesterday's capture."""
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_text("precious")
    for path in (old, new):
        refused(option, path, "-p", "99999999")
        refused(option, path, "--", "/no/such/command", status=127)
    assert os.listdir(tmp_path) == ["old"] and old.read_text() == "precious"


@pytest.mark.parametrize("mode", [0o666, 0o604, 0o606])
def test_capture_in_a_file_that_all_may_read_becomes_its_owners(mode, tmp_path):
    path = tmp_path / "capture"
    path.write_text("old")
    path.chmod(mode)
    assert memtrace("-w", path, "--", "true").status == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_report_and_capture_in_one_file_are_refused(tmp_path):
    path, other = tmp_path / "file", tmp_path / "another name"
    script = '"$MEMTRACE" -w "$1" -- touch "$2" > "$1"'
    for words in (["-o", path, "-w", path], ["-o", other, "-w", path]):
        assert_sentence(memtrace(*words, "--", "touch", tmp_path / "was-run"), OWN_FAILURE,
                        str(path))
        path.write_text("")
        if not other.exists():
            os.link(path, other)
    assert_sentence(shell(script, path, tmp_path / "was-run"), OWN_FAILURE, str(path))
    assert not (tmp_path / "was-run").exists()
    assert memtrace("-o", "/dev/null", "-w", "/dev/null", "--", "true").status == 0


def test_what_is_open_already_by_its_name(tmp_path):
    """As a shell gives it for >(command); what the file had before is not memtrace's to drop."""
    done = memtrace("-o", "/dev/stderr", "--", "echo", "to standard output")
    assert (done.status, done.out) == (0, b"to standard output\n")
    assert_full_report(done.said)
    words = 'cd "$1"; echo before > log; "$MEMTRACE" -o /dev/fd/7 -w /dev/stdout -- true 7>> log'
    done = shell(words, tmp_path)
    assert done.status == 0 and (tmp_path / "log").read_text().startswith("before\nmemtrace ")
    (tmp_path / "capture").write_bytes(done.out)
    assert memtrace("report", tmp_path / "capture").status == 0
    refused("-o", "/dev/fd/77", "--", "true", status=OWN_FAILURE, says=["/dev/fd/77"])
    refused("-o", "/dev/stdin", "--", "true", status=OWN_FAILURE, says=["/dev/stdin"])


def test_report_and_capture_at_once(tmp_path):
    with puppet() as target:
        support.run("-f", "json", "-o", tmp_path / "report", "-w", tmp_path / "capture", "-p",
                    target.pid, "-d", "0.1")
    assert support.run("report", "-f", "json", tmp_path / "capture")[0] == \
        (tmp_path / "report").read_text()


# ---- standard output that takes nothing ----

def modes(target, capture):
    return {"run": ["--", "true"], "attach": ["-p", str(target.pid), "-d", "0.1"],
            "system": ["-a", "-d", "0.1"], "report": ["report", capture], "check": ["check"],
            "help": ["--help"], "version": ["--version"]}


NAMES = ["run", "attach", "system", "report", "check", "help", "version"]


def failure(name):
    return OWN_FAILURE if name == "run" else 1


@pytest.mark.parametrize("name", NAMES)
def test_full_disk(name, capture):
    with puppet() as target, open("/dev/full", "wb") as full:
        done = memtrace(*modes(target, capture)[name], stdout=full)
    assert_sentence(done, failure(name), "No space left on device")


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", ["run", "attach", "system", "report"])
def test_full_disk_in_each_format(name, format, capture):
    with puppet() as target, open("/dev/full", "wb") as full:
        words = modes(target, capture)[name]
        at = 1 if name == "report" else 0
        done = memtrace(*words[:at], "-f", format, *words[at:], stdout=full)
    assert_sentence(done, failure(name), "No space left on device")


@pytest.mark.parametrize("name", NAMES)
def test_closed_standard_output(name, capture):
    with puppet() as target:
        done = shell('"$MEMTRACE" "$@" >&-', *modes(target, capture)[name])
    assert_sentence(done, failure(name))


def test_nothing_is_run_where_standard_output_is_closed(tmp_path):
    done = shell('"$MEMTRACE" -- touch "$1" >&-', tmp_path / "was-run")
    assert_sentence(done, OWN_FAILURE)
    assert not (tmp_path / "was-run").exists()


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_nothing_strays_into_what_a_closed_stream_was(closed, tmp_path):
    """The command waits on a pipe: what memtrace says must not come out of that."""
    shell(f'"$MEMTRACE" -v -o "$1" -i 0.05 -- sh -c "sleep 0.2; : > $2" {closed}',
          tmp_path / "report", tmp_path / "was-run")
    assert (tmp_path / "was-run").exists()
    assert "counting" not in (tmp_path / "report").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_reader_that_is_gone(name, capture):
    reader, writer = os.pipe()
    os.close(reader)
    with puppet() as target, open(writer, "wb") as closed:
        done = memtrace(*modes(target, capture)[name], stdout=closed)
    if done.status == -signal.SIGPIPE and name in ("check", "help", "version"):
        return  # as any program: there is no work to lose
    assert_sentence(done, failure(name), "closed")


@pytest.mark.parametrize("format", FORMATS)
def test_reader_that_wants_the_first_line_alone(format, capture):
    done = shell('"$MEMTRACE" report -f "$1" "$2" | head -1', format, capture)
    assert done.status == 0 and done.out.count(b"\n") == 1
    assert done.err == b"" or done.err.count(b"\n") == 1


def test_reader_of_intervals_that_goes():
    """`memtrace -i 1 ... | head` ends with head, as vmstat does, and not with the target."""
    with puppet() as target:
        with running("-p", str(target.pid), "-i", "0.1") as background:
            target.do("touch 10")
            assert background.process.stdout.readline()
            background.process.stdout.close()
            ended = eventually(lambda: background.process.poll() is not None, 5)
    assert ended, "it writes on, to nobody"


def test_intervals_on_a_full_disk():
    with puppet() as target, open("/dev/full", "wb") as full:
        with running("-p", str(target.pid), "-i", "0.1", stdout=full) as background:
            target.do("touch 10")
            ended = eventually(lambda: background.process.poll() is not None, 5)
    assert ended, "it counts on, and nothing of it will be seen"


def test_intervals_of_a_command_on_a_full_disk():
    """It is told at once; the command is not disturbed, and waited for."""
    with open("/dev/full", "wb") as full:
        with running("-i", "0.1", "--", "sh", "-c", "read line; echo $line >&2; exit 3",
                     stdin=subprocess.PIPE, stdout=full) as background:
            assert b"No space left on device" in background.process.stderr.readline()
            background.process.stdin.write(b"went on\n")
            background.process.stdin.flush()
            assert background.process.stderr.readline() == b"went on\n"
            assert background.wait().status == OWN_FAILURE


def test_intervals_that_nobody_reads_leave_the_capture(tmp_path):
    with puppet() as target:
        with running("-p", str(target.pid), "-i", "0.1", "-w", tmp_path / "capture") as background:
            target.do("touch 10")
            background.process.stdout.close()
            assert eventually(lambda: background.process.poll() is not None, 5)
            assert background.process.returncode == 1
    assert_full_report(memtrace("report", tmp_path / "capture").text)


def test_closed_standard_error():
    """What is to be said there is lost; all else goes its way."""
    done = shell('"$MEMTRACE" -v -- sh -c "exit 3" 2>&-')
    assert done.status == 3
    assert_full_report(done.text)
    done = shell('"$MEMTRACE" -p 99999999 2>&-')
    assert (done.status, done.out) == (1, b"")


@pytest.mark.parametrize("closed", ["<&-", "<&- >&-", "<&- 2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams_with_a_report_in_a_file(closed, tmp_path):
    """Descriptors 0 to 2 may be given to files of memtrace's own: nothing strays into them."""
    report, data = tmp_path / "report", tmp_path / "capture"
    done = shell(f'"$MEMTRACE" -v -f json -o "$1" -w "$2" -- sh -c "exit 5" {closed}', report, data)
    assert done.status == 5
    document = json.loads(report.read_text())
    assert document["processes"][0]["exit"] == {"code": 5, "signal": 0}
    assert support.run("report", "-f", "json", data)[0] == report.read_text()


@pytest.mark.parametrize("closed", ["<&-", ">&-", "<&- >&- 2>&-"])
def test_command_has_the_same_streams_closed(closed, tmp_path):
    script = f'sh -c "ls /proc/self/fd > $1.plain" {closed}; ' \
             f'"$MEMTRACE" -o /dev/null -- sh -c "ls /proc/self/fd > $1.followed" {closed}'
    shell(script, tmp_path / "list")
    assert (tmp_path / "list.followed").read_text() == (tmp_path / "list.plain").read_text() != ""


# ---- no room for the capture ----

def test_full_disk_for_the_capture_leaves_the_report():
    """An hour's counting must not be lost with it."""
    with public_folder() as folder:
        prefix = in_mount_namespace(f"mount -t tmpfs -o size=16k memtrace-test {folder} && "
                                    f"! cat /dev/zero 2>/dev/null > {folder}/ballast",
                                    f"ls {folder} >&2")
        done = memtrace("-a", "-d", "0.2", "--calls", "on", "-w", folder / "capture",
                        prefix=prefix)
    assert done.status == 1
    first, *listed = done.said.splitlines()
    assert "No space left on device" in first
    assert listed == ["ballast"], "half a capture is left behind"
    assert_full_report(done.text)


def test_device_that_is_full_for_the_capture_leaves_the_report():
    with puppet() as target:
        done = memtrace("-p", str(target.pid), "-d", "0.1", "-w", "/dev/full")
    assert_sentence(done, 1, "/dev/full", "No space left on device")
    assert_full_report(done.text)
    assert os.path.exists("/dev/full")


def test_full_disk_for_the_report_leaves_the_capture(tmp_path):
    with puppet() as target, open("/dev/full", "wb") as full:
        done = memtrace("-p", str(target.pid), "-d", "0.1", "-w", tmp_path / "capture", stdout=full)
    assert_sentence(done, 1, "No space left on device")
    assert memtrace("report", tmp_path / "capture").status == 0


def test_status_of_the_command_where_the_report_was_lost():
    with open("/dev/full", "wb") as full:
        done = memtrace("--", "sh", "-c", "exit 3", stdout=full)
    assert_sentence(done, OWN_FAILURE)


@pytest.mark.parametrize("blocking", [True, False])
def test_slow_reader_gets_all_of_it(blocking):
    """Also from a pipe that others have made non-blocking for themselves."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(writer, blocking)
    with subprocess.Popen([support.MEMTRACE, "-f", "json", "-a", "--calls", "on", "-d", "0.3"],
                          stdout=writer) as process, open(reader, "rb") as stream:
        os.close(writer)
        time.sleep(1)
        text = b""
        while data := stream.read1(777):
            text += data
        assert process.wait(30) == 0
    assert json.loads(text)["schema"] == "memtrace/1"
