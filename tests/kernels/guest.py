# SPDX-License-Identifier: GPL-2.0
"""What comes of a guest: a machine of QEMU's with another kernel, which runs a plan and ends.

Its console is a file, its results are a tar archive on a disk of its own, whose last member has a
word that only this guest was told: without it nothing of what it did counts.
"""
import dataclasses
import functools
import os
import pathlib
import re
import secrets
import subprocess
import tarfile

import image
import package

HERE = pathlib.Path(__file__).parent
DISK_MIB, SWAP_MIB, RESULTS_MIB = 1024, 256, 64
MEMORY_MIB = 2048
KVM_SECONDS = 10  # for a kernel to boot until it misses its disk, where KVM works
# With a thread for each CPU an emulated one may run stale code that another one has patched, and
# the kernel dies of it.
EMULATED, ACCELERATED = ("-accel", "tcg,thread=single"), ("-accel", "kvm")
MACHINES = {
    "amd64": ("qemu-system-x86_64", "-machine", "q35"),
    "arm64": ("qemu-system-aarch64", "-machine", "virt", "-cpu", "max,pauth-impdef=on"),
}
# An emulated CPU stands still while the machine is busy: that is no fault of the kernel's.
STANDS_STILL = "rcupdate.rcu_cpu_stall_suppress=1 nowatchdog"
COMMAND_LINES = {"amd64": "console=ttyS0 no_timer_check", "arm64": "console=ttyAMA0"}
# What a kernel says when it finds itself at fault.
SPLAT = re.compile(r"WARNING: |BUG: |kernel BUG at|Oops|Call [Tt]race:|Kernel panic|UBSAN: |"
                   r"general protection|detected stalls?|self-detected stall|refcount_t: |"
                   r"blocked for more than|Internal error:|list_(add|del) corruption")

# One case is killed for want of memory, and the kernel shows where it was then.
OUT_OF_MEMORY = re.compile(r"\S+ invoked oom-killer.*(\n.*){0,4}?\n.*Call [Tt]race:")


@dataclasses.dataclass
class Outcome:
    """What a guest left; `problem` is empty if it came to its end."""
    kernel: package.Kernel
    problem: str
    console: str
    folder: pathlib.Path

    def text(self, name):
        return (self.folder / name).read_text(errors="replace")

    def has(self, name):
        return (self.folder / name).exists()

    def splats(self):
        """Lines of the kernel's log that no kernel should have to write."""
        log = self.console + (self.text("dmesg") if self.has("dmesg") else "")
        return [line for line in OUT_OF_MEMORY.sub("", log).splitlines() if SPLAT.search(line)]


# ---- what it starts with ----

def make_root(kernel, folder, plan, numbers, programs):
    """The tree of its disk: what is built here, the scripts, the plan."""
    root = image.Tree(kernel.architecture, package.sysroot(kernel.architecture))
    root.add("bin/busybox", package.busybox(kernel.architecture))
    for script in (HERE / "guest").iterdir():
        root.add(f"t/{script.name}", script)
    for path, source in programs.items():
        root.add(path, source)
    root.add_text("t/plan", plan)
    root.add_text("t/numbers", numbers)
    root.make_disk(folder / "root", DISK_MIB)


def make_start(kernel, folder):
    """What it starts from: the modules for that disk."""
    start = image.Tree(kernel.architecture)
    start.add("bin/busybox", package.busybox(kernel.architecture))
    start.add("init", HERE / "guest/start")
    for module in kernel.modules():
        start.add(f"modules/{module.name}", module)
    start.add_text("modules/order", (kernel.folder / "order").read_text())
    (folder / "start").write_bytes(start.archive())


def make_empty(path, mib):
    path.unlink(missing_ok=True)
    path.touch()
    os.truncate(path, mib << 20)


def words(kernel, console, more=""):
    """The beginning of QEMU's command line."""
    return [*MACHINES[kernel.architecture], "-smp", "2", "-m", str(MEMORY_MIB), "-nodefaults",
            "-display", "none", "-no-reboot", "-serial", console, "-kernel", str(kernel.image),
            "-append", f"{COMMAND_LINES[kernel.architecture]} panic=-1 oops=panic {more}"]


@functools.lru_cache
def accelerator(kernel):
    """KVM where a kernel gets as far with it as without a disk it can: not all that is offered
    works."""
    if kernel.architecture != package.native() or not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return EMULATED
    try:
        said = subprocess.run([*words(kernel, "stdio"), *ACCELERATED], timeout=KVM_SECONDS,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, check=False).stdout
    except subprocess.TimeoutExpired:
        return EMULATED
    return ACCELERATED if b"Kernel panic" in said else EMULATED


def command(kernel, folder, nonce):
    chosen = accelerator(kernel)
    more = STANDS_STILL if chosen == EMULATED else ""
    yield from words(kernel, f"file:{folder / 'console'}", f"quiet {more} NONCE={nonce}")
    yield from chosen
    yield from ("-initrd", str(folder / "start"))
    for disk in ("root", "swap", "results"):
        yield from ("-drive", f"file={folder / disk},if=none,id={disk},format=raw,cache=unsafe",
                    "-device", f"virtio-blk-pci,drive={disk},serial={disk}")


# ---- running it ----

def run(kernel, folder, seconds):
    """Returns what went wrong, as far as QEMU knows, and the word that the guest was told."""
    nonce = secrets.token_hex(8)
    try:
        done = subprocess.run(list(command(kernel, folder, nonce)), timeout=seconds, check=False,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
    except subprocess.TimeoutExpired:
        return f"no end within {seconds} seconds", nonce
    if done.returncode:
        return f"QEMU ended with status {done.returncode}: {done.stdout}", nonce
    return "", nonce


def take_results(folder, nonce):
    """Unpacks what the guest wrote; returns what is wrong with it."""
    try:
        with tarfile.open(folder / "results") as tar:
            tar.extractall(folder)
    except tarfile.TarError as error:
        return f"it died without results ({error})"
    end = folder / "run/end"
    said = end.read_text() if end.exists() else ""
    if said != f"{nonce} 0\n":
        return f"its last word is {said!r}"
    return ""


def boot(kernel, plan, numbers, programs, seconds, fresh=False):
    """A guest from its start to its end.  Never raises for what the guest does."""
    folder = package.CACHE / "runs" / str(kernel)
    subprocess.run(["rm", "-rf", folder], check=True)
    folder.mkdir(parents=True)
    outcome = Outcome(kernel, "", "", folder / "run/results")
    try:
        package.fetch(kernel, fresh)
        make_root(kernel, folder, plan, numbers, programs)
        make_start(kernel, folder)
        make_empty(folder / "swap", SWAP_MIB)
        make_empty(folder / "results", RESULTS_MIB)
        make_empty(folder / "console", 0)
        outcome.problem, nonce = run(kernel, folder, seconds)
        outcome.console = (folder / "console").read_text(errors="replace").replace("\r", "")
        outcome.problem = outcome.problem or take_results(folder, nonce)
    except (package.Unavailable, OSError, subprocess.SubprocessError) as error:
        outcome.problem = f"{type(error).__name__}: {error}"
    return outcome
