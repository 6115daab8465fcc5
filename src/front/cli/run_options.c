/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_options.c - the tables of `run` and `create`.
 *
 * Not there, on purpose: what belongs to networks of their own (--ip, --network-alias, ...) and to
 * Windows. -p is known so that its refusal can say why.
 */
#include "front/cli/run_options.h"

#define AT(member) offsetof(struct run_options, member)

const struct run_options run_option_defaults = {
	.resources = RESOURCE_DEFAULTS,
	.signal_proxy = true,
	.pull = "missing",
	.isolation = "container",
	.shm_size = 64 << 20,
	.stop_timeout = -1,
	.oom_score_adj = INT64_MIN,
};

/* clang-format off */
#define COMMON_OPTIONS \
	{ OPTION_FLAG, 'i', "interactive", AT(interactive), NULL, "Keep standard input open" }, \
	{ OPTION_FLAG, 't', "tty", AT(terminal), NULL, "Give it a terminal" }, \
	{ OPTION_FLAG, 0, "rm", AT(remove), NULL, "Remove the instance when it ends" }, \
	{ OPTION_STRING, 0, "name", AT(name), "NAME", "Name of the instance; a random one if not given" }, \
	{ OPTION_LIST, 'a', "attach", AT(attach), "STREAM", "Attach only stdin, stdout or stderr", \
		COMPLETE_CHOICES, "stdin|stdout|stderr|STDIN|STDOUT|STDERR" }, \
	{ OPTION_STRING, 0, "pull", AT(pull), "WHEN", "Pull the image: always, missing (default) or never", \
		COMPLETE_CHOICES, "always|missing|never" }, \
	{ OPTION_STRING, 0, "platform", AT(platform), "OS/ARCH", \
		"Take the image of this platform; linux/riscv64 is translated", COMPLETE_SUGGESTIONS, \
		"linux/amd64|linux/riscv64" }, \
	{ OPTION_STRING, 0, "isolation", AT(isolation), "KIND", "Whose kernel: the host's (container) or one of its own (vm)", \
		COMPLETE_CHOICES, "container|vm" }, \
	{ OPTION_STRING, 0, "kernel", AT(kernel), "NAME", "Which kernel of `strata kernel ls` a machine has [kernel:ARCH]" }, \
	{ OPTION_STRING, 0, "cpu", AT(cpu), "MODEL", "What the CPUs of a machine are: `strata vm run --cpu help` [host, rv64]", \
		COMPLETE_SUGGESTIONS, "host|x86-64-v1|x86-64-v2|x86-64-v3|x86-64-v4|rv64" }, \
	{ OPTION_SIZE, 0, "disk-size", AT(disk_size), "BYTES", "Size of the disk that a machine writes to [10g]" }, \
	{ OPTION_FLAG, 0, "no-snapshot", AT(no_snapshot), NULL, "Let a machine's kernel boot, even where one that has booted was kept" }, \
	{ OPTION_STRING, 0, "restart", AT(restart), "POLICY", \
		"When it ends: no, on-failure[:N], always or unless-stopped", \
		COMPLETE_SUGGESTIONS, "no|on-failure|unless-stopped|always" }, \
	{ OPTION_STRING, 0, "cidfile", AT(cidfile), "FILE", "Write the ID to a new file", COMPLETE_FILE }, \
	{ OPTION_LIST, 'l', "label", AT(labels), "KEY=VALUE", "Set a label" }, \
	{ OPTION_LIST, 0, "label-file", AT(label_files), "FILE", "Read labels from a file, one a line", COMPLETE_FILE }, \
	{ OPTION_LIST, 0, "annotation", AT(annotations), "KEY=VALUE", "Add an annotation to config.json" }, \
	{ OPTION_HEADING, .help = "Command" }, \
	{ OPTION_STRING, 0, "entrypoint", AT(entrypoint), "PROGRAM", "Run this instead of the image's entry point; \"\" for none" }, \
	{ OPTION_LIST, 'e', "env", AT(env), "KEY[=VALUE]", "Set an environment variable, or pass ours on" }, \
	{ OPTION_LIST, 0, "env-file", AT(env_files), "FILE", "Read variables from a file, one a line", COMPLETE_FILE }, \
	{ OPTION_STRING, 'w', "workdir", AT(workdir), "DIR", "Directory to start in" }, \
	{ OPTION_STRING, 'u', "user", AT(user), "USER[:GROUP]", "User to run as: names or numbers of the image" }, \
	{ OPTION_LIST, 0, "group-add", AT(groups), "GROUP", "Join another group" }, \
	{ OPTION_FLAG, 0, "init", AT(init), NULL, "Let a small init be process 1: it passes signals on and reaps" }, \
	{ OPTION_STRING, 0, "stop-signal", AT(stop_signal), "SIGNAL", "Signal that asks it to stop" }, \
	{ OPTION_INT, 0, "stop-timeout", AT(stop_timeout), "SECONDS", "How long a stop waits before SIGKILL (10)" }, \
	{ OPTION_HEADING, .help = "Files" }, \
	{ OPTION_LIST, 'v', "volume", AT(volumes), "[SOURCE:]TARGET[:OPTIONS]", \
		"Mount a directory, a file or a named volume", COMPLETE_FILE }, \
	{ OPTION_LIST, 0, "mount", AT(mounts), "KEY=VALUE,...", "Mount as type=bind|volume|tmpfs,source=...,target=..." }, \
	{ OPTION_LIST, 0, "tmpfs", AT(tmpfs), "TARGET[:OPTIONS]", "Mount an empty file system in memory" }, \
	{ OPTION_FLAG, 0, "read-only", AT(read_only), NULL, "Let nothing be written to the root filesystem" }, \
	{ OPTION_SIZE, 0, "shm-size", AT(shm_size), "BYTES", "Size of /dev/shm (64m)" }, \
	{ OPTION_LIST, 0, "device", AT(devices), "HOST[:INSIDE[:rwm]]", "Give it a device of the host", COMPLETE_FILE }, \
	{ OPTION_LIST, 0, "device-cgroup-rule", AT(device_rules), "RULE", "Allow devices as in \"c 188:* rwm\"" }, \
	RESOURCE_OPTIONS(struct run_options, resources), \
	{ OPTION_LIST, 0, "device-read-bps", AT(read_bps), "DEVICE:BYTES", "Limit reading from a disk, bytes a second" }, \
	{ OPTION_LIST, 0, "device-write-bps", AT(write_bps), "DEVICE:BYTES", "Limit writing to a disk, bytes a second" }, \
	{ OPTION_LIST, 0, "device-read-iops", AT(read_iops), "DEVICE:N", "Limit reading from a disk, transfers a second" }, \
	{ OPTION_LIST, 0, "device-write-iops", AT(write_iops), "DEVICE:N", "Limit writing to a disk, transfers a second" }, \
	{ OPTION_LIST, 0, "ulimit", AT(ulimits), "NAME=SOFT[:HARD]", "Set a resource limit such as nofile=1024" }, \
	{ OPTION_INT, 0, "oom-score-adj", AT(oom_score_adj), "N", "How soon the kernel kills it (-1000..1000)" }, \
	{ OPTION_FLAG, 0, "oom-kill-disable", AT(oom_kill_disable), NULL, "Stop it instead of killing it when memory is out" }, \
	{ OPTION_HEADING, .help = "Rights" }, \
	{ OPTION_LIST, 0, "cap-add", AT(cap_add), "CAPABILITY", "Grant a capability, or ALL" }, \
	{ OPTION_LIST, 0, "cap-drop", AT(cap_drop), "CAPABILITY", "Take a capability away, or ALL" }, \
	{ OPTION_FLAG, 0, "privileged", AT(privileged), NULL, "Grant every capability and device, filter nothing" }, \
	{ OPTION_LIST, 0, "security-opt", AT(security), "OPTION", \
		"seccomp=FILE|unconfined, no-new-privileges, systempaths=unconfined" }, \
	{ OPTION_HEADING, .help = "Namespaces" }, \
	{ OPTION_LIST, 0, "network", AT(networks), "NETWORK", \
		"Join a network (one or several); or none (default), host, container:INSTANCE", \
		COMPLETE_JOINED, "none|host|bridge" }, \
	{ OPTION_LIST, 0, "net", AT(networks), "NETWORK", "The same as --network", \
		COMPLETE_JOINED, "none|host|bridge", .hidden = true }, \
	{ OPTION_LIST, 0, "network-alias", AT(network_aliases), "NAME", "Another name for it in its first network" }, \
	{ OPTION_STRING, 0, "ip", AT(ip), "ADDRESS", "Its IPv4 address in its first network" }, \
	{ OPTION_STRING, 0, "ip6", AT(ip6), "ADDRESS", "Its IPv6 address in its first network" }, \
	{ OPTION_STRING, 0, "mac-address", AT(mac_address), "MAC", "Its MAC address in its first network" }, \
	{ OPTION_STRING, 'h', "hostname", AT(hostname), "NAME", "Host name inside" }, \
	{ OPTION_STRING, 0, "domainname", AT(domainname), "NAME", "NIS domain name inside" }, \
	{ OPTION_LIST, 0, "add-host", AT(hosts), "NAME:IP", "Add a line to /etc/hosts" }, \
	{ OPTION_LIST, 0, "dns", AT(dns), "IP", "Name server for /etc/resolv.conf" }, \
	{ OPTION_LIST, 0, "dns-search", AT(dns_search), "DOMAIN", "Search domain for /etc/resolv.conf" }, \
	{ OPTION_LIST, 0, "dns-option", AT(dns_options), "OPTION", "Option for /etc/resolv.conf" }, \
	{ OPTION_STRING, 0, "pid", AT(pid), "MODE", "Processes it sees: its own, host or container:INSTANCE", \
		COMPLETE_NAMESPACE, "private|host" }, \
	{ OPTION_STRING, 0, "ipc", AT(ipc), "MODE", "IPC: private (default), shareable, host or container:INSTANCE", \
		COMPLETE_NAMESPACE, "private|shareable|host" }, \
	{ OPTION_STRING, 0, "uts", AT(uts), "MODE", "Host name: its own or host", COMPLETE_CHOICES, "host|private" }, \
	{ OPTION_STRING, 0, "userns", AT(userns), "MODE", "User ids: the host's (host) or others (private)", COMPLETE_CHOICES, "host|private" }, \
	{ OPTION_STRING, 0, "cgroupns", AT(cgroupns), "MODE", "Control groups it sees: private (default) or host", \
		COMPLETE_CHOICES, "host|private" }, \
	{ OPTION_LIST, 0, "sysctl", AT(sysctls), "KEY=VALUE", "Set a kernel parameter of its namespaces" }, \
	{ OPTION_LIST, 0, "time-offset", AT(time_offsets), "CLOCK=SECONDS", "Shift the monotonic or boottime clock" }, \
	{ OPTION_LIST, 'p', "publish", AT(publish), "[[IP:]HOST:]PORT[/udp]", \
		"A port of the host that leads into the instance, or a range of them" }, \
	{ OPTION_FLAG, 'P', "publish-all", AT(publish_all), NULL, "Publish what the image exposes, at free ports of the host" }, \
	{ OPTION_HEADING, .help = "Logs and health" }, \
	{ OPTION_STRING, 0, "log-driver", AT(log_driver), "DRIVER", "Keep its output: json-file (default) or none", \
		COMPLETE_CHOICES, "json-file|none" }, \
	{ OPTION_LIST, 0, "log-opt", AT(log_opts), "KEY=VALUE", "max-size=10m, max-file=3" }, \
	{ OPTION_STRING, 0, "health-cmd", AT(health_cmd), "COMMAND", "Command that tells whether it is well" }, \
	{ OPTION_DURATION, 0, "health-interval", AT(health_interval), "TIME", "Time between two checks (30s)" }, \
	{ OPTION_DURATION, 0, "health-timeout", AT(health_timeout), "TIME", "Time one check may take (30s)" }, \
	{ OPTION_DURATION, 0, "health-start-period", AT(health_start_period), "TIME", "Time in which failures do not count (0s)" }, \
	{ OPTION_INT, 0, "health-retries", AT(health_retries), "N", "Failures in a row that make it unhealthy (3)" }, \
	{ OPTION_FLAG, 0, "no-healthcheck", AT(no_healthcheck), NULL, "Do not run the image's check" }

const struct option run_option_table[] = {
	{ OPTION_FLAG, 'd', "detach", AT(detach), NULL, "Run it in the background and print its ID" },
	{ OPTION_STRING, 0, "detach-keys", AT(detach_keys), "KEYS", "Keys that leave it running (ctrl-p,ctrl-q)" },
	{ OPTION_FLAG, 0, "sig-proxy", AT(signal_proxy), NULL, "Pass signals on to the command (true)" },
	COMMON_OPTIONS,
	{ OPTION_END },
};

const struct option create_option_table[] = {
	COMMON_OPTIONS,
	{ OPTION_END },
};
/* clang-format on */
