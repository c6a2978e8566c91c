# SPDX-License-Identifier: GPL-2.0
"""How long does it take to find out why the memory of a process is where it is?"""
import argparse
import pathlib
import statistics
import subprocess

PROGRAM = pathlib.Path(__file__).resolve().parents[2] / "build" / "tests" / "bench" / "verdict"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    said = subprocess.run([PROGRAM, str(rounds)], stdout=subprocess.PIPE, text=True, check=True)
    times = [float(line) for line in said.stdout.split()]
    print("| | median | worst |")
    print("| --- | ---: | ---: |")
    print(f"| the findings of 100,000 sites | {statistics.median(times):.0f} ms | "
          f"{max(times):.0f} ms |")


main()
