/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config-write.c - struct container_config -> config.json (OCI runtime-spec 1.2).
 *
 * Streams into one buffer: this runs on every `create`. The default seccomp profile is written as
 * its name in the object "strata", not as its four hundred system calls.
 */
#include "container/config-fields.h"

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

static void write_fields(
	struct json_writer *w, enum config_object_id id, const struct container_config *c)
{
	const struct config_object *object = &config_objects[id];

	for (size_t i = 0; i < object->nr_fields; i++)
		write_field(w, &object->fields[i], c);
}

static void write_capabilities(struct json_writer *w, const struct container_process *process)
{
	json_begin_object(w, "capabilities");
	for (size_t i = 0; i < CONFIG_CAPABILITY_SETS; i++) {
		const struct config_capability_set *set = &config_capability_sets[i];
		uint64_t bits = *(const uint64_t *)((const char *)process + set->offset);

		if (!bits)
			continue;
		json_begin_array(w, set->name);
		for (int n = 0; n < CONTAINER_CAPABILITY_COUNT; n++) {
			const char *name = bits >> n & 1 ? container_capability_name(n) : NULL;

			if (name)
				json_write_string(w, NULL, name);
		}
		json_end_array(w);
	}
	json_end_object(w);
}

static void write_user(struct json_writer *w, const struct container_config *c)
{
	json_begin_object(w, "user");
	write_fields(w, CONFIG_USER, c);
	if (c->process.umask >= 0)
		json_write_int(w, "umask", c->process.umask);
	if (c->process.nr_groups) {
		json_begin_array(w, "additionalGids");
		for (size_t i = 0; i < c->process.nr_groups; i++)
			json_write_uint(w, NULL, c->process.groups[i]);
		json_end_array(w);
	}
	json_end_object(w);
}

/* A limit without end is 2^64-1 in the spec, which JSON readers with 64-bit signed integers (ours
 * too) cannot take: the largest they can stands for it. */
static void write_limit(struct json_writer *w, const char *name, uint64_t value)
{
	json_write_uint(w, name, value > INT64_MAX ? INT64_MAX : value);
}

static void write_process(struct json_writer *w, const struct container_config *c)
{
	const struct container_process *p = &c->process;

	json_begin_object(w, "process");
	write_fields(w, CONFIG_PROCESS, c);
	if (p->rows || p->columns) {
		json_begin_object(w, "consoleSize");
		json_write_uint(w, "height", p->rows);
		json_write_uint(w, "width", p->columns);
		json_end_object(w);
	}
	write_user(w, c);
	write_capabilities(w, p);
	if (p->nr_rlimits)
		json_begin_array(w, "rlimits");
	for (size_t i = 0; i < p->nr_rlimits; i++) {
		json_begin_object(w, NULL);
		json_write_string(w, "type", config_rlimit_name(p->rlimits[i].resource));
		write_limit(w, "soft", p->rlimits[i].soft);
		write_limit(w, "hard", p->rlimits[i].hard);
		json_end_object(w);
	}
	if (p->nr_rlimits)
		json_end_array(w);
	if (p->has_oom_score_adj)
		json_write_int(w, "oomScoreAdj", p->oom_score_adj);
	json_end_object(w);
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

static void write_device_rules(struct json_writer *w, const struct cgroup_limits *limits)
{
	if (!limits->nr_device_rules)
		return;
	json_begin_array(w, "devices");
	for (size_t i = 0; i < limits->nr_device_rules; i++) {
		const struct cgroup_device_rule *rule = &limits->device_rules[i];
		const char type[2] = { rule->type, '\0' };

		json_begin_object(w, NULL);
		json_write_bool(w, "allow", rule->allow);
		json_write_string(w, "type", type);
		if (rule->major >= 0)
			json_write_int(w, "major", rule->major);
		if (rule->minor >= 0)
			json_write_int(w, "minor", rule->minor);
		json_write_string(w, "access", rule->access);
		json_end_object(w);
	}
	json_end_array(w);
}

static void write_throttles(struct json_writer *w, const struct cgroup_limits *limits)
{
	for (size_t list = 0; list < CONFIG_THROTTLE_LISTS; list++) {
		bool open = false;

		for (size_t i = 0; i < limits->nr_throttles; i++) {
			const struct cgroup_throttle *t = &limits->throttles[i];
			int64_t rate = *(const int64_t *)((const char *)t +
				config_throttle_lists[list].offset);

			if (rate == CGROUP_UNSET)
				continue;
			if (!open)
				json_begin_array(w, config_throttle_lists[list].name);
			open = true;
			json_begin_object(w, NULL);
			json_write_uint(w, "major", t->major);
			json_write_uint(w, "minor", t->minor);
			json_write_int(w, "rate", rate);
			json_end_object(w);
		}
		if (open)
			json_end_array(w);
	}
}

static void write_resources(struct json_writer *w, const struct container_config *c)
{
	json_begin_object(w, "resources");
	write_device_rules(w, &c->limits);
	json_begin_object(w, "memory");
	write_fields(w, CONFIG_MEMORY, c);
	json_end_object(w);
	json_begin_object(w, "cpu");
	write_fields(w, CONFIG_CPU, c);
	json_end_object(w);
	if (c->limits.pids != CGROUP_UNSET) {
		json_begin_object(w, "pids");
		write_fields(w, CONFIG_PIDS, c);
		json_end_object(w);
	}
	json_begin_object(w, "blockIO");
	write_fields(w, CONFIG_BLOCK_IO, c);
	write_throttles(w, &c->limits);
	json_end_object(w);
	write_fields(w, CONFIG_UNIFIED, c);
	json_end_object(w);
}

static void write_time_offset(struct json_writer *w, const char *clock, int64_t seconds)
{
	json_begin_object(w, clock);
	json_write_int(w, "secs", seconds);
	json_end_object(w);
}

static void write_linux(struct json_writer *w, const struct container_config *c)
{
	json_begin_object(w, "linux");
	write_fields(w, CONFIG_LINUX, c);
	write_namespaces(w, c);
	write_id_map(w, "uidMappings", c->id_maps.uid, c->id_maps.nr_uid);
	write_id_map(w, "gidMappings", c->id_maps.gid, c->id_maps.nr_gid);
	write_devices(w, c);
	write_resources(w, c);
	if (c->nr_sysctls) {
		json_begin_object(w, "sysctl");
		for (size_t i = 0; i < c->nr_sysctls; i++)
			json_write_string(w, c->sysctls[i].key, c->sysctls[i].value);
		json_end_object(w);
	}
	if (c->has_time_offsets) {
		json_begin_object(w, "timeOffsets");
		write_time_offset(w, "monotonic", c->monotonic_offset_s);
		write_time_offset(w, "boottime", c->boottime_offset_s);
		json_end_object(w);
	}
	if (c->seccomp.kind == SECCOMP_CUSTOM)
		json_write_raw(w, "seccomp", c->seccomp.profile);
	json_end_object(w);
}

char *container_config_write(const struct container_config *config)
{
	struct json_writer w = { 0 };

	json_begin_object(&w, NULL);
	json_write_string(&w, "ociVersion", "1.2.0");
	write_fields(&w, CONFIG_TOP, config);
	json_begin_object(&w, "root");
	write_fields(&w, CONFIG_ROOT, config);
	json_end_object(&w);
	write_process(&w, config);
	write_mounts(&w, config);
	write_linux(&w, config);
	json_begin_object(&w, "strata");
	write_fields(&w, CONFIG_STRATA, config);
	if (config->seccomp.kind == SECCOMP_DEFAULT)
		json_write_string(&w, "seccomp", "default");
	json_end_object(&w);
	json_end_object(&w);
	return json_writer_finish(&w);
}
