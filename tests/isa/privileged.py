# SPDX-License-Identifier: Apache-2.0
"""privileged.py - random programs of machine mode as assembly, and what their memory means.

A program is a list of steps. Each sets mstatus and other CSRs to random values, goes to a random
privilege mode, executes one instruction there that may do anything - a load, a store or a jump by
random page tables to pages that PMP may protect, a CSR, a return, a fence -, and comes back by
whatever trap follows. What every trap left in the CSRs, and what was loaded, is noted in a log; it
is a run's result, with the page tables and pages as they are at the end. Two machines agree when
these bytes are the same.

    0x80000000  code and handlers (supervisor, one page of 1 GiB; 0x40000000 for user mode)
    0x80100000  the log
    0x80200000  page tables, whose last one is random
    0x80300000  pages that it points to

    s11  where the log goes on    s10  where machine mode goes on
    a0-a5, fa0, v0  the instruction's; t0-t6  anybody's
"""

import random
import subprocess

MEMORY = 0x80000000
LOG, TABLES, PAGES = MEMORY + 0x100000, MEMORY + 0x200000, MEMORY + 0x300000
END = MEMORY + 0x400000
NR_PAGES = 32  # entries of the last table, and pages behind it
NAPOT = range(16, 32)  # those of the pages that may be one of 64 KiB
WINDOW = 0x200000  # virtual, what the last table maps
USER_ALIAS = 0x40000000  # of MEMORY
FINISHER = 0x100000

V, R, W, X, U, G, A, D = (1 << n for n in range(8))
KERNEL = V | R | W | X | A | D

GCC = ["riscv64-linux-gnu-gcc", "-march=rv64gcv_zicbom_zicboz", "-mabi=lp64d", "-static",
       "-nostdlib", "-no-pie", "-fno-pic", "-Wl,--build-id=none", "-Wl,--no-warn-rwx-segments"]

# What may be read and written at random: name for the assembler, bits that are written. Those that
# differ between machines that are both right are left out (misa, mip, pmpaddr, mhpmevent...), and
# those that QEMU sometimes has wrong (stval, mtval).
CSRS = {
    "0x100": 0xc6722,  # sstatus
    "0x104": 0x222, "0x106": 0x7ffff, "0x10a": 0xf1, "0x140": -1, "0x141": -1 & ~1, "0x142": -1,
    "0x302": 0xb3ff & ~0x300, "0x303": 0x222, "0x304": 0xaaa,
    "0x306": 0x7ffff, "0x30a": 0xa0000000000000f1 | 1 << 62, "0x340": -1, "0x341": -1 & ~1,
    "0x342": -1, "0x001": 0x1f, "0x002": 7, "0x003": 0xff, "0x00a": 3, "0x009": 1,
    "0x008": 0x7f,
}
READ_ONLY = ["0xf14", "0xc20", "0xc21", "0xc22", "0x144", "0x300", "0x10c", "0x30c",
             "0x180", "0x105", "0x305", "0x7c0", "0x5ff", "0x015", "0xdff"]

SFENCE_W_INVAL, SFENCE_INVAL_IR = ".word 0x18000073", ".word 0x18100073"

STATUS = {"SIE": 1 << 1, "SPIE": 1 << 5, "MPIE": 1 << 7, "SPP": 1 << 8, "VS1": 1 << 9,
          "VS2": 1 << 10, "FS1": 1 << 13, "FS2": 1 << 14, "SUM": 1 << 18, "MXR": 1 << 19,
          "TVM": 1 << 20, "TW": 1 << 21, "TSR": 1 << 22}


def pte(rng, number):
    """Of page `number`: mostly usable, sometimes anything."""
    physical = (PAGES + 0x1000 * rng.randrange(NR_PAGES)) >> 12
    flags = rng.choice((V | R | W | A | D, V | R | X | A, KERNEL, KERNEL | U, V | R | U | A,
                        V | X | A | rng.choice((0, U)), V | R | W | U | A | D))
    if rng.randrange(3) == 0:
        flags ^= rng.choice((V, R, W, X, U, G, A, D, A | D))
    if rng.randrange(6) == 0:
        flags = rng.getrandbits(8)
    word = physical << 10 | flags | rng.choice((0, 0, 0, 1 << 8, 1 << 9))
    kind = rng.randrange(24)
    if kind == 0:
        word |= 1 << rng.randrange(54, 61)  # reserved
    elif kind == 1:
        word |= rng.randrange(1, 3) << 61  # a memory type (QEMU takes 3, too)
    elif kind == 2:
        word = word & ~(0xf << 10) | 1 << 63 | rng.choice((4, 12, 0, 9)) << 10 | A | D
    elif kind == 3:
        word = (0x18000000 >> 12) << 10 | flags & 0xff  # nothing is there
    return word


def tables(rng, levels):
    """(root, words by address). Level 2 has gigabytes: the window's tables, user's alias, code."""
    words = {}
    level2, level1, level0 = TABLES, TABLES + 0x1000, TABLES + 0x2000
    words[level2] = level1 >> 12 << 10 | V
    words[level2 + 8] = MEMORY >> 12 << 10 | KERNEL | U
    words[level2 + 16] = MEMORY >> 12 << 10 | KERNEL | rng.choice((0, G))
    words[level1 + 8] = level0 >> 12 << 10 | V | rng.choice((0, 0, 0, 0, 0, G, 0x100, A, U))
    # A page of 2 MiB behind the window, mostly aligned.
    words[level1 + 16] = (MEMORY + 0x200000 + rng.choice((0, 0, 0, 0x1000))) >> 12 << 10 | \
        rng.choice((KERNEL, KERNEL | U, V | R | A))
    for n in range(NR_PAGES):
        words[level0 + 8 * n] = pte(rng, n)
    if rng.randrange(2):  # 64 KiB: its entries have to be the same
        word = (PAGES >> 12 | 8) << 10 | rng.choice((KERNEL, V | R | A, KERNEL | U)) | 1 << 63
        words.update((level0 + 8 * n, word) for n in NAPOT)
    root = level2
    for level in range(3, levels):
        words[TABLES + 0x1000 * level] = root >> 12 << 10 | V
        root = TABLES + 0x1000 * level
    return root, words


# --- steps --------------------------------------------------------------------------------------


def address(rng, is_bare):
    kind = rng.randrange(14 if is_bare else 20)
    page = WINDOW + 0x1000 * rng.randrange(NR_PAGES)
    if kind < 13:
        return page + 8 * rng.randrange(512)
    if kind < 15:
        return page + rng.choice((0xff9, 0xffc, 0xfff, 0xffe, 1, 2, 3))
    if kind == 15:
        return 2 * WINDOW + 8 * rng.randrange(1 << 18)
    if kind == 16:
        return rng.choice((1 << 38, 1 << 47, 1 << 56, -1 << 38, -1 << 47)) + page & (1 << 64) - 1
    if kind == 17:
        return PAGES + 0x1000 * rng.randrange(NR_PAGES) + 8 * rng.randrange(512)
    return rng.choice((0x18000000, WINDOW - 8, WINDOW + 0x1000 * NR_PAGES))


def memory_instruction(rng):
    return rng.choice((
        "lb a1, (a0)", "lhu a1, (a0)", "lw a1, (a0)", "ld a1, (a0)", "ld a1, (a0)", "sb a2, (a0)",
        "sh a2, (a0)", "sw a2, (a0)", "sd a2, (a0)", "sd a2, (a0)", "fld fa0, (a0)",
        "fsw fa0, (a0)", "amoadd.w a1, a2, (a0)", "amoswap.d a1, a2, (a0)", "lr.d a1, (a0)",
        "lr.w a1, (a0)", "sc.w a1, a2, (a0)", "cbo.zero (a0)", "cbo.flush (a0)", "cbo.clean (a0)",
        "vle8.v v0, (a0)", "vse8.v v0, (a0)", "jr a0", "jr a0", "jalr a1, a0"))


def csr_instruction(rng, writes=True):
    if writes and rng.randrange(3):
        number = rng.choice(list(CSRS))
    else:
        return f"csrr a1, {rng.choice(READ_ONLY + list(CSRS))}"
    if CSRS[number] == -1 or rng.randrange(2):
        return rng.choice((f"csrrw a1, {number}, a2", f"csrrs a1, {number}, a2",
                           f"csrrc a1, {number}, a2"))
    return f"csrr a1, {number}"


def other_instruction(rng):
    return rng.choice((
        "ecall", "ebreak", ".word 0x0000707f", ".half 0", "sret", "mret", "sfence.vma",
        "sfence.vma a0, x0", "sfence.vma a0, a3", "sfence.vma x0, a3", SFENCE_W_INVAL,
        SFENCE_INVAL_IR, ".word 0x16050073", "fence.i", "fadd.d fa0, fa0, fa0",
        "vsetvli a1, x0, e8, m1, ta, ma", "vadd.vi v0, v0, 1", "fmv.x.d a1, fa0", "nop",
        "csrr a1, 0xc80", "csrw 0xc00, a1", "c.nop", "fcvt.w.s a1, fa0"))


def load(register, value):
    return f"\tli {register}, {value & (1 << 64) - 1:#x}"


def setup(rng, state):
    """CSRs of machine mode before a step."""
    lines = []
    status = 0
    for bit in STATUS.values():
        if rng.randrange(2):
            status |= bit
    for rare in ("TVM", "TW", "TSR", "SIE"):
        if rng.randrange(4):
            status &= ~STATUS[rare]
    if rng.randrange(8):
        status |= STATUS["FS1"] | STATUS["VS1"]
    lines += [load("t0", 0x7e7faa | 3 << 11 | 1 << 17), "\tcsrc mstatus, t0", load("t0", status),
              "\tcsrs mstatus, t0"]
    if rng.randrange(3) == 0:
        lines += [load("t0", rng.getrandbits(16) & 0xb3ff & ~0x300), "\tcsrw medeleg, t0"]
    if rng.randrange(6) == 0:
        lines += [load("t0", rng.choice((0, 1, 1, 1)) << 61 | rng.getrandbits(1) << 62
                       | rng.choice((0, 0xf1, 0xf1, 0xd0, 0x30))), "\tcsrw 0x30a, t0",
                  "\tsfence.vma"]
    if rng.randrange(8) == 0:
        mode = rng.choice((0, state.mode, state.mode, state.mode))
        state.is_bare = mode == 0
        lines += [load("t0", mode << 60 | rng.randrange(3) << 44 | state.root >> 12),
                  "\tcsrw satp, t0"]
    if rng.randrange(3) == 0:
        lines += ["\tsfence.vma"]
    return lines


def change_protection(rng):
    """An entry of PMP before the one that allows all: pages, or the table that is walked last."""
    n = rng.randrange(7)
    size = 0x1000 << rng.choice((0, 0, 0, 1, 2))
    start = rng.choice((PAGES + 0x1000 * rng.randrange(NR_PAGES) & -size,
                        PAGES + 0x1000 * rng.randrange(NR_PAGES) & -size,
                        TABLES + 0x2000 & -size if size == 0x1000 else PAGES))
    config = rng.choice((0, 0, 0x18 | rng.choice((0, 1, 3, 4, 5, 7))))
    if start == TABLES + 0x2000 and config & 3 == 1:  # QEMU sets A and D whatever PMP says
        config |= 2
    return [load("t0", start >> 2 | (size // 8 - 1)), f"\tcsrw pmpaddr{n}, t0",
            load("t0", 0xff << 8 * n), "\tcsrc pmpcfg0, t0", load("t0", config << 8 * n),
            "\tcsrs pmpcfg0, t0", "\tsfence.vma"]


# Where pages allow a block to be read and PMP does not, QEMU asks pages whether it may be written: it
# sets D, and the fault is that of a page, which may be delegated otherwise.
NO_PROTECTION = [load("t0", (1 << 56) - 1), "\tcsrc pmpcfg0, t0", "\tsfence.vma"]


def change_table(rng):
    """Another entry, and a fence of one of the kinds that are enough."""
    n = rng.randrange(NAPOT.start)
    return [load("t0", TABLES + 0x2000 + 8 * n), load("t1", pte(rng, n)), "\tsd t1, (t0)",
            load("t0", WINDOW + 0x1000 * n), rng.choice(("\tsfence.vma t0", "\tsfence.vma"))]


class State:
    """What steps know of those before."""

    def __init__(self, mode, root):
        self.mode, self.root, self.is_bare = mode, root, False


def step(rng, number, state):
    privilege = rng.choice((0, 0, 1, 1, 1, 3))
    lines = [f"\tla t0, done{number}", "\tla t1, saved", "\tsd t0, (t1)", *setup(rng, state)]
    if rng.randrange(4) == 0:
        lines += change_table(rng)
    if rng.randrange(6) == 0:
        lines += change_protection(rng)
    kind = rng.randrange(10)
    if kind < 6:
        instruction = memory_instruction(rng)
    elif kind < 8:
        instruction = csr_instruction(rng, privilege != 3)
    else:
        instruction = other_instruction(rng)
    if privilege == 3 and instruction in ("mret", "sret"):
        privilege = 1
    if privilege == 0 and instruction in (SFENCE_W_INVAL, SFENCE_INVAL_IR):
        instruction = "nop"  # QEMU lets user mode have them
    where = address(rng, state.is_bare)
    if instruction.startswith("sc."):  # QEMU looks at the reservation before the alignment
        where &= ~7
    if instruction.startswith("cbo"):  # where nothing can be, QEMU has no fault
        where &= (1 << 32) - 1
    if instruction.startswith(("cbo.clean", "cbo.flush")):
        lines += NO_PROTECTION
    values = {"a0": where, "a1": rng.getrandbits(64), "a2": rng.getrandbits(64),
              "a3": rng.randrange(3)}
    if instruction.startswith("csrr") and "a2" in instruction:
        values["a2"] &= CSRS[instruction.split()[2].rstrip(",")]
    # mepc and sepc: where a return from the step leads, too.
    alias = 0 if state.is_bare else rng.choice((0, USER_ALIAS - MEMORY))
    lines += ["\tla t0, back", load("t1", alias), "\tadd t0, t0, t1", "\tcsrw sepc, t0"]
    mprv = privilege == 3 and rng.randrange(2)
    if privilege == 3:
        lines += [load("t0", rng.choice((0, 1, 3)) << 11 | (1 << 17 if mprv else 0)),
                  "\tcsrs mstatus, t0"]
    lines += [load(r, v) for r, v in values.items()]
    if privilege == 3:
        if instruction.startswith(("j", "wfi")):
            instruction = "nop"
        lines += [f"{instruction_line(instruction)}", "\tli a4, 0x77", "\tecall"]
    else:
        alias = USER_ALIAS - MEMORY if privilege == 0 and not state.is_bare else 0
        lines += [f"\tla t0, stub{number}", load("t1", alias), "\tadd t0, t0, t1", "\tcsrw mepc, t0",
                  load("t1", privilege << 11), "\tcsrs mstatus, t1", "\tmret",
                  f"\t.balign 4\nstub{number}:", instruction_line(instruction), "\tecall"]
    lines += [f"\t.balign 4\ndone{number}:"]
    return lines


def instruction_line(instruction):
    return f"\t{instruction}"


PROLOGUE = f"""
	.option norelax
	.text
	.global _start
_start:
	csrw mie, x0
	csrr t0, mhartid
1:	beqz t0, 2f
	wfi
	j 1b
2:	la t0, machine_handler
	csrw mtvec, t0
	la t0, supervisor_handler
	csrw stvec, t0
	li t0, -1
	csrw pmpaddr7, t0
	li t0, 0x1f << 56
	csrw pmpcfg0, t0
	csrw 0x30a, x0
	csrw mideleg, x0
	csrw medeleg, x0
	csrw mcounteren, x0
	csrw scounteren, x0
	li t0, 0x6600
	csrs mstatus, t0
	vsetvli t0, x0, e8, m1, ta, ma
	vid.v v0
	la t0, saved
	li t1, {LOG:#x}
	sd t1, 8(t0)
	j begin
	.balign 8
saved:	.dword 0, 0 /* s10 and s11, whatever has become of the registers */

	/* All that a trap leaves, and the registers of the instruction. */
	.balign 4
machine_handler:
	la t1, saved
	ld s10, 0(t1)
	ld s11, 8(t1)
	csrr t0, mcause
	sd t0, 0(s11)
	csrr t0, mepc
	sd t0, 8(s11)
	csrr t0, mtval
	sd t0, 16(s11)
	csrr t0, mstatus
	sd t0, 24(s11)
	sd a1, 32(s11)
	csrr t0, mie
	sd t0, 40(s11)
	addi s11, s11, 48
	sd s11, 8(t1)
	li t0, 0x20000
	csrc mstatus, t0
	jr s10
	.balign 4
supervisor_handler:
	la t1, saved
	ld s11, 8(t1)
	csrr t0, scause
	sd t0, 0(s11)
	csrr t0, sepc
	sd t0, 8(s11)
	csrr t0, stval
	sd t0, 16(s11)
	csrr t0, sstatus
	sd t0, 24(s11)
	sd a1, 32(s11)
	li t0, 0x5555
	sd t0, 40(s11)
	addi s11, s11, 48
	sd s11, 8(t1)
	ecall
	.balign 4
back:	li a4, 0x88
	ecall
	.balign 4
begin:
"""


# In mie's place in the log: how many instructions there have been, in all and by mode.
COUNTING = [("begin:\n", """begin:
	li t0, 1 << 62 | 2
	csrw mhpmevent3, t0
	li t0, 1 << 61 | 2
	csrw mhpmevent4, t0
	csrw minstret, x0
"""), ("csrr t0, mie", """csrr t0, minstret
	csrr t2, mhpmcounter3
	slli t2, t2, 24
	add t0, t0, t2
	csrr t2, mhpmcounter4
	slli t2, t2, 44
	add t0, t0, t2""")]


def program(seed, count=120, counts=False):
    """The assembly text, and what is in memory from LOG on."""
    prologue = PROLOGUE
    for old, new in COUNTING if counts else ():
        assert old in prologue
        prologue = prologue.replace(old, new)
    rng = random.Random(seed)
    levels = rng.choice((3, 3, 4, 5))
    root, words = tables(rng, levels)
    lines = [prologue, load("t0", (levels + 5) << 60 | root >> 12), "\tcsrw satp, t0",
             "\tsfence.vma"]
    state = State(levels + 5, root)
    for number in range(count):
        lines += step(rng, number, state)
        # What a step may have changed that the next one needs.
        lines += ["\tla t0, machine_handler", "\tcsrw mtvec, t0", "\tla t0, supervisor_handler",
                  "\tcsrw stvec, t0"]
    lines += [load("t0", FINISHER), load("t1", 0x5555), "\tsw t1, (t0)", "1:\tj 1b"]
    image = bytearray(END - LOG)
    for at, word in words.items():
        image[at - LOG:at - LOG + 8] = (word & (1 << 64) - 1).to_bytes(8, "little")
    image[PAGES - LOG:] = rng.randbytes(END - PAGES)
    # Most of what is jumped to is an ecall.
    for at in range(PAGES - LOG, END - LOG, 4):
        if rng.randrange(4):
            image[at:at + 4] = b"\x73\0\0\0"
    return "\n".join(lines) + "\n", bytes(image)


def build(folder, seed, count=120, counts=False):
    text, image = program(seed, count, counts)
    source, data, target = folder / "program.S", folder / "image", folder / "program"
    data.write_bytes(image)
    source.write_text(text + f'\t.section .image, "aw"\n\t.incbin "{data}"\n')
    script = folder / "link.ld"
    script.write_text(f"OUTPUT_ARCH(riscv)\nENTRY(_start)\nPHDRS {{ a PT_LOAD; b PT_LOAD; }}\n"
                      f"SECTIONS {{ . = {MEMORY:#x}; .text : {{ *(.text) }} : a\n"
                      f". = {LOG:#x}; .image : {{ *(.image) }} : b }}\n")
    subprocess.run([*GCC, "-T", script, source, "-o", target], check=True)
    return target


def words_of(record):
    return [int.from_bytes(record[at:at + 8], "little") for at in range(0, 48, 8)]


def forgives(ours, theirs):
    """What two harts that are both right may tell differently of a trap."""
    ours, theirs = words_of(ours), words_of(theirs)
    # QEMU does not tell which instruction was illegal when it finds out late, but some other one.
    if ours[0] == theirs[0] == 2:
        ours[2] = theirs[2]
    # FS and VS may say dirty when nothing was written, and SD with them: Privileged ISA, 3.1.6.6.
    for dirty in (3 << 9, 3 << 13):
        if ours[3] & dirty == dirty and theirs[3] & dirty:
            ours[3] &= ~(dirty | 1 << 63)
            theirs[3] &= ~(dirty | 1 << 63)
    return ours == theirs


def first_difference(ours, theirs):
    """What differs first, for people; None: nothing. Both are memory from LOG on."""
    names = ("cause", "pc", "value", "status", "a1", "mie or 0x5555")
    for at in range(0, TABLES - LOG, 48):
        a, b = ours[at:at + 48], theirs[at:at + 48]
        if a == b or forgives(a, b):
            continue
        lines = [f"trap {at // 48}:"]
        for n, name in enumerate(names):
            a, b = (int.from_bytes(m[at + 8 * n:at + 8 * n + 8], "little") for m in (ours, theirs))
            lines.append(f"  {name}: {a:#x}" + ("" if a == b else f", theirs {b:#x}"))
        return "\n".join(lines)
    for at in range(TABLES - LOG, END - LOG, 8):
        a, b = (int.from_bytes(m[at:at + 8], "little") for m in (ours, theirs))
        # A may be set early, for an access that then faults elsewhere.
        if a != b and (at >= PAGES - LOG or a | A != b | A):
            return f"memory at {LOG + at:#x}: {ours[at:at + 8].hex()}, theirs {theirs[at:at + 8].hex()}"
    return None
