# SPDX-License-Identifier: GPL-2.0
"""Which signals does a process get, and from whom?

It says so, a line each, and ends with status 9 when nothing has come for some seconds.
"""
import os
import signal
import sys

NUMBERS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2,
           signal.SIGQUIT, signal.SIGALRM, signal.SIGWINCH, signal.SIGRTMIN}
QUIET_SECONDS = float(sys.argv[1])

signal.pthread_sigmask(signal.SIG_BLOCK, NUMBERS)
os.write(1, b"ready\n")
while True:
    got = signal.sigtimedwait(NUMBERS, QUIET_SECONDS)
    if not got:
        break
    sender = f"process {got.si_pid}" if got.si_pid else "kernel"
    os.write(1, f"{signal.Signals(got.si_signo).name} from {sender}\n".encode())
sys.exit(9)
