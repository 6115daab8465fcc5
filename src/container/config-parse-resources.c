/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config-parse-resources.c - the object "linux.resources" of config.json (runtime-spec
 * config-linux.md, "Control groups").
 */
#include "container/config-read.h"

#include "base/str.h"

static int read_device_rules(
	const json_t *resources, struct cgroup_limits *limits, struct error *err)
{
	static const char what[] = "config.json: linux.resources.devices";
	json_t *array = NULL, *item;
	size_t i;
	int r;

	r = config_open_list(resources, "devices", sizeof(*limits->device_rules), &array,
		&limits->device_rules, &limits->nr_device_rules, err);
	if (r < 0)
		return r;
	json_array_foreach (array, i, item) {
		struct cgroup_device_rule *rule = &limits->device_rules[i];
		const char *access = "rwm";

		rule->type = 'a';
		rule->major = rule->minor = -1;
		if ((r = json_get_bool(item, "allow", &rule->allow, what, err)) < 0 ||
			(r = config_read_device_type(item, "abcu", &rule->type, err)) < 0 ||
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
		if (json_array_size(array) > CONFIG_LIST_MAX)
			return error_set(err, E2BIG, "config.json: %s is too long", name);
		json_array_foreach (array, i, item) {
			uint32_t major = 0, minor = 0;
			int64_t rate = 0;
			struct cgroup_throttle *t;

			if ((r = config_read_u32(item, "major", UINT32_MAX, &major, name, err)) <
					0 ||
				(r = config_read_u32(
					 item, "minor", UINT32_MAX, &minor, name, err)) < 0 ||
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

int config_parse_resources(const json_t *resources, struct cgroup_limits *limits, struct error *err)
{
	json_t *block_io = NULL;
	int r;

	if ((r = read_device_rules(resources, limits, err)) < 0 ||
		(r = json_get_object(
			 resources, "blockIO", &block_io, "config.json: linux.resources", err)) < 0)
		return r;
	return block_io ? read_throttles(block_io, limits, err) : 0;
}
