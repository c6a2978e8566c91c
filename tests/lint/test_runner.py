# SPDX-License-Identifier: GPL-2.0
"""Does tests/run count each test, and does nothing that went wrong pass for a success?"""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

import pytest

import sources

TESTS = sources.ROOT / "tests"
# A house in which everything is in a hurry: seconds.
LIMITS = {'Group("lint", "benches", 1800, each=900)': 'Group("lint", "benches", 8, each=2)',
          'Group("unit", "units", 60,': 'Group("unit", "units", 4,',
          "RESTORE_SECONDS = 60": "RESTORE_SECONDS = 2"}


class House:
    """A small checkout with the real runner, and tests of our own in its groups."""

    def __init__(self, root):
        self.root = root
        (root / "tests").mkdir()
        for name in ("results.py", "conftest.py", "pytest.ini", "may-skip"):
            shutil.copy(TESTS / name, root / "tests")
        text = (TESTS / "run").read_text()
        for limit, hurried in LIMITS.items():
            assert limit in text
            text = text.replace(limit, hurried)
        self.write("tests/run", text)
        self.write("Makefile", "benches units units-asan:\n")

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def unit(self, name, script):
        self.write(f"tests/unit/{name}.c", "")
        self.write(f"build/tests/unit/{name}", "#!/bin/sh\n" + script)

    def run(self, *words, status, **environment):
        """Returns all that it says, and the last line apart."""
        done = subprocess.run([self.root / "tests/run", *words], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              env={**os.environ, **environment}, timeout=60, check=False)
        assert done.returncode == status, done.stdout
        return done.stdout, done.stdout.splitlines()[-1]


@pytest.fixture(name="house")
def made_house(tmp_path):
    return House(tmp_path)


def test_good_ones(house):
    house.write("tests/lint/test_x.py", "def test_a(): pass\ndef test_b(): pass\n")
    _, last = house.run("lint", status=0)
    assert last == "2 passed, 0 failed, 0 skipped"


def test_bad_ones(house):
    house.write("tests/lint/test_x.py", """
import pytest
@pytest.fixture
def broken(): raise OSError("in the fixture")
@pytest.fixture
def late():
    yield
    raise OSError("behind the test")
def test_good(): pass
def test_bad(): assert 1 == 2, "one is not two"
def test_setup(broken): pass
def test_teardown(late): pass
@pytest.mark.xfail
def test_surprise(): pass
""")
    said, last = house.run("lint", status=1)
    assert last == "1 passed, 4 failed, 0 skipped"
    for words in ("FAILED tests/lint/test_x.py::test_bad\n", "one is not two", "in the fixture",
                  "behind the test", "expected to fail, but passed"):
        assert words in said


def test_what_says_hostile_things(house):
    house.write("tests/lint/test_x.py", "def test_bad(): assert not chr(27) + ']0;x'\n")
    said, _ = house.run("lint", status=1)
    assert "\033" not in said


@pytest.mark.parametrize("text", [
    "import nothing_of_that_name\n",
    "def test_a(:\n",
    "import os\ndef test_a(): os._exit(0)\n",
    "import os, signal\ndef test_a(): os.kill(os.getpid(), signal.SIGSEGV)\n",
    "\n",
    "import pytest\npytest.exit('enough')\n",
], ids=["import", "syntax", "exits", "crashes", "empty", "gives up"])
def test_groups_that_cannot_be_run(house, text):
    house.write("tests/lint/test_x.py", text)
    _, last = house.run("lint", status=1)
    assert re.fullmatch("0 passed, [12] failed, 0 skipped", last)


@pytest.mark.parametrize("end", ["os._exit(0)", "pytest.exit('enough', returncode=0)"])
def test_group_that_ends_early(house, end):
    """It passes for nothing that its later tests were not asked."""
    house.write("tests/lint/test_x.py", f"import os, pytest\ndef test_a(): pass\n"
                                        f"def test_b(): {end}\ndef test_c(): pass\n")
    said, last = house.run("lint", status=1)
    assert last == "1 passed, 1 failed, 0 skipped"
    assert "only 1 of 3 tests" in said


def test_group_that_is_not_there(house):
    _, last = house.run("lint", status=1)
    assert last == "0 passed, 1 failed, 0 skipped"


def test_what_cannot_be_built(house):
    house.write("Makefile", "benches:\n\t@echo no such luck; false\n")
    house.write("tests/lint/test_x.py", "def test_a(): pass\n")
    said, last = house.run("lint", status=1)
    assert last == "0 passed, 1 failed, 0 skipped"
    assert "FAILED make benches" in said and "no such luck" in said


CHANGE = """
import pathlib, pytest, signal, subprocess, time
@pytest.fixture
def change():
    pathlib.Path("changed").touch()
    yield
    pathlib.Path("changed").unlink()
"""
HANGS = """
def test_hangs(change):
    pathlib.Path("there").touch()
    time.sleep(1000)
"""


def test_one_that_hangs_does_not_keep_others_from_running(house):
    house.write("tests/lint/test_x.py", CHANGE + HANGS + "def test_b(): pass\n")
    said, last = house.run("lint", status=1)
    assert last == "1 passed, 1 failed, 0 skipped"
    assert "FAILED tests/lint/test_x.py::test_hangs" in said and "longer than 2 seconds" in said
    assert not (house.root / "changed").exists()


def test_one_that_hangs_and_hears_nothing(house):
    house.write("tests/lint/test_x.py", """
import signal, time
def test_a(): pass
def test_b():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM, signal.SIGINT])
    time.sleep(1000)
""")
    started = time.monotonic()
    said, last = house.run("lint", status=1)
    assert last == "1 passed, 1 failed, 0 skipped"
    assert "FAILED tests/lint/test_x.py::test_b" in said
    assert time.monotonic() - started < 30


@pytest.mark.parametrize("before", [signal.SIG_DFL, signal.SIG_IGN], ids=["", "behind &"])
def test_a_group_that_takes_too_long_puts_back_what_it_changed(house, before):
    house.write("tests/lint/test_x.py", CHANGE + "signal.signal(signal.SIGALRM, signal.SIG_IGN)\n"
                                        + HANGS)
    held = signal.signal(signal.SIGINT, before)
    try:
        _, last = house.run("lint", status=1)
    finally:
        signal.signal(signal.SIGINT, held)
    assert last == "0 passed, 1 failed, 0 skipped"
    assert not (house.root / "changed").exists()


@pytest.mark.parametrize("ending", ["SIGINT", "SIGTERM", "SIGHUP", "SIGKILL"])
def test_who_is_interrupted_puts_back_what_it_changed(house, ending):
    house.write("tests/lint/test_x.py", CHANGE + HANGS + "def test_b(): pass\n")
    with subprocess.Popen([house.root / "tests/run", "lint"], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as run:
        wait_for(lambda: (house.root / "there").exists())
        run.send_signal(signal.Signals[ending])
        said, _ = run.communicate(timeout=30)
    wait_for(lambda: not (house.root / "changed").exists())
    if ending != "SIGKILL":
        assert run.returncode == 130
        assert said.splitlines()[-1] == "0 passed, 0 failed, 0 skipped"
        assert "Interrupted" in said


def wait_for(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_what_is_left_running(house):
    house.write("tests/lint/test_x.py", """
import pathlib, subprocess
def test_a():
    left = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    pathlib.Path("left").write_text(str(left.pid))
""")
    said, last = house.run("lint", status=1)
    assert last == "1 passed, 1 failed, 0 skipped"
    assert "left running" in said and "sleep 1000" in said
    pid = (house.root / "left").read_text()
    assert not pathlib.Path("/proc", pid).exists()


SKIPS = """
import pytest
def test_a(): pass
@pytest.mark.skip(reason="no kernel for it")
def test_b(): pass
@pytest.mark.xfail
def test_c(): assert False
"""


def test_skips_are_failures_unless_allowed(house):
    house.write("tests/lint/test_x.py", SKIPS)
    said, last = house.run("lint", status=1)
    assert last == "1 passed, 0 failed, 2 skipped"
    assert "no kernel for it" in said
    house.run("lint", status=0, MEMTRACE_MAY_SKIP="1")
    with (house.root / "tests/may-skip").open("a") as out:
        out.write("tests/lint/test_x.py::test_b  there is none\n")
    house.run("lint", status=1)
    with (house.root / "tests/may-skip").open("a") as out:
        out.write("*::test_c  not yet\n")
    _, last = house.run("lint", status=0)
    assert last == "1 passed, 0 failed, 2 skipped"


def test_expression_selects(house):
    house.write("tests/lint/test_x.py", "def test_a(): pass\ndef test_b(): assert False\n")
    _, last = house.run("lint", "-k", "test_a", status=0)
    assert last == "1 passed, 0 failed, 0 skipped"
    house.run("lint", "-k", "nothing", status=0)


def test_unknown_group(house):
    house.run("nonsense", status=2)


# ---- unit tests ----

def test_units_are_counted(house):
    house.unit("good", "echo 1..2; echo ok 1 - a; echo ok 2 - b; echo '# ok - good'")
    house.unit("bad", "echo 1..3; echo ok 1 - a; echo not ok 2 - b; echo '# 1 != 2'\n"
                      "echo 'not ok 3 # SKIP c'; echo words >&2; exit 1")
    said, last = house.run("unit", status=1)
    assert last == "3 passed, 1 failed, 1 skipped"
    assert "FAILED unit/bad::b" in said and "1 != 2" in said and "words" in said


@pytest.mark.parametrize("script", [
    "echo 1..2; echo ok 1 - a; kill -SEGV $$",  # in the second test
    "echo 1..2; echo ok 1 - a; exit 0",
    "echo 1..1; echo ok 1 - a; echo leaks >&2; exit 23",  # as LeakSanitizer does
], ids=["crash", "ends early", "leaks"])
def test_units_that_die(house, script):
    house.unit("bad", script)
    _, last = house.run("unit", status=1)
    assert last == "1 passed, 1 failed, 0 skipped"


def test_unit_that_hangs(house):
    house.unit("a", "echo 1..2; echo ok 1 - a; sleep 1000")
    house.unit("b", "echo 1..1; echo ok 1 - a; sleep 1")
    said, last = house.run("unit", status=1)
    assert last == "2 passed, 1 failed, 0 skipped"
    assert "hung after unit/a::a" in said


def test_unit_that_says_nothing(house):
    house.unit("bad", "exit 0")
    _, last = house.run("unit", status=1)
    assert last == "0 passed, 1 failed, 0 skipped"


def test_unit_that_is_not_there(house):
    house.write("tests/unit/gone.c", "")
    _, last = house.run("unit", status=1)
    assert last == "0 passed, 1 failed, 0 skipped"
