/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config-parse-linux.c - the object "linux" of config.json (runtime-spec config-linux.md), but for
 * its "resources" and "seccomp".
 */
#include "container/config-read.h"

#include "base/str.h"

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
		r = config_read_string(item, "path", &c->namespaces[n].path, what, err);
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

	r = config_open_list(linux_json, name, sizeof(**maps), &array, maps, count, err);
	if (r < 0)
		return r;
	json_array_foreach (array, i, item) {
		struct userns_map *map = &(*maps)[i];

		if ((r = config_read_u32(
			     item, "containerID", UINT32_MAX, &map->inside, name, err)) < 0 ||
			(r = config_read_u32(
				 item, "hostID", UINT32_MAX, &map->outside, name, err)) < 0 ||
			(r = config_read_u32(item, "size", UINT32_MAX, &map->count, name, err)) < 0)
			return r;
	}
	return 0;
}

static int read_devices(const json_t *linux_json, struct container_config *c, struct error *err)
{
	static const char what[] = "config.json: linux.devices";
	json_t *array = NULL, *item;
	size_t i;
	int r;

	r = config_open_list(linux_json, "devices", sizeof(*c->devices), &array, &c->devices,
		&c->nr_devices, err);
	if (r < 0)
		return r;
	json_array_foreach (array, i, item) {
		struct container_device *d = &c->devices[i];

		d->type = 'c';
		d->mode = 0666;
		if ((r = config_read_string(item, "path", &d->path, what, err)) < 0 ||
			(r = config_read_device_type(item, "cubp", &d->type, err)) < 0 ||
			(r = config_read_u32(item, "major", UINT32_MAX, &d->major, what, err)) <
				0 ||
			(r = config_read_u32(item, "minor", UINT32_MAX, &d->minor, what, err)) <
				0 ||
			(r = config_read_u32(item, "fileMode", 0177777, &d->mode, what, err)) < 0 ||
			(r = config_read_u32(item, "uid", UINT32_MAX - 1, &d->uid, what, err)) <
				0 ||
			(r = config_read_u32(item, "gid", UINT32_MAX - 1, &d->gid, what, err)) < 0)
			return r;
		d->mode &= 07777;
		if (!d->path)
			return error_set(err, EINVAL, "%s: a device has no path", what);
	}
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

int config_parse_linux(const json_t *linux_json, struct container_config *c, struct error *err)
{
	static const char what[] = "config.json: linux";
	json_t *resources = NULL, *offsets = NULL;
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
	if (resources && (r = config_parse_resources(resources, &c->limits, err)) < 0)
		return r;
	if (!offsets)
		return 0;
	c->has_time_offsets = true;
	r = read_time_offset(offsets, "monotonic", &c->monotonic_offset_s, err);
	if (r < 0)
		return r;
	return read_time_offset(offsets, "boottime", &c->boottime_offset_s, err);
}
