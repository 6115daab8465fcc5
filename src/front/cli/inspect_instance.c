/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inspect_instance.c - an instance as a document in the shape of Docker's API, and `inspect`.
 *
 * What the document says comes from config.json, instance.json and state.json as they are now; a
 * member Docker has and we know nothing about is left out. Our own are under "Strata".
 */
#include <limits.h>
#include <unistd.h>

#include "base/process.h"
#include "container/container.h"
#include "front/cli/each.h"
#include "front/cli/inspect.h"
#include "front/cli/show.h"
#include "front/cli/table.h"
#include "front/cli/verbs.h"

static const char *const health_names[] = {
	[INSTANCE_HEALTH_NONE] = "none",
	[INSTANCE_HEALTH_STARTING] = "starting",
	[INSTANCE_HEALTH_HEALTHY] = "healthy",
	[INSTANCE_HEALTH_UNHEALTHY] = "unhealthy",
};

/* --- State --- */

static json_t *describe_state(const struct instance *instance)
{
	const struct instance_state *s = &instance->state;
	json_t *o = json_object();

	inspect_set(o, "Status", inspect_text(instance_status_name(s->status)));
	inspect_set(o, "Running",
		json_boolean(s->status == INSTANCE_RUNNING || s->status == INSTANCE_PAUSED ||
			s->status == INSTANCE_RESTARTING));
	inspect_set(o, "Paused", json_boolean(s->status == INSTANCE_PAUSED));
	inspect_set(o, "Restarting", json_boolean(s->status == INSTANCE_RESTARTING));
	inspect_set(o, "OOMKilled", json_boolean(s->oom_killed));
	inspect_set(o, "Dead", json_boolean(s->status == INSTANCE_DEAD));
	inspect_set(o, "Pid", inspect_number(s->pid));
	inspect_set(o, "ExitCode", inspect_number(s->exit_code));
	inspect_set(o, "Error", inspect_text(s->error));
	inspect_set(o, "StartedAt", show_json_time(s->started_ns));
	inspect_set(o, "FinishedAt", show_json_time(s->finished_ns));
	if (s->health != INSTANCE_HEALTH_NONE)
		inspect_set(o, "Health",
			json_pack("{s:s, s:I, s:o}", "Status", health_names[s->health],
				"FailingStreak", (json_int_t)s->health_failing_streak, "Log",
				instance_health_log(instance)));
	return o;
}

/* --- Config --- */

static json_t *describe_healthcheck(const struct image_healthcheck *h)
{
	return json_pack("{s:o, s:I, s:I, s:I, s:I}", "Test", show_json_strv(h->test), "Interval",
		(json_int_t)h->interval_ns, "Timeout", (json_int_t)h->timeout_ns, "StartPeriod",
		(json_int_t)h->start_period_ns, "Retries", (json_int_t)h->retries);
}

/* null where there is no such part, as in Docker's API. */
static json_t *words_or_null(char *const *words)
{
	return words && *words ? show_json_strv(words) : json_null();
}

/* The command line as its two halves. */
static void describe_command(json_t *o, const struct instance *instance)
{
	char *const *args = instance->config.process.args;
	size_t all = strv_length(args), count = 0;
	json_t *entrypoint;

	/* A document that somebody has changed may claim any number. */
	if (instance->spec.entrypoint_count > 0)
		count = (uint64_t)instance->spec.entrypoint_count < all
			? (size_t)instance->spec.entrypoint_count
			: all;
	inspect_set(o, "Cmd", words_or_null(args ? args + count : NULL));
	entrypoint = count ? json_array() : json_null();
	for (size_t i = 0; i < count; i++)
		json_array_append_new(entrypoint, inspect_text(args[i]));
	inspect_set(o, "Entrypoint", entrypoint);
}

static json_t *describe_hostname(const struct container_config *c)
{
	char name[HOST_NAME_MAX + 1] = "";

	if (c->namespaces[CONTAINER_NS_UTS].wanted || c->hostname)
		return inspect_text(c->hostname);
	gethostname(name, sizeof(name) - 1);
	return inspect_text(name);
}

static json_t *describe_process(const struct instance *instance)
{
	const struct container_config *c = &instance->config;
	const struct instance_spec *spec = &instance->spec;
	char user[32];
	json_t *o = json_object();

	snprintf(user, sizeof(user), "%u:%u", c->process.uid, c->process.gid);
	inspect_set(o, "Hostname", describe_hostname(c));
	inspect_set(o, "Domainname", inspect_text(c->domainname));
	inspect_set(o, "User",
		inspect_text(c->process.user			   ? c->process.user
				: c->process.uid || c->process.gid ? user
								   : ""));
	inspect_set(o, "Tty", json_boolean(spec->terminal));
	inspect_set(o, "OpenStdin", json_boolean(spec->open_stdin));
	inspect_set(o, "Env", show_json_strv(c->process.env));
	describe_command(o, instance);
	inspect_set(o, "Image", inspect_text(spec->image_name));
	inspect_set(o, "Volumes", inspect_volumes(instance));
	inspect_set(o, "WorkingDir", inspect_text(c->process.cwd));
	inspect_set(o, "Labels", show_json_map(spec->labels));
	inspect_set(o, "StopSignal",
		spec->stop_signal > 0
			? json_sprintf("SIG%s", process_signal_name(spec->stop_signal))
			: inspect_text(""));
	inspect_set(o, "StopTimeout", inspect_number(spec->stop_timeout_s));
	if (spec->health.test)
		inspect_set(o, "Healthcheck", describe_healthcheck(&spec->health));
	return o;
}

/* --- the whole --- */

static json_t *path_below(const struct instance *instance, const char *file)
{
	return json_sprintf("%s/instances/%s/%s", instance->roots.root, instance->id, file);
}

static json_t *describe_storage(const struct instance *instance)
{
	_cleanup_free_ char *lower = NULL;
	struct str layers = { 0 };

	/* Overlayfs counts from the top. */
	for (size_t i = strv_length(instance->spec.layers); i-- > 0;)
		str_appendf(&layers, "%s%s/layers/%s", layers.len ? ":" : "", instance->roots.root,
			image_digest_hex(instance->spec.layers[i]));
	lower = str_finish(&layers);
	return json_pack("{s:s, s:{s:s, s:o, s:o}}", "Name", "overlay", "Data", "LowerDir",
		lower ? lower : "", "UpperDir", path_below(instance, "upper"), "WorkDir",
		path_below(instance, "work"));
}

static json_t *describe_own(const struct instance *instance)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "Isolation",
		inspect_text(instance->spec.isolation), "Platform",
		inspect_text(instance->spec.platform), "ManifestDigest",
		inspect_text(instance->spec.manifest_digest), "Layers",
		show_json_strv(instance->spec.layers), "MonitorPid",
		inspect_number(instance->state.monitor_pid), "CgroupPath",
		inspect_text(instance->config.cgroup_path), "StoppedByUser",
		json_boolean(instance->state.stopped_by_user));
}

static json_t *describe(const struct instance *instance)
{
	char *const *args = instance->config.process.args;
	json_t *o = json_object();

	inspect_set(o, "Id", inspect_text(instance->id));
	inspect_set(o, "Created", show_json_time(instance->spec.created_ns));
	inspect_set(o, "Path", inspect_text(args ? args[0] : NULL));
	inspect_set(o, "Args", show_json_strv(args && args[0] ? args + 1 : NULL));
	inspect_set(o, "State", describe_state(instance));
	inspect_set(o, "Image", inspect_text(instance->spec.image_digest));
	inspect_set(o, "ResolvConfPath", path_below(instance, "resolv.conf"));
	inspect_set(o, "HostnamePath", path_below(instance, "hostname"));
	inspect_set(o, "HostsPath", path_below(instance, "hosts"));
	inspect_set(o, "LogPath", path_below(instance, "log.json"));
	inspect_set(o, "Name", json_sprintf("/%s", instance->spec.name));
	inspect_set(o, "RestartCount", inspect_number(instance->state.restart_count));
	inspect_set(o, "Driver", inspect_text("overlay"));
	inspect_set(o, "Platform", inspect_text("linux"));
	inspect_set(o, "MountLabel", inspect_text(instance->config.mount_label));
	inspect_set(o, "ProcessLabel", inspect_text(instance->config.process.selinux_label));
	inspect_set(o, "AppArmorProfile", inspect_text(instance->config.process.apparmor_profile));
	inspect_set(o, "HostConfig", inspect_host_config(instance));
	inspect_set(o, "GraphDriver", describe_storage(instance));
	inspect_set(o, "Mounts", inspect_mounts(instance));
	inspect_set(o, "NetworkSettings", inspect_network(instance));
	inspect_set(o, "Config", describe_process(instance));
	inspect_set(o, "Strata", describe_own(instance));
	return o;
}

int inspect_instance(struct cli *cli, const char *name, json_t **ret, struct error *err)
{
	_cleanup_instance_ struct instance instance = { .dir_fd = -1 };
	struct instance_roots roots = cli_roots(cli);
	int r = instance_load(&roots, name, &instance, err);

	if (r == 0)
		r = instance_load_config(&instance, err);
	if (r < 0)
		return r;
	*ret = describe(&instance);
	return *ret ? 0 : error_oom(err);
}

/* --- the verb --------------------------------------------------------------------------------- */

struct inspect_options {
	const char *format, *type;
};

static const struct option option_table[] = {
	INSPECT_FORMAT_OPTION(struct inspect_options, format),
	{ OPTION_STRING, 0, "type", offsetof(struct inspect_options, type), "TYPE",
		"Only a thing of this type: container, image, network or volume", COMPLETE_CHOICES,
		"container|image|network|volume" },
	{ OPTION_END },
};

/* Instance, image, network, volume: the first that has the name, as in Docker. */
static int inspect_any(struct cli *cli, const char *name, json_t **ret, struct error *err)
{
	static const inspect_fn kinds[] = { inspect_instance, inspect_image, inspect_network_named,
		inspect_volume };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		int r = kinds[i](cli, name, ret, err);

		/* A text that is no reference names no image; it may still be a volume. */
		if (r != -ENOENT && !(r == -EINVAL && kinds[i] == inspect_image))
			return r;
		error_clear(err);
	}
	return error_set(err, ENOENT, "no such object: %s", name);
}

static int inspect_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	const struct inspect_options *o = options;
	inspect_fn fn = inspect_any;

	if (o->type && streq(o->type, "container"))
		fn = inspect_instance;
	else if (o->type && streq(o->type, "image"))
		fn = inspect_image;
	else if (o->type && streq(o->type, "network"))
		fn = inspect_network_named;
	else if (o->type && streq(o->type, "volume"))
		fn = inspect_volume;
	return inspect_print(cli, argc, argv, fn, o->format, err);
}

const struct verb verb_inspect = {
	.name = "inspect",
	.group = "Instances",
	.usage = "[OPTIONS] NAME|ID [NAME|ID...]",
	.summary = "Show everything about instances, images, networks or volumes as JSON",
	.help = "Examples:\n"
		"  strata inspect --format '{{.State.Status}} {{.State.ExitCode}}' web\n"
		"  strata inspect --type image -f '{{json .Config.Env}}' debian",
	.options = option_table,
	.options_size = sizeof(struct inspect_options),
	.min_operands = 1,
	.max_operands = -1,
	.operand = COMPLETE_INSTANCE,
	.run = inspect_main,
};
