/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config-parse.c - config.json (OCI runtime-spec 1.2) -> struct container_config.
 *
 * The document may come from anyone. What the spec defines and strata does not do is refused by
 * name (`unsupported` below); what the spec does not define is ignored, as it asks.
 */
#include "container/config-fields.h"

#include "base/str.h"

/* No list of the document may be longer. */
#define LIST_MAX 4096

static int read_map(const json_t *object, const struct config_field *field, char ***ret,
	const char *what, struct error *err)
{
	_cleanup_strv_ char **pairs = NULL;
	json_t *map = NULL, *value;
	const char *key;
	int r;

	r = json_get_object(object, field->name, &map, what, err);
	if (r < 0)
		return r;
	json_object_foreach (map, key, value) {
		if (!json_is_string(value) || strchr(key, '='))
			return error_set(
				err, EINVAL, "%s: %s must map names to strings", what, field->name);
		r = strv_pushf(&pairs, "%s=%s", key, json_string_value(value));
		if (r < 0)
			return error_oom(err);
	}
	strv_free(*ret);
	*ret = steal_ptr(&pairs);
	return 0;
}

static int read_string(
	const json_t *object, const char *name, char **ret, const char *what, struct error *err)
{
	const char *value = NULL;
	char *copy;
	int r;

	r = json_get_string(object, name, &value, what, err);
	if (r < 0 || !value)
		return r;
	copy = strdup(value);
	if (!copy)
		return error_oom(err);
	free(*ret);
	*ret = copy;
	return 0;
}

/* An integer of 0..max; a missing one leaves *ret alone. */
static int read_u32(const json_t *object, const char *name, uint32_t max, uint32_t *ret,
	const char *what, struct error *err)
{
	int64_t value = *ret;
	int r;

	r = json_get_int(object, name, &value, what, err);
	if (r < 0)
		return r;
	if (value < 0 || value > max)
		return error_set(err, ERANGE, "%s: %s must be between 0 and %u", what, name, max);
	*ret = (uint32_t)value;
	return 0;
}

static int read_field(const json_t *object, const struct config_field *field,
	struct container_config *c, const char *what, struct error *err)
{
	void *member = (char *)c + field->offset;

	switch (field->kind) {
	case CONFIG_STRING:
		return read_string(object, field->name, member, what, err);
	case CONFIG_BOOL:
		return json_get_bool(object, field->name, member, what, err);
	case CONFIG_I64:
		return json_get_int(object, field->name, member, what, err);
	case CONFIG_ID:
		return read_u32(object, field->name, UINT32_MAX - 1, member, what, err);
	case CONFIG_STRV:
		strv_free(*(char ***)member);
		*(char ***)member = NULL;
		return json_get_strv(object, field->name, member, what, err);
	case CONFIG_MAP:
		return read_map(object, field, member, what, err);
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

/* An array of objects as a zeroed C array: the caller fills it in. */
static int open_list(const json_t *object, const char *name, size_t item_size, json_t **ret_json,
	void *ret_items, size_t *ret_count, struct error *err)
{
	json_t *array = NULL;
	size_t count;
	void *items;
	int r;

	r = json_get_array(object, name, &array, "config.json", err);
	if (r < 0)
		return r;
	*ret_json = array;
	count = json_array_size(array);
	if (count == 0)
		return 0;
	if (count > LIST_MAX)
		return error_set(
			err, E2BIG, "config.json: %s has more than %d entries", name, LIST_MAX);
	for (size_t i = 0; i < count; i++)
		if (!json_is_object(json_array_get(array, i)))
			return error_set(
				err, EINVAL, "config.json: %s must be an array of objects", name);
	items = calloc(count, item_size);
	if (!items)
		return error_oom(err);
	*(void **)ret_items = items;
	*ret_count = count;
	return 0;
}

static int read_mounts(const json_t *document, struct container_config *c, struct error *err)
{
	static const char what[] = "config.json: mounts";
	json_t *array = NULL, *item;
	size_t i;
	int r;

	r = open_list(
		document, "mounts", sizeof(*c->mounts), &array, &c->mounts, &c->nr_mounts, err);
	if (r < 0)
		return r;
	json_array_foreach (array, i, item) {
		struct container_mount *m = &c->mounts[i];

		if ((r = read_string(item, "destination", &m->destination, what, err)) < 0 ||
			(r = read_string(item, "type", &m->type, what, err)) < 0 ||
			(r = read_string(item, "source", &m->source, what, err)) < 0 ||
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

static int read_namespaces(const json_t *linux_json, struct container_config *c, struct error *err)
{
	static const char what[] = "config.json: linux.namespaces";
	json_t *array = NULL, *item;
	size_t i;
	int r;

	r = json_get_array(linux_json, "namespaces", &array, "config.json: linux", err);
	if (r < 0)
		return r;
	json_array_foreach (array, i, item) {
		const char *type = NULL;
		int n;

		r = json_get_string(item, "type", &type, what, err);
		if (r < 0)
			return r;
		for (n = 0; n < CONTAINER_NS_COUNT; n++)
			if (type && streq(config_namespace_names[n], type))
				break;
		if (n == CONTAINER_NS_COUNT)
			return error_set(err, EINVAL, "%s: there is no namespace \"%s\"", what,
				type ? type : "");
		if (c->namespaces[n].wanted)
			return error_set(err, EINVAL, "%s: \"%s\" is named twice", what, type);
		c->namespaces[n].wanted = true;
		r = read_string(item, "path", &c->namespaces[n].path, what, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_id_map(const json_t *linux_json, const char *name, struct userns_map **maps,
	size_t *count, struct error *err)
{
	json_t *array = NULL, *item;
	size_t i;
	int r;

	r = open_list(linux_json, name, sizeof(**maps), &array, maps, count, err);
	if (r < 0)
		return r;
	json_array_foreach (array, i, item) {
		struct userns_map *map = &(*maps)[i];

		if ((r = read_u32(item, "containerID", UINT32_MAX, &map->inside, name, err)) < 0 ||
			(r = read_u32(item, "hostID", UINT32_MAX, &map->outside, name, err)) < 0 ||
			(r = read_u32(item, "size", UINT32_MAX, &map->count, name, err)) < 0)
			return r;
	}
	return 0;
}

static int read_device_type(const json_t *item, const char *allowed, char *ret, struct error *err)
{
	const char *type = NULL;
	int r;

	r = json_get_string(item, "type", &type, "config.json: linux.devices", err);
	if (r < 0 || !type)
		return r;
	if (strlen(type) != 1 || !strchr(allowed, *type))
		return error_set(err, EINVAL, "config.json: there is no device type \"%s\"", type);
	*ret = *type == 'u' ? 'c' : *type;
	return 0;
}

static int read_devices(const json_t *linux_json, struct container_config *c, struct error *err)
{
	static const char what[] = "config.json: linux.devices";
	json_t *array = NULL, *item;
	size_t i;
	int r;

	r = open_list(linux_json, "devices", sizeof(*c->devices), &array, &c->devices,
		&c->nr_devices, err);
	if (r < 0)
		return r;
	json_array_foreach (array, i, item) {
		struct container_device *d = &c->devices[i];

		d->type = 'c';
		d->mode = 0666;
		if ((r = read_string(item, "path", &d->path, what, err)) < 0 ||
			(r = read_device_type(item, "cubp", &d->type, err)) < 0 ||
			(r = read_u32(item, "major", UINT32_MAX, &d->major, what, err)) < 0 ||
			(r = read_u32(item, "minor", UINT32_MAX, &d->minor, what, err)) < 0 ||
			(r = read_u32(item, "fileMode", 0177777, &d->mode, what, err)) < 0 ||
			(r = read_u32(item, "uid", UINT32_MAX - 1, &d->uid, what, err)) < 0 ||
			(r = read_u32(item, "gid", UINT32_MAX - 1, &d->gid, what, err)) < 0)
			return r;
		d->mode &= 07777;
		if (!d->path)
			return error_set(err, EINVAL, "%s: a device has no path", what);
	}
	return 0;
}

static int read_device_rules(
	const json_t *resources, struct cgroup_limits *limits, struct error *err)
{
	static const char what[] = "config.json: linux.resources.devices";
	json_t *array = NULL, *item;
	size_t i;
	int r;

	r = open_list(resources, "devices", sizeof(*limits->device_rules), &array,
		&limits->device_rules, &limits->nr_device_rules, err);
	if (r < 0)
		return r;
	json_array_foreach (array, i, item) {
		struct cgroup_device_rule *rule = &limits->device_rules[i];
		const char *access = "rwm";

		rule->type = 'a';
		rule->major = rule->minor = -1;
		if ((r = json_get_bool(item, "allow", &rule->allow, what, err)) < 0 ||
			(r = read_device_type(item, "abcu", &rule->type, err)) < 0 ||
			(r = json_get_int(item, "major", &rule->major, what, err)) < 0 ||
			(r = json_get_int(item, "minor", &rule->minor, what, err)) < 0 ||
			(r = json_get_string(item, "access", &access, what, err)) < 0)
			return r;
		if (strlen(access) > 3 || strspn(access, "rwm") != strlen(access))
			return error_set(err, EINVAL, "%s: access must be of \"rwm\"", what);
		memcpy(rule->access, access, strlen(access) + 1);
	}
	return 0;
}

/* The entry of device major:minor, a new one at the end when there is none. */
static struct cgroup_throttle *throttle_of(
	struct cgroup_limits *limits, uint32_t major, uint32_t minor)
{
	struct cgroup_throttle *grown;

	for (size_t i = 0; i < limits->nr_throttles; i++)
		if (limits->throttles[i].major == major && limits->throttles[i].minor == minor)
			return &limits->throttles[i];
	grown = reallocarray(limits->throttles, limits->nr_throttles + 1, sizeof(*grown));
	if (!grown)
		return NULL;
	limits->throttles = grown;
	grown += limits->nr_throttles++;
	*grown = (struct cgroup_throttle){ major, minor, CGROUP_UNSET, CGROUP_UNSET, CGROUP_UNSET,
		CGROUP_UNSET };
	return grown;
}

static int read_throttles(const json_t *block_io, struct cgroup_limits *limits, struct error *err)
{
	for (size_t list = 0; list < CONFIG_THROTTLE_LISTS; list++) {
		const char *name = config_throttle_lists[list].name;
		json_t *array = NULL, *item;
		size_t i;
		int r;

		r = json_get_array(block_io, name, &array, "config.json: blockIO", err);
		if (r < 0)
			return r;
		if (json_array_size(array) > LIST_MAX)
			return error_set(err, E2BIG, "config.json: %s is too long", name);
		json_array_foreach (array, i, item) {
			uint32_t major = 0, minor = 0;
			int64_t rate = 0;
			struct cgroup_throttle *t;

			if ((r = read_u32(item, "major", UINT32_MAX, &major, name, err)) < 0 ||
				(r = read_u32(item, "minor", UINT32_MAX, &minor, name, err)) < 0 ||
				(r = json_get_int(item, "rate", &rate, name, err)) < 0)
				return r;
			t = throttle_of(limits, major, minor);
			if (!t)
				return error_oom(err);
			*(int64_t *)((char *)t + config_throttle_lists[list].offset) = rate;
		}
	}
	return 0;
}

static int read_capabilities(const json_t *process, struct container_process *p, struct error *err)
{
	static const char what[] = "config.json: process.capabilities";
	json_t *sets = NULL;
	int r;

	r = json_get_object(process, "capabilities", &sets, "config.json: process", err);
	if (r < 0 || !sets)
		return r;
	for (size_t i = 0; i < CONFIG_CAPABILITY_SETS; i++) {
		const struct config_capability_set *set = &config_capability_sets[i];
		_cleanup_strv_ char **names = NULL;
		uint64_t bits = 0;

		r = json_get_strv(sets, set->name, &names, what, err);
		if (r < 0)
			return r;
		strv_for_each (name, names) {
			int n = container_capability_from_name(*name);

			if (n < 0)
				return error_set(err, EINVAL, "%s: there is no capability \"%s\"",
					what, *name);
			bits |= UINT64_C(1) << n;
		}
		*(uint64_t *)((char *)p + set->offset) = bits;
	}
	return 0;
}

static int read_rlimits(const json_t *process, struct container_process *p, struct error *err)
{
	static const char what[] = "config.json: process.rlimits";
	json_t *array = NULL, *item;
	size_t i;
	int r;

	r = open_list(
		process, "rlimits", sizeof(*p->rlimits), &array, &p->rlimits, &p->nr_rlimits, err);
	if (r < 0)
		return r;
	json_array_foreach (array, i, item) {
		const char *type = NULL;
		int64_t soft = 0, hard = 0;

		if ((r = json_get_string(item, "type", &type, what, err)) < 0 ||
			(r = json_get_int(item, "soft", &soft, what, err)) < 0 ||
			(r = json_get_int(item, "hard", &hard, what, err)) < 0)
			return r;
		r = type ? config_rlimit_from_name(type) : -EINVAL;
		if (r < 0)
			return error_set(err, EINVAL, "%s: there is no limit \"%s\"", what,
				type ? type : "");
		if (soft < -1 || hard < -1)
			return error_set(err, ERANGE, "%s: %s is negative", what, type);
		p->rlimits[i] = (struct container_rlimit){
			.resource = r,
			.soft = soft == INT64_MAX || soft < 0 ? RLIM_INFINITY : (uint64_t)soft,
			.hard = hard == INT64_MAX || hard < 0 ? RLIM_INFINITY : (uint64_t)hard,
		};
	}
	return 0;
}

static int read_user(const json_t *process, struct container_process *p, struct error *err)
{
	static const char what[] = "config.json: process.user";
	json_t *user = NULL, *groups = NULL, *item;
	int64_t mask = -1;
	size_t i;
	int r;

	r = json_get_object(process, "user", &user, "config.json: process", err);
	if (r < 0 || !user)
		return r;
	if ((r = json_get_int(user, "umask", &mask, what, err)) < 0 ||
		(r = json_get_array(user, "additionalGids", &groups, what, err)) < 0)
		return r;
	if (mask > 0777)
		return error_set(err, ERANGE, "%s: umask must be between 0 and 0777", what);
	p->umask = mask < 0 ? -1 : (int)mask;
	if (json_array_size(groups) == 0)
		return 0;
	if (json_array_size(groups) > LIST_MAX)
		return error_set(err, E2BIG, "%s: too many additionalGids", what);
	p->groups = calloc(json_array_size(groups), sizeof(*p->groups));
	if (!p->groups)
		return error_oom(err);
	json_array_foreach (groups, i, item) {
		json_int_t gid = json_is_integer(item) ? json_integer_value(item) : -1;

		if (gid < 0 || gid >= UINT32_MAX)
			return error_set(err, EINVAL, "%s: additionalGids must be group ids", what);
		p->groups[p->nr_groups++] = (gid_t)gid;
	}
	return 0;
}

static int read_process(const json_t *document, struct container_config *c, struct error *err)
{
	static const char what[] = "config.json: process";
	struct container_process *p = &c->process;
	json_t *process = NULL, *size = NULL;
	uint32_t rows = 0, columns = 0;
	int64_t adj = INT64_MIN;
	int r;

	r = json_get_object(document, "process", &process, "config.json", err);
	if (r < 0 || !process)
		return r;
	if ((r = read_user(process, p, err)) < 0 || (r = read_capabilities(process, p, err)) < 0 ||
		(r = read_rlimits(process, p, err)) < 0 ||
		(r = json_get_int(process, "oomScoreAdj", &adj, what, err)) < 0 ||
		(r = json_get_object(process, "consoleSize", &size, what, err)) < 0)
		return r;
	if (size &&
		((r = read_u32(size, "height", UINT16_MAX, &rows, what, err)) < 0 ||
			(r = read_u32(size, "width", UINT16_MAX, &columns, what, err)) < 0))
		return r;
	p->rows = (uint16_t)rows;
	p->columns = (uint16_t)columns;
	p->has_oom_score_adj = adj != INT64_MIN;
	if (p->has_oom_score_adj && (adj < -1000 || adj > 1000))
		return error_set(err, ERANGE, "%s: oomScoreAdj must be in -1000..1000", what);
	p->oom_score_adj = p->has_oom_score_adj ? (int)adj : 0;
	return 0;
}

static int read_sysctls(const json_t *linux_json, struct container_config *c, struct error *err)
{
	json_t *map = NULL, *value;
	const char *key;
	int r;

	r = json_get_object(linux_json, "sysctl", &map, "config.json: linux", err);
	if (r < 0 || !json_object_size(map))
		return r;
	c->sysctls = calloc(json_object_size(map), sizeof(*c->sysctls));
	if (!c->sysctls)
		return error_oom(err);
	json_object_foreach (map, key, value) {
		struct container_key_value *sysctl = &c->sysctls[c->nr_sysctls++];

		if (!json_is_string(value))
			return error_set(err, EINVAL, "config.json: sysctl must map to strings");
		sysctl->key = strdup(key);
		sysctl->value = strdup(json_string_value(value));
		if (!sysctl->key || !sysctl->value)
			return error_oom(err);
	}
	return 0;
}

static int read_time_offset(
	const json_t *offsets, const char *clock, int64_t *ret_seconds, struct error *err)
{
	json_t *offset = NULL;
	int64_t nanoseconds = 0;
	int r;

	r = json_get_object(offsets, clock, &offset, "config.json: timeOffsets", err);
	if (r < 0 || !offset)
		return r;
	if ((r = json_get_int(offset, "secs", ret_seconds, clock, err)) < 0 ||
		(r = json_get_int(offset, "nanosecs", &nanoseconds, clock, err)) < 0)
		return r;
	if (nanoseconds)
		return error_set(err, ENOTSUP,
			"config.json: strata does not implement \"nanosecs\" of timeOffsets");
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

static int read_linux(const json_t *linux_json, struct container_config *c, struct error *err)
{
	static const char what[] = "config.json: linux";
	json_t *resources = NULL, *block_io = NULL, *offsets = NULL;
	int r;

	if ((r = read_namespaces(linux_json, c, err)) < 0 ||
		(r = read_id_map(linux_json, "uidMappings", &c->id_maps.uid, &c->id_maps.nr_uid,
			 err)) < 0 ||
		(r = read_id_map(linux_json, "gidMappings", &c->id_maps.gid, &c->id_maps.nr_gid,
			 err)) < 0 ||
		(r = read_devices(linux_json, c, err)) < 0 ||
		(r = read_sysctls(linux_json, c, err)) < 0 ||
		(r = json_get_object(linux_json, "resources", &resources, what, err)) < 0 ||
		(r = json_get_object(linux_json, "timeOffsets", &offsets, what, err)) < 0)
		return r;
	/* Written without newuidmap only when it is one's own id alone. */
	c->id_maps.single = c->id_maps.nr_uid == 1 && c->id_maps.uid[0].count == 1;
	if (resources &&
		((r = read_device_rules(resources, &c->limits, err)) < 0 ||
			(r = json_get_object(resources, "blockIO", &block_io, what, err)) < 0 ||
			(block_io && (r = read_throttles(block_io, &c->limits, err)) < 0)))
		return r;
	if (!offsets)
		return 0;
	c->has_time_offsets = true;
	r = read_time_offset(offsets, "monotonic", &c->monotonic_offset_s, err);
	if (r < 0)
		return r;
	return read_time_offset(offsets, "boottime", &c->boottime_offset_s, err);
}

static int parse(const json_t *document, struct container_config *c, struct error *err)
{
	json_t *linux_json = NULL;
	int r;

	if ((r = refuse_unsupported(document, err)) < 0 ||
		(r = read_objects(document, c, err)) < 0 ||
		(r = read_process(document, c, err)) < 0 ||
		(r = read_mounts(document, c, err)) < 0 ||
		(r = json_get_object(document, "linux", &linux_json, "config.json", err)) < 0 ||
		(linux_json && (r = read_linux(linux_json, c, err)) < 0) ||
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
