/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp-oracle.h - what a seccomp program answers, found by running it in a small BPF
 * interpreter, and libseccomp's program for the same rules. A test program includes it once and
 * uses all of it.
 */
#pragma once

#include "unit/test.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/json.h"
#include "container/container.h"
#include "container/seccomp-profile.h"

#define ALLOW	 SECCOMP_RET_ALLOW
#define ERRNO(e) (SECCOMP_RET_ERRNO | (e))
#define BIT(c)	 (UINT64_C(1) << (c))
#define X32	 0x40000000u

/* --- the interpreter: the subset of classic BPF that seccomp programs use --------------------- */

static uint32_t jump_taken(const struct sock_filter *i, uint32_t a)
{
	switch (BPF_OP(i->code)) {
	case BPF_JEQ:
		return a == i->k ? i->jt : i->jf;
	case BPF_JGT:
		return a > i->k ? i->jt : i->jf;
	case BPF_JGE:
		return a >= i->k ? i->jt : i->jf;
	case BPF_JSET:
		return a & i->k ? i->jt : i->jf;
	default:
		return i->k; /* BPF_JA */
	}
}

static uint32_t run(const struct sock_filter *code, size_t count, const struct seccomp_data *data,
	size_t *steps)
{
	uint32_t a = 0, memory[BPF_MEMWORDS] = { 0 };

	for (size_t pc = 0; pc < count; pc++) {
		const struct sock_filter *i = &code[pc];

		if (steps)
			++*steps;
		switch (BPF_CLASS(i->code)) {
		case BPF_LD:
			if (BPF_MODE(i->code) == BPF_MEM) {
				a = memory[i->k];
			} else {
				assert_int_equal(i->code, BPF_LD | BPF_W | BPF_ABS);
				assert_true(i->k + 4 <= sizeof(*data) && i->k % 4 == 0);
				memcpy(&a, (const char *)data + i->k, 4);
			}
			break;
		case BPF_ST:
			memory[i->k] = a;
			break;
		case BPF_ALU:
			assert_int_equal(i->code, BPF_ALU | BPF_AND | BPF_K);
			a &= i->k;
			break;
		case BPF_JMP:
			pc += jump_taken(i, a);
			break;
		case BPF_RET:
			return i->k;
		default:
			fail_msg("unexpected instruction %#x at %zu", i->code, pc);
		}
	}
	fail_msg("the program runs past its end");
	return 0;
}

static uint32_t ask(
	const struct seccomp_program *p, uint32_t arch, uint32_t nr, uint64_t a0, uint64_t a1)
{
	const struct seccomp_data data = { .nr = (int)nr, .arch = arch, .args = { a0, a1 } };

	return run(p->instructions, p->count, &data, NULL);
}

static struct seccomp_program load_custom(const char *json)
{
	char *text = strdup(json);
	const struct seccomp_choice choice = { .kind = SECCOMP_CUSTOM, .profile = text };
	struct seccomp_program p;
	struct error err = { 0 };

	if (seccomp_program_load(&choice, 0, &p, &err) < 0)
		fail_msg("%s", err.message);
	free(text);
	return p;
}

/* --- libseccomp --------------------------------------------------------------------------------
 */

static const struct {
	const char *name;
	uint32_t action;
} oracle_actions[] = {
	{ "SCMP_ACT_KILL", SCMP_ACT_KILL_THREAD },
	{ "SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD },
	{ "SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS },
	{ "SCMP_ACT_TRAP", SCMP_ACT_TRAP },
	{ "SCMP_ACT_ERRNO", SCMP_ACT_ERRNO(0) },
	{ "SCMP_ACT_TRACE", SCMP_ACT_TRACE(0) },
	{ "SCMP_ACT_NOTIFY", SCMP_ACT_NOTIFY },
	{ "SCMP_ACT_LOG", SCMP_ACT_LOG },
	{ "SCMP_ACT_ALLOW", SCMP_ACT_ALLOW },
};

static const struct {
	const char *name;
	enum scmp_compare op;
} oracle_ops[] = {
	{ "SCMP_CMP_NE", SCMP_CMP_NE },
	{ "SCMP_CMP_LT", SCMP_CMP_LT },
	{ "SCMP_CMP_LE", SCMP_CMP_LE },
	{ "SCMP_CMP_EQ", SCMP_CMP_EQ },
	{ "SCMP_CMP_GE", SCMP_CMP_GE },
	{ "SCMP_CMP_GT", SCMP_CMP_GT },
	{ "SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ },
};

static uint32_t oracle_action(const json_t *object, const char *field, const char *errno_field)
{
	const char *name = json_string_value(json_object_get(object, field));
	const json_t *errno_ret = json_object_get(object, errno_field);

	for (size_t i = 0; i < ARRAY_SIZE(oracle_actions); i++) {
		uint32_t action = oracle_actions[i].action;

		if (!streq(oracle_actions[i].name, name))
			continue;
		if (action == SCMP_ACT_ERRNO(0) || action == SCMP_ACT_TRACE(0))
			action |= errno_ret ? (uint32_t)json_integer_value(errno_ret) : EPERM;
		return action;
	}
	fail_msg("the oracle knows no %s", name);
	return 0;
}

static unsigned oracle_conditions(const json_t *rule, struct scmp_arg_cmp ret[SECCOMP_ARGS_MAX])
{
	json_t *args = json_object_get(rule, "args"), *arg;
	size_t i;

	json_array_foreach (args, i, arg) {
		const char *op = json_string_value(json_object_get(arg, "op"));

		ret[i] = (struct scmp_arg_cmp){
			.arg = (unsigned)json_integer_value(json_object_get(arg, "index")),
			.datum_a = (uint64_t)json_integer_value(json_object_get(arg, "value")),
			.datum_b = (uint64_t)json_integer_value(json_object_get(arg, "valueTwo")),
		};
		for (size_t k = 0; k < ARRAY_SIZE(oracle_ops); k++)
			if (streq(oracle_ops[k].name, op))
				ret[i].op = oracle_ops[k].op;
	}
	return (unsigned)json_array_size(args);
}

/* libseccomp's program for the rules of a runtime-spec object: the oracle. */
static struct sock_filter *oracle(const char *json, size_t *count)
{
	json_t *object = json_loads(json, 0, NULL), *rules, *rule, *name;
	scmp_filter_ctx ctx = seccomp_init(
		oracle_action(object, "defaultAction", "defaultErrnoRet"));
	struct sock_filter *code = calloc(BPF_MAXINSNS, sizeof(*code));
	size_t i, k;
	int fd = memfd_create("oracle", 0);

	assert_non_null(object);
	rules = json_object_get(object, "syscalls");
	assert_int_equal(seccomp_arch_add(ctx, SCMP_ARCH_X86), 0);
	assert_int_equal(seccomp_arch_add(ctx, SCMP_ARCH_X32), 0);
	seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	json_array_foreach (rules, i, rule) {
		uint32_t action = oracle_action(rule, "action", "errnoRet");
		struct scmp_arg_cmp conditions[SECCOMP_ARGS_MAX];
		unsigned nr_conditions = oracle_conditions(rule, conditions);

		json_array_foreach (json_object_get(rule, "names"), k, name) {
			int nr = seccomp_syscall_resolve_name(json_string_value(name));

			if (nr == __NR_SCMP_ERROR)
				continue;
			assert_int_equal(
				seccomp_rule_add_array(ctx, action, nr, nr_conditions, conditions),
				0);
		}
	}
	assert_int_equal(seccomp_export_bpf(ctx, fd), 0);
	*count = (size_t)lseek(fd, 0, SEEK_END) / sizeof(*code);
	assert_true(pread(fd, code, *count * sizeof(*code), 0) > 0);
	close(fd);
	seccomp_release(ctx);
	json_decref(object);
	return code;
}
