# SPDX-License-Identifier: GPL-2.0
"""Does every folder open only the doors that the house gives it?"""
import re
import subprocess

import sources

ALL = {"base", "heap", "snapshot", "symbol", "model", "explain", "report", "collect", "serve",
       "view", "cli"}
REPORTING = {"base", "model", "explain", "report"}

# Which folders of user/ each of them may include; itself it always may.
MAY = {
    "base": set(),
    "heap": {"base"},
    "snapshot": {"base"},
    "symbol": {"base", "snapshot"},
    "model": {"base", "snapshot", "symbol"},
    "explain": {"base", "model"},
    "report": {"base", "model", "explain"},
    "collect": {"base", "heap", "snapshot", "symbol"},
    "serve": REPORTING,
    "view": REPORTING,
    "cli": ALL,
}

# Headers of libraries, and the one folder that knows each.
LIBRARIES = {
    r"bpf/": "collect", r"seccomp\.h": "collect", r"cap-ng\.h": "collect", r"zstd": "snapshot",
    r"jansson\.h": "report", r"zlib\.h": "report", r"gelf\.h": "symbol", r"libelf\.h": "symbol",
    r"dwarf\.h": "symbol", r"elfutils/": "symbol", r"lzma\.h": "symbol",
    r"libiberty/": "symbol", r"(n?curses|term)": "view",
    r"microhttpd": "serve", r"protobuf-c": "snapshot", r"linux/bpf\.h": "collect",
}

# Who ends the program or speaks to its user: cli/, and where there is no other way.
SPEAKS = re.compile(r"(?<![>.\w])(?<!format\()"
                    r"(?:exit|_exit|_Exit|quick_exit|abort|assert|errx?|verr|warnx?|"
                    r"perror|psignal|printf|vprintf|puts|putchar|stderr|stdout)\b"
                    r"(?=\s*[(,;)])")
EXCEPTIONS = {
    ("user/base/memory.c", "abort"),  # out of memory
    ("user/base/memory.c", "stderr"),
    ("user/collect/launch.c", "_exit"),  # the child that could not become the command
    ("user/collect/cost.c", "_exit"),  # the other process, when it is done
    ("user/collect/reader.c", "_exit"),  # another one
    ("user/collect/confine.c", "exit"),  # the name of a call
}


def includes(path):
    for number, line in enumerate(sources.lines(path), 1):
        found = re.match(r'#include ["<]([^">]+)[">]', line)
        if found:
            yield number, found.group(1)


def door(name):
    """The folder that a header of ours belongs to."""
    if name == "build/capture.pb-c.h":
        return "snapshot"
    if name == "build/profile.pb-c.h":
        return "report"
    if name.endswith(".skel.h"):
        return "skeleton"
    first, _, rest = name.partition("/")
    if first == "user":
        return rest.split("/")[0] if "/" in rest else "any"
    return first


def is_allowed(folder, name):
    to = door(name)
    if to in ("bpf", "skeleton"):
        return folder == "collect" and name in ("bpf/abi.h", "bpf/stack.h", "build/memtrace.skel.h",
                                                "build/old.skel.h", "build/probe.skel.h")
    return to in ("any", folder) or to in MAY[folder]


def user_files():
    return sources.with_suffix(*sources.C, under=["user/"])


def folder_of(path):
    return path.parts[1]


def test_every_folder_is_in_the_table():
    assert {folder_of(path) for path in user_files() if len(path.parts) > 2} <= set(MAY)


def test_doors():
    problems = [f"{path}:{number}: {folder_of(path)} may not include {name}"
                for path in user_files() if len(path.parts) > 2
                for number, name in includes(path)
                if f'"{name}"' in sources.lines(path)[number - 1]
                and not is_allowed(folder_of(path), name)]
    sources.assert_none(problems)


def test_libraries():
    problems = [f"{path}:{number}: only {folder} knows {name}"
                for path in user_files() for number, name in includes(path)
                if f"<{name}>" in sources.lines(path)[number - 1]
                for pattern, folder in LIBRARIES.items()
                if re.match(pattern, name) and folder_of(path) != folder]
    sources.assert_none(problems)


def test_kernel_side_knows_no_user():
    problems = [f"{path}:{number}: {name}"
                for path in sources.with_suffix(*sources.C, under=["bpf/", "vmlinux/"])
                for number, name in includes(path) if name.startswith(("user/", "build/"))]
    sources.assert_none(problems)


def test_only_cli_speaks_and_ends():
    problems = []
    for path in user_files():
        if folder_of(path) == "cli":
            continue
        for number, line in enumerate(sources.code(path).split("\n"), 1):
            problems += [f"{path}:{number}: {word}" for word in SPEAKS.findall(line)
                         if (str(path), word) not in EXCEPTIONS]
    sources.assert_none(problems)


def test_unit_tests_link_without_libbpf():
    programs = [sources.ROOT / "build/tests/unit" / path.stem
                for path in sources.with_suffix(".c", under=["tests/unit/"])
                if path.stem != "sample"]
    for program in programs:
        needed = subprocess.run(["readelf", "-dW", program], stdout=subprocess.PIPE, text=True,
                                check=True).stdout
        assert "libcmocka" in needed
        assert "libbpf" not in needed, program
