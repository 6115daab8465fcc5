/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fronts-translate.c - the helper program strata-translate: a verb of the command line, and what is
 * executed in place of programs for another CPU.
 */
#include <stdio.h>

#include "base/str.h"
#include "base/translator.h"
#include "front/cli/cli.h"
#include "front/cli/verbs.h"
#include "front/front.h"
#include "translate/translate.h"

/* In place of a program: the environment says so, the command line is the program's. */
static int run_program(const struct translate_options *options)
{
	struct error err = { 0 };
	int r = translate_run(options, &err);

	fprintf(stderr, "strata: %s\n", err.message);
	return r == -ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
}

static int run(int argc, char **argv)
{
	struct translate_options options;
	int r = translate_from_environment(argv, environ, &options);

	if (r == 0 && argc >= 3 && streq(argv[1], SAVED_CODE_MAKE)) {
		struct error err = { 0 };

		return translate_make_saved_code(argv[2], argc > 3 ? argv + 3 : NULL, &err) < 0;
	}
	if (r == 0)
		return cli_main("strata", verbs, argc, argv);
	if (r > 0)
		return run_program(&options);
	fprintf(stderr, "strata: %s is not as strata sets it\n", TRANSLATOR_VARIABLE);
	return EXIT_NOT_EXECUTABLE;
}

const struct front fronts[] = {
	{ "strata-translate", run, true },
	{ 0 },
};
