/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fronts-strata.c - the front-ends of the small program.
 */
#include "front/cli/cli.h"
#include "front/cli/verbs.h"
#include "front/front.h"
#include "front/runtime/runtime.h"

static int strata_main(int argc, char **argv)
{
	return cli_main("strata", verbs, argc, argv);
}

const struct front fronts[] = {
	{ "strata", strata_main },
	{ "strata-runtime", runtime_main },
	/* A link for programs that look for no other, as the BuildKit in dockerd. */
	{ "runc", runtime_main },
	{ 0 },
};
