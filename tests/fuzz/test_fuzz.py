# SPDX-License-Identifier: GPL-2.0
"""Does a fuzzer find, in a short while, input that breaks something?"""
import pathlib
import re
import subprocess

import pytest

FOLDER = pathlib.Path(__file__).resolve().parent
SECONDS = 6

# Of each target, what it has to reach in that time: less, and it looks for nothing.
FEATURES = {"reports": 1500, "code": 600, "proc": 100, "options": 100, "events": 500,
            "heap": 100, "remote": 200}


def test_each_target_is_here():
    assert set(FEATURES) == {path.stem for path in FOLDER.glob("*.c")} - {"check"}


@pytest.mark.parametrize("target", FEATURES)
def test_nothing_breaks(target):
    done = subprocess.run([FOLDER / "run", str(SECONDS), target], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                          timeout=SECONDS + 60)
    said = done.stdout.decode(errors="replace")
    assert done.returncode == 0, said[-6000:]
    runs = int(re.search(r"Done (\d+) runs", said).group(1))
    features = max(map(int, re.findall(r"ft: (\d+)", said)))
    assert runs > 300, "hardly anything was tried"
    assert features > FEATURES[target], "what it tried did not come far"
