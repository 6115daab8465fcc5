/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config-write.c - struct container_config -> config.json (OCI runtime-spec 1.2).
 *
 * Streams into one buffer: this runs on every `create`. The default seccomp profile is written as
 * its name in the object "strata", not as its four hundred system calls.
 */
#include "container/config-write.h"

#include "base/str.h"

static void write_field(
	struct json_writer *w, const struct config_field *field, const struct container_config *c)
{
	const void *member = (const char *)c + field->offset;

	switch (field->kind) {
	case CONFIG_STRING:
		json_write_string(w, field->name, *(char *const *)member);
		break;
	case CONFIG_BOOL:
		if (*(const bool *)member)
			json_write_bool(w, field->name, true);
		break;
	case CONFIG_I64:
	case CONFIG_UNSIGNED:
	case CONFIG_UNSIGNED_32:
	case CONFIG_UNSIGNED_16:
		if (*(const int64_t *)member != CGROUP_UNSET)
			json_write_int(w, field->name, *(const int64_t *)member);
		break;
	case CONFIG_ID:
		json_write_uint(w, field->name, *(const uint32_t *)member);
		break;
	case CONFIG_STRV:
		json_write_strv(w, field->name, *(char **const *)member);
		break;
	case CONFIG_MAP:
		json_write_map(w, field->name, *(char **const *)member);
		break;
	case CONFIG_KIND_COUNT:
		break;
	}
}

void config_write_fields(
	struct json_writer *w, enum config_object_id id, const struct container_config *c)
{
	const struct config_object *object = &config_objects[id];

	for (size_t i = 0; i < object->nr_fields; i++)
		write_field(w, &object->fields[i], c);
}

static void write_id_map(
	struct json_writer *w, const char *name, const struct userns_map *maps, size_t count)
{
	if (!count)
		return;
	json_begin_array(w, name);
	for (size_t i = 0; i < count; i++) {
		json_begin_object(w, NULL);
		json_write_uint(w, "containerID", maps[i].inside);
		json_write_uint(w, "hostID", maps[i].outside);
		json_write_uint(w, "size", maps[i].count);
		json_end_object(w);
	}
	json_end_array(w);
}

static void write_id_maps(struct json_writer *w, const struct userns_maps *maps)
{
	write_id_map(w, "uidMappings", maps->uid, maps->nr_uid);
	write_id_map(w, "gidMappings", maps->gid, maps->nr_gid);
}

static void write_mounts(struct json_writer *w, const struct container_config *c)
{
	json_begin_array(w, "mounts");
	for (size_t i = 0; i < c->nr_mounts; i++) {
		json_begin_object(w, NULL);
		json_write_string(w, "destination", c->mounts[i].destination);
		json_write_string(w, "type", c->mounts[i].type);
		json_write_string(w, "source", c->mounts[i].source);
		json_write_strv(w, "options", c->mounts[i].options);
		write_id_maps(w, &c->mounts[i].id_maps);
		json_end_object(w);
	}
	json_end_array(w);
}

static void write_namespaces(struct json_writer *w, const struct container_config *c)
{
	json_begin_array(w, "namespaces");
	for (int i = 0; i < CONTAINER_NS_COUNT; i++) {
		if (!c->namespaces[i].wanted)
			continue;
		json_begin_object(w, NULL);
		json_write_string(w, "type", config_namespace_names[i]);
		json_write_string(w, "path", c->namespaces[i].path);
		json_end_object(w);
	}
	json_end_array(w);
}

static void write_devices(struct json_writer *w, const struct container_config *c)
{
	if (!c->nr_devices)
		return;
	json_begin_array(w, "devices");
	for (size_t i = 0; i < c->nr_devices; i++) {
		const struct container_device *device = &c->devices[i];
		const char type[2] = { device->type, '\0' };

		json_begin_object(w, NULL);
		json_write_string(w, "path", device->path);
		json_write_string(w, "type", type);
		json_write_uint(w, "major", device->major);
		json_write_uint(w, "minor", device->minor);
		json_write_uint(w, "fileMode", device->mode);
		json_write_uint(w, "uid", device->uid);
		json_write_uint(w, "gid", device->gid);
		json_end_object(w);
	}
	json_end_array(w);
}

static void write_sysctls(struct json_writer *w, const struct container_config *c)
{
	if (!c->nr_sysctls)
		return;
	json_begin_object(w, "sysctl");
	for (size_t i = 0; i < c->nr_sysctls; i++)
		json_write_string(w, c->sysctls[i].key, c->sysctls[i].value);
	json_end_object(w);
}

static void write_net_devices(struct json_writer *w, const struct container_config *c)
{
	if (!c->nr_net_devices)
		return;
	json_begin_object(w, "netDevices");
	for (size_t i = 0; i < c->nr_net_devices; i++) {
		const char *name = c->net_devices[i].value;

		json_begin_object(w, c->net_devices[i].key);
		json_write_string(w, "name", *name ? name : NULL);
		json_end_object(w);
	}
	json_end_object(w);
}

static void write_time_offset(
	struct json_writer *w, const char *clock, int64_t seconds, uint32_t nanoseconds)
{
	json_begin_object(w, clock);
	json_write_int(w, "secs", seconds);
	if (nanoseconds)
		json_write_uint(w, "nanosecs", nanoseconds);
	json_end_object(w);
}

static void write_time_offsets(struct json_writer *w, const struct container_config *c)
{
	if (!c->has_time_offsets)
		return;
	json_begin_object(w, "timeOffsets");
	write_time_offset(w, "monotonic", c->monotonic_offset_s, c->monotonic_offset_ns);
	write_time_offset(w, "boottime", c->boottime_offset_s, c->boottime_offset_ns);
	json_end_object(w);
}

static void write_personality(struct json_writer *w, const struct container_config *c)
{
	if (!c->has_personality)
		return;
	json_begin_object(w, "personality");
	json_write_string(w, "domain",
		config_word_of(
			config_personalities, CONFIG_PERSONALITIES, (int64_t)c->personality));
	json_end_object(w);
}

static void write_linux(struct json_writer *w, const struct container_config *c)
{
	json_begin_object(w, "linux");
	config_write_fields(w, CONFIG_LINUX, c);
	write_namespaces(w, c);
	write_id_maps(w, &c->id_maps);
	write_devices(w, c);
	config_write_resources(w, c);
	write_sysctls(w, c);
	write_net_devices(w, c);
	write_time_offsets(w, c);
	write_personality(w, c);
	if (c->intel_rdt.wanted) {
		json_begin_object(w, "intelRdt");
		config_write_fields(w, CONFIG_INTEL_RDT, c);
		json_end_object(w);
	}
	if (c->seccomp.kind == SECCOMP_CUSTOM)
		json_write_raw(w, "seccomp", c->seccomp.profile);
	json_end_object(w);
}

static void write_hook(struct json_writer *w, const struct container_hook *hook)
{
	json_begin_object(w, NULL);
	json_write_string(w, "path", hook->path);
	json_write_strv(w, "args", hook->args);
	if (!hook->inherits_env) {
		json_begin_array(w, "env");
		strv_for_each (variable, hook->env)
			json_write_string(w, NULL, *variable);
		json_end_array(w);
	}
	if (hook->timeout_s)
		json_write_int(w, "timeout", hook->timeout_s);
	json_end_object(w);
}

static void write_hooks(struct json_writer *w, const struct container_config *c)
{
	size_t count = 0;

	for (int kind = 0; kind < CONTAINER_HOOK_COUNT; kind++)
		count += c->hooks[kind].count;
	if (!count)
		return;
	json_begin_object(w, "hooks");
	for (int kind = 0; kind < CONTAINER_HOOK_COUNT; kind++) {
		if (!c->hooks[kind].count)
			continue;
		json_begin_array(w, config_hook_names[kind]);
		for (size_t i = 0; i < c->hooks[kind].count; i++)
			write_hook(w, &c->hooks[kind].hooks[i]);
		json_end_array(w);
	}
	json_end_object(w);
}

char *container_config_write(const struct container_config *config)
{
	struct json_writer w = { 0 };

	json_begin_object(&w, NULL);
	json_write_string(&w, "ociVersion", CONTAINER_SPEC_VERSION);
	config_write_fields(&w, CONFIG_TOP, config);
	json_begin_object(&w, "root");
	config_write_fields(&w, CONFIG_ROOT, config);
	json_end_object(&w);
	config_write_process(&w, config);
	write_mounts(&w, config);
	write_hooks(&w, config);
	write_linux(&w, config);
	json_begin_object(&w, "strata");
	config_write_fields(&w, CONFIG_STRATA, config);
	if (config->seccomp.kind == SECCOMP_DEFAULT)
		json_write_string(&w, "seccomp", "default");
	json_end_object(&w);
	json_end_object(&w);
	return json_writer_finish(&w);
}
