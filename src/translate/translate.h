/* SPDX-License-Identifier: Apache-2.0 */
/*
 * translate.h - a Linux/riscv64 program as a process of this host: every instruction by jit/, every
 * system call by the table of this folder. The contract.
 *
 * The process that calls translate_run() becomes the guest: its threads, descriptors, signals,
 * credentials and namespaces are the guest's. It must have one thread.
 *
 * How the program is started again by an execve(2) of the guest, and first by a container, says
 * base/translator.h. The words that only translate/ itself gives:
 *
 *	trace		print the guest's system calls
 *	prefix=PATH	of -L
 *	open=N		the guest's program is open as descriptor N, and is what was looked at
 *	code=DIR	where translated code is kept (saved-code.h)
 *	name=PATH	AT_EXECFN: the script that has led to the program
 *	gdb=...		the debugger of -g goes on with this program (debugger.h)
 *	tracee=...	how another translated program traces this one (ptrace.h)
 *
 * The variable is removed before the guest sees its environment. One of the guest's own that has
 * this name is dropped by its execve(2), so that no guest can forge it.
 */
#pragma once

#include <stdbool.h>

#include "base/error.h"

struct translate_options {
	const char *program; /* path; not searched for in PATH; may be a script */
	const char *name; /* AT_EXECFN; NULL: program */
	char *const *argv; /* the guest's, NULL-ended; argv[0] may be anything */
	char *const *envp; /* likewise */
	const char *code_dir; /* where translated code is kept, an absolute path; NULL: nowhere */
	const char *prefix; /* of -L: where loaders and libraries are looked for first; NULL */
	const char *debugger; /* of the program before: debugger.h; NULL */
	const char *tracee; /* of another translated program: ptrace.h; NULL */
	int program_fd; /* this program; -1: /proc/self/exe is opened */
	int filter_fd, open_fd; /* -1: none */
	int code_fd, list_fd; /* of a container; -1: none */
	/* A socket that is listened on (debug/debug.h): a debugger is waited for before the first
	 * instruction. -1: none */
	int debug_fd;
	bool is_contained;
	bool is_traced;
};

/*
 * Become the program: returns only when it cannot be started, with what execve(2) would say and
 * the sentence.
 */
int translate_run(const struct translate_options *options, struct error *err);

/* 0 when translated code may be kept in this folder, or it can still be made; what is wrong with
 * it. */
int translate_check_code_dir(const char *dir, struct error *err);

/* For main(): `strata-translate SAVED_CODE_MAKE DIR [LAYER...]` is what translates again what is to
 * be kept; `layers` is NULL without one. */
#define SAVED_CODE_MAKE "--keep-code"
int translate_make_saved_code(const char *dir, char *const *layers, struct error *err);

/*
 * For main(), before anything else: when the environment begins with the variable, read it into
 * *ret (pointers into argv and envp) and return 1; 0 when it does not; -EINVAL when it is
 * malformed.
 */
int translate_from_environment(char **argv, char **envp, struct translate_options *ret);
