/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config-write-resources.c - the object "linux.resources" of config.json.
 */
#include "container/config-write.h"

#include "base/str.h"

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

static void write_if_set(struct json_writer *w, const char *name, int64_t value)
{
	if (value != CGROUP_UNSET)
		json_write_int(w, name, value);
}

static void write_device_weights(struct json_writer *w, const struct cgroup_limits *limits)
{
	if (!limits->nr_device_weights)
		return;
	json_begin_array(w, "weightDevice");
	for (size_t i = 0; i < limits->nr_device_weights; i++) {
		const struct cgroup_device_weight *weight = &limits->device_weights[i];

		json_begin_object(w, NULL);
		json_write_uint(w, "major", weight->major);
		json_write_uint(w, "minor", weight->minor);
		write_if_set(w, "weight", weight->weight);
		write_if_set(w, "leafWeight", weight->leaf_weight);
		json_end_object(w);
	}
	json_end_array(w);
}

static void write_hugepage_limits(struct json_writer *w, const struct cgroup_limits *limits)
{
	if (!limits->nr_hugepage_limits)
		return;
	json_begin_array(w, "hugepageLimits");
	for (size_t i = 0; i < limits->nr_hugepage_limits; i++) {
		json_begin_object(w, NULL);
		json_write_string(w, "pageSize", limits->hugepage_limits[i].page_size);
		json_write_uint(w, "limit", limits->hugepage_limits[i].bytes);
		json_end_object(w);
	}
	json_end_array(w);
}

static void write_network(struct json_writer *w, const struct container_config *c)
{
	const struct cgroup_limits *limits = &c->limits;

	if (limits->net_class_id == CGROUP_UNSET && !limits->nr_net_priorities)
		return;
	json_begin_object(w, "network");
	config_write_fields(w, CONFIG_NETWORK, c);
	if (limits->nr_net_priorities)
		json_begin_array(w, "priorities");
	for (size_t i = 0; i < limits->nr_net_priorities; i++) {
		json_begin_object(w, NULL);
		json_write_string(w, "name", limits->net_priorities[i].interface);
		json_write_uint(w, "priority", limits->net_priorities[i].priority);
		json_end_object(w);
	}
	if (limits->nr_net_priorities)
		json_end_array(w);
	json_end_object(w);
}

static void write_rdma(struct json_writer *w, const struct cgroup_limits *limits)
{
	if (!limits->nr_rdma_limits)
		return;
	json_begin_object(w, "rdma");
	for (size_t i = 0; i < limits->nr_rdma_limits; i++) {
		json_begin_object(w, limits->rdma_limits[i].device);
		write_if_set(w, "hcaHandles", limits->rdma_limits[i].handles);
		write_if_set(w, "hcaObjects", limits->rdma_limits[i].objects);
		json_end_object(w);
	}
	json_end_object(w);
}

void config_write_resources(struct json_writer *w, const struct container_config *c)
{
	json_begin_object(w, "resources");
	write_device_rules(w, &c->limits);
	json_begin_object(w, "memory");
	config_write_fields(w, CONFIG_MEMORY, c);
	json_end_object(w);
	json_begin_object(w, "cpu");
	config_write_fields(w, CONFIG_CPU, c);
	json_end_object(w);
	if (c->limits.pids != CGROUP_UNSET) {
		json_begin_object(w, "pids");
		config_write_fields(w, CONFIG_PIDS, c);
		json_end_object(w);
	}
	json_begin_object(w, "blockIO");
	config_write_fields(w, CONFIG_BLOCK_IO, c);
	write_device_weights(w, &c->limits);
	write_throttles(w, &c->limits);
	json_end_object(w);
	write_hugepage_limits(w, &c->limits);
	write_network(w, c);
	write_rdma(w, &c->limits);
	config_write_fields(w, CONFIG_UNIFIED, c);
	json_end_object(w);
}
