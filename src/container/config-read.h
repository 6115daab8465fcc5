/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config-read.h - reading members of config.json: what its parsers share. Private to config-*.c.
 *
 * Everywhere: a member that is missing or null leaves the result alone, and `what` is the object's
 * place in the document ("config.json: linux.devices[3]"), which an error sentence begins with.
 */
#pragma once

#include "container/config-fields.h"

/* No list of the document may be longer. */
#define CONFIG_LIST_MAX 4096

/* A copy, in place of the string *ret held. */
int config_read_string(
	const json_t *object, const char *name, char **ret, const char *what, struct error *err);
/* Likewise, but it must be there. */
int config_need_string(
	const json_t *object, const char *name, char **ret, const char *what, struct error *err);
/* An integer of min..max. */
int config_read_int(const json_t *object, const char *name, int64_t min, int64_t max, int64_t *ret,
	const char *what, struct error *err);
int config_read_u32(const json_t *object, const char *name, uint32_t max, uint32_t *ret,
	const char *what, struct error *err);
/* An object of strings as KEY=VALUE. */
int config_read_map(
	const json_t *object, const char *name, char ***ret, const char *what, struct error *err);
/* The value of a word. */
int config_read_word(const json_t *object, const char *name, const struct config_word *words,
	size_t nr_words, int64_t *ret, const char *what, struct error *err);

/* `item` is zeroed; what it owns is freed with the configuration, also after a failure. */
typedef int config_read_item(const json_t *json, void *item, const char *what, struct error *err);

/* An array of objects as a C array of *ret_count items; *ret_items is a pointer to them. */
int config_read_list(const json_t *object, const char *name, config_read_item *read_item,
	size_t item_size, void *ret_items, size_t *ret_count, const char *what, struct error *err);

config_read_item config_read_id_map;

/* "c" of "cubp": one of `allowed`; 'u' is 'c'. */
int config_read_device_type(
	const json_t *item, const char *allowed, char *ret, const char *what, struct error *err);

/* config-parse-process.c, config-parse-linux.c, config-parse-resources.c: one object each. */
int config_parse_process(const json_t *process, struct container_process *p, struct error *err);
int config_parse_linux(const json_t *linux_json, struct container_config *c, struct error *err);
int config_parse_resources(
	const json_t *resources, struct cgroup_limits *limits, struct error *err);
