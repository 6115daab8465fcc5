/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unimplemented.c - what config.json can say and nothing here does yet: refused by name where it
 * would be applied, never ignored. A row goes when its back end comes.
 */
#include "container/internal.h"

#include "base/str.h"

static int refuse(const char *name, struct error *err)
{
	return error_set(err, ENOTSUP, "config.json: strata does not implement \"%s\"", name);
}

int config_refuse_unimplemented(const struct container_config *c, struct error *err)
{
	const struct {
		bool asked;
		const char *name;
	} rows[] = {
		{ c->nr_net_devices > 0, "linux.netDevices" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].asked)
			return refuse(rows[i].name, err);
	return 0;
}
