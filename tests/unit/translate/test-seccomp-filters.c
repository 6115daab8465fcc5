/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-seccomp-filters.c - filters of threads: shared, weighed, and handed on in a sealed file that
 * may have been made by anybody.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "translate/internal.h"
#include "translate/seccomp-filters.h"
#include "unit/test.h"

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* `answer` to one call, ALLOW to all others. */
struct program {
	uint32_t count, flags;
	struct sock_filter code[4];
};

static struct program program_for(unsigned call, uint32_t answer)
{
	return (struct program){ 4, 0,
		{
			BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
			BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
			BPF_STMT(BPF_RET | BPF_K, answer),
			BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		} };
}

static int make_file(const void *bytes, size_t size, unsigned seals)
{
	int fd = memfd_create("filters", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, size), size);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

static int load(struct thread *t, const void *bytes, size_t size, unsigned seals)
{
	int fd = make_file(bytes, size, seals), r = seccomp_load(t, fd);

	close(fd);
	return r;
}

/* What the filters make of a call: its result, or 1 when it may be carried out. */
static int64_t ask(struct thread *t, uint64_t call)
{
	uint64_t a[6] = { 0 };
	int64_t result;

	return seccomp_permit(t, &call, a, &result) ? 1 : result;
}

static void filters_come_out_of_a_file(void **state)
{
	struct process process = { 0 };
	struct thread t = { .process = &process };
	const struct program programs[] = {
		program_for(CALL_mount, SECCOMP_RET_ERRNO | EPERM),
		program_for(CALL_mount, SECCOMP_RET_ERRNO | EACCES),
		program_for(CALL_reboot, SECCOMP_RET_ERRNO | EROFS),
	};

	seccomp_thread_begin(&t, NULL);
	assert_int_equal(t.seccomp_mode, SECCOMP_MODE_DISABLED);
	assert_int_equal(seccomp_save(&t), -ENOENT);
	assert_int_equal(load(&t, programs, sizeof(programs), SEALS), 0);
	assert_int_equal(t.seccomp_mode, SECCOMP_MODE_FILTER);
	assert_int_equal(ask(&t, CALL_mount), -EACCES); /* of equals, the latest */
	assert_int_equal(ask(&t, CALL_reboot), -EROFS);
	assert_int_equal(ask(&t, CALL_read), 1);
	assert_int_equal(ask(&t, 100000), 1);
	seccomp_thread_end(&t);
	assert_null(process.threads);
}

static void what_is_saved_is_what_was_loaded(void **state)
{
	struct process process = { 0 };
	struct thread t = { .process = &process };
	const struct program programs[] = {
		program_for(CALL_mount, SECCOMP_RET_ERRNO | EPERM),
		program_for(CALL_reboot, SECCOMP_RET_ERRNO | EROFS),
	};
	struct program saved[3];
	int fd;

	seccomp_thread_begin(&t, NULL);
	assert_int_equal(load(&t, programs, sizeof(programs), SEALS), 0);
	fd = seccomp_save(&t);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GET_SEALS), SEALS);
	assert_int_equal(pread(fd, saved, sizeof(saved), 0), sizeof(programs));
	assert_memory_equal(saved, programs, sizeof(programs));
	close(fd);
	seccomp_thread_end(&t);
}

static void children_share_their_parents_filters(void **state)
{
	struct process process = { 0 };
	struct thread parent = { .process = &process }, child = { .process = &process };
	const struct program first = program_for(CALL_mount, SECCOMP_RET_ERRNO | EPERM);
	const struct program second = program_for(CALL_reboot, SECCOMP_RET_ERRNO | EROFS);

	seccomp_thread_begin(&parent, NULL);
	assert_int_equal(load(&parent, &first, sizeof(first), SEALS), 0);
	seccomp_thread_begin(&child, &parent);
	assert_ptr_equal(child.filters, parent.filters);
	assert_int_equal(load(&child, &second, sizeof(second), SEALS), 0);
	assert_int_equal(ask(&parent, CALL_reboot), 1);
	assert_int_equal(ask(&child, CALL_reboot), -EROFS);
	seccomp_thread_end(&parent);
	assert_int_equal(ask(&child, CALL_mount), -EPERM);
	seccomp_thread_end(&child);
}

static void files_of_others_are_refused(void **state)
{
	struct process process = { 0 };
	struct thread t = { .process = &process };
	struct program good = program_for(CALL_mount, SECCOMP_RET_ERRNO | EPERM), bad = good;

	seccomp_thread_begin(&t, NULL);
	assert_int_equal(load(&t, &good, sizeof(good), 0), -EPERM); /* not sealed */
	assert_int_equal(load(&t, &good, sizeof(good), SEALS & ~F_SEAL_WRITE), -EPERM);
	assert_int_equal(load(&t, &good, 5, SEALS), -EINVAL);
	assert_int_equal(load(&t, &good, sizeof(good) - 1, SEALS), -EINVAL);
	bad.count = 0;
	assert_int_equal(load(&t, &bad, sizeof(bad), SEALS), -EINVAL);
	bad.count = UINT32_MAX;
	assert_int_equal(load(&t, &bad, sizeof(bad), SEALS), -EINVAL);
	bad = good;
	bad.code[1].jt = 200;
	assert_int_equal(load(&t, &bad, sizeof(bad), SEALS), -EINVAL);
	assert_int_equal(seccomp_load(&t, STDIN_FILENO), -EPERM);
	assert_null(t.filters);
	assert_int_equal(load(&t, "", 0, SEALS), 0); /* none at all */
	assert_int_equal(t.seccomp_mode, SECCOMP_MODE_DISABLED);
	seccomp_thread_end(&t);
}

/* Linux takes 32768 instructions in all, with four more for each filter but the latest. */
static void there_is_an_end_to_filters(void **state)
{
	struct process process = { 0 };
	struct thread t = { .process = &process };
	const struct program one = program_for(CALL_mount, SECCOMP_RET_ERRNO | EPERM);
	int n = 0, r;

	seccomp_thread_begin(&t, NULL);
	while ((r = load(&t, &one, sizeof(one), SEALS)) == 0)
		n++;
	assert_int_equal(r, -ENOMEM);
	assert_int_equal(n, 32768 / 8);
	assert_int_equal(ask(&t, CALL_mount), -EPERM);
	seccomp_thread_end(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(filters_come_out_of_a_file),
		cmocka_unit_test(what_is_saved_is_what_was_loaded),
		cmocka_unit_test(children_share_their_parents_filters),
		cmocka_unit_test(files_of_others_are_refused),
		cmocka_unit_test(there_is_an_end_to_filters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
