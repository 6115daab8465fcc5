/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main.c - the only main(): picks a front-end by name.
 */
#include "front/front.h"

#include <signal.h>
#include <string.h>

static const struct front *find_front(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

	for (const struct front *f = fronts; f->name; f++)
		if (strcmp(f->name, name) == 0)
			return f;
	return fronts;
}

int main(int argc, char **argv)
{
	const struct front *front = find_front(argc > 0 ? argv[0] : "");

	/* A parent that ignores it hands that down, and nobody's exit status could be waited for.
	 */
	if (!front->keeps_signals)
		signal(SIGCHLD, SIG_DFL);
	return front->main(argc, argv);
}
