/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inspect_host.c - the halves of an instance's document that tell what it has of the host: mounts,
 * limits, rights, namespaces.
 */
#include <fcntl.h>
#include <stddef.h>

#include "base/io.h"
#include "container/container.h"
#include "front/cli/inspect.h"
#include "front/cli/ports.h"
#include "front/cli/show.h"
#include "instance/join.h"
#include "instance/volume.h"
#include "network/network.h"

static const char *const restart_names[] = {
	[INSTANCE_RESTART_NO] = "no",
	[INSTANCE_RESTART_ON_FAILURE] = "on-failure",
	[INSTANCE_RESTART_UNLESS_STOPPED] = "unless-stopped",
	[INSTANCE_RESTART_ALWAYS] = "always",
};

#define UEVENT_MAX 4096 /* bytes of a device's uevent file */

/* A limit nobody asked for is 0, as in Docker. */
static json_t *limit(int64_t n)
{
	return json_integer(n == CGROUP_UNSET ? 0 : (json_int_t)n);
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

/* The last word counts; everybody gets rprivate. */
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

/* "ro,rslave": the words of `-v A:B:WORDS` that say something. The caller frees it. */
static char *mount_mode(const struct container_mount *m, bool bind)
{
	const char *word = bind ? propagation(m) : "rprivate", *ro = is_read_only(m) ? "ro" : "";

	if (streq(word, "rprivate"))
		return strdup(ro);
	return strf("%s%s%s", ro, *ro ? "," : "", word);
}

static json_t *describe_mount(const struct instance *instance, const struct container_mount *m)
{
	_cleanup_free_ char *volume = m->source
		? volume_name_of_path(instance->roots.root, m->source)
		: NULL;
	bool tmpfs = m->type && streq(m->type, "tmpfs");
	_cleanup_free_ char *mode = mount_mode(m, !tmpfs && !volume);
	json_t *o = json_object();

	inspect_set(o, "Type", inspect_text(tmpfs ? "tmpfs" : volume ? "volume" : "bind"));
	if (volume) {
		inspect_set(o, "Name", inspect_text(volume));
		inspect_set(o, "Driver", inspect_text("local"));
	}
	inspect_set(o, "Source", inspect_text(tmpfs ? "" : m->source));
	inspect_set(o, "Destination", inspect_text(m->destination));
	inspect_set(o, "Mode", inspect_text(mode));
	inspect_set(o, "RW", json_boolean(!is_read_only(m)));
	inspect_set(o, "Propagation", inspect_text(tmpfs || volume ? "" : propagation(m)));
	return o;
}

json_t *inspect_mounts(const struct instance *instance)
{
	json_t *array = json_array();

	for (size_t i = 0; i < instance->config.nr_mounts; i++) {
		const struct container_mount *m = &instance->config.mounts[i];

		if (!is_own_mount(instance, m))
			json_array_append_new(array, describe_mount(instance, m));
	}
	return array;
}

static bool is_anonymous(const struct instance *instance, const char *volume)
{
	_cleanup_volume_ struct volume found = { 0 };

	return volume && volume_load(instance->roots.root, volume, &found, NULL) == 0 &&
		found.anonymous;
}

/* Where the volumes without a name are: those of the image, and of -v with one path. */
json_t *inspect_volumes(const struct instance *instance)
{
	json_t *o = json_object();

	for (size_t i = 0; i < instance->config.nr_mounts; i++) {
		const struct container_mount *m = &instance->config.mounts[i];
		_cleanup_free_ char *volume = m->source
			? volume_name_of_path(instance->roots.root, m->source)
			: NULL;

		if (is_anonymous(instance, volume))
			inspect_set(o, m->destination, json_object());
	}
	return o;
}

/* --- HostConfig --- */

static json_t *describe_binds(const struct instance *instance)
{
	json_t *array = json_array();

	for (size_t i = 0; i < instance->config.nr_mounts; i++) {
		const struct container_mount *m = &instance->config.mounts[i];
		_cleanup_free_ char *volume = NULL, *mode = NULL, *bind = NULL;

		if (is_own_mount(instance, m) || !m->source || *m->source != '/')
			continue;
		volume = volume_name_of_path(instance->roots.root, m->source);
		if (is_anonymous(instance, volume))
			continue;
		mode = mount_mode(m, !volume);
		bind = strf("%s:%s%s%s", volume ? volume : m->source, m->destination,
			mode && *mode ? ":" : "", mode ? mode : "");
		json_array_append_new(array, inspect_text(bind));
	}
	return array;
}

/* "host", "container:ID" or `own`. */
static json_t *namespace_mode(
	const struct container_config *config, enum container_namespace which, const char *own)
{
	const struct container_namespace_config *ns = &config->namespaces[which];
	const char *prefix = INSTANCE_JOIN_PREFIX, *name = container_namespace_files[which];

	if (!ns->wanted)
		return json_string("host");
	if (!ns->path)
		return json_string(own);
	strv_for_each (annotation, config->annotations) {
		const char *rest = str_after_prefix(*annotation, prefix);

		rest = rest ? str_after_prefix(rest, name) : NULL;
		if (rest && *rest == '=')
			return json_sprintf("container:%s", rest + 1);
	}
	return json_string(ns->path);
}

/* What the host calls a device now, "/dev/null"; NULL when it has none of that number. */
static char *device_path(char type, uint32_t major, uint32_t minor)
{
	_cleanup_free_ char *text = NULL;
	char path[64];
	const char *name;
	size_t len;

	snprintf(path, sizeof(path), "/sys/dev/%s/%u:%u/uevent", type == 'b' ? "block" : "char",
		major, minor);
	if (io_read_file(AT_FDCWD, path, UEVENT_MAX, &text, &len, NULL) < 0)
		return NULL;
	name = strstr(text, "DEVNAME=");
	if (!name)
		return NULL;
	name += strlen("DEVNAME=");
	return strf("/dev/%.*s", (int)strcspn(name, "\n"), name);
}

/* [{"Path": "/dev/sda", "Rate": 1048576}] of one member of struct cgroup_throttle. */
static json_t *describe_rates(const struct cgroup_limits *limits, size_t offset)
{
	json_t *array = json_array();

	for (size_t i = 0; i < limits->nr_throttles; i++) {
		const struct cgroup_throttle *t = &limits->throttles[i];
		int64_t rate = *(const int64_t *)((const char *)t + offset);
		_cleanup_free_ char *path = NULL;

		if (rate == CGROUP_UNSET)
			continue;
		path = device_path('b', t->major, t->minor);
		json_array_append_new(array,
			json_pack("{s:o, s:I}", "Path", inspect_text(path), "Rate",
				(json_int_t)rate));
	}
	return array;
}

static void describe_limits(json_t *o, const struct cgroup_limits *limits)
{
	int64_t nano_cpus = 0;

	if (limits->cpu_quota_us > 0 && limits->cpu_period_us > 0)
		nano_cpus = (int64_t)((double)limits->cpu_quota_us * 1e9 /
			(double)limits->cpu_period_us);
	inspect_set(o, "Memory", limit(limits->memory_bytes));
	inspect_set(o, "MemorySwap", limit(limits->memory_swap_bytes));
	inspect_set(o, "MemoryReservation", limit(limits->memory_reservation_bytes));
	inspect_set(o, "NanoCpus", inspect_number(nano_cpus));
	inspect_set(o, "CpuShares", limit(limits->cpu_shares));
	inspect_set(o, "CpuQuota", limit(limits->cpu_quota_us));
	inspect_set(o, "CpuPeriod", limit(limits->cpu_period_us));
	inspect_set(o, "CpusetCpus", inspect_text(limits->cpuset_cpus));
	inspect_set(o, "CpusetMems", inspect_text(limits->cpuset_mems));
	inspect_set(o, "PidsLimit", limit(limits->pids));
	inspect_set(o, "BlkioWeight", limit(limits->blkio_weight));
	inspect_set(o, "MemorySwappiness",
		limits->memory_swappiness == CGROUP_UNSET
			? json_null()
			: inspect_number(limits->memory_swappiness));
	inspect_set(o, "KernelMemory", limit(limits->memory_kernel_bytes));
	inspect_set(o, "KernelMemoryTCP", limit(limits->memory_kernel_tcp_bytes));
	inspect_set(o, "CpuRealtimePeriod", limit(limits->cpu_realtime_period_us));
	inspect_set(o, "CpuRealtimeRuntime", limit(limits->cpu_realtime_runtime_us));
	inspect_set(o, "OomKillDisable", json_boolean(limits->oom_kill_disable));
	inspect_set(o, "BlkioDeviceReadBps",
		describe_rates(limits, offsetof(struct cgroup_throttle, read_bps)));
	inspect_set(o, "BlkioDeviceWriteBps",
		describe_rates(limits, offsetof(struct cgroup_throttle, write_bps)));
	inspect_set(o, "BlkioDeviceReadIOps",
		describe_rates(limits, offsetof(struct cgroup_throttle, read_iops)));
	inspect_set(o, "BlkioDeviceWriteIOps",
		describe_rates(limits, offsetof(struct cgroup_throttle, write_iops)));
}

/* The last rule about exactly this device. */
static const char *device_access(
	const struct cgroup_limits *limits, const struct container_device *device)
{
	for (size_t i = limits->nr_device_rules; i-- > 0;) {
		const struct cgroup_device_rule *rule = &limits->device_rules[i];

		if (rule->allow && rule->type == device->type && rule->major == device->major &&
			rule->minor == device->minor)
			return rule->access;
	}
	return "rwm";
}

static json_t *describe_devices(const struct container_config *config)
{
	json_t *array = json_array();

	for (size_t i = 0; i < config->nr_devices; i++) {
		const struct container_device *device = &config->devices[i];
		_cleanup_free_ char *host = device_path(device->type, device->major, device->minor);

		json_array_append_new(array,
			json_pack("{s:o, s:s, s:s}", "PathOnHost", inspect_text(host),
				"PathInContainer", device->path, "CgroupPermissions",
				device_access(&config->limits, device)));
	}
	return array;
}

static json_t *describe_sysctls(const struct container_config *config)
{
	json_t *o = json_object();

	for (size_t i = 0; i < config->nr_sysctls; i++)
		inspect_set(o, config->sysctls[i].key, inspect_text(config->sysctls[i].value));
	return o;
}

static json_t *describe_capabilities(uint64_t set_, uint64_t but)
{
	json_t *array = json_array();

	for (int bit = 0; bit < CONTAINER_CAPABILITY_COUNT; bit++) {
		const char *name = container_capability_name(bit);

		if ((set_ & ~but) >> bit & 1 && name)
			json_array_append_new(array, inspect_text(name));
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
		json_array_append_new(array, inspect_text("no-new-privileges"));
	if (c->seccomp.kind == SECCOMP_UNCONFINED)
		json_array_append_new(array, inspect_text("seccomp=unconfined"));
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
		inspect_set(o, m->destination, inspect_text(options));
	}
	return o;
}

static json_t *describe_logging(const struct instance_spec *spec)
{
	json_t *options = json_object();
	char value[32];

	if (spec->log_max_size > 0) {
		snprintf(value, sizeof(value), "%lld", (long long)spec->log_max_size);
		inspect_set(options, "max-size", inspect_text(value));
		snprintf(value, sizeof(value), "%lld", (long long)spec->log_max_files);
		inspect_set(options, "max-file", inspect_text(value));
	}
	return json_pack("{s:s, s:o}", "Type", spec->log_driver ? spec->log_driver : "json-file",
		"Config", options);
}

/* Its first network's name, or what it has instead of one. */
static json_t *network_mode(const struct instance_spec *spec, const struct container_config *c)
{
	struct network_request request = { 0 };
	json_t *mode = NULL;

	if (spec->networks && network_request_parse(spec->networks[0], &request, NULL) == 0)
		mode = inspect_text(request.network);
	network_request_free(&request);
	return mode ? mode : namespace_mode(c, CONTAINER_NS_NETWORK, "none");
}

json_t *inspect_host_config(const struct instance *instance)
{
	const struct container_config *c = &instance->config;
	const struct instance_spec *spec = &instance->spec;
	bool privileged = is_privileged(c);
	uint64_t had = c->process.cap_bounding, usual = container_capabilities_default();
	json_t *o = json_object();

	inspect_set(o, "Binds", describe_binds(instance));
	inspect_set(o, "LogConfig", describe_logging(spec));
	inspect_set(o, "NetworkMode", network_mode(spec, c));
	inspect_set(o, "PortBindings", ports_json(spec->ports, ""));
	inspect_set(o, "PublishAllPorts", json_false());
	inspect_set(o, "RestartPolicy",
		json_pack("{s:s, s:I}", "Name", restart_names[spec->restart], "MaximumRetryCount",
			(json_int_t)spec->restart_max));
	inspect_set(o, "AutoRemove", json_boolean(spec->auto_remove));
	inspect_set(o, "CapAdd", describe_capabilities(privileged ? 0 : had, usual));
	inspect_set(o, "CapDrop", describe_capabilities(usual, had));
	inspect_set(o, "CgroupnsMode", namespace_mode(c, CONTAINER_NS_CGROUP, "private"));
	inspect_set(o, "IpcMode", namespace_mode(c, CONTAINER_NS_IPC, "private"));
	inspect_set(o, "PidMode", namespace_mode(c, CONTAINER_NS_PID, ""));
	inspect_set(o, "UTSMode", namespace_mode(c, CONTAINER_NS_UTS, ""));
	inspect_set(o, "UsernsMode",
		inspect_text(c->namespaces[CONTAINER_NS_USER].wanted ? "private" : ""));
	inspect_set(o, "OomScoreAdj", inspect_number(c->process.oom_score_adj));
	inspect_set(o, "Privileged", json_boolean(privileged));
	inspect_set(o, "SecurityOpt", describe_security(c));
	inspect_set(o, "GroupAdd", show_json_strv(c->process.group_names));
	inspect_set(o, "Ulimits", describe_ulimits(&c->process));
	inspect_set(o, "ShmSize", inspect_number(shm_size(c)));
	inspect_set(o, "Tmpfs", describe_tmpfs(instance));
	inspect_set(o, "ReadonlyRootfs", json_boolean(c->rootfs.read_only));
	inspect_set(o, "Init", json_boolean(c->init));
	/* --privileged means all of them, in one word. */
	inspect_set(o, "Devices", privileged ? json_array() : describe_devices(c));
	inspect_set(o, "Sysctls", describe_sysctls(c));
	inspect_set(o, "MaskedPaths", show_json_strv(c->masked_paths));
	inspect_set(o, "ReadonlyPaths", show_json_strv(c->readonly_paths));
	describe_limits(o, &c->limits);
	return o;
}
