# SPDX-License-Identifier: GPL-2.0
"""Real programs: not a byte of any of their processes may be unexplained."""
import contextlib
import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import pytest

import machine
import support

NOISE_SHARE = 0.001
MB = 1_000_000


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")


def own_books(document):
    return [process for process in document["processes"] if not process["shares_memory_with"]]


def assert_books(processes, least=1):
    """Of each process, living or dead: explained to the byte, and hardly anything unnamed."""
    assert len(processes) >= least
    for process in processes:
        assert not any(process["unexplained"].values()), process
        assert process["kernel"] == process["closing"]
        if process["exit"]:
            assert not any(process["closing"].values()), process
            assert process["at_exit"] == process["kernel_at_exit"]
    rows = [row for process in processes for row in process["ledger"]]
    for balance in support.BALANCES:
        moved = sum(abs(row[balance]) for row in rows)
        other = [row for row in rows if row["operation"] == "other" and row[balance]]
        share = sum(abs(row[balance]) for row in other)
        assert share <= moved * NOISE_SHARE, f"{balance}: {share} of {moved} unnamed: {other}"


def assert_document(document, least=1):
    assert_books(own_books(document), least)
    assert not any(document["capture"]["losses"].values()), document["capture"]["losses"]


def resident(balances):
    return sum(balances[balance] for balance in support.RESIDENT)


def given_back(process):
    """What a process gave back before its end, of all that is resident."""
    return -sum(min(row[balance], 0) for row in process["ledger"] for balance in support.RESIDENT
                if row["operation"] != "exit")


# ---- Python ----

def run_python(script):
    document = support.report("--", "/usr/bin/python3", "-c", script)
    assert_document(document)
    assert len(document["processes"]) == 1
    process = document["processes"][0]
    assert process["exit"] == {"code": 0, "signal": 0}
    return process


def test_python_list():
    """Ten million numbers, of 32 bytes and 8 for the place in the list; nearly all goes by del."""
    process = run_python("numbers = [n + 1000 for n in range(10_000_000)]; del numbers")
    assert process["peak"]["resident_bytes"] > 390 * MB
    assert 380 * MB < given_back(process) < 900 * MB
    assert resident(process["at_exit"]) < 60 * MB


def test_python_numpy():
    """Zeroes are asked for, but not there: 100 of the 10,000 rows are."""
    pytest.importorskip("numpy", reason="python3-numpy is not installed")
    # It ends with the table: the interpreter would free it on its way out.
    process = run_python("import numpy, os; table = numpy.zeros((10_000, 10_000)); table[:100] = 1;"
                         "os._exit(0)")
    assert support.moved(process, "mmap", "virtual_bytes") > 800 * MB
    assert 8 * MB < support.moved(process, "fault", "anon_bytes") < 100 * MB
    assert process["at_exit"]["virtual_bytes"] > 800 * MB


def test_python_bytearrays():
    """A thousand pieces of a MiB in a cycle: it is the collector that frees them."""
    process = run_python("""
import gc
gc.disable()
pieces = [bytearray(1 << 20) for _ in range(1000)]
pieces.append(pieces)
del pieces
gc.collect()
""")
    assert process["peak"]["resident_bytes"] > 1000 << 20
    assert given_back(process) > 990 << 20
    assert process["at_exit"]["anon_bytes"] < 60 * MB


def test_node():
    """A collector of another kind, a JIT compiler, and threads with heaps of their own."""
    need("node")
    script = """
const { Worker, isMainThread } = require('worker_threads');
let kept = [];
for (let i = 0; i < 200; i++) kept.push(Buffer.alloc(1 << 20, 1), new Array(10000).fill({}));
kept = [];
global.gc();
if (isMainThread) for (let i = 0; i < 2; i++) new Worker('let a = []; for (let i = 0; i < 1e6;' +
    ' i++) a.push({ i });', { eval: true });
"""
    document = support.report("--", "node", "--expose-gc", "-e", script)
    assert_document(document)
    assert document["processes"][0]["peak"]["resident_bytes"] > 200 << 20
    assert given_back(document["processes"][0]) > 200 << 20


# ---- servers ----

@contextlib.contextmanager
def followed(*words, stacks="auto"):
    """A command that is followed from before its first instruction, and ended with the block."""
    with support.started("sh", "-c", "read line; exec \"$@\"", "sh", *words, text=True,
                         stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL) as process:
        with support.following("--stacks", stacks, "-p", process.pid) as memtrace:
            process.stdin.write("\n")
            process.stdin.flush()
            yield process, memtrace


def wait_for_socket(path, process):
    deadline = time.monotonic() + support.SECONDS
    with socket.socket(socket.AF_UNIX) as one:
        while one.connect_ex(str(path)):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)


def run(*words, **options):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True,
                          timeout=support.SECONDS, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def end(process, memtrace, number):
    """Ends a server in the way it likes; returns the document."""
    process.send_signal(number)
    assert process.wait(support.SECONDS) == 0
    return memtrace.wait()


def test_redis(tmp_path):
    """Filled, saved by a child that lives on copies, emptied, ended."""
    need("redis-server", "redis-cli", "redis-benchmark")
    path = tmp_path / "socket"

    def fill():
        run("redis-benchmark", "-s", path, "-q", "-n", 20000, "-r", 10000, "-d", 4000, "-t",
            "set,get,lpush")

    with followed("redis-server", "--port", "0", "--unixsocket", path, "--dir", tmp_path,
                  "--save", "") as (process, memtrace):
        wait_for_socket(path, process)
        fill()
        run("redis-cli", "-s", path, "bgsave")
        fill()
        run("redis-cli", "-s", path, "flushall")
        document = end(process, memtrace, signal.SIGTERM)
    assert_document(document, 2)
    server = support.process_of(document, process.pid)
    assert server["exit"] == {"code": 0, "signal": 0}
    assert support.moved(server, "fault", "anon_bytes") > 40 * MB
    saver = [child for child in document["processes"] if child["parent_pid"] == process.pid]
    assert support.moved(saver[0], "fork", "anon_bytes") > 40 * MB
    assert support.counted(server, "fault.cow") > 100


@contextlib.contextmanager
def folder_of(name):
    """A folder that belongs to a user."""
    user = pwd.getpwnam(name)
    folder = tempfile.mkdtemp(prefix="memtrace-real-", dir=machine.disk_folder())
    try:
        os.chown(folder, user.pw_uid, user.pw_gid)
        yield folder
    finally:
        shutil.rmtree(folder)


def test_postgres():
    """A family of processes around shared memory, one more for each of four clients."""
    need("setpriv", "psql", "pgbench")
    binaries = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
    if not binaries:
        pytest.skip("postgresql is not installed")
    demoted = ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups")
    with folder_of("postgres") as folder:
        environment = dict(os.environ, PGHOST=folder, PGUSER="postgres", PGDATABASE="postgres")
        run(*demoted, f"{binaries[-1]}/initdb", "-D", f"{folder}/data", "-A", "trust", "-N")
        with followed(*demoted, f"{binaries[-1]}/postgres", "-D", f"{folder}/data", "-k", folder,
                      "-c", "listen_addresses=", "-F") as (process, memtrace):
            wait_for_socket(f"{folder}/.s.PGSQL.5432", process)
            run("pgbench", "-q", "-i", "-s", 2, env=environment)
            run("pgbench", "-c", 4, "-j", 2, "-T", 3, env=environment)
            run("psql", "-c", "create table t as select generate_series(1, 300000) i;"
                "select count(*) from t a join t b using (i)", env=environment)
            document = end(process, memtrace, signal.SIGINT)
    assert_document(document, 10)
    assert support.process_of(document, process.pid)["exit"] == {"code": 0, "signal": 0}
    assert sum(support.moved(one, "fault", "shmem_bytes") for one in document["processes"]) > MB


# ---- many processes ----

def test_compilation(tmp_path):
    """make, sh, gcc, cc1, as, collect2 and ld: born by vfork, become others, and are gone."""
    need("make", "gcc")
    rules = ["all: program", "program: " + " ".join(f"f{i}.o" for i in range(6)),
             "\tgcc -o $@ $^", ".c.o:", "\tgcc -O2 -c -o $@ $<"]
    (tmp_path / "Makefile").write_text("\n".join(rules) + "\n")
    for i in range(6):
        body = f"int f{i}(int a) {{ return a * {i}; }}" if i else "int main(void) { return 0; }"
        (tmp_path / f"f{i}.c").write_text(f"#include <stdio.h>\n#include <stdlib.h>\n{body}\n")
    document = support.report("--", "make", "-j2", "-C", tmp_path)
    assert_document(document, 20)
    commands = [process["command"] for process in document["processes"]]
    assert commands.count("cc1") == 6 and commands.count("as") == 6
    assert all(process["exit"] == {"code": 0, "signal": 0} for process in own_books(document))


STRESSORS = {
    "memory": "--vm 2 --vm-bytes 64M --malloc 1 --malloc-bytes 32M",
    "heap": "--brk 1 --brk-ops 20011 --madvise 1 --mincore 1",
    "mappings": "--mmap 1 --mmap-bytes 64M --mremap 1 --mremap-bytes 32M --munmap 1",
    "many": "--mmapmany 1 --remap 1 --msync 1 --msync-bytes 16M",
    "births": "--fork 2 --vfork 1 --clone 1 --exec 1",
    "faults": "--fault 1 --userfaultfd 1 --vm-segv 1",
    "shared": "--shm 1 --shm-bytes 16M --shm-sysv 1 --shm-sysv-bytes 16M --memfd 1",
    "locked": "--mlock 1 --tlb-shootdown 1",
    "others": "--vm-rw 1 --vm-rw-bytes 16M --vm-splice 1 --ptrace 1 --aio 1 --io-uring 1",
}


def stress(name, folder):
    need("stress-ng")
    return ["stress-ng", *STRESSORS[name].split(), "--timeout", "2", "--temp-path", folder,
            "--quiet"]


@pytest.mark.parametrize("name", STRESSORS)
def test_stress(name, tmp_path):
    """The books alone: of so many mappings not each finds room in the stream for stacks."""
    with followed(*stress(name, tmp_path), stacks="none") as (process, memtrace):
        process.wait(support.SECONDS)
        document = memtrace.wait()
    assert_document(document, 2)


def test_stress_seen_from_afar(tmp_path):
    """The same as a part of the whole system."""
    with support.following("-a") as memtrace:
        for name in ("mappings", "births", "shared"):
            run(*stress(name, tmp_path))
        document = memtrace.stop()
    assert_books([process for process in own_books(document)
                  if process["command"].startswith("stress-ng") and process["exit"]], 100)
