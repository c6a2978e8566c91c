# SPDX-License-Identifier: GPL-2.0
"""What became of each test?  A pytest plugin that tells tests/run so, a line of JSON at a time.

A report at the end would be lost where a test hangs.  One that takes too long fails, and the next
one has its turn.
"""
import json
import os
import signal

import pytest


class Results:
    def __init__(self, descriptor, seconds):
        self.out = os.fdopen(int(descriptor), "w")
        os.set_inheritable(self.out.fileno(), False)
        self.limit = int(seconds)
        signal.signal(signal.SIGALRM, self.too_long)
        self.outcome, self.text, self.seconds = "passed", "", 0.0

    def tell(self, **event):
        print(json.dumps(event), file=self.out, flush=True)

    def finish(self, name):
        self.tell(name=name, outcome=self.outcome, text=self.text, seconds=self.seconds)

    def take(self, report):
        """The worst of its phases is what a test has come to."""
        if report.skipped and self.outcome == "passed":
            self.outcome = "skipped"
            expected = getattr(report, "wasxfail", None)
            self.text = str(report.longrepr[2]) if expected is None else f"to fail: {expected}"
        elif report.failed:
            self.outcome = "failed"
            self.text += report.longreprtext + "\n"
            self.text += "".join(f"-- {title}\n{text}" for title, text in report.sections)
        elif hasattr(report, "wasxfail"):
            self.outcome, self.text = "failed", "expected to fail, but passed"

    def too_long(self, number, frame):
        pytest.fail(f"it took longer than {self.limit} seconds")

    # The rest are hooks of pytest.

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self):
        """Putting things back has its time, too: the alarm comes again."""
        signal.setitimer(signal.ITIMER_REAL, self.limit, self.limit)
        yield
        signal.setitimer(signal.ITIMER_REAL, 0)

    def pytest_collection_finish(self, session):
        self.tell(planned=len(session.items))

    def pytest_collectreport(self, report):
        if report.passed:
            return
        self.outcome, self.text, self.seconds = "passed", "", 0.0
        self.take(report)
        self.finish(f"tests/{report.nodeid}")

    def pytest_runtest_logstart(self, nodeid):
        self.outcome, self.text, self.seconds = "passed", "", 0.0
        self.tell(start=f"tests/{nodeid}")

    def pytest_runtest_logreport(self, report):
        self.seconds += report.duration
        self.take(report)

    def pytest_runtest_logfinish(self, nodeid):
        self.finish(f"tests/{nodeid}")

    def pytest_warning_recorded(self, warning_message):
        self.tell(note=str(warning_message.message))


def pytest_configure(config):
    told = os.environ.pop("MEMTRACE_RESULTS", None)
    if told:
        config.pluginmanager.register(Results(*told.split()))
