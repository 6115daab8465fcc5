/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-saved.c - translated code that is saved does the same where it is restored, wherever that
 * is, and what is not whole or not for us changes nothing.
 */
#include "unit/test.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "jit/internal.h"
#include "jit/riscv/cpu.h"

/* Above AddressSanitizer's shadow. */
#define HERE	  UINT64_C(0x200000000000)
#define THERE	  UINT64_C(0x300000000000)
#define ELSEWHERE UINT64_C(0x310000000000)

enum { PAGE = 4096, A0 = 10, A1 = 11, TURNS = 5000 };

/* a0 = a1 + (a1 - 1) + ... + 1 + 7 by a loop, a call that returns, and an address of its own. */
static const uint32_t sum[] = {
	0x00000513, /* li a0,0 */
	0x00b50533, /* loop: add a0,a0,a1 */
	0xfff58593, /* addi a1,a1,-1 */
	0xfe059ce3, /* bnez a1,loop */
	0x00c000ef, /* jal ra,add */
	0x00000617, /* auipc a2,0 */
	0x00100073, /* ebreak */
	0x00750513, /* add: addi a0,a0,7 */
	0x00008067, /* ret */
};

enum { AUIPC = 5 * 4, EBREAK = 6 * 4, A2 = 12 };

struct list {
	uint64_t offsets[64];
	uint32_t loops[64];
	size_t nr;
};

static void put_code(uint64_t at)
{
	void *page = mmap((void *)(uintptr_t)at, PAGE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	assert_ptr_equal(page, (void *)(uintptr_t)at);
	memcpy(page, sum, sizeof(sum));
}

static int setup(void **state)
{
	put_code(HERE);
	put_code(THERE);
	put_code(ELSEWHERE);
	return 0;
}

static struct jit *open_jit(bool is_saving, size_t cache_bytes)
{
	struct jit_options options = { .is_saving = is_saving, .cache_bytes = cache_bytes };
	struct jit *jit = NULL;

	assert_int_equal(jit_open(&options, &jit, NULL), 0);
	return jit;
}

static int restore(struct jit *jit, int fd, uint64_t start, uint64_t size)
{
	const struct jit_origin origin = { .start = start, .size = size };

	return jit_restore(jit, fd, &origin);
}

static void add(void *context, uint64_t offset, uint32_t loop_bytes)
{
	struct list *list = context;

	assert_true(list->nr < 64 && offset < PAGE);
	list->offsets[list->nr] = offset;
	list->loops[list->nr++] = loop_bytes;
}

static void run(struct jit *jit, uint64_t at)
{
	static struct riscv_cpu cpu;

	riscv_cpu_init(&cpu, (struct jit_memory){ 0 });
	cpu.pc = at;
	cpu.x[A1] = TURNS;
	assert_int_equal(riscv_run(jit, &cpu), JIT_STOP_BREAKPOINT);
	assert_int_equal(cpu.x[A0], (uint64_t)TURNS * (TURNS + 1) / 2 + 7);
	assert_int_equal(cpu.x[A2], at + AUIPC);
	assert_int_equal(cpu.pc, at + EBREAK);
	riscv_cpu_release(&cpu);
}

/* As a process of the guest's and the one behind it: run it, translate again what was. */
static int save(void)
{
	struct jit *guest = open_jit(false, 0), *jit = open_jit(true, 0);
	struct list list = { .nr = 0 };
	int fd = memfd_create("saved", MFD_CLOEXEC);
	size_t nr_new;

	run(guest, HERE);
	nr_new = jit_list(guest, HERE, PAGE, add, &list);
	assert_int_equal(nr_new, list.nr);
	assert_true(list.nr >= 3);
	for (size_t i = 0; i < list.nr; i++)
		assert_true(jit_precompile(jit, HERE + list.offsets[i], list.loops[i]) >= 0);
	assert_int_equal(jit_save(jit, fd, &(struct jit_origin){ HERE, PAGE, { 0 } }, NULL), 0);
	jit_free(guest);
	jit_free(jit);
	return fd;
}

static size_t count_new(struct jit *jit, uint64_t at, size_t *ret_all)
{
	struct list list = { .nr = 0 };
	size_t nr = jit_list(jit, at, PAGE, add, &list);

	*ret_all = list.nr;
	return nr;
}

static void it_does_the_same_elsewhere(void **state)
{
	const uint64_t places[] = { HERE, THERE, ELSEWHERE };
	int fd = save();

	for (size_t i = 0; i < 3; i++) {
		struct jit *jit = open_jit(false, 0);
		size_t before, after;

		assert_int_equal(restore(jit, fd, places[i], PAGE), 0);
		assert_int_equal(count_new(jit, places[i], &before), 0);
		assert_true(before >= 3);
		run(jit, places[i]);
		run(jit, places[i]);
		assert_int_equal(count_new(jit, places[i], &after), 0);
		assert_int_equal(before, after);
		jit_free(jit);
	}
	close(fd);
}

static void two_of_them_in_one_cache(void **state)
{
	struct jit *jit = open_jit(false, 0);
	int fd = save();
	size_t all;

	run(jit, HERE); /* what is translated already stays */
	assert_int_equal(restore(jit, fd, THERE, PAGE), 0);
	assert_int_equal(restore(jit, fd, ELSEWHERE, PAGE), 0);
	for (int i = 0; i < 2; i++) {
		run(jit, THERE);
		run(jit, ELSEWHERE);
		run(jit, HERE);
	}
	assert_int_equal(count_new(jit, THERE, &all), 0);
	assert_int_equal(count_new(jit, ELSEWHERE, &all), 0);
	assert_true(count_new(jit, HERE, &all) > 0);
	/* It is invalidated like any other, and no more than was meant. */
	jit_invalidate(jit, THERE, PAGE);
	assert_int_equal(count_new(jit, THERE, &all), 0);
	assert_int_equal(all, 0);
	run(jit, THERE);
	run(jit, ELSEWHERE);
	assert_true(count_new(jit, THERE, &all) > 0);
	assert_int_equal(count_new(jit, ELSEWHERE, &all), 0);
	jit_free(jit);
	close(fd);
}

static void code_that_has_changed_is_translated_again(void **state)
{
	static struct riscv_cpu cpu;
	uint32_t *code = (void *)(uintptr_t)THERE;
	struct jit *jit = open_jit(false, 0);
	int fd = save();

	assert_int_equal(restore(jit, fd, THERE, PAGE), 0);
	run(jit, THERE);
	code[7] = 0x00850513; /* add: addi a0,a0,8 */
	jit_invalidate(jit, THERE, PAGE);
	riscv_cpu_init(&cpu, (struct jit_memory){ 0 });
	cpu.pc = THERE;
	cpu.x[A1] = 1;
	assert_int_equal(riscv_run(jit, &cpu), JIT_STOP_BREAKPOINT);
	assert_int_equal(cpu.x[A0], 9);
	riscv_cpu_release(&cpu);
	code[7] = sum[7];
	jit_free(jit);
	close(fd);
}

/* Nothing is there, and what is translated now does what it should. */
static void refuse(int fd, uint64_t size, int expected)
{
	struct jit *jit = open_jit(false, 0);
	size_t used = jit->used, all;

	assert_int_equal(restore(jit, fd, THERE, size), expected);
	assert_int_equal(jit->used, used);
	assert_int_equal(count_new(jit, THERE, &all), 0);
	assert_int_equal(all, 0);
	run(jit, THERE);
	jit_free(jit);
}

static void a_damaged_byte_is_seen(void **state)
{
	int fd = save();
	off_t size = lseek(fd, 0, SEEK_END);
	uint8_t byte;

	/* Wherever it is: everything but the code's old place counts, which is in the header. */
	for (off_t at = 0; at < size; at += at < 200 ? 1 : 37) {
		struct jit *jit = open_jit(false, 0);
		int r;

		assert_int_equal(pread(fd, &byte, 1, at), 1);
		byte ^= 0x40;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
		r = restore(jit, fd, THERE, PAGE);
		if (r != -EBADMSG && r != -ESTALE && r != -ENOSPC)
			fail_msg("byte %ld: %d", (long)at, r);
		byte ^= 0x40;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
		jit_free(jit);
	}
	assert_int_equal(pread(fd, &byte, 1, size - 9), 1);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, size - 9), 1);
	refuse(fd, PAGE, -EBADMSG);
	close(fd);
}

static void what_is_cut_short_is_refused(void **state)
{
	int fd = save();
	off_t size = lseek(fd, 0, SEEK_END);

	for (off_t at = size - 1; at > 0; at = at * 3 / 4) {
		assert_int_equal(ftruncate(fd, at), 0);
		refuse(fd, PAGE, -EBADMSG);
	}
	assert_int_equal(ftruncate(fd, 0), 0);
	refuse(fd, PAGE, -EBADMSG);
	close(fd);
}

static void what_is_another_programs_is_refused(void **state)
{
	int fd = save();
	uint8_t byte;

	refuse(fd, 2 * PAGE, -ESTALE);
	/* magic, checksum, then the build ID */
	assert_int_equal(pread(fd, &byte, 1, 16), 1);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, 16), 1);
	refuse(fd, PAGE, -ESTALE);
	close(fd);
}

static void without_room_nothing_changes(void **state)
{
	struct jit *jit = open_jit(false, JIT_CACHE_BYTES_MIN);
	int fd = save();
	size_t used, all, before;
	int r;

	do {
		used = jit->used;
		before = jit->blocks.nr;
		r = restore(jit, fd, ELSEWHERE, PAGE);
	} while (r == 0);
	assert_int_equal(r, -ENOSPC);
	assert_int_equal(jit->used, used);
	assert_int_equal(jit->blocks.nr, before);
	run(jit, ELSEWHERE);
	run(jit, HERE);
	assert_int_equal(count_new(jit, THERE, &all), 0);
	jit_free(jit);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_does_the_same_elsewhere),
		cmocka_unit_test(two_of_them_in_one_cache),
		cmocka_unit_test(code_that_has_changed_is_translated_again),
		cmocka_unit_test(a_damaged_byte_is_seen),
		cmocka_unit_test(what_is_cut_short_is_refused),
		cmocka_unit_test(what_is_another_programs_is_refused),
		cmocka_unit_test(without_room_nothing_changes),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
