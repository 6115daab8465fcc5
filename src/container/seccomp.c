/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp.c - choosing a seccomp program, and installing it.
 *
 * The default profile's programs for the usual capability sets stand in the binary; for any other
 * set, and for profiles of the user's own, one is compiled on the spot (seccomp-compile.c: less
 * than a millisecond).
 */
#include "container/seccomp.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/str.h"
#include "container/seccomp-profile.h"

const char *seccomp_default_json(void)
{
	return seccomp_default_text;
}

static int load_default(const struct seccomp_target *target, uint64_t capabilities,
	struct seccomp_program *ret, struct error *err)
{
	uint64_t relevant = capabilities & seccomp_default_relevant();
	struct sock_filter *instructions;
	size_t count;
	int r;

	for (size_t i = 0; i < seccomp_prebuilt_count; i++) {
		const struct seccomp_prebuilt *p = &seccomp_prebuilt[i];

		if (p->target != target || p->capabilities != relevant)
			continue;
		*ret = (struct seccomp_program){
			/* Not written to: `owned` is false. */
			.instructions = (struct sock_filter *)(uintptr_t)p->instructions,
			.count = p->count,
			.flags = SECCOMP_FILTER_FLAG_SPEC_ALLOW,
		};
		return 0;
	}
	r = seccomp_default_compile(target, relevant, &instructions, &count, err);
	if (r < 0)
		return r;
	*ret = (struct seccomp_program){
		.instructions = instructions,
		.count = count,
		.flags = SECCOMP_FILTER_FLAG_SPEC_ALLOW,
		.owned = true,
	};
	return 0;
}

static int load(const struct seccomp_choice *choice, const struct seccomp_target *target,
	uint64_t capabilities, struct seccomp_program *ret, struct error *err)
{
	_cleanup_json_ json_t *object = NULL;
	int r;

	switch (choice->kind) {
	case SECCOMP_UNCONFINED:
		*ret = (struct seccomp_program){ 0 };
		return 0;
	case SECCOMP_DEFAULT:
		return load_default(target, capabilities, ret, err);
	case SECCOMP_CUSTOM:
		break;
	}
	if (!choice->profile)
		return error_set(err, EINVAL, "a custom seccomp profile has no text");
	r = json_parse(choice->profile, strlen(choice->profile), "seccomp profile", &object, err);
	return r < 0 ? r : seccomp_json_compile(object, target, ret, err);
}

int seccomp_program_load(const struct seccomp_choice *choice, uint64_t capabilities,
	struct seccomp_program *ret, struct error *err)
{
	return load(choice, &seccomp_native, capabilities, ret, err);
}

int seccomp_program_load_translated(const struct seccomp_choice *choice, const char *architecture,
	uint64_t capabilities, struct seccomp_program *ret_guest, struct seccomp_program *ret_host,
	struct error *err)
{
	const struct seccomp_target *guest = seccomp_target_translated(architecture);
	struct seccomp_program program;
	int r;

	if (!guest)
		return error_set(err, ENOTSUP, "programs for %s are not translated", architecture);
	r = load(choice, guest, capabilities, &program, err);
	if (r < 0)
		return r;
	if (program.listener_path)
		r = error_set(err, ENOTSUP,
			"a seccomp agent (SCMP_ACT_NOTIFY) cannot be asked about translated programs");
	if (r == 0)
		r = load(choice, seccomp_target_beneath(architecture), capabilities, ret_host, err);
	if (r < 0) {
		seccomp_program_free(&program);
		return r;
	}
	*ret_guest = program;
	return 0;
}

void seccomp_program_free(struct seccomp_program *program)
{
	if (program->owned)
		free(program->instructions);
	free(program->listener_path);
	free(program->listener_metadata);
	*program = (struct seccomp_program){ 0 };
}

int seccomp_install(const struct seccomp_program *program)
{
	const struct sock_fprog fprog = {
		.len = (unsigned short)program->count,
		.filter = program->instructions,
	};
	long r;

	if (program->count == 0)
		return 0;
	r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, program->flags, &fprog);
	return r < 0 ? -errno : (int)r;
}
