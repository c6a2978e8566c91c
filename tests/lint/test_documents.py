# SPDX-License-Identifier: GPL-2.0
"""Do the documents name all that the program may say?"""
import json
import re

import pytest

import sources

SCHEMA = "docs/memtrace-1.schema.json"


def text(path):
    return "\n".join(sources.lines(path))


def operations():
    """Of the one table that has them all."""
    found = re.findall(r'^\tX\(\w+, "([a-z.]+)"\)', text("bpf/abi.h"), re.MULTILINE)
    assert len(found) > 20
    return found


def strings(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from strings(inner)


def test_schema_has_every_operation():
    sources.assert_none(set(operations()) - set(strings(json.loads(text(SCHEMA)))))


@pytest.mark.parametrize("path", ["README.md", "man/memtrace.8.in", "user/model/ledger.c"])
def test_operations_are_explained(path):
    """`madvise.dontneed` may be the `dontneed` of its line."""
    words = set(re.findall(r"[a-z_]+", text(path)))
    sources.assert_none(name for name in operations() if name.split(".")[-1] not in words)


def test_findings_are_explained():
    names = re.findall(r'^\t{ "([a-z-]+)",', text("user/explain/table.c"), re.M)
    assert len(names) > 10
    sources.assert_none(name for name in names if f".It {name}\n" not in text("man/memtrace.8.in"))


def test_readme_shows_a_report_at_once():
    start = "\n".join(sources.lines("README.md")[:60])
    for words in ("what moved it", "unexplained", "The books balance", "sudo make demo",
                  "sudo make check"):
        assert words in start, words
    assert len(sources.lines("README.md")) < 300  # with the tables of costs and kernels
