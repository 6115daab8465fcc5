/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_machine.c - `run --isolation vm`: what a machine is made of, and which options it cannot
 * mean.
 */
#include "front/cli/run_machine.h"

#include <inttypes.h>

#include "front/cli/cli.h"
#include "isolation/architectures.h"
#include "kernel/kernel.h"
#include "net/net.h"
#include "vcpu/models.h"

#define DISK_DEFAULT (INT64_C(10) << 30) /* takes what is written to it */
#define DISK_MIN     (INT64_C(16) << 20)
#define DISK_MAX     (INT64_C(16) << 40)

bool run_is_machine(const struct run_options *options)
{
	return streq(options->isolation, "vm");
}

struct refusal {
	bool given;
	const char *option, *why;
};

static int refuse_given(const struct refusal *rows, size_t count, struct error *err)
{
	for (size_t i = 0; i < count; i++)
		if (rows[i].given)
			return error_set(err, ENOTSUP,
				"--isolation vm and --%s exclude each other: a machine %s",
				rows[i].option, rows[i].why);
	return 0;
}

int run_check_machine_limits(const struct resource_options *limits, struct error *err)
{
	const struct refusal rows[] = {
		{ limits->memory_swap != CGROUP_UNSET, "memory-swap", "has no swap" },
		{ limits->memory_reservation != CGROUP_UNSET, "memory-reservation",
			"has memory of its own" },
		{ limits->cpu_shares != CGROUP_UNSET, "cpu-shares", "has CPUs of its own: --cpus" },
		{ limits->cpuset_cpus, "cpuset-cpus", "has CPUs of its own: --cpus" },
		{ limits->cpuset_mems, "cpuset-mems", "has memory of its own" },
		{ limits->blkio_weight != CGROUP_UNSET, "blkio-weight", "has disks of its own" },
	};

	return refuse_given(rows, ARRAY_SIZE(rows), err);
}

/* Everything else means the same in a machine. */
static int refuse(const struct run_options *o, struct error *err)
{
	const bool shares_network = o->network && !streq(o->network, "none") &&
		!streq(o->network, "host");
	const struct refusal rows[] = {
		{ o->devices, "device", "has devices of its own" },
		{ o->device_rules, "device-cgroup-rule", "has devices of its own" },
		{ o->read_bps, "device-read-bps", "has disks of its own" },
		{ o->write_bps, "device-write-bps", "has disks of its own" },
		{ o->read_iops, "device-read-iops", "has disks of its own" },
		{ o->write_iops, "device-write-iops", "has disks of its own" },
		{ o->pid != NULL, "pid", "has processes of its own" },
		{ o->ipc != NULL, "ipc", "has a kernel of its own" },
		{ o->uts != NULL, "uts", "has a host name of its own" },
		{ o->userns != NULL, "userns", "has users of its own" },
		{ o->cgroupns != NULL, "cgroupns", "has control groups of its own" },
		{ shares_network, "network",
			"has networks, none (none) or the host's sockets (host)" },
		{ o->time_offsets != NULL, "time-offset", "has clocks of its own" },
		{ o->oom_kill_disable, "oom-kill-disable", "has memory of its own" },
	};
	int r = refuse_given(rows, ARRAY_SIZE(rows), err);

	return r < 0 ? r : run_check_machine_limits(&o->resources, err);
}

int run_check_machine(const struct run_options *options, struct error *err)
{
	if (!run_is_machine(options)) {
		if (options->kernel || options->cpu || options->disk_size || options->no_snapshot)
			return error_set(err, EINVAL, "--%s needs --isolation vm",
				options->kernel		     ? "kernel"
					: options->cpu	     ? "cpu"
					: options->disk_size ? "disk-size"
							     : "no-snapshot");
		return 0;
	}
	if (options->disk_size && (options->disk_size < DISK_MIN || options->disk_size > DISK_MAX))
		return error_set(err, EINVAL, "--disk-size must be from 16m to 16t");
	return refuse(options, err);
}

/* They are checked before anything is made. */
static int publish(const struct run_options *o, struct instance_spec *spec, struct error *err)
{
	struct net_forward forward;

	if (run_named_networks(o))
		return 0; /* run_networks.c */
	if (strv_length(o->publish) > NET_FORWARDS_MAX)
		return error_set(err, EINVAL, "--publish: at most %d of them", NET_FORWARDS_MAX);
	strv_for_each (port, o->publish) {
		int r = net_forward_parse(*port, &forward, err);

		if (r < 0)
			return error_prefix(err, "--publish");
		if (strv_push(&spec->ports, *port) < 0)
			return error_oom(err);
	}
	return 0;
}

/* Rights over the guest are not what we have over the host. */
static void grant_all(struct container_process *process)
{
	process->cap_bounding = process->cap_effective = process->cap_permitted = UINT64_MAX;
}

/* What only the built configuration tells. */
static int refuse_built(const struct container_config *config, struct error *err)
{
	static const char *const shared[] = { "shared", "rshared", "slave", "rslave" };

	if (config->seccomp.kind == SECCOMP_CUSTOM)
		return error_set(err, ENOTSUP,
			"--isolation vm and --security-opt seccomp=FILE exclude each other: a machine has a kernel of its own");
	for (size_t i = 0; i < config->nr_mounts; i++)
		for (size_t j = 0; j < ARRAY_SIZE(shared); j++)
			if (strv_contains(config->mounts[i].options, shared[j]))
				return error_set(err, ENOTSUP,
					"--isolation vm and a mount that is %s exclude each other: a machine has mounts of its own",
					shared[j]);
	return 0;
}

/* The host's own kernel becomes the one of all machines for its CPU, as `kernel import` would have
 * it. -ENOENT: there is none. */
static int take_host_kernel(const struct cli *cli, const char *architecture, struct error *err)
{
	const char *argv[] = { cli->program, "--root", cli->root, "kernel", "import", "--quiet",
		"--modules", NULL, NULL, NULL };
	struct kernel_on_host found = { 0 };
	struct image_platform host;
	int r = image_platform_parse(NULL, &host, err);

	if (r == 0)
		r = streq(host.architecture, architecture)
			? kernel_find_on_host("", architecture, &found, err)
			: -ENOENT;
	if (r < 0)
		return r;
	fprintf(stderr, "%s: machines get this host's own kernel, %s\n", cli->program, found.file);
	argv[7] = found.modules;
	argv[8] = found.file;
	r = cli_run_helper("strata-image", argv, err);
	kernel_on_host_free(&found);
	return r;
}

static int find_kernel(
	const struct cli *cli, const char *name, const char *architecture, struct error *err)
{
	struct kernel kernel = { 0 };
	struct error missing = { 0 };
	int r = kernel_find(cli->root, name, architecture, &kernel, &missing);

	kernel_free(&kernel);
	if (r == -ENOENT && !name) {
		r = take_host_kernel(cli, architecture, err);
		if (r == -EACCES)
			return error_prefix(err, "%s", missing.message);
		if (r != -ENOENT)
			return r;
	}
	return r < 0 ? error_set(err, r, "%s", missing.message) : 0;
}

/* Whether this host can is said by the machine. */
static int check_cpu(const char *architecture, const char *cpu, struct error *err)
{
	const struct machine_architecture *it = machine_architecture_find(architecture);

	/* There are no machines for it, which is said elsewhere. */
	return it ? vcpu_model_check(it->machine, cpu, err) : 0;
}

int run_build_machine(const struct run_request *request, struct run_plan *plan, struct error *err)
{
	const struct run_options *o = request->options;
	const char *architecture = request->image->config.platform.architecture;
	int r;

	if (!run_is_machine(o))
		return 0;
	r = refuse_built(&plan->config, err);
	if (r == 0 && o->cpu)
		r = check_cpu(architecture, o->cpu, err);
	if (r == 0)
		r = publish(o, &plan->spec, err);
	if (r < 0)
		return r;
	/* That there is none is better said before anything is made. */
	r = find_kernel(request->cli, o->kernel, architecture, err);
	if (r < 0)
		return r;
	plan->spec.disk_bytes = o->disk_size ? o->disk_size : DISK_DEFAULT;
	plan->spec.no_snapshot = o->no_snapshot;
	plan->spec.kernel = o->kernel ? strdup(o->kernel) : NULL;
	/* A bundle has one; this is not a folder. */
	plan->config.rootfs.path = strdup("rootfs");
	plan->spec.cpu = o->cpu ? strdup(o->cpu) : NULL;
	if ((o->kernel && !plan->spec.kernel) || (o->cpu && !plan->spec.cpu) ||
		!plan->config.rootfs.path)
		return error_oom(err);
	/* What the image has in their place is in no folder of the host: the guest copies it. */
	for (size_t i = 0; i < plan->nr_volumes; i++) {
		if (plan->volumes[i].copy &&
			strv_push(&plan->spec.fill, plan->volumes[i].destination) < 0)
			return error_oom(err);
		plan->volumes[i].copy = false;
	}
	if (o->privileged)
		grant_all(&plan->config.process);
	return 0;
}
