/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config-parse-resources.c - the object "linux.resources" of config.json (runtime-spec
 * config-linux.md, "Control groups"): what is not one number, which config-fields.c has.
 */
#include "container/config-read.h"

#include "base/str.h"

#define WHAT "config.json: linux.resources"

static int read_device_rule(const json_t *json, void *item, const char *what, struct error *err)
{
	struct cgroup_device_rule *rule = item;
	const char *access = "rwm";
	int r;

	rule->type = 'a';
	rule->major = rule->minor = -1;
	if ((r = json_get_bool(json, "allow", &rule->allow, what, err)) < 0 ||
		(r = config_read_device_type(json, "abcu", &rule->type, what, err)) < 0 ||
		(r = config_read_int(json, "major", -1, UINT32_MAX, &rule->major, what, err)) < 0 ||
		(r = config_read_int(json, "minor", -1, UINT32_MAX, &rule->minor, what, err)) < 0 ||
		(r = json_get_string(json, "access", &access, what, err)) < 0)
		return r;
	if (strlen(access) > 3 || strspn(access, "rwm") != strlen(access))
		return error_set(err, EINVAL, "%s: access \"%s\" is not of \"rwm\"", what, access);
	memcpy(rule->access, access, strlen(access) + 1);
	return 0;
}

/* --- block devices ---------------------------------------------------------------------------- */

static int read_device_weight(const json_t *json, void *item, const char *what, struct error *err)
{
	struct cgroup_device_weight *w = item;
	int r;

	w->weight = w->leaf_weight = CGROUP_UNSET;
	if ((r = config_read_u32(json, "major", UINT32_MAX, &w->major, what, err)) < 0 ||
		(r = config_read_u32(json, "minor", UINT32_MAX, &w->minor, what, err)) < 0 ||
		(r = config_read_int(json, "weight", 0, UINT16_MAX, &w->weight, what, err)) < 0 ||
		(r = config_read_int(
			 json, "leafWeight", 0, UINT16_MAX, &w->leaf_weight, what, err)) < 0)
		return r;
	if (w->weight == CGROUP_UNSET && w->leaf_weight == CGROUP_UNSET)
		return error_set(err, EINVAL, "%s: neither weight nor leafWeight is given", what);
	return 0;
}

/* One entry of one of the four lists. */
struct rate {
	uint32_t major, minor;
	int64_t rate;
};

static int read_rate(const json_t *json, void *item, const char *what, struct error *err)
{
	struct rate *rate = item;
	int r;

	if ((r = config_read_u32(json, "major", UINT32_MAX, &rate->major, what, err)) < 0 ||
		(r = config_read_u32(json, "minor", UINT32_MAX, &rate->minor, what, err)) < 0)
		return r;
	return config_read_int(json, "rate", 0, INT64_MAX, &rate->rate, what, err);
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

static int read_throttles(const json_t *block_io, const struct config_throttle_list *list,
	struct cgroup_limits *limits, struct error *err)
{
	_cleanup_free_ struct rate *rates = NULL;
	size_t count = 0;
	int r;

	r = config_read_list(block_io, list->name, read_rate, sizeof(*rates), &rates, &count,
		WHAT ".blockIO", err);
	for (size_t i = 0; r == 0 && i < count; i++) {
		struct cgroup_throttle *t = throttle_of(limits, rates[i].major, rates[i].minor);

		if (!t)
			return error_oom(err);
		*(int64_t *)((char *)t + list->offset) = rates[i].rate;
	}
	return r;
}

static int read_block_io(const json_t *resources, struct cgroup_limits *limits, struct error *err)
{
	json_t *block_io = NULL;
	int r;

	r = json_get_object(resources, "blockIO", &block_io, WHAT, err);
	if (r < 0 || !block_io)
		return r;
	r = config_read_list(block_io, "weightDevice", read_device_weight,
		sizeof(*limits->device_weights), &limits->device_weights,
		&limits->nr_device_weights, WHAT ".blockIO", err);
	for (size_t i = 0; r == 0 && i < CONFIG_THROTTLE_LISTS; i++)
		r = read_throttles(block_io, &config_throttle_lists[i], limits, err);
	return r;
}

/* --- huge pages, network, RDMA ---------------------------------------------------------------- */

static int read_hugepage_limit(const json_t *json, void *item, const char *what, struct error *err)
{
	struct cgroup_hugepage_limit *limit = item;
	const char *size;
	size_t digits;
	int r;

	if ((r = config_need_string(json, "pageSize", &limit->page_size, what, err)) < 0 ||
		(r = json_get_u64(json, "limit", &limit->bytes, what, err)) < 0)
		return r;
	/* It becomes part of a file's name. */
	size = limit->page_size;
	digits = strspn(size, "0123456789");
	if (digits == 0 || size[0] == '0' || strlen(size + digits) != 2 ||
		!strchr("KMG", size[digits]) || size[digits + 1] != 'B')
		return error_set(err, EINVAL,
			"%s: pageSize \"%s\" is not a size as \"64KB\", \"2MB\" or \"1GB\"", what,
			size);
	return 0;
}

static int read_net_priority(const json_t *json, void *item, const char *what, struct error *err)
{
	struct cgroup_net_priority *priority = item;
	int r = config_need_string(json, "name", &priority->interface, what, err);

	return r < 0
		? r
		: config_read_u32(json, "priority", UINT32_MAX, &priority->priority, what, err);
}

static int read_network(const json_t *resources, struct cgroup_limits *limits, struct error *err)
{
	json_t *network = NULL;
	int r;

	r = json_get_object(resources, "network", &network, WHAT, err);
	if (r < 0 || !network)
		return r;
	return config_read_list(network, "priorities", read_net_priority,
		sizeof(*limits->net_priorities), &limits->net_priorities,
		&limits->nr_net_priorities, WHAT ".network", err);
}

static int read_rdma_limit(
	const char *device, const json_t *json, struct cgroup_rdma_limit *limit, struct error *err)
{
	static const char what[] = WHAT ".rdma";
	int r;

	limit->handles = limit->objects = CGROUP_UNSET;
	limit->device = strdup(device);
	if (!limit->device)
		return error_oom(err);
	if ((r = config_read_int(json, "hcaHandles", 0, UINT32_MAX, &limit->handles, what, err)) <
			0 ||
		(r = config_read_int(
			 json, "hcaObjects", 0, UINT32_MAX, &limit->objects, what, err)) < 0)
		return r;
	if (limit->handles == CGROUP_UNSET && limit->objects == CGROUP_UNSET)
		return error_set(
			err, EINVAL, "%s: %s has neither hcaHandles nor hcaObjects", what, device);
	return 0;
}

static int read_rdma(const json_t *resources, struct cgroup_limits *limits, struct error *err)
{
	json_t *map = NULL, *value;
	const char *device;
	int r;

	r = json_get_object(resources, "rdma", &map, WHAT, err);
	if (r < 0 || json_object_size(map) == 0)
		return r;
	limits->rdma_limits = calloc(json_object_size(map), sizeof(*limits->rdma_limits));
	if (!limits->rdma_limits)
		return error_oom(err);
	json_object_foreach (map, device, value) {
		r = read_rdma_limit(
			device, value, &limits->rdma_limits[limits->nr_rdma_limits++], err);
		if (r < 0)
			return r;
	}
	return 0;
}

int config_parse_resources(const json_t *resources, struct cgroup_limits *limits, struct error *err)
{
	int r;

	if ((r = config_read_list(resources, "devices", read_device_rule,
		     sizeof(*limits->device_rules), &limits->device_rules, &limits->nr_device_rules,
		     WHAT, err)) < 0 ||
		(r = config_read_list(resources, "hugepageLimits", read_hugepage_limit,
			 sizeof(*limits->hugepage_limits), &limits->hugepage_limits,
			 &limits->nr_hugepage_limits, WHAT, err)) < 0 ||
		(r = read_block_io(resources, limits, err)) < 0 ||
		(r = read_network(resources, limits, err)) < 0)
		return r;
	return read_rdma(resources, limits, err);
}
