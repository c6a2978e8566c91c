# SPDX-License-Identifier: GPL-2.0
"""What is left of a server that is asked nothing difficult?"""
import time

kept = bytearray(b"x") * (64 << 20)
while True:
    answer = bytearray(b"x") * (40 << 20)
    del answer
    time.sleep(0.2)
