/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inspect.h - everything known about one thing, as a JSON document in Docker's shape.
 */
#pragma once

#include "base/json.h"
#include "front/cli/verb.h"
#include "instance/instance.h"

/* -ENOENT: "no such ...". The caller owns *ret. */
typedef int (*inspect_fn)(struct cli *cli, const char *name, json_t **ret, struct error *err);

int inspect_image(struct cli *cli, const char *name, json_t **ret, struct error *err);
int inspect_instance(struct cli *cli, const char *name, json_t **ret, struct error *err);
int inspect_volume(struct cli *cli, const char *name, json_t **ret, struct error *err);

/* The documents of all operands as one array, or each by the --format template. What fails is said
 * and makes the exit status 1. */
int inspect_print(struct cli *cli, int argc, char *const *argv, inspect_fn fn, const char *format,
	struct error *err);

#define INSPECT_FORMAT_OPTION(type, member)                                                        \
	{                                                                                          \
		OPTION_STRING, 'f', "format", offsetof(type, member), "FORMAT",                    \
			"\"json\", or a template such as '{{.Config.User}}'"                       \
	}
