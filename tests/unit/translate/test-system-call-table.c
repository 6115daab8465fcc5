/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-system-call-table.c - the rows against the kernel's own list of asm-generic's calls.
 */
#include <string.h>

#include "base/cleanup.h"
#include "translate/internal.h"
#include "unit/test.h"

/* What riscv64 has of the list (arch/riscv/include/uapi/asm/unistd.h). */
#define __ARCH_WANT_NEW_STAT
#define __ARCH_WANT_SET_GET_RLIMIT
#define __ARCH_WANT_SYS_CLONE3
#define __ARCH_WANT_MEMFD_SECRET

#define __SYSCALL(number, function) [number] = #function,

/* Behind what riscv64 has of its own. */
#define LIST_SIZE 512

static const char *const kernel_functions[LIST_SIZE] = {
#include <asm-generic/unistd.h>
};

/* The kernel's functions that are not called like the call. */
static const struct {
	const char *function, *call;
} others[] = {
	{ "sys_umount", "umount2" },
	{ "sys_newfstat", "fstat" },
	{ "sys_newuname", "uname" },
	{ "sys_sendfile64", "sendfile" },
	{ "sys_fadvise64_64", "fadvise64" },
};

static const char *call_of(const char *function)
{
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (strcmp(others[i].function, function) == 0)
			return others[i].call;
	return function + strlen("sys_");
}

static void every_call_has_its_row(void **state)
{
	size_t known = 0;

	for (size_t i = 0; i < SYSTEM_CALLS; i++) {
		const char *function = kernel_functions[i];

		if (!function || strcmp(function, "sys_ni_syscall") == 0)
			continue;
		known++;
		assert_non_null(system_calls[i].name);
		assert_string_equal(system_calls[i].name, call_of(function));
	}
	assert_true(known > 290);
}

static void rows_are_whole(void **state)
{
	for (size_t i = 0; i < SYSTEM_CALLS; i++) {
		const struct system_call_row *row = &system_calls[i];

		if (!row->name)
			continue;
		assert_non_null(row->arguments);
		assert_true(strlen(row->arguments) <= 6);
		assert_int_equal(strspn(row->arguments, "fsbpduxo"), strlen(row->arguments));
		/* read(2) has number 0 on x86-64. */
		assert_true(row->handle || row->host || i == CALL_read);
		if (row->handle)
			assert_false(row->blocks);
		else if (i >= CALL_pidfd_send_signal)
			assert_int_equal(row->host, i);
	}
	assert_true(system_calls[CALL_read].blocks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_call_has_its_row),
		cmocka_unit_test(rows_are_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
