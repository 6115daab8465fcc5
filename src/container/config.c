/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.c - what a container gets when nobody asks for anything else, and how a configuration is
 * extended and freed.
 *
 * The defaults are Docker's, so that an image behaves the same: mounts, masked and read-only paths
 * and device rules as its documentation and `docker inspect` of a plain container show them.
 */
#include "container/container.h"

#include "base/str.h"

static const struct {
	const char *destination, *type, *source, *options;
} default_mounts[] = {
	{ "/proc", "proc", "proc", "nosuid,noexec,nodev" },
	{ "/dev", "tmpfs", "tmpfs", "nosuid,strictatime,mode=755,size=65536k" },
	{ "/dev/pts", "devpts", "devpts",
		"nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5" },
	{ "/sys", "sysfs", "sysfs", "nosuid,noexec,nodev,ro" },
	{ "/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev" },
	{ "/sys/fs/cgroup", "cgroup", "cgroup", "ro,nosuid,noexec,nodev" },
};

static const char *const default_masked_paths[] = {
	"/proc/acpi",
	"/proc/asound",
	"/proc/interrupts",
	"/proc/kcore",
	"/proc/keys",
	"/proc/latency_stats",
	"/proc/sched_debug",
	"/proc/scsi",
	"/proc/timer_list",
	"/proc/timer_stats",
	"/sys/devices/virtual/powercap",
	"/sys/firmware",
};

static const char *const default_readonly_paths[] = {
	"/proc/bus",
	"/proc/fs",
	"/proc/irq",
	"/proc/sys",
	"/proc/sysrq-trigger",
};

/* Nodes may be made; only the harmless ones, terminals and tun may be used. */
static const struct cgroup_device_rule default_device_rules[] = {
	{ false, 'a', -1, -1, "rwm" }, { true, 'c', -1, -1, "m" }, { true, 'b', -1, -1, "m" },
	{ true, 'c', 1, 3, "rwm" }, /* null */
	{ true, 'c', 1, 5, "rwm" }, /* zero */
	{ true, 'c', 1, 7, "rwm" }, /* full */
	{ true, 'c', 1, 8, "rwm" }, /* random */
	{ true, 'c', 1, 9, "rwm" }, /* urandom */
	{ true, 'c', 5, 0, "rwm" }, /* tty */
	{ true, 'c', 5, 1, "rwm" }, /* console */
	{ true, 'c', 5, 2, "rwm" }, /* ptmx */
	{ true, 'c', 136, -1, "rwm" }, /* pts */
	{ true, 'c', 10, 200, "rwm" }, /* net/tun */
};

static char **copy_list(const char *const *list, size_t count)
{
	_cleanup_strv_ char **v = NULL;

	for (size_t i = 0; i < count; i++)
		if (strv_push(&v, list[i]) < 0)
			return NULL;
	return steal_ptr(&v);
}

int container_config_add_mount(struct container_config *config, const char *type,
	const char *source, const char *destination, const char *comma_options, struct error *err)
{
	struct container_mount *grown, mount = { 0 };

	grown = reallocarray(config->mounts, config->nr_mounts + 1, sizeof(*grown));
	if (!grown)
		return error_oom(err);
	config->mounts = grown;
	mount.destination = strdup(destination);
	mount.type = type ? strdup(type) : NULL;
	mount.source = source ? strdup(source) : NULL;
	if (comma_options && *comma_options)
		mount.options = strv_split(comma_options, ',');
	/* Counted before it is checked, so that container_config_free() finds every part. */
	config->mounts[config->nr_mounts++] = mount;
	if (!mount.destination || (type && !mount.type) || (source && !mount.source) ||
		(comma_options && *comma_options && !mount.options))
		return error_oom(err);
	return 0;
}

static int add_default_mounts(
	struct container_config *config, uint64_t shm_size_bytes, struct error *err)
{
	char shm_options[96];
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(default_mounts); i++) {
		r = container_config_add_mount(config, default_mounts[i].type,
			default_mounts[i].source, default_mounts[i].destination,
			default_mounts[i].options, err);
		if (r < 0)
			return r;
	}
	snprintf(shm_options, sizeof(shm_options), "nosuid,noexec,nodev,mode=1777,size=%llu",
		(unsigned long long)shm_size_bytes);
	return container_config_add_mount(config, "tmpfs", "shm", "/dev/shm", shm_options, err);
}

int container_config_allow_default_devices(struct container_config *config, struct error *err)
{
	struct cgroup_limits *limits = &config->limits;
	/* The first rule refuses everything: only for a list that does not say so itself. */
	size_t skip = limits->nr_device_rules ? 1 : 0,
	       more = ARRAY_SIZE(default_device_rules) - skip;
	struct cgroup_device_rule *grown = reallocarray(
		limits->device_rules, limits->nr_device_rules + more, sizeof(*grown));

	if (!grown)
		return error_oom(err);
	memcpy(grown + limits->nr_device_rules, default_device_rules + skip, more * sizeof(*grown));
	limits->device_rules = grown;
	limits->nr_device_rules += more;
	return 0;
}

static int set_defaults(struct container_config *c, uint64_t shm_size_bytes, struct error *err)
{
	static const enum container_namespace namespaces[] = { CONTAINER_NS_MOUNT, CONTAINER_NS_PID,
		CONTAINER_NS_NETWORK, CONTAINER_NS_IPC, CONTAINER_NS_UTS, CONTAINER_NS_CGROUP };
	uint64_t capabilities = container_capabilities_default();

	for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++)
		c->namespaces[namespaces[i]].wanted = true;
	c->process.cap_bounding = c->process.cap_effective = c->process.cap_permitted =
		capabilities;
	c->seccomp.kind = SECCOMP_DEFAULT;
	c->masked_paths = copy_list(default_masked_paths, ARRAY_SIZE(default_masked_paths));
	c->readonly_paths = copy_list(default_readonly_paths, ARRAY_SIZE(default_readonly_paths));
	c->process.cwd = strdup("/");
	c->limits.device_rules = malloc(sizeof(default_device_rules));
	if (!c->masked_paths || !c->readonly_paths || !c->process.cwd || !c->limits.device_rules)
		return error_oom(err);
	memcpy(c->limits.device_rules, default_device_rules, sizeof(default_device_rules));
	c->limits.nr_device_rules = ARRAY_SIZE(default_device_rules);
	return add_default_mounts(c, shm_size_bytes, err);
}

int container_config_defaults(
	struct container_config *ret, uint64_t shm_size_bytes, struct error *err)
{
	struct container_config c = { .process.umask = -1 };
	int r;

	cgroup_limits_init(&c.limits);
	r = set_defaults(&c, shm_size_bytes, err);
	if (r < 0) {
		container_config_free(&c);
		return r;
	}
	*ret = c;
	return 0;
}

void container_process_free(struct container_process *process)
{
	strv_free(process->args);
	strv_free(process->env);
	free(process->cwd);
	free(process->user);
	free(process->groups);
	strv_free(process->group_names);
	free(process->rlimits);
	free(process->cpus_initial);
	free(process->cpus_final);
	free(process->apparmor_profile);
	free(process->selinux_label);
	*process = (struct container_process){ 0 };
}

static void free_rootfs(struct container_rootfs *rootfs)
{
	free(rootfs->path);
	strv_free(rootfs->layers);
	free(rootfs->upper);
	free(rootfs->work);
}

static void free_key_values(struct container_key_value *pairs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(pairs[i].key);
		free(pairs[i].value);
	}
	free(pairs);
}

static void free_intel_rdt(struct container_intel_rdt *rdt)
{
	free(rdt->clos_id);
	free(rdt->l3_cache_schema);
	free(rdt->memory_bandwidth_schema);
	strv_free(rdt->schemata);
}

static void free_hooks(struct container_hooks *list)
{
	for (size_t i = 0; i < list->count; i++) {
		free(list->hooks[i].path);
		strv_free(list->hooks[i].args);
		strv_free(list->hooks[i].env);
	}
	free(list->hooks);
}

struct container_machine *container_machine_free(struct container_machine *machine)
{
	if (!machine)
		return NULL;
	free(machine->root);
	free(machine->folder);
	free(machine->architecture);
	free(machine->kernel);
	free(machine->cpu);
	free(machine->networks);
	strv_free(machine->layers);
	free(machine->disk);
	strv_free(machine->ports);
	strv_free(machine->fill);
	free(machine);
	return NULL;
}

void container_config_free(struct container_config *config)
{
	container_machine_free(config->machine);
	free(config->hostname);
	free(config->domainname);
	free_rootfs(&config->rootfs);
	container_process_free(&config->process);
	for (size_t i = 0; i < config->nr_mounts; i++) {
		free(config->mounts[i].destination);
		free(config->mounts[i].type);
		free(config->mounts[i].source);
		strv_free(config->mounts[i].options);
		userns_maps_free(&config->mounts[i].id_maps);
	}
	free(config->mounts);
	for (int i = 0; i < CONTAINER_NS_COUNT; i++)
		free(config->namespaces[i].path);
	userns_maps_free(&config->id_maps);
	for (size_t i = 0; i < config->nr_devices; i++)
		free(config->devices[i].path);
	free(config->devices);
	free(config->cgroup_path);
	cgroup_unit_free(&config->cgroup_unit);
	cgroup_limits_free(&config->limits);
	free(config->seccomp.profile);
	strv_free(config->masked_paths);
	strv_free(config->readonly_paths);
	free_key_values(config->sysctls, config->nr_sysctls);
	free(config->mount_label);
	free_intel_rdt(&config->intel_rdt);
	free_key_values(config->net_devices, config->nr_net_devices);
	for (int kind = 0; kind < CONTAINER_HOOK_COUNT; kind++)
		free_hooks(&config->hooks[kind]);
	free(config->rootfs_propagation);
	strv_free(config->annotations);
	free(config->translate);
	*config = (struct container_config){ 0 };
}
