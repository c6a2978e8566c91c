# SPDX-License-Identifier: GPL-2.0
"""Which interpreters of Python does Debian have, and where can they be run?  Those of other suites
come from the mirror of the machine's apt (see tests/kernels/package.py), with the C library that
they were made for, below a folder of their own: they are run with that for a root.  Of those
without the lock of the interpreter it has no packages: one is built from Debian's source."""
import dataclasses
import importlib.util
import os
import pathlib
import shutil
import subprocess
import tempfile

import support

CACHE = support.BUILD / "pythons"
SUITES = {"3.9": "bullseye", "3.13": "trixie", "3.14": "sid"}
SOURCES = {"3.13t": "trixie"}
PACKAGES = ("python{}-minimal", "libpython{}-minimal", "libpython{}-stdlib", "libc6", "libgcc-s1",
            "zlib1g", "libexpat1")
# What programs of the tests import; all modules take minutes.
MODULES = """*static*
mmap mmapmodule.c
zlib zlibmodule.c -lz
unicodedata unicodedata.c
_socket socketmodule.c
select selectmodule.c
array arraymodule.c
math mathmodule.c
fcntl fcntlmodule.c
_struct _struct.c
_posixsubprocess _posixsubprocess.c
_asyncio _asynciomodule.c
_contextvars _contextvarsmodule.c
_heapq _heapqmodule.c
_opcode _opcode.c
"""
MERGED = ("bin", "lib", "lib64", "sbin")  # into usr


def load_package():
    path = support.ROOT / "tests/kernels/package.py"
    spec = importlib.util.spec_from_file_location("package", path)
    package = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(package)
    return package


@dataclasses.dataclass
class Interpreter:
    """One of this machine (no root), or one below a root of its own."""
    path: str
    root: pathlib.Path = None

    def command(self, script, *words):
        """Runs a script, which is seen at the path that it has here."""
        if not self.root:
            return [self.path, *words, script]
        there = pathlib.Path(f"{self.root}{script}")
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(script, there)
        return ["chroot", self.root, self.path, *words, script]


def unpack(package, root):
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package],
                          stdout=subprocess.PIPE) as process:
        subprocess.run(["tar", "-x", "--keep-directory-symlink", "-C", root],
                       stdin=process.stdout, check=True)


def fetch(version, suite, root):
    new = root.with_suffix(".new")
    shutil.rmtree(new, ignore_errors=True)
    (new / "dev").mkdir(parents=True)
    for name in MERGED:
        (new / "usr" / name).mkdir(parents=True)
        (new / name).symlink_to(f"usr/{name}")
    with tempfile.TemporaryDirectory() as folder:
        apt = load_package().Apt(folder, [suite], "amd64")
        for package in apt.download([name.format(version) for name in PACKAGES]):
            unpack(package, new)
    (new / "dev/null").touch()
    shutil.rmtree(root, ignore_errors=True)
    os.rename(new, root)


def build(version, suite, folder):
    """Without its lock."""
    new = folder.with_name(f"{version}.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as lists:
        source = load_package().Apt(lists, [suite], "amd64").source(f"python{version[:-1]}")
        subprocess.run(["tar", "-x", "-f", source, "--strip-components=1", "-C", new], check=True)
    (new / "Modules/Setup.local").write_text(MODULES)
    for words in (["./configure", "-q", "--disable-gil", "--without-ensurepip",
                   "CFLAGS=-O0 -g0 -w"],
                  ["make", "-s", f"-j{os.cpu_count()}", "python", "pybuilddir.txt"]):
        subprocess.run(words, cwd=new, check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "Modules").mkdir(parents=True)
    for name in ("python", "pybuilddir.txt", "build", "Lib", "Modules/Setup.local"):
        os.rename(new / name, folder / name)
    shutil.rmtree(folder / "Lib/test")
    shutil.rmtree(new)


def chosen(names):
    """By version or path, with commas between; "all": this machine's and those of all suites."""
    return ["3", *SUITES, *SOURCES] if names == "all" else names.split(",")


def interpreter(version):
    """Of a version, fetched where it is not this machine's."""
    if version.startswith("/"):
        return Interpreter(version)
    if version in SOURCES:
        folder = CACHE / version
        if not folder.exists():
            build(version, SOURCES[version], folder)
        return Interpreter(str(folder / "python"))
    if version not in SUITES:
        return Interpreter(shutil.which(f"python{version}"))
    root = CACHE / version
    if not root.exists():
        fetch(version, SUITES[version], root)
    return Interpreter(f"/usr/bin/python{version}", root)
