/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_plan.c - options and image -> instance_spec and container_config.
 */
#include "front/cli/run_options.h"

#include <inttypes.h>
#include <signal.h>

#include "base/clock.h"
#include "base/process.h"
#include "front/cli/run_machine.h"
#include "front/cli/run_platform.h"
#include "isolation/isolation.h"

#define STOP_TIMEOUT_S	   10 /* Docker's */
#define LOG_FILES_MAX	   1000
#define HEALTH_INTERVAL_NS INT64_C(30000000000)
#define HEALTH_TIMEOUT_NS  INT64_C(30000000000)
#define HEALTH_RETRIES	   3

void run_plan_free(struct run_plan *plan)
{
	instance_spec_free(&plan->spec);
	container_config_free(&plan->config);
	for (size_t i = 0; i < plan->nr_volumes; i++) {
		free(plan->volumes[i].name);
		free(plan->volumes[i].destination);
	}
	free(plan->volumes);
	strv_free(plan->host_directories);
	*plan = (struct run_plan){ 0 };
}

static int set(char **to, const char *from, struct error *err)
{
	if (!from)
		return 0;
	free(*to);
	*to = strdup(from);
	return *to ? 0 : error_oom(err);
}

int run_parse_restart(
	const char *text, enum instance_restart *ret, int64_t *ret_max, struct error *err)
{
	const char *count = str_after_prefix(text, "on-failure");
	uint64_t n = 0;

	if (streq(text, "no") || !*text)
		*ret = INSTANCE_RESTART_NO;
	else if (streq(text, "always"))
		*ret = INSTANCE_RESTART_ALWAYS;
	else if (streq(text, "unless-stopped"))
		*ret = INSTANCE_RESTART_UNLESS_STOPPED;
	else if (count && (!*count || (*count == ':' && parse_u64(count + 1, INT32_MAX, &n) == 0)))
		*ret = INSTANCE_RESTART_ON_FAILURE;
	else
		return error_set(err, EINVAL,
			"invalid restart policy '%s': there are no, always, unless-stopped and on-failure[:N]",
			text);
	*ret_max = (int64_t)n;
	return 0;
}

/* What can be told from the options alone. */
static int check_options(const struct run_options *o, struct error *err)
{
	if (o->detach && o->attach)
		return error_set(err, EINVAL, "conflicting options: --attach and --detach");
	if (o->name && !instance_name_is_valid(o->name))
		return error_set(err, EINVAL,
			"invalid name (%s): only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed", o->name);
	if (o->remove && o->restart && *o->restart && !streq(o->restart, "no"))
		return error_set(err, EINVAL, "conflicting options: --restart and --rm");
	if (o->stop_timeout < -1)
		return error_set(err, EINVAL,
			"invalid argument %" PRId64
			" for --stop-timeout: must be a number of seconds",
			o->stop_timeout);
	if (o->shm_size <= 0)
		return error_set(err, EINVAL, "--shm-size must be more than 0 bytes");
	if (o->no_healthcheck &&
		(o->health_cmd || o->health_interval || o->health_timeout ||
			o->health_start_period || o->health_retries))
		return error_set(err, EINVAL,
			"conflicting options: --no-healthcheck and the --health-* options");
	if (o->health_retries < 0)
		return error_set(err, EINVAL, "--health-retries cannot be negative");
	return run_check_machine(o, err);
}

/* --- the parts of the spec --- */

static int build_identity(
	const struct run_request *request, struct run_plan *plan, struct error *err)
{
	const struct image *image = request->image;
	const struct run_options *o = request->options;
	struct instance_spec *spec = &plan->spec;
	char platform[80];
	int r;

	image_platform_format(&image->config.platform, platform, sizeof(platform));
	spec->created_ns = clock_realtime_ns();
	r = set(&spec->name, o->name, err);
	if (r == 0)
		r = set(&spec->isolation, o->isolation, err);
	if (r == 0)
		r = set(&spec->image_name, request->image_name, err);
	if (r == 0)
		r = set(&spec->image_digest, image->config_digest, err);
	if (r == 0)
		r = set(&spec->manifest_digest, image->manifest_digest, err);
	if (r == 0)
		r = set(&spec->platform, platform, err);
	if (r == 0 && !run_is_machine(o))
		r = set(&plan->config.translate,
			run_platform_needs_translation(&image->config.platform), err);
	if (r < 0)
		return r;
	if (!isolation_find(o->isolation, err))
		return -EINVAL;
	if (image->config.diff_ids) {
		spec->layers = run_is_machine(o) ? strv_copy(image->config.diff_ids)
						 : image_visible_layers(request->cli->root, image);
		if (!spec->layers)
			return error_oom(err);
	}
	return 0;
}

static int build_labels(const struct run_request *request, struct run_plan *plan, struct error *err)
{
	const struct run_options *o = request->options;
	int r = 0;

	strv_for_each (label, request->image->config.labels)
		if (strv_push(&plan->spec.labels, *label) < 0)
			return error_oom(err);
	strv_for_each (file, o->label_files)
		if (r == 0)
			r = run_merge_file(&plan->spec.labels, *file, NULL, err);
	strv_for_each (label, o->labels)
		if (r == 0)
			r = run_merge_pair(&plan->spec.labels, *label, NULL, err);
	strv_for_each (pair, o->annotations)
		if (r == 0)
			r = run_merge_pair(&plan->config.annotations, *pair, NULL, err);
	return r;
}

static int build_life(const struct run_request *request, struct run_plan *plan, struct error *err)
{
	const struct run_options *o = request->options;
	struct instance_spec *spec = &plan->spec;
	const char *signal = o->stop_signal ? o->stop_signal : request->image->config.stop_signal;

	spec->auto_remove = o->remove;
	spec->open_stdin = o->interactive;
	spec->terminal = o->terminal;
	spec->stop_timeout_s = o->stop_timeout < 0 ? STOP_TIMEOUT_S : o->stop_timeout;
	spec->stop_signal = SIGTERM;
	if (signal && *signal) {
		spec->stop_signal = process_signal_from_name(signal);
		if (spec->stop_signal < 0)
			return error_set(err, EINVAL, "invalid stop signal: %s", signal);
	}
	return run_parse_restart(
		o->restart ? o->restart : "no", &spec->restart, &spec->restart_max, err);
}

static int log_option(struct instance_spec *spec, const char *pair, struct error *err)
{
	const char *size = str_after_prefix(pair, "max-size=");
	const char *files = str_after_prefix(pair, "max-file=");
	uint64_t n;

	if (!size && !files)
		return error_set(err, EINVAL,
			"unknown --log-opt \"%s\" for log driver %s: there are max-size=BYTES and max-file=N",
			pair, spec->log_driver);
	if (size) {
		if (parse_size_bytes(size, &n) < 0 || n == 0 || n > INT64_MAX)
			return error_set(err, EINVAL, "invalid --log-opt \"%s\": not a size", pair);
		spec->log_max_size = (int64_t)n;
	} else {
		if (parse_u64(files, LOG_FILES_MAX, &n) < 0 || n == 0)
			return error_set(err, EINVAL,
				"invalid --log-opt \"%s\": must be a number from 1 to %d", pair,
				LOG_FILES_MAX);
		spec->log_max_files = (int64_t)n;
	}
	return 0;
}

static int build_log(const struct run_request *request, struct run_plan *plan, struct error *err)
{
	const struct run_options *o = request->options;
	struct instance_spec *spec = &plan->spec;
	int r = set(&spec->log_driver, o->log_driver ? o->log_driver : "json-file", err);

	spec->log_max_files = 1;
	if (r == 0 && o->log_opts && streq(spec->log_driver, "none"))
		return error_set(err, EINVAL, "log driver none has no options: --log-opt %s",
			o->log_opts[0]);
	strv_for_each (pair, o->log_opts)
		if (r == 0)
			r = log_option(spec, *pair, err);
	if (r == 0 && spec->log_max_files > 1 && !spec->log_max_size)
		r = error_set(
			err, EINVAL, "--log-opt max-file needs max-size: nothing else rotates");
	return r;
}

static int build_health(const struct run_request *request, struct run_plan *plan, struct error *err)
{
	const struct run_options *o = request->options;
	const struct image_healthcheck *image = &request->image->config.healthcheck;
	struct image_healthcheck *h = &plan->spec.health;
	bool none = image->test && image->test[0] && streq(image->test[0], "NONE");

	if (o->no_healthcheck || (none && !o->health_cmd))
		return 0;
	if (o->health_cmd) {
		if (strv_push(&h->test, "CMD-SHELL") < 0 || strv_push(&h->test, o->health_cmd) < 0)
			return error_oom(err);
	} else if (image->test) {
		h->test = strv_copy(image->test);
		if (!h->test)
			return error_oom(err);
	} else {
		if (o->health_interval || o->health_timeout || o->health_start_period ||
			o->health_retries)
			return error_set(err, EINVAL,
				"the --health-* options need a check: give --health-cmd, image %s has none",
				request->image_name);
		return 0;
	}
	h->interval_ns = o->health_interval ? o->health_interval
		: image->interval_ns	    ? image->interval_ns
					    : HEALTH_INTERVAL_NS;
	h->timeout_ns = o->health_timeout ? o->health_timeout
		: image->timeout_ns	  ? image->timeout_ns
					  : HEALTH_TIMEOUT_NS;
	h->start_period_ns = o->health_start_period ? o->health_start_period
						    : image->start_period_ns;
	h->retries = o->health_retries ? o->health_retries
		: image->retries       ? image->retries
				       : HEALTH_RETRIES;
	return 0;
}

/* What `ps` shows. */
static int build_command_line(struct run_plan *plan, struct error *err)
{
	struct str s = { 0 };

	strv_for_each (arg, plan->config.process.args) {
		if (s.len)
			str_append_char(&s, ' ');
		str_append(&s, *arg);
	}
	plan->spec.command_line = str_finish(&s);
	return plan->spec.command_line ? 0 : error_oom(err);
}

/* Docker's rule: who limits memory alone gets as much swap again, where swap is counted. */
static void default_swap(struct cgroup_limits *limits, int64_t asked)
{
	if (limits->memory_bytes > 0 && limits->memory_bytes <= INT64_MAX / 2 &&
		(asked == CGROUP_UNSET || asked == 0) && cgroup_counts_swap())
		limits->memory_swap_bytes = 2 * limits->memory_bytes;
}

int run_plan_build(const struct run_request *request, struct run_plan *ret, struct error *err)
{
	static int (*const parts[])(
		const struct run_request *, struct run_plan *, struct error *) = {
		build_identity,
		build_labels,
		build_life,
		build_log,
		build_health,
		run_build_namespaces, /* first: devices and security depend on them */
		run_build_networks,
		run_build_process,
		run_build_security,
		run_build_mounts,
		run_build_devices,
		run_build_machine,
	};
	_cleanup_run_plan_ struct run_plan plan = { 0 };
	const struct run_options *o = request->options;
	int r = check_options(o, err);

	if (r == 0)
		r = container_config_defaults(&plan.config, (uint64_t)o->shm_size, err);
	if (r == 0)
		r = resources_apply(&o->resources, &plan.config.limits, err);
	if (r == 0)
		default_swap(&plan.config.limits, o->resources.memory_swap);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(parts); i++)
		r = parts[i](request, &plan, err);
	if (r == 0)
		r = build_command_line(&plan, err);
	if (r < 0)
		return r;
	*ret = plan;
	plan = (struct run_plan){ 0 };
	return 0;
}
