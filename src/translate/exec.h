/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec.h - from what execve(2) is given to the program that is loaded.
 */
#pragma once

#include <linux/limits.h>

#include "translate/load.h"

#define EXEC_HEAD_BYTES	 256 /* BINPRM_BUF_SIZE */
#define EXEC_SCRIPTS_MAX 5
/* Arguments that scripts put in front: each an interpreter and an argument, and one its path. */
#define EXEC_FRONT_MAX (2 * (EXEC_SCRIPTS_MAX + 1) + 1)

/* What is to be executed. The strings of argv that are not the guest's lie in here. Large. */
struct exec_target {
	int fd;
	uint64_t descriptor_limit; /* the guest's, while ours is higher */
	char path[PATH_MAX]; /* of fd, as execve(2) was given it, or a script its interpreter */
	char name[PATH_MAX]; /* the first one: AT_EXECFN, and the script itself */
	uint64_t *argv; /* from argv + front on; pointers */
	uint64_t argc;
	size_t front; /* entries before the first that are free */
	char head[EXEC_SCRIPTS_MAX + 1][EXEC_HEAD_BYTES];
	char scripts[EXEC_SCRIPTS_MAX + 1][PATH_MAX]; /* paths of scripts that became arguments */
	struct load_file file; /* when the kind is ELF_GUEST */
};

/*
 * Follow scripts from target->fd and path on to a program, and check its loader: the kind of the
 * program (enum elf_kind), or what execve(2) says.
 */
int exec_find_program(struct exec_target *target, const struct process *process);

/* Give back what an execve(2) of t, which has not returned, has mapped. */
void exec_unmap(struct thread *t);
