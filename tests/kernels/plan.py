# SPDX-License-Identifier: GPL-2.0
"""What is a guest to do?  Cases in batches, each under one memtrace: to load takes longest."""
import collections
import subprocess

import support

BATCH = 12
# What only one case at a time can have.
ALONE = {"cgroup", "oom", "khugepaged", "ksm"}
# Of `make check`: each kind of operation, and threads, children, exec and ends.
QUICK = {
    "advice-dontneed", "advice-free", "call-fill", "end-killed", "end-threads", "exec-chain",
    "failure-half-way", "file-private", "file-shared", "fork-copy-in-child", "fork-tree",
    "heap-steps", "heap-trim", "lock-lock", "mapping-breathe", "mapping-map-touch-unmap",
    "page-stack", "page-zero", "remote-written", "shared-memfd", "shared-sysv",
    "size-around-powers", "thread-born-and-dead", "thread-same-pages",
}


def cases(quick):
    """Names of cases, and what each needs."""
    found = {}
    for program in sorted(support.WORKLOADS.iterdir()):
        listed = subprocess.run([program, "--list"], capture_output=True, text=True, check=True)
        for line in listed.stdout.splitlines():
            case, *needs = line.split()
            found[f"{program.name}-{case}"] = needs
    assert QUICK <= set(found), QUICK - set(found)
    return {name: needs for name, needs in found.items() if not quick or name in QUICK}


def batches(found):
    """Cases that need the same, so many at once: (their needs, their names)."""
    alike = collections.defaultdict(list)
    for name, needs in found.items():
        alike[",".join(need for need in needs if need != "ends")].append(name)
    for needs, names in sorted(alike.items()):
        size = 1 if ALONE & set(needs.split(",")) else BATCH
        for start in range(0, len(names), size):
            yield needs, names[start:start + size]


def plan(found, variants):
    """As guest/session reads it, for each variant of options: {"calls": "--calls on"}."""
    lines = []
    for variant, options in variants.items():
        for number, (needs, names) in enumerate(batches(found), 1):
            lines.append(f"{variant}-{number}|{options}|{needs}|{' '.join(names)}\n")
    return "".join(lines)
