/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp-profile.h - the default profile as a table, and profiles as rules.
 * Private to container/seccomp*.c, tools/gen-seccomp.c and their tests.
 */
#pragma once

#include "base/json.h"
#include "base/seccomp-compile.h"
#include "container/seccomp.h"

/* --- seccomp-names.c -------------------------------------------------------------------------- */

struct seccomp_arch {
	const char *name; /* "SCMP_ARCH_X86_64" */
	uint32_t token; /* libseccomp's */
	uint32_t audit_arch;
	bool wide; /* its programs pass 64-bit arguments */
	bool x32; /* shares its audit_arch with x86-64, with bit 30 set in the number */
};

#define SECCOMP_ARCHES_MAX 3

/* The architectures whose programs this host runs, its own first; NULL-name terminated. */
extern const struct seccomp_arch seccomp_native_arches[];
/* Only its own. */
extern const struct seccomp_arch seccomp_native_first[];
/* Docker's name of this architecture ("amd64"), as `includes.arches` has it. */
extern const char seccomp_native_docker_arch[];
/* What the default profile allows on this architecture alone; separated by spaces. */
extern const char seccomp_native_names[];

/* Whose system calls a profile is compiled for. */
struct seccomp_target {
	const struct seccomp_arch *arches; /* the first one always; NULL-name terminated */
	const char *docker_arch,
		*names; /* as seccomp_native_docker_arch and seccomp_native_names */
	/* The host's own calls beneath programs that are translated: only those that have a
	 * namesake among the calls of this architecture; NULL: all. */
	const struct seccomp_arch *namesakes;
	/* Allowed whatever the profile says; separated by spaces. */
	const char *needed;
};

extern const struct seccomp_target seccomp_native;

/* seccomp-translated.c: the translated programs' own calls, and the host's beneath them. */
extern const struct seccomp_target seccomp_riscv64, seccomp_beneath_riscv64;
/* By Go's name of the architecture; NULL when none of that name is translated. */
const struct seccomp_target *seccomp_target_translated(const char *architecture);
const struct seccomp_target *seccomp_target_beneath(const char *architecture);

/* Is it an architecture of the runtime-spec at all? */
bool seccomp_arch_known(const char *name);
/* Append the names of all of them to *v. 0 or -ENOMEM. */
int seccomp_list_archs(char ***v);

/* Number of a system call, -1 when the architecture (or anybody) has none of that name. */
int64_t seccomp_resolve(const struct seccomp_arch *arch, const char *name);

/* --- a profile that is resolved for a capability set ------------------------------------------ */

struct seccomp_profile {
	const struct seccomp_target *target;
	uint32_t default_action;
	bool arches[SECCOMP_ARCHES_MAX]; /* those of the target's that it is for */
	bool notifies; /* SCMP_ACT_NOTIFY occurs */
	struct seccomp_filter filter;
};

/* Add one rule for every name that exists, on every architecture of the profile. */
int seccomp_profile_add(struct seccomp_profile *profile, const char *name, uint32_t action,
	const struct seccomp_condition *conditions, size_t nr_conditions, struct error *err);
/* Start: default action and architectures -> tables. */
int seccomp_profile_begin(struct seccomp_profile *profile, struct error *err);
/* Finish and compile; the profile is freed. */
int seccomp_profile_compile(struct seccomp_profile *profile, struct sock_filter **ret,
	size_t *ret_count, struct error *err);
void seccomp_profile_free(struct seccomp_profile *profile);

/* --- seccomp-default.c ------------------------------------------------------------------------ */

/* Capabilities that make a difference to the default profile. */
uint64_t seccomp_default_relevant(void);
int seccomp_default_compile(const struct seccomp_target *target, uint64_t capabilities,
	struct sock_filter **ret, size_t *ret_count, struct error *err);
/* The same as runtime-spec JSON; owned by the caller, NULL when memory ran out. */
char *seccomp_default_write(uint64_t capabilities);

/* --- seccomp-json.c --------------------------------------------------------------------------- */

/* A runtime-spec linux.seccomp object -> program. */
int seccomp_json_compile(const json_t *object, const struct seccomp_target *target,
	struct seccomp_program *ret, struct error *err);

/* Append every word of that kind to *v. 0 or -ENOMEM. */
int seccomp_list_actions(char ***v);
int seccomp_list_operators(char ***v);
int seccomp_list_flags(char ***v);

/* --- made at build time by tools/gen-seccomp.c ------------------------------------------------ */

struct seccomp_prebuilt {
	const struct seccomp_target *target;
	uint64_t capabilities; /* of seccomp_default_relevant() */
	const struct sock_filter *instructions;
	size_t count;
};

extern const struct seccomp_prebuilt seccomp_prebuilt[];
extern const size_t seccomp_prebuilt_count;
extern const char seccomp_default_text[];
