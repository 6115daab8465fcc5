/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-run.c - command lines of `run` become the configuration they ask for, or the sentence that
 * says why not.
 */
#include "unit/test.h"

#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "front/cli/run_options.h"

#define WORDS_MAX 24

struct built {
	struct run_options options;
	struct run_plan plan;
	struct error err;
	char *words[WORDS_MAX];
	int r;
};

static struct cli cli = { .program = (char *)"strata",
	.root = (char *)"/nonexistent/root",
	.run_root = (char *)"/nonexistent/run" };

static char **strings(const char *const *list)
{
	char **v = NULL;

	for (; *list; list++)
		assert_int_equal(strv_push(&v, *list), 0);
	return v;
}

#define STRINGS(...) strings((const char *const[]){ __VA_ARGS__, NULL })

static struct image make_image(void)
{
	struct image image = {
		.manifest_digest = strdup("sha256:m"),
		.config_digest = strdup("sha256:c"),
		.config = {
			.platform = { "linux", "amd64", "" },
			.entrypoint = STRINGS("/entry"),
			.cmd = STRINGS("default", "args"),
			.env = STRINGS("PATH=/bin", "A=image", "B=image"),
			.labels = STRINGS("from=image"),
			.working_dir = strdup("/srv"),
			.volumes = STRINGS("/data"),
			.diff_ids = STRINGS("sha256:1", "sha256:2"),
			.stop_signal = strdup("SIGQUIT"),
		},
	};

	return image;
}

/* run WORDS..., the image's name and the command included. */
static void build(struct built *b, const char *const *words)
{
	struct image image = make_image();
	char **operands;
	int argc = 1, count;

	memset(b, 0, sizeof(*b));
	b->options = run_option_defaults;
	b->words[0] = (char *)"run";
	for (; words[argc - 1]; argc++)
		b->words[argc] = (char *)words[argc - 1];
	b->r = options_parse(
		run_option_table, &b->options, argc, b->words, true, &operands, &count, &b->err);
	if (b->r == 0)
		b->r = run_adopt_networks(&b->options, &b->err);
	if (b->r == 0) {
		struct run_request request = { &cli, &b->options, &image, operands[0], count - 1,
			operands + 1 };

		b->r = run_plan_build(&request, &b->plan, &b->err);
	}
	image_free(&image);
}

static void drop(struct built *b)
{
	options_free(run_option_table, &b->options);
	run_plan_free(&b->plan);
}

#define BUILD(b, ...)                                                                              \
	do {                                                                                       \
		build(b, (const char *const[]){ __VA_ARGS__, NULL });                              \
		if ((b)->r < 0)                                                                    \
			print_error("%s\n", (b)->err.message);                                     \
		assert_int_equal((b)->r, 0);                                                       \
	} while (0)

static const char *env(const struct built *b, const char *key)
{
	size_t len = strlen(key);

	strv_for_each (pair, b->plan.config.process.env)
		if (strncmp(*pair, key, len) == 0 && (*pair)[len] == '=')
			return *pair + len + 1;
	return NULL;
}

static const struct container_mount *mount_at(const struct built *b, const char *destination)
{
	for (size_t i = 0; i < b->plan.config.nr_mounts; i++)
		if (streq(b->plan.config.mounts[i].destination, destination))
			return &b->plan.config.mounts[i];
	return NULL;
}

static void the_command_is_combined_as_in_docker(void **state)
{
	struct built b;

	BUILD(&b, "img");
	assert_int_equal(strv_length(b.plan.config.process.args), 3);
	assert_string_equal(b.plan.spec.command_line, "/entry default args");
	drop(&b);
	BUILD(&b, "img", "-x", "y");
	assert_string_equal(b.plan.spec.command_line, "/entry -x y");
	drop(&b);
	BUILD(&b, "--entrypoint", "/other", "img");
	assert_string_equal(b.plan.spec.command_line, "/other");
	drop(&b);
	BUILD(&b, "--entrypoint", "", "img", "sh");
	assert_string_equal(b.plan.spec.command_line, "sh");
	drop(&b);
}

static void the_environment_is_merged(void **state)
{
	struct built b;

	setenv("STRATA_TEST_OURS", "passed on", 1);
	unsetenv("STRATA_TEST_ABSENT");
	BUILD(&b, "-t", "-e", "A=line", "-e", "STRATA_TEST_OURS", "-e", "STRATA_TEST_ABSENT", "-e",
		"E=", "img");
	assert_string_equal(env(&b, "PATH"), "/bin");
	assert_string_equal(env(&b, "A"), "line");
	assert_string_equal(env(&b, "B"), "image");
	assert_string_equal(env(&b, "E"), "");
	assert_string_equal(env(&b, "STRATA_TEST_OURS"), "passed on");
	assert_string_equal(env(&b, "TERM"), "xterm");
	assert_null(env(&b, "HOME")); /* the image's files know */
	assert_string_equal(b.plan.config.process.user, "");
	assert_null(env(&b, "STRATA_TEST_ABSENT"));
	drop(&b);
}

static void the_spec_says_what_was_decided(void **state)
{
	struct built b;

	BUILD(&b, "--name", "web", "--rm", "-i", "--label", "from=line", "--label", "x",
		"--stop-timeout", "3", "--log-opt", "max-size=1m", "--log-opt", "max-file=4",
		"--health-cmd", "true", "--health-interval", "5s", "img");
	assert_string_equal(b.plan.spec.name, "web");
	assert_string_equal(b.plan.spec.image_name, "img");
	assert_string_equal(b.plan.spec.image_digest, "sha256:c");
	assert_string_equal(b.plan.spec.platform, "linux/amd64");
	assert_string_equal(b.plan.spec.isolation, "container");
	assert_int_equal(strv_length(b.plan.spec.layers), 2);
	assert_true(b.plan.spec.auto_remove);
	assert_true(b.plan.spec.open_stdin);
	assert_false(b.plan.spec.terminal);
	assert_int_equal(strv_length(b.plan.spec.labels), 2);
	assert_string_equal(b.plan.spec.labels[0], "from=line");
	assert_int_equal(b.plan.spec.stop_signal, SIGQUIT);
	assert_int_equal(b.plan.spec.stop_timeout_s, 3);
	assert_int_equal(b.plan.spec.log_max_size, 1 << 20);
	assert_int_equal(b.plan.spec.log_max_files, 4);
	assert_string_equal(b.plan.spec.health.test[0], "CMD-SHELL");
	assert_true(b.plan.spec.health.interval_ns == INT64_C(5000000000));
	assert_int_equal(b.plan.spec.health.retries, 3);
	drop(&b);
	BUILD(&b, "--restart", "on-failure:5", "img");
	assert_int_equal(b.plan.spec.restart, INSTANCE_RESTART_ON_FAILURE);
	assert_int_equal(b.plan.spec.restart_max, 5);
	assert_int_equal(b.plan.spec.stop_timeout_s, 10);
	drop(&b);
}

static void limits_are_set(void **state)
{
	const struct cgroup_limits *l;
	struct built b;

	BUILD(&b, "-m", "64m", "--memory-swap", "128m", "--memory-reservation", "32m", "--cpus",
		"0.25", "--cpu-shares", "512", "--cpuset-cpus", "0", "--pids-limit", "-1",
		"--blkio-weight", "300", "--oom-kill-disable", "img");
	l = &b.plan.config.limits;
	assert_true(l->memory_bytes == 64 << 20);
	assert_true(l->memory_swap_bytes == 128 << 20);
	assert_true(l->memory_reservation_bytes == 32 << 20);
	assert_true(l->cpu_quota_us == 25000 && l->cpu_period_us == 100000);
	assert_true(l->cpu_shares == 512);
	assert_string_equal(l->cpuset_cpus, "0");
	assert_true(l->pids == CGROUP_UNLIMITED);
	assert_true(l->blkio_weight == 300);
	assert_true(l->oom_kill_disable);
	drop(&b);
	BUILD(&b, "img");
	l = &b.plan.config.limits;
	assert_true(l->memory_bytes == CGROUP_UNSET && l->cpu_quota_us == CGROUP_UNSET);
	drop(&b);
}

static void rights_follow_the_flags(void **state)
{
	const uint64_t net_raw = UINT64_C(1) << CAP_NET_RAW;
	const uint64_t sys_admin = UINT64_C(1) << CAP_SYS_ADMIN;
	struct built b;

	BUILD(&b, "--cap-drop", "net_raw", "--cap-add", "CAP_SYS_ADMIN", "--security-opt",
		"no-new-privileges", "--read-only", "--ulimit", "nofile=10:20", "--user", "1:2",
		"img");
	assert_false(b.plan.config.process.cap_bounding & net_raw);
	assert_true(b.plan.config.process.cap_effective & sys_admin);
	assert_true(b.plan.config.process.no_new_privileges);
	assert_true(b.plan.config.rootfs.read_only);
	assert_string_equal(b.plan.config.process.user, "1:2");
	assert_null(env(&b, "HOME"));
	assert_int_equal(
		b.plan.config.process.rlimits[b.plan.config.process.nr_rlimits - 1].soft, 10);
	drop(&b);
	BUILD(&b, "--cap-drop", "all", "--cap-add", "chown", "img");
	assert_true(b.plan.config.process.cap_bounding == UINT64_C(1) << CAP_CHOWN);
	drop(&b);
	BUILD(&b, "--privileged", "img");
	assert_true(b.plan.config.process.cap_effective == container_capabilities_all());
	assert_int_equal(b.plan.config.seccomp.kind, SECCOMP_UNCONFINED);
	assert_null(b.plan.config.masked_paths);
	drop(&b);
	BUILD(&b, "--security-opt", "seccomp=unconfined", "img");
	assert_int_equal(b.plan.config.seccomp.kind, SECCOMP_UNCONFINED);
	assert_non_null(b.plan.config.masked_paths);
	drop(&b);
}

static void namespaces_follow_the_flags(void **state)
{
	const struct container_namespace_config *ns;
	struct built b;

	BUILD(&b, "img");
	ns = b.plan.config.namespaces;
	assert_true(ns[CONTAINER_NS_NETWORK].wanted && ns[CONTAINER_NS_PID].wanted);
	assert_null(b.plan.spec.resolv_conf);
	assert_non_null(strstr(b.plan.spec.hosts, "127.0.0.1\tlocalhost\n"));
	drop(&b);
	BUILD(&b, "--network", "host", "--pid", "host", "--ipc", "host", "--uts", "host",
		"--cgroupns", "host", "img");
	ns = b.plan.config.namespaces;
	assert_false(ns[CONTAINER_NS_NETWORK].wanted || ns[CONTAINER_NS_PID].wanted ||
		ns[CONTAINER_NS_IPC].wanted || ns[CONTAINER_NS_UTS].wanted ||
		ns[CONTAINER_NS_CGROUP].wanted);
	assert_true(ns[CONTAINER_NS_MOUNT].wanted);
	assert_null(b.plan.config.hostname);
	drop(&b);
	BUILD(&b, "-h", "box", "--domainname", "lan", "--add-host", "db:10.0.0.1", "--add-host",
		"six=[::1]", "--dns", "9.9.9.9", "--dns-search", "lan", "--sysctl",
		"net.ipv4.ip_forward=1", "--time-offset", "boottime=-60", "img");
	assert_string_equal(b.plan.config.hostname, "box");
	assert_string_equal(b.plan.config.domainname, "lan");
	assert_non_null(strstr(b.plan.spec.hosts, "10.0.0.1\tdb\n::1\tsix\n"));
	assert_string_equal(b.plan.spec.resolv_conf, "nameserver 9.9.9.9\nsearch lan\n");
	assert_string_equal(b.plan.config.sysctls[0].key, "net.ipv4.ip_forward");
	assert_true(b.plan.config.boottime_offset_s == -60);
	assert_true(b.plan.config.namespaces[CONTAINER_NS_TIME].wanted);
	drop(&b);
}

static void mounts_are_sorted_and_planned(void **state)
{
	const struct container_mount *m;
	size_t inner = 0, outer = 0;
	struct built b;

	BUILD(&b, "-v", "/tmp:/a/b/c:ro", "-v", "vol:/a", "--tmpfs", "/t:size=1m", "--mount",
		"type=bind,src=/usr,dst=/m//n/,readonly", "-v", "/anon/", "img");
	m = mount_at(&b, "/a/b/c");
	assert_string_equal(m->source, "/tmp");
	assert_true(strv_contains(m->options, "ro") && strv_contains(m->options, "rbind"));
	assert_string_equal(mount_at(&b, "/t")->type, "tmpfs");
	assert_true(strv_contains(mount_at(&b, "/t")->options, "size=1m"));
	assert_true(strv_contains(mount_at(&b, "/m/n")->options, "ro"));
	for (size_t i = 0; i < b.plan.config.nr_mounts; i++) {
		if (streq(b.plan.config.mounts[i].destination, "/a/b/c"))
			inner = i;
		if (streq(b.plan.config.mounts[i].destination, "/a"))
			outer = i;
	}
	assert_true(outer < inner);
	/* vol, /anon and the image's /data */
	assert_int_equal(b.plan.nr_volumes, 3);
	for (size_t i = 0; i < b.plan.nr_volumes; i++) {
		const struct run_volume *v = &b.plan.volumes[i];

		assert_string_equal(b.plan.config.mounts[v->mount].destination, v->destination);
		assert_true(v->anonymous == !streq(v->destination, "/a"));
	}
	drop(&b);
	BUILD(&b, "-v", "/tmp:/data", "img");
	assert_int_equal(b.plan.nr_volumes, 0);
	drop(&b);
}

static void devices_are_added(void **state)
{
	const struct cgroup_device_rule *rule;
	const struct container_device *device;
	struct built b;
	struct stat st;

	assert_int_equal(stat("/dev/null", &st), 0);
	BUILD(&b, "--userns", "host", "--device", "/dev/null:/dev/mine:r", "--device-cgroup-rule",
		"c 188:* rwm", "img");
	device = &b.plan.config.devices[b.plan.config.nr_devices - 1];
	assert_string_equal(device->path, "/dev/mine");
	assert_int_equal(device->minor, minor(st.st_rdev));
	rule = &b.plan.config.limits.device_rules[b.plan.config.limits.nr_device_rules - 2];
	assert_true(rule->allow && rule->type == 'c' && rule->minor == minor(st.st_rdev));
	assert_string_equal(rule->access, "r");
	assert_true(rule[1].major == 188 && rule[1].minor == -1);
	drop(&b);
}

static const struct {
	const char *words[8];
	const char *sentence;
} refused[] = {
	{ { "-d", "-a", "stdout", "img" }, "conflicting options: --attach and --detach" },
	{ { "--rm", "--restart", "always", "img" }, "conflicting options: --restart and --rm" },
	{ { "--name", "-x", "img" },
		"invalid name (-x): only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed" },
	{ { "--restart", "sometimes", "img" },
		"invalid restart policy 'sometimes': there are no, always, unless-stopped and on-failure[:N]" },
	{ { "-m", "4m", "img" }, "minimum memory limit allowed is 6MB: --memory 4194304" },
	{ { "--memory-swap", "1g", "img" },
		"--memory-swap counts memory and swap together: it needs --memory" },
	{ { "-m", "1g", "--memory-swap", "512m", "img" },
		"--memory-swap counts memory and swap together: 536870912 is less than --memory 1073741824" },
	{ { "-m", "64m", "--memory-reservation", "65m", "img" },
		"--memory can not be less than --memory-reservation: 67108864 < 68157440" },
	{ { "--cpus", "1", "--cpu-quota", "5000", "img" },
		"conflicting options: --cpus is a --cpu-quota in a --cpu-period; give it or them" },
	{ { "--cpus", "x", "img" },
		"invalid argument \"x\" for --cpus: must be a number of CPUs such as 0.5 or 2" },
	{ { "--cpu-shares", "1", "img" },
		"CPU shares must be between 2 and 262144: --cpu-shares 1" },
	{ { "--cpuset-cpus", "a", "img" },
		"invalid argument \"a\" for --cpuset-cpus: must be a list such as 0-3 or 0,2" },
	{ { "--oom-kill-disable", "img" },
		"--oom-kill-disable without --memory would let it stop the whole host: give a limit" },
	{ { "--oom-score-adj", "2000", "img" },
		"invalid value 2000 for --oom-score-adj: range is from -1000 to 1000" },
	{ { "-w", "rel", "img" },
		"the working directory 'rel' is invalid: it needs to be an absolute path" },
	{ { "--cap-add", "FLY", "img" }, "invalid --cap-add: unknown capability: \"FLY\"" },
	{ { "--security-opt", "apparmor=x", "img" },
		"--security-opt apparmor=x: strata does not use AppArmor or SELinux" },
	{ { "--security-opt", "what", "img" },
		"invalid --security-opt \"what\": there are seccomp=FILE|unconfined, no-new-privileges and systempaths=unconfined" },
	{ { "--ulimit", "nofile=5:4", "img" },
		"invalid argument \"nofile=5:4\" for --ulimit: the soft limit is above the hard one" },
	{ { "--ulimit", "wings=5", "img" },
		"invalid argument \"wings=5\" for --ulimit: there is no limit \"wings\"" },
	{ { "--network", "a/b", "img" }, "invalid network name \"a/b\"" },
	{ { "--network", "host", "--network", "shop", "img" },
		"conflicting options: --network host and another --network" },
	{ { "--network", "none", "--ip", "10.0.0.1", "img" },
		"--ip needs a network: give one with --network, for example --network bridge" },
	{ { "-p", "80:80", "img" },
		"--publish needs a network: give one with --network, for example --network bridge" },
	{ { "--uts", "host", "--hostname", "x", "img" },
		"conflicting options: --hostname and --domainname name a UTS namespace, and --uts host shares the host's" },
	{ { "--hostname", "a b", "img" }, "invalid host name: \"a b\"" },
	{ { "--sysctl", "kernel.panic=1", "img" },
		"--sysctl kernel.panic is not allowed: it belongs to no namespace and would change the host" },
	{ { "--network", "host", "--sysctl", "net.core.somaxconn=1", "img" },
		"conflicting options: --sysctl net.core.somaxconn would change the host's own, whose net namespace is shared" },
	{ { "--time-offset", "tai=1", "img" },
		"invalid argument \"tai=1\" for --time-offset: must be monotonic=SECONDS or boottime=SECONDS" },
	{ { "--add-host", "db", "img" },
		"invalid argument \"db\" for --add-host: must be NAME:IP" },
	{ { "--dns", "resolver", "img" },
		"invalid argument \"resolver\" for --dns: must be an IP address" },
	{ { "-v", "a:b:c:d", "img" },
		"invalid volume specification \"a:b:c:d\": must be [SOURCE:]TARGET[:OPTIONS]" },
	{ { "-v", "/a:b", "img" },
		"--volume /a:b: invalid mount target 'b': it must be an absolute path" },
	{ { "-v", "/a:/", "img" }, "--volume /a:/: invalid mount target: it must not be '/'" },
	{ { "-v", "/a:/b/../c", "img" },
		"--volume /a:/b/../c: invalid mount target: it must not contain \"..\"" },
	{ { "-v", "/a:/b", "--tmpfs", "/b/", "img" }, "duplicate mount point: /b" },
	{ { "-v", "/a:/b:Z", "img" },
		"--volume /a:/b:Z: invalid mode \"Z\" of a mount: there are ro, rw, nocopy (volumes) and [r]private, [r]shared, [r]slave (directories)" },
	{ { "--mount", "type=bind,src=/nonexistent,dst=/x", "img" },
		"--mount type=bind,src=/nonexistent,dst=/x: bind source path /nonexistent: No such file or directory" },
	{ { "--mount", "type=bind,src=/tmp", "img" },
		"--mount type=bind,src=/tmp: target is required" },
	{ { "--mount", "type=nfs,dst=/x", "img" },
		"--mount type=nfs,dst=/x: type \"nfs\" is not known: there are bind, volume and tmpfs" },
	{ { "--device", "/etc/passwd", "img" },
		"--device /etc/passwd: /etc/passwd is not a device node" },
	{ { "--device-read-bps", "/dev/null:1m", "img" },
		"--device-read-bps /dev/null:1m: /dev/null is not a block device" },
	{ { "--device-cgroup-rule", "x 1:1 r", "img" },
		"invalid argument \"x 1:1 r\" for --device-cgroup-rule: must be \"TYPE MAJOR:MINOR ACCESS\" such as \"c 188:* rwm\"" },
	{ { "--log-opt", "compress=true", "img" },
		"unknown --log-opt \"compress=true\" for log driver json-file: there are max-size=BYTES and max-file=N" },
	{ { "--log-opt", "max-file=3", "img" },
		"--log-opt max-file needs max-size: nothing else rotates" },
	{ { "--stop-signal", "SIGNOPE", "img" }, "invalid stop signal: SIGNOPE" },
	{ { "--health-interval", "5s", "img" },
		"the --health-* options need a check: give --health-cmd, image img has none" },
	{ { "--no-healthcheck", "--health-cmd", "x", "img" },
		"conflicting options: --no-healthcheck and the --health-* options" },
	{ { "--env-file", "/nonexistent", "img" },
		"cannot open /nonexistent: No such file or directory" },
	{ { "-e", "=x", "img" }, "\"=x\" has no name before its \"=\"" },
	{ { "--pull", "soon", "img" },
		"invalid argument \"soon\" for --pull: must be one of always|missing|never" },
	{ { "--isolation", "jail", "img" },
		"invalid argument \"jail\" for --isolation: must be one of container|vm" },
	{ { "--kernel", "k", "img" }, "--kernel needs --isolation vm" },
	{ { "--isolation", "vm", "--disk-size", "1m", "img" },
		"--disk-size must be from 16m to 16t" },
	{ { "--isolation", "vm", "--pid", "host", "img" },
		"--isolation vm and --pid exclude each other: a machine has processes of its own" },
	{ { "--entrypoint", "", "img" },
		"no command specified: neither the command line nor image img names one" },
	{ { "--shm-size", "0", "img" }, "--shm-size must be more than 0 bytes" },
};

static void absurd_lines_are_refused(void **state)
{
	struct built b;

	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		build(&b, refused[i].words);
		if (b.r >= 0)
			fail_msg("accepted: %s", refused[i].sentence);
		assert_string_equal(b.err.message, refused[i].sentence);
		drop(&b);
	}
}

/* --- machines --- */

/* Every option of `run`: what a machine makes of it. One that works there is tried with a machine
 * by tests/e2e/test_run_machine*.py, and here with a value that is good for a container. */
static const struct {
	const char *name;
	const char *value; /* NULL: it is a flag */
	const char *why; /* it cannot be; NULL: it works */
} machine_options[] = {
	{ "add-host", "a:1.2.3.4", NULL },
	{ "annotation", "a=b", NULL },
	{ "attach", "stdout", NULL },
	{ "blkio-weight", "300", "has disks of its own" },
	{ "cap-add", "NET_ADMIN", NULL },
	{ "cap-drop", "ALL", NULL },
	{ "cgroupns", "host", "has control groups of its own" },
	{ "cidfile", "/nonexistent/file", NULL },
	{ "cpu", "x86-64-v2", NULL },
	{ "cpu-period", "100000", NULL },
	{ "cpu-quota", "50000", NULL },
	{ "cpu-shares", "512", "has CPUs of its own" },
	{ "cpus", "0.5", NULL },
	{ "cpuset-cpus", "0", "has CPUs of its own" },
	{ "cpuset-mems", "0", "has memory of its own" },
	{ "detach", NULL, NULL },
	{ "detach-keys", "ctrl-a", NULL },
	{ "device", "/dev/null", "has devices of its own" },
	{ "device-cgroup-rule", "c 1:3 r", "has devices of its own" },
	{ "device-read-bps", "/dev/sda:1", "has disks of its own" },
	{ "device-read-iops", "/dev/sda:1", "has disks of its own" },
	{ "device-write-bps", "/dev/sda:1", "has disks of its own" },
	{ "device-write-iops", "/dev/sda:1", "has disks of its own" },
	{ "disk-size", "1g", NULL },
	{ "dns", "1.2.3.4", NULL },
	{ "dns-option", "ndots:1", NULL },
	{ "dns-search", "example.org", NULL },
	{ "domainname", "name", NULL },
	{ "entrypoint", "/bin/x", NULL },
	{ "env", "A=b", NULL },
	{ "env-file", "/dev/null", NULL },
	{ "group-add", "12", NULL },
	{ "health-cmd", "true", NULL },
	{ "health-interval", "1s", NULL },
	{ "health-retries", "2", NULL },
	{ "health-start-period", "1s", NULL },
	{ "health-timeout", "1s", NULL },
	{ "hostname", "name", NULL },
	{ "init", NULL, NULL },
	{ "interactive", NULL, NULL },
	{ "ipc", "host", "has a kernel of its own" },
	{ "isolation", "vm", NULL },
	{ "kernel", "name", NULL },
	{ "label", "a=b", NULL },
	{ "label-file", "/dev/null", NULL },
	{ "log-driver", "none", NULL },
	{ "log-opt", "max-size=1m", NULL },
	{ "memory", "128m", NULL },
	{ "memory-reservation", "64m", "has memory of its own" },
	{ "memory-swap", "256m", "has no swap" },
	{ "mount", "type=tmpfs,target=/x", NULL },
	{ "name", "name", NULL },
	{ "net", "host", NULL },
	{ "network", "host", NULL },
	{ "no-healthcheck", NULL, NULL },
	{ "no-snapshot", NULL, NULL },
	{ "oom-kill-disable", NULL, "has memory of its own" },
	{ "oom-score-adj", "100", NULL },
	{ "pid", "host", "has processes of its own" },
	{ "pids-limit", "20", NULL },
	{ "platform", "linux/amd64", NULL },
	{ "privileged", NULL, NULL },
	{ "publish", "80:80", "publish needs a network" },
	{ "ip", "10.0.0.1", "ip needs a network" },
	{ "ip6", "fd00::1", "ip6 needs a network" },
	{ "mac-address", "02:00:00:00:00:01", "mac-address needs a network" },
	{ "network-alias", "x", "network-alias needs a network" },
	{ "publish-all", NULL, "publish-all needs a network" },
	{ "pull", "never", NULL },
	{ "read-only", NULL, NULL },
	{ "restart", "always", NULL },
	{ "rm", NULL, NULL },
	{ "security-opt", "no-new-privileges", NULL },
	{ "shm-size", "1m", NULL },
	{ "sig-proxy", NULL, NULL },
	{ "stop-signal", "INT", NULL },
	{ "stop-timeout", "1", NULL },
	{ "sysctl", "kernel.domainname=x", NULL },
	{ "time-offset", "monotonic=1", "has clocks of its own" },
	{ "tmpfs", "/x", NULL },
	{ "tty", NULL, NULL },
	{ "ulimit", "nofile=100", NULL },
	{ "user", "1", NULL },
	{ "userns", "private", "has users of its own" },
	{ "uts", "host", "has a host name of its own" },
	{ "volume", "name:/x", NULL },
	{ "workdir", "/x", NULL },
};

static void a_machine_takes_an_option_or_names_it(void **state)
{
	char option[64], named[64];
	struct built b;

	for (const struct option *o = run_option_table; o->kind != OPTION_END; o++) {
		size_t i = 0;

		if (o->kind == OPTION_HEADING)
			continue;
		while (i < ARRAY_SIZE(machine_options) && !streq(machine_options[i].name, o->name))
			i++;
		if (i == ARRAY_SIZE(machine_options))
			fail_msg("--%s: say here what a machine makes of it", o->name);
		snprintf(option, sizeof(option), "--%s%s%s", o->name,
			machine_options[i].value ? "=" : "",
			machine_options[i].value ? machine_options[i].value : "");
		snprintf(named, sizeof(named), "--%s", o->name);
		/* The details of a check need one. */
		build(&b,
			(const char *const[]){ "--isolation", "vm", option,
				strncmp(o->name, "health-", 7) ? "--label=a=b"
							       : "--health-cmd=true",
				"img", NULL });
		assert_true(b.r < 0);
		/* What is missing for one that works is a kernel, which comes after all of them. */
		if (!strstr(b.err.message,
			    machine_options[i].why ? machine_options[i].why
						   : "there is no kernel") ||
			(machine_options[i].why && !strstr(b.err.message, named)))
			fail_msg("%s: %s", option, b.err.message);
		drop(&b);
	}
}

static void a_machine_names_values_that_it_cannot_have(void **state)
{
	static const struct {
		const char *option, *saying;
	} values[] = {
		{ "--volume=/tmp:/x:rshared", "a mount that is rshared" },
		{ "--volume=/tmp:/x:slave", "a mount that is slave" },
		{ "--network=container:other", "--network" },
	};
	struct built b;

	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		build(&b,
			(const char *const[]){
				"--isolation", "vm", values[i].option, "img", NULL });
		assert_true(b.r < 0);
		if (!strstr(b.err.message, values[i].saying) ||
			!strstr(b.err.message, "--isolation vm and "))
			fail_msg("%s: %s", values[i].option, b.err.message);
		drop(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_command_is_combined_as_in_docker),
		cmocka_unit_test(the_environment_is_merged),
		cmocka_unit_test(the_spec_says_what_was_decided),
		cmocka_unit_test(limits_are_set),
		cmocka_unit_test(rights_follow_the_flags),
		cmocka_unit_test(namespaces_follow_the_flags),
		cmocka_unit_test(mounts_are_sorted_and_planned),
		cmocka_unit_test(devices_are_added),
		cmocka_unit_test(absurd_lines_are_refused),
		cmocka_unit_test(a_machine_takes_an_option_or_names_it),
		cmocka_unit_test(a_machine_names_values_that_it_cannot_have),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
