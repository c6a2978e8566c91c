# SPDX-License-Identifier: GPL-2.0
"""Are stacks whole in code that nobody has seen before, and the same as when its tables are there?

A compiler runs for some 50 ms, and making the table of its code takes half of that.
"""
import collections
import json
import shutil
import subprocess

import pytest
import support

MOST_TRUNCATED = 0.05
MOST_DIFFERENT = 0.01
FUNCTION = r"""
int f{0}(int a, char *b)
{{
    for (int i = 0; i < a; i++)
        if (b[i] == {0} && strlen(b) > {0})
            printf("%d %s", i + {0}, b);
        else
            b[i] ^= {0} + a;
    return a * {0};
}}
"""
SOURCE = "#include <stdio.h>\n#include <string.h>\n" + "".join(map(FUNCTION.format, range(50)))


def program(name):
    return subprocess.run(["gcc", f"-print-prog-name={name}"], stdout=subprocess.PIPE, text=True,
                          check=True).stdout.strip()


@pytest.fixture(name="compile_new")
def fixture_compile_new(tmp_path):
    """A command with a compiler and an assembler of its own, which no file's number is known of."""
    for name in "cc1", "as":
        shutil.copy(shutil.which(program(name)), tmp_path)
    (tmp_path / "source.c").write_text(SOURCE)
    return f"gcc -B{tmp_path}/ -O2 -c -o /dev/null {tmp_path}/source.c"


def touched(process):
    """Bytes by stack."""
    table = collections.Counter()
    for site in process["sites"]:
        table[tuple((frame["module"], frame["address"]) for frame in site["stack"])] += \
            site["touched_bytes"]
    return table


def test_a_compiler_that_is_new(compile_new, tmp_path):
    report = tmp_path / "report.json"
    # At the same addresses each time, so that it does the same each time.
    subprocess.run([support.MEMTRACE, "--stacks", "native", "-f", "json", "-o", report, "--",
                    "setarch", "-R", "sh", "-c", f"{compile_new}; {compile_new}"], check=True,
                   timeout=support.SECONDS)
    document = json.loads(report.read_text())
    sites = [site for process in document["processes"] for site in process["sites"]]
    whole = sum(site["touched_bytes"] for site in sites)
    truncated = sum(site["touched_bytes"] for site in sites if site["truncated"])
    assert whole > 10 << 20 and truncated < MOST_TRUNCATED * whole, (truncated, whole)
    cold, warm = (touched(process) for process in document["processes"]
                  if process["command"] == "cc1")
    different = sum(abs(cold[stack] - warm[stack]) for stack in cold.keys() | warm.keys())
    assert different <= MOST_DIFFERENT * sum(warm.values()), (different, sum(warm.values()))


def test_each_stack_has_one_row(compile_new, tmp_path):
    report = tmp_path / "report.json"
    subprocess.run([support.MEMTRACE, "--stacks", "native", "-f", "json", "-o", report, "--",
                    "sh", "-c", compile_new], check=True, timeout=support.SECONDS)
    for process in json.loads(report.read_text())["processes"]:
        stacks = [json.dumps([site["stack"], site["truncated"]]) for site in process["sites"]
                  if site["stack"]]
        assert len(stacks) == len(set(stacks))
