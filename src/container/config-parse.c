/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config-parse.c - config.json (OCI runtime-spec 1.2) -> struct container_config.
 *
 * The document may come from anyone. What the spec defines and strata does not do is refused by
 * name (`unsupported` below); what the spec does not define is ignored, as it asks.
 */
#include "container/config-read.h"

#include "base/str.h"

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

/* What other runtimes do and we do not; empty values ask for nothing. */
static const struct {
	const char *path[3];
	const char *name;
} unsupported[] = {
	{ { NULL }, "hooks" },
	{ { "process" }, "apparmorProfile" },
	{ { "process" }, "selinuxLabel" },
	{ { "process" }, "scheduler" },
	{ { "process" }, "ioPriority" },
	{ { "process" }, "execCPUAffinity" },
	{ { "linux" }, "intelRdt" },
	{ { "linux" }, "mountLabel" },
	{ { "linux" }, "personality" },
	{ { "linux" }, "netDevices" },
	{ { "linux", "resources" }, "hugepageLimits" },
	{ { "linux", "resources" }, "network" },
	{ { "linux", "resources" }, "rdma" },
	{ { "linux", "resources", "memory" }, "kernel" },
	{ { "linux", "resources", "memory" }, "kernelTCP" },
	{ { "linux", "resources", "cpu" }, "realtimeRuntime" },
	{ { "linux", "resources", "cpu" }, "realtimePeriod" },
	{ { "linux", "resources", "cpu" }, "idle" },
	{ { "linux", "resources", "blockIO" }, "leafWeight" },
	{ { "linux", "resources", "blockIO" }, "weightDevice" },
};

static bool asks_for_something(const json_t *value)
{
	if (json_is_string(value))
		return json_string_length(value) > 0;
	if (json_is_integer(value))
		return json_integer_value(value) != 0;
	return json_is_true(value) || json_object_size(value) > 0 || json_array_size(value) > 0;
}

static int refuse_unsupported(const json_t *document, struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(unsupported); i++) {
		struct config_object object = { 0 };
		const json_t *parent = NULL;
		int r;

		memcpy(object.path, unsupported[i].path, sizeof(object.path));
		r = find_object(document, &object, &parent, err);
		if (r < 0)
			return r;
		if (parent && asks_for_something(json_object_get(parent, unsupported[i].name)))
			return error_set(err, ENOTSUP,
				"config.json: strata does not implement \"%s\"%s%s",
				unsupported[i].name, object.path[0] ? " of " : "",
				object.path[0] ? object.path[0] : "");
	}
	return 0;
}

static int read_mounts(const json_t *document, struct container_config *c, struct error *err)
{
	static const char what[] = "config.json: mounts";
	json_t *array = NULL, *item;
	size_t i;
	int r;

	r = config_open_list(
		document, "mounts", sizeof(*c->mounts), &array, &c->mounts, &c->nr_mounts, err);
	if (r < 0)
		return r;
	json_array_foreach (array, i, item) {
		struct container_mount *m = &c->mounts[i];

		if ((r = config_read_string(item, "destination", &m->destination, what, err)) < 0 ||
			(r = config_read_string(item, "type", &m->type, what, err)) < 0 ||
			(r = config_read_string(item, "source", &m->source, what, err)) < 0 ||
			(r = json_get_strv(item, "options", &m->options, what, err)) < 0)
			return r;
		if (!m->destination)
			return error_set(err, EINVAL, "%s: a mount has no destination", what);
		if (json_array_size(json_object_get(item, "uidMappings")) ||
			json_array_size(json_object_get(item, "gidMappings")))
			return error_set(err, ENOTSUP,
				"%s: strata does not implement \"uidMappings\" of a mount", what);
	}
	return 0;
}

static int read_seccomp(const json_t *document, const json_t *linux_json,
	struct container_config *c, struct error *err)
{
	json_t *object = NULL, *strata = NULL;
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
	c->seccomp.profile = json_dumps(object, JSON_COMPACT);
	if (!c->seccomp.profile)
		return error_oom(err);
	c->seccomp.kind = SECCOMP_CUSTOM;
	return 0;
}

static int parse(const json_t *document, struct container_config *c, struct error *err)
{
	json_t *process = NULL, *linux_json = NULL;
	int r;

	if ((r = refuse_unsupported(document, err)) < 0 ||
		(r = read_objects(document, c, err)) < 0 ||
		(r = json_get_object(document, "process", &process, "config.json", err)) < 0 ||
		(process && (r = config_parse_process(process, &c->process, err)) < 0) ||
		(r = read_mounts(document, c, err)) < 0 ||
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
