# SPDX-License-Identifier: GPL-2.0
"""Where does a kernel to be tested come from?  From the mirror that this machine's apt uses.

The suites are others than the machine's, so apt gets a state of its own; nothing of the machine's
is touched.  What is kept under build/kernels is the kernel itself and the few modules with which
a guest reaches its disks.
"""
import dataclasses
import fnmatch
import functools
import lzma
import os
import pathlib
import re
import shutil
import subprocess
import tarfile
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CACHE = ROOT / "build/kernels"
LIST = pathlib.Path(__file__).parent / "list"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# In loading order, each after what it depends on; some are built in or gone in some kernels.
MODULES = ("virtio_pci", "virtio_blk", "crc32c_generic", "ext4")


class Unavailable(Exception):
    """A package cannot be had."""


@dataclasses.dataclass(frozen=True)
class Kernel:
    """A line of the list."""
    name: str
    architecture: str
    suites: tuple
    pattern: str
    checked: bool

    def __str__(self):
        return f"{self.name}-{self.architecture}"

    @property
    def folder(self):
        return CACHE / str(self)

    @property
    def image(self):
        return self.folder / "vmlinuz"

    def modules(self):
        return [self.folder / line for line in (self.folder / "order").read_text().split()]


def kernels():
    for line in LIST.read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            name, architecture, suites, pattern = line.split()
            yield Kernel(name.rstrip("*"), architecture, tuple(suites.split(",")), pattern,
                         name.endswith("*"))


def chosen(words):
    """Those that MEMTRACE_KERNELS means; a name that nothing has is no choice of nothing."""
    names, listed = words.split(), list(kernels())
    if not names:
        return [kernel for kernel in listed if kernel.checked]
    if names == ["all"]:
        return listed
    unknown = set(names) - {name for kernel in listed for name in (kernel.name, str(kernel))}
    if unknown:
        raise Unavailable(f"tests/kernels/list has no {', '.join(sorted(unknown))}")
    return [kernel for kernel in listed if {kernel.name, str(kernel)} & set(names)]


# ---- an apt of our own ----

def mirror(ending):
    """The archive of the machine's apt whose address ends so."""
    said = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI)"], check=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True).stdout
    found = sorted({line.rstrip("/") for line in said.splitlines()
                    if line.rstrip("/").endswith(ending)})
    if not found:
        raise Unavailable(f"apt of this machine has no archive that ends in {ending}")
    return found[0]


class Apt:
    """apt for some suites of one architecture, with its lists in a folder that goes away."""

    def __init__(self, folder, suites, architecture):
        self.folder = pathlib.Path(folder)
        for name in ("lists/partial", "cache/archives/partial", "parts"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "status").touch()
        with open(self.folder / "sources.list", "w", encoding="ascii") as sources:
            for suite in suites:
                archive = mirror("/debian-security" if suite.endswith("-security") else "/debian")
                sources.write(f"deb [signed-by={KEYRING} arch={architecture}] {archive} {suite} "
                              "main\n")
        settings = {"Dir::Etc::sourcelist": self.folder / "sources.list",
                    "Dir::Etc::sourceparts": self.folder / "parts",
                    "Dir::Etc::preferences": "/dev/null",
                    "Dir::Etc::preferencesparts": self.folder / "parts",
                    "Dir::State::lists": self.folder / "lists",
                    "Dir::State::status": self.folder / "status",
                    "Dir::Cache": self.folder / "cache",
                    "APT::Architecture": architecture, "APT::Architectures": architecture,
                    "APT::Sandbox::User": "", "Acquire::Languages": "none",
                    "Acquire::Retries": 3}
        self.options = [f"-o{name}={value}" for name, value in settings.items()]
        # One suite of several may be gone: what matters is whether the package is there.
        self.said = self.run("apt-get", "-qq", "update", check=False)

    def run(self, program, *words, check=True):
        done = subprocess.run([program, *self.options, *words], cwd=self.folder, check=False,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, env={**os.environ, "LC_ALL": "C"})
        if check and done.returncode:
            raise Unavailable(f"{program} {' '.join(words)}: {without_hosts(done.stderr)}")
        return done.stdout if check else without_hosts(done.stderr)

    def names(self, pattern):
        """The packages that a pattern means, the newest first."""
        start = re.match(r"[^*?[]*", pattern).group()
        found = self.run("apt-cache", "pkgnames", start).split()
        return sorted(fnmatch.filter(found, pattern), key=version_key, reverse=True)

    def parts(self, package):
        """From 6.19 on the package of a kernel is empty and names others that have it."""
        said = self.run("apt-cache", "depends", package)
        return re.findall(r"Depends: (linux-(?:binary|modules|base)-[0-9]\S*)", said)

    def source(self, package):
        """What the authors of a program have made, as Debian has it."""
        sources = self.folder / "sources.list"
        sources.write_text(sources.read_text().replace("deb [", "deb-src ["))
        self.said = self.run("apt-get", "-qq", "update", check=False)
        self.run("apt-get", "-qq", "source", "--download-only", package)
        return next(self.folder.glob("*.orig.tar.*[!c]"))

    def download(self, packages):
        for old in self.folder.glob("*.deb"):
            old.unlink()
        self.run("apt-get", "-qq", "download", *packages)
        return sorted(self.folder.glob("*.deb"))


def version_key(name):
    return [(int(part), "") if part.isdigit() else (-1, part)
            for part in re.findall(r"\d+|\D+", name)]


def without_hosts(text):
    return re.sub(r"https?://[^/\s]+", "", text).strip()


# ---- what is taken out of a package ----

def unpack(packages, folder):
    """The kernel and all modules of some packages, as they are, into one folder."""
    folder.mkdir()
    for package in packages:
        with tempfile.TemporaryFile() as tar:
            subprocess.run(["dpkg-deb", "--fsys-tarfile", package], stdout=tar, check=True)
            tar.seek(0)
            with tarfile.open(fileobj=tar) as members:
                for member in members:
                    base = member.name.rpartition("/")[2]
                    if member.isfile() and re.match(r"vmlinuz|.*\.ko(\.|$)", base):
                        name = "vmlinuz" if ".ko" not in base else base.replace("-", "_")
                        (folder / name).write_bytes(members.extractfile(member).read())


def module(folder, name):
    """A module's content; None if there is none: it is built in."""
    for path in folder.glob(f"{name}.ko*"):
        data = path.read_bytes()
        return lzma.decompress(data) if path.suffix == ".xz" else data
    return None


def choose(folder, names, chosen):
    """Modules by name, each after what it says that it needs."""
    for name in names:
        data = module(folder, name) if name not in chosen else None
        if data:
            needs = re.search(rb"\0depends=([^\0]*)\0", data).group(1).decode()
            choose(folder, needs.replace("-", "_").split(",") if needs else [], chosen)
            chosen[name] = data
    return chosen


def keep(raw, folder, package):
    """What a guest needs of an unpacked package."""
    chosen = choose(raw, MODULES, {})
    shutil.copy(raw / "vmlinuz", folder)
    for name, data in chosen.items():
        (folder / f"{name}.ko").write_bytes(data)
    (folder / "order").write_text("".join(f"{name}.ko\n" for name in chosen))
    (folder / "package").write_text(package)


# ---- fetching ----

def fetch_newest(apt, kernel, have):
    """Where the newest cannot be had, an older one will do: mirrors are updated bit by bit."""
    problems = [apt.said] if apt.said else []
    for package in apt.names(kernel.pattern):
        if package == have:
            return
        new = CACHE / f"{kernel}.new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        raw = apt.folder / package
        try:
            unpack(apt.download([package, *apt.parts(package)]), raw)
            keep(raw, new, package)
        except (Unavailable, FileNotFoundError) as error:
            problems.append(str(error))
            continue
        shutil.rmtree(kernel.folder, ignore_errors=True)
        new.rename(kernel.folder)
        return
    raise Unavailable(f"no package {kernel.pattern} in {', '.join(kernel.suites)}: "
                      + "; ".join(problems))


def fetch(kernel, fresh=False):
    """Has it in its folder; `fresh`: looks for a newer one than is there already."""
    there = kernel.image.exists()
    if there and not fresh:
        return
    have = (kernel.folder / "package").read_text() if there else ""
    with tempfile.TemporaryDirectory() as folder:
        apt = Apt(folder, kernel.suites, kernel.architecture)
        fetch_newest(apt, kernel, have)


@functools.lru_cache
def native():
    """This machine's architecture, as Debian calls it."""
    return subprocess.run(["dpkg", "--print-architecture"], check=True, text=True,
                          stdout=subprocess.PIPE).stdout.strip()


def sysroot(architecture):
    """Where programs for an architecture find their libraries."""
    return pathlib.Path("/") if architecture == native() else ROOT / "build/arm64/sysroot"


def busybox(architecture):
    """A static busybox for guests of an architecture: this machine's, or fetched."""
    if architecture == native():
        return pathlib.Path(shutil.which("busybox"))
    path = CACHE / f"busybox-{architecture}"
    if not path.exists():
        with tempfile.TemporaryDirectory() as folder:
            apt = Apt(folder, ["stable"], architecture)
            package, = apt.download(["busybox-static"])
            subprocess.run(["dpkg-deb", "-x", package, folder], check=True)
            found = [one for one in pathlib.Path(folder).glob("**/bin/busybox")]
            shutil.copy(found[0], path)
    return path
