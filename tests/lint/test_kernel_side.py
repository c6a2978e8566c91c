# SPDX-License-Identifier: GPL-2.0
"""Does the kernel side name only what a kernel has, and what bpftool can show whole?"""
import functools
import json
import platform
import re
import subprocess

import pytest

import frames
import sources

NAME_MOST = 15  # of BPF_OBJ_NAME_LEN, without the NUL
KERNEL = "/sys/kernel/btf/vmlinux"
HEADER = "vmlinux/vmlinux.h"
ARCHITECTURES = {"x86_64": "x86", "aarch64": "arm64"}


# ---- names in the object ----

def symbols():
    """Of the built object: (section, type, binding, name)."""
    listed = subprocess.run(["readelf", "-SsW", "build/memtrace.bpf.o"], cwd=sources.ROOT,
                            stdout=subprocess.PIPE, text=True, check=True).stdout
    sections = dict(re.findall(r"^\s+\[\s*(\d+)\] (\S+)", listed, re.MULTILINE))
    for kind, binding, index, name in re.findall(
            r"^\s+\d+: \w+\s+\d+ (\w+)\s+(\w+)\s+\w+\s+(\d+) (\S+)$", listed, re.MULTILINE):
        yield sections.get(index, ""), kind, binding, name


def test_names_are_whole_in_bpftool():
    maps = [name for section, kind, _, name in symbols()
            if kind == "OBJECT" and section == ".maps"]
    programs = [name for section, kind, binding, name in symbols()
                if kind == "FUNC" and binding == "GLOBAL" and section != ".text"]
    assert len(maps) > 5 and len(programs) > 5
    sources.assert_none(name for name in maps + programs if len(name) > NAME_MOST)


STACK_MOST = 512  # up to 6.12, of a program and all that it calls


def assert_stacks_fit(path):
    programs = frames.Object(path).programs()
    assert len(programs) > 8
    sources.assert_none(f"{name}: {size} bytes of stack in {', '.join(chain)}"
                        for name, (size, chain) in programs.items() if size > STACK_MOST)


@pytest.mark.parametrize("side", ["memtrace", "old"])
def test_stacks_fit(side):
    assert_stacks_fit(sources.ROOT / f"build/{side}.bpf.o")


# ---- other machines, old kernels ----

def compiled_for(architecture, old, *words):
    return ["clang", "-g", "-O2", "-target", "bpf", "-mcpu=v3", "-I.",
            f"-D__TARGET_ARCH_{architecture}", *(["-DMEMTRACE_OLD"] if old else []),
            f"-I/usr/include/{platform.machine()}-linux-gnu", "-Wall", "-Wextra",
            "-Wno-unused-parameter", "-Werror", *words, "bpf/memtrace.bpf.c"]


# The verifier of kernels before 5.12 refuses atomic operations that tell what was there.
TELLING = re.compile(r"= (?:atomic_fetch|xchg|cmpxchg)_")


@pytest.mark.parametrize("old", [False, True], ids=["usual", "old"])
@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES.values()))
def test_it_is_compiled_for(architecture, old):
    made = subprocess.run(compiled_for(architecture, old, "-S", "-o", "-"), cwd=sources.ROOT,
                          stdout=subprocess.PIPE, text=True, check=True)
    assert bool(TELLING.search(made.stdout)) != old


OTHERS = sorted(set(ARCHITECTURES.values()) - {ARCHITECTURES.get(platform.machine())})


@pytest.mark.parametrize("old", [False, True], ids=["usual", "old"])
@pytest.mark.parametrize("architecture", OTHERS)
def test_stacks_of_other_machines_fit(architecture, old, tmp_path):
    subprocess.run(compiled_for(architecture, old, "-c", "-o", tmp_path / "made.o"),
                   cwd=sources.ROOT, check=True)
    assert_stacks_fit(tmp_path / "made.o")


# ---- types of vmlinux.h, as clang reads them ----

@functools.lru_cache(maxsize=None)
def declarations():
    machine = platform.machine()
    words = ["clang", "-target", "bpf", f"-D__TARGET_ARCH_{ARCHITECTURES.get(machine, machine)}",
             "-I.", f"-I/usr/include/{machine}-linux-gnu", "-x", "c", "-fsyntax-only", "-Xclang",
             "-ast-dump=json", HEADER]
    made = subprocess.run(words, cwd=sources.ROOT, stdout=subprocess.PIPE, check=True)
    return json.loads(made.stdout)["inner"]


def is_of_the_kernel(record):
    return any(inner["kind"] == "BPFPreserveAccessIndexAttr" for inner in record.get("inner", ()))


def members(record):
    """Those that have a name, in anonymous structs and unions, too."""
    return {inner["name"] for inner in record.get("inner", ())
            if inner["kind"] in ("FieldDecl", "IndirectFieldDecl") and "name" in inner}


def our_structs():
    """Each struct of vmlinux.h with its members; one that only a typedef names by that."""
    found, nameless = {}, None
    for node in declarations():
        if node["kind"] == "RecordDecl" and is_of_the_kernel(node):
            nameless = None if "name" in node else node
            if "name" in node and members(node):
                found[node["name"]] = members(node)
        elif node["kind"] == "TypedefDecl" and nameless:
            found[node["name"]] = members(nameless)
            nameless = None
    return found


def our_enumerators():
    """(Name of the enum or None, name, value) of those that vmlinux.h defines."""
    text = (sources.ROOT / HEADER).read_text()
    for node in declarations():
        if node["kind"] != "EnumDecl":
            continue
        value = -1
        for inner in node.get("inner", ()):
            if inner["kind"] == "EnumConstantDecl" and re.search(rf"\b{inner['name']}\b", text):
                given = inner.get("inner", [{}])[0].get("value")
                value = int(given) if given is not None else value + 1
                yield node.get("name"), inner["name"], value


# ---- types of the running kernel ----

@functools.lru_cache(maxsize=None)
def kernel_types():
    dumped = subprocess.run(["bpftool", "-j", "btf", "dump", "file", KERNEL],
                            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
                            stdout=subprocess.PIPE, check=True).stdout
    return {one["id"]: one for one in json.loads(dumped)["types"]}


def flat(one):
    """Members of a struct of the kernel, with those of anonymous ones in it."""
    names = set()
    for member in one.get("members", ()):
        if member["name"] in ("", "(anon)"):
            names |= flat(kernel_types()[member["type_id"]])
        else:
            names.add(member["name"])
    return names


@functools.lru_cache(maxsize=None)
def kernel_structs():
    found = {}
    for one in kernel_types().values():
        if one["kind"] in ("STRUCT", "UNION"):
            found.setdefault(one["name"], set()).update(flat(one))
        elif one["kind"] == "TYPEDEF":
            target = kernel_types().get(one["type_id"], {})
            if target.get("kind") in ("STRUCT", "UNION"):
                found.setdefault(one["name"], set()).update(flat(target))
    return found


def is_asked_for(name):
    """Does some file of bpf/ ask whether there is such a member or type before it is read?"""
    pattern = re.compile(rf"bpf_core_(?:field|type|enum_value)_exists\([^;]*\b{name}\b")
    return any(pattern.search(sources.code(path))
               for path in sources.with_suffix(*sources.C, under=["bpf/"]))


needs_btf = pytest.mark.skipif("not __import__('os').path.exists('/sys/kernel/btf/vmlinux')",
                               reason="this kernel has no BTF")


def test_header_is_read():
    structs = our_structs()
    assert len(structs) > 20
    assert "total_vm" in structs["mm_struct"] and "slot" in structs["maple_range_64"]
    assert structs["atomic_t"] == {"counter"}


@needs_btf
def test_kernel_has_every_member():
    missing = []
    for name, wanted in our_structs().items():
        there = kernel_structs().get(re.sub(r"___.*", "", name))
        if there is None and not is_asked_for(name):
            missing.append(f"struct {name}")
        elif there is not None:
            missing += [f"struct {name}: {member}" for member in sorted(wanted - there)
                        if not is_asked_for(member)]
    sources.assert_none(f"not in {KERNEL}: {name}" for name in missing)


@needs_btf
def test_kernel_has_every_enumerator():
    there = {value["name"]: value["val"] for one in kernel_types().values()
             if one["kind"] in ("ENUM", "ENUM64") for value in one.get("values", ())}
    text = "\n".join(sources.code(path) for path in sources.with_suffix(".c", ".h", under=["bpf/"]))
    wrong = []
    for enum, name, value in our_enumerators():
        # What depends on the configuration is read by CO-RE.
        relocated = re.search(rf"bpf_core_enum_value\([^;]*\b{name}\b", text)
        if name not in there and not is_asked_for(name):
            wrong.append(f"{name} of {enum} is not there")
        elif name in there and there[name] != value and not relocated:
            wrong.append(f"{name} of {enum} is {there[name]}, not {value}")
    assert len(list(our_enumerators())) > 10
    sources.assert_none(wrong)
