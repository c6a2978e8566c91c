# SPDX-License-Identifier: GPL-2.0
"""What does a report come to, in a sentence?  Reads a JSON report from standard input."""
import json
import sys
import textwrap

RESIDENT = ("anon_bytes", "file_bytes", "shmem_bytes")
RESERVING = ("mmap", "mremap", "brk.grow")


def mib(size):
    return f"{size / 2**20:,.1f} MiB"


def resident(balances):
    return sum(balances[balance] for balance in RESIDENT)


def main():
    process = json.load(sys.stdin)["processes"][0]
    ledger = [row for row in process["ledger"] if row["operation"] not in ("fork", "exec", "exit")]
    reserved = sum(row["virtual_bytes"] for row in ledger if row["operation"] in RESERVING)
    touched = sum(max(resident(row), 0) for row in ledger)
    given_back = -sum(min(resident(row), 0) for row in ledger)
    end = process["at_exit"] or process["closing"]
    unexplained = sum(map(abs, process["unexplained"].values()))
    print()
    print(textwrap.fill(
        f"In short: it reserved {mib(reserved)} of address space, touched {mib(touched)} and gave "
        f"{mib(given_back)} back while it ran.  The most it held was "
        f"{mib(process['peak']['resident_bytes'])}; in the end it was {mib(resident(end))}.  "
        f"Unexplained: {unexplained} bytes.", 79))


main()
