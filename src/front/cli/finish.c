/* SPDX-License-Identifier: Apache-2.0 */
/*
 * finish.c - from the end of an attached command to the exit status of strata.
 */
#include "front/cli/finish.h"

#include "front/cli/cli.h"

int finish_failed(const struct cli *cli, int exit_code, const struct error *err)
{
	cli_print_error(cli, err);
	return exit_code > 0 ? exit_code : EXIT_STRATA;
}

int finish_attached(const struct cli *cli, const char *id, int r, enum instance_attach_end end,
	int exit_code, struct error *err)
{
	if (r < 0)
		return finish_failed(cli, exit_code, err);
	switch (end) {
	case INSTANCE_ATTACH_EXITED:
		return exit_code;
	case INSTANCE_ATTACH_DETACHED:
		return 0;
	case INSTANCE_ATTACH_LOST:
		break;
	}
	return error_set(err, EPIPE,
		"the monitor of instance %.12s went away, and with it the connection: 'strata ps -a' tells how it is",
		id);
}
