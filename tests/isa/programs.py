# SPDX-License-Identifier: Apache-2.0
"""programs.py - random RISC-V programs as ELF files, and what their output means.

A program is a list of cases. Each loads all registers with the case's values, executes one
instruction, and stores all registers, fcsr included, into a buffer that is written to standard
output at the end, behind it a scratch page that loads and stores go to. Two machines agree when
their outputs are the same bytes.

    x31  the case's values, then its results     x30  the way back from load and store
    x29  an address in the scratch page          all others: operands
"""

import random
import struct
import subprocess

CODE, DATA = 0x100000, 0x1000000
NR_X, NR_F = 29, 32  # registers of a case: x1..x29, f0..f31
CASE_BYTES = 8 * (NR_X + NR_F + 1)
SCRATCH_BYTES = 4096


# --- encoding --------------------------------------------------------------------------------


def i_type(opcode, f3, rd, rs1, imm):
    return opcode | rd << 7 | f3 << 12 | rs1 << 15 | (imm & 0xfff) << 20


def s_type(opcode, f3, rs1, rs2, imm):
    return opcode | (imm & 31) << 7 | f3 << 12 | rs1 << 15 | rs2 << 20 | (imm >> 5 & 0x7f) << 25


def jal(rd, offset):
    return (0x6f | rd << 7 | (offset >> 12 & 0xff) << 12 | (offset >> 11 & 1) << 20
            | (offset >> 1 & 0x3ff) << 21 | (offset >> 20 & 1) << 31)


def load_immediate(rd, value):
    """lui + addi: values below 2^31."""
    high = (value + 0x800) >> 12
    return [0x37 | rd << 7 | (high & 0xfffff) << 12, i_type(0x13, 0, rd, rd, value & 0xfff)]


CSR_FCSR = 3


def csrw(csr, rs1):
    return i_type(0x73, 1, 0, rs1, csr)


def csrr(rd, csr):
    return i_type(0x73, 2, rd, 0, csr)


# --- the table of instructions ----------------------------------------------------------------


class Instruction:
    def __init__(self, name, form, mask, match):
        self.name, self.form, self.mask, self.match = name, form, mask, match


def instructions(lister):
    """Every row of instructions.h, as list-riscv prints them."""
    lines = subprocess.run([lister], stdout=subprocess.PIPE, check=True, text=True).stdout
    rows = (line.split() for line in lines.splitlines())
    return [Instruction(name, form, int(mask, 0), int(match, 0)) for name, form, mask, match in rows]


def is_vector(instruction):
    return instruction.form.startswith("V") or instruction.form in ("XV", "FV") or \
        instruction.name == "vsetvl"


# Forms whose effect is not in the registers, or differs between machines that are both right.
LEFT_OUT = {"fence", "fence.i", "ecall", "ebreak", "wrs.nto", "wrs.sto", "cbo.inval", "cbo.clean",
            "cbo.flush", "jal", "jalr", "auipc", "csrrw", "csrrs", "csrrc", "csrrwi", "csrrsi",
            "csrrci", "sret", "mret", "wfi", "sfence.vma", "sinval.vma", "sfence.w.inval",
            "sfence.inval.ir"}
MEMORY = {"LOAD", "STORE", "FLOAD", "FSTORE", "AMO", "LR", "CBO"}
ROUNDING = {"FR", "FR1", "R4", "FXR", "XFR"}


def encode(rng, instruction):
    """A random word of this instruction that the frame above can execute."""
    word = rng.getrandbits(32) & ~instruction.mask & 0xffffffff | instruction.match
    rd = rng.randrange(29)
    if not instruction.mask >> 7 & 31:
        word = word & ~(31 << 7) | rd << 7
    if instruction.form in ("STORE", "FSTORE"):
        word = s_type(word & 0x7f, word >> 12 & 7, 29, rng.randrange(29), rng.randrange(-512, 512))
    elif instruction.form in ("LOAD", "FLOAD"):
        word = i_type(word & 0x7f, word >> 12 & 7, word >> 7 & 31, 29, rng.randrange(-512, 512))
    elif instruction.form in MEMORY:
        word = word & ~(31 << 15) | 29 << 15
    if instruction.form == "B":  # taken or not, it goes on behind
        word = word & ~0xfe000f80 | 4 << 7
    if instruction.form in ROUNDING and not instruction.mask >> 12 & 1:
        word = word & ~0x7000 | rng.choice((0, 1, 2, 3, 4, 7)) << 12
    if instruction.form == "AESKS":
        word = word & ~(15 << 20) | rng.randrange(11) << 20
    return word


# --- values ----------------------------------------------------------------------------------

CORNERS = [0, 1, 2, 31, 32, 63, 64, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000,
           0xffffffff, 0x100000000, 0x7fffffffffffffff, 0x8000000000000000, 0xffffffffffffffff]
EXPONENTS = {16: (5, 10), 32: (8, 23), 64: (11, 52)}


def integer_value(rng):
    kind = rng.randrange(4)
    if kind == 0:
        return rng.choice(CORNERS)
    if kind == 1:
        return rng.getrandbits(64)
    if kind == 2:
        return rng.getrandbits(rng.randrange(1, 65))
    return -rng.getrandbits(rng.randrange(1, 64)) & 0xffffffffffffffff


def float_bits(rng, width):
    """A floating-point number: corners, near-halves, plain ones."""
    exponent_bits, fraction_bits = EXPONENTS[width]
    top = (1 << exponent_bits) - 1
    bias = top >> 1
    exponent = rng.choice((0, 1, top, top - 1, bias, bias + 1, bias - 1, bias + fraction_bits,
                           bias + 31, bias + 63, rng.randrange(top + 1), rng.randrange(top + 1),
                           max(0, min(top, bias + rng.randrange(-12, 12)))))
    fraction = rng.choice((0, 1, (1 << fraction_bits) - 1, 1 << (fraction_bits - 1),
                           rng.getrandbits(fraction_bits), rng.getrandbits(fraction_bits),
                           rng.getrandbits(8) << (fraction_bits - 8)))
    return rng.getrandbits(1) << (width - 1) | min(exponent, top) << fraction_bits | fraction


def float_value(rng, width):
    """A register: boxed, now and then not."""
    bits = float_bits(rng, width)
    if width < 64 and rng.randrange(16):
        bits |= (1 << 64) - (1 << width)
    return bits


# --- programs --------------------------------------------------------------------------------


def frame():
    """load and store, and the offsets of the two in bytes."""
    load = [i_type(0x03, 3, 1, 31, 8 * (NR_X + NR_F)), csrw(CSR_FCSR, 1)]
    load += [i_type(0x03, 3, n + 1, 31, 8 * n) for n in range(NR_X)]
    load += [i_type(0x07, 3, n, 31, 8 * (NR_X + n)) for n in range(NR_F)]
    load += [i_type(0x67, 0, 0, 30, 0)]
    store = [s_type(0x23, 3, 31, n + 1, 8 * n) for n in range(NR_X)]
    store += [s_type(0x27, 3, 31, n, 8 * (NR_X + n)) for n in range(NR_F)]
    store += [csrr(1, CSR_FCSR), s_type(0x23, 3, 31, 1, 8 * (NR_X + NR_F))]
    store += [i_type(0x13, 0, 31, 31, CASE_BYTES), i_type(0x67, 0, 0, 30, 0)]
    return load + store, 4 * len(load)


def program(cases):
    """The ELF file of [(instruction bytes, x1..x28 values, f values, fcsr)]."""
    subroutines, store_at = frame()
    scratch = DATA + CASE_BYTES * len(cases)
    code = struct.pack(f"<{len(subroutines)}I", *subroutines)
    entry = CODE + len(code)
    start = load_immediate(31, DATA)
    code += struct.pack(f"<{len(start)}I", *start)
    data = b""
    for number, (word, xs, fs, fcsr) in enumerate(cases):
        code += struct.pack("<I", jal(30, -len(code)))
        code += word
        code += struct.pack("<I", jal(30, store_at - len(code)))
        address = scratch + 1024 + 64 * (number % 31)
        data += struct.pack(f"<{NR_X + NR_F + 1}Q", *xs[:NR_X - 1], address, *fs, fcsr)
    for address, size in ((DATA, len(data)), (scratch, SCRATCH_BYTES)):
        call = [i_type(0x13, 0, 10, 0, 1), *load_immediate(11, address), *load_immediate(12, size),
                i_type(0x13, 0, 17, 0, 64), 0x73]
        code += struct.pack(f"<{len(call)}I", *call)
    code += struct.pack("<3I", i_type(0x13, 0, 10, 0, 0), i_type(0x13, 0, 17, 0, 93), 0x73)
    rng = random.Random(len(cases))
    data += bytes(rng.getrandbits(8) for _ in range(SCRATCH_BYTES))
    return elf(entry, [(CODE, code, 5), (DATA, data, 6)])


def elf(entry, segments):
    header = 64 + 56 * len(segments)
    offset = (header + 4095) & ~4095
    heads, body = b"", b""
    for address, content, flags in segments:
        heads += struct.pack("<IIQQQQQQ", 1, flags, offset + len(body), address, address,
                             len(content), len(content), 4096)
        body += content + bytes(-len(content) % 4096)
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    start = ident + struct.pack("<HHIQQQIHHHHHH", 2, 243, 1, entry, 64, 0, 5, 64, 56, len(segments),
                                0, 0, 0)
    return (start + heads).ljust(offset, b"\0") + body


def random_cases(rng, table, count):
    cases = []
    for number in range(count):
        instruction = table[number % len(table)]
        word = struct.pack("<I", encode(rng, instruction))
        width = 16 if instruction.name.endswith(".h") else 32 if ".s" in instruction.name else 64
        if not rng.randrange(4):
            width = rng.choice((16, 32, 64))
        xs = [integer_value(rng) for _ in range(NR_X)]
        fs = [float_value(rng, width) for _ in range(NR_F)]
        fcsr = rng.randrange(5) << 5 | rng.getrandbits(5) * (rng.randrange(4) == 0)
        cases.append((word, xs, fs, fcsr))
    return cases


def is_harmless_compressed(word):
    """Is this 16-bit word computation, or memory by a register of point_to_scratch()?"""
    quadrant, f3 = word & 3, word >> 13
    rd, rs2 = word >> 7 & 31, word >> 2 & 31
    if quadrant == 3 or word == 0:
        return False
    if quadrant == 0:
        if f3 == 0:
            return word >> 5 & 0xff != 0  # c.addi4spn
        if f3 == 4:
            return (word >> 10 & 7) < 3 or (word >> 10 & 7) == 3 and not word & 0x40
        return True
    if rd > 29 or quadrant == 2 and rs2 > 29:
        return False
    if quadrant == 1:
        if f3 == 1:
            return rd != 0
        if f3 == 3:
            return word & 0x107c != 0
        if f3 == 4 and (word >> 10 & 7) == 7:
            return (word >> 5 & 3) == 2 or (word >> 5 & 3) == 3 and (word >> 2 & 7) < 6 \
                or (word >> 5 & 3) < 2
        return f3 < 5
    if f3 in (2, 3):
        return rd not in (0, 2)
    if f3 == 4:
        return rs2 != 0
    return f3 != 4


def point_to_scratch(cases):
    """sp and x8..x15, the bases of 16-bit loads and stores, hold addresses in the scratch page."""
    scratch = DATA + CASE_BYTES * len(cases)
    for number, (_, xs, _, _) in enumerate(cases):
        for reg in (2, *range(8, 16)):
            xs[reg - 1] = scratch + 8 * ((number + reg) % 64)


def first_difference(cases, table, ours, theirs):
    """What differs first, for people."""
    names = [f"x{n + 1}" for n in range(NR_X)] + [f"f{n}" for n in range(NR_F)] + ["fcsr"]
    for number, case in enumerate(cases):
        where = slice(number * CASE_BYTES, (number + 1) * CASE_BYTES)
        if ours[where] == theirs[where]:
            continue
        a = struct.unpack(f"<{len(names)}Q", ours[where])
        b = struct.unpack(f"<{len(names)}Q", theirs[where])
        before = list(case[1][:NR_X - 1]) + [0] + list(case[2]) + [case[3]]
        lines = [f"case {number}: {table[number % len(table)].name} {case[0].hex()}"]
        lines += [f"  {n}: {x:#x}, theirs {y:#x}" for n, x, y in zip(names, a, b) if x != y]
        word = int.from_bytes(case[0], "little")
        for reg in (word >> 15 & 31, word >> 20 & 31, word >> 27 & 31):
            lines.append(f"  before: x{reg} {before[reg - 1] if 0 < reg < 30 else 0:#x} "
                         f"f{reg} {before[NR_X + reg]:#x}")
        lines.append(f"  before: fcsr {case[3]:#x}")
        return "\n".join(lines)
    return None if ours == theirs else "the scratch page"
