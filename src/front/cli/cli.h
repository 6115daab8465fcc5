/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli.h - the frame around every verb: global options, finding the verb, help, errors.
 */
#pragma once

#include "front/cli/verb.h"

/* The whole program: parse, run, print the error, return the exit status. */
int cli_main(const char *program, const struct verb *const *verbs, int argc, char **argv);

/*
 * Parse a verb's own command line (argv[0] is its name) and run it; --help is served here.
 * *ret_usage: the command line itself was wrong, so point at the help.
 */
int cli_run_verb(struct cli *cli, const struct verb *verb, int argc, char **argv, bool *ret_usage,
	struct error *err);

/* What every front-end does first: seed the JSON tables without a system call. */
void cli_seed_json(void);

/* A path made absolute by the working directory, fresh; NULL when there is none or no memory. */
char *cli_absolute_path(const char *path);

/* The options before the verb. */
extern const struct option cli_global_options[];

/*
 * The verb that argv[0..argc) begins with ("image", "inspect", ...), aliases followed;
 * *ret_words says how many words name it. NULL when there is none.
 */
const struct verb *cli_find_verb(
	const struct verb *const *verbs, int argc, char *const *argv, int *ret_words);

/* Is there a verb "NAME ..."? */
bool cli_is_group(const struct verb *const *verbs, const char *name);

/* Replace this process by a helper program with the same command line; returns only on failure. */
int cli_exec_helper(const struct cli *cli, const char *helper, struct error *err);

/* Say what failed, as cli_main() does for a verb that returns an error; for verbs that go on. */
void cli_print_error(const struct cli *cli, const struct error *err);

/* What a function returns (without a sentence) when a helper program has already told the user. */
#define CLI_ALREADY_SAID (-ECHILD)

/* Run a helper program to its end, its output on our stderr. */
int cli_run_helper(const char *helper, const char *const *argv, struct error *err);
