/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inspect_instance.c - an instance as a document in the shape of Docker's API, and `inspect`.
 *
 * What the document says comes from config.json, instance.json and state.json as they are now; a
 * member Docker has and we know nothing about is left out. Our own are under "Strata".
 */
#include "base/process.h"
#include "container/container.h"
#include "front/cli/each.h"
#include "front/cli/inspect.h"
#include "front/cli/show.h"
#include "front/cli/table.h"
#include "front/cli/verbs.h"
#include "instance/volume.h"

static const char *const restart_names[] = {
	[INSTANCE_RESTART_NO] = "no",
	[INSTANCE_RESTART_ON_FAILURE] = "on-failure",
	[INSTANCE_RESTART_UNLESS_STOPPED] = "unless-stopped",
	[INSTANCE_RESTART_ALWAYS] = "always",
};

static const char *const health_names[] = {
	[INSTANCE_HEALTH_NONE] = "none",
	[INSTANCE_HEALTH_STARTING] = "starting",
	[INSTANCE_HEALTH_HEALTHY] = "healthy",
	[INSTANCE_HEALTH_UNHEALTHY] = "unhealthy",
};

/* A null value is an absent string. */
static json_t *text(const char *s)
{
	return json_string(s ? s : "");
}

static json_t *number(int64_t n)
{
	return json_integer((json_int_t)n);
}

/* A limit nobody asked for is 0, as in Docker. */
static json_t *limit(int64_t n)
{
	return json_integer(n == CGROUP_UNSET ? 0 : (json_int_t)n);
}

static void set(json_t *object, const char *key, json_t *value)
{
	/* Out of memory shows as a missing member; the caller checks the whole at the end. */
	json_object_set_new(object, key, value);
}

/* --- State --- */

static json_t *describe_state(const struct instance *instance)
{
	const struct instance_state *s = &instance->state;
	json_t *o = json_object();

	set(o, "Status", text(instance_status_name(s->status)));
	set(o, "Running",
		json_boolean(s->status == INSTANCE_RUNNING || s->status == INSTANCE_PAUSED ||
			s->status == INSTANCE_RESTARTING));
	set(o, "Paused", json_boolean(s->status == INSTANCE_PAUSED));
	set(o, "Restarting", json_boolean(s->status == INSTANCE_RESTARTING));
	set(o, "OOMKilled", json_boolean(s->oom_killed));
	set(o, "Dead", json_boolean(s->status == INSTANCE_DEAD));
	set(o, "Pid", number(s->pid));
	set(o, "ExitCode", number(s->exit_code));
	set(o, "Error", text(s->error));
	set(o, "StartedAt", show_json_time(s->started_ns));
	set(o, "FinishedAt", show_json_time(s->finished_ns));
	if (s->health != INSTANCE_HEALTH_NONE)
		set(o, "Health",
			json_pack("{s:s, s:I, s:o}", "Status", health_names[s->health],
				"FailingStreak", (json_int_t)s->health_failing_streak, "Log",
				instance_health_log(instance)));
	return o;
}

/* --- Mounts --- */

static bool is_read_only(const struct container_mount *m)
{
	return strv_contains(m->options, "ro");
}

/* What every instance gets is no mount of the user's. */
static bool is_own_mount(const struct instance *instance, const struct container_mount *m)
{
	static const char *const below[] = { "/proc", "/sys", "/dev" };

	for (size_t i = 0; i < ARRAY_SIZE(below); i++) {
		const char *rest = str_after_prefix(m->destination, below[i]);

		if (rest && (!*rest || *rest == '/') && !(m->source && *m->source == '/'))
			return true;
	}
	return m->source && strstr(m->source, instance->id) && strstr(m->source, "/instances/");
}

/* The last word counts. */
static const char *propagation(const struct container_mount *m)
{
	static const char *const words[] = { "private", "rprivate", "shared", "rshared", "slave",
		"rslave" };
	const char *found = "rprivate";

	strv_for_each (option, m->options)
		for (size_t i = 0; i < ARRAY_SIZE(words); i++)
			if (streq(*option, words[i]))
				found = words[i];
	return found;
}

static json_t *describe_mount(const struct instance *instance, const struct container_mount *m)
{
	_cleanup_free_ char *volume = m->source
		? volume_name_of_path(instance->roots.root, m->source)
		: NULL;
	bool tmpfs = m->type && streq(m->type, "tmpfs");
	json_t *o = json_object();

	set(o, "Type", text(tmpfs ? "tmpfs" : volume ? "volume" : "bind"));
	if (volume) {
		set(o, "Name", text(volume));
		set(o, "Driver", text("local"));
	}
	set(o, "Source", text(tmpfs ? "" : m->source));
	set(o, "Destination", text(m->destination));
	set(o, "Mode", text(is_read_only(m) ? "ro" : ""));
	set(o, "RW", json_boolean(!is_read_only(m)));
	set(o, "Propagation", text(tmpfs || volume ? "" : propagation(m)));
	return o;
}

static json_t *describe_mounts(const struct instance *instance)
{
	json_t *array = json_array();

	for (size_t i = 0; i < instance->config.nr_mounts; i++) {
		const struct container_mount *m = &instance->config.mounts[i];

		if (!is_own_mount(instance, m))
			json_array_append_new(array, describe_mount(instance, m));
	}
	return array;
}

/* --- HostConfig --- */

static json_t *describe_binds(const struct instance *instance)
{
	json_t *array = json_array();

	for (size_t i = 0; i < instance->config.nr_mounts; i++) {
		const struct container_mount *m = &instance->config.mounts[i];
		_cleanup_free_ char *volume = NULL, *bind = NULL;

		if (is_own_mount(instance, m) || !m->source || *m->source != '/')
			continue;
		volume = volume_name_of_path(instance->roots.root, m->source);
		bind = strf("%s:%s%s", volume ? volume : m->source, m->destination,
			is_read_only(m) ? ":ro" : "");
		json_array_append_new(array, text(bind));
	}
	return array;
}

static const char *namespace_mode(
	const struct container_config *config, enum container_namespace which, const char *own)
{
	const struct container_namespace_config *ns = &config->namespaces[which];

	return !ns->wanted ? "host" : ns->path ? ns->path : own;
}

static void describe_limits(json_t *o, const struct cgroup_limits *limits)
{
	int64_t nano_cpus = 0;

	if (limits->cpu_quota_us > 0 && limits->cpu_period_us > 0)
		nano_cpus = (int64_t)((double)limits->cpu_quota_us * 1e9 /
			(double)limits->cpu_period_us);
	set(o, "Memory", limit(limits->memory_bytes));
	set(o, "MemorySwap", limit(limits->memory_swap_bytes));
	set(o, "MemoryReservation", limit(limits->memory_reservation_bytes));
	set(o, "NanoCpus", number(nano_cpus));
	set(o, "CpuShares", limit(limits->cpu_shares));
	set(o, "CpuQuota", limit(limits->cpu_quota_us));
	set(o, "CpuPeriod", limit(limits->cpu_period_us));
	set(o, "CpusetCpus", text(limits->cpuset_cpus));
	set(o, "CpusetMems", text(limits->cpuset_mems));
	set(o, "PidsLimit", limit(limits->pids));
	set(o, "BlkioWeight", limit(limits->blkio_weight));
	set(o, "OomKillDisable", json_boolean(limits->oom_kill_disable));
}

static json_t *describe_devices(const struct container_config *config)
{
	json_t *array = json_array();

	for (size_t i = 0; i < config->nr_devices; i++)
		json_array_append_new(array,
			json_pack("{s:s, s:s}", "PathOnHost", config->devices[i].path,
				"PathInContainer", config->devices[i].path));
	return array;
}

static json_t *describe_sysctls(const struct container_config *config)
{
	json_t *o = json_object();

	for (size_t i = 0; i < config->nr_sysctls; i++)
		set(o, config->sysctls[i].key, text(config->sysctls[i].value));
	return o;
}

static json_t *describe_capabilities(uint64_t set_, uint64_t but)
{
	json_t *array = json_array();

	for (int bit = 0; bit < CONTAINER_CAPABILITY_COUNT; bit++) {
		const char *name = container_capability_name(bit);

		if ((set_ & ~but) >> bit & 1 && name)
			json_array_append_new(array, text(name));
	}
	return array;
}

/* Nothing is kept of the flag itself: it is what made all of this true. */
static bool is_privileged(const struct container_config *c)
{
	uint64_t all = container_capabilities_all();

	return c->seccomp.kind == SECCOMP_UNCONFINED && (c->process.cap_bounding & all) == all &&
		!c->masked_paths && !c->readonly_paths;
}

static json_t *describe_security(const struct container_config *c)
{
	json_t *array = json_array();

	if (c->process.no_new_privileges)
		json_array_append_new(array, text("no-new-privileges"));
	if (c->seccomp.kind == SECCOMP_UNCONFINED)
		json_array_append_new(array, text("seccomp=unconfined"));
	else if (c->seccomp.kind == SECCOMP_CUSTOM)
		json_array_append_new(array, json_sprintf("seccomp=%s", c->seccomp.profile));
	return array;
}

/* Names of setrlimit(2) as --ulimit takes them, in the order of their numbers (Linux). */
static const char *const limit_names[RLIM_NLIMITS] = {
	[RLIMIT_CPU] = "cpu",
	[RLIMIT_FSIZE] = "fsize",
	[RLIMIT_DATA] = "data",
	[RLIMIT_STACK] = "stack",
	[RLIMIT_CORE] = "core",
	[RLIMIT_RSS] = "rss",
	[RLIMIT_NPROC] = "nproc",
	[RLIMIT_NOFILE] = "nofile",
	[RLIMIT_MEMLOCK] = "memlock",
	[RLIMIT_AS] = "as",
	[RLIMIT_LOCKS] = "locks",
	[RLIMIT_SIGPENDING] = "sigpending",
	[RLIMIT_MSGQUEUE] = "msgqueue",
	[RLIMIT_NICE] = "nice",
	[RLIMIT_RTPRIO] = "rtprio",
	[RLIMIT_RTTIME] = "rttime",
};

static json_t *describe_ulimits(const struct container_process *process)
{
	json_t *array = json_array();

	for (size_t i = 0; i < process->nr_rlimits; i++) {
		const struct container_rlimit *l = &process->rlimits[i];

		if (l->resource < 0 || l->resource >= (int)RLIM_NLIMITS)
			continue;
		json_array_append_new(array,
			json_pack("{s:s, s:I, s:I}", "Name", limit_names[l->resource], "Soft",
				(json_int_t)l->soft, "Hard", (json_int_t)l->hard));
	}
	return array;
}

/* Size of /dev/shm; 0 when it is the host's or has no limit. */
static int64_t shm_size(const struct container_config *c)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < c->nr_mounts; i++) {
		if (!streq(c->mounts[i].destination, "/dev/shm"))
			continue;
		strv_for_each (option, c->mounts[i].options) {
			const char *value = str_after_prefix(*option, "size=");

			if (value && parse_size_bytes(value, &bytes) < 0)
				bytes = 0;
		}
	}
	return (int64_t)bytes;
}

static json_t *describe_tmpfs(const struct instance *instance)
{
	json_t *o = json_object();

	for (size_t i = 0; i < instance->config.nr_mounts; i++) {
		const struct container_mount *m = &instance->config.mounts[i];
		_cleanup_free_ char *options = NULL;

		if (!m->type || !streq(m->type, "tmpfs") || is_own_mount(instance, m))
			continue;
		options = show_labels(m->options);
		set(o, m->destination, text(options));
	}
	return o;
}

static json_t *describe_logging(const struct instance_spec *spec)
{
	json_t *options = json_object();
	char value[32];

	if (spec->log_max_size > 0) {
		snprintf(value, sizeof(value), "%lld", (long long)spec->log_max_size);
		set(options, "max-size", text(value));
		snprintf(value, sizeof(value), "%lld", (long long)spec->log_max_files);
		set(options, "max-file", text(value));
	}
	return json_pack("{s:s, s:o}", "Type", spec->log_driver ? spec->log_driver : "json-file",
		"Config", options);
}

static json_t *describe_host_config(const struct instance *instance)
{
	const struct container_config *c = &instance->config;
	const struct instance_spec *spec = &instance->spec;
	uint64_t usual = container_capabilities_default();
	json_t *o = json_object();

	set(o, "Binds", describe_binds(instance));
	set(o, "LogConfig", describe_logging(spec));
	set(o, "NetworkMode", text(namespace_mode(c, CONTAINER_NS_NETWORK, "none")));
	set(o, "RestartPolicy",
		json_pack("{s:s, s:I}", "Name", restart_names[spec->restart], "MaximumRetryCount",
			(json_int_t)spec->restart_max));
	set(o, "AutoRemove", json_boolean(spec->auto_remove));
	set(o, "CapAdd", describe_capabilities(c->process.cap_bounding, usual));
	set(o, "CapDrop", describe_capabilities(usual, c->process.cap_bounding));
	set(o, "CgroupnsMode", text(namespace_mode(c, CONTAINER_NS_CGROUP, "private")));
	set(o, "IpcMode", text(namespace_mode(c, CONTAINER_NS_IPC, "private")));
	set(o, "PidMode", text(namespace_mode(c, CONTAINER_NS_PID, "")));
	set(o, "UTSMode", text(namespace_mode(c, CONTAINER_NS_UTS, "")));
	set(o, "UsernsMode", text(c->namespaces[CONTAINER_NS_USER].wanted ? "private" : ""));
	set(o, "OomScoreAdj", number(c->process.oom_score_adj));
	set(o, "Privileged", json_boolean(is_privileged(c)));
	set(o, "SecurityOpt", describe_security(c));
	set(o, "GroupAdd", show_json_strv(c->process.group_names));
	set(o, "Ulimits", describe_ulimits(&c->process));
	set(o, "ShmSize", number(shm_size(c)));
	set(o, "Tmpfs", describe_tmpfs(instance));
	set(o, "ReadonlyRootfs", json_boolean(c->rootfs.read_only));
	set(o, "Init", json_boolean(c->init));
	set(o, "Devices", describe_devices(c));
	set(o, "Sysctls", describe_sysctls(c));
	set(o, "MaskedPaths", show_json_strv(c->masked_paths));
	set(o, "ReadonlyPaths", show_json_strv(c->readonly_paths));
	describe_limits(o, &c->limits);
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
	set(o, "Cmd", words_or_null(args ? args + count : NULL));
	entrypoint = count ? json_array() : json_null();
	for (size_t i = 0; i < count; i++)
		json_array_append_new(entrypoint, text(args[i]));
	set(o, "Entrypoint", entrypoint);
}

static json_t *describe_process(const struct instance *instance)
{
	const struct container_config *c = &instance->config;
	const struct instance_spec *spec = &instance->spec;
	char user[32];
	json_t *o = json_object();

	snprintf(user, sizeof(user), "%u:%u", c->process.uid, c->process.gid);
	set(o, "Hostname", text(c->hostname));
	set(o, "Domainname", text(c->domainname));
	set(o, "User",
		text(c->process.user				   ? c->process.user
				: c->process.uid || c->process.gid ? user
								   : ""));
	set(o, "Tty", json_boolean(spec->terminal));
	set(o, "OpenStdin", json_boolean(spec->open_stdin));
	set(o, "Env", show_json_strv(c->process.env));
	describe_command(o, instance);
	set(o, "Image", text(spec->image_name));
	set(o, "WorkingDir", text(c->process.cwd));
	set(o, "Labels", show_json_map(spec->labels));
	set(o, "StopSignal",
		spec->stop_signal > 0
			? json_sprintf("SIG%s", process_signal_name(spec->stop_signal))
			: text(""));
	set(o, "StopTimeout", number(spec->stop_timeout_s));
	if (spec->health.test)
		set(o, "Healthcheck", describe_healthcheck(&spec->health));
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
		text(instance->spec.isolation), "Platform", text(instance->spec.platform),
		"ManifestDigest", text(instance->spec.manifest_digest), "Layers",
		show_json_strv(instance->spec.layers), "MonitorPid",
		number(instance->state.monitor_pid), "CgroupPath",
		text(instance->config.cgroup_path), "StoppedByUser",
		json_boolean(instance->state.stopped_by_user));
}

static json_t *describe(const struct instance *instance)
{
	char *const *args = instance->config.process.args;
	json_t *o = json_object();

	set(o, "Id", text(instance->id));
	set(o, "Created", show_json_time(instance->spec.created_ns));
	set(o, "Path", text(args ? args[0] : NULL));
	set(o, "Args", show_json_strv(args && args[0] ? args + 1 : NULL));
	set(o, "State", describe_state(instance));
	set(o, "Image", text(instance->spec.image_digest));
	set(o, "ResolvConfPath", path_below(instance, "resolv.conf"));
	set(o, "HostnamePath", path_below(instance, "hostname"));
	set(o, "HostsPath", path_below(instance, "hosts"));
	set(o, "LogPath", path_below(instance, "log.json"));
	set(o, "Name", json_sprintf("/%s", instance->spec.name));
	set(o, "RestartCount", number(instance->state.restart_count));
	set(o, "Driver", text("overlay"));
	set(o, "Platform", text("linux"));
	set(o, "HostConfig", describe_host_config(instance));
	set(o, "GraphDriver", describe_storage(instance));
	set(o, "Mounts", describe_mounts(instance));
	set(o, "Config", describe_process(instance));
	set(o, "Strata", describe_own(instance));
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

/* --- the verb --- */

struct inspect_options {
	const char *format, *type;
};

static const struct option option_table[] = {
	INSPECT_FORMAT_OPTION(struct inspect_options, format),
	{ OPTION_STRING, 0, "type", offsetof(struct inspect_options, type), "TYPE",
		"Only a thing of this type: container, image or volume", COMPLETE_CHOICES,
		"container|image|volume" },
	{ OPTION_END },
};

/* Instance, image, volume: the first that has the name, as in Docker. */
static int inspect_any(struct cli *cli, const char *name, json_t **ret, struct error *err)
{
	static const inspect_fn kinds[] = { inspect_instance, inspect_image, inspect_volume };

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
	else if (o->type && streq(o->type, "volume"))
		fn = inspect_volume;
	return inspect_print(cli, argc, argv, fn, o->format, err);
}

const struct verb verb_inspect = {
	.name = "inspect",
	.group = "Instances",
	.usage = "[OPTIONS] NAME|ID [NAME|ID...]",
	.summary = "Show everything about instances, images or volumes as JSON",
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
