/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main.c - the only main(): picks a front-end by name.
 */
#include "front/front.h"

#include <signal.h>
#include <string.h>

int main(int argc, char **argv)
{
	const char *name = argc > 0 ? strrchr(argv[0], '/') : NULL;

	/* A parent that ignores it hands that down, and nobody's exit status could be waited for.
	 */
	signal(SIGCHLD, SIG_DFL);
	name = name ? name + 1 : argc > 0 ? argv[0] : "";
	for (const struct front *f = fronts; f->name; f++)
		if (strcmp(f->name, name) == 0)
			return f->main(argc, argv);
	return fronts->main(argc, argv);
}
