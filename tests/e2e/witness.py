# SPDX-License-Identifier: GPL-2.0
"""Which signals does a process get, and from whom?

It says so, a line each, and ends with status 9 when nothing has come for some seconds.
"""
import os
import pathlib
import re
import signal
import sys

NUMBERS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2,
           signal.SIGQUIT, signal.SIGALRM, signal.SIGWINCH, signal.SIGRTMIN}
WITNESS = [sys.executable, pathlib.Path(__file__).resolve()]  # wants the seconds
QUIET = "0.7"  # of them, where nothing else takes time


def signals_in(out):
    return re.findall(rb"^(SIG\w+) from", out, re.M)


def main():
    signal.pthread_sigmask(signal.SIG_BLOCK, NUMBERS)
    os.write(1, b"ready\n")
    while got := signal.sigtimedwait(NUMBERS, float(sys.argv[1])):
        sender = f"process {got.si_pid}" if got.si_pid else "kernel"
        os.write(1, f"{signal.Signals(got.si_signo).name} from {sender}\n".encode())
    sys.exit(9)


if __name__ == "__main__":
    main()
