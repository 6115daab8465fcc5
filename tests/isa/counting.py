# SPDX-License-Identifier: Apache-2.0
"""counting.py - flow.py's programs in user mode of a machine, with nothing but a page table and a
handler of machine mode beneath them; instret is noted behind each chapter.

    0x80000000  this file's code    0x80200000  page tables
    0x80400000  virtual 0: code     0x80600000  virtual 0x1000000: data, with a hole
"""

import subprocess

import flow
import privileged
from privileged import A, D, FINISHER, R, U, V, W, X

INSTRET = 0xc02
TABLES, CODE, DATA = 0x80200000, 0x80400000, 0x80600000
DATA_END = DATA + (2 << 20)
USER = V | R | W | U | A | D

START = f"""
	.option norelax
	.text
	.global _start
_start:
	la t0, handler
	csrw mtvec, t0
	la t0, saved
	csrw mscratch, t0
	li t0, -1
	csrw pmpaddr0, t0
	csrw mcounteren, t0
	csrw scounteren, t0
	li t0, 0x1f
	csrw pmpcfg0, t0
	li t0, {8 << 60 | TABLES >> 12:#x}
	csrw satp, t0
	sfence.vma
	li t0, 0x6600
	csrs mstatus, t0
	li t0, ENTRY
	csrw mepc, t0
	csrw minstret, x0
	mret

	/* A system call does nothing, but for exit; what else traps is left out, with a mark in x5. */
	.balign 4
handler:
	csrrw t0, mscratch, t0
	sd t1, 0(t0)
	csrr t1, mepc
	addi t1, t1, 4
	csrw mepc, t1
	csrr t1, mcause
	addi t1, t1, -8
	bnez t1, 1f
	addi t1, a7, -93
	beqz t1, 2f
	ld t1, 0(t0)
	csrrw t0, mscratch, t0
	mret
1:	sd t1, 8(t0)
	ld t1, 0(t0)
	csrw mscratch, t0
	ld t0, 8(t0)
	mret
2:	li t0, {FINISHER:#x}
	li t1, 0x5555
	sw t1, (t0)
3:	j 3b
	.balign 8
saved:	.dword 0, 0
"""


def tables(hole):
    """Three pages of them: two megabytes of code, and two of data with a hole."""
    words = [0] * (3 * 512)
    words[0] = TABLES + 0x1000 >> 12 << 10 | V
    words[512] = CODE >> 12 << 10 | V | R | X | U | A
    words[512 + 8] = TABLES + 0x2000 >> 12 << 10 | V
    for n in range(512):
        if flow.DATA + 0x1000 * n != hole:
            words[1024 + n] = DATA + 0x1000 * n >> 12 << 10 | USER
    return b"".join(word.to_bytes(8, "little") for word in words)


def build(folder, seed, table, count):
    """The program, and its chapters' place in memory as a slice."""
    layout = flow.Layout(count)
    entry, parts = flow.pieces(seed, table, count, INSTRET)
    image = bytearray(DATA_END - TABLES)
    for start, content in [(TABLES, tables(layout.hole)),
                           *((CODE + a if a < flow.DATA else DATA + a - flow.DATA, content)
                             for a, content, flags in parts if flags)]:
        image[start - TABLES:start - TABLES + len(content)] = content
    assert len(image) == DATA_END - TABLES
    (folder / "image").write_bytes(image)
    source, script, target = folder / "program.S", folder / "link.ld", folder / "program"
    source.write_text(START.replace("ENTRY", hex(entry)) +
                      f'\t.section .image, "aw"\n\t.incbin "{folder}/image"\n')
    script.write_text("OUTPUT_ARCH(riscv)\nENTRY(_start)\nPHDRS { a PT_LOAD; b PT_LOAD; }\n"
                      f"SECTIONS {{ . = {privileged.MEMORY:#x}; .text : {{ *(.text) }} : a\n"
                      f". = {TABLES:#x}; .image : {{ *(.image) }} : b }}\n")
    subprocess.run([*privileged.GCC, "-T", script, source, "-o", target], check=True)
    start = DATA + layout.chapters - flow.DATA - privileged.MEMORY
    return target, slice(start, start + flow.CHAPTER_BYTES * count)
