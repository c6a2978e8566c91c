# SPDX-License-Identifier: GPL-2.0
"""These tests change the machine: a test run that is told to end puts everything back first."""
import signal


def interrupt(number, frame):
    raise KeyboardInterrupt(signal.Signals(number).name)


def pytest_configure(config):
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
