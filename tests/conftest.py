# SPDX-License-Identifier: GPL-2.0
"""What holds for the tests of all folders: they import support.py, tell tests/run their results,
and put back what they have changed when they are told to end."""
import pathlib
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from results import pytest_configure  # noqa: E402, F401  (a hook)


def pytest_sessionstart():
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
