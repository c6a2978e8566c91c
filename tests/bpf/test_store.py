# SPDX-License-Identifier: GPL-2.0
"""Does the kernel side know an instruction of arm64 that writes memory, where it has to?"""
import subprocess

import support

WRITES = """
    str x1, [x0]
    str w1, [x0, #8]!
    str x1, [x0], #8
    str x1, [x0, x2, lsl #3]
    strb w1, [x0]
    strh w1, [x0, #2]
    stur x1, [x0, #-3]
    sttr x1, [x0]
    stp x1, x2, [x0]
    stp w1, w2, [x0, #-16]!
    stnp x1, x2, [x0]
    str b1, [x0]
    str s1, [x0]
    str d1, [x0, #16]
    str q1, [x0]
    stur q1, [x0, #-16]
    str q1, [x0, x2]
    stp q1, q2, [x0], #32
    st1 {v0.16b}, [x0]
    st1 {v0.b}[3], [x0]
    st4 {v0.4s, v1.4s, v2.4s, v3.4s}, [x0], #64
    stxr w3, x1, [x0]
    stlxr w3, w1, [x0]
    stxp w3, x1, x2, [x0]
    stlr x1, [x0]
    stlrb w1, [x0]
    stlur x1, [x0, #1]
    cas x1, x2, [x0]
    casalb w1, w2, [x0]
    casp x2, x3, x4, x5, [x0]
    casp w2, w3, w4, w5, [x0]
    ldadd x1, x2, [x0]
    ldaddal w1, w2, [x0]
    stadd x1, [x0]
    ldclrb w1, w2, [x0]
    ldsmax x1, x2, [x0]
    swp x1, x2, [x0]
    swpalh w1, w2, [x0]
    stg x0, [x0]
    dc zva, x0
"""

OTHERS = """
    ldr x1, [x0]
    ldr w1, [x0, #8]!
    ldr x1, [x0], #8
    ldr x1, [x0, x2, lsl #3]
    ldr x1, .
    ldrsw x1, .
    ldrb w1, [x0]
    ldrsb x1, [x0]
    ldrsb w1, [x0]
    ldrsh w1, [x0, #2]
    ldrsw x1, [x0]
    ldur x1, [x0, #-3]
    ldtr x1, [x0]
    ldp x1, x2, [x0]
    ldpsw x1, x2, [x0]
    ldnp x1, x2, [x0]
    ldr b1, [x0]
    ldr q1, [x0]
    ldr q1, .
    ldur q1, [x0, #-16]
    ldp q1, q2, [x0], #32
    ld1 {v0.16b}, [x0]
    ld1 {v0.b}[3], [x0]
    ld1r {v0.4s}, [x0]
    ldxr x1, [x0]
    ldaxr w1, [x0]
    ldxp x1, x2, [x0]
    ldar x1, [x0]
    ldapr x1, [x0]
    ldapur x1, [x0, #1]
    ldraa x1, [x0, #8]
    ldrab x1, [x0, #8]!
    prfm pldl1keep, [x0]
    dc cvac, x0
    add x1, x0, #8
    mov x1, x0
    fadd d1, d0, d2
    bl .
    ret
    nop
    svc #0
"""

PROGRAM = """
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#define MEMTRACE_ARCH_BPF_H
#define __TARGET_ARCH_arm64
#define __always_inline inline __attribute__((always_inline))
typedef uint8_t __u8;
typedef uint32_t __u32;
typedef uint64_t __u64;
struct event_registers;
bool is_of_32_bits(const struct event_registers *regs);
__u64 interrupted_ip(const struct event_registers *regs);
long bpf_probe_read_user(void *to, __u32 bytes, const void *from);
#include "bpf/store.bpf.h"

int main(void)
{
    __u32 word;

    while (fread(&word, sizeof(word), 1, stdin) == 1)
        puts(is_store(word) ? "yes" : "no");
}
"""


def assembled(folder, lines):
    made, code = folder / "code.o", folder / "code"
    subprocess.run(["clang", "--target=aarch64-linux-gnu", "-march=armv8.5-a+memtag", "-x",
                    "assembler", "-c", "-o", made, "-"], input=lines, text=True, check=True)
    subprocess.run(["ld.lld", "--oformat", "binary", "-e", "0", "-o", code, made], check=True)
    return code.read_bytes()


def test_what_writes_is_known(tmp_path):
    program = tmp_path / "program"
    # -O2: what only the kernel side calls is not there to be linked.
    subprocess.run(["gcc", "-O2", "-I.", "-x", "c", "-o", program, "-"], input=PROGRAM, text=True,
                   cwd=support.ROOT, check=True)
    for lines, answer in (WRITES, "yes"), (OTHERS, "no"):
        words = [line.strip() for line in lines.strip().splitlines()]
        said = subprocess.run([program], input=assembled(tmp_path, lines), check=True,
                              stdout=subprocess.PIPE).stdout.decode().split()
        assert len(said) == len(words)
        assert not [word for word, one in zip(words, said) if one != answer]
