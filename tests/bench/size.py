# SPDX-License-Identifier: GPL-2.0
"""How long does memtrace take to begin and to end, and how much memory does it take?"""
import argparse
import json
import pathlib
import signal
import statistics
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BENCH = ROOT / "build" / "tests" / "bench"
MEMTRACE = ROOT / "build" / "memtrace"


def capture(*words, seconds=0.2):
    """One capture: ms to begin, ms from Ctrl-C to the end, its own peak KiB, the document."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "report"
        start = time.monotonic()
        process = subprocess.Popen([MEMTRACE, "-v", "-f", "json", "-o", path, *map(str, words)],
                                   stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        for line in process.stderr:
            if "counting" in line:
                break
        began = time.monotonic() - start
        time.sleep(seconds)
        status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
        start = time.monotonic()
        process.send_signal(signal.SIGINT)
        process.wait()
        ended = time.monotonic() - start
        document = json.loads(path.read_text())
        peak = int(status.split("VmHWM:")[1].split()[0])
        return began * 1000, ended * 1000, peak, document


def memory(document, peak_kib):
    overhead = document["capture"]["overhead"]
    return (f"{overhead['resident_bytes'] / 2**20:.1f} MiB resident at the end "
            f"(peak while loading {peak_kib / 1024:.1f}), "
            f"{overhead['kernel_bytes'] / 2**20:.1f} MiB of kernel maps")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--crowd", type=int, default=10000)
    options = parser.parse_args()
    sleeper = subprocess.Popen(["sleep", "100000"])
    runs = [capture("-p", sleeper.pid) for _ in range(options.rounds)]
    sleeper.kill()
    began, ended = [statistics.median(run[at] for run in runs) for at in (0, 1)]
    print(f"-p, one process: attached and counting after {began:.0f} ms "
          f"(worst {max(run[0] for run in runs):.0f}), report and end {ended:.0f} ms after Ctrl-C")
    print(f"  {memory(runs[-1][3], runs[-1][2])}")
    crowd = subprocess.Popen([BENCH / "crowd", str(options.crowd)], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, text=True)
    assert crowd.stdout.readline() == "there\n"
    began, ended, peak, document = capture("-a", seconds=2)
    print(f"-a, {len(document['processes'])} processes: counting after {began:.0f} ms, "
          f"ended {ended:.0f} ms after Ctrl-C")
    print(f"  {memory(document, peak)}")
    unbalanced = sum(any(process["unexplained"].values()) for process in document["processes"])
    print(f"  {unbalanced} of them do not balance")
    crowd.communicate("\n")


main()
