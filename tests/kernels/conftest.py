# SPDX-License-Identifier: GPL-2.0
"""The tests of other kernels judge workloads as those of this one do."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "workload"))
