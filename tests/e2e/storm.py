#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""What does memtrace make of a machine under load?  Memory stressors and a storm of births,
followed by -a; short in test_storm.py, and as long as is wanted with `make storm`."""
import argparse
import contextlib
import dataclasses
import functools
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from puppet import PAGE, puppet  # noqa: E402
import support  # noqa: E402

SOURCE = pathlib.Path(__file__).with_name("births.c")
FOLDER = tempfile.TemporaryDirectory(prefix="memtrace-storm-")
WORKERS = 4
# Of vm one method: an operation of another one is not the same work.
STRESSORS = ("--vm 1 --vm-bytes 64M --vm-method zero-one --mmap 1 --mmap-bytes 32M --mremap 1 "
             "--mremap-bytes 16M --malloc 1 --malloc-bytes 32M --madvise 1 --fault 1").split()
SURVIVORS = 3
ROUNDS = 4  # of the comparison
END_SECONDS = 20  # for the report, after the signal


@functools.cache
def births():
    path = pathlib.Path(FOLDER.name) / "births"
    subprocess.run(["cc", "-O1", "-D_GNU_SOURCE", "-o", path, SOURCE], check=True)
    return path


@dataclasses.dataclass
class Work:
    """What a storm did: operations, and seconds of CPU time, by name."""
    operations: dict
    seconds: dict

    @property
    def born(self):
        return self.operations["births"]


def blow(seconds):
    """A storm of so many seconds."""
    metrics = pathlib.Path(FOLDER.name) / "metrics.yaml"
    words = ["stress-ng", *STRESSORS, "--timeout", str(seconds), "--temp-path", FOLDER.name,
             "--yaml", metrics, "--metrics-brief"]
    with support.started("nice", *words, stdout=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL) as stress, \
            support.started("nice", births(), str(seconds), str(WORKERS),
                            stdout=subprocess.PIPE) as made:
        born, cpu_seconds = made.communicate(timeout=seconds + 60)[0].split()
        assert made.returncode == 0
        assert stress.wait(60) == 0
    work = Work({"births": int(born)}, {"births": float(cpu_seconds)})
    found = re.findall(r"stressor: (\S+)\s+bogo-ops: (\d+).*?user-time: (\S+)\s+"
                       r"system-time: (\S+)", metrics.read_text(), re.S)
    for name, count, user, system in found:
        work.operations[name] = int(count)
        work.seconds[name] = float(user) + float(system)
    return work


def kernel_births():
    """Processes and threads that the kernel has ever made."""
    return int(re.search(r"^processes (\d+)", pathlib.Path("/proc/stat").read_text(),
                         re.M).group(1))


def living():
    return sum(entry.name.isdigit() for entry in pathlib.Path("/proc").iterdir())


class Watch(threading.Thread):
    """How much memory does a process have, as time goes by?"""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.resident, self.ended = pid, [], threading.Event()

    def run(self):
        while not self.ended.wait(0.2):
            with contextlib.suppress(OSError):
                status = support.status_of(self.pid)
                self.resident.append(sum(status[name] for name in support.RESIDENT))

    def stop(self):
        self.ended.set()
        self.join()
        return self.resident


@dataclasses.dataclass
class Outcome:
    document: dict
    work: Work
    most_born: int  # by the kernel's count, and what lived before
    resident: list  # bytes of memtrace, as time went by
    survivors: dict  # pid to what /proc says
    touched: int  # bytes by each survivor
    end_seconds: float


@contextlib.contextmanager
def survivors():
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(puppet()) for _ in range(SURVIVORS)]


def go_through(seconds):
    """A storm that is over when the capture ends, with some that live through it."""
    before = living() - kernel_births()
    with survivors() as targets, support.following("-a") as follower:
        watch = Watch(follower.process.pid)
        watch.start()
        for target in targets:
            target.do("touch 100")
        work = blow(seconds)
        for target in targets:
            target.do("touch 200")
        truth = {target.pid: support.status_of(target.pid) for target in targets}
        resident = watch.stop()
        most = before + kernel_births()
        started = time.monotonic()
        follower.process.send_signal(signal.SIGINT)
        follower.process.wait(support.SECONDS)
        took = time.monotonic() - started
        document = follower.wait()
    return Outcome(document, work, most, resident, truth, 300 * PAGE, took)


def lose_nothing_silently(outcome):
    """Each process is in the report or among the losses, and there are none that never were."""
    processes = outcome.document["processes"]
    losses = outcome.document["capture"]["losses"]
    seen = sum(process.get("stands_for", 1) for process in processes)
    assert seen + losses["spaces"] >= outcome.work.born, (seen, losses, outcome.work.born)
    assert seen <= outcome.most_born, (seen, outcome.most_born)


def balance(outcome):
    document = outcome.document
    wrong = [process for process in document["processes"] if any(process["unexplained"].values())]
    assert len(wrong) <= document["capture"]["losses"]["reads"], wrong
    for pid, truth in outcome.survivors.items():
        process = support.process_of(document, pid)
        support.assert_balanced(process)
        assert process["closing"] == truth
        assert support.moved(process, "fault", "anon_bytes") == outcome.touched
    for process in document["processes"]:
        if process["exit"] and not process["shares_memory_with"]:
            assert not any(process["closing"].values()), process


def figures(outcome):
    seen = sum(process.get("stands_for", 1) for process in outcome.document["processes"])
    capture = outcome.document["capture"]
    resident = [size / (1 << 20) for size in outcome.resident]
    middle = len(resident) // 2
    return "\n".join((
        f"born by the storm: {outcome.work.born:,}; processes in the report: {seen:,}; by the "
        f"kernel's count at the most {outcome.most_born:,}",
        f"losses: {json.dumps(capture['losses'])}",
        f"memtrace had {max(resident[:middle]):.1f} MiB at the most in the first half, "
        f"{max(resident[middle:]):.1f} in the second; "
        f"{capture['overhead']['kernel_bytes'] / (1 << 20):.1f} MiB of maps",
        f"CPU: {capture['overhead']['user_cpu_ns'] / 1e9:.1f} s of its own, "
        f"{(capture['overhead']['bpf_ns'] or 0) / 1e9:.1f} s in the kernel, of "
        f"{capture['duration_ns'] / 1e9:.0f} s",
        f"the report took {outcome.end_seconds:.1f} s"))


# ---- compared with the same storm untraced ----

def compare(seconds):
    """Interleaved rounds: what an operation costs while memtrace -a runs, against without.  In
    CPU time, since whatever else the machine does takes from the other."""
    spent = {}
    for number in range(2 * ROUNDS):
        traced = number % 2
        with support.following("-a") if traced else contextlib.nullcontext():
            work = blow(seconds)
        for name, count in work.operations.items():
            sums = spent.setdefault(name, [[0, 0], [0, 0]])[traced]
            sums[0] += work.seconds[name]
            sums[1] += count
    lines = [f"{'CPU time of one':16}{'untraced':>14}{'traced':>14}"]
    for name, sums in spent.items():
        plain, traced = (1e6 * taken / max(1, count) for taken, count in sums)
        lines.append(f"{name:16}{plain:11,.1f} us{traced:11,.1f} us  x{traced / plain:.2f}")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("seconds", type=int)
    seconds = parser.parse_args().seconds
    outcome = go_through(seconds)
    print(figures(outcome), flush=True)
    lose_nothing_silently(outcome)
    balance(outcome)
    print(compare(max(5, seconds // 60)), flush=True)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    os.nice(5)
    main()
