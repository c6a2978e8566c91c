# SPDX-License-Identifier: GPL-2.0
"""What was last seen on each kernel, and is written down: the README's table of what kernels lack,
and through how many instructions the verifier goes for each program (verifier.txt)."""
import pathlib
import re

import package

HERE = pathlib.Path(__file__).parent
README = package.ROOT / "README.md"
VERIFIER = HERE / "verifier.txt"
START, END = "<!-- kernels:features -->\n\n", "\n<!-- kernels:end -->"
HEAD = """\
# Through how many instructions does the kernel's verifier go for each program?  A test fails where
# one grows by more than a fifth; tests/kernels/update writes what the last run saw.
"""


# ---- what a guest saw ----

def features_in(text):
    """Of `memtrace check`: {name: whether it is there}."""
    found = re.findall(r"^  (yes|no|MISSING|unknown)\s+(.*)$", text, re.MULTILINE)
    return {name: word == "yes" for word, name in found}


def instructions_in(text):
    """By program; the most, where one was loaded several times."""
    found = {}
    for program, count in re.findall(r"^(mt_\w+) (\d+)$", text, re.MULTILINE):
        found[program] = max(found.get(program, 0), int(count))
    return found


# ---- what is written down ----

def rows():
    """The README's table: (its head, {feature: its cells})."""
    text = README.read_text()
    lines = text[text.index(START) + len(START):text.index(END)].strip().splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return cells[0][1:], {row[0]: row[1:] for row in cells[2:]}


def lacking(kernel):
    """What that kernel does not have, says the README."""
    head, table = rows()
    column = head.index(title(kernel))
    return {name for name, cells in table.items() if cells[column] == "no"}


def title(kernel):
    return kernel.name if kernel.architecture == "amd64" else \
        f"{kernel.name} {kernel.architecture}"


def all_instructions():
    """{kernel: {program: instructions}}, by the names of kernels."""
    found = {}
    for line in VERIFIER.read_text().splitlines():
        if line and not line.startswith("#"):
            kernel, program, count = line.split()
            found.setdefault(kernel, {})[program] = int(count)
    return found


# ---- writing it down ----

def write_features(seen):
    """`seen`: what each kernel lacks, by title."""
    head, table = rows()
    for column, name in enumerate(head):
        lacks = {feature for feature, cells in table.items() if cells[column] == "no"}
        seen.setdefault(name, lacks)
    titles = [title(kernel) for kernel in package.kernels() if title(kernel) in seen]
    names = list(dict.fromkeys([*table, *(name for one in titles for name in sorted(seen[one]))]))
    lines = ["| | " + " | ".join(titles) + " |", "| --- |" + " --- |" * len(titles)]
    for name in names:
        cells = ["no" if name in seen[one] else "yes" for one in titles]
        if "no" in cells:
            lines.append(f"| {name} | {' | '.join(cells)} |")
    text = README.read_text()
    README.write_text(text[:text.index(START) + len(START)] + "\n".join(lines) + "\n"
                      + text[text.index(END):])


def write_instructions(seen):
    """`seen`: those of some kernels; the others stay."""
    every = {**all_instructions(), **seen}
    names = [str(kernel) for kernel in package.kernels()]
    VERIFIER.write_text(HEAD + "".join(
        f"{kernel} {program} {count}\n" for kernel in names if kernel in every
        for program, count in sorted(every[kernel].items())))
