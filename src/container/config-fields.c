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
};

static const struct config_field user_fields[] = {
	FIELD("uid", CONFIG_ID, process.uid),
	FIELD("gid", CONFIG_ID, process.gid),
};

static const struct config_field linux_fields[] = {
	FIELD("cgroupsPath", CONFIG_STRING, cgroup_path),
	FIELD("rootfsPropagation", CONFIG_STRING, rootfs_propagation),
	FIELD("maskedPaths", CONFIG_STRV, masked_paths),
	FIELD("readonlyPaths", CONFIG_STRV, readonly_paths),
};

static const struct config_field memory_fields[] = {
	FIELD("limit", CONFIG_I64, limits.memory_bytes),
	FIELD("reservation", CONFIG_I64, limits.memory_reservation_bytes),
	FIELD("swap", CONFIG_I64, limits.memory_swap_bytes),
	FIELD("disableOOMKiller", CONFIG_BOOL, limits.oom_kill_disable),
};

static const struct config_field cpu_fields[] = {
	FIELD("shares", CONFIG_I64, limits.cpu_shares),
	FIELD("quota", CONFIG_I64, limits.cpu_quota_us),
	FIELD("period", CONFIG_I64, limits.cpu_period_us),
	FIELD("cpus", CONFIG_STRING, limits.cpuset_cpus),
	FIELD("mems", CONFIG_STRING, limits.cpuset_mems),
};

static const struct config_field pids_fields[] = {
	FIELD("limit", CONFIG_I64, limits.pids),
};

static const struct config_field block_io_fields[] = {
	FIELD("weight", CONFIG_I64, limits.blkio_weight),
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
};

#define OBJECT(id, what, fields, ...) [id] = { { __VA_ARGS__ }, what, fields, ARRAY_SIZE(fields) }

const struct config_object config_objects[CONFIG_OBJECT_COUNT] = {
	OBJECT(CONFIG_TOP, "config.json", top_fields, NULL),
	OBJECT(CONFIG_ROOT, "config.json: root", root_fields, "root"),
	OBJECT(CONFIG_PROCESS, "config.json: process", process_fields, "process"),
	OBJECT(CONFIG_USER, "config.json: process.user", user_fields, "process", "user"),
	OBJECT(CONFIG_LINUX, "config.json: linux", linux_fields, "linux"),
	OBJECT(CONFIG_MEMORY, "config.json: linux.resources.memory", memory_fields, "linux",
		"resources", "memory"),
	OBJECT(CONFIG_CPU, "config.json: linux.resources.cpu", cpu_fields, "linux", "resources",
		"cpu"),
	OBJECT(CONFIG_PIDS, "config.json: linux.resources.pids", pids_fields, "linux", "resources",
		"pids"),
	OBJECT(CONFIG_BLOCK_IO, "config.json: linux.resources.blockIO", block_io_fields, "linux",
		"resources", "blockIO"),
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
