# SPDX-License-Identifier: GPL-2.0
"""Does a fuzzer find, in a short while, a capture that breaks a report?"""
import pathlib
import re
import subprocess

FOLDER = pathlib.Path(__file__).resolve().parent
SECONDS = 20


def test_no_capture_breaks_a_report():
    done = subprocess.run([FOLDER / "run", f"-max_total_time={SECONDS}"], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                          timeout=SECONDS + 60)
    said = done.stdout.decode(errors="replace")
    assert done.returncode == 0, said[-6000:]
    runs = int(re.search(r"Done (\d+) runs", said).group(1))
    features = max(map(int, re.findall(r"ft: (\d+)", said)))
    assert runs > 1000, "hardly anything was tried"
    assert features > 1500, "what it tried did not come to a report"
