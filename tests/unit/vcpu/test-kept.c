/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-kept.c - translated code of a machine that is kept: the next one does the same with it, and
 * as little of it as is true; what is damaged, or another's, is left alone.
 */
#include "unit/jit/guest.h"

#include <stdlib.h>

#include "jit/internal.h"
#include "vcpu/riscv/hart.h"

#define MEMORY_START UINT64_C(0x80000000)
#define MEMORY_BYTES UINT64_C(0x100000)
#define FUNCTION     (MEMORY_START + PAGE)
#define LOOP	     12
#define TURNS	     3000 /* more than a loop needs to become a region */
#define SUM	     S2
#define PLACES_MAX   64

static const struct jit_origin origin = { .memory = { 1, 2, 3, 4 } };

struct machine {
	struct vm_memory memory;
	struct vm_bus bus;
	struct riscv_clock clock;
	struct jit *jit;
	struct riscv_hart *hart;
};

struct list {
	struct jit_machine_place places[PLACES_MAX];
	size_t nr;
};

/* Every call stops the hart. */
static void answer(
	struct riscv_hart *hart, const uint64_t arguments[8], struct riscv_sbi_result *ret)
{
	riscv_hart_off(hart);
}

static void put_word(struct machine *m, uint64_t address, uint32_t word)
{
	assert_int_equal(vm_memory_write(&m->memory, address, &word, sizeof(word)), 0);
}

/* "s2 += a1" for each a1 down to 1, in a function on another page, whose first word becomes a3
 * before, if a2 is not 0. */
static void write_program(struct machine *m)
{
	const uint32_t program[] = {
		branch(0, A2, ZERO, LOOP),
		s_type(0x23, 2, A4, A3, 0), /* sw */
		FENCE_I,
		jal(RA, (int)(FUNCTION - MEMORY_START) - LOOP), /* LOOP is here */
		addi(A1, A1, -1),
		branch(1, A1, ZERO, -8),
		ECALL,
	};

	for (unsigned i = 0; i < sizeof(program) / sizeof(program[0]); i++)
		put_word(m, MEMORY_START + 4 * i, program[i]);
	put_word(m, FUNCTION, add(SUM, SUM, A1));
	put_word(m, FUNCTION + 4, RET);
}

static struct machine *open_machine(void)
{
	struct machine *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	vm_memory_init(&m->memory);
	assert_int_equal(vm_memory_add(&m->memory, MEMORY_START, MEMORY_BYTES, NULL), 0);
	assert_int_equal(riscv_clock_init(&m->clock, 1000000, NULL), 0);
	assert_int_equal(riscv_code_open(&m->memory, 0, NULL, &m->jit, NULL), 0);
	m->hart = aligned_alloc(64, (sizeof(*m->hart) + 63) / 64 * 64);
	assert_non_null(m->hart);
	assert_int_equal(riscv_hart_init(m->hart,
				 &(struct riscv_hart_config){ .memory = &m->memory,
					 .bus = &m->bus,
					 .clock = &m->clock,
					 .jit = m->jit,
					 .sbi = answer },
				 NULL),
		0);
	write_program(m);
	vm_memory_clean(&m->memory);
	return m;
}

static void close_machine(struct machine *m)
{
	riscv_hart_destroy(m->hart);
	free(m->hart);
	riscv_code_close(&m->memory, m->jit);
	riscv_clock_destroy(&m->clock);
	vm_memory_destroy(&m->memory);
	free(m);
}

/* What the program has come to; it writes `word` into its function first, unless that is 0. */
static uint64_t turn(struct machine *m, uint32_t word)
{
	struct riscv_hart *hart = m->hart;

	riscv_hart_start(hart, MEMORY_START, 0);
	hart->cpu.cpu.x[A1] = TURNS;
	hart->cpu.cpu.x[A2] = hart->cpu.cpu.x[A3] = word;
	hart->cpu.cpu.x[A4] = FUNCTION;
	assert_int_equal(hart->vcpu.ops->run(&hart->vcpu, NULL), VM_STOP_OFF);
	return hart->cpu.cpu.x[SUM];
}

#define RIGHT ((uint64_t)TURNS * (TURNS + 1) / 2)

static void add_place(void *context, const struct jit_machine_place *place)
{
	struct list *list = context;

	assert_true(list->nr < PLACES_MAX);
	list->places[list->nr++] = *place;
}

static struct list list_of(struct machine *m)
{
	struct list list = { .nr = 0 };

	riscv_code_list(&m->memory, m->jit, add_place, &list);
	return list;
}

/* By one that has the same memory, but runs nothing. */
static int keep(const struct list *list)
{
	struct machine *m = open_machine();
	int fd = memfd_create("kept", MFD_CLOEXEC);

	assert_int_equal(riscv_code_make(&m->memory, list->places, list->nr, &origin, fd, NULL), 0);
	close_machine(m);
	return fd;
}

static int keep_all(size_t *ret_nr)
{
	struct machine *m = open_machine();
	struct list list;

	assert_int_equal(turn(m, 0), RIGHT);
	list = list_of(m);
	assert_true(list.nr >= 3);
	close_machine(m);
	*ret_nr = list.nr;
	return keep(&list);
}

static void the_next_machine_translates_nothing(void **state)
{
	struct machine *m = open_machine();
	size_t nr;
	int fd = keep_all(&nr);

	assert_int_equal(jit_restore(m->jit, fd, &origin), 0);
	assert_int_equal(jit_get_stats(m->jit).restored, nr);
	assert_int_equal(turn(m, 0), RIGHT);
	assert_int_equal(turn(m, 0), RIGHT);
	assert_int_equal(jit_get_stats(m->jit).blocks, 0);
	assert_int_equal(jit_get_stats(m->jit).regions, 0);
	assert_int_equal(list_of(m).nr, nr);
	/* Only once: what there is would not be found again. */
	assert_int_equal(jit_restore(m->jit, fd, &origin), -EBUSY);
	assert_int_equal(turn(m, 0), RIGHT);
	close_machine(m);
	close(fd);
}

static void what_is_written_is_translated_again(void **state)
{
	struct machine *m = open_machine();
	size_t nr;
	int fd = keep_all(&nr);

	assert_int_equal(jit_restore(m->jit, fd, &origin), 0);
	assert_int_equal(turn(m, addi(SUM, SUM, 2)), 2 * TURNS);
	assert_true(jit_get_stats(m->jit).invalidated > 0);
	assert_int_equal(turn(m, add(SUM, SUM, A1)), RIGHT);
	assert_int_equal(turn(m, 0), RIGHT);
	/* Its page is not what others begin with, and is not told. */
	for (size_t i = 0; i < list_of(m).nr; i++)
		assert_int_not_equal(list_of(m).places[i].page, FUNCTION);
	close_machine(m);
	close(fd);
}

/* By the machine's devices, before anything has run. */
static void what_a_device_has_written_is_translated_again(void **state)
{
	struct machine *m = open_machine();
	size_t nr;
	int fd = keep_all(&nr);

	assert_int_equal(jit_restore(m->jit, fd, &origin), 0);
	put_word(m, FUNCTION, addi(SUM, SUM, 3));
	assert_int_equal(turn(m, 0), 3 * TURNS);
	close_machine(m);
	close(fd);
}

/* Jumps of the file's code are led to new code, in pages that are not the file's then. */
static void what_was_not_kept_is_added(void **state)
{
	struct machine *m = open_machine();
	struct list list, some = { .nr = 0 };
	uint64_t nr_new = 0;
	int fd;

	assert_int_equal(turn(m, 0), RIGHT);
	list = list_of(m);
	close_machine(m);
	for (size_t without = 0; without < list.nr; without++) {
		some.nr = 0;
		for (size_t i = 0; i < list.nr; i++)
			if (i != without)
				some.places[some.nr++] = list.places[i];
		fd = keep(&some);
		m = open_machine();
		assert_int_equal(jit_restore(m->jit, fd, &origin), 0);
		for (int i = 0; i < 3; i++)
			assert_int_equal(turn(m, 0), RIGHT);
		nr_new += jit_get_stats(m->jit).blocks;
		assert_int_equal(turn(m, addi(SUM, SUM, 2)), 2 * TURNS);
		close_machine(m);
		close(fd);
	}
	assert_true(nr_new > 0); /* what a region was made of is not missed in each case */
}

static void all_of_it_can_be_forgotten(void **state)
{
	struct machine *m = open_machine();
	size_t nr;
	int fd = keep_all(&nr);

	for (int i = 0; i < 3; i++) {
		assert_int_equal(jit_restore(m->jit, fd, &origin), 0);
		assert_int_equal(turn(m, 0), RIGHT);
		assert_true(jit_shrink(m->jit, 0));
		assert_int_equal(list_of(m).nr, 0);
		/* A page that has no code any more is written unseen. */
		assert_int_equal(turn(m, addi(SUM, SUM, 2)), 2 * TURNS);
		assert_int_equal(turn(m, add(SUM, SUM, A1)), RIGHT);
		assert_true(jit_shrink(m->jit, 0));
	}
	close_machine(m);
	close(fd);
}

static void refuse(int fd, const struct jit_origin *of, int expected)
{
	struct machine *m = open_machine();
	size_t used = m->jit->used;
	int r = jit_restore(m->jit, fd, of);

	if (expected)
		assert_int_equal(r, expected);
	else if (r != -EBADMSG && r != -ESTALE && r != -ENOSPC)
		fail_msg("%d", r);
	assert_int_equal(m->jit->used, used);
	assert_int_equal(list_of(m).nr, 0);
	assert_int_equal(turn(m, 0), RIGHT);
	close_machine(m);
}

static void what_is_damaged_is_refused(void **state)
{
	size_t nr;
	int fd = keep_all(&nr);
	off_t size = lseek(fd, 0, SEEK_END);
	uint8_t byte;

	for (off_t at = 0; at < size; at += at < 300 ? 11 : 1733) {
		assert_int_equal(pread(fd, &byte, 1, at), 1);
		byte ^= 0x40;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
		refuse(fd, &origin, 0);
		byte ^= 0x40;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	}
	for (; size > 0; size /= 2) {
		assert_int_equal(ftruncate(fd, size - 1), 0);
		refuse(fd, &origin, -EBADMSG);
	}
	close(fd);
}

static void another_memorys_is_refused(void **state)
{
	struct jit_origin other = origin;
	size_t nr;
	int fd = keep_all(&nr);

	for (int i = 0; i < 4; i++) {
		other.memory[i]++;
		refuse(fd, &other, -ESTALE);
		other.memory[i]--;
	}
	close(fd);
}

/* Whatever a list says: what comes of it is the same machine. */
static void lists_may_be_nonsense(void **state)
{
	struct machine *m = open_machine();
	struct list list = { .nr = 0 };
	int fd;

	srand(1);
	while (list.nr < PLACES_MAX)
		list.places[list.nr++] = (struct jit_machine_place){
			.pc = MEMORY_START + (uint64_t)rand() % (3 * PAGE) * (rand() % 8 ? 1 : -1),
			.page = MEMORY_START +
				(uint64_t)(rand() % 3) * PAGE * (rand() % 8 ? 1 : 1000),
			.mode = rand() % 4 ? (uint32_t)rand() % 256 : (uint32_t)rand(),
			.loop_bytes = rand() % 2 ? 0 : (uint32_t)(rand() % 5000),
		};
	list.places[0].pc = UINT64_MAX - 1;
	list.places[1].page = UINT64_MAX - 4095;
	fd = keep(&list);
	assert_int_equal(jit_restore(m->jit, fd, &origin), 0);
	assert_int_equal(turn(m, 0), RIGHT);
	assert_int_equal(turn(m, addi(SUM, SUM, 2)), 2 * TURNS);
	close_machine(m);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_next_machine_translates_nothing),
		cmocka_unit_test(what_is_written_is_translated_again),
		cmocka_unit_test(what_a_device_has_written_is_translated_again),
		cmocka_unit_test(what_was_not_kept_is_added),
		cmocka_unit_test(all_of_it_can_be_forgotten),
		cmocka_unit_test(what_is_damaged_is_refused),
		cmocka_unit_test(another_memorys_is_refused),
		cmocka_unit_test(lists_may_be_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
