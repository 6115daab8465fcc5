/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device-bpf.c - the device policy of cgroup v2: a program of type CGROUP_DEVICE, assembled here.
 *
 * The program gets struct bpf_cgroup_dev_ctx { u32 access_type; u32 major; u32 minor; }, with
 * access_type = (access << 16) | type, and answers 1 (allow) or 0.
 *
 * The rules are tried from the last to the first, each for what is still undecided of the asked
 * access: a rule that allows takes its bits away (nothing left: allowed), one that denies and has a
 * bit in common ends it. What no rule decides is allowed, as the runtime-spec has no default and
 * its users start with "deny all". A rule is at most twelve instructions.
 *
 *   r2 type   r3 access still undecided   r4 major   r5 minor   r6 scratch
 */
#include <assert.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/str.h"
#include "container/cgroup-ops.h"
#include "container/device-bpf.h"

static_assert((int)CGROUP_ACCESS_MKNOD == (int)BPF_DEVCG_ACC_MKNOD, "access bits are the kernel's");
static_assert((int)CGROUP_ACCESS_READ == (int)BPF_DEVCG_ACC_READ, "access bits are the kernel's");
static_assert((int)CGROUP_ACCESS_WRITE == (int)BPF_DEVCG_ACC_WRITE, "access bits are the kernel's");

/* How many programs of earlier calls are looked for. */
#define ATTACHED_MAX 64

struct assembler {
	struct bpf_insn *out;
	size_t count, capacity;
};

static void emit(
	struct assembler *a, uint8_t code, uint8_t dst, uint8_t src, int16_t off, int32_t imm)
{
	if (a->count < a->capacity)
		a->out[a->count] = (struct bpf_insn){
			.code = code, .dst_reg = dst, .src_reg = src, .off = off, .imm = imm
		};
	a->count++;
}

static void emit_answer(struct assembler *a, int32_t answer)
{
	emit(a, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, answer);
	emit(a, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

/* Jumps to the rule's end are patched when it is known where that is. */
static void emit_rule(struct assembler *a, const struct cgroup_device_rule *rule)
{
	unsigned access = cgroup_access_parse(rule->access, sizeof(rule->access));
	size_t start = a->count;

	if (rule->type != 'a')
		emit(a, BPF_JMP32 | BPF_JNE | BPF_K, BPF_REG_2, 0, 0,
			rule->type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
	if (rule->major >= 0)
		emit(a, BPF_JMP32 | BPF_JNE | BPF_K, BPF_REG_4, 0, 0, (int32_t)rule->major);
	if (rule->minor >= 0)
		emit(a, BPF_JMP32 | BPF_JNE | BPF_K, BPF_REG_5, 0, 0, (int32_t)rule->minor);
	if (rule->allow) {
		emit(a, BPF_ALU | BPF_AND | BPF_K, BPF_REG_3, 0, 0,
			(int32_t)(CGROUP_ACCESS_ALL & ~access));
		emit(a, BPF_JMP32 | BPF_JNE | BPF_K, BPF_REG_3, 0, 0, 0);
	} else {
		emit(a, BPF_ALU | BPF_MOV | BPF_X, BPF_REG_6, BPF_REG_3, 0, 0);
		emit(a, BPF_ALU | BPF_AND | BPF_K, BPF_REG_6, 0, 0, (int32_t)access);
		emit(a, BPF_JMP32 | BPF_JEQ | BPF_K, BPF_REG_6, 0, 0, 0);
	}
	emit_answer(a, rule->allow);
	for (size_t i = start; i < a->count && i < a->capacity; i++)
		if (BPF_CLASS(a->out[i].code) == BPF_JMP32)
			a->out[i].off = (int16_t)(a->count - i - 1);
}

size_t cgroup_device_assemble(
	const struct cgroup_device_rule *rules, size_t count, struct bpf_insn *out, size_t capacity)
{
	struct assembler a = { .out = out, .capacity = capacity };

	emit(&a, BPF_LDX | BPF_MEM | BPF_W, BPF_REG_2, BPF_REG_1,
		offsetof(struct bpf_cgroup_dev_ctx, access_type), 0);
	emit(&a, BPF_ALU | BPF_MOV | BPF_X, BPF_REG_3, BPF_REG_2, 0, 0);
	emit(&a, BPF_ALU | BPF_AND | BPF_K, BPF_REG_2, 0, 0, 0xffff);
	emit(&a, BPF_ALU | BPF_RSH | BPF_K, BPF_REG_3, 0, 0, 16);
	emit(&a, BPF_LDX | BPF_MEM | BPF_W, BPF_REG_4, BPF_REG_1,
		offsetof(struct bpf_cgroup_dev_ctx, major), 0);
	emit(&a, BPF_LDX | BPF_MEM | BPF_W, BPF_REG_5, BPF_REG_1,
		offsetof(struct bpf_cgroup_dev_ctx, minor), 0);
	for (size_t i = count; i-- > 0;) {
		emit_rule(&a, &rules[i]);
		/* Nothing before a rule that decides everything matters, and the kernel's verifier
		 * refuses a program with unreachable instructions. */
		if (!rules[i].allow && rules[i].type == 'a' && rules[i].major < 0 &&
			rules[i].minor < 0 &&
			cgroup_access_parse(rules[i].access, sizeof(rules[i].access)) ==
				CGROUP_ACCESS_ALL)
			break;
	}
	emit_answer(&a, 1);
	return a.count;
}

static int bpf(int command, union bpf_attr *attr)
{
	long r = syscall(SYS_bpf, command, attr, sizeof(*attr));

	return r < 0 ? -errno : (int)r;
}

static int load_program(const struct bpf_insn *program, size_t count)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	attr.insns = (uint64_t)(uintptr_t)program;
	attr.insn_cnt = (uint32_t)count;
	attr.license = (uint64_t)(uintptr_t) "Apache-2.0";
	memcpy(attr.prog_name, "strata_devices", sizeof("strata_devices"));
	return bpf(BPF_PROG_LOAD, &attr);
}

/* Every attached program must allow an access: the ones of earlier calls go after the new came. */
static void detach(int cgroup_fd, const uint32_t *ids, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		_cleanup_close_ int fd = -1;
		union bpf_attr attr;

		memset(&attr, 0, sizeof(attr));
		attr.prog_id = ids[i];
		fd = bpf(BPF_PROG_GET_FD_BY_ID, &attr);
		if (fd < 0)
			continue;
		memset(&attr, 0, sizeof(attr));
		attr.target_fd = (uint32_t)cgroup_fd;
		attr.attach_bpf_fd = (uint32_t)fd;
		attr.attach_type = BPF_CGROUP_DEVICE;
		(void)bpf(BPF_PROG_DETACH, &attr);
	}
}

int cgroup_device_attach(int cgroup_fd, const struct cgroup_device_rule *rules, size_t count)
{
	_cleanup_free_ struct bpf_insn *program = NULL;
	_cleanup_close_ int fd = -1;
	uint32_t old[ATTACHED_MAX], nr_old;
	union bpf_attr attr;
	size_t capacity;
	int r;

	if (count > CGROUP_DEVICE_RULES_MAX)
		return -E2BIG;
	capacity = cgroup_device_assemble(rules, count, NULL, 0);
	program = calloc(capacity, sizeof(*program));
	if (!program)
		return -ENOMEM;
	cgroup_device_assemble(rules, count, program, capacity);
	fd = load_program(program, capacity);
	if (fd < 0)
		return fd;
	memset(&attr, 0, sizeof(attr));
	attr.query.target_fd = (uint32_t)cgroup_fd;
	attr.query.attach_type = BPF_CGROUP_DEVICE;
	attr.query.prog_ids = (uint64_t)(uintptr_t)old;
	attr.query.prog_cnt = ATTACHED_MAX;
	nr_old = bpf(BPF_PROG_QUERY, &attr) < 0 ? 0 : attr.query.prog_cnt;
	memset(&attr, 0, sizeof(attr));
	attr.target_fd = (uint32_t)cgroup_fd;
	attr.attach_bpf_fd = (uint32_t)fd;
	attr.attach_type = BPF_CGROUP_DEVICE;
	attr.attach_flags = BPF_F_ALLOW_MULTI;
	r = bpf(BPF_PROG_ATTACH, &attr);
	if (r < 0)
		return r;
	detach(cgroup_fd, old, nr_old);
	return 0;
}
