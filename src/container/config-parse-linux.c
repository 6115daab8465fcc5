/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config-parse-linux.c - the object "linux" of config.json (runtime-spec config-linux.md), but for
 * its "resources" and "seccomp".
 */
#include "container/config-read.h"

#include <net/if.h>

#include "base/str.h"

#define WHAT "config.json: linux"

struct namespace_item {
	int64_t which;
	char *path;
};

static int read_namespace(const json_t *json, void *item, const char *what, struct error *err)
{
	struct namespace_item *ns = item;
	const char *type = "", *path = NULL;
	int r;

	if ((r = json_get_string(json, "type", &type, what, err)) < 0 ||
		(r = json_get_string(json, "path", &path, what, err)) < 0)
		return r;
	for (ns->which = 0; ns->which < CONTAINER_NS_COUNT; ns->which++)
		if (streq(config_namespace_names[ns->which], type))
			break;
	if (ns->which == CONTAINER_NS_COUNT)
		return error_set(err, EINVAL, "%s: there is no namespace \"%s\"", what, type);
	/* An empty path is none, as in Go. */
	if (path && *path && path[0] != '/')
		return error_set(err, EINVAL, "%s: path \"%s\" is not absolute", what, path);
	/* Borrowed from the document. */
	ns->path = path && *path ? (char *)(uintptr_t)path : NULL;
	return 0;
}

static int read_namespaces(const json_t *linux_json, struct container_config *c, struct error *err)
{
	_cleanup_free_ struct namespace_item *items = NULL;
	size_t count = 0;
	int r;

	r = config_read_list(linux_json, "namespaces", read_namespace, sizeof(*items), &items,
		&count, WHAT, err);
	for (size_t i = 0; r == 0 && i < count; i++) {
		struct container_namespace_config *ns = &c->namespaces[items[i].which];

		if (ns->wanted)
			return error_set(err, EINVAL, WHAT ".namespaces: \"%s\" is named twice",
				config_namespace_names[items[i].which]);
		ns->wanted = true;
		ns->path = items[i].path ? strdup(items[i].path) : NULL;
		if (items[i].path && !ns->path)
			return error_oom(err);
	}
	return r;
}

static int read_device(const json_t *json, void *item, const char *what, struct error *err)
{
	struct container_device *d = item;
	int r;

	d->type = 'c';
	d->mode = 0666;
	if ((r = config_need_string(json, "path", &d->path, what, err)) < 0 ||
		(r = config_read_device_type(json, "cubp", &d->type, what, err)) < 0 ||
		(r = config_read_u32(json, "major", UINT32_MAX, &d->major, what, err)) < 0 ||
		(r = config_read_u32(json, "minor", UINT32_MAX, &d->minor, what, err)) < 0 ||
		(r = config_read_u32(json, "fileMode", 0177777, &d->mode, what, err)) < 0 ||
		(r = config_read_u32(json, "uid", UINT32_MAX - 1, &d->uid, what, err)) < 0 ||
		(r = config_read_u32(json, "gid", UINT32_MAX - 1, &d->gid, what, err)) < 0)
		return r;
	d->mode &= 07777;
	return 0;
}

/* Room for a pair more for every member of a map; an empty map needs none. */
static int open_pairs(const json_t *map, struct container_key_value **ret, struct error *err)
{
	if (json_object_size(map) == 0)
		return 0;
	*ret = calloc(json_object_size(map), sizeof(**ret));
	return *ret ? 0 : error_oom(err);
}

static int set_pair(
	struct container_key_value *pair, const char *key, const char *value, struct error *err)
{
	pair->key = strdup(key);
	pair->value = strdup(value);
	return pair->key && pair->value ? 0 : error_oom(err);
}

static int read_sysctls(const json_t *linux_json, struct container_config *c, struct error *err)
{
	json_t *map = NULL, *value;
	const char *key;
	int r;

	r = json_get_object(linux_json, "sysctl", &map, WHAT, err);
	if (r < 0 || (r = open_pairs(map, &c->sysctls, err)) < 0)
		return r;
	json_object_foreach (map, key, value) {
		if (!json_is_string(value))
			return error_set(err, EINVAL, WHAT ".sysctl: %s must be a string", key);
		r = set_pair(&c->sysctls[c->nr_sysctls++], key, json_string_value(value), err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* As the kernel has it (dev_valid_name()); "%d" is a number of its choice. */
static bool is_interface_name(const char *name)
{
	return *name && strlen(name) < IFNAMSIZ && !streq(name, ".") && !streq(name, "..") &&
		!strpbrk(name, "/: \t\n");
}

static int read_net_devices(const json_t *linux_json, struct container_config *c, struct error *err)
{
	json_t *map = NULL, *value;
	const char *device;
	int r;

	r = json_get_object(linux_json, "netDevices", &map, WHAT, err);
	if (r < 0 || (r = open_pairs(map, &c->net_devices, err)) < 0)
		return r;
	json_object_foreach (map, device, value) {
		const char *name = "";

		r = json_get_string(value, "name", &name, WHAT ".netDevices", err);
		if (r == 0 && (!is_interface_name(device) || (*name && !is_interface_name(name))))
			r = error_set(err, EINVAL,
				WHAT ".netDevices: \"%s\" is no name of an interface",
				is_interface_name(device) ? name : device);
		if (r == 0)
			r = set_pair(&c->net_devices[c->nr_net_devices++], device, name, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_time_offset(const json_t *offsets, const char *clock, int64_t *ret_seconds,
	uint32_t *ret_nanoseconds, struct error *err)
{
	json_t *offset = NULL;
	int r;

	r = json_get_object(offsets, clock, &offset, WHAT ".timeOffsets", err);
	if (r < 0 || !offset)
		return r;
	r = json_get_int(offset, "secs", ret_seconds, WHAT ".timeOffsets", err);
	return r < 0 ? r
		     : config_read_u32(offset, "nanosecs", 999999999, ret_nanoseconds,
			       WHAT ".timeOffsets", err);
}

static int read_time_offsets(
	const json_t *linux_json, struct container_config *c, struct error *err)
{
	json_t *offsets = NULL;
	int r;

	r = json_get_object(linux_json, "timeOffsets", &offsets, WHAT, err);
	if (r < 0 || !offsets)
		return r;
	c->has_time_offsets = true;
	r = read_time_offset(
		offsets, "monotonic", &c->monotonic_offset_s, &c->monotonic_offset_ns, err);
	return r < 0 ? r
		     : read_time_offset(offsets, "boottime", &c->boottime_offset_s,
			       &c->boottime_offset_ns, err);
}

static int read_personality(const json_t *linux_json, struct container_config *c, struct error *err)
{
	static const char what[] = WHAT ".personality";
	_cleanup_strv_ char **flags = NULL;
	json_t *object = NULL;
	int64_t domain = -1;
	int r;

	r = json_get_object(linux_json, "personality", &object, WHAT, err);
	if (r < 0 || !object)
		return r;
	if ((r = config_read_word(object, "domain", config_personalities, CONFIG_PERSONALITIES,
		     &domain, what, err)) < 0 ||
		(r = json_get_strv(object, "flags", &flags, what, err)) < 0)
		return r;
	if (domain < 0)
		return error_set(err, EINVAL, "%s: domain is missing", what);
	/* "Currently no flag values are supported." */
	if (strv_length(flags))
		return error_set(err, EINVAL, "%s: there is no flag \"%s\"", what, flags[0]);
	c->has_personality = true;
	c->personality = (unsigned long)domain;
	return 0;
}

/* Each is a line of the file it is written to. */
static int check_rdt_line(const char *name, const char *line, struct error *err)
{
	if (line && strchr(line, '\n'))
		return error_set(err, EINVAL, WHAT ".intelRdt: %s has more than one line", name);
	return 0;
}

static int read_intel_rdt(const json_t *linux_json, struct container_config *c, struct error *err)
{
	struct container_intel_rdt *rdt = &c->intel_rdt;
	json_t *object = NULL;
	int r;

	r = json_get_object(linux_json, "intelRdt", &object, WHAT, err);
	if (r < 0 || !object)
		return r;
	rdt->wanted = true;
	if ((r = check_rdt_line("l3CacheSchema", rdt->l3_cache_schema, err)) < 0 ||
		(r = check_rdt_line("memBwSchema", rdt->memory_bandwidth_schema, err)) < 0)
		return r;
	strv_for_each (line, rdt->schemata) {
		r = check_rdt_line("schemata", *line, err);
		if (r < 0)
			return r;
	}
	if (rdt->memory_bandwidth_schema && !str_after_prefix(rdt->memory_bandwidth_schema, "MB:"))
		return error_set(
			err, EINVAL, WHAT ".intelRdt: memBwSchema must begin with \"MB:\"");
	if (rdt->clos_id &&
		(strchr(rdt->clos_id, '/') ? !streq(rdt->clos_id, "/") : rdt->clos_id[0] == '.'))
		return error_set(err, EINVAL, WHAT ".intelRdt: closID \"%s\" is not a file's name",
			rdt->clos_id);
	return 0;
}

static int read_id_maps(const json_t *linux_json, struct container_config *c, struct error *err)
{
	struct userns_maps *maps = &c->id_maps;
	int r;

	r = config_read_list(linux_json, "uidMappings", config_read_id_map, sizeof(*maps->uid),
		&maps->uid, &maps->nr_uid, WHAT, err);
	if (r == 0)
		r = config_read_list(linux_json, "gidMappings", config_read_id_map,
			sizeof(*maps->gid), &maps->gid, &maps->nr_gid, WHAT, err);
	/* Written without newuidmap only when it is one's own id alone. */
	maps->single = maps->nr_uid == 1 && maps->uid[0].count == 1;
	return r;
}

int config_parse_linux(const json_t *linux_json, struct container_config *c, struct error *err)
{
	json_t *resources = NULL;
	int r;

	if ((r = read_namespaces(linux_json, c, err)) < 0 ||
		(r = read_id_maps(linux_json, c, err)) < 0 ||
		(r = config_read_list(linux_json, "devices", read_device, sizeof(*c->devices),
			 &c->devices, &c->nr_devices, WHAT, err)) < 0 ||
		(r = read_sysctls(linux_json, c, err)) < 0 ||
		(r = read_net_devices(linux_json, c, err)) < 0 ||
		(r = read_time_offsets(linux_json, c, err)) < 0 ||
		(r = read_personality(linux_json, c, err)) < 0 ||
		(r = read_intel_rdt(linux_json, c, err)) < 0 ||
		(r = json_get_object(linux_json, "resources", &resources, WHAT, err)) < 0)
		return r;
	return resources ? config_parse_resources(resources, &c->limits, err) : 0;
}
