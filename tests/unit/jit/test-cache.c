/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-cache.c - what is translated is forgotten when its code changes or the cache is full, under
 * threads that run it; children of fork have a cache of their own; and without memory there is an
 * error.
 */
#include "unit/jit/guest.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "jit/internal.h"

#define NR_THREADS 4

static struct riscv_cpu cpu;

/* --- code that changes -------------------------------------------------------------------------
 */

/* a0 += 1 becomes a0 += 100 on the way, a hundred times to and fro. */
static void code_modifies_itself(void **state)
{
	struct jit *jit = open_jit(0, NULL);
	unsigned stops = 0;
	enum jit_stop stop;

	/* a2, a3: the words; a1: where */
	PROGRAM(s_type(0x23, 2, A1, A2, 0), FENCE_I, NOP /* here */, add(T0, A2, ZERO),
		add(A2, A3, ZERO), add(A3, T0, ZERO), addi(A4, A4, -1), branch(1, A4, ZERO, -28),
		EBREAK);
	begin(&cpu);
	cpu.x[A1] = CODE + 8;
	cpu.x[A2] = addi(A0, A0, 1);
	cpu.x[A3] = addi(A0, A0, 100);
	cpu.x[A4] = 100;
	while ((stop = run(jit, &cpu)) == JIT_STOP_NEW_CODE) {
		assert_int_equal(cpu.pc, CODE + 8);
		jit_invalidate(jit, CODE + 8, 4);
		stops++;
	}
	assert_int_equal(stop, JIT_STOP_BREAKPOINT);
	assert_int_equal(stops, 100);
	assert_int_equal(cpu.x[A0], 50 + 50 * 100);
	riscv_cpu_release(&cpu);
	jit_free(jit);
}

/* The callee changes while its caller waits behind it; and so does what it comes back to. */
static void code_that_is_returned_to_changes(void **state)
{
	struct jit *jit = open_jit(0, NULL);

	PROGRAM(jal(RA, 12), addi(A0, A0, 1), EBREAK, FENCE_I, addi(A1, A1, 1), RET);
	begin(&cpu);
	for (unsigned i = 0; i < 3; i++) {
		cpu.pc = CODE;
		assert_int_equal(run(jit, &cpu), JIT_STOP_NEW_CODE);
		put(CODE + 4, addi(A0, A0, 10 * (int)i));
		put(CODE + 16, addi(A1, A1, 7));
		jit_invalidate(jit, CODE, PAGE);
		assert_int_equal(run(jit, &cpu), JIT_STOP_BREAKPOINT);
	}
	assert_int_equal(cpu.x[A0], 0 + 10 + 20);
	assert_int_equal(cpu.x[A1], 21);
	riscv_cpu_release(&cpu);
	jit_free(jit);
}

static void *end_the_loop_soon(void *jit)
{
	usleep(20000);
	put(CODE + 4, EBREAK);
	jit_invalidate(jit, CODE + 4, 4);
	return NULL;
}

static void a_hot_loop_of_another_thread_changes(size_t cache_bytes)
{
	struct jit *jit = open_jit(cache_bytes, NULL);
	pthread_t thread;

	alarm(20);
	PROGRAM(addi(A0, A0, 1), addi(A1, A1, 1), jal(ZERO, -8));
	begin(&cpu);
	assert_int_equal(pthread_create(&thread, NULL, end_the_loop_soon, jit), 0);
	assert_int_equal(run(jit, &cpu), JIT_STOP_BREAKPOINT);
	assert_int_equal(cpu.x[A0], cpu.x[A1] + 1);
	assert_int_equal(pthread_join(thread, NULL), 0);
	alarm(0);
	riscv_cpu_release(&cpu);
	jit_free(jit);
}

static void hot_loops_of_other_threads_change(void **state)
{
	for (unsigned i = 0; i < 5; i++)
		a_hot_loop_of_another_thread_changes(0);
}

/* --- a cache that is full ----------------------------------------------------------------------
 */

/* 600 blocks of 6 instructions that follow each other, `turns` times. */
static void put_long_loop(void)
{
	uint64_t at = CODE;

	for (unsigned i = 0; i < 600; i++, at += 24) {
		put(at, addi(A0, A0, 1));
		put(at + 4, add(A1, A1, A0));
		put(at + 8, branch(0, A1, ZERO, 8));
		put(at + 12, addi(A2, A2, 3));
		put(at + 16, jal(T0, 8)); /* a call: it ends up behind itself */
		put(at + 20, addi(A3, A3, 1));
	}
	put(at, addi(A4, A4, -1));
	put(at + 4, branch(0, A4, ZERO, 12));
	put(at + 8, lui(A5, CODE >> 12));
	put(at + 12, jalr(ZERO, A5, 0));
	put(at + 16, EBREAK);
}

static void everything_works_while_the_cache_is_flushed(void **state)
{
	for (size_t kib = 16; kib < 80; kib++) {
		struct jit *jit = open_jit(kib << 10, NULL);

		put_long_loop();
		begin(&cpu);
		cpu.x[A4] = 2;
		assert_int_equal(run(jit, &cpu), JIT_STOP_BREAKPOINT);
		assert_int_equal(cpu.x[A0], 2 * 600);
		assert_int_equal(cpu.x[A1], 1200 * 1201 / 2);
		assert_int_equal(cpu.x[A2], 3 * 2 * 600);
		assert_int_equal(cpu.x[A3], 0);
		riscv_cpu_release(&cpu);
		jit_free(jit);
	}
}

static void sizes_that_cannot_be_are_refused(void **state)
{
	static const size_t sizes[] = { 1, JIT_CACHE_BYTES_MIN - 1, JIT_CACHE_BYTES_MAX + 1 };
	struct error err = { 0 };
	struct jit *jit = NULL;

	for (unsigned i = 0; i < 3; i++) {
		const struct jit_options options = { .cache_bytes = sizes[i] };

		assert_int_equal(jit_open(&options, &jit, &err), -EINVAL);
		assert_null(jit);
	}
}

/* --- a cache that is given back ----------------------------------------------------------------
 */

static unsigned resident(const void *start, size_t bytes)
{
	static unsigned char pages[4096];
	unsigned nr = 0;

	assert_true(bytes / PAGE <= sizeof(pages));
	assert_int_equal(mincore((void *)(uintptr_t)start, bytes, pages), 0);
	for (size_t i = 0; i < bytes / PAGE; i++)
		nr += pages[i] & 1;
	return nr;
}

static void memory_of_code_is_given_back(void **state)
{
	struct jit *jit = open_jit(1 << 20, NULL);
	size_t used;

	put_long_loop();
	for (unsigned i = 0; i < 3; i++) {
		begin(&cpu);
		cpu.x[A4] = 2;
		assert_int_equal(run(jit, &cpu), JIT_STOP_BREAKPOINT);
		assert_int_equal(cpu.x[A0], 2 * 600);
		used = jit->used & -(size_t)PAGE;
		assert_int_equal(resident(jit->executable, used), used / PAGE);
		assert_true(resident(jit->blocks.items, 4 * PAGE) == 4);
		assert_true(jit_shrink(jit, used + PAGE));
		assert_int_equal(resident(jit->executable, used), used / PAGE);
		assert_true(jit_shrink(jit, used / 2));
		assert_true(jit->used < used / 4);
		assert_true(resident(jit->executable, used) < used / PAGE / 2);
		assert_true(resident(jit->blocks.items, 4 * PAGE) < 2);
		riscv_cpu_release(&cpu);
	}
	jit_free(jit);
}

/* --- threads -----------------------------------------------------------------------------------
 */

static struct jit *shared;
static uint32_t is_over;
static bool gives_back;
static unsigned nr_runs, nr_turns; /* each turn of a small cache takes several flushes */

static void *work(void *argument)
{
	static char wrong[] = "wrong";
	struct riscv_cpu *own = argument;
	char *stack = malloc(1 << 16);

	stack_t before;

	assert_non_null(stack);
	before = use_signal_stack(stack, 1 << 16);
	for (unsigned i = 0; i < nr_runs; i++) {
		enum jit_stop stop;

		begin(own);
		own->x[A4] = nr_turns;
		do {
			stop = run(shared, own);
		} while (stop == JIT_STOP_INTERRUPT);
		if (stop != JIT_STOP_BREAKPOINT || own->x[A0] != nr_turns * 600 ||
			own->x[A2] != 3 * nr_turns * 600 || own->x[A3])
			return wrong;
		/* Before it begins anew: the cache knows it. */
		riscv_cpu_release(own);
	}
	sigaltstack(&before, NULL);
	free(stack);
	return NULL;
}

static void *disturb(void *argument)
{
	struct riscv_cpu *cpus = argument;

	for (unsigned i = 0; !__atomic_load_n(&is_over, __ATOMIC_SEQ_CST); i++) {
		jit_invalidate(shared, CODE + i * 24 % PAGE, 1 + i % 200);
		if (i % 16 == 0)
			__atomic_or_fetch(
				&cpus[i / 16 % NR_THREADS].interrupt, 1, __ATOMIC_SEQ_CST);
		if (gives_back)
			jit_shrink(shared, i % 2 ? 0 : 256 << 10);
		usleep(50);
	}
	return NULL;
}

/* All at once: the same code, flushes, invalidations and interrupts. */
static void run_threads(size_t cache_bytes, unsigned runs, unsigned turns)
{
	static struct riscv_cpu cpus[NR_THREADS];
	pthread_t threads[NR_THREADS], disturber;
	void *result;

	alarm(100);
	put_long_loop();
	shared = open_jit(cache_bytes, NULL);
	is_over = 0;
	nr_runs = runs;
	nr_turns = turns;
	memset(cpus, 0, sizeof(cpus));
	for (unsigned i = 0; i < NR_THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, work, &cpus[i]), 0);
	assert_int_equal(pthread_create(&disturber, NULL, disturb, cpus), 0);
	for (unsigned i = 0; i < NR_THREADS; i++) {
		assert_int_equal(pthread_join(threads[i], &result), 0);
		assert_null(result);
	}
	__atomic_store_n(&is_over, 1, __ATOMIC_SEQ_CST);
	assert_int_equal(pthread_join(disturber, NULL), 0);
	jit_free(shared);
	alarm(0);
}

static void threads_share_a_cache(void **state)
{
	run_threads(0, 30, 20);
}

static void threads_share_a_cache_that_is_flushed(void **state)
{
	run_threads(64 << 10, 4, 5);
}

/* Only between two runs of theirs is it given back: nobody is waited for. */
static void threads_share_a_cache_that_is_given_back(void **state)
{
	gives_back = true;
	run_threads(0, 30, 20);
	gives_back = false;
}

/* --- fork --------------------------------------------------------------------------------------
 */

#define TURNS 5

static bool runs_well(struct jit *jit)
{
	begin(&cpu);
	cpu.x[A4] = TURNS;
	return run(jit, &cpu) == JIT_STOP_BREAKPOINT && cpu.x[A0] == TURNS * 600;
}

/* The parent empties and fills its cache while the child begins. */
static void a_child_has_a_cache_of_its_own(void **state)
{
	struct jit *jit = open_jit(256 << 10, NULL);

	put_long_loop();
	assert_true(runs_well(jit));
	for (unsigned i = 0; i < 8; i++) {
		int status = 0;
		pid_t child;

		jit_before_fork(jit);
		child = fork();
		if (child == 0) {
			if (jit_after_fork(jit, true) < 0)
				_exit(2);
			put(CODE + 12, addi(A2, A2, 4)); /* nobody else sees that */
			jit_invalidate(jit, CODE, PAGE);
			_exit(!runs_well(jit) || cpu.x[A2] != TURNS * (3 * 599 + 4));
		}
		assert_int_equal(jit_after_fork(jit, false), 0);
		jit_invalidate(jit, CODE, CODE_BYTES);
		assert_true(runs_well(jit));
		assert_int_equal(cpu.x[A2], TURNS * 3 * 600);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(status, 0);
	}
	riscv_cpu_release(&cpu);
	jit_free(jit);
}

/* --- no memory ---------------------------------------------------------------------------------
 */

#ifndef __SANITIZE_ADDRESS__ /* it cannot be limited in address space */
static uint64_t address_space_bytes(void)
{
	char line[64] = "";
	FILE *file = fopen("/proc/self/statm", "re");

	assert_non_null(file);
	assert_non_null(fgets(line, sizeof(line), file));
	fclose(file);
	return strtoull(line, NULL, 10) * PAGE;
}

/* In a child that may have `more` address space. 0: it worked; 1: an error that says so. */
static int run_within(uint64_t more)
{
	const struct rlimit limit = { address_space_bytes() + more, RLIM_INFINITY };
	const struct jit_options options = { .code_end = code_end };
	struct error err = { 0 };
	struct jit *jit = NULL;
	int r;

	if (setrlimit(RLIMIT_AS, &limit) < 0)
		return 2;
	r = jit_open(&options, &jit, &err);
	if (r < 0)
		return r == -ENOMEM && !jit && *err.message ? 1 : 3;
	return runs_well(jit) ? 0 : 4;
}

/* Less and less address space: each mapping fails in turn, the last ones once it runs already, when
 * what cannot be translated is interpreted. */
static void without_memory_there_is_an_error(void **state)
{
	unsigned nr_errors = 0, nr_well = 0;

	catch_faults();
	put_long_loop();
	/* Pages decide between the last mappings, megabytes between the large ones. */
	for (uint64_t more = 0; more < UINT64_C(640) << 20;
		more += more < 64 * PAGE ? PAGE : PAGE << 10) {
		pid_t child = fork();
		int status = 0;

		if (child == 0)
			_exit(run_within(more));
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFEXITED(status));
		assert_true(WEXITSTATUS(status) <= 1);
		nr_errors += WEXITSTATUS(status) == 1;
		nr_well += WEXITSTATUS(status) == 0;
	}
	assert_true(nr_errors > 5 && nr_well > 5);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(code_modifies_itself),
		cmocka_unit_test(code_that_is_returned_to_changes),
		cmocka_unit_test(hot_loops_of_other_threads_change),
		cmocka_unit_test(everything_works_while_the_cache_is_flushed),
		cmocka_unit_test(sizes_that_cannot_be_are_refused),
		cmocka_unit_test(threads_share_a_cache),
		cmocka_unit_test(threads_share_a_cache_that_is_flushed),
		cmocka_unit_test(threads_share_a_cache_that_is_given_back),
		cmocka_unit_test(memory_of_code_is_given_back),
		cmocka_unit_test(a_child_has_a_cache_of_its_own),
#ifndef __SANITIZE_ADDRESS__
		cmocka_unit_test(without_memory_there_is_an_error),
#endif
	};

	return cmocka_run_group_tests(tests, map_guest, NULL);
}
