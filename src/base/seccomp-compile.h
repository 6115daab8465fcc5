/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp-compile.h - seccomp rules by system call number, and their compilation to classic BPF.
 * For container/seccomp*.c and base/confine.c.
 */
#pragma once

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define SECCOMP_ARGS_MAX  6 /* a system call has six arguments */
#define SECCOMP_RULES_MAX 16384 /* (number, conditions) pairs of one architecture */

/* runtime-spec config-linux.md, "seccomp": comparisons are of unsigned numbers. */
enum seccomp_op {
	SECCOMP_OP_NE,
	SECCOMP_OP_LT,
	SECCOMP_OP_LE,
	SECCOMP_OP_EQ,
	SECCOMP_OP_GE,
	SECCOMP_OP_GT,
	SECCOMP_OP_MASKED_EQ, /* (argument & value) == value_two */
	SECCOMP_OP_COUNT,
};

struct seccomp_condition {
	uint8_t arg;
	enum seccomp_op op;
	uint64_t value, value_two;
};

/*
 * What happens to one system call whose arguments meet all conditions. A rule without conditions
 * beats those that have some; among these the first in the list that is met decides.
 */
struct seccomp_rule {
	uint32_t nr; /* as the kernel shows it: x32's with bit 30 */
	uint32_t action; /* SECCOMP_RET_*, data included */
	size_t nr_conditions;
	struct seccomp_condition conditions[SECCOMP_ARGS_MAX];
};

/* The system calls of one AUDIT_ARCH_*. */
struct seccomp_table {
	uint32_t audit_arch;
	bool wide; /* arguments are 64 bits */
	struct seccomp_rule *rules;
	size_t nr_rules;
	/*
	 * Above these numbers the action is `beyond_action`: a system call newer than the profile
	 * (0: it names none).
	 * For x86-64, whose table also holds x32's numbers, the second bound is theirs.
	 */
	uint32_t last_nr, last_x32_nr;
};

struct seccomp_filter {
	uint32_t default_action;
	uint32_t beyond_action; /* of numbers the profile's author could not know */
	struct seccomp_table *tables; /* the native one first */
	size_t nr_tables;
};

/*
 * Compile; the caller frees *ret. Sorts the tables' rules. -E2BIG when the kernel's 4096
 * instructions do not suffice.
 */
int seccomp_compile(struct seccomp_filter *filter, struct sock_filter **ret, size_t *ret_count,
	struct error *err);
void seccomp_filter_free(struct seccomp_filter *filter);
