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
int inspect_network_named(struct cli *cli, const char *name, json_t **ret, struct error *err);

/* Parts of an instance's document. */
json_t *inspect_mounts(const struct instance *instance);
json_t *inspect_volumes(const struct instance *instance);
json_t *inspect_network(const struct instance *instance);
json_t *inspect_host_config(const struct instance *instance);

/* A null value is an absent string. */
static inline json_t *inspect_text(const char *s)
{
	return json_string(s ? s : "");
}

static inline json_t *inspect_number(int64_t n)
{
	return json_integer((json_int_t)n);
}

/* Out of memory shows as a missing member; the caller checks the whole at the end. */
static inline void inspect_set(json_t *object, const char *key, json_t *value)
{
	json_object_set_new(object, key, value);
}

/* The documents of all operands as one array, or each by the --format template. What fails is said
 * and makes the exit status 1. */
int inspect_print(struct cli *cli, int argc, char *const *argv, inspect_fn fn, const char *format,
	struct error *err);

#define INSPECT_FORMAT_OPTION(type, member)                                                        \
	{                                                                                          \
		OPTION_STRING, 'f', "format", offsetof(type, member), "FORMAT",                    \
			"\"json\", or a template such as '{{.Config.User}}'"                       \
	}
