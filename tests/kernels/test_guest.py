# SPDX-License-Identifier: GPL-2.0
"""Does nothing that goes wrong in a guest pass for a success?"""
import io
import tarfile

import pytest

import guest
import package
import record


@pytest.fixture(name="results")
def make_results(tmp_path):
    """Writes what a guest would leave on its disk of results."""
    def write(members):
        with tarfile.open(tmp_path / "results", "w") as tar:
            for name, text in members.items():
                member = tarfile.TarInfo(name)
                member.size = len(text)
                tar.addfile(member, io.BytesIO(text.encode()))
        return tmp_path
    return write


def test_good_end(results):
    folder = results({"run/results/check": "", "run/end": "word 0\n"})
    assert guest.take_results(folder, "word") == ""


@pytest.mark.parametrize("members", [
    {}, {"run/results/check": ""}, {"run/end": "another 0\n"}, {"run/end": "word 1\n"},
    {"run/end": "word 0"}, {"run/end": ""}], ids=str)
def test_bad_ends(results, members):
    assert guest.take_results(results(members), "word")


def test_disk_that_nobody_wrote_to(tmp_path):
    guest.make_empty(tmp_path / "results", 1)
    assert guest.take_results(tmp_path, "word")


def test_archive_that_was_cut_off(results):
    folder = results({"run/results/check": "x" * 100000, "run/end": "word 0\n"})
    (folder / "results").write_bytes((folder / "results").read_bytes()[:50000])
    assert guest.take_results(folder, "word")


@pytest.mark.parametrize("line", [
    "[    9.1] WARNING: CPU: 0 PID: 1 at kernel/bpf/verifier.c:1 f+0x1/0x2",
    "[    9.1] Call Trace:", "[    9.1] BUG: unable to handle page fault for address: 0",
    "[    9.1] Oops: 0002 [#1] SMP", "[    9.1] BUG: scheduling while atomic: memtrace/1/0x2",
    "[    9.1] Kernel panic - not syncing",
    "[    9.1] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
    "[    9.1] Call trace:", "[    9.1] kernel BUG at mm/slub.c:379!",
    "[    9.1] UBSAN: array-index-out-of-bounds in mm/slub.c:379:1",
    "[    9.1] list_del corruption, 1->next is LIST_POISON1 (2)",
    "[    9.1] refcount_t: underflow; use-after-free."])
def test_faults_of_a_kernel(tmp_path, line):
    kernel = next(package.kernels())
    assert guest.Outcome(kernel, "", f"good\n{line}\ngood\n", tmp_path).splats() == [line]
    (tmp_path / "dmesg").write_text(line)
    assert guest.Outcome(kernel, "", "good\n", tmp_path).splats() == [line]


def test_quiet_kernel(tmp_path):
    console = "[    0.0] Command line: rcupdate.rcu_cpu_stall_suppress=1 nowatchdog\n"
    assert not guest.Outcome(next(package.kernels()), "", console, tmp_path).splats()


@pytest.mark.parametrize("where", ["Call Trace:", "Call trace:"])
def test_out_of_memory_is_no_fault(tmp_path, where):
    console = ("[    9.1] end invoked oom-killer: gfp_mask=0xcc0\n[    9.1] CPU: 0 PID: 9\n"
               f"[    9.1] {where}\n[    9.1]  <TASK>\n")
    kernel = next(package.kernels())
    assert not guest.Outcome(kernel, "", console, tmp_path).splats()
    assert guest.Outcome(kernel, "", console + f"[    9.2] {where}\n", tmp_path).splats()


def test_kernel_that_cannot_be_had(monkeypatch, tmp_path):
    """Not to be fetched is to fail."""
    def nothing(kernel, fresh):
        raise package.Unavailable(f"no {kernel}")

    monkeypatch.setattr(package, "CACHE", tmp_path)
    monkeypatch.setattr(package, "fetch", nothing)
    outcome = guest.boot(next(package.kernels()), "", "", {}, 1)
    assert "no 5.10" in outcome.problem


@pytest.fixture(name="no_kernel")
def make_no_kernel(monkeypatch, tmp_path):
    """The first of the list, with something in its place that is no kernel."""
    monkeypatch.setattr(package, "CACHE", tmp_path)
    kernel = next(package.kernels())
    kernel.folder.mkdir()
    kernel.image.write_bytes(b"no kernel" * 10000)
    (kernel.folder / "order").touch()
    return kernel


def test_kernel_that_does_not_boot(no_kernel):
    outcome = guest.boot(no_kernel, "", "", {}, 60)
    assert "QEMU ended with status 1" in outcome.problem


@pytest.mark.parametrize("words, problem", [
    (["sleep", "60"], "no end within"), (["true"], "last word"),
    (["false"], "ended with status 1"), (["/no/such/qemu"], "FileNotFoundError")], ids=str)
def test_machine_that_does_nothing(monkeypatch, no_kernel, words, problem):
    monkeypatch.setattr(guest, "command", lambda *_: words)
    assert problem in guest.boot(no_kernel, "", "", {}, 3).problem


def test_choice():
    listed = list(package.kernels())
    assert package.chosen("all") == listed
    assert package.chosen("") == [kernel for kernel in listed if kernel.checked]
    assert [str(kernel) for kernel in package.chosen("6.1-arm64 5.10")] == \
        ["5.10-amd64", "6.1-arm64"]


@pytest.mark.parametrize("words", ["6.99", "6.1 6.99", "all 6.1", "6.1,6.12"])
def test_choice_of_what_is_not_there(words):
    with pytest.raises(package.Unavailable):
        package.chosen(words)


def test_list_has_what_is_promised():
    listed = list(package.kernels())
    assert {"5.10-amd64", "6.1-amd64", "6.12-amd64", "newest-amd64", "6.1-arm64"} <= \
        {str(kernel) for kernel in listed}
    assert len([kernel for kernel in listed if kernel.checked]) >= 2


def test_words_of_check_and_verifier():
    said = ("Linux 6.1\n\n  yes      BTF of the kernel\n  no       an event\n"
            "           without it: x\n")
    assert record.features_in(said) == {"BTF of the kernel": True, "an event": False}
    assert record.instructions_in("mt_a 5\n 7\nmt_a 9\nmt_b 3\nlibbpf_x 1\n") == \
        {"mt_a": 9, "mt_b": 3}
