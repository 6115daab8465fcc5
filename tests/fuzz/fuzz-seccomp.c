/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-seccomp.c - seccomp profiles as a user might give them.
 *
 * A profile that is accepted normalises to one that normalises to itself, and its program is one
 * the kernel would take: every jump lands inside it, every path ends in a return.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "container/seccomp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The kernel's bpf_check_classic(), for the instructions we use. */
static void check_program(const struct seccomp_program *p)
{
	if (p->count == 0 || p->count > BPF_MAXINSNS ||
		BPF_CLASS(p->instructions[p->count - 1].code) != BPF_RET)
		abort();
	for (size_t pc = 0; pc < p->count; pc++) {
		const struct sock_filter *i = &p->instructions[pc];
		size_t left = p->count - pc - 1;

		switch (BPF_CLASS(i->code)) {
		case BPF_LD:
			if (i->k % 4 || i->k + 4 > sizeof(struct seccomp_data))
				abort();
			break;
		case BPF_JMP:
			if (BPF_OP(i->code) == BPF_JA ? i->k >= left
						      : i->jt >= left || i->jf >= left)
				abort();
			break;
		case BPF_ALU:
		case BPF_RET:
			break;
		default:
			abort();
		}
	}
}

/* The same text for programs that are translated: two programs come of it. */
static void fuzz_translated(const char *data, size_t size)
{
	struct seccomp_choice choice = { .kind = SECCOMP_CUSTOM };
	struct seccomp_program guest, host;

	if (seccomp_profile_normalize(data, size, "riscv64", 0, &choice.profile, NULL) < 0)
		return;
	if (seccomp_program_load_translated(&choice, "riscv64", 0, &guest, &host, NULL) == 0) {
		check_program(&guest);
		check_program(&host);
		seccomp_program_free(&guest);
		seccomp_program_free(&host);
	}
	free(choice.profile);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seccomp_choice choice = { .kind = SECCOMP_CUSTOM };
	struct seccomp_program program;
	char *again = NULL;

	fuzz_translated((const char *)data, size);
	if (seccomp_profile_normalize(
		    (const char *)data, size, NULL, 0xa80425fb, &choice.profile, NULL) < 0)
		return 0;
	if (seccomp_program_load(&choice, 0, &program, NULL) < 0)
		abort();
	check_program(&program);
	seccomp_program_free(&program);
	if (seccomp_profile_normalize(
		    choice.profile, strlen(choice.profile), NULL, 0, &again, NULL) < 0 ||
		!streq(choice.profile, again))
		abort();
	free(again);
	free(choice.profile);
	return 0;
}
