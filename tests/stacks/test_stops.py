# SPDX-License-Identifier: GPL-2.0
"""Are stacks those that gdb sees, wherever a program is?  At random stops (see stops.py)."""
import collections
import json
import os
import pathlib
import subprocess

import pytest
import support

HERE = pathlib.Path(__file__).parent
BUILT = {
    "C": ["gcc", "-O2", "-fomit-frame-pointer", HERE / "roam.c", "-pthread"],
    "C++": ["clang", "-O2", "-x", "c++", HERE / "throw.cc", "-x", "none",
            "/usr/lib/x86_64-linux-gnu/libstdc++.so.6"],
}
NODE = """
const zlib = require("zlib");
function fold(n) { return n < 2 ? n : fold(n - 1) + fold(n - 2); }
console.log("ready");
for (;;) {
    JSON.parse(JSON.stringify([...Array(300).keys()].map((i) => ({ i, text: "x".repeat(i) }))));
    zlib.deflateSync(Buffer.alloc(5000, "abc"));
    [5, 3, 2].sort((a, b) => fold(9) + a - b);
}
"""
JAVA = """
class Roam {
    static int fold(int n) { return n < 2 ? n : fold(n - 1) + fold(n - 2); }
    public static void main(String[] words) throws Exception {
        System.out.println("ready");
        for (;;) {
            fold(12);
            new java.util.zip.CRC32().update(String.join("-", "a", "b").getBytes());
            new java.util.ArrayList<>(java.util.Arrays.asList(3, 2, 1)).sort((a, b) -> fold(5));
        }
    }
}
"""
PAGE = 4096
STOPS = int(os.environ.get("MEMTRACE_STOPS", "0"))  # of each program, for a long run
SHORT_STOPS = 60

# Of code that a runtime makes nothing tells the callers: their stacks end there.
DESCRIBED = {"C", "C++", "python"}
LONG = ("node", "java") if STOPS else ()


def command(name, folder):
    if name == "python":
        return ["/usr/bin/python3", HERE / "roam.py"]
    if name == "node":
        return ["node", "-e", NODE]
    if name == "java":
        (folder / "Roam.java").write_text(JAVA)
        return ["java", "-Xint", folder / "Roam.java"]
    subprocess.run([*map(str, BUILT[name]), "-o", folder / "roam"], check=True)
    return [folder / "roam"]


def stops_of(pid, folder):
    """What gdb sees: [(its stack, whether that reaches the root)]."""
    out = folder / "stops"
    environment = {"STOPS": str(STOPS or SHORT_STOPS), "OUT": str(out), "SEED": "7"}
    subprocess.run(["gdb", "-nx", "-q", "-batch", "-iex", "set debuginfod enabled off",
                    "-p", str(pid), "-x", HERE / "stops.py"], check=True, timeout=600,
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   env={**os.environ, **environment})
    seen = map(json.loads, out.read_text().splitlines())
    return [(tuple(map(tuple, frames)), rooted) for frames, rooted in seen]


def places(site):
    return tuple((pathlib.Path(frame["module"] or "?").name, int(frame["address"], 16))
                 for frame in site["stack"] if not frame.get("inlined"))


@pytest.fixture(name="run", scope="module", params=[*sorted(DESCRIBED), *LONG])
def fixture_run(request, tmp_path_factory):
    """A program's name, its stops, and memtrace's stacks: {places: (pages, is it cut off?)}"""
    folder = tmp_path_factory.mktemp("stops")
    with support.started(*command(request.param, folder), stdout=subprocess.PIPE,
                         text=True) as process:
        assert process.stdout.readline() == "ready\n"
        with support.following("--stacks", "native", "-p", process.pid) as follower:
            stops = stops_of(process.pid, folder)
            document = follower.stop()
    assert not any(document["capture"]["losses"].values()), document["capture"]["losses"]
    stacks = {}
    for site in document["processes"][0]["sites"]:
        pages, _ = stacks.get(places(site), (0, False))
        stacks[places(site)] = pages + site["touched_bytes"] // PAGE, site["truncated"]
    return request.param, stops, stacks


def found(stop, stacks):
    """What memtrace has for it: the same frames, or as many of them as it says that it knows."""
    for count in range(len(stop), 0, -1):
        _, cut = stacks.get(stop[:count], (0, False))
        if stop[:count] in stacks and (cut or count == len(stop)):
            return stop[:count]
    return None


def test_stacks_are_gdbs(run):
    _, seen, stacks = run
    stops = [stop for stop, _ in seen]
    assert len(stops) >= 0.8 * (STOPS or SHORT_STOPS)
    ours = collections.Counter(found(stop, stacks) for stop in stops)
    different = [stop for stop in stops if not found(stop, stacks)]
    assert len(different) <= max(1, len(stops) // 100), json.dumps(
        [(stop, [one for one in stacks if one[0] == stop[0]]) for stop in different], indent=1)
    assert not [one for one, count in ours.items() if one and stacks[one][0] < count]


def test_stacks_reach_the_root(run):
    """Where gdb finds it."""
    name, seen, stacks = run
    if name not in DESCRIBED:
        return
    rooted = [stop for stop, is_rooted in seen if is_rooted]
    whole = [stop for stop in rooted if stop in stacks and not stacks[stop][1]]
    # But in the midst of landing after a throw: of stops at random about 3 in 100, so that of few
    # there may be several.
    assert len(rooted) >= (0.95 if STOPS else 0.85) * len(seen)
    assert len(rooted) - len(whole) <= max(2, len(rooted) // 200)
