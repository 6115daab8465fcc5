/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config-fields.c - the tables behind config-fields.h.
 *
 * What the runtime-spec has no word for (a root filesystem of layers, a user by name, --init, the
 * default seccomp profile by name) stands in the object "strata" of the same document: unknown
 * members are to be ignored by other runtimes (runtime-spec config.md, "Extensibility").
 */
#include "container/config-fields.h"

#include <assert.h>
#include <linux/ioprio.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/personality.h>

/* Reserved by the kernel and not implemented (include/uapi/linux/sched.h). */
#define SCHED_ISO 4

#include "base/str.h"

#define FIELD(name, kind, member)                                                                  \
	{                                                                                          \
		name, kind, offsetof(struct container_config, member)                              \
	}

static const struct config_field top_fields[] = {
	FIELD("hostname", CONFIG_STRING, hostname),
	FIELD("domainname", CONFIG_STRING, domainname),
	FIELD("annotations", CONFIG_MAP, annotations),
};

static const struct config_field root_fields[] = {
	FIELD("path", CONFIG_STRING, rootfs.path),
	FIELD("readonly", CONFIG_BOOL, rootfs.read_only),
};

static const struct config_field process_fields[] = {
	FIELD("terminal", CONFIG_BOOL, process.terminal),
	FIELD("args", CONFIG_STRV, process.args),
	FIELD("env", CONFIG_STRV, process.env),
	FIELD("cwd", CONFIG_STRING, process.cwd),
	FIELD("noNewPrivileges", CONFIG_BOOL, process.no_new_privileges),
	FIELD("apparmorProfile", CONFIG_STRING, process.apparmor_profile),
	FIELD("selinuxLabel", CONFIG_STRING, process.selinux_label),
};

static const struct config_field user_fields[] = {
	FIELD("uid", CONFIG_ID, process.uid),
	FIELD("gid", CONFIG_ID, process.gid),
};

static const struct config_field affinity_fields[] = {
	FIELD("initial", CONFIG_STRING, process.cpus_initial),
	FIELD("final", CONFIG_STRING, process.cpus_final),
};

static const struct config_field linux_fields[] = {
	FIELD("cgroupsPath", CONFIG_STRING, cgroup_path),
	FIELD("rootfsPropagation", CONFIG_STRING, rootfs_propagation),
	FIELD("maskedPaths", CONFIG_STRV, masked_paths),
	FIELD("readonlyPaths", CONFIG_STRV, readonly_paths),
	FIELD("mountLabel", CONFIG_STRING, mount_label),
};

static const struct config_field intel_rdt_fields[] = {
	FIELD("closID", CONFIG_STRING, intel_rdt.clos_id),
	FIELD("l3CacheSchema", CONFIG_STRING, intel_rdt.l3_cache_schema),
	FIELD("memBwSchema", CONFIG_STRING, intel_rdt.memory_bandwidth_schema),
	FIELD("schemata", CONFIG_STRV, intel_rdt.schemata),
	FIELD("enableMonitoring", CONFIG_BOOL, intel_rdt.monitoring),
};

static const struct config_field memory_fields[] = {
	FIELD("limit", CONFIG_I64, limits.memory_bytes),
	FIELD("reservation", CONFIG_I64, limits.memory_reservation_bytes),
	FIELD("swap", CONFIG_I64, limits.memory_swap_bytes),
	FIELD("kernel", CONFIG_I64, limits.memory_kernel_bytes),
	FIELD("kernelTCP", CONFIG_I64, limits.memory_kernel_tcp_bytes),
	FIELD("swappiness", CONFIG_UNSIGNED, limits.memory_swappiness),
	FIELD("disableOOMKiller", CONFIG_BOOL, limits.oom_kill_disable),
	FIELD("useHierarchy", CONFIG_BOOL, limits.memory_use_hierarchy),
	FIELD("checkBeforeUpdate", CONFIG_BOOL, limits.memory_check_before_update),
};

static const struct config_field cpu_fields[] = {
	FIELD("shares", CONFIG_UNSIGNED, limits.cpu_shares),
	FIELD("quota", CONFIG_I64, limits.cpu_quota_us),
	FIELD("burst", CONFIG_UNSIGNED, limits.cpu_burst_us),
	FIELD("period", CONFIG_UNSIGNED, limits.cpu_period_us),
	FIELD("realtimeRuntime", CONFIG_I64, limits.cpu_realtime_runtime_us),
	FIELD("realtimePeriod", CONFIG_UNSIGNED, limits.cpu_realtime_period_us),
	FIELD("idle", CONFIG_I64, limits.cpu_idle),
	FIELD("cpus", CONFIG_STRING, limits.cpuset_cpus),
	FIELD("mems", CONFIG_STRING, limits.cpuset_mems),
};

static const struct config_field pids_fields[] = {
	FIELD("limit", CONFIG_I64, limits.pids),
};

static const struct config_field block_io_fields[] = {
	FIELD("weight", CONFIG_UNSIGNED_16, limits.blkio_weight),
	FIELD("leafWeight", CONFIG_UNSIGNED_16, limits.blkio_leaf_weight),
};

static const struct config_field network_fields[] = {
	FIELD("classID", CONFIG_UNSIGNED_32, limits.net_class_id),
};

static const struct config_field unified_fields[] = {
	FIELD("unified", CONFIG_MAP, limits.unified),
};

static const struct config_field strata_fields[] = {
	FIELD("layers", CONFIG_STRV, rootfs.layers),
	FIELD("upper", CONFIG_STRING, rootfs.upper),
	FIELD("work", CONFIG_STRING, rootfs.work),
	FIELD("ephemeral", CONFIG_BOOL, rootfs.ephemeral),
	FIELD("user", CONFIG_STRING, process.user),
	FIELD("groups", CONFIG_STRV, process.group_names),
	FIELD("init", CONFIG_BOOL, init),
	FIELD("translate", CONFIG_STRING, translate),
};

#define OBJECT(id, what, fields, ...) [id] = { { __VA_ARGS__ }, what, fields, ARRAY_SIZE(fields) }

const struct config_object config_objects[CONFIG_OBJECT_COUNT] = {
	OBJECT(CONFIG_TOP, "config.json", top_fields, NULL),
	OBJECT(CONFIG_ROOT, "config.json: root", root_fields, "root"),
	OBJECT(CONFIG_PROCESS, "config.json: process", process_fields, "process"),
	OBJECT(CONFIG_USER, "config.json: process.user", user_fields, "process", "user"),
	OBJECT(CONFIG_AFFINITY, "config.json: process.execCPUAffinity", affinity_fields, "process",
		"execCPUAffinity"),
	OBJECT(CONFIG_LINUX, "config.json: linux", linux_fields, "linux"),
	OBJECT(CONFIG_INTEL_RDT, "config.json: linux.intelRdt", intel_rdt_fields, "linux",
		"intelRdt"),
	OBJECT(CONFIG_MEMORY, "config.json: linux.resources.memory", memory_fields, "linux",
		"resources", "memory"),
	OBJECT(CONFIG_CPU, "config.json: linux.resources.cpu", cpu_fields, "linux", "resources",
		"cpu"),
	OBJECT(CONFIG_PIDS, "config.json: linux.resources.pids", pids_fields, "linux", "resources",
		"pids"),
	OBJECT(CONFIG_BLOCK_IO, "config.json: linux.resources.blockIO", block_io_fields, "linux",
		"resources", "blockIO"),
	OBJECT(CONFIG_NETWORK, "config.json: linux.resources.network", network_fields, "linux",
		"resources", "network"),
	OBJECT(CONFIG_UNIFIED, "config.json: linux.resources", unified_fields, "linux",
		"resources"),
	OBJECT(CONFIG_STRATA, "config.json: strata", strata_fields, "strata"),
};

const char *const config_namespace_names[] = {
	[CONTAINER_NS_MOUNT] = "mount",
	[CONTAINER_NS_PID] = "pid",
	[CONTAINER_NS_NETWORK] = "network",
	[CONTAINER_NS_IPC] = "ipc",
	[CONTAINER_NS_UTS] = "uts",
	[CONTAINER_NS_USER] = "user",
	[CONTAINER_NS_CGROUP] = "cgroup",
	[CONTAINER_NS_TIME] = "time",
};
static_assert(ARRAY_SIZE(config_namespace_names) == CONTAINER_NS_COUNT, "a name per namespace");

const char *const config_hook_names[] = {
	[CONTAINER_HOOK_PRESTART] = "prestart",
	[CONTAINER_HOOK_CREATE_RUNTIME] = "createRuntime",
	[CONTAINER_HOOK_CREATE_CONTAINER] = "createContainer",
	[CONTAINER_HOOK_START_CONTAINER] = "startContainer",
	[CONTAINER_HOOK_POSTSTART] = "poststart",
	[CONTAINER_HOOK_POSTSTOP] = "poststop",
};
static_assert(ARRAY_SIZE(config_hook_names) == CONTAINER_HOOK_COUNT, "a name per kind of hook");

#define WORD(value)                                                                                \
	{                                                                                          \
#value, value                                                                      \
	}

const struct config_word config_scheduler_policies[CONFIG_SCHEDULER_POLICIES] = {
	WORD(SCHED_OTHER),
	WORD(SCHED_FIFO),
	WORD(SCHED_RR),
	WORD(SCHED_BATCH),
	WORD(SCHED_ISO),
	WORD(SCHED_IDLE),
	WORD(SCHED_DEADLINE),
};

const struct config_word config_scheduler_flags[CONFIG_SCHEDULER_FLAGS] = {
	WORD(SCHED_FLAG_RESET_ON_FORK),
	WORD(SCHED_FLAG_RECLAIM),
	WORD(SCHED_FLAG_DL_OVERRUN),
	WORD(SCHED_FLAG_KEEP_POLICY),
	WORD(SCHED_FLAG_KEEP_PARAMS),
	WORD(SCHED_FLAG_UTIL_CLAMP_MIN),
	WORD(SCHED_FLAG_UTIL_CLAMP_MAX),
};

const struct config_word config_io_classes[CONFIG_IO_CLASSES] = {
	WORD(IOPRIO_CLASS_RT),
	WORD(IOPRIO_CLASS_BE),
	WORD(IOPRIO_CLASS_IDLE),
};

const struct config_word config_personalities[CONFIG_PERSONALITIES] = {
	{ "LINUX", PER_LINUX },
	{ "LINUX32", PER_LINUX32 },
};

int config_word_value(
	const struct config_word *words, size_t nr_words, const char *word, int64_t *ret)
{
	for (size_t i = 0; i < nr_words; i++) {
		if (streq(words[i].word, word)) {
			*ret = words[i].value;
			return 0;
		}
	}
	return -EINVAL;
}

const char *config_word_of(const struct config_word *words, size_t nr_words, int64_t value)
{
	for (size_t i = 0; i < nr_words; i++)
		if (words[i].value == value)
			return words[i].word;
	return NULL;
}

#define SET(member)                                                                                \
	{                                                                                          \
#member, offsetof(struct container_process, cap_##member)                          \
	}

const struct config_capability_set config_capability_sets[CONFIG_CAPABILITY_SETS] = {
	SET(bounding),
	SET(effective),
	SET(inheritable),
	SET(permitted),
	SET(ambient),
};

const struct config_throttle_list config_throttle_lists[CONFIG_THROTTLE_LISTS] = {
	{ "throttleReadBpsDevice", offsetof(struct cgroup_throttle, read_bps) },
	{ "throttleWriteBpsDevice", offsetof(struct cgroup_throttle, write_bps) },
	{ "throttleReadIOPSDevice", offsetof(struct cgroup_throttle, read_iops) },
	{ "throttleWriteIOPSDevice", offsetof(struct cgroup_throttle, write_iops) },
};

static const struct {
	const char *name;
	int resource;
} rlimits[] = {
	{ "RLIMIT_AS", RLIMIT_AS },
	{ "RLIMIT_CORE", RLIMIT_CORE },
	{ "RLIMIT_CPU", RLIMIT_CPU },
	{ "RLIMIT_DATA", RLIMIT_DATA },
	{ "RLIMIT_FSIZE", RLIMIT_FSIZE },
	{ "RLIMIT_LOCKS", RLIMIT_LOCKS },
	{ "RLIMIT_MEMLOCK", RLIMIT_MEMLOCK },
	{ "RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE },
	{ "RLIMIT_NICE", RLIMIT_NICE },
	{ "RLIMIT_NOFILE", RLIMIT_NOFILE },
	{ "RLIMIT_NPROC", RLIMIT_NPROC },
	{ "RLIMIT_RSS", RLIMIT_RSS },
	{ "RLIMIT_RTPRIO", RLIMIT_RTPRIO },
	{ "RLIMIT_RTTIME", RLIMIT_RTTIME },
	{ "RLIMIT_SIGPENDING", RLIMIT_SIGPENDING },
	{ "RLIMIT_STACK", RLIMIT_STACK },
};
static_assert(ARRAY_SIZE(rlimits) == RLIM_NLIMITS, "a name per resource limit");

int config_rlimit_from_name(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(rlimits); i++)
		if (streq(rlimits[i].name, name))
			return rlimits[i].resource;
	return -EINVAL;
}

const char *config_rlimit_name(int resource)
{
	for (size_t i = 0; i < ARRAY_SIZE(rlimits); i++)
		if (rlimits[i].resource == resource)
			return rlimits[i].name;
	return NULL;
}
