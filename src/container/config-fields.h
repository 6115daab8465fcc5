/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config-fields.h - the members of config.json that map one to one onto struct container_config.
 *
 * One table per JSON object, used by the reader and by the writer, so that what is written is what
 * is read. Members with a shape of their own (mounts, namespaces, capabilities, ...) have code in
 * config-parse.c and config-write.c.
 */
#pragma once

#include "container/container.h"

enum config_kind {
	CONFIG_STRING, /* char * */
	CONFIG_BOOL, /* bool; false is not written */
	CONFIG_I64, /* int64_t; CGROUP_UNSET is not written */
	/* Likewise in an int64_t, but of the spec's uint64, uint32 and uint16. */
	CONFIG_UNSIGNED,
	CONFIG_UNSIGNED_32,
	CONFIG_UNSIGNED_16,
	CONFIG_ID, /* uint32_t, always written */
	CONFIG_STRV, /* char ** */
	CONFIG_MAP, /* char ** of KEY=VALUE, an object in JSON */
	CONFIG_KIND_COUNT,
};

struct config_field {
	const char *name;
	enum config_kind kind;
	size_t offset;
};

/* A JSON object of struct container_config and its plain members. */
struct config_object {
	const char *path[3]; /* from the top; itself the top when empty */
	const char *what; /* how errors call it */
	const struct config_field *fields;
	size_t nr_fields;
};

enum config_object_id {
	CONFIG_TOP,
	CONFIG_ROOT,
	CONFIG_PROCESS,
	CONFIG_USER,
	CONFIG_AFFINITY,
	CONFIG_LINUX,
	CONFIG_INTEL_RDT,
	CONFIG_MEMORY,
	CONFIG_CPU,
	CONFIG_PIDS,
	CONFIG_BLOCK_IO,
	CONFIG_NETWORK,
	CONFIG_UNIFIED,
	CONFIG_STRATA,
	CONFIG_OBJECT_COUNT,
};

extern const struct config_object config_objects[CONFIG_OBJECT_COUNT];

/* config.json's word for each namespace, by enum container_namespace. */
extern const char *const config_namespace_names[CONTAINER_NS_COUNT];

/* The values that have a word in config.json. */
struct config_word {
	const char *word;
	int64_t value;
};

#define CONFIG_SCHEDULER_POLICIES 7
#define CONFIG_SCHEDULER_FLAGS	  7
#define CONFIG_IO_CLASSES	  3
#define CONFIG_PERSONALITIES	  2
extern const struct config_word config_scheduler_policies[CONFIG_SCHEDULER_POLICIES];
extern const struct config_word config_scheduler_flags[CONFIG_SCHEDULER_FLAGS];
extern const struct config_word config_io_classes[CONFIG_IO_CLASSES];
extern const struct config_word config_personalities[CONFIG_PERSONALITIES];

/* 0 or -EINVAL. */
int config_word_value(
	const struct config_word *words, size_t nr_words, const char *word, int64_t *ret);
/* NULL when there is none. */
const char *config_word_of(const struct config_word *words, size_t nr_words, int64_t value);

/* config.json's word for each kind of hook, by enum container_hook_kind. */
extern const char *const config_hook_names[CONTAINER_HOOK_COUNT];

/* "RLIMIT_NOFILE" <-> RLIMIT_NOFILE. */
int config_rlimit_from_name(const char *name);
const char *config_rlimit_name(int resource);

/* The five capability sets and their names in JSON. */
struct config_capability_set {
	const char *name;
	size_t offset; /* of a uint64_t in struct container_process */
};
#define CONFIG_CAPABILITY_SETS 5
extern const struct config_capability_set config_capability_sets[CONFIG_CAPABILITY_SETS];

/* The arrays of blockIO that make up struct cgroup_throttle. */
struct config_throttle_list {
	const char *name;
	size_t offset; /* of an int64_t in struct cgroup_throttle */
};
#define CONFIG_THROTTLE_LISTS 4
extern const struct config_throttle_list config_throttle_lists[CONFIG_THROTTLE_LISTS];
