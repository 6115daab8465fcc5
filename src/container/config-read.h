/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config-read.h - reading members of config.json: what its parsers share. Private to config-*.c.
 *
 * Everywhere: a member that is missing leaves the result alone, and `what` is the object's place in
 * the document, which the error sentence begins with.
 */
#pragma once

#include "container/config-fields.h"

/* No list of the document may be longer. */
#define CONFIG_LIST_MAX 4096

/* A copy, in place of the string *ret held. */
int config_read_string(
	const json_t *object, const char *name, char **ret, const char *what, struct error *err);
/* An integer of 0..max. */
int config_read_u32(const json_t *object, const char *name, uint32_t max, uint32_t *ret,
	const char *what, struct error *err);
/* An object of strings as KEY=VALUE. */
int config_read_map(
	const json_t *object, const char *name, char ***ret, const char *what, struct error *err);
/* An array of objects as a zeroed C array: the caller fills it in. */
int config_open_list(const json_t *object, const char *name, size_t item_size, json_t **ret_json,
	void *ret_items, size_t *ret_count, struct error *err);
/* "c" of "cubp": one of `allowed`; 'u' is 'c'. */
int config_read_device_type(const json_t *item, const char *allowed, char *ret, struct error *err);

/* config-parse-process.c, config-parse-linux.c, config-parse-resources.c: one object each. */
int config_parse_process(const json_t *process, struct container_process *p, struct error *err);
int config_parse_linux(const json_t *linux_json, struct container_config *c, struct error *err);
int config_parse_resources(
	const json_t *resources, struct cgroup_limits *limits, struct error *err);
