# SPDX-License-Identifier: GPL-2.0
"""Do the rows that stacks are unwound by say what readelf and libdw read in the same files?"""
import bisect
import glob
import importlib.util
import pathlib
import re
import subprocess

import pytest

BUILD = pathlib.Path(__file__).resolve().parents[2] / "build"
ROWS = BUILD / "tests/symbol/rows"
LIBRARIES = "/usr/lib/x86_64-linux-gnu/"
ADDRESSES = 20_000  # held against libdw, in each file

(NONE, RSP, RBP, RBX, PLT, AT_RBP, FAR_RSP, FAR_RBP, R11, FAR_R11, SIGNAL, END,
 UNKNOWN) = range(13)
LOST, THERE = 127, 126
BY_REGISTER = {"rsp": (RSP, FAR_RSP), "rbp": (RBP, FAR_RBP), "rbx": (RBX,),
               "r11": (R11, FAR_R11)}


def numpy_core():
    found = importlib.util.find_spec("numpy")
    return glob.glob(f"{pathlib.Path(found.origin).parent}/core/_multiarray_umath*.so")[0]


# Of each file, the share of readelf's rows that no row of ours can hold, at most.
FILES = {
    "libc": (LIBRARIES + "libc.so.6", 0.01),
    "ld.so": (LIBRARIES + "ld-linux-x86-64.so.2", 0.01),
    "python3.11": ("/usr/bin/python3.11", 0.001),
    "numpy": (None, 0.01),
    "libcrypto": (LIBRARIES + "libcrypto.so.3", 0.02),
    "libstdc++": (LIBRARIES + "libstdc++.so.6", 0.001),
}
# Where `make arm64` has been.
OF_ARM64 = sorted((BUILD / "arm64/sysroot/lib/aarch64-linux-gnu").glob("l[di]*[bc].so.[16]"))


@pytest.fixture(params=FILES)
def file(request):
    path, share = FILES[request.param]
    return path or numpy_core(), share


def lines(*words, check=True):
    return subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                          check=check).stdout.splitlines()


def our_rows(path):
    for line in lines(ROWS, path):
        address, *rest = line.split()
        yield int(address, 16), *map(int, rest)


def readelf_rows(path):
    """Of .eh_frame: (address, what it says by the name of the column)."""
    section = columns = None
    in_fde = False
    # It fails where a section is not in the file, but in that of the debug symbols.
    for line in lines("readelf", "-W", "--debug-dump=frames-interp", path, check=False):
        if line.startswith("Contents of the "):
            section = line
        elif re.match(r"^[0-9a-f]+ [0-9a-f]+ ([0-9a-f]+ )?(FDE|CIE)", line):
            in_fde = " FDE " in line
        elif line.lstrip().startswith("LOC"):
            columns = line.split()[1:]
        elif (found := re.match(r"^([0-9a-f]{16}) (.*)$", line)) and in_fde and columns:
            words = found.group(2).split()
            if ".eh_frame" in section and len(words) == len(columns):
                yield int(found.group(1), 16), dict(zip(columns, words))


def saved(word):
    """In words from the CFA; None: neither there nor in the register."""
    if word in (None, "u", "s"):
        return 0
    found = re.fullmatch(r"c([+-]\d+)", word)
    return int(found.group(1)) // 8 if found else None


def same(row, said):
    """True, False, or None where a row cannot hold what is said."""
    _, kind, offset, rbp, rbx = row
    if said.get("ra") == "u":
        return kind == END
    cfa = re.fullmatch(r"(r\w+)\+(\d+)", said["CFA"])
    if kind == UNKNOWN:
        return None if not cfa or cfa.group(1) not in BY_REGISTER else False
    if kind == SIGNAL:
        return None
    if not cfa:
        return None if kind in (PLT, AT_RBP) else False
    if kind not in BY_REGISTER.get(cfa.group(1), ()) or offset != int(cfa.group(2)):
        return False
    return all(ours == theirs or theirs is None and ours in (LOST, THERE)
               for ours, theirs in ((rbp, saved(said.get("rbp"))), (rbx, saved(said.get("rbx")))))


def test_rows_are_readelfs(file):
    path, share = file
    ours = list(our_rows(path))
    starts = [row[0] for row in ours]
    assert starts == sorted(set(starts))
    compared = beyond = 0
    different = []
    for address, said in readelf_rows(path):
        row = ours[bisect.bisect_right(starts, address) - 1]
        verdict = same(row, said)
        compared += verdict is not None
        beyond += verdict is None
        if verdict is False:
            different.append((hex(address), said, row[1:]))
    assert not different, f"{len(different)}: {different[:5]}"
    assert compared > 1000 and beyond <= share * compared, (compared, beyond)


def test_rows_are_libdws(file):
    path, share = file
    said = lines(ROWS, path, str(ADDRESSES))[-1]
    agreed, skipped, different = map(int, re.findall(r"\d+", said))
    assert different == 0 and agreed + skipped == ADDRESSES, said
    assert skipped <= 4 * share * ADDRESSES, said


if OF_ARM64:
    @pytest.mark.parametrize("path", OF_ARM64, ids=lambda path: path.name)
    def test_rows_of_arm64_are_libdws(path):
        said = lines(ROWS, path, str(ADDRESSES))[-1]
        agreed, skipped, different = map(int, re.findall(r"\d+", said))
        assert different == 0 and agreed + skipped == ADDRESSES, said
        assert skipped <= 0.01 * ADDRESSES, said
