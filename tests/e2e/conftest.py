# SPDX-License-Identifier: GPL-2.0
"""These tests make cgroups and mounts: a run that is told to end takes them away first."""
import signal


def interrupt(number, frame):
    raise KeyboardInterrupt(signal.Signals(number).name)


def pytest_configure(config):
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
