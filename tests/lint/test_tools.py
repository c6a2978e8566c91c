# SPDX-License-Identifier: GPL-2.0
"""What do the tools find that look for mistakes: cppcheck, clang-tidy, shellcheck, mandoc, bash?"""
import concurrent.futures
import hashlib
import os
import platform
import re
import subprocess

import pytest

import sources

CACHE = sources.ROOT / "build/lint"
MACHINE = platform.machine()
BPF = {"x86_64": "x86", "aarch64": "arm64"}.get(MACHINE, MACHINE)
USER_FLAGS = ["-std=gnu11", "-D_GNU_SOURCE", "-I."]
BPF_FLAGS = ["-O2", "-target", "bpf", "-mcpu=v3", f"-D__TARGET_ARCH_{BPF}", "-I.",
             f"-I/usr/include/{MACHINE}-linux-gnu"]
# What bpf/ does for good reasons: one unit of several files, arguments that a tracepoint has.
BPF_CHECKS = ("--checks=-bugprone-suspicious-include,-misc-unused-parameters,"
              "-bugprone-implicit-widening-of-multiplication-result")
FOLDERS = ["user/", "tests/"]


def run(words):
    done = subprocess.run(list(map(str, words)), cwd=sources.ROOT, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout


def assert_silent(words):
    status, said = run(words)
    if status or said.strip():
        pytest.fail(said or f"status {status}", pytrace=False)


def sources_of_c():
    return sources.with_suffix(".c", under=FOLDERS)


def is_of_kernel_side(path):
    return path.name.endswith(".bpf.c")


@pytest.fixture(scope="module")
def flat():
    """A folder with the skeletons without the programs in them: megabytes of text that take a
    minute for each file which includes them."""
    for path in (sources.ROOT / "build").glob("*.skel.h"):
        without = re.sub(r'\)"\\\n.*?";', ')"";', path.read_text(), flags=re.DOTALL)
        assert len(without) < 100_000
        there = CACHE / "flat/build" / path.name
        there.parent.mkdir(parents=True, exist_ok=True)
        there.write_text(without)
    return CACHE / "flat"


# ---- cppcheck ----

def test_cppcheck(flat):
    folder = CACHE / "cppcheck"
    folder.mkdir(exist_ok=True)
    assert_silent(["cppcheck", "-q", "--std=c11", "--enable=warning,performance,portability",
                   "--inline-suppr", "--error-exitcode=1", f"-I{flat}", "-I.", "-D_GNU_SOURCE",
                   # What a header that cppcheck does not see says; without it, it stops there.
                   "-DPROTOBUF_C_VERSION_NUMBER=1004001", "-DPROTOBUF_C_MIN_COMPILER_VERSION=0",
                   "-DLIBBPF_OPTS(type, name, ...)=struct type name = {0}",
                   f"-j{os.cpu_count()}", f"--cppcheck-build-dir={folder}",
                   "--suppressions-list=tests/lint/cppcheck",
                   *(path for path in sources_of_c() if not is_of_kernel_side(path))])


# ---- clang-tidy, again only where something has changed ----

def fingerprint():
    """Of all that a file may include, and of the rules."""
    one = hashlib.sha256()
    for path in sources.everything():
        if path.suffix == ".h" or path.name == ".clang-tidy" or path.parts[0] == "bpf":
            one.update(str(path).encode() + b"\0" + (sources.ROOT / path).read_bytes())
    one.update(run(["clang-tidy", "--version"])[1].encode())
    return one


def tidy(path, common, flat):
    is_bpf = is_of_kernel_side(path)
    flags = ["--", *BPF_FLAGS] if is_bpf else ["--", f"-I{flat}", *USER_FLAGS]
    one = common.copy()
    one.update((sources.ROOT / path).read_bytes())
    good = CACHE / "tidy" / one.hexdigest()
    if good.exists():
        return ""
    status, said = run(["clang-tidy", "--quiet", *([BPF_CHECKS] if is_bpf else []), path, *flags])
    lines = [line.removeprefix(f"{sources.ROOT}/").removeprefix("./") for line in said.splitlines()
             if re.search(r": (warning|error): ", line)]
    found = [line for line in lines if not line.startswith("build/")]
    if status and not lines:
        found = [f"{path}: {said}"]
    if not found:
        good.touch()
    return "\n".join(found)


def test_clang_tidy(flat):
    (CACHE / "tidy").mkdir(parents=True, exist_ok=True)
    common = fingerprint()
    paths = [*sources_of_c(), *filter(is_of_kernel_side, sources.with_suffix(".c", under=["bpf/"]))]
    assert len(paths) > 40
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        found = [said for said in pool.map(lambda path: tidy(path, common, flat), paths) if said]
    sources.assert_none(found)


# ---- scripts, manual, completion ----

def test_shellcheck():
    scripts = sources.shell()
    assert scripts
    assert_silent(["shellcheck", *scripts])


def test_python_compiles_without_a_warning():
    for path in sources.python():
        compile((sources.ROOT / path).read_bytes(), str(path), "exec", dont_inherit=True)


def test_manual():
    assert_silent(["mandoc", "-Tlint", "-Wwarning", "build/memtrace.8"])


def complete(*words):
    """What bash offers for the last of these words."""
    script = ('source build/memtrace.bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
              'complete -p memtrace > /dev/null || exit 1; _memtrace || true; '
              'printf "%s\\n" "${COMPREPLY[@]}"')
    status, said = run(["bash", "-euc", script, "bash", *words])
    assert status == 0, said
    return said.split()


def test_completion_is_bash():
    assert_silent(["bash", "-n", "build/memtrace.bash"])


def test_completion_knows_nothing_of_the_options_of_a_command():
    assert not complete("memtrace", "--", "ls", "-")


@pytest.mark.parametrize("words, some", [
    (("memtrace", "--d"), {"--duration"}),
    (("memtrace", "-"), {"-p", "--pid", "-a", "--format", "--strict"}),
    (("memtrace", "re"), {"report"}),
    (("memtrace", "-f", "j"), {"json"}),
    (("memtrace", "--calls", ""), {"on", "off"}),
    (("memtrace", "-p", "1"), {"1"}),
    (("memtrace", "--", "ba"), {"bash"}),
    (("memtrace", "-a", "--", "ba"), {"bash"}),
    (("memtrace", "-o", "Makef"), {"Makefile"}),
    (("memtrace", "report", "Makef"), {"Makefile"}),
    (("memtrace", "-a", "--cgroup", "tes"), {"tests"}),
])
def test_completion(words, some):
    assert some <= set(complete(*words))
