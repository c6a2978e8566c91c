# SPDX-License-Identifier: GPL-2.0
"""Lets the tests of all folders import support.py, and tells tests/run their results."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from results import pytest_configure  # noqa: E402, F401  (a hook)
