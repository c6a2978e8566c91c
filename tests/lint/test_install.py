# SPDX-License-Identifier: GPL-2.0
"""What does make install put where, and does make uninstall take all of it away?"""
import os
import subprocess

import pytest

import sources

FILES = {"bin/memtrace": 0o755, "share/man/man8/memtrace.8": 0o644,
         "share/bash-completion/completions/memtrace": 0o644}


def make(*words):
    environment = {name: value for name, value in os.environ.items()
                   if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "DESTDIR", "PREFIX")}
    subprocess.run(["make", "-s", *words], cwd=sources.ROOT, env=environment, check=True,
                   stdin=subprocess.DEVNULL)


def files(folder):
    return {str(path.relative_to(folder)): path.stat().st_mode & 0o777
            for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("prefix", ["/usr/local", "/usr", "/opt/two words"])
def test_install_and_uninstall(tmp_path, prefix):
    words = [f"DESTDIR={tmp_path}", *([f"PREFIX={prefix}"] if prefix != "/usr/local" else [])]
    old = os.umask(0o077)
    try:
        make("install", *words)
    finally:
        os.umask(old)
    assert files(tmp_path) == {f"{prefix[1:]}/{name}": mode for name, mode in FILES.items()}
    installed = tmp_path / prefix[1:] / "bin/memtrace"
    said = subprocess.run([installed, "--version"], capture_output=True, text=True, check=True)
    assert said.stdout.startswith("memtrace ")
    make("uninstall", *words)
    assert not files(tmp_path)
