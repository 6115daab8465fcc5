/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vm-process.c - a configuration in the words of the guest's agent.
 *
 * Of the mounts, those of /proc, /dev and /sys are the agent's own business; files that we provide
 * (/etc/hosts, ...) are written; the user's are passed on.
 */
#include "isolation/vm.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>

#include "base/io.h"
#include "disk/disk.h"

#define ENTROPY_BYTES	  64
#define PROVIDED_FILE_MAX (64u << 10)

/* --- bytes -------------------------------------------------------------------------------------
 */

static void add_string(struct str *s, const char *text)
{
	str_append_n(s, text ? text : "", strlen(text ? text : "") + 1);
}

static void add_strings(struct str *s, char *const *list)
{
	strv_for_each (text, list)
		add_string(s, *text);
}

static int request(struct vm_link *link, enum agent_type type, struct str *s, struct error *err)
{
	int r = s->failed ? error_oom(err) : vm_link_request(link, type, s->data, s->len, err);

	str_reset(s);
	return r;
}

/* --- the machine as a whole ---------------------------------------------------------------------
 */

static int tell_time_and_names(struct vm_link *link, const struct container_config *config,
	struct str *s, struct error *err)
{
	struct agent_clock clock;
	struct timespec now;
	char entropy[2 * ENTROPY_BYTES + 1];
	int r;

	clock_gettime(CLOCK_REALTIME, &now);
	clock = (struct agent_clock){ now.tv_sec, now.tv_nsec };
	io_random_hex(entropy, ENTROPY_BYTES);
	r = vm_link_request(link, AGENT_CLOCK, &clock, sizeof(clock), err);
	if (r == 0)
		r = vm_link_request(link, AGENT_ENTROPY, entropy, 2 * ENTROPY_BYTES, err);
	if (r < 0)
		return r;
	add_string(s, config->hostname ? config->hostname : "localhost");
	add_string(s, config->domainname);
	return request(link, AGENT_HOSTNAME, s, err);
}

/* Its cards are in the order of their networks. */
static int tell_networks(
	struct vm_link *link, const struct container_machine *machine, struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < machine->nr_networks && r == 0; i++) {
		const struct container_machine_network *n = &machine->networks[i];
		struct agent_network network = { .address = n->address,
			.gateway = n->gateway,
			.prefix_bits = n->prefix_bits,
			.mtu = n->mtu };

		snprintf(network.interface, sizeof(network.interface), "eth%u", (unsigned)i);
		memcpy(network.mac, n->mac, sizeof(network.mac));
		r = vm_link_request(link, AGENT_NETWORK, &network, sizeof(network), err);
	}
	return r;
}

/* net/net.h: the guest is number 15 of its network, the router 2. */
static int tell_network(
	struct vm_link *link, const struct container_config *config, struct error *err)
{
	const struct agent_network network = { .address = inet_addr("10.0.2.15"),
		.gateway = inet_addr("10.0.2.2"),
		.prefix_bits = 24 };

	if (!config->machine->has_network)
		return tell_networks(link, config->machine, err);
	return vm_link_request(link, AGENT_NETWORK, &network, sizeof(network), err);
}

static int tell_sysctls(struct vm_link *link, const struct container_config *config, struct str *s,
	struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < config->nr_sysctls && r == 0; i++) {
		add_string(s, config->sysctls[i].key);
		add_string(s, config->sysctls[i].value);
		r = request(link, AGENT_SYSCTL, s, err);
	}
	return r;
}

static uint64_t limit(int64_t value)
{
	return value == CGROUP_UNSET ? 0 : value <= 0 ? UINT64_MAX : (uint64_t)value;
}

int vm_set_limits(struct vm_link *link, const struct cgroup_limits *limits, uint64_t balloon_bytes,
	struct error *err)
{
	const struct agent_limits wanted = {
		.balloon_bytes = balloon_bytes,
		.pids = limit(limits->pids),
		.cpu_quota_us = limits->cpu_quota_us > 0 ? (uint64_t)limits->cpu_quota_us : 0,
		.cpu_period_us = limits->cpu_period_us > 0 ? (uint64_t)limits->cpu_period_us : 0,
	};

	if (!wanted.balloon_bytes && !wanted.pids && !wanted.cpu_quota_us)
		return 0;
	return vm_link_request(link, AGENT_LIMITS, &wanted, sizeof(wanted), err);
}

/* --- mounts --------------------------------------------------------------------------------------
 */

/* What the agent has mounted already. */
static bool is_of_machine(const char *destination)
{
	static const char *const known[] = { "/proc", "/dev", "/dev/pts", "/dev/mqueue", "/sys",
		"/sys/fs/cgroup" };

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (streq(destination, known[i]))
			return true;
	return false;
}

static bool is_provided(const char *destination)
{
	return streq(destination, "/etc/hosts") || streq(destination, "/etc/hostname") ||
		streq(destination, "/etc/resolv.conf");
}

static int write_provided(
	struct vm_link *link, const struct container_mount *mount, struct str *s, struct error *err)
{
	const struct agent_file file = { .mode = 0644 };
	_cleanup_free_ char *bytes = NULL;
	size_t len;
	int r = io_read_file(AT_FDCWD, mount->source, PROVIDED_FILE_MAX, &bytes, &len, err);

	if (r < 0)
		return r;
	str_append_n(s, &file, sizeof(file));
	add_string(s, mount->destination);
	str_append_n(s, bytes, len);
	return request(link, AGENT_FILE, s, err);
}

static const struct {
	const char *word;
	unsigned long flag;
} mount_words[] = {
	{ "ro", MS_RDONLY },
	{ "nosuid", MS_NOSUID },
	{ "nodev", MS_NODEV },
	{ "noexec", MS_NOEXEC },
	{ "noatime", MS_NOATIME },
	{ "strictatime", MS_STRICTATIME },
};
static const char *const mount_defaults[] = { "rw", "suid", "dev", "exec", "rprivate", "private" };

/* The flags of a word; what is none is the filesystem's own business. */
static void apply_word(const char *word, struct agent_mount *mount, struct str *options)
{
	for (size_t i = 0; i < ARRAY_SIZE(mount_words); i++)
		if (streq(word, mount_words[i].word)) {
			mount->flags |= mount_words[i].flag;
			return;
		}
	for (size_t i = 0; i < ARRAY_SIZE(mount_defaults); i++)
		if (streq(word, mount_defaults[i]))
			return;
	str_appendf(options, "%s%s", options->len ? "," : "", word);
}

static int send_mount(struct vm_link *link, const struct agent_mount *wanted,
	const char *const strings[4], struct str *s, struct error *err)
{
	str_append_n(s, wanted, sizeof(*wanted));
	for (int i = 0; i < 4; i++)
		add_string(s, strings[i]);
	return request(link, AGENT_MOUNT, s, err);
}

static int tell_mount(
	struct vm_link *link, const struct container_mount *mount, struct str *s, struct error *err)
{
	_cleanup_str_ struct str options = { 0 };
	struct agent_mount wanted = { 0 };

	strv_for_each (word, mount->options)
		apply_word(*word, &wanted, &options);
	if (options.failed)
		return error_oom(err);
	return send_mount(link, &wanted,
		(const char *const[]){ mount->type, mount->source ? mount->source : mount->type,
			mount->destination, options.data },
		s, err);
}

/* The machine's shares are folders and files of one filesystem, named by their numbers. */
static int tell_share(struct vm_link *link, const struct container_mount *mount, size_t number,
	const struct vm_volumes *volumes, struct str *s, struct error *err)
{
	_cleanup_str_ struct str ignored = { 0 };
	struct agent_mount wanted = { .flags = MS_BIND | MS_REC };
	char source[40];
	struct stat st;

	if (stat(mount->source, &st) < 0)
		return error_errno(err, errno, "cannot find %s", mount->source);
	if (!S_ISDIR(st.st_mode))
		wanted.how = AGENT_MOUNT_FILE;
	else if (vm_volumes_is_new(volumes, mount->source))
		wanted.how = AGENT_MOUNT_FILL;
	strv_for_each (word, mount->options)
		apply_word(*word, &wanted, &ignored);
	snprintf(source, sizeof(source), VM_SHARES "/%zu", number);
	return send_mount(
		link, &wanted, (const char *const[]){ "", source, mount->destination, "" }, s, err);
}

static int tell_shares_root(struct vm_link *link, const struct container_config *config,
	struct str *s, struct error *err)
{
	const struct agent_mount wanted = { .how = AGENT_MOUNT_BESIDE };

	for (size_t i = 0; i < config->nr_mounts; i++)
		if (vm_mount_is_share(&config->mounts[i]))
			return send_mount(link, &wanted,
				(const char *const[]){ "virtiofs", VM_SHARES_TAG, VM_SHARES, "" },
				s, err);
	return 0;
}

static int tell_mounts(struct vm_link *link, const struct container_config *config,
	const struct vm_volumes *volumes, struct str *s, struct error *err)
{
	int r = tell_shares_root(link, config, s, err);

	for (size_t i = 0; i < config->nr_mounts && r == 0; i++) {
		const struct container_mount *mount = &config->mounts[i];

		if (is_of_machine(mount->destination))
			continue;
		if (is_provided(mount->destination) && mount->source)
			r = write_provided(link, mount, s, err);
		else if (vm_mount_is_share(mount))
			r = tell_share(link, mount, i, volumes, s, err);
		else
			r = tell_mount(link, mount, s, err);
	}
	return r;
}

/* How large the disks are, for a guest that has seen others: device/virtio/blk.h. */
static int tell_disks(
	struct vm_link *link, const struct container_config *config, struct error *err)
{
	const struct container_machine *m = config->machine;
	struct agent_begin begin = { 0 };
	uint64_t bytes[2];
	struct stat st;
	int r = disk_concat_measure((const char *const *)m->layers, &bytes[0], err);

	if (r < 0)
		return r;
	if (stat(m->disk, &st) < 0)
		return error_errno(err, errno, "cannot find %s", m->disk);
	bytes[1] = (uint64_t)st.st_size;
	for (size_t i = 0; i < 2; i++)
		begin.disk_sectors[i] = bytes[i] / DISK_SECTOR_BYTES;
	return vm_link_request(link, AGENT_BEGIN, &begin, sizeof(begin), err);
}

int vm_set_up_guest(struct vm_link *link, const struct container_config *config,
	const struct vm_volumes *volumes, struct error *err)
{
	_cleanup_str_ struct str s = { 0 };
	int r = tell_time_and_names(link, config, &s, err);

	if (r == 0)
		r = tell_disks(link, config, err);
	if (r == 0)
		r = tell_network(link, config, err);
	if (r == 0)
		r = tell_sysctls(link, config, &s, err);
	if (r == 0)
		r = tell_mounts(link, config, volumes, &s, err);
	return r < 0 ? r : vm_set_limits(link, &config->limits, 0, err);
}

/* --- a process
 * ------------------------------------------------------------------------------------ */

static uint32_t process_flags(const struct container_process *process)
{
	return (process->terminal ? AGENT_EXEC_TERMINAL : 0) |
		(process->no_new_privileges ? AGENT_EXEC_NO_NEW_PRIVILEGES : 0) |
		(process->has_oom_score_adj ? AGENT_EXEC_OOM_SCORE : 0);
}

static void add_head(struct str *s, const struct container_process *process, uint32_t flags)
{
	const struct agent_exec head = {
		.flags = flags | process_flags(process),
		.uid = process->uid,
		.gid = process->gid,
		.umask = process->umask >= 0 ? (uint32_t)process->umask : 022,
		.oom_score_adj = process->oom_score_adj,
		.rows = process->rows,
		.columns = process->columns,
		.nr_limits = (uint32_t)process->nr_rlimits,
		.nr_groups = (uint32_t)process->nr_groups,
		.nr_args = (uint32_t)strv_length(process->args),
		.nr_env = (uint32_t)strv_length(process->env),
		.nr_group_names = (uint32_t)strv_length(process->group_names),
		.cap_bounding = process->cap_bounding,
		.cap_effective = process->cap_effective,
		.cap_inheritable = process->cap_inheritable,
		.cap_permitted = process->cap_permitted,
		.cap_ambient = process->cap_ambient,
	};

	str_append_n(s, &head, sizeof(head));
	for (size_t i = 0; i < process->nr_rlimits; i++) {
		const struct container_rlimit *from = &process->rlimits[i];
		const struct agent_limit to = {
			.resource = (uint32_t)from->resource, .soft = from->soft, .hard = from->hard
		};

		str_append_n(s, &to, sizeof(to));
	}
	for (size_t i = 0; i < process->nr_groups; i++) {
		const uint32_t group = process->groups[i];

		str_append_n(s, &group, sizeof(group));
	}
}

int vm_send_process(struct vm_link *link, const struct container_process *process, uint32_t flags,
	struct error *err)
{
	_cleanup_str_ struct str s = { 0 };
	struct agent_exec_parts parts;
	int r;

	add_head(&s, process, flags);
	add_string(&s, process->cwd ? process->cwd : "/");
	add_string(&s, process->user);
	add_strings(&s, process->args);
	add_strings(&s, process->env);
	add_strings(&s, process->group_names);
	if (s.failed)
		return error_oom(err);
	if (s.len > AGENT_REQUEST_MAX || !agent_exec_parse(s.data, s.len, &parts))
		return error_set(err, E2BIG,
			"the command with its environment is more than a machine is told at once");
	r = vm_link_send(link, AGENT_EXEC, s.data, s.len);
	return r < 0 ? error_errno(err, r, "cannot talk to the machine") : 0;
}
