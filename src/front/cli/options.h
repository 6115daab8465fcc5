/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options.h - command lines as tables.
 *
 * A verb describes its options in one static array; parsing, --help and completion all read that
 * same array, so none of them can forget an option. GNU habits: -abc, -w80, -w 80, --name=x,
 * --name x, `--` ends options; a verb may ask that the first operand ends them (`run IMAGE CMD`).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

enum option_kind {
	OPTION_END, /* the array's last row */
	OPTION_FLAG, /* bool; --x, --x=true, --x=false */
	OPTION_SWITCH, /* int, 0 or 1: a flag whose default tells whether it was given */
	OPTION_STRING, /* const char * borrowed from argv */
	OPTION_LIST, /* char ** strv; each use appends a copy */
	OPTION_INT, /* int64_t, may be negative */
	OPTION_SIZE, /* int64_t bytes with Docker's units; -1 is allowed */
	OPTION_DURATION, /* int64_t nanoseconds, Go's notation */
	OPTION_CUSTOM, /* ->parse decides */
	OPTION_HEADING, /* a line of --help that groups what follows; `help` is its text */
};

/* What completion may offer for a value or an operand. */
enum option_completion {
	COMPLETE_NOTHING,
	COMPLETE_FILE,
	COMPLETE_DIRECTORY,
	COMPLETE_IMAGE,
	COMPLETE_INSTANCE,
	COMPLETE_RUNNING,
	COMPLETE_STOPPED,
	COMPLETE_VOLUME,
	COMPLETE_NETWORK,
	COMPLETE_JOINED, /* modes of ->choices, a network, or container: with a running instance */
	COMPLETE_CHOICES, /* the words of ->choices; anything else is refused when given */
	COMPLETE_SUGGESTIONS, /* the words of ->choices, among others */
	COMPLETE_NAMESPACE, /* the same, and "container:" with a running instance */
};

struct option {
	enum option_kind kind;
	char letter; /* 0 = none */
	const char *name;
	size_t offset; /* of the value in the verb's options struct */
	const char *argument; /* "PATH", "N", shown in help; NULL for flags */
	const char *help; /* one line, no full stop */
	enum option_completion completion;
	const char *choices; /* "a|b|c" */
	bool hidden;
	/* OPTION_CUSTOM: value is NULL for a flag (argument == NULL). */
	int (*parse)(
		void *options, const struct option *option, const char *value, struct error *err);
};

/*
 * Parse argv[1..] of a verb into the struct at `values`. *ret_operands points into argv.
 * -EINVAL with one sentence ("unknown flag: --foo", "flag needs an argument: --name").
 * --help / -h is reported as -ECANCELED. With `stop_at_operand`, the first operand ends options.
 */
int options_parse(const struct option *options, void *values, int argc, char **argv,
	bool stop_at_operand, char ***ret_operands, int *ret_count, struct error *err);

/* Free the lists that parsing allocated. */
void options_free(const struct option *options, void *values);

/* The row of a long name (not NUL-terminated: `len` bytes) or of a letter; NULL when unknown. */
const struct option *options_find(const struct option *options, const char *name, size_t len);
const struct option *options_find_letter(const struct option *options, char letter);

/* Is it followed by a value, in its own word or the next? */
bool options_takes_value(const struct option *option);

/* "-m, --memory BYTES", with four spaces where there is no letter. */
void options_format_row(const struct option *option, char *buf, size_t size);

/* The rows of --help, to stdout. Headings print as "\nHEADING:". */
void options_print_help(const struct option *options);
