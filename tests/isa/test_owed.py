# SPDX-License-Identifier: Apache-2.0
"""test_owed.py - what a fault finds in registers that are written over before anybody reads them
(jit/owed.c): the interpreter's, whatever stands around the access.

Programs of machine mode: chapters of a loop each, of random arithmetic on few registers with loads
and stores between, one of which goes nowhere in the last turn. All registers are noted then.
STRATA_ISA_PROGRAMS is how many programs there are, from seed STRATA_ISA_SEED on.
"""

import os
import random
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
STRATA = Path(os.environ.get("STRATA_BIN", TOP / "build/src/front/strata"))
RUNNER = STRATA.parents[2] / "tests/isa/run-machine"
FIRST = int(os.environ.get("STRATA_ISA_SEED", "0"))
COUNT = int(os.environ.get("STRATA_ISA_PROGRAMS", "6"))
CHAPTERS, TURNS = 30, 700
POOL = ["t0", "t1", "t2", "a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7"]
WAYS = ["", "noregions", "dense"]
GCC = ["riscv64-linux-gnu-gcc", "-march=rv64gc", "-mabi=lp64d", "-static", "-nostdlib", "-no-pie",
       "-fno-pic", "-Wl,--build-id=none", "-Wl,--no-warn-rwx-segments"]
RECORD = 8 * (len(POOL) + 2)

HEAD = f"""
	.text
	.option norelax
	.global _start
_start:
	la t0, handler
	csrw mtvec, t0
	la s11, log
	la s5, page
	li s6, 0x70000000
	la s9, page + 4096 - 20
	j first
	.balign 4
handler:
	csrr s1, mcause
	sd s1, 0(s11)
	sd s7, 8(s11)
{chr(10).join(f"	sd {reg}, {8 * n + 16}(s11)" for n, reg in enumerate(POOL))}
	addi s11, s11, {RECORD}
	jr s0
first:
"""
TAIL = f"""
	li t5, 0x100000
	li t6, 0x5555
	sw t6, 0(t5)
1:	j 1b
	.data
	.balign 4096
page:	.space 8192
log:	.space {RECORD * CHAPTERS}
"""


def arithmetic(rng):
    d, a, b = (rng.choice(POOL) for _ in range(3))
    return "\t" + rng.choice((
        f"addi {d}, {a}, {rng.randrange(-2048, 2048)}", f"add {d}, {a}, {b}", f"mv {d}, {a}",
        f"slliw {d}, {a}, {rng.randrange(32)}", f"slli {d}, {a}, {rng.randrange(64)}",
        f"srliw {d}, {a}, {rng.randrange(32)}", f"srai {d}, {a}, {rng.randrange(64)}",
        f"xor {d}, {a}, {b}", f"sub {d}, {a}, {b}", f"subw {d}, {a}, {b}", f"and {d}, {a}, {b}",
        f"sltu {d}, {a}, {b}", f"andi {d}, {a}, 255", f"sext.w {d}, {a}", f"mul {d}, {a}, {b}",
        f"li {d}, {rng.getrandbits(32)}"))


def access(rng, base):
    reg, place = rng.choice(POOL), rng.randrange(0, 40)
    return f"\t{rng.choice(('ld', 'lw', 'lbu', 'lh', 'sd', 'sw', 'sb'))} {reg}, {place}({base})"


def chapter(rng, number):
    lines = [f"\tli {reg}, {rng.getrandbits(64)}" for reg in POOL]
    body = [arithmetic(rng) for _ in range(rng.randrange(4, 14))]
    for _ in range(rng.randrange(4)):
        body.insert(rng.randrange(len(body)), access(rng, rng.choice(("s5", "s5", "s9"))))
    body.insert(rng.randrange(len(body)), access(rng, "t3"))
    if rng.randrange(3) == 0:  # a way out that is never taken, or a way in
        body.insert(rng.randrange(len(body)), rng.choice((
            f"\tbeqz s7, end{number}", f"\tandi t4, s7, 1\n\tbeqz t4, 1f\n{arithmetic(rng)}\n1:")))
    return lines + [
        f"\tla s0, end{number}", f"\tli s7, {TURNS}", f"loop{number}:",
        "\taddi t4, s7, -1", "\tsnez t4, t4", "\tneg t4, t4", "\txor t5, s5, s6", "\tand t5, t5, t4",
        "\txor t3, t5, s6", *body, "\taddi s7, s7, -1", f"\tbnez s7, loop{number}", "\tebreak",
        "\t.balign 4", f"end{number}:"]


def build(folder, seed):
    rng = random.Random(seed)
    lines = [line for number in range(CHAPTERS) for line in chapter(rng, number)]
    (folder / "program.S").write_text(HEAD + "\n".join(lines) + TAIL)
    subprocess.run([*GCC, "-T", TOP / "tests/isa/machine/link.ld", folder / "program.S", "-o",
                    folder / "program"], check=True)
    return folder / "program"


def run(how, program, memory, words=""):
    subprocess.run([RUNNER, how, program, memory], check=True, timeout=60,
                   env=dict(os.environ, STRATA_JIT=words))
    return memory.read_bytes()


@pytest.mark.parametrize("seed", range(FIRST, FIRST + COUNT))
def test_faults(tmp_path, seed):
    program = build(tmp_path, seed)
    expected = run("interpret", program, tmp_path / "memory")
    symbols = subprocess.run(["riscv64-linux-gnu-nm", program], check=True, text=True,
                             stdout=subprocess.PIPE).stdout
    log = next(int(line.split()[0], 16) for line in symbols.splitlines() if line.endswith(" log"))
    log -= 0x80000000
    for words in WAYS:
        ours = run("translate", program, tmp_path / "memory", words)
        for number in range(CHAPTERS):
            at = log + RECORD * number
            a, b = ([int.from_bytes(m[i:i + 8], "little") for i in range(at, at + RECORD, 8)]
                    for m in (ours, expected))
            names = ["mcause", "s7", *POOL]
            assert b[0] in (5, 7) and b[1] == 1, (number, b)
            wrong = [f"{n}: {x:#x}, not {y:#x}" for n, x, y in zip(names, a, b) if x != y]
            assert not wrong, f"{words}: chapter {number}: {wrong}"
        assert ours == expected, words
