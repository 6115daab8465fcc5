/* SPDX-License-Identifier: Apache-2.0 */
/*
 * update.c - `update`: other limits and another restart policy, at once when it runs.
 */
#include <stdio.h>

#include "front/cli/cli.h"
#include "front/cli/run_machine.h"
#include "front/cli/verbs.h"

struct update_options {
	struct resource_options resources;
	const char *restart;
};

static const struct update_options defaults = { .resources = RESOURCE_DEFAULTS };

static const struct option option_table[] = {
	{ OPTION_STRING, 0, "restart", offsetof(struct update_options, restart), "POLICY",
		"When it ends: no, on-failure[:N], always or unless-stopped", COMPLETE_SUGGESTIONS,
		"no|on-failure|unless-stopped|always" },
	RESOURCE_OPTIONS(struct update_options, resources),
	{ OPTION_END },
};

/* A swap limit is checked against the memory limit the instance has, unless both change. */
static int build_limits(const struct update_options *o, struct instance *instance,
	struct cgroup_limits *limits, struct error *err)
{
	int64_t memory, total;
	int r = instance_load_config(instance, err);

	if (r < 0)
		return r;
	memory = instance->config.limits.memory_bytes;
	limits->memory_bytes = memory;
	if (instance->config.machine)
		r = run_check_machine_limits(&o->resources, err);
	if (r == 0)
		r = resources_apply(&o->resources, limits, err);
	total = instance->config.limits.memory_swap_bytes;
	if (r == 0 && !instance->config.machine && limits->memory_swap_bytes == CGROUP_UNSET &&
		total > 0 && limits->memory_bytes > total)
		r = error_set(err, EINVAL,
			"--memory would be more than the instance's limit of memory and swap together: give --memory-swap at the same time");
	if (limits->memory_bytes == memory && o->resources.memory == CGROUP_UNSET)
		limits->memory_bytes = CGROUP_UNSET;
	return r;
}

static int update_one(
	const struct cli *cli, const struct update_options *o, const char *name, struct error *err)
{
	const struct instance_roots roots = { cli->root, cli->run_root, cli->rootless };
	_cleanup_instance_ struct instance instance = { .dir_fd = -1 };
	_cleanup_(cgroup_limits_free) struct cgroup_limits limits = { 0 };
	enum instance_restart restart = INSTANCE_RESTART_NO;
	int64_t restart_max = 0;
	int r = 0;

	cgroup_limits_init(&limits);
	if (o->restart)
		r = run_parse_restart(o->restart, &restart, &restart_max, err);
	if (r == 0)
		r = instance_load(&roots, name, &instance, err);
	if (r == 0 && instance.spec.auto_remove && restart != INSTANCE_RESTART_NO)
		r = error_set(err, EINVAL,
			"restart policy cannot be updated because --rm is set for instance %s",
			name);
	if (r == 0)
		r = build_limits(o, &instance, &limits, err);
	if (r == 0)
		r = instance_update(
			&instance, &limits, o->restart ? &restart : NULL, restart_max, err);
	if (r == 0)
		printf("%s\n", name);
	return r;
}

static int update_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	const struct update_options *o = options;
	int status = 0;

	if (!o->restart && memcmp(&o->resources, &defaults.resources, sizeof(o->resources)) == 0)
		return error_set(
			err, EINVAL, "you must provide one or more flags when using this command");
	for (int i = 0; i < argc; i++) {
		if (update_one(cli, o, argv[i], err) < 0) {
			cli_print_error(cli, err);
			error_clear(err);
			status = EXIT_FAILURE;
		}
	}
	return status;
}

const struct verb verb_update = {
	.name = "update",
	.group = "Run",
	.usage = "[OPTIONS] INSTANCE [INSTANCE...]",
	.summary = "Change limits or the restart policy of instances",
	.help = "What is not given stays as it is. A running instance changes at once.\n"
		"\n"
		"Example:\n"
		"  strata update --memory 1g --cpus 2 --restart unless-stopped web",
	.options = option_table,
	.options_size = sizeof(struct update_options),
	.defaults = &defaults,
	.min_operands = 1,
	.max_operands = -1,
	.operand = COMPLETE_INSTANCE,
	.run = update_main,
};
