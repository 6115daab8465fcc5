/* SPDX-License-Identifier: Apache-2.0 */
/*
 * complete.h - what could stand at the end of an unfinished command line.
 *
 * The shell's script calls the hidden verb `__complete WORDS...` (the last word is the unfinished
 * one, maybe empty) and gets one candidate a line, or a line that starts with ":" and says what
 * kind of thing is wanted: ":file" and ":directory" go to the shell, the others (":image",
 * ":instance", ...) are looked up by the small program, because the helper has no instances. Words
 * between such a name and the end of its line stand before each thing: ":running container:".
 */
#pragma once

#include "front/cli/verb.h"

/* Candidates and kinds, unfiltered by what exists. When the words lead to a verb of a helper
 * program, nothing is appended and *ret_helper names it. */
void complete_words(const struct verb *const *verbs, int argc, char *const *argv, struct str *out,
	const char **ret_helper);

/* The script of `strata completion bash`: completions/strata.bash. */
extern const char completion_bash[];

/* "__complete" of a helper program: prints what complete_words() found. */
extern const struct verb verb_complete_words;
