# SPDX-License-Identifier: GPL-2.0
"""Which files are ours, and what stands in them?"""
import functools
import os
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SKIPPED = {".git", "build", "corpus", "__pycache__", ".pytest_cache"}
C = (".c", ".h")


@functools.lru_cache(maxsize=None)
def everything():
    """All files of the checkout that hold text: paths from its root."""
    found = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in SKIPPED]
        paths = (pathlib.Path(folder) / name for name in names)
        found += [path.relative_to(ROOT) for path in paths
                  if path.is_file() and b"\0" not in path.read_bytes()]
    return sorted(found)


def with_suffix(*suffixes, under=("",)):
    return [path for path in everything()
            if path.suffix in suffixes and str(path).startswith(tuple(under))]


@functools.lru_cache(maxsize=None)
def lines(path):
    return (ROOT / path).read_text(errors="replace").split("\n")


def interpreter(path):
    """The interpreter of a script, None for other files."""
    first = lines(path)[0]
    return first.split("/")[-1].split()[-1] if first.startswith("#!") else None


def scripts(*names):
    return [path for path in everything() if interpreter(path) in names]


def python():
    return sorted({*with_suffix(".py"), *scripts("python3")})


def shell():
    return scripts("sh", "bash")


def programs():
    """What is written to be run or compiled: the files that have a form."""
    named = [path for path in everything() if path.name in ("Makefile", "packages")]
    return sorted({*with_suffix(".c", ".h", ".proto", ".textproto"), *python(), *shell(), *named})


def code(path):
    """C without comments, and with nothing in its strings; lines stay where they are."""
    text = "\n".join(lines(path))

    def blank(match):
        word = match.group(0)
        return '""' if word[0] == '"' else "''" if word[0] == "'" else "\n" * word.count("\n")

    return re.sub(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|/\*.*?\*/|//[^\n]*', blank, text,
                  flags=re.DOTALL)


def assert_none(problems):
    problems = [str(problem) for problem in problems]
    if problems:
        pytest.fail("\n".join(problems), pytrace=False)
