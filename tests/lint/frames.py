# SPDX-License-Identifier: GPL-2.0
"""How much stack do the programs of an object of BPF need, with all that they call?

As the verifier reckons: what each function reaches below its frame pointer, in steps of 32 bytes,
summed up along the longest chain of calls, functions that helpers call included.
"""
import functools
import struct

STEP = 32
ALU, LOAD, STORES, CALL, ADDRESS = 0x07, 1, (2, 3), 0x85, 0x18
COPY_OF_FRAME = 0xbf
FRAME_POINTER, PSEUDO_CALL = 10, 1
FUNCTION, SECTION = 2, 3  # types of symbols
SYMBOLS, RELOCATIONS = 2, 9  # types of sections


class Object:
    """The functions of an object: what each reaches, and whom it calls."""

    def __init__(self, path):
        self.data = path.read_bytes()
        start, = struct.unpack_from("<Q", self.data, 0x28)
        size, count = struct.unpack_from("<HH", self.data, 0x3a)
        self.sections = [struct.unpack_from("<IIQQQQIIQQ", self.data, start + number * size)
                         for number in range(count)]
        self.symbols = list(self.read_symbols())
        self.targets = dict(self.read_relocations())
        self.functions = {(section, value): (name, size)
                          for name, kind, section, value, size in self.symbols
                          if kind == FUNCTION and section}

    def read_symbols(self):
        table, = (one for one in self.sections if one[1] == SYMBOLS)
        names = self.sections[table[6]][4]
        for at in range(table[4], table[4] + table[5], 24):
            name, info, _, section, value, size = struct.unpack_from("<IBBHQQ", self.data, at)
            end = self.data.index(b"\0", names + name)
            yield self.data[names + name:end].decode(), info & 15, section, value, size

    def read_relocations(self):
        """{(section, offset): symbol}"""
        for one in self.sections:
            if one[1] == RELOCATIONS:
                for at in range(one[4], one[4] + one[5], 16):
                    offset, info = struct.unpack_from("<QQ", self.data, at)
                    yield (one[7], offset), self.symbols[info >> 32]

    def instructions(self, function):
        """(offset, operation, destination, source, displacement, number)"""
        section, value = function
        for offset in range(value, value + self.functions[function][1], 8):
            operation, registers, displacement, number = struct.unpack_from(
                "<BBhi", self.data, self.sections[section][4] + offset)
            yield offset, operation, registers & 15, registers >> 4, displacement, number

    def own(self, function):
        most, frame = 1, None  # the register that is a copy of the frame pointer
        for _, operation, to, source, displacement, number in self.instructions(function):
            if operation & 7 in STORES and to == FRAME_POINTER or \
                    operation & 7 == LOAD and source == FRAME_POINTER:
                most = max(most, -displacement)
            elif operation == ALU and to == frame:
                most = max(most, -number)
            frame = to if operation == COPY_OF_FRAME and source == FRAME_POINTER else None
        return (most + STEP - 1) // STEP * STEP

    def called(self, function):
        for offset, operation, _, source, _, number in self.instructions(function):
            is_call = operation == CALL and source == PSEUDO_CALL
            symbol = self.targets.get((function[0], offset))
            if is_call and not symbol:
                yield function[0], offset + 8 + number * 8
            elif symbol and (is_call or operation == ADDRESS):
                _, kind, section, value, _ = symbol
                more = (number + 1) * 8 if is_call else number
                yield section, value + (more if kind == SECTION else 0)

    @functools.lru_cache(None)
    def chain(self, function):
        """(bytes, names) of the longest."""
        longest = max((self.chain(one) for one in set(self.called(function))
                       if one in self.functions and one != function), default=(0, ()))
        return self.own(function) + longest[0], (self.functions[function][0], *longest[1])

    def programs(self):
        """{name: (bytes, names of the chain)} of what the kernel calls."""
        return {name: self.chain(function) for function, (name, _) in self.functions.items()
                if name.startswith("mt_")}
