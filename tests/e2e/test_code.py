# SPDX-License-Identifier: GPL-2.0
"""Is code named whose file is gone, replaced, or seen by its process alone?"""
import os
import pathlib
import re
import shutil
import subprocess

import pytest
import support

SOURCE = pathlib.Path(__file__).with_name("touch.c")
BYTES = 211 * 4096


@pytest.fixture(scope="module", name="whole")
def fixture_whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("touch") / "touch"
    subprocess.run(["gcc", "-O1", "-g", "-static", "-Wl,--build-id", "-o", path, SOURCE],
                   check=True)
    return path


def start(*words):
    process = subprocess.Popen([*map(str, words)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               text=True)
    assert process.stdout.readline() == "ready\n"
    return process


def say(process, answer=None):
    process.stdin.write("\n")
    process.stdin.flush()
    if answer:
        assert process.stdout.readline() == answer


def follow(process):
    """The stack that touched most."""
    try:
        with support.following("--stacks", "native", "-p", process.pid) as follower:
            say(process, "done\n")
            say(process)
            process.communicate()
            document = follower.wait()
    finally:
        process.kill()
    sites = document["processes"][0]["sites"]
    site = max(sites, key=lambda one: one["touched_bytes"])
    assert site["touched_bytes"] == BYTES
    return site["stack"]


def assert_named(stack):
    frame = stack[0]
    assert frame["function"] == "touch_shelf"
    assert frame["file"].endswith("touch.c") and frame["line"] in (12, 13)
    assert [frame["function"] for frame in stack[:2]] == ["touch_shelf", "main"]


@pytest.mark.parametrize("replaced", [False, True], ids=["deleted", "replaced"])
def test_file_is_gone(whole, tmp_path, replaced):
    path = tmp_path / "touch"
    shutil.copy(whole, path)
    process = start(path)
    path.unlink()
    if replaced:
        shutil.copy("/bin/true", path)
    assert_named(follow(process))


def test_another_mount_namespace(whole, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    process = start("unshare", "-m", "sh", "-c",
                    f"mount -t tmpfs none {folder} && cp {whole} {folder}/touch && "
                    f"exec {folder}/touch")
    assert not (folder / "touch").exists()
    assert_named(follow(process))


def test_debug_symbols_below_its_own_root(whole, tmp_path):
    said = subprocess.run(["readelf", "-nW", whole], stdout=subprocess.PIPE, text=True, check=True)
    number = re.search(r"Build ID: (\w+)", said.stdout).group(1)
    debug = tmp_path / "usr/lib/debug/.build-id" / number[:2] / f"{number[2:]}.debug"
    debug.parent.mkdir(parents=True)
    subprocess.run(["objcopy", "--only-keep-debug", whole, debug], check=True)
    subprocess.run(["strip", "-o", tmp_path / "touch", whole], check=True)
    assert_named(follow(start("chroot", tmp_path, "/touch")))


def test_stripped(whole, tmp_path):
    """No name, and an offset that is the same for all addresses of the function."""
    path = tmp_path / "touch"
    subprocess.run(["strip", "-o", path, whole], check=True)
    frame = follow(start(path))[0]
    said = subprocess.run(["nm", whole], stdout=subprocess.PIPE, text=True, check=True).stdout
    beginning = int(re.search(r"(\w+) T touch_shelf", said).group(1), 16)
    assert not frame["function"] and not frame["file"]
    assert int(frame["address"], 16) - frame["offset"] == beginning
    assert frame["module"] == os.fspath(path)
