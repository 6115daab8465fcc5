# SPDX-License-Identifier: Apache-2.0
"""flow.py - random RISC-V programs with control flow and dependencies, and what their output means.

Where programs.py and vectors.py hold single instructions against another machine, this holds what a
translator makes of many: constants and idioms that it folds, loops that it translates again once
they are hot, calls and returns that it predicts, faults in the middle of all that.

A program is a list of chapters. Each loads all registers, goes through a random tree of blocks,
branches, loops, switches and calls, and stores all registers; the memory that loads and stores went
to follows at the end. Two machines agree when their outputs are the same bytes. An instruction that
is illegal or faults leaves a mark in x5, as in vectors.py.

    x1 x5   ways back of calls         x2    the stack, which grows down from `layout.stack`
    x26     depth of a recursion       x27   a way back that no machine knows as one
    x28-30  turns of loops             x31   the middle of the scratch pages
    all others: whatever comes
"""

import random
import struct

import programs
import vectors
from programs import (CODE, CSR_FCSR, DATA, NR_F, csrr, csrw, elf, i_type, jal, load_immediate,
                      s_type)

NR_X = 31
CHAPTER_BYTES = 8 * (NR_X + NR_F + 1)
SCRATCH_BYTES = 8192
STACK_BYTES = 1 << 20
COST_MAX = 150_000  # instructions that a chapter may execute
HOT_TURNS = (1100, 2300)  # above JIT_LOOP_HOT
RECURSION_MAX = 6000  # above what a shadow stack holds
CSR_FFLAGS, CSR_FRM = 1, 2
FREE_X = [3, 4, *range(5, 26)]
NEVER = programs.LEFT_OUT | {"wrs.nto", "wrs.sto"}
COMPUTING = {"R", "R1", "I", "SHIFT", "SHIFTW", "AESKS", "MOP"}
FLOATING = {"FR", "FR1", "R4", "F", "FX2", "FX", "FXR", "XFR", "XF", "FLI"}


class Layout:
    """Where things are in the memory of a program of `count` chapters."""

    def __init__(self, count):
        self.place = DATA  # of the address of the current chapter's registers
        self.chapters = DATA + 8
        self.scratch = (self.chapters + CHAPTER_BYTES * count + 4095) & ~4095
        self.base = self.scratch + SCRATCH_BYTES // 2
        self.hole = self.scratch + SCRATCH_BYTES
        self.signals = self.hole + 4096
        self.stack = self.signals + 4096 + (1 << 16) + STACK_BYTES


# --- code with labels --------------------------------------------------------------------------

# An item is bytes, or ("label", name), ("branch", f3, a, b, name), ("jal", rd, name),
# ("address", rd, name), ("align",) or ("table", names).


def branch_word(f3, a, b, offset):
    if not -4096 <= offset < 4096:
        raise ValueError("too far for a branch")
    return (0x63 | (offset >> 11 & 1) << 7 | (offset >> 1 & 15) << 8 | f3 << 12 | a << 15 | b << 20
            | (offset >> 5 & 63) << 25 | (offset >> 12 & 1) << 31)


def item_size(item, at):
    if isinstance(item, bytes):
        return len(item)
    if item[0] == "align":
        return -at % 8
    if item[0] == "table":
        return 8 * len(item[1])
    return {"label": 0, "branch": 4, "jal": 4, "address": 8}[item[0]]


def assemble(items, start):
    """The bytes of the items at address `start`, and where the labels are."""
    labels, at = {}, start
    for item in items:
        if not isinstance(item, bytes) and item[0] == "label":
            labels[item[1]] = at
        at += item_size(item, at)
    code = b""
    for item in items:
        at = start + len(code)
        if isinstance(item, bytes):
            code += item
        elif item[0] == "branch":
            code += struct.pack("<I", branch_word(*item[1:4], labels[item[4]] - at))
        elif item[0] == "jal":
            code += struct.pack("<I", jal(item[1], labels[item[2]] - at))
        elif item[0] == "address":
            offset = labels[item[2]] - at
            code += struct.pack("<2I", 0x17 | item[1] << 7 | (offset + 0x800 >> 12 & 0xfffff) << 12,
                                i_type(0x13, 0, item[1], item[1], offset & 0xfff))
        elif item[0] == "align":
            code += bytes(-at % 8)
        elif item[0] == "table":
            code += struct.pack(f"<{len(item[1])}Q", *(labels[n] for n in item[1]))
    return code, labels


def words(*values):
    return [struct.pack("<I", v) for v in values]


# --- what a chapter is made of -------------------------------------------------------------------


class Chapter:
    """Makes items and says what executing them costs: every method returns (items, cost)."""

    def __init__(self, rng, table, layout, name):
        self.rng, self.layout, self.name = rng, layout, name
        self.computing = [i for i in table if i.form in COMPUTING and i.name not in NEVER]
        self.floating = [i for i in table if i.form in FLOATING and i.name not in NEVER]
        self.atomic = [i for i in table if i.form == "AMO" and not i.name.startswith("sc")]
        self.pool = rng.sample(FREE_X, rng.choice((3, 4, 5, 6, 8, 12, 23)))
        self.float_pool = rng.sample(range(32), rng.choice((3, 4, 6, 16, 32)))
        self.floats = rng.choice((0, 0, 1, 1, 4))
        self.faults = rng.random() < 0.3
        self.labels = 0
        self.functions = []  # (label, link register, cost, may only be called by an entry)
        self.subroutines = []  # their items

    def label(self):
        self.labels += 1
        return f"{self.name}.{self.labels}"

    def reg(self):
        return self.rng.choice(self.pool)

    def source(self):
        return self.rng.choice((*self.pool, *self.pool, *self.pool, 0))

    # --- straight code

    def word_of(self, instruction):
        rng = self.rng
        word = rng.getrandbits(32) & ~instruction.mask & 0xffffffff | instruction.match
        is_x = {"rd": True, "rs1": True, "rs2": True}
        if instruction.form in ("FR", "FR1", "R4", "F", "XFR", "XF", "FLI"):
            is_x["rd"] = False
        if instruction.form in ("FR", "FR1", "R4", "F", "FX2", "FX", "FXR"):
            is_x["rs1"] = is_x["rs2"] = False
        for field, shift in (("rd", 7), ("rs1", 15), ("rs2", 20)):
            if instruction.mask >> shift & 31 or field != "rd" and instruction.form == "FLI":
                continue
            if field == "rs2" and instruction.form in ("I", "SHIFT", "SHIFTW", "AESKS"):
                continue
            value = (self.reg() if field == "rd" else self.source()) if is_x[field] \
                else rng.choice(self.float_pool)
            word = word & ~(31 << shift) | value << shift
        if instruction.form == "R4":
            word = word & ~(31 << 27) | rng.choice(self.float_pool) << 27
        if instruction.form in programs.ROUNDING and not instruction.mask >> 12 & 1:
            word = word & ~0x7000 | rng.choice((7, 7, 7, 7, 7, 0, 1, 2, 3, 4)) << 12
        if instruction.form == "AESKS":
            word = word & ~(15 << 20) | rng.randrange(11) << 20
        return word

    def any_instruction(self):
        return words(self.word_of(self.rng.choice(self.computing))), 1

    def any_float(self):
        return words(self.word_of(self.rng.choice(self.floating))), 1

    def arithmetic(self):
        """What compilers use all day."""
        rng, d, a, b = self.rng, self.reg(), self.source(), self.source()
        imm = rng.choice((0, 1, -1, 8, 255, -2048, 2047, rng.randrange(-2048, 2048)))
        shift, shift_word = rng.choice((1, 8, 16, 32, 48, 56, 63)), rng.choice((1, 8, 16, 24, 31))
        return words(rng.choice((
            i_type(0x13, 0, d, a, imm), i_type(0x1b, 0, d, a, imm), i_type(0x1b, 0, d, a, 0),
            i_type(0x13, 7, d, a, imm), i_type(0x13, 6, d, a, imm), i_type(0x13, 4, d, a, imm),
            i_type(0x13, 2, d, a, imm), i_type(0x13, 3, d, a, imm), i_type(0x13, 0, d, a, 0),
            i_type(0x13, 1, d, a, shift), i_type(0x13, 5, d, a, shift),
            i_type(0x13, 5, d, a, 0x400 | shift), i_type(0x1b, 1, d, a, shift_word),
            i_type(0x1b, 5, d, a, shift_word), i_type(0x1b, 5, d, a, 0x400 | shift_word),
            i_type(0x33, rng.choice((0, 1, 2, 3, 4, 5, 6, 7)), d, a, b),
            i_type(0x3b, rng.choice((0, 0, 1, 5)), d, a, b),
            i_type(0x33, rng.choice((0, 5)), d, a, 0x400 | b),
            i_type(0x3b, rng.choice((0, 5)), d, a, 0x400 | b)))), 1

    def constant(self):
        """Of one to four instructions, one built upon the other."""
        rng, d = self.rng, self.reg()
        items = words(rng.choice((
            0x37 | d << 7 | rng.choice((0, 1, 0x80000, 0xfffff, rng.getrandbits(20))) << 12,
            0x17 | d << 7 | rng.getrandbits(4) << 12,
            i_type(0x13, 0, d, 0, rng.choice((0, 1, -1, 31, 32, 63, 64, 128, -64, 0x7ff))))))
        for _ in range(rng.randrange(4)):
            items += words(rng.choice((
                i_type(0x13, 0, d, d, rng.randrange(-2048, 2048)),
                i_type(0x1b, 0, d, d, rng.randrange(-2048, 2048)),
                i_type(0x13, 1, d, d, rng.randrange(64)), i_type(0x13, 5, d, d, rng.randrange(64)),
                i_type(0x13, 5, d, d, 0x400 | rng.randrange(64)))))
        return items, len(items)

    def extension(self):
        """A shift left and one right; in place, elsewhere, with something between, or not quite."""
        rng, a, d = self.rng, self.source(), self.reg()
        middle = rng.choice((d, d, self.reg()))
        opcode, width = rng.choice(((0x13, 64), (0x1b, 32)))
        count = width - rng.choice((8, 16, 32, 8, 16, 1, 5)) & width - 1
        other = rng.choice((count, count, count, count ^ 1))
        first = words(i_type(opcode, 1, middle, rng.choice((a, middle)), count))
        second = words(i_type(opcode, 5, d, middle, rng.choice((0, 0x400)) | other))
        between = self.arithmetic()[0] if not rng.randrange(4) else []
        return first + between + second, 3

    def rotation(self):
        rng, a = self.rng, self.source()
        left, right, d = self.reg(), self.reg(), self.reg()
        opcode, width = rng.choice(((0x13, 64), (0x1b, 32)))
        count = rng.randrange(width)
        other = rng.choice((-count, -count, -count, 1)) & width - 1
        shifts = [words(i_type(opcode, 1, left, a, count)), words(i_type(opcode, 5, right, a, other))]
        if rng.randrange(2):
            shifts.reverse()
        if not rng.randrange(4):
            shifts.insert(1, self.arithmetic()[0])
        sources = (left, right) if rng.randrange(2) else (right, left)
        join = i_type(rng.choice((opcode, opcode, 0x13)) + 0x20, rng.choice((6, 6, 0, 4)),
                      d, sources[0], sources[1])
        if join & 0x7f == 0x3b:
            join &= ~0x7000  # addw
        return [i for s in shifts for i in s] + words(join), 4

    def compressed(self):
        rng, d, s = self.rng, self.reg(), self.reg()
        imm = rng.choice((1, 31, 33, rng.randrange(1, 64)))
        fields = d << 7 | (imm >> 5) << 12 | (imm & 31) << 2
        halves = [0x0001 | fields, 0x2001 | fields, 0x4001 | fields, 0x0002 | fields,
                  0x8002 | d << 7 | s << 2, 0x9002 | d << 7 | s << 2]
        if 8 <= d < 16:
            rd = (d - 8) << 7
            halves += [w | rd | fields & 0x107c for w in (0x8001, 0x8401, 0x8801)]
            halves += [w | rd for w in (0x9c61, 0x9c65, 0x9c69, 0x9c6d, 0x9c71, 0x9c75)]
            if 8 <= s < 16:
                halves += [w | rd | (s - 8) << 2
                           for w in (0x8c01, 0x8c21, 0x8c41, 0x8c61, 0x9c01, 0x9c21, 0x9c41)]
        return [struct.pack("<H", rng.choice(halves))], 1

    def address(self):
        """Something in the scratch pages into a register: (items, register, an offset for it)."""
        rng, t = self.rng, self.reg()
        kind = rng.randrange(4)
        if kind == 0:
            return [], 31, rng.randrange(-2048, 2041)
        if kind == 1:
            at = self.layout.base + rng.randrange(-4096, 4088)
            high = at + 0x800 >> 12
            return words(0x37 | t << 7 | high << 12), t, at - (high << 12)
        mask = rng.choice((0x7f8, 0x7ff, 0xff))
        return words(i_type(0x13, 7, t, self.source(), mask), i_type(0x33, 0, t, t, 31)), t, \
            rng.randrange(-2048, 2041)

    def load_or_store(self, prologue, base, offset):
        rng, kind = self.rng, self.rng.randrange(8)
        if kind < 4:
            word = i_type(0x03, rng.randrange(7), self.reg(), base, offset)
        elif kind < 7 - (self.floats > 0):
            word = s_type(0x23, rng.randrange(4), base, self.source(), offset)
        elif rng.randrange(2):
            word = i_type(0x07, rng.choice((1, 2, 3, 3)), rng.choice(self.float_pool), base, offset)
        else:
            word = s_type(0x27, rng.choice((1, 2, 3, 3)), base, rng.choice(self.float_pool), offset)
        return prologue + words(word), len(prologue) + 1

    def memory(self):
        return self.load_or_store(*self.address())

    def fault(self):
        """Memory that is not there: behind the scratch pages, at 0, at no address at all."""
        rng, t = self.rng, self.reg()
        if not self.faults:
            return self.memory()
        where = rng.choice((
            words(0x37 | t << 7 | (self.layout.hole >> 12) << 12), words(i_type(0x13, 0, t, 0, 0)),
            words(i_type(0x13, 0, t, 0, -1), i_type(0x13, 1, t, t, 62)),
            words(i_type(0x13, 0, t, 0, 5), i_type(0x13, 1, t, t, 46))))
        offset = rng.randrange(0, 2040)
        if rng.randrange(2):
            return self.load_or_store(where, t, offset)
        word = self.rng.choice(self.atomic)
        return where + words(self.word_of(word) & ~(31 << 15) | t << 15), 3

    def atomics(self):
        rng, t = self.rng, self.reg()
        where = words(i_type(0x13, 7, t, self.source(), 0x7f8), i_type(0x33, 0, t, t, 31))
        if rng.randrange(3):
            word = self.word_of(rng.choice(self.atomic))
            return where + words(word & ~(31 << 15) | t << 15), 3
        f3, d = rng.choice((2, 3)), self.reg()
        items = where + words(0x1000002f | f3 << 12 | d << 7 | t << 15)
        if rng.randrange(2) and d != t:
            items += words(i_type(0x13, 0, d, d, 1))
        base = t if d != t and rng.randrange(8) else 31
        return items + words(0x1800002f | f3 << 12 | self.reg() << 7 | base << 15 | d << 20), 5

    def float_control(self):
        rng, d = self.rng, self.reg()
        mode = rng.choice((0, 0, 1, 2, 3, 4)) if rng.randrange(12) else rng.choice((5, 6, 7))
        return words(rng.choice((
            i_type(0x73, 5, rng.choice((0, d)), mode, CSR_FRM), csrr(d, CSR_FFLAGS),
            csrr(d, CSR_FCSR), csrr(d, CSR_FRM),
            i_type(0x73, rng.choice((5, 6, 7)), d, rng.randrange(32), CSR_FFLAGS),
            i_type(0x73, rng.choice((1, 2, 3)), d, self.source(), CSR_FFLAGS)))), 1

    def system(self):
        """fence, fence.i, and a write of nothing."""
        rng = self.rng
        if rng.randrange(3):
            return words(rng.choice((0x0ff0000f, 0x0330000f, 0x0220000f, 0x8330000f))), 1
        if rng.randrange(2):
            return words(0x0000100f), 1
        return words(i_type(0x13, 0, 17, 0, 64), i_type(0x13, 0, 10, 0, 1),
                     i_type(0x13, 0, 12, 0, 0), i_type(0x13, 0, 11, 31, 0), 0x73), 5

    def block(self, count):
        """Straight code of about `count` instructions."""
        rng, items, cost = self.rng, [], 0
        kinds = [self.any_instruction] * 6 + [self.arithmetic] * 6 + [self.constant] * 3 + \
            [self.extension] * 3 + [self.rotation] * 2 + [self.compressed] * 4 + \
            [self.memory] * 4 + [self.atomics] + [self.any_float] * 3 * self.floats
        if self.floats:
            kinds += [self.float_control]
        while cost < count:
            kind = rng.choice(kinds) if rng.randrange(40) else rng.choice((self.fault, self.system))
            more, price = kind()
            items += more
            cost += price
        return items, cost

    # --- control flow

    def condition(self, target):
        rng = self.rng
        return ("branch", rng.choice((0, 1, 4, 5, 6, 7)), self.source(), self.source(), target)

    def choice(self, size):
        """if, or if and else."""
        otherwise, end = self.label(), self.label()
        first, cost = self.tree(size // 2)
        second, other_cost = self.tree(size // 2) if self.rng.randrange(2) else ([], 0)
        items = [self.condition(otherwise), *first]
        if second:
            items += [("jal", 0, end)]
        return items + [("label", otherwise), *second, ("label", end)], cost + other_cost + 2

    def switch(self, size):
        """Through a table of addresses, by a register that may be a link or not."""
        rng = self.rng
        cases, end, table = [self.label() for _ in range(4)], self.label(), self.label()
        t, index = rng.choice((5, 6, 7, 27)), self.reg()
        items = words(i_type(0x13, 7, t, index, 3), i_type(0x13, 1, t, t, 3))
        items += [("address", 27 if t != 27 else 6, table)]
        other = 27 if t != 27 else 6
        items += words(i_type(0x33, 0, t, t, other), i_type(0x03, 3, t, t, 0),
                       i_type(0x67, 0, 0, t, 0))
        total = 8
        for name in cases:
            body, cost = self.block(max(1, size // 4))
            items += [("label", name), *body, ("jal", 0, end)]
            total += cost + 1
        self.subroutines += [("align",), ("label", table), ("table", cases)]
        return items + [("label", end)], total

    def turns(self, cost, budget):
        most = max(1, budget // (cost + 4))
        if most > HOT_TURNS[1] and self.rng.randrange(3):
            return self.rng.randrange(*HOT_TURNS)
        return self.rng.randrange(1, min(most, 12) + 1)

    def loop(self, size, budget):
        rng, c = self.rng, self.rng.choice((28, 29, 30))
        top, again, end, out = (self.label() for _ in range(4))
        body, cost = self.tree(size, budget // 8)
        for name in (again, out):  # continue, break
            if not rng.randrange(4):
                more, price = self.block(4)
                body, cost = [self.condition(name), *body, self.condition(name), *more], cost + price
        turns = self.turns(cost, budget)
        items = words(i_type(0x13, 0, 2, 2, -16), s_type(0x23, 3, 2, c, 0))
        items += words(*load_immediate(c, turns))
        kind = rng.randrange(3)
        if kind == 0:
            items += [("label", top), *body, ("label", again), *words(i_type(0x13, 0, c, c, -1)),
                      ("branch", 1, c, 0, top)]
        elif kind == 1:
            items += [("jal", 0, again), ("label", top), *body, ("label", again),
                      *words(i_type(0x1b, 0, c, c, -1)), ("branch", 5, c, 0, top)]
        else:
            items += [("label", top), ("branch", 0, c, 0, end), *body, ("label", again),
                      *words(i_type(0x13, 0, c, c, -1)), ("jal", 0, top)]
        items += [("label", end), ("label", out)]
        items += words(i_type(0x03, 3, c, 2, 0), i_type(0x13, 0, 2, 2, 16))
        return items, 8 + turns * (cost + 4)

    def call(self):
        """With an instruction behind it that the function may skip."""
        rng = self.rng
        name, link, cost = rng.choice(self.functions)
        skipped = self.arithmetic()[0]
        if link == 27 or rng.randrange(2):
            return [("jal", link, name), *skipped], cost + 2
        t = rng.choice((link, 6, 7))
        return [("address", t, name), *words(i_type(0x67, 0, link, t, 0)), *skipped], cost + 4

    def recursion(self):
        rng = self.rng
        name, _, cost = self.recursive
        depth = rng.choice((1, 5, 40, 700, RECURSION_MAX))
        return [*words(*load_immediate(26, depth)), ("jal", 1, name)], depth * cost

    def tree(self, size, budget=0):
        """A sequence of statements. Loops only with a budget, so that their turns are bounded."""
        rng, items, total = self.rng, [], 0
        for _ in range(rng.randrange(1, 4)):
            kind = rng.randrange(10)
            if kind < 3 or size < 6:
                more, cost = self.block(rng.randrange(1, max(2, size)))
            elif kind < 5:
                more, cost = self.choice(size)
            elif kind == 5:
                more, cost = self.switch(size)
            elif kind < 8 and self.functions:
                more, cost = self.call()
            elif budget > 200:
                more, cost = self.loop(size // 2, budget // 3)
            else:
                more, cost = self.block(rng.randrange(1, max(2, size)))
            items += more
            total += cost
        return items, total

    # --- functions

    def function(self, link):
        """One that is entered by `link`, of one of several makes."""
        rng, name = self.rng, self.label()
        save = words(i_type(0x13, 0, 2, 2, -16), s_type(0x23, 3, 2, link, 8))
        restore = words(i_type(0x03, 3, link, 2, 8), i_type(0x13, 0, 2, 2, 16))
        back = words(i_type(0x67, 0, 0, link, 0))
        body, cost = self.tree(8) if rng.randrange(2) else self.block(6)
        kind = rng.randrange(6)
        if kind == 0 and self.functions:  # a tail call
            other, other_link, other_cost = rng.choice(self.functions)
            if other_link == link:
                back, cost = [("jal", 0, other)], cost + other_cost
        elif kind == 1:  # to one of two places: behind an instruction, or not
            t = 6 if link == 27 else 27
            back = words(i_type(0x13, 7, t, self.source(), 1), i_type(0x13, 1, t, t, 2),
                         i_type(0x33, 0, link, link, t), i_type(0x67, 0, 0, link, 0))
        elif kind == 2:  # by another register
            back = words(i_type(0x13, 0, 27, link, 0), i_type(0x67, 0, 0, 27, 0))
        elif kind == 3:  # an odd address
            back = words(i_type(0x13, 6, link, link, 1), i_type(0x67, 0, 0, link, 0))
        elif kind == 4:  # with an offset
            back = words(i_type(0x13, 0, link, link, -8), i_type(0x67, 0, 0, link, 8))
        self.subroutines += [("label", name), *save, *body, *restore, *back]
        self.functions.append((name, link, cost + 8))

    def recursive_function(self):
        """Down to where x26 is 0, and up again."""
        name, out = self.label(), self.label()
        down, cost = self.block(3)
        up, up_cost = self.block(3)
        self.subroutines += [("label", name), *words(i_type(0x13, 0, 2, 2, -16),
                                                     s_type(0x23, 3, 2, 1, 0)),
                             *down, *words(i_type(0x13, 0, 26, 26, -1)), ("branch", 5, 0, 26, out),
                             ("jal", 1, name), *up, ("label", out),
                             *words(i_type(0x03, 3, 1, 2, 0), i_type(0x13, 0, 2, 2, 16),
                                    i_type(0x67, 0, 0, 1, 0))]
        self.recursive = (name, 1, cost + up_cost + 9)

    def make(self):
        rng = self.rng
        for _ in range(rng.randrange(4)):
            self.function(rng.choice((1, 1, 1, 5, 27)))
        items, total = [], 0
        while total < 40 or rng.randrange(4) and total < COST_MAX:
            kind = rng.randrange(8)
            if kind == 0:
                self.recursive_function()
                more, cost = self.recursion()
            elif kind < 4:
                more, cost = self.loop(rng.choice((4, 10, 25)), COST_MAX // 2)
            else:
                more, cost = self.tree(rng.choice((5, 20, 60)), COST_MAX // 4)
            items += more
            total += cost
        return items


# --- programs --------------------------------------------------------------------------------


def subroutines(layout, counter):
    """Load and store all registers by x30; items with the labels "load" and "store". A counter is
    stored, too, in the upper half of fcsr's place."""
    at = 8 * (NR_X + NR_F)
    place = words(*load_immediate(31, layout.place), i_type(0x03, 3, 31, 31, 0))
    load = [("label", "load"), *place, *words(i_type(0x03, 3, 1, 31, at), csrw(CSR_FCSR, 1))]
    load += words(*(i_type(0x03, 3, n, 31, 8 * (n - 1)) for n in range(1, 30)))
    load += words(*(i_type(0x07, 3, n, 31, 8 * (NR_X + n)) for n in range(NR_F)))
    load += words(*load_immediate(31, layout.base), i_type(0x67, 0, 0, 30, 0))
    store = [("label", "store"), *place]
    store += words(*(s_type(0x23, 3, 31, n, 8 * (n - 1)) for n in range(1, 31)))
    store += words(*(s_type(0x27, 3, 31, n, 8 * (NR_X + n)) for n in range(NR_F)))
    store += words(csrr(1, CSR_FCSR), s_type(0x23, 3, 31, 1, at))
    if counter:
        store += words(csrr(1, counter), s_type(0x23, 2, 31, 1, at + 4))
    store += words(i_type(0x13, 0, 1, 31, CHAPTER_BYTES), *load_immediate(31, layout.place),
                   s_type(0x23, 3, 31, 1, 0), i_type(0x67, 0, 0, 30, 0))
    return load + store


def pieces(seed, table, count, counter=None):
    """(entry, [(address, content, flags)]) of a program of `count` chapters, which stores the CSR
    `counter` (a number) behind each of them."""
    rng, layout = random.Random(seed), Layout(count)
    handlers, second = vectors.handlers()
    items = [*words(*handlers), *subroutines(layout, counter), ("label", "start")]
    call = vectors.system_call
    items += words(*call(132, layout.signals + 48, 0),
                   *call(134, vectors.SIGILL, layout.signals, 0, 8),
                   *call(134, vectors.SIGSEGV, layout.signals + 24, 0, 8))
    data = struct.pack("<Q", layout.chapters)
    for number in range(count):
        chapter = Chapter(rng, table, layout, f"chapter{number}")
        body, over = chapter.make(), f"over{number}"
        items += [("label", f"chapter{number}"), ("jal", 30, "load"), *body, ("jal", 30, "store"),
                  ("jal", 0, over), *chapter.subroutines, ("label", over)]
        xs = [programs.integer_value(rng) for _ in range(NR_X)]
        xs[1] = layout.stack
        width = rng.choice((32, 64, 64))
        fs = [programs.float_value(rng, width) for _ in range(NR_F)]
        data += struct.pack(f"<{NR_X + NR_F + 1}Q", *xs, *fs,
                            rng.choice((0, 0, 1, 2, 3, 4)) << 5 | rng.choice((0, 0, 31)))
    items += words(*call(64, 1, layout.chapters, CHAPTER_BYTES * count),
                   *call(64, 1, layout.scratch, SCRATCH_BYTES), *call(93, 0))
    code, labels = assemble(items, CODE)
    flags = vectors.SA_SIGINFO | vectors.SA_ONSTACK
    signals = struct.pack("<9Q", CODE, flags, 0, CODE + second, flags, 0, layout.signals + 4096, 0,
                          1 << 16)
    data = data.ljust(layout.scratch - DATA, b"\0") + rng.randbytes(SCRATCH_BYTES)
    return labels["start"], [(CODE, code, 5), (DATA, data, 6), (layout.hole, bytes(4096), 0),
                             (layout.signals,
                              signals.ljust(layout.stack - layout.signals, b"\0"), 6)]


def program(seed, table, count):
    """The ELF file of `count` chapters."""
    return elf(*pieces(seed, table, count))


def first_difference(count, ours, theirs):
    """What differs first, for people; None when nothing does."""
    names = [f"x{n + 1}" for n in range(NR_X)] + [f"f{n}" for n in range(NR_F)] + ["fcsr"]
    for number in range(count):
        where = slice(number * CHAPTER_BYTES, (number + 1) * CHAPTER_BYTES)
        if ours[where] != theirs[where]:
            a = struct.unpack(f"<{len(names)}Q", ours[where].ljust(CHAPTER_BYTES, b"\0"))
            b = struct.unpack(f"<{len(names)}Q", theirs[where].ljust(CHAPTER_BYTES, b"\0"))
            return "\n".join([f"chapter {number} of {count}:"] + [
                f"  {n}: {x:#x}, theirs {y:#x}" for n, x, y in zip(names, a, b) if x != y])
    return None if ours == theirs else "the scratch pages"
