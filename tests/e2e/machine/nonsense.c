/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nonsense.c - a kernel that programs all virtio devices with nonsense, from all harts at once: the
 * registers, the rings, and what these lead to. It has nothing else, and turns the machine off
 * after ROUNDS of it. The machine must not mind.
 *
 * Half of what it does is nearly right, so that it gets far: features that are offered, rings in
 * memory. Descriptors mostly lead to SCRATCH, which nobody needs; none to where this program is.
 */
#include <stdint.h>

#define VIRTIO_START 0x10001000ul
#define VIRTIO_BYTES 0x1000ul
#define NR_PLACES    9 /* that have a device: all kinds, and three disks */
#define FINISHER     0x100000ul
#define UART	     0x10000000ul
#define RINGS	     0x81000000ul /* a page for each queue of each device */
#define SCRATCH	     0x82000000ul
#define SCRATCH_MASK 0xfffffful
#define NR_QUEUES    5
#define NR_HARTS     4
#define ROUNDS	     2000

#define FEATURES_OK 8u
#define DRIVER_OK   4u

struct descriptor {
	uint64_t address;
	uint32_t bytes;
	uint16_t flags, next;
};

static uint64_t nr_done;

void begin(uint64_t hart);
void trapped(uint64_t cause, uint64_t pc, uint64_t value);

/* Where the machine enters, and where each hart that was started does: a stack of its own. */
__asm__(".section .text.entry,\"ax\"\n"
	".globl _start\n"
	"_start:\n"
	".option norelax\n" /* gp points nowhere */
	"	la sp, stacks\n"
	"	addi t0, a0, 1\n"
	"	slli t0, t0, 13\n"
	"	add sp, sp, t0\n"
	"	la t0, trap\n"
	"	csrw stvec, t0\n"
	"	call begin\n"
	"	.balign 4\n"
	"trap:	csrr a0, scause\n"
	"	csrr a1, sepc\n"
	"	csrr a2, stval\n"
	"	call trapped\n"
	".bss\n"
	".balign 16\n"
	"stacks:	.zero 8192 * 4\n"
	".text\n");

static void store(uint64_t address, uint32_t value)
{
	*(volatile uint32_t *)address = value;
}

static uint32_t load(uint64_t address)
{
	return *(volatile uint32_t *)address;
}

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* SBI 2.0: HSM, hart_start */
static void start_hart(uint64_t hart, void (*entry)(void))
{
	register uint64_t a0 __asm__("a0") = hart;
	register uint64_t a1 __asm__("a1") = (uint64_t)entry;
	register uint64_t a2 __asm__("a2") = 0;
	register uint64_t a6 __asm__("a6") = 0;
	register uint64_t a7 __asm__("a7") = 0x48534d;

	__asm__ volatile("ecall" : "+r"(a0), "+r"(a1) : "r"(a2), "r"(a6), "r"(a7) : "memory");
}

static void print(const char *text)
{
	for (; *text; text++)
		*(volatile uint8_t *)UART = (uint8_t)*text;
}

static void print_number(uint64_t number)
{
	for (int shift = 60; shift >= 0; shift -= 4) {
		char digit[2] = { "0123456789abcdef"[number >> shift & 15] };

		print(digit);
	}
	print(" ");
}

/* This program has gone astray, or somebody has written to it. */
void trapped(uint64_t cause, uint64_t pc, uint64_t value)
{
	print("nonsense: trap ");
	print_number(cause);
	print_number(pc);
	print_number(value);
	print("\n");
	store(FINISHER, 0x13333);
	while (1)
		__asm__ volatile("wfi");
}

static uint64_t ring_of(unsigned place, unsigned queue)
{
	return RINGS + (place * NR_QUEUES + queue) * 0x1000ul;
}

static uint64_t address(uint64_t *r)
{
	uint64_t random = next_random(r);

	switch (random % 16) {
	case 0:
		return next_random(r) | 1ull << 40; /* nowhere */
	case 1:
		return RINGS + random / 16 % 0x20000;
	default:
		return SCRATCH + (random >> 8 & SCRATCH_MASK);
	}
}

static uint32_t length(uint64_t *r)
{
	static const uint32_t some[] = { 0, 1, 4, 8, 12, 16, 44, 512, 4096, 65536 };
	uint64_t random = next_random(r);

	return random % 32 ? some[random / 32 % 10] : (uint32_t)(random >> 32);
}

/* What devices look at first: a kind of request, or the beginning of a packet. */
static void fill_scratch(uint64_t at, uint64_t *r)
{
	uint64_t random = next_random(r);

	if ((at & ~SCRATCH_MASK) != SCRATCH || (at & 7))
		return;
	*(volatile uint64_t *)at = random % 4 ? random % 64 : random;
	*(volatile uint64_t *)(at + 8) = random % 8192;
}

/* Something to read, something else, something to write: most devices want it like that. */
static void make_request(struct descriptor *d, uint64_t *r)
{
	d[0].address = SCRATCH + (next_random(r) & SCRATCH_MASK & ~7ul);
	d[0].bytes = next_random(r) % 4 ? 16 : 44;
	d[0].flags = 1;
	d[0].next = 1;
	fill_scratch(d[0].address, r);
	d[1].flags = 1 | (d[1].flags & 2);
	d[1].next = 2;
	d[2].address = SCRATCH + (next_random(r) & SCRATCH_MASK);
	d[2].bytes = next_random(r) % 2 ? 1 : 4096;
	d[2].flags = 2;
}

static void fill_ring(uint64_t ring, uint64_t *r)
{
	struct descriptor *d = (struct descriptor *)ring;
	volatile uint16_t *available = (volatile uint16_t *)(ring + 0x400);

	for (unsigned i = 0; i < 8; i++) {
		uint64_t random = next_random(r);

		d[i].address = address(r);
		d[i].bytes = length(r);
		d[i].flags = random % 64 ? (random >> 8 & 3) : (uint16_t)(random >> 16);
		d[i].next = random % 32 ? (i + 1) % 8 : (uint16_t)(random >> 40);
		fill_scratch(d[i].address, r);
	}
	d[7].flags &= next_random(r) % 8 ? ~1 : ~0;
	if (next_random(r) % 2)
		make_request(d, r);
	for (unsigned i = 0; i < 8; i++)
		available[2 + i] = next_random(r) % 32 ? i : (uint16_t)next_random(r);
	available[1] += next_random(r) % 32 ? next_random(r) % 4 : (uint16_t)next_random(r);
}

static void set_up(uint64_t base, unsigned place, uint64_t *r)
{
	uint32_t offered;

	store(base + 0x70, 0);
	store(base + 0x70, 3);
	store(base + 0x14, 0);
	offered = load(base + 0x10);
	store(base + 0x24, 0);
	store(base + 0x20, offered & (uint32_t)next_random(r));
	store(base + 0x24, 1);
	store(base + 0x20, 1);
	store(base + 0x70, FEATURES_OK);
	for (unsigned q = 0; q < NR_QUEUES; q++) {
		uint64_t ring = ring_of(place, q);

		for (unsigned i = 0; i < 0x1000; i += 8)
			*(volatile uint64_t *)(ring + i) = 0;
		store(base + 0x30, q);
		store(base + 0x38, 8);
		store(base + 0x80, (uint32_t)ring);
		store(base + 0x90, (uint32_t)ring + 0x400);
		store(base + 0xa0, (uint32_t)ring + 0x800);
		store(base + 0x44, 1);
	}
	store(base + 0x70, DRIVER_OK);
}

static void do_nonsense(unsigned place, uint64_t *r)
{
	uint64_t base = VIRTIO_START + place * VIRTIO_BYTES, random = next_random(r);
	unsigned queue = random / 16 % NR_QUEUES;

	if (!load(base + 8))
		return;
	switch (random % 16) {
	case 0:
	case 1:
		set_up(base, place, r);
		break;
	case 2:
		store(base + (random >> 8 & 0xffc), (uint32_t)next_random(r));
		break;
	case 3:
		load(base + (random >> 8 & 0xffc));
		break;
	case 4:
		store(base + 0x100 + (random >> 8 & 0x3c), (uint32_t)next_random(r));
		break;
	default:
		fill_ring(ring_of(place, queue), r);
		store(base + 0x50, queue);
		store(base + 0x64, 3);
		break;
	}
}

void _start(void);

void begin(uint64_t hart)
{
	uint64_t r = 88172645463325252ull * (hart + 1);

	if (hart == 0)
		for (uint64_t other = 1; other < NR_HARTS; other++)
			start_hart(other, _start);
	for (unsigned round = 0; round < ROUNDS; round++)
		for (unsigned place = 0; place < NR_PLACES; place++)
			do_nonsense(next_random(&r) % NR_PLACES, &r);
	if (__atomic_add_fetch(&nr_done, 1, __ATOMIC_SEQ_CST) == NR_HARTS) {
		print("nonsense: done\n");
		store(FINISHER, 0x5555);
	}
	while (1)
		__asm__ volatile("wfi");
}
