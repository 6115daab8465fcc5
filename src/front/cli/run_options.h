/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_options.h - the options of `run` and `create`, and what becomes of them.
 *
 * options -> run_plan_build() -> struct run_plan: an instance_spec and a container_config, complete
 * but for what needs the instance's ID, which instance_create() fills in. Building a plan looks at
 * the host (files named by options, instances named by container:X) and changes nothing on it, so a
 * refused command line leaves nothing behind; run_plan_make_volumes() is the first step that does.
 */
#pragma once

#include "front/cli/resources.h"
#include "front/cli/verb.h"
#include "image/image.h"
#include "instance/instance.h"

struct run_options {
	struct resource_options resources;
	bool detach, interactive, terminal, remove;
	bool read_only, privileged, init, oom_kill_disable, no_healthcheck, signal_proxy;
	bool publish_all, no_snapshot;
	const char *name, *workdir, *user, *entrypoint, *hostname, *domainname;
	const char *pull, *platform, *isolation, *kernel, *cpu, *detach_keys, *cidfile;
	const char *stop_signal, *restart;
	const char *pid, *ipc, *uts, *userns, *cgroupns, *network;
	const char *log_driver, *health_cmd;
	char **env, **env_files, **labels, **label_files, **annotations;
	char **volumes, **mounts, **tmpfs, **devices, **device_rules;
	char **cap_add, **cap_drop, **security, **ulimits, **sysctls, **groups;
	char **log_opts, **attach, **hosts, **dns, **dns_search, **dns_options, **time_offsets;
	char **read_bps, **write_bps, **read_iops, **write_iops;
	char **publish;
	/* As typed; see run_named_networks(). */
	char **networks, **network_aliases;
	const char *ip, *ip6, *mac_address;
	int64_t shm_size, disk_size, stop_timeout, oom_score_adj;
	int64_t health_interval, health_timeout, health_start_period, health_retries;
};

extern const struct option run_option_table[];
extern const struct option create_option_table[];
extern const struct run_options run_option_defaults;

/* A volume of the plan: what may have to be made, and filled from the image. */
struct run_volume {
	char *name; /* NULL: an anonymous one that is not made yet */
	bool anonymous;
	char *destination;
	size_t mount; /* index into config.mounts of its bind mount */
	bool copy; /* fill an empty one with what the image has at destination */
};

struct run_plan {
	struct instance_spec spec;
	struct container_config config;
	struct run_volume *volumes;
	size_t nr_volumes;
	char **host_directories; /* sources of -v that Docker would make */
};

void run_plan_free(struct run_plan *plan);
#define _cleanup_run_plan_ _cleanup_(run_plan_free)

struct run_request {
	const struct cli *cli;
	const struct run_options *options;
	const struct image *image;
	const char *image_name; /* as typed */
	int argc; /* the command after the image */
	char **argv;
};

int run_plan_build(const struct run_request *request, struct run_plan *ret, struct error *err);

/* Make the directories and volumes the plan mounts. Those made for this instance alone are in
 * plan->spec.anonymous_volumes afterwards. */
int run_plan_make_volumes(const struct cli *cli, struct run_plan *plan, struct error *err);

/* Fill volumes that are still empty with the image's content at their place, once the instance
 * exists. `config` is the instance's own. */
int run_plan_fill_volumes(const struct cli *cli, struct run_plan *plan,
	struct container_config *config, struct error *err);

/* "no", "always", "unless-stopped", "on-failure[:N]" */
int run_parse_restart(
	const char *text, enum instance_restart *ret, int64_t *ret_max, struct error *err);

/* Tell networks by name from what --network means otherwise: host, none, container:X, which then is
 * ->network. */
int run_adopt_networks(struct run_options *options, struct error *err);
/* Those by name; NULL: none. */
static inline char *const *run_named_networks(const struct run_options *options)
{
	return options->network ? NULL : options->networks;
}

/* --- the parts of run_plan_build(), one file each ------------------------------------------- */

/* run_process.c: command, user, environment, capabilities, ulimits. */
int run_build_process(const struct run_request *request, struct run_plan *plan, struct error *err);
/* run_namespaces.c: whose namespaces, host name, sysctls, time, hosts and resolv.conf. */
int run_build_namespaces(
	const struct run_request *request, struct run_plan *plan, struct error *err);
/* run_networks.c: networks by name, what they are asked for, published ports. */
int run_build_networks(const struct run_request *request, struct run_plan *plan, struct error *err);
/* run_mounts.c: -v, --mount, --tmpfs, the image's volumes. */
int run_build_mounts(const struct run_request *request, struct run_plan *plan, struct error *err);
/* run_devices.c: --device, device rules and rates, --privileged's. */
int run_build_devices(const struct run_request *request, struct run_plan *plan, struct error *err);
/* run_security.c: --cap-add, --security-opt, --privileged's. */
int run_build_security(const struct run_request *request, struct run_plan *plan, struct error *err);

/* Merge KEY=VALUE (or KEY, taken from `lookup`; NULL = drop it) into a vector; later wins. */
int run_merge_pair(
	char ***pairs, const char *pair, const char *(*lookup)(const char *key), struct error *err);
/* Merge the lines of a file ("#" begins a comment). */
int run_merge_file(
	char ***pairs, const char *path, const char *(*lookup)(const char *key), struct error *err);
