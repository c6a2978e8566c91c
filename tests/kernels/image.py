# SPDX-License-Identifier: GPL-2.0
"""What files does a guest find?  A tree of them becomes a disk, or the archive that it starts from.

Programs that were built here bring the libraries that they name.
"""
import os
import pathlib
import re
import stat
import subprocess
import tempfile

TRIPLETS = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}
# What a library opens without naming it: to end a thread takes what unwinds its stack.
OPENED = {"libc.so.6": ["libgcc_s.so.1"]}


class Tree:
    """Files by their path in the guest, for programs of one architecture."""

    def __init__(self, architecture, sysroot="/"):
        triplet = TRIPLETS[architecture]
        self.sysroot = pathlib.Path(sysroot)
        self.folders = [self.sysroot / folder for folder in
                        (f"lib/{triplet}", f"usr/lib/{triplet}", f"usr/{triplet}/lib", "lib64",
                         "lib", "usr/local/lib")]
        self.entries = {}
        for folder in ("dev", "disk", "etc", "lib", "proc", "run", "sys", "t", "tmp", "var",
                       "var/tmp"):
            self.entries[folder] = (stat.S_IFDIR | 0o755, b"")
        self.add_text("etc/passwd", "root:x:0:0::/:/bin/sh\n")
        self.add_text("etc/group", "root:x:0:\n")

    def add_text(self, path, text):
        self.add_data(path, text.encode(), 0o644)

    def add_data(self, path, data, mode):
        folders = path.split("/")[:-1]
        for count in range(1, len(folders) + 1):
            self.entries.setdefault("/".join(folders[:count]), (stat.S_IFDIR | 0o755, b""))
        self.entries[path] = (stat.S_IFREG | mode, data)

    def add(self, path, source):
        """A file; a program brings its libraries."""
        source = pathlib.Path(source)
        data = source.read_bytes()
        self.add_data(path, data, 0o755 if os.access(source, os.X_OK) else 0o644)
        if data.startswith(b"\x7fELF") and not path.endswith(".ko"):
            self.add_libraries(source)

    def add_libraries(self, source):
        said = subprocess.run(["readelf", "-ldW", source], check=True, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
        for path in re.findall(r"interpreter: /(.*)\]", said):
            if path not in self.entries:
                self.add(path, self.find(path.rpartition("/")[2]))
        named = re.findall(r"\(NEEDED\).*\[(.*)\]", said)
        for name in [*named, *(more for name in named for more in OPENED.get(name, []))]:
            if f"lib/{name}" not in self.entries:
                self.add(f"lib/{name}", self.find(name))

    def find(self, library):
        for folder in self.folders:
            if (folder / library).exists():
                return folder / library
        raise FileNotFoundError(f"no {library} below {self.sysroot}")

    def make_disk(self, path, mib):
        """A disk with an ext4 of which every kernel understands all."""
        with tempfile.TemporaryDirectory() as folder:
            for name, (mode, data) in self.entries.items():
                at = pathlib.Path(folder) / name
                if stat.S_ISDIR(mode):
                    at.mkdir()
                else:
                    at.write_bytes(data)
                    at.chmod(stat.S_IMODE(mode))
            subprocess.run(["/sbin/mkfs.ext4", "-q", "-F", "-O", "^metadata_csum_seed,^orphan_file",
                            "-E", "lazy_itable_init=0,lazy_journal_init=0,root_owner=0:0",
                            "-d", folder, path, f"{mib}M"],
                           check=True, stdin=subprocess.DEVNULL)

    def archive(self):
        """As the kernel wants it: cpio, the format `newc`."""
        parts = []
        for number, (path, (mode, data)) in enumerate(self.entries.items(), 1):
            parts.append(cpio_member(number, path, mode, data))
        parts.append(cpio_member(0, "TRAILER!!!", 0, b""))
        return b"".join(parts)


def padded(data):
    return data + bytes(-len(data) % 4)


def cpio_member(number, path, mode, data):
    name = path.encode() + b"\0"
    links, device = 2 if stat.S_ISDIR(mode) else 1, 0
    fields = (number, mode, 0, 0, links, 0, len(data), device, device, device, device,
              len(name), 0)
    return padded(b"070701" + b"".join(b"%08x" % field for field in fields) + name) + padded(data)
