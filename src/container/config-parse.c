/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config-parse.c - config.json (OCI runtime-spec 1.2) -> struct container_config.
 *
 * The document may come from anyone. What the spec does not define is ignored, as it asks.
 */
#include "container/config-read.h"

#include <limits.h>

#include "base/str.h"

/* 2^64 - 1 is what Go makes of -1: some engines say so that they ask for nothing. */
static int read_unsigned(const json_t *object, const char *name, int64_t max, int64_t *ret,
	const char *what, struct error *err)
{
	uint64_t value = 0;

	if (json_get_u64(object, name, &value, what, NULL) == 0 && value == UINT64_MAX)
		return 0;
	return config_read_int(object, name, 0, max, ret, what, err);
}

static int read_field(const json_t *object, const struct config_field *field,
	struct container_config *c, const char *what, struct error *err)
{
	void *member = (char *)c + field->offset;

	switch (field->kind) {
	case CONFIG_STRING:
		return config_read_string(object, field->name, member, what, err);
	case CONFIG_BOOL:
		return json_get_bool(object, field->name, member, what, err);
	case CONFIG_I64:
		return json_get_int(object, field->name, member, what, err);
	case CONFIG_UNSIGNED:
		return read_unsigned(object, field->name, INT64_MAX, member, what, err);
	case CONFIG_UNSIGNED_32:
		return read_unsigned(object, field->name, UINT32_MAX, member, what, err);
	case CONFIG_UNSIGNED_16:
		return read_unsigned(object, field->name, UINT16_MAX, member, what, err);
	case CONFIG_ID:
		return config_read_u32(object, field->name, UINT32_MAX - 1, member, what, err);
	case CONFIG_STRV:
		strv_free(*(char ***)member);
		*(char ***)member = NULL;
		return json_get_strv(object, field->name, member, what, err);
	case CONFIG_MAP:
		return config_read_map(object, field->name, member, what, err);
	case CONFIG_KIND_COUNT:
		break;
	}
	return -EINVAL;
}

/* Walk down to the object; NULL when it is missing. */
static int find_object(const json_t *document, const struct config_object *object,
	const json_t **ret, struct error *err)
{
	json_t *child = (json_t *)document;

	for (size_t i = 0; i < ARRAY_SIZE(object->path) && object->path[i] && child; i++) {
		json_t *parent = child;
		int r;

		child = NULL;
		r = json_get_object(parent, object->path[i], &child, "config.json", err);
		if (r < 0)
			return r;
	}
	*ret = child;
	return 0;
}

static int read_objects(const json_t *document, struct container_config *c, struct error *err)
{
	for (size_t id = 0; id < CONFIG_OBJECT_COUNT; id++) {
		const struct config_object *object = &config_objects[id];
		const json_t *json = NULL;
		int r;

		r = find_object(document, object, &json, err);
		for (size_t i = 0; r == 0 && json && i < object->nr_fields; i++)
			r = read_field(json, &object->fields[i], c, object->what, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_mount(const json_t *json, void *item, const char *what, struct error *err)
{
	struct container_mount *m = item;
	struct userns_maps *maps = &m->id_maps;
	int r;

	if ((r = config_need_string(json, "destination", &m->destination, what, err)) < 0 ||
		(r = config_read_string(json, "type", &m->type, what, err)) < 0 ||
		(r = config_read_string(json, "source", &m->source, what, err)) < 0 ||
		(r = json_get_strv(json, "options", &m->options, what, err)) < 0 ||
		(r = config_read_list(json, "uidMappings", config_read_id_map, sizeof(*maps->uid),
			 &maps->uid, &maps->nr_uid, what, err)) < 0 ||
		(r = config_read_list(json, "gidMappings", config_read_id_map, sizeof(*maps->gid),
			 &maps->gid, &maps->nr_gid, what, err)) < 0)
		return r;
	if (!maps->nr_uid != !maps->nr_gid)
		return error_set(err, EINVAL, "%s: uidMappings and gidMappings go together", what);
	return 0;
}

static int read_hook(const json_t *json, void *item, const char *what, struct error *err)
{
	struct container_hook *hook = item;
	int64_t timeout = 0;
	int r;

	if ((r = config_need_string(json, "path", &hook->path, what, err)) < 0 ||
		(r = json_get_strv(json, "args", &hook->args, what, err)) < 0 ||
		(r = json_get_strv(json, "env", &hook->env, what, err)) < 0 ||
		(r = config_read_int(json, "timeout", 1, INT_MAX, &timeout, what, err)) < 0)
		return r;
	if (hook->path[0] != '/')
		return error_set(err, EINVAL, "%s: path \"%s\" is not absolute", what, hook->path);
	hook->inherits_env = !json_object_get(json, "env");
	hook->timeout_s = (int)timeout;
	return 0;
}

static int read_hooks(const json_t *document, struct container_config *c, struct error *err)
{
	json_t *hooks = NULL;
	int r;

	r = json_get_object(document, "hooks", &hooks, "config.json", err);
	for (int kind = 0; r == 0 && hooks && kind < CONTAINER_HOOK_COUNT; kind++)
		r = config_read_list(hooks, config_hook_names[kind], read_hook,
			sizeof(*c->hooks[kind].hooks), &c->hooks[kind].hooks, &c->hooks[kind].count,
			"config.json: hooks", err);
	return r;
}

static int read_seccomp(const json_t *document, const json_t *linux_json,
	struct container_config *c, struct error *err)
{
	json_t *object = NULL, *strata = NULL;
	struct json_writer w = { 0 };
	const char *name = NULL;
	int r;

	r = json_get_object(document, "strata", &strata, "config.json", err);
	if (r == 0 && strata)
		r = json_get_string(strata, "seccomp", &name, "config.json: strata", err);
	if (r == 0 && linux_json)
		r = json_get_object(linux_json, "seccomp", &object, "config.json: linux", err);
	if (r < 0)
		return r;
	if (name && !streq(name, "default"))
		return error_set(
			err, EINVAL, "config.json: there is no seccomp profile \"%s\"", name);
	c->seccomp.kind = name ? SECCOMP_DEFAULT : SECCOMP_UNCONFINED;
	if (!object)
		return 0;
	json_write_value(&w, NULL, object);
	c->seccomp.profile = json_writer_finish(&w);
	if (!c->seccomp.profile)
		return error_oom(err);
	c->seccomp.kind = SECCOMP_CUSTOM;
	return 0;
}

static int parse(const json_t *document, struct container_config *c, struct error *err)
{
	json_t *process = NULL, *linux_json = NULL;
	int r;

	if ((r = read_objects(document, c, err)) < 0 ||
		(r = json_get_object(document, "process", &process, "config.json", err)) < 0 ||
		(process && (r = config_parse_process(process, &c->process, err)) < 0) ||
		(r = config_read_list(document, "mounts", read_mount, sizeof(*c->mounts),
			 &c->mounts, &c->nr_mounts, "config.json", err)) < 0 ||
		(r = read_hooks(document, c, err)) < 0 ||
		(r = json_get_object(document, "linux", &linux_json, "config.json", err)) < 0 ||
		(linux_json && (r = config_parse_linux(linux_json, c, err)) < 0) ||
		(r = read_seccomp(document, linux_json, c, err)) < 0)
		return r;
	if (!c->rootfs.path && !c->rootfs.layers)
		return error_set(err, EINVAL, "config.json: there is no root.path");
	if (c->rootfs.layers && (!c->rootfs.upper != !c->rootfs.work))
		return error_set(err, EINVAL, "config.json: strata: upper and work go together");
	return 0;
}

int container_config_parse(const json_t *document, struct container_config *ret, struct error *err)
{
	struct container_config c = { .process.umask = -1 };
	int r;

	cgroup_limits_init(&c.limits);
	r = parse(document, &c, err);
	if (r < 0) {
		container_config_free(&c);
		return r;
	}
	*ret = c;
	return 0;
}

int container_process_parse(const json_t *process, struct container_process *ret, struct error *err)
{
	_cleanup_json_ json_t *document = json_object();
	struct container_config c = { .process.umask = -1 };
	int r;

	if (!document || json_object_set(document, "process", (json_t *)(uintptr_t)process) < 0)
		return error_oom(err);
	if (!json_is_object(process))
		return error_set(err, EINVAL, "process is not a JSON object");
	r = read_objects(document, &c, err);
	if (r == 0)
		r = config_parse_process(process, &c.process, err);
	if (r < 0) {
		container_process_free(&c.process);
		return r;
	}
	*ret = c.process;
	return 0;
}
