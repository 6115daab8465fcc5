/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filter.h - `--filter KEY=VALUE` of the listing verbs. Several values of one key are alternatives
 * (labels must all match), different keys must all match: Docker's rules.
 */
#pragma once

#include "front/cli/options.h"

/* -EINVAL for a filter without "=", or whose key is not one of `known` ("name|status"). */
int filter_check(char *const *filters, const char *known, struct error *err);

/* The first value of a key; NULL when it was not given. */
const char *filter_value(char *const *filters, const char *key);

/* No such filter, or one whose value `match` accepts. */
typedef bool (*filter_match_fn)(const char *value, const void *context);
bool filter_accepts(
	char *const *filters, const char *key, filter_match_fn match, const void *context);

/* Every "label=KEY" and "label=KEY=VALUE" is among `labels` (KEY=VALUE). */
bool filter_accepts_labels(char *const *filters, const char *key, char *const *labels);

/* A true/false filter: *ret is its value, or `otherwise`. */
int filter_bool(
	char *const *filters, const char *key, bool otherwise, bool *ret, struct error *err);

#define FILTER_OPTION(type, member, keys)                                                          \
	{                                                                                          \
		OPTION_LIST, 'f', "filter", offsetof(type, member), "KEY=VALUE",                   \
			"Only what matches (" keys ")"                                             \
	}
