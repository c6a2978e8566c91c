# SPDX-License-Identifier: GPL-2.0
"""What became of each test?  A pytest plugin that tells tests/run so, a line of JSON at a time.

A report at the end would be lost where a test hangs.
"""
import json
import os


class Results:
    def __init__(self, descriptor):
        self.out = os.fdopen(int(descriptor), "w")
        os.set_inheritable(self.out.fileno(), False)
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

    # The rest are hooks of pytest.

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
    descriptor = os.environ.pop("MEMTRACE_RESULTS", None)
    if descriptor:
        config.pluginmanager.register(Results(descriptor))
