/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process.h - starting helper programs, and telling processes apart for sure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

/*
 * Run argv (argv[0] is looked up in PATH when it has no slash), feed it `input` (may be NULL), and
 * collect at most 64 KiB of its stdout into *ret_output (may be NULL: then stdout is /dev/null) and
 * of its stderr into the error sentence. Returns the exit status (0..255, or 128 + signal), or a
 * negative errno when it could not be run.
 */
int process_run(char *const argv[], const char *input, char **ret_output, struct error *err);

/*
 * Start time of a process in clock ticks since boot (/proc/PID/stat field 22): with the pid it
 * names one process for as long as the machine is up. -ESRCH when there is none.
 */
int process_start_time(pid_t pid, uint64_t *ret_ticks);

/* A pidfd for exactly that process; -ESRCH when it is gone or its pid was reused. */
int process_open(pid_t pid, uint64_t start_ticks);

/* Is that very process still there (zombies are not)? */
bool process_alive(pid_t pid, uint64_t start_ticks);

/* This boot's ID, 36 characters; buf holds 37. */
int process_boot_id(char buf[37]);

/* Set by process_protect_program() for the program that it starts: what process_self_dir() is to
 * say there. */
#define PROCESS_DIRECTORY_VARIABLE "STRATA_PROGRAM_DIRECTORY"

/* Directory of the running executable, without a trailing slash. */
int process_self_dir(char *buf, size_t size);

/*
 * Path of one of our private helper programs (`strata-image`): beside our own executable in a
 * build tree, else in the libexec directory chosen at build time.
 */
int process_helper_path(const char *name, char *buf, size_t size, struct error *err);

/*
 * For what enters running containers, before anything else: start the whole program once more where
 * its file cannot be written to (protect.c). Returns when that is so, or cannot be done.
 */
void process_protect_program(void);

/*
 * A descriptor to execute another program by, which is to run among hostile processes, from such a
 * place; perhaps O_PATH. -errno when there is none.
 */
int process_open_protected(const char *path);

/* Raw wait status -> shell convention: exit code, or 128 + signal. */
int process_exit_code(int wait_status);

/* "TERM", "SIGTERM", "15", "RTMIN+3" -> number; -EINVAL when unknown. And back: "TERM". */
int process_signal_from_name(const char *name);
const char *process_signal_name(int signo);
