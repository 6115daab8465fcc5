/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp.h - which system calls a container may make.
 *
 * The default profile is compiled to BPF when strata is built (tools/gen-seccomp.c), so that a run
 * costs one prctl-sized system call. A custom profile (Docker's JSON or runtime-spec's
 * linux.seccomp) is compiled once by libseccomp and kept in ROOT/cache/seccomp by its digest.
 * The default depends on the capabilities granted, as Docker's does: there is one base program and
 * the conditional groups (CAP_SYS_ADMIN, CAP_SYS_PTRACE, ...) select among prebuilt variants or
 * extra checks; seccomp.c says which.
 */
#pragma once

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/json.h"

enum seccomp_kind {
	SECCOMP_UNCONFINED,
	SECCOMP_DEFAULT,
	SECCOMP_CUSTOM,
};

struct seccomp_choice {
	enum seccomp_kind kind;
	char *profile; /* SECCOMP_CUSTOM: the JSON text of a runtime-spec linux.seccomp object */
};

struct seccomp_program {
	struct sock_filter *instructions;
	size_t count;
	unsigned flags; /* SECCOMP_FILTER_FLAG_* */
	bool owned; /* instructions are malloc'd */
};

/* Docker profile JSON (with includes/excludes by capability and architecture) or runtime-spec JSON
 * -> the runtime-spec object, resolved for `capabilities`. */
int seccomp_profile_normalize(
	const char *text, size_t len, uint64_t capabilities, char **ret, struct error *err);

/* The program of a choice, for a process that holds `capabilities` in its bounding set.
 * `cache_dir_fd` (-1 = none) keeps compiled custom profiles. */
int seccomp_load(const struct seccomp_choice *choice, uint64_t capabilities, int cache_dir_fd,
	struct seccomp_program *ret, struct error *err);
void seccomp_program_free(struct seccomp_program *program);

/* Install in the calling thread: one system call. Needs no_new_privs or CAP_SYS_ADMIN. */
int seccomp_install(const struct seccomp_program *program);

/* The default profile as a runtime-spec linux.seccomp JSON object, for config.json. */
const char *seccomp_default_json(void);
