/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb.h - a verb of the command line: one file, one row.
 *
 * A verb lives in src/front/cli/<verb>.c, exports one `const struct verb verb_<name>` and stands in
 * one array: verbs.c (the small program) or verbs-image.c (the helper strata-image, which holds
 * what needs curl and libarchive). The small program knows the helper's verbs by a row with
 * `.helper` set, and replaces itself by the helper when one is called.
 */
#pragma once

#include "front/cli/options.h"

/* Docker's exit codes: 125 is our own failure, 126/127 the command's. */
#define EXIT_STRATA	    125
#define EXIT_NOT_EXECUTABLE 126
#define EXIT_NOT_FOUND	    127

/* Global options and the places they decide; filled in once by cli_main(). */
struct cli {
	const char *program; /* "strata" */
	char *root; /* state root: --root, STRATA_ROOT, /var/lib/strata, or rootless
		       $XDG_DATA_HOME/strata */
	char *run_root; /* run-time part: /run/strata, rootless $XDG_RUNTIME_DIR/strata; with
			   --root given: ROOT/run */
	bool debug;
	bool rootless; /* not the real root */
	bool root_given; /* --root was on the command line: a helper needs it too */
	const struct verb *const *verbs; /* of this program, NULL-ended */
	char **argv; /* the whole command line, for handing it over to a helper program */
};

struct verb {
	const char *name; /* "run", "image inspect": a space makes it a member of a group */
	const char *group; /* heading in `strata --help`: "Run", "Images", ... */
	const char *usage; /* "[OPTIONS] IMAGE [COMMAND] [ARG...]" */
	const char *summary; /* one line, no full stop */
	const char *help; /* further paragraphs and examples, may be NULL */
	const struct option *options;
	size_t options_size; /* of the struct the options are parsed into */
	const void *defaults; /* what that struct holds before parsing; NULL = zeroes */
	bool stop_at_operand;
	bool own_grammar; /* `run` gets the whole rest of the command line: nothing is parsed */
	int min_operands, max_operands; /* -1 = any number */
	enum option_completion operand;
	const char *helper; /* program that has this verb; NULL = this one */
	const char *alias_of; /* "images" = "image ls": another name of a verb; NULL otherwise */
	bool hidden;
	bool stateless; /* works where nobody can tell where the state root is (`root` is NULL then)
			 */
	bool runs_command; /* fails with EXIT_STRATA instead of 1: other codes are the command's */
	/* Returns the exit status; on failure fills err (printed by the caller) and returns a
	 * negative errno, which becomes 1, or EXIT_STRATA for verbs that run commands. */
	int (*run)(struct cli *cli, void *options, int argc, char **argv, struct error *err);
};
