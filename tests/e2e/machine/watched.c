/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watched.c - a program that is a whole machine's software: in supervisor mode, with page tables,
 * hart 0 writes to a variable in every way there is, over and over, and hart 1 to another one in
 * the same page. Built without a C library, for a debugger to watch.
 */
#define PAGE	  4096
#define OTHER_WAY 0x40000000UL /* from here on the first GiB of memory is seen again */

__asm__(".text\n"
	".global _start\n"
	"_start: csrr a0, mhartid\n"
	"	slli t0, a0, 12\n"
	"	lla sp, stacks + 4096\n"
	"	add sp, sp, t0\n"
	"	li t0, -1\n"
	"	csrw pmpaddr0, t0\n"
	"	li t0, 0x1f\n"
	"	csrw pmpcfg0, t0\n"
	"	li t0, 1 << 7\n" /* menvcfg.CBZE */
	"	csrw 0x30a, t0\n"
	"	li t0, 3 << 9 | 3 << 13 | 1 << 11\n" /* VS, FS, MPP: supervisor */
	"	csrs mstatus, t0\n"
	"	lla t0, table\n"
	"	srli t0, t0, 12\n"
	"	li t1, 8 << 60\n"
	"	or t0, t0, t1\n"
	"	csrw satp, t0\n"
	"	lla t0, begin\n"
	"	csrw mepc, t0\n"
	"	mret\n");

char stacks[2 * PAGE] __attribute__((aligned(16)));

/* Sv39: two GiB from OTHER_WAY on, where memory begins in the second. V R W X A D */
unsigned long table[512] __attribute__((aligned(PAGE))) = {
	[1] = 0x80000000UL >> 2 | 0xcf,
	[2] = 0x80000000UL >> 2 | 0xcf,
};

/* `words` begins a page. */
static struct {
	char before[PAGE];
	volatile unsigned long words[PAGE / 8];
} data __attribute__((aligned(PAGE)));

/* All are at OTHER_WAY. One hart waits for what the other sets. */
volatile unsigned long *volatile watched, *volatile other, *volatile rare;

__attribute__((noinline)) void store(unsigned long value)
{
	*watched = value;
}

/* Four bytes before it, and four of it. */
__attribute__((noinline)) void store_across(unsigned long value)
{
	__asm__ volatile("sd %0, -4(%1)" ::"r"(value << 32), "r"(watched) : "memory");
}

__attribute__((noinline)) void exchange(unsigned long value)
{
	__asm__ volatile("amoswap.d zero, %0, (%1)" ::"r"(value), "r"(watched) : "memory");
}

/* As much as two registers, from two words before it on. */
__attribute__((noinline)) void store_vector(unsigned long value)
{
	__asm__ volatile("vsetivli zero, 4, e64, m2, ta, ma\n"
			 "	vmv.v.x v2, %0\n"
			 "	vse64.v v2, (%1)\n" ::"r"(value),
			 "r"(watched - 2)
			 : "memory");
}

__attribute__((noinline)) void zero_block(void)
{
	__asm__ volatile(".insn i 0x0f, 2, x0, %0, 4" ::"r"(watched) : "memory");
}

__attribute__((noinline)) unsigned long load(void)
{
	return *watched;
}

__attribute__((noinline)) void store_rarely(unsigned long value)
{
	*rare = value;
}

void begin(unsigned long hart)
{
	volatile unsigned long *words = (void *)((unsigned long)data.words - OTHER_WAY);

	if (hart == 0) {
		watched = &words[0];
		other = &words[9];
		rare = &words[10];
		for (unsigned long i = 1;; i++) {
			store(i);
			store_across(i + 1);
			exchange(i + 2);
			store_vector(i + 3);
			zero_block();
			words[8] += load();
			/* The same memory, and not watched there. */
			data.words[11] = i;
		}
	}
	while (!rare)
		;
	for (unsigned long i = 0;; i++) {
		(*other)++;
		if (i % 100000 == 0)
			store_rarely(i);
	}
}
