# SPDX-License-Identifier: GPL-2.0
"""Are addresses called what binutils call them, wherever the names are kept, and else nothing?"""
import lzma
import pathlib
import random
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAMES = ROOT / "build/tests/symbol/names"
ADDRESSES = 2_000
MOST_MICROSECONDS = 10_000_000  # many times what it takes, on a machine with other things to do


def run(*words, **options):
    return subprocess.run([*map(str, words)], stdout=subprocess.PIPE, text=True, check=True,
                          **options).stdout


def ask(path, addresses, root="/nowhere"):
    """Of each address: its offset in the function, and [(function, file:line)], innermost first."""
    said = run(NAMES, path, root, input="\n".join(map(hex, addresses)))
    answers = []
    for line in said.splitlines():
        _, offset, *rest = line.split("\t")
        answers.append((int(offset, 16), list(zip(rest[::2], rest[1::2]))))
    assert len(answers) == len(addresses)
    return answers


def section(path, name):
    found = re.search(rf" {re.escape(name)}\s+\w+\s+(\w+) \w+ (\w+)", run("readelf", "-SW", path))
    return int(found.group(1), 16), int(found.group(2), 16)


def build_id(path):
    return re.search(r"Build ID: (\w+)", run("readelf", "-nW", path)).group(1)


def symbols(path):
    """{name: (address, size)}"""
    return {words[3]: (int(words[0], 16), int(words[1], 16))
            for words in map(str.split, run("nm", "-S", "--defined-only", path).splitlines())
            if len(words) == 4}


WEIGH = "_ZN5shelf4book5weighEi"
SOURCE = pathlib.Path(__file__).with_name("named.cc")


def line_of(words):
    lines = SOURCE.read_text().splitlines()
    return f"named.cc:{next(i for i, line in enumerate(lines, 1) if words in line)}"


@pytest.fixture(scope="module", name="program")
def fixture_program(tmp_path_factory):
    path = tmp_path_factory.mktemp("named") / "named"
    run("clang", "-x", "c++", "-O1", "-g", "-Wl,--build-id", "-o", path, SOURCE)
    return path


@pytest.fixture(name="stripped")
def fixture_stripped(program, tmp_path):
    path = tmp_path / "bin" / "named"
    path.parent.mkdir()
    run("strip", "-o", path, program)
    return path


SPELLED = {
    "_ZN5shelf4book5weighEi": "shelf::book::weigh",
    "_ZN5shelf4book5weigh17h0123456789abcdefE": "shelf::book::weigh",  # Rust, up to 2024
    "_RNvNtCs1234_5shelf4book5weigh": "shelf::book::weigh",  # Rust
    "_RNvMs_NtCs1234_5shelf4bookNtB4_5Shelf5weigh": "<shelf::book::Shelf>::weigh",
    "_RNvNtCs1234_5shelf4bo": "_RNvNtCs1234_5shelf4bo",  # cut off
    "_Zebra": "_Zebra",
    "plain": "plain",
}


def test_names_of_languages(tmp_path):
    """As a person writes them; what is no such name stays as it is."""
    code = "\n".join(f'int f{i}(void) __asm__("{name}"); int f{i}(void) {{ return {i}; }}'
                     for i, name in enumerate(SPELLED))
    library = tmp_path / "names.so"
    run("gcc", "-shared", "-fPIC", "-x", "c", "-", "-o", library, input=code)
    places = {name: symbols(library)[name][0] for name in SPELLED}
    said = ask(library, places.values())
    assert {name: answer[1][0][0] for name, answer in zip(places, said)} == SPELLED


def middle_of_weigh(program):
    start, size = symbols(program)[WEIGH]
    return start, start + size // 2


def test_names_lines_and_what_is_inlined(program):
    start, size = symbols(program)[WEIGH]
    answers = ask(program, range(start, start + size))
    assert all(offset == at for at, (offset, _) in enumerate(answers))
    assert all(places[-1][0] == "shelf::book::weigh" for _, places in answers)
    inlined = [places for _, places in answers if len(places) == 2]
    assert inlined and all(places[0][0] == "shelf::scale" for places in inlined)
    assert {places[0][1].rsplit("/", 1)[-1] for places in inlined} <= {line_of("value * getpid")}
    assert {places[1][1].rsplit("/", 1)[-1] for places in inlined} == {line_of("scale(pages)")}


def test_names_are_binutils(tmp_path):
    """A big program of ours, with lines: what is inlined where, and on which line."""
    path = ROOT / "build/memtrace"
    start, size = section(path, ".text")
    chosen = random.Random(7).sample(range(start, start + size), ADDRESSES)
    addresses = tmp_path / "addresses"
    addresses.write_text("\n".join(map(hex, chosen)))
    with addresses.open() as file:
        said = run("addr2line", "-fiaCe", path, stdin=file).splitlines()
    theirs = []
    for line in said:
        if line.startswith("0x"):
            theirs.append([])
        else:
            theirs[-1].append(line)
    known = same = between = 0
    for (_, ours), other in zip(ask(path, chosen), theirs):
        other = [(name, re.sub(r" \(discriminator \d+\)", "", place))
                 for name, place in zip(other[::2], other[1::2])]
        if other[0][1].startswith("??") or ours[0][1].startswith("?"):
            continue
        known += 1
        if ours[-1][0] == "?":  # behind the end of a function: it is not named after that one
            between += 1
            continue
        same += [(name, place.rsplit("/", 1)[-1]) for name, place in ours] == \
            [(name, place.rsplit("/", 1)[-1]) for name, place in other]
    assert known > ADDRESSES / 4 and between < known / 10, (between, known)
    assert same >= 0.99 * (known - between), (same, between, known)


DWFL = ROOT / "build/tests/symbol/dwfl"
LIBRARIES = pathlib.Path("/usr/lib/x86_64-linux-gnu")
FILES = {
    "libc": lambda program: LIBRARIES / "libc.so.6",
    "python3": lambda program: pathlib.Path("/usr/bin/python3").resolve(),
    "libstdc++": lambda program: LIBRARIES / "libstdc++.so.6",
    "C++": lambda program: program,
    "memtrace": lambda program: ROOT / "build/memtrace",
}


@pytest.mark.parametrize("file", FILES)
def test_names_are_libdwfls(program, file):
    """A name where a symbol covers the address, of the same function, and the same line."""
    path = FILES[file](program)
    start, size = section(path, ".text")
    chosen = random.Random(7).sample(range(start, start + size), min(size, ADDRESSES))
    said = run(DWFL, path, input="\n".join(map(hex, chosen)), env={}).splitlines()
    functions, lines, known = [], [], 0
    for address, (offset, places), theirs in zip(chosen, ask(path, chosen, "/"), said):
        covered, line = theirs.split("\t")
        ours = places[0][1].rpartition("/")[2]
        named = places[-1][0] != "?"
        known += named
        if named != (covered != "-") or named and offset != int(covered, 16):
            functions.append((hex(address), offset, places, theirs))
        if line != "?:0" and ours != "?:0" and ours != line:
            lines.append((hex(address), places, theirs))
    assert known > 50
    assert not functions, functions[:5]
    assert len(lines) <= known // 100, lines[:5]


def test_what_no_symbol_covers_has_no_name(program, stripped):
    start, address = middle_of_weigh(program)
    (offset, places), = ask(stripped, [address])
    assert places == [("?", "?:0")]
    assert offset == address - start, "it is not from what .eh_frame describes"


def has_all(answer):
    _, places = answer
    return places[-1][0] == "shelf::book::weigh" and "named.cc:" in places[-1][1]


def debug_path(root, program):
    number = build_id(program)
    path = root / "usr/lib/debug/.build-id" / number[:2] / (number[2:] + ".debug")
    path.parent.mkdir(parents=True)
    return path


def test_debug_file_by_build_id(program, stripped, tmp_path):
    run("objcopy", "--only-keep-debug", program, debug_path(tmp_path, program))
    _, address = middle_of_weigh(program)
    assert has_all(ask(stripped, [address], tmp_path)[0])


def test_debug_file_of_another_build(program, stripped, tmp_path):
    """What is there by the name of the build-id has another one."""
    shutil.copy("/bin/true", debug_path(tmp_path, program))
    _, address = middle_of_weigh(program)
    assert ask(stripped, [address], tmp_path)[0][1] == [("?", "?:0")]


@pytest.mark.parametrize("folder", ["bin", "bin/.debug", "usr/lib/debug/bin"])
def test_debug_file_by_link(program, tmp_path, folder):
    """The path of the file is one below the root: /bin/named."""
    whole = tmp_path / "whole"
    run("objcopy", "--remove-section", ".note.gnu.build-id", program, whole)
    debug = tmp_path / "named.debug"
    run("objcopy", "--only-keep-debug", whole, debug)
    below = pathlib.Path(str(tmp_path) + "/" + folder) if folder.startswith("bin") else \
        pathlib.Path(f"{tmp_path}/usr/lib/debug{tmp_path}/bin")
    root = "/" if folder.startswith("bin") else tmp_path
    (tmp_path / "bin").mkdir(exist_ok=True)
    stripped = tmp_path / "bin/named"
    run("objcopy", "--strip-all", f"--add-gnu-debuglink={debug}", whole, stripped)
    below.mkdir(parents=True, exist_ok=True)
    debug.rename(below / "named.debug")
    _, address = middle_of_weigh(program)
    assert has_all(ask(stripped, [address], root)[0])
    with (below / "named.debug").open("ab") as file:
        file.write(b"\0")
    assert not has_all(ask(stripped, [address], root)[0]), "its checksum is another one"


def test_what_lies_there_and_is_no_file(program, stripped, tmp_path):
    """A pipe, which nobody writes to, is not waited for."""
    path = debug_path(tmp_path, program)
    run("mkfifo", path)
    _, address = middle_of_weigh(program)
    run("timeout", "10", NAMES, stripped, tmp_path, input=hex(address))


def test_mini_debuginfo(program, stripped, tmp_path):
    mini = tmp_path / "mini"
    run("objcopy", "--only-keep-debug", "--strip-debug", program, mini)
    (tmp_path / "mini.xz").write_bytes(lzma.compress(mini.read_bytes()))
    run("objcopy", "--add-section", f".gnu_debugdata={tmp_path}/mini.xz", stripped)
    start, address = middle_of_weigh(program)
    assert ask(stripped, [address]) == [(address - start, [("shelf::book::weigh", "?:0")])]


def test_mini_debuginfo_without_end(program, stripped, tmp_path):
    """What takes a gibibyte when it is unpacked is left as it is."""
    filters = lzma.LZMACompressor()
    packed = b"".join(filters.compress(bytes(1 << 24)) for _ in range(64)) + filters.flush()
    (tmp_path / "mini.xz").write_bytes(packed)
    run("objcopy", "--add-section", f".gnu_debugdata={tmp_path}/mini.xz", stripped)
    _, address = middle_of_weigh(program)
    assert ask(stripped, [address])[0][1] == [("?", "?:0")]


def test_ten_thousand_addresses_of_a_big_file():
    path = pathlib.Path("/usr/bin/node").resolve()
    start, size = section(path, ".text")
    chosen = random.Random(7).sample(range(start, start + size), 10_000)
    done = subprocess.run([NAMES, path, "/"], input="\n".join(map(hex, chosen)), text=True,
                          capture_output=True, check=True)
    assert int(done.stderr.split()[0]) < MOST_MICROSECONDS
