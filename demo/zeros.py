# SPDX-License-Identifier: GPL-2.0
"""A matrix of a hundred million zeros: 763 MiB are asked for.  Where are they?"""
import numpy

matrix = numpy.zeros((10_000, 10_000))
print(f"made a matrix of {matrix.nbytes:,} bytes")
matrix[:1_000] = 1.0
print("wrote a tenth of it")
