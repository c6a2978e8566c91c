# SPDX-License-Identifier: GPL-2.0
"""A thousand buffers of a megabyte, most of them dropped: does gc.collect() help?"""
import gc

buffers = [bytearray(1024 * 1024) for _ in range(1000)]
print(f"made {len(buffers)} buffers")
del buffers[7:]
print(f"kept {len(buffers)}; gc.collect() found {gc.collect()} unreachable objects")
