# SPDX-License-Identifier: GPL-2.0
"""Does the first finding name the cause, in servers that say themselves how much it is?"""
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
import urllib.request

import pytest

import support

TOLERANCE = 0.05
MIB = 1 << 20
KEYS = 200_003
QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def run(*words, **options):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True,
                          timeout=support.SECONDS, check=True, **options)
    return done.stdout


def wait_until(holds):
    deadline = time.monotonic() + support.SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def listens(path):
    with socket.socket(socket.AF_UNIX) as one:
        return not one.connect_ex(str(path))


@contextlib.contextmanager
def server(path, *words, **options):
    """One that listens at a socket by now."""
    with support.started(*words, **QUIET, **options) as process:
        wait_until(lambda: listens(path))
        yield process


def look(pid):
    document = support.report("-d", 0.3, "-p", pid)
    return support.process_of(document, pid)


def judge(process, finding, truth, alarm=None):
    findings = process["findings"]
    said = "\n".join(f"{one['bytes']:>12} {one['id']}: {one['why']}" for one in findings)
    assert findings and findings[0]["id"] == finding, f"{truth}, and\n{said}"
    assert abs(findings[0]["bytes"] - truth) <= TOLERANCE * truth, f"{truth}, and\n{said}"
    if alarm is not None:
        assert any(one["alarm"] for one in findings) == alarm, said


# ---- redis ----

class Redis:
    def __init__(self, path):
        self.path = path

    def __call__(self, *words):
        return run("redis-cli", "-s", self.path, *words)

    def each_key(self, command):
        self("eval", f"local v = string.rep('x', 500) for i = 1, {KEYS} do {command} end", 0)

    def figure(self, section, name):
        for line in self("info", section).splitlines():
            if line.startswith(name + ":"):
                return int(line.split(":")[1])
        raise AssertionError(name)


@pytest.fixture(name="redis")
def start_redis(tmp_path):
    path = tmp_path / "socket"
    with server(path, "redis-server", "--port", "0", "--unixsocket", path, "--dir", tmp_path,
                "--save", "") as process:
        redis = Redis(path)
        redis.each_key("redis.call('set', 'k' .. i, v)")
        yield process, redis


def test_redis_holds_its_keys(redis):
    process, redis = redis
    seen = look(process.pid)
    judge(seen, "still-in-use", redis.figure("memory", "allocator_resident"), alarm=False)
    assert "jemalloc" in seen["findings"][0]["why"]  # which nobody looks into


def test_redis_copies_what_it_writes_to_while_a_child_saves(redis):
    process, redis = redis
    redis("config", "set", "rdb-key-save-delay", -8)  # a pause after each eighth
    with support.following("-p", process.pid) as follower:
        redis("bgsave")
        redis.each_key("redis.call('setrange', 'k' .. i, 0, 'yyyyy')")
        wait_until(lambda: not redis.figure("persistence", "rdb_bgsave_in_progress"))
        document = follower.stop()
    judge(support.process_of(document, process.pid), "cow-after-fork",
          redis.figure("persistence", "rdb_last_cow_size"), alarm=True)


# ---- memcached ----

def slabs(path, lines):
    """Says these lines to it; returns the memory of its slabs, and how much of it is in use."""
    with socket.socket(socket.AF_UNIX) as one:
        one.connect(str(path))
        with one.makefile("rwb") as stream:
            stream.writelines(lines)
            stream.write(b"stats slabs\r\n")
            stream.flush()
            said = dict(line.split()[1:] for line in iter(stream.readline, b"END\r\n"))
    used = sum(int(value) for name, value in said.items() if name.endswith(b":used_chunks"))
    return int(said[b"total_malloced"]), used


def test_memcached_keeps_its_slabs(tmp_path):
    """It never gives them back: to the system they are in use, filled or empty."""
    path = tmp_path / "socket"
    with server(path, "memcached", "-u", "root", "-m", 256, "-s", path) as process:
        truth, used = slabs(path, (b"set k%d 0 0 900 noreply\r\n%s\r\n" % (i, b"x" * 900)
                                   for i in range(100_003)))
        assert used == 100_003
        truth, used = slabs(path, (b"delete k%d noreply\r\n" % i for i in range(100_003)))
        assert used == 0
        judge(look(process.pid), "still-in-use", truth, alarm=False)


# ---- PostgreSQL ----

@contextlib.contextmanager
def postgres():
    binaries = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1]
    demoted = ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups")
    user = pwd.getpwnam("postgres")
    with tempfile.TemporaryDirectory(prefix="memtrace-verdict-", dir="/var/tmp") as folder:
        os.chown(folder, user.pw_uid, user.pw_gid)
        run(*demoted, f"{binaries}/initdb", "-D", f"{folder}/data", "-A", "trust", "-N")
        with server(f"{folder}/.s.PGSQL.5432", *demoted, f"{binaries}/postgres", "-D",
                    f"{folder}/data", "-k", folder, "-c", "listen_addresses=", "-c",
                    "shared_buffers=256MB", "-c", "max_parallel_workers_per_gather=0",
                    "-F") as process:
            yield dict(os.environ, PGHOST=folder, PGUSER="postgres", PGDATABASE="postgres")
            process.send_signal(signal.SIGINT)
            process.wait(support.SECONDS)


def test_what_a_backend_of_postgres_has_is_shared():
    with postgres() as environment:
        run("psql", "-c", "create table t as select repeat('x', 1000) "
            "from generate_series(1, 50000)", env=environment)
        with support.started("psql", "-qAt", stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             text=True, env=environment) as client:
            client.stdin.write("select count(*) from t; select pg_backend_pid(); select "
                               "pg_table_size('t') + sum(allocated_size) from pg_shmem_allocations "
                               "where name ~ 'Descriptors|Lookup|anonymous';\n")
            client.stdin.flush()
            _, backend, size = (int(client.stdout.readline()) for _ in range(3))
            seen = look(backend)
            client.stdin.close()
            client.wait(support.SECONDS)
    judge(seen, "shared-not-yours", size, alarm=False)


# ---- nginx ----

NGINX = """daemon off; user root; worker_processes 2; pid {0}/pid; error_log {0}/errors;
events {{}} http {{ access_log off; client_body_temp_path {0}/1; proxy_temp_path {0}/2;
fastcgi_temp_path {0}/3; scgi_temp_path {0}/4; uwsgi_temp_path {0}/5; gzip on; gzip_types *;
server {{ listen unix:{0}/socket; listen 127.0.0.1:{1}; root {0}; }} }}
"""


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def test_no_alarm_in_nginx_at_work(tmp_path):
    port = free_port()
    (tmp_path / "index.html").write_text("a page of text\n" * 3000)
    (tmp_path / "nginx.conf").write_text(NGINX.format(tmp_path, port))
    tmp_path.chmod(0o755)
    with server(tmp_path / "socket", "nginx", "-e", tmp_path / "errors", "-c",
                tmp_path / "nginx.conf") as process:
        pids = [process.pid, *map(int, run("pgrep", "-P", process.pid).split())]
        with support.following(*(word for pid in pids for word in ("-p", pid))) as follower:
            end = time.monotonic() + 1.5
            while time.monotonic() < end:
                request = urllib.request.Request(f"http://127.0.0.1:{port}/",
                                                 headers={"Accept-Encoding": "gzip"})
                with urllib.request.urlopen(request) as answer:
                    answer.read()
            document = follower.stop()
        process.terminate()
        process.wait(support.SECONDS)
    assert len(document["processes"]) == 3
    assert not [one["why"] for one in document["processes"] for one in one["findings"]
                if one["alarm"]]


# ---- node ----

NODE = """
let kept = [];
const say = () => console.log(process.memoryUsage().heapTotal);
const steps = [
    () => { for (let i = 0; i < 3e6; i++) kept.push({ i }); say(); },
    () => { kept = null; global.gc(); setTimeout(say, 700); },
    () => process.exit(0),
];
process.stdin.on('data', () => steps.shift()());
"""


def test_node_gives_back_what_it_collects():
    with support.started("node", "--expose-gc", "-e", NODE, stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, text=True) as process:
        def go_on():
            process.stdin.write("\n")
            process.stdin.flush()
            return int(process.stdout.readline())

        full = go_on()
        with support.following("-p", process.pid) as follower:
            truth = full - go_on()
            document = follower.stop()
    judge(support.process_of(document, process.pid), "returned", truth)


# ---- a server that forks its workers ----

PREFORK = """
import os, sys, time
data = [{"number": number, "text": str(number)} for number in range(300_007)]
workers = []
while len(workers) < 2 and all(workers):
    workers.append(os.fork())
if len(workers) == 2 and not workers[1]:  # the second one works, the first one waits
    print(sum(one["number"] for one in data) and os.getpid(), flush=True)
time.sleep(60)
"""


def private_bytes(pid):
    for line in support.text_of(pid, "smaps_rollup").splitlines():
        if line.startswith("Private_Dirty:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no Private_Dirty")


def test_workers_of_python_copy_what_they_look_at():
    with support.started("sh", "-c", "read line; exec \"$@\"", "sh", "/usr/bin/python3", "-c",
                         PREFORK, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         text=True) as process:
        with support.following("-p", process.pid) as follower:
            process.stdin.write("\n")
            process.stdin.flush()
            worker = int(process.stdout.readline())
            truth = private_bytes(worker)
            document = follower.stop()
        for one in document["processes"]:
            if one["parent_pid"] == process.pid:
                os.kill(one["pid"], signal.SIGKILL)
    judge(support.process_of(document, worker), "cow-after-fork", truth, alarm=True)


WEB = """
import http.server, json, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        answer = json.dumps([{"number": number} for number in range(3000)]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *words):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""


def test_no_alarm_in_a_server_of_python_at_work():
    """A thread for each request, which gives back what it had."""
    with support.started("/usr/bin/python3", "-c", WEB, stdout=subprocess.PIPE,
                         text=True) as process:
        port = int(process.stdout.readline())
        with support.following("-p", process.pid) as follower:
            end = time.monotonic() + 2
            while time.monotonic() < end:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as answer:
                    answer.read()
            document = follower.stop()
    findings = support.process_of(document, process.pid)["findings"]
    assert not [one["why"] for one in findings if one["alarm"]]


# ---- Java, where it is installed ----

JAVA = """
public class Main {
    public static void main(String[] words) throws Exception {
        byte[][] kept = new byte[20][1 << 20];
        Runtime java = Runtime.getRuntime();
        System.out.println(java.totalMemory() - java.freeMemory() + 0 * kept.length);
        System.in.read();
    }
}
"""


@pytest.mark.parametrize("java", glob.glob("/usr/bin/javac"))
def test_the_heap_that_java_was_given_is_not_used(java, tmp_path):
    (tmp_path / "Main.java").write_text(JAVA)
    run(java, "-d", tmp_path, tmp_path / "Main.java")
    with support.started("java", "-XX:+UseSerialGC", "-Xms1500m", "-Xmx4g", "-cp", tmp_path,
                         "Main", stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         text=True) as process:
        used = int(process.stdout.readline())
        seen = look(process.pid)
    judge(seen, "never-touched", 1500 * MIB - used, alarm=False)
