/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp.h - which system calls a container may make.
 *
 * A profile is compiled to BPF by a compiler of our own (seccomp-compile.c), which takes a fraction
 * of a millisecond where libseccomp takes ten, so nothing is cached. The default profile depends on
 * the capabilities granted, as Docker's does; for the usual sets its programs are compiled when
 * strata is built (tools/gen-seccomp.c), and a run costs one system call.
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
	/* With SECCOMP_FILTER_FLAG_NEW_LISTENER: the agent's socket, and what it is told. */
	char *listener_path, *listener_metadata;
};

/* Docker profile JSON (with includes/excludes by capability and architecture) or runtime-spec JSON
 * -> the runtime-spec object, resolved for `capabilities` and for programs of this machine, or, if
 * `translated` is not NULL, of that architecture. */
int seccomp_profile_normalize(const char *text, size_t len, const char *translated,
	uint64_t capabilities, char **ret, struct error *err);

/* The program of a choice, for a process that holds `capabilities` in its bounding set. An
 * unconfined one has no instructions, and installing it does nothing. (seccomp_load is
 * libseccomp's.) */
int seccomp_program_load(const struct seccomp_choice *choice, uint64_t capabilities,
	struct seccomp_program *ret, struct error *err);
/*
 * The same choice where programs are translated (container/translation.h): *ret_guest decides over
 * their own calls, and is not the kernel's to install; *ret_host is beneath them. That allows by
 * name what the choice allows, if such programs have that call at all, and what the translator
 * needs itself.
 */
int seccomp_program_load_translated(const struct seccomp_choice *choice, const char *architecture,
	uint64_t capabilities, struct seccomp_program *ret_guest, struct seccomp_program *ret_host,
	struct error *err);
void seccomp_program_free(struct seccomp_program *program);

/* Install in the calling thread: one system call. Needs no_new_privs or CAP_SYS_ADMIN. 0, or the
 * listener's descriptor (close-on-exec) where the program has one. */
int seccomp_install(const struct seccomp_program *program);

/* The default profile for Docker's fourteen capabilities, as a runtime-spec linux.seccomp object
 * (one line of JSON without spaces). */
const char *seccomp_default_json(void);
