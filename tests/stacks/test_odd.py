# SPDX-License-Identifier: GPL-2.0
"""Are stacks right in odd places: the vdso, too deep, code that another one has replaced, a stack
with a gap?"""
import json
import pathlib
import subprocess

import pytest
import support

SOURCE = pathlib.Path(__file__).with_name("odd.c")
BYTES = 211 * 4096
MOST_FRAMES = 128
CHANCE = 20  # faults


@pytest.fixture(scope="module", name="program")
def fixture_program(tmp_path_factory):
    path = tmp_path_factory.mktemp("odd") / "odd"
    subprocess.run(["gcc", "-O1", "-g", "-fomit-frame-pointer", "-o", path, SOURCE, "-pthread"],
                   check=True)
    return path


def follow(tmp_path, *command, stacks="native"):
    """What the command said, and the document."""
    report = tmp_path / f"{stacks}.json"
    done = subprocess.run([support.MEMTRACE, "--stacks", stacks, "-f", "json", "-o", report, "--",
                           *map(str, command)], stdout=subprocess.PIPE, text=True, check=True,
                          timeout=support.SECONDS)
    return done.stdout, json.loads(report.read_text())


def most_touched(document):
    """The stacks with all the pages."""
    return [site for process in document["processes"] for site in process["sites"]
            if site["touched_bytes"] == BYTES]


def functions(site):
    return [frame["function"] for frame in site["stack"]]


def test_vdso(program, tmp_path):
    _, document = follow(tmp_path, program, "vdso")
    sites = [site for process in document["processes"] for site in process["sites"]
             if site["stack"] and site["stack"][0]["module"] == "[vdso]"]
    assert sum(site["touched_bytes"] for site in sites) == BYTES
    for site in sites:
        names = functions(site)
        assert "clock_gettime" in names[0] or not names[0], names
        assert any("clock_gettime" in name for name in names), names
        assert not site["truncated"] and {"in_vdso", "run", "main"} <= set(names)


def test_deeper_than_the_limit(program, tmp_path):
    site, = most_touched(follow(tmp_path, program, "deep")[1])
    assert site["truncated"]
    assert functions(site) == ["touch_shelf"] + ["descend"] * (MOST_FRAMES - 1)


def test_child_without_exec(program, tmp_path):
    site, = most_touched(follow(tmp_path, program, "child")[1])
    assert not site["truncated"]
    assert functions(site)[:4] == ["touch_shelf", "in_child", "run", "main"]


def test_another_library_at_the_same_address(program, tmp_path):
    """Two that are the same but for a name, and for how the function finds its caller."""
    libraries = []
    for name, room in (("first", 64), ("second", 4000), ("third", 64)):
        code = f"""
        __attribute__((noinline)) void of_{name}(volatile char *at, unsigned long bytes)
        {{
            volatile char room[{room}];
            room[0] = 1;
            for (unsigned long i = room[0] - 1; i < bytes; i += 4096) at[i] = 1;
        }}
        void fill(char *at, unsigned long bytes) {{ of_{name}(at, bytes); __asm__(""); }}
        """
        libraries.append(tmp_path / f"lib{name}.so")
        subprocess.run(["gcc", "-O1", "-fomit-frame-pointer", "-shared", "-fPIC", "-x", "c", "-",
                        "-o", libraries[-1]], input=code, text=True, check=True)
    said, document = follow(tmp_path, program, "libraries", *libraries)
    pages = {int(address, 16) >> 12 for address in said.split()}
    assert len(pages) == 1, "they did not lie at the same place"
    found = {functions(site)[0]: site for site in most_touched(document)}
    assert set(found) == {"of_first", "of_second", "of_third"}
    for name, site in found.items():
        assert functions(site)[1:5] == ["fill", "with_library", "run", "main"], functions(site)
        assert pathlib.Path(site["stack"][0]["module"]).name == name.replace("of_", "lib") + ".so"
        assert not site["truncated"]


def faults(document):
    """Of the process, by call; how many pages it begins with is for its addresses to say."""
    return {(row["operation"], row["call"]): row["count"]
            for row in document["processes"][0]["ledger"] if row["operation"].startswith("fault")}


def test_own_reads_are_no_faults_of_the_process(program, tmp_path):
    """Each walk reads a page that is not there.  It stays away, and the process has taken no
    fault."""
    _, without = follow(tmp_path, program, "gap", stacks="none")
    for stacks in ("native", "python"):
        _, document = follow(tmp_path, program, "gap", stacks=stacks)
        site, = most_touched(document)
        assert site["truncated"]
        assert functions(site) == ["touch_shelf", "without_callers", "far_below"]
        ours, theirs = faults(document), faults(without)
        assert all(abs(ours.get(key, 0) - theirs.get(key, 0)) <= CHANCE
                   for key in ours | theirs), (ours, theirs)
