/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bare-x86.c - a program that is all the software of a machine for x86-64: in long mode, on every
 * processor, it counts for ever. Built without a C library, for a debugger to look at. What it does
 * beside that it does when a debugger sets the variable for it: not every KVM runs int3.
 */
#define PAGE	   4096
#define CPUS	   16
#define TRAMPOLINE 0x8000ul
#define LAPIC	   ((volatile unsigned *)0xfee00000)

__asm__(".text\n"
	".global _start\n"
	"_start: mov $stacks + 4096, %esp\n"
	"	call start_others\n"
	"	xor %edi, %edi\n"
	"	call count\n"
	/* Another processor begins in real mode, at TRAMPOLINE. */
	".code16\n"
	".global trampoline, trampoline_end\n"
	"trampoline:\n"
	"	cli\n"
	"	xor %ax, %ax\n"
	"	mov %ax, %ds\n"
	"	lgdtl 0x8000 + table - trampoline\n"
	"	mov $0x20, %eax\n" /* PAE */
	"	mov %eax, %cr4\n"
	"	mov 0x8000 + pages - trampoline, %eax\n"
	"	mov %eax, %cr3\n"
	"	mov $0xc0000080, %ecx\n" /* EFER: LME */
	"	rdmsr\n"
	"	or $0x100, %eax\n"
	"	wrmsr\n"
	"	mov %cr0, %eax\n"
	"	or $0x80000001, %eax\n" /* PG, PE */
	"	mov %eax, %cr0\n"
	"	ljmpl $8, $other\n"
	".balign 8\n"
	"gdt:	.quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff\n"
	"table:	.word 23\n"
	"	.long 0x8000 + gdt - trampoline\n"
	"pages:	.long 0\n"
	"trampoline_end:\n"
	".code64\n"
	"other:	mov $16, %eax\n"
	"	mov %eax, %ss\n"
	"	mov %eax, %ds\n"
	"	mov $1, %edi\n"
	"	lock xaddq %rdi, nr_others\n"
	"	inc %rdi\n"
	"	mov %rdi, %rax\n"
	"	shl $12, %rax\n"
	"	lea stacks + 4096(%rax), %rsp\n"
	"	call count\n"
	/* Vectors 1 and 3. */
	"on_step: incl own_steps\n"
	"	andl $~0x100, 16(%rsp)\n" /* TF */
	"	iretq\n"
	"on_int3: incl own_breaks\n"
	"	iretq\n");

char stacks[CPUS * PAGE] __attribute__((aligned(16)));
volatile unsigned long counts[CPUS], nr_others, page_table_root;
volatile unsigned long watched[4];
volatile unsigned own_steps, own_breaks, wants_own;

extern char trampoline[], trampoline_end[], on_step[], on_int3[];

struct gate {
	unsigned short low, selector, type, middle;
	unsigned high, zero;
} gates[4];

static void set_gate(unsigned vector, const char *handler)
{
	unsigned long at = (unsigned long)handler;
	unsigned short selector;

	__asm__("mov %%cs, %0" : "=r"(selector));
	gates[vector] = (struct gate){ (unsigned short)at, selector, 0x8e00,
		(unsigned short)(at >> 16), (unsigned)(at >> 32), 0 };
}

void start_others(void);
void work(unsigned long cpu, unsigned long step);
void store(unsigned long cpu);
void provoke(void);
void count(unsigned long cpu);

/* INIT and SIPI to all but this one: SDM 3A, 11.4.4. */
void start_others(void)
{
	struct {
		unsigned short limit;
		unsigned long base;
	} __attribute__((packed)) idtr = { sizeof(gates) - 1, (unsigned long)gates };
	volatile char *to = (char *)TRAMPOLINE;
	unsigned long root;

	set_gate(1, on_step);
	set_gate(3, on_int3);
	__asm__ volatile("lidt %0" ::"m"(idtr));
	__asm__("mov %%cr3, %0" : "=r"(root));
	page_table_root = root;
	for (long i = 0; i < trampoline_end - trampoline; i++)
		to[i] = trampoline[i];
	*(volatile unsigned *)(to + (trampoline_end - trampoline) - 4) = (unsigned)root;
	LAPIC[0xf0 / 4] = 0x1ff;
	LAPIC[0x300 / 4] = 0xc4500;
	LAPIC[0x300 / 4] = 0xc4600 | TRAMPOLINE >> 12;
}

__attribute__((noinline)) void work(unsigned long cpu, unsigned long step)
{
	counts[cpu] += step;
}

__attribute__((noinline)) void store(unsigned long cpu)
{
	watched[cpu] = counts[cpu];
	watched[cpu + 2] = 0;
}

/* An int3 of its own, and a step of its own. */
__attribute__((noinline)) void provoke(void)
{
	__asm__ volatile("int3\n"
			 "pushfq\n"
			 "orl $0x100, (%%rsp)\n"
			 "popfq\n"
			 "nop\n" ::
				 : "memory");
	wants_own--;
}

void count(unsigned long cpu)
{
	for (;;) {
		work(cpu, cpu + 1);
		if (counts[cpu] % 16 == 0)
			store(cpu);
		if (wants_own && cpu == 0)
			provoke();
	}
}
