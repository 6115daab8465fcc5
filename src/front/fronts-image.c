/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fronts-image.c - the helper program strata-image: the same command line, other verbs.
 */
#include "front/cli/cli.h"
#include "front/cli/verbs.h"
#include "front/front.h"

/* It calls itself strata: that is what the user typed. */
static int run_strata(int argc, char **argv)
{
	return cli_main("strata", verbs, argc, argv);
}

const struct front fronts[] = {
	{ "strata-image", run_strata },
	{ 0 },
};
