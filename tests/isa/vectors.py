# SPDX-License-Identifier: Apache-2.0
"""vectors.py - random programs of vector instructions, and what their output means.

As in programs.py a case loads all registers, executes one instruction, and stores all registers;
here vector registers and what describes them are among them. An instruction that is illegal or
faults leaves a mark in x5 and the program goes on behind it: the program installs a handler that
does so, and run-riscv does it itself. So what one machine refuses the other must refuse too.

    scratch  SCRATCH_BYTES that loads and stores go to, x29 in their middle
    hole     a page behind it that cannot be accessed
"""

import struct

import programs
from programs import CODE, DATA, NR_F, NR_X, csrr, csrw, elf, i_type, jal, load_immediate, s_type

CSR_FCSR, CSR_VSTART, CSR_VCSR, CSR_VL, CSR_VTYPE = 0x003, 0x008, 0x00f, 0xc20, 0xc21
CSR_VXSAT, CSR_VXRM, CSR_VLENB = 0x009, 0x00a, 0xc22
VLEN_BYTES = 16
NR_X_F = NR_X + NR_F
FCSR, VL, VTYPE, VSTART, VCSR, V = (8 * (NR_X_F + n) for n in range(6))
CASE_BYTES = V + 32 * VLEN_BYTES
SCRATCH_BYTES = 1 << 15
MARK_ILLEGAL, MARK_FAULT = 0x111, 0x222
SIGILL, SIGSEGV, SA_SIGINFO, SA_ONSTACK = 4, 11, 4, 0x08000000
# struct ucontext of Linux for riscv64: uc_mcontext.gregs[0], which is pc, and x5.
UCONTEXT_PC, UCONTEXT_X5 = 176, 176 + 8 * 5

VL8RE8, VS8R, VSETVL = 0xe2800007, 0xe2800027, 0x80007057


# --- the frame -------------------------------------------------------------------------------


def handlers():
    """Two signal handlers, and the offset of the second."""
    code = []
    for mark in (MARK_ILLEGAL, MARK_FAULT):
        code += [i_type(0x03, 3, 5, 12, UCONTEXT_PC), i_type(0x13, 0, 5, 5, 4),
                 s_type(0x23, 3, 12, 5, UCONTEXT_PC), i_type(0x13, 0, 5, 0, mark),
                 s_type(0x23, 3, 12, 5, UCONTEXT_X5), i_type(0x67, 0, 0, 1, 0)]
    return code, 4 * len(code) // 2


def frame():
    """load and store, and the offset of store in bytes."""
    load = [i_type(0x03, 3, 1, 31, FCSR), csrw(CSR_FCSR, 1)]
    load += [i_type(0x03, 3, 1, 31, VCSR), csrw(CSR_VCSR, 1)]
    for group in range(4):
        load += [i_type(0x13, 0, 1, 31, V + 8 * VLEN_BYTES * group),
                 VL8RE8 | 8 * group << 7 | 1 << 15]
    load += [i_type(0x03, 3, 1, 31, VL), i_type(0x03, 3, 2, 31, VTYPE), VSETVL | 1 << 15 | 2 << 20]
    load += [i_type(0x03, 3, 1, 31, VSTART), csrw(CSR_VSTART, 1)]
    load += [i_type(0x03, 3, n + 1, 31, 8 * n) for n in range(NR_X)]
    load += [i_type(0x07, 3, n, 31, 8 * (NR_X + n)) for n in range(NR_F)]
    load += [i_type(0x67, 0, 0, 30, 0)]
    store = [s_type(0x23, 3, 31, n + 1, 8 * n) for n in range(NR_X)]
    store += [s_type(0x27, 3, 31, n, 8 * (NR_X + n)) for n in range(NR_F)]
    for csr, offset in ((CSR_FCSR, FCSR), (CSR_VL, VL), (CSR_VTYPE, VTYPE), (CSR_VSTART, VSTART),
                        (CSR_VCSR, VCSR)):
        store += [csrr(1, csr), s_type(0x23, 3, 31, 1, offset)]
    store += [csrw(CSR_VSTART, 0)]
    for group in range(4):
        store += [i_type(0x13, 0, 1, 31, V + 8 * VLEN_BYTES * group),
                  VS8R | 8 * group << 7 | 1 << 15]
    store += [i_type(0x13, 0, 31, 31, CASE_BYTES), i_type(0x67, 0, 0, 30, 0)]
    return load + store, 4 * len(load)


def system_call(number, *arguments):
    code = []
    for register, value in enumerate(arguments):
        code += load_immediate(10 + register, value)
    return code + [i_type(0x13, 0, 17, 0, number), 0x73]


class Layout:
    """Where things are in the memory of a program of `count` cases."""

    def __init__(self, count):
        self.scratch = (DATA + CASE_BYTES * count + 4095) & ~4095
        self.hole = self.scratch + SCRATCH_BYTES
        self.signals = self.hole + 4096  # two struct sigaction, a stack_t, the stack
        self.stack_bytes = 1 << 16
        self.base = self.scratch + SCRATCH_BYTES // 2


class Case:
    """One instruction and all state before it; x29 has been set by whoever made it."""

    def __init__(self, name, word, x, f, fcsr, vl, vtype, vstart, vcsr, v):
        self.name, self.word, self.x, self.f, self.fcsr = name, word, x, f, fcsr
        self.vl, self.vtype, self.vstart, self.vcsr, self.v = vl, vtype, vstart, vcsr, v

    def state(self):
        return struct.pack(f"<{NR_X_F + 5}Q", *self.x, *self.f, self.fcsr, self.vl, self.vtype,
                           self.vstart, self.vcsr) + self.v


def program(rng, cases, turns=1):
    """The ELF file; each instruction is executed `turns` times."""
    layout = Layout(len(cases))
    handler_code, second = handlers()
    subroutines, store_at = frame()
    load_at = 4 * len(handler_code)
    store_at += load_at
    words = handler_code + subroutines
    entry = CODE + 4 * len(words)
    signals = struct.pack("<6Q", CODE, SA_SIGINFO | SA_ONSTACK, 0, CODE + second,
                          SA_SIGINFO | SA_ONSTACK, 0)
    signals += struct.pack("<3Q", layout.signals + 4096, 0, layout.stack_bytes)
    words += system_call(132, layout.signals + 48, 0)
    words += system_call(134, SIGILL, layout.signals, 0, 8)
    words += system_call(134, SIGSEGV, layout.signals + 24, 0, 8)
    words += load_immediate(31, DATA)
    for case in cases:
        words += [jal(30, load_at - 4 * len(words))]
        if turns > 1:  # addi x30, x0, turns; the instruction; addi x30, x30, -1; bne x30, x0, -8
            words += [i_type(0x13, 0, 30, 0, turns), case.word, i_type(0x13, 0, 30, 30, -1),
                      0xfe0f1ce3]
        else:
            words += [case.word]
        words += [jal(30, store_at - 4 * len(words))]
    words += system_call(64, 1, DATA, CASE_BYTES * len(cases))
    words += system_call(64, 1, layout.scratch, SCRATCH_BYTES)
    words += system_call(93, 0)
    data = b"".join(case.state() for case in cases)
    data = data.ljust(layout.scratch - DATA, b"\0") + rng.randbytes(SCRATCH_BYTES)
    return elf(entry, [(CODE, struct.pack(f"<{len(words)}I", *words), 5), (DATA, data, 6),
                       (layout.hole, bytes(4096), 0),
                       (layout.signals, signals.ljust(4096 + layout.stack_bytes, b"\0"), 6)])


# --- cases -----------------------------------------------------------------------------------


def is_finite(bits, width):
    exponent_bits, fraction_bits = programs.EXPONENTS[width]
    return bits >> fraction_bits & (1 << exponent_bits) - 1 != (1 << exponent_bits) - 1


def element(rng, width, kind):
    """A value of `width` bits; kind: "", "float" or "finite"."""
    if kind and width > 8:
        bits = programs.float_bits(rng, width)
        while kind == "finite" and not is_finite(bits, width):
            bits = programs.float_bits(rng, width)
        return bits
    kind = rng.randrange(4)
    if kind == 0:
        return rng.choice((0, 1, 2, (1 << width) - 1, (1 << width) - 2, 1 << (width - 1),
                           (1 << (width - 1)) - 1, width, width - 1, 2 * width))
    if kind == 1:
        return rng.getrandbits(rng.randrange(1, width + 1))
    return rng.getrandbits(width)


def registers(rng, width, kind):
    count = 32 * VLEN_BYTES * 8 // width
    return b"".join(element(rng, width, kind).to_bytes(width // 8, "little")
                    for _ in range(count))


def multiplier(vtype):
    """log2 of LMUL."""
    return ((vtype & 7) ^ 4) - 4


# They want groups of four elements, most of them of 32 bits.
CRYPTO = ("vaes", "vghsh", "vgmul", "vsha2")


def random_type(rng, name=""):
    """A vtype that is none of the reserved ones, and mostly one for an instruction of this name."""
    if name.startswith(CRYPTO) and rng.randrange(8):
        return rng.getrandbits(2) << 6 | (2 + ("sha" in name and rng.randrange(2))) << 3 | \
            rng.randrange(4)
    while True:
        sew = rng.randrange(name.startswith(("vf", "vmf")) and rng.randrange(8) > 0, 4)
        lmul = rng.choice((0, 0, 1, 1, 2, 3, 5, 6, 7))
        if lmul < 4 or 8 << sew <= 8 * VLEN_BYTES >> (8 - lmul):
            return rng.getrandbits(2) << 6 | sew << 3 | lmul


def random_register(rng, vtype):
    """Most often one that a group may begin with."""
    step = rng.choice((1, 1 << max(multiplier(vtype), 0), 1 << min(max(multiplier(vtype) + 1, 0), 3)))
    return rng.randrange(0, 32, step)


def encode(rng, instruction, vtype):
    """A random word of this instruction: a chance to be legal, x29 for a base, x30 and x31 left
    alone."""
    fields = {7: 5, 15: 5, 20: 5, 25: 1, 26: 1, 29: 3}
    word = instruction.match
    for low, bits in fields.items():
        mask = (1 << bits) - 1 << low
        if instruction.mask & mask:
            continue
        if bits == 5:
            value = random_register(rng, vtype)
        elif low == 29:
            value = rng.choice((0, 0, 0, rng.randrange(8)))
        else:
            value = rng.getrandbits(1)
        word |= value << low
    form = instruction.form
    if form in ("VLS", "VLSX", "VLSV"):
        word = word & ~(31 << 15) | 29 << 15
    if form == "VLSX":
        word = word & ~(31 << 20) | rng.choice((28, 28, 28, 0)) << 20
    if form in ("VVX", "VVXM", "VAX", "VX", "VVF", "VVFM", "VAF", "VF") and \
            not instruction.mask >> 15 & 1:
        word = word & ~(31 << 15) | rng.randrange(30) << 15
    if form in ("XV", "FV", "R", "VSETVLI", "VSETIVLI", "CSR", "CSRI"):
        word = word & ~(31 << 7) | rng.randrange(29) << 7
    if form in ("VVI", "VVIM", "VVU", "VVU6", "VI") and not instruction.mask >> 15 & 1:
        word = word & ~(31 << 15) | rng.randrange(32) << 15
    if form in ("R", "VSETVLI", "CSR"):
        word = word & ~(31 << 15) | rng.randrange(29) << 15
    if form == "CSRI":
        word = word & ~(31 << 15) | rng.randrange(4) << 15
    if form in ("VSETVLI", "VSETIVLI"):
        new = random_type(rng) if rng.randrange(8) else rng.getrandbits(10)
        word = word & ~(0x3ff << 20) | new << 20
    if form == "R":
        word = word & ~(31 << 20) | 28 << 20
    return word


def index_registers(rng, v, reg, width):
    """v with small numbers from `reg` on: indices."""
    count = 8 * VLEN_BYTES // (width // 8)
    group = b"".join(rng.randrange(min(1 << width, 4096)).to_bytes(width // 8, "little")
                     for _ in range(count))
    return (v[:reg * VLEN_BYTES] + group + v[reg * VLEN_BYTES + len(group):])[:len(v)]


def sources(name, form, word, vtype):
    """The registers an instruction reads, as (first, count, bits of an element)."""
    sew, lmul = 8 << (vtype >> 3 & 7), multiplier(vtype)
    vd, vs1, vs2 = word >> 7 & 31, word >> 15 & 31, word >> 20 & 31

    def group(first, bits, fields=1):
        return first, fields * (1 << max(lmul + bits.bit_length() - sew.bit_length(), 0)), bits

    found = [(0, 1, 1)] if not word >> 25 & 1 else []
    if form in ("VLS", "VLSX", "VLSV"):
        encoded = (8, 0, 0, 0, 0, 16, 32, 64)[word >> 12 & 7]
        found.append(group(vd, sew if form == "VLSV" else encoded, 1 + (word >> 29)))
        if form == "VLSV":
            found.append(group(vs2, encoded))
        return found
    found.append((vs2, 1, 1) if name == "viota.m" else group(vs2, sew))
    if name == "vcompress.vm":
        found.append((vs1, 1, 1))
    elif "red" in name:
        found.append((vs1, 1, 2 * sew if name.startswith(("vw", "vfw")) else sew))
    elif form in ("VVV", "VVVM"):
        found.append(group(vs1, sew))
    return found


# QEMU 10.0.2 lets these read one register as elements of two widths, which is reserved (chapter
# "V", "Vector Operands"); of all others it does not.
LENIENT = ("vadc", "vsbc", "vmadc", "vmsbc", "vmseq", "vmsne", "vmslt", "vmsle", "vmsgt", "vmf",
           "vred", "vwred", "vfred", "vfwred", "vcompress", "vse8.", "vse16", "vse32", "vse64",
           "vsse", "vsuxei", "vsoxei")


# ... and these a group of less than an eighth of a register.
EXTENSIONS = ("vzext", "vsext")


def is_beyond_qemu(name, form, word, vtype):
    """Is this reserved where QEMU does not see it?"""
    if name.startswith(EXTENSIONS):
        return multiplier(vtype) - int(name[-1]).bit_length() + 1 < -3
    if not name.startswith(LENIENT):
        return False
    read = sources(name, form, word, vtype)
    return any(a[2] != b[2] and a[0] < b[0] + b[1] and b[0] < a[0] + a[1]
               for a in read for b in read)


def spare_qemu(rng, instruction, word, x, vstart, layout):
    """QEMU 10.0.2 fails assertions of its own for fault-only-first loads that leave the page and are
    not masked, or have segments or a vstart, and for whole registers with a vstart behind them (as
    is reserved)."""
    width = (word >> 12 & 7) - 4 if word >> 12 & 7 else 0
    segment = 1 + (word >> 29) << width
    if instruction.name.endswith("ff.v"):
        x[29 - 1] = layout.hole - segment * rng.randrange(16)
        if word >> 25 & 1 or word >> 29 or vstart:
            x[29 - 1] -= 2048
    if instruction.name.endswith(("r.v", "re8.v", "re16.v", "re32.v", "re64.v")):
        return vstart % (VLEN_BYTES * (1 + (word >> 29)) >> width)
    return vstart


def random_case(rng, instruction, layout, beyond_qemu=False):
    vtype = random_type(rng, instruction.name)
    word = encode(rng, instruction, vtype)
    while is_beyond_qemu(instruction.name, instruction.form, word, vtype) != beyond_qemu:
        vtype = random_type(rng)
        word = encode(rng, instruction, vtype)
    sew = 8 << (vtype >> 3 & 7)
    longest = (8 * VLEN_BYTES << 3 + multiplier(vtype)) // 8 // sew
    is_float = instruction.name.startswith(("vf", "vmf"))
    width = rng.choice((sew, sew, sew, min(2 * sew, 64), 64))
    v = registers(rng, width, rng.choice(("float", "float", "finite", "finite", "")) if is_float
                  else "")
    x = [programs.integer_value(rng) for _ in range(NR_X)]
    x[29 - 1] = layout.base + rng.randrange(-16, 16) * rng.choice((1, 8))
    if instruction.form == "VLSV":
        v = index_registers(rng, v, word >> 20 & 31, (8, 0, 0, 0, 0, 16, 32, 64)[word >> 12 & 7])
    elif instruction.form == "VLSX":
        x[28 - 1] = rng.choice((0, sew // 8, -sew // 8, rng.randrange(-80, 80))) & (1 << 64) - 1
    elif instruction.form == "R":
        x[28 - 1] = random_type(rng) if rng.randrange(4) else programs.integer_value(rng)
    if instruction.form in ("VLS", "VLSX") and not rng.randrange(3):
        x[29 - 1] = layout.hole - rng.randrange(256)
    vstart = rng.randrange(longest) if not rng.randrange(16) else 0
    if instruction.form == "VLS":
        vstart = spare_qemu(rng, instruction, word, x, vstart, layout)
    if instruction.form == "CSR":  # QEMU 10.0.2 keeps more bits of vxrm than there are
        x = [value & 3 for value in x[:28]] + x[28:]
    if instruction.form in ("VVX", "R", "VSETVLI") and rng.randrange(2):
        x[(word >> 15 & 31) - 1 if word >> 15 & 31 not in (0, 28, 29) else 0] = rng.randrange(256)
    float_width = sew if sew > 8 and rng.randrange(8) else 64
    f = [programs.float_value(rng, float_width) for _ in range(NR_F)]
    fcsr = (rng.randrange(5) if rng.randrange(16) else rng.randrange(8)) << 5
    fcsr |= rng.getrandbits(5) * (rng.randrange(4) == 0)
    length = rng.choice((longest, rng.randrange(longest + 1)))
    if instruction.name.startswith(CRYPTO) and rng.randrange(8):
        length, vstart = length & ~3, vstart & ~3
    return Case(instruction.name, word, x, f, fcsr, length, vtype,
                vstart, rng.randrange(8), v)


def csr_instructions():
    """What reads and writes the vector extension's own registers."""
    found = []
    for csr in (CSR_VSTART, CSR_VXSAT, CSR_VXRM, CSR_VCSR, CSR_VL, CSR_VTYPE, CSR_VLENB):
        for f3, name, form in ((1, "csrrw", "CSR"), (2, "csrrs", "CSR"), (3, "csrrc", "CSR"),
                               (5, "csrrwi", "CSRI"), (6, "csrrsi", "CSRI"), (7, "csrrci", "CSRI")):
            found.append(programs.Instruction(f"{name} {csr:#x}", form, 0xfff0707f,
                                              0x73 | f3 << 12 | csr << 20))
    return found


def random_cases(rng, table, count):
    layout = Layout(count)
    return [random_case(rng, table[number % len(table)], layout) for number in range(count)]


def cases_beyond_qemu(rng, table, count):
    """Reserved, as far as we know."""
    lenient = [i for i in table if i.name.startswith(LENIENT + EXTENSIONS) and
               i.name not in ("vmsbc.vx", "vmadc.vx", "vmadc.vi", "vmsbc.vv", "vmadc.vv")]
    layout = Layout(count)
    return [random_case(rng, lenient[number % len(lenient)], layout, True)
            for number in range(count)]


# --- for people ------------------------------------------------------------------------------


def split(state):
    names = [f"x{n + 1}" for n in range(NR_X)] + [f"f{n}" for n in range(NR_F)]
    names += ["fcsr", "vl", "vtype", "vstart", "vcsr"]
    values = [f"{value:#x}" for value in struct.unpack_from(f"<{len(names)}Q", state)]
    for n in range(32):
        names.append(f"v{n}")
        values.append(state[V + n * VLEN_BYTES:V + (n + 1) * VLEN_BYTES][::-1].hex())
    return dict(zip(names, values))


def differences(cases, ours, theirs):
    """What differs, case by case."""
    for number, case in enumerate(cases):
        where = slice(number * CASE_BYTES, (number + 1) * CASE_BYTES)
        if ours[where] == theirs[where]:
            continue
        a, b, before = split(ours[where]), split(theirs[where]), split(case.state())
        lines = [f"case {number}: {case.name} {case.word:08x} "
                 f"vd {case.word >> 7 & 31} 1 {case.word >> 15 & 31} 2 {case.word >> 20 & 31} "
                 f"vm {case.word >> 25 & 1}; SEW {8 << (case.vtype >> 3 & 7)} "
                 f"LMUL {2.0 ** multiplier(case.vtype)} vl {case.vl} vstart {case.vstart}"]
        lines += [f"  {n}: {a[n]}, theirs {b[n]}, was {before[n]}" for n in a if a[n] != b[n]]
        for reg in sorted({0, case.word >> 15 & 31, case.word >> 20 & 31}):
            lines.append(f"  v{reg} {before[f'v{reg}']}")
        yield "\n".join(lines)
    at = len(cases) * CASE_BYTES
    if ours[at:] != theirs[at:]:
        yield "the scratch pages"
