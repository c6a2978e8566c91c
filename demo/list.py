# SPDX-License-Identifier: GPL-2.0
"""Ten million numbers in a list, and then none: does the memory come back?"""

numbers = [number for number in range(10_000_000)]
print(f"made {len(numbers):,} numbers")
del numbers
print("deleted the list")
