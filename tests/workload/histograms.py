# SPDX-License-Identifier: GPL-2.0
"""Do histograms agree with the ledger, and with the sizes that a workload asked for?"""
import collections

import support

SIZES = {"mmap_bytes": ("mmap",), "munmap_bytes": ("munmap",), "mremap_bytes": ("mremap",),
         "brk_bytes": ("brk.grow", "brk.shrink"),
         "madvise_bytes": ("madvise.dontneed", "madvise.free", "madvise.remove",
                           "madvise.pageout", "madvise.populate", "madvise.collapse",
                           "madvise.other")}
RELEASES = ("munmap", "brk.shrink", "madvise.dontneed", "madvise.free", "madvise.remove",
            "madvise.pageout")
CALLS = sum(SIZES.values(), ()) + ("mlock", "shm")


def histograms_of(process, name):
    return [one for one in process["histograms"] if one["name"] == name]


def total(process, name, what):
    return sum(one[what] for one in histograms_of(process, name))


def in_buckets(histogram):
    """How many values each bucket has by itself; empty ones left out."""
    counts, before = {}, 0
    for bucket in histogram["buckets"]:
        if bucket["count"] > before:
            counts[bucket["le"]] = bucket["count"] - before
        before = bucket["count"]
    return counts


def bucket_of(value):
    """The `le` of a value: the smallest power of two that is not below it."""
    return 1 << max(value - 1, 0).bit_length()


def wrong_shape(histogram):
    counts = [bucket["count"] for bucket in histogram["buckets"]]
    limits = [bucket["le"] for bucket in histogram["buckets"]]
    if counts != sorted(counts) or not counts or counts[-1] != histogram["count"]:
        yield f"{histogram['name']}: not cumulative: {counts}"
    if limits[-1] is not None or limits[:-1] != sorted(limits[:-1]):
        yield f"{histogram['name']}: limits {limits}"
    if any(limit & (limit - 1) for limit in limits[:-1]):
        yield f"{histogram['name']}: not powers of two: {limits}"


def wrong_sums(process):
    """Each call is in the histograms once, and the sums are those of the ledger."""
    def calls(operations, what="count"):
        return sum(row[what] or 0 for row in process["ledger"]
                   if row["operation"] in operations and not row["call"])

    for name, operations in SIZES.items():
        if total(process, name, "sum") != calls(operations, "requested_bytes"):
            yield f"{name} sum: {total(process, name, 'sum')}, not as in the ledger"
        # Calls of brk that only ask where the end is have no size.
        if name != "brk_bytes" and total(process, name, "count") != calls(operations):
            yield f"{name} count: {total(process, name, 'count')}, not as in the ledger"
    released = -sum(calls(RELEASES, balance) for balance in support.RESIDENT)
    if total(process, "released_bytes", "sum") != released:
        yield f"released_bytes sum: {total(process, 'released_bytes', 'sum')}, not {released}"
    # One that fails may have given something back before.
    most, failed = calls(RELEASES), calls(RELEASES, "failed")
    if not most - failed <= total(process, "released_bytes", "count") <= most:
        yield f"released_bytes count: {total(process, 'released_bytes', 'count')} of {most}"
    for operation in CALLS:
        timed = [one for one in histograms_of(process, "syscall_ns")
                 if one["operation"] == operation]
        if sum(one["count"] for one in timed) != calls((operation,)):
            yield f"syscall_ns of {operation}: {timed}"


def wrong(process, whole=True):
    """All that does not agree in the histograms of a process; `whole`: no event was missed."""
    for histogram in process["histograms"]:
        yield from wrong_shape(histogram)
    if whole:
        yield from wrong_sums(process)


def unexpected_sizes(process, expected):
    wanted = collections.defaultdict(collections.Counter)
    sums = collections.Counter()
    for words, count in expected.items():
        name, value = words.split()
        wanted[name][bucket_of(int(value))] += count
        sums[name] += int(value) * count
    for name, counts in wanted.items():
        got = collections.Counter()
        for one in histograms_of(process, name):
            got += in_buckets(one)
        if got != counts:
            yield f"{name}: {dict(got)}, expected {dict(counts)}"
        if total(process, name, "sum") != sums[name]:
            yield f"{name} sum: {total(process, name, 'sum')}, expected {sums[name]}"


def unexpected_times(process, expected):
    for words, count in expected.items():
        name, least = words.split()
        limits = [limit for one in histograms_of(process, name) for limit in in_buckets(one)]
        if total(process, name, "count") != count:
            yield f"{name} count: {total(process, name, 'count')}, expected {count}"
        if min(limits, default=0) < int(least) or total(process, name, "sum") < count * int(least):
            yield f"{name}: some below {least}: {limits}"


def unexpected(process, expected):
    """Where histograms are not what a workload expects: {"sizes": {"mmap_bytes 4096": 7}}."""
    yield from unexpected_sizes(process, expected.get("sizes", {}))
    yield from unexpected_times(process, expected.get("times", {}))
