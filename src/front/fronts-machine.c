/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fronts-machine.c - the helper program strata-machine: a process for each machine, and the verbs
 * that need no image.
 */
#include "front/cli/cli.h"
#include "front/cli/verbs.h"
#include "front/front.h"

static int run_strata(int argc, char **argv)
{
	return cli_main("strata", verbs, argc, argv);
}

const struct front fronts[] = {
	{ "strata-machine", run_strata },
	{ 0 },
};
