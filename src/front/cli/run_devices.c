/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_devices.c - devices of the host, the rules of the device cgroup, and disk rates.
 *
 * An ordinary user cannot make device nodes: the host's own node is bind-mounted instead, and the
 * host's permissions on it decide, as they would without a container.
 */
#include "front/cli/run_machine.h"

#include <limits.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/io.h"
#include "container/container.h"

#define DEVICES_MAX	 4096 /* nodes given to one instance */
#define DEVICE_DEPTH_MAX 8 /* folders below /dev that --privileged looks into */

static char device_type(mode_t mode)
{
	return S_ISCHR(mode) ? 'c' : S_ISBLK(mode) ? 'b' : '\0';
}

static int add_rule(struct run_plan *plan, const struct cgroup_device_rule *rule, struct error *err)
{
	struct cgroup_limits *l = &plan->config.limits;
	struct cgroup_device_rule *grown = realloc(
		l->device_rules, (l->nr_device_rules + 1) * sizeof(*grown));

	if (!grown)
		return error_oom(err);
	l->device_rules = grown;
	grown[l->nr_device_rules++] = *rule;
	return 0;
}

/* "rwm" or fewer of them, in any order, each once. */
static int parse_access(const char *text, char ret[4])
{
	size_t len = strlen(text);

	if (len == 0 || len > 3 || text[strspn(text, "rwm")])
		return -EINVAL;
	for (size_t i = 0; i < len; i++)
		if (strchr(text + i + 1, text[i]))
			return -EINVAL;
	memcpy(ret, text, len + 1);
	return 0;
}

static bool uses_user_namespace(const struct run_plan *plan)
{
	return plan->config.namespaces[CONTAINER_NS_USER].wanted;
}

static int add_node(struct run_plan *plan, const char *source, const char *path,
	const struct stat *st, const char *access, struct error *err)
{
	struct cgroup_device_rule rule = { .allow = true,
		.type = device_type(st->st_mode),
		.major = major(st->st_rdev),
		.minor = minor(st->st_rdev) };
	struct container_config *config = &plan->config;
	struct container_device *grown,
		device = { .type = device_type(st->st_mode),
			.major = major(st->st_rdev),
			.minor = minor(st->st_rdev),
			.mode = st->st_mode & 07777,
			.uid = st->st_uid,
			.gid = st->st_gid };
	int r;

	if (access) {
		memcpy(rule.access, access, sizeof(rule.access));
		r = add_rule(plan, &rule, err);
		if (r < 0)
			return r;
	}
	if (uses_user_namespace(plan))
		return container_config_add_mount(
			config, "bind", source, path, "bind,rprivate,nosuid,noexec", err);
	if (config->nr_devices >= DEVICES_MAX)
		return error_set(err, E2BIG, "more than %d devices", DEVICES_MAX);
	grown = realloc(config->devices, (config->nr_devices + 1) * sizeof(*grown));
	if (!grown)
		return error_oom(err);
	config->devices = grown;
	device.path = strdup(path);
	if (!device.path)
		return error_oom(err);
	grown[config->nr_devices++] = device;
	return 0;
}

/* Does the configuration have that path already? */
static bool has_device(const struct run_plan *plan, const char *path)
{
	for (size_t i = 0; i < plan->config.nr_devices; i++)
		if (streq(plan->config.devices[i].path, path))
			return true;
	for (size_t i = 0; i < plan->config.nr_mounts; i++)
		if (streq(plan->config.mounts[i].destination, path))
			return true;
	return false;
}

/*
 * Every device below `source`, as `target`. For a folder of --device (/dev/snd) all of them are
 * meant; for --privileged (`access` NULL: one rule allows everything) what the container has of its
 * own is left alone.
 */
static int add_tree(struct run_plan *plan, const char *source, const char *target,
	const char *access, int levels, struct error *err)
{
	static const char *const own[] = { "pts", "shm", "mqueue", "console", "ptmx", "tty" };
	_cleanup_closedir_ DIR *dir = opendir(source);
	struct dirent *entry;
	int r = 0;

	if (!dir)
		return error_errno(err, errno, "cannot read %s", source);
	while (r == 0 && (entry = readdir(dir))) {
		char from[PATH_MAX], to[PATH_MAX];
		struct stat st;
		bool skip = streq(entry->d_name, ".") || streq(entry->d_name, "..");

		for (size_t i = 0; !access && i < ARRAY_SIZE(own); i++)
			skip |= streq(entry->d_name, own[i]);
		if (skip ||
			snprintf(from, sizeof(from), "%s/%s", source, entry->d_name) >=
				(int)sizeof(from) ||
			snprintf(to, sizeof(to), "%s/%s", target, entry->d_name) >=
				(int)sizeof(to) ||
			lstat(from, &st) < 0)
			continue;
		if (S_ISDIR(st.st_mode) && levels > 0)
			r = add_tree(plan, from, to, access, levels - 1, err);
		else if (device_type(st.st_mode) && !has_device(plan, to))
			r = add_node(plan, from, to, &st, access, err);
	}
	return r;
}

/* HOST[:INSIDE[:rwm]] or HOST:rwm */
static int parse_device(struct run_plan *plan, const char *text, struct error *err)
{
	_cleanup_strv_ char **parts = strv_split(text, ':');
	size_t count = strv_length(parts);
	const char *inside;
	char access[4] = "rwm";
	struct stat st;

	if (!parts)
		return error_oom(err);
	inside = count > 1 ? parts[1] : parts[0];
	if (count == 2 && parse_access(parts[1], access) == 0)
		inside = parts[0];
	if (count > 3 || (count == 3 && parse_access(parts[2], access) < 0) || *inside != '/' ||
		*parts[0] != '/')
		return error_set(err, EINVAL,
			"invalid argument \"%s\" for --device: must be HOST[:INSIDE[:rwm]] with absolute paths",
			text);
	if (stat(parts[0], &st) < 0)
		return error_errno(err, errno, "--device %s: cannot find %s", text, parts[0]);
	if (S_ISDIR(st.st_mode))
		return add_tree(plan, parts[0], inside, access, DEVICE_DEPTH_MAX, err);
	if (!device_type(st.st_mode))
		return error_set(
			err, ENODEV, "--device %s: %s is not a device node", text, parts[0]);
	return add_node(plan, parts[0], inside, &st, access, err);
}

static int parse_number(const char *text, int64_t *ret)
{
	uint64_t n;

	if (streq(text, "*")) {
		*ret = -1;
		return 0;
	}
	if (parse_u64(text, UINT32_MAX, &n) < 0)
		return -EINVAL;
	*ret = (int64_t)n;
	return 0;
}

/* "c 188:* rwm" (kernel, admin-guide/cgroup-v1/devices.rst) */
static int parse_rule(struct run_plan *plan, const char *text, struct error *err)
{
	struct cgroup_device_rule rule = { .allow = true };
	_cleanup_strv_ char **words = strv_split(text, ' ');
	char *colon;

	if (!words)
		return error_oom(err);
	if (strv_length(words) != 3 || strlen(words[0]) != 1 || !strchr("abc", words[0][0]))
		goto invalid;
	rule.type = words[0][0];
	colon = strchr(words[1], ':');
	if (!colon)
		goto invalid;
	*colon = '\0';
	if (parse_number(words[1], &rule.major) < 0 || parse_number(colon + 1, &rule.minor) < 0 ||
		parse_access(words[2], rule.access) < 0)
		goto invalid;
	return add_rule(plan, &rule, err);
invalid:
	return error_set(err, EINVAL,
		"invalid argument \"%s\" for --device-cgroup-rule: must be \"TYPE MAJOR:MINOR ACCESS\" such as \"c 188:* rwm\"",
		text);
}

/* --- rates --- */

static struct cgroup_throttle *throttle_of(struct cgroup_limits *l, dev_t device)
{
	struct cgroup_throttle *grown;

	for (size_t i = 0; i < l->nr_throttles; i++)
		if (l->throttles[i].major == major(device) &&
			l->throttles[i].minor == minor(device))
			return &l->throttles[i];
	grown = realloc(l->throttles, (l->nr_throttles + 1) * sizeof(*grown));
	if (!grown)
		return NULL;
	l->throttles = grown;
	grown[l->nr_throttles] = (struct cgroup_throttle){ major(device), minor(device),
		CGROUP_UNSET, CGROUP_UNSET, CGROUP_UNSET, CGROUP_UNSET };
	return &grown[l->nr_throttles++];
}

/* DEVICE:RATE; `offset` is the member of struct cgroup_throttle. */
static int parse_rate(struct run_plan *plan, const char *text, const char *option, size_t offset,
	bool bytes, struct error *err)
{
	_cleanup_free_ char *path = strdup(text);
	struct cgroup_throttle *throttle;
	struct stat st;
	uint64_t rate;
	char *colon;

	if (!path)
		return error_oom(err);
	colon = strrchr(path, ':');
	if (!colon || colon == path)
		goto invalid;
	*colon = '\0';
	if ((bytes ? parse_size_bytes(colon + 1, &rate) : parse_u64(colon + 1, INT64_MAX, &rate)) <
			0 ||
		rate > INT64_MAX)
		goto invalid;
	if (stat(path, &st) < 0)
		return error_errno(err, errno, "--%s %s: cannot find %s", option, text, path);
	if (!S_ISBLK(st.st_mode))
		return error_set(
			err, ENOTBLK, "--%s %s: %s is not a block device", option, text, path);
	throttle = throttle_of(&plan->config.limits, st.st_rdev);
	if (!throttle)
		return error_oom(err);
	*(int64_t *)(void *)((char *)throttle + offset) = (int64_t)rate;
	return 0;
invalid:
	return error_set(err, EINVAL, "invalid argument \"%s\" for --%s: must be DEVICE:%s", text,
		option, bytes ? "BYTES such as /dev/sda:10m" : "N such as /dev/sda:100");
}

static int build_rates(const struct run_request *request, struct run_plan *plan, struct error *err)
{
	const struct run_options *o = request->options;
	const struct {
		char **list;
		const char *option;
		size_t offset;
		bool bytes;
	} rates[] = {
		{ o->read_bps, "device-read-bps", offsetof(struct cgroup_throttle, read_bps),
			true },
		{ o->write_bps, "device-write-bps", offsetof(struct cgroup_throttle, write_bps),
			true },
		{ o->read_iops, "device-read-iops", offsetof(struct cgroup_throttle, read_iops),
			false },
		{ o->write_iops, "device-write-iops", offsetof(struct cgroup_throttle, write_iops),
			false },
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(rates); i++)
		strv_for_each (text, rates[i].list)
			if (r == 0)
				r = parse_rate(plan, *text, rates[i].option, rates[i].offset,
					rates[i].bytes, err);
	return r;
}

int run_build_devices(const struct run_request *request, struct run_plan *plan, struct error *err)
{
	const struct run_options *o = request->options;
	int r = 0;

	strv_for_each (text, o->devices)
		if (r == 0)
			r = parse_device(plan, *text, err);
	strv_for_each (text, o->device_rules)
		if (r == 0)
			r = parse_rule(plan, *text, err);
	if (r == 0 && o->privileged && !run_is_machine(o)) {
		const struct cgroup_device_rule all = { true, 'a', -1, -1, "rwm" };

		r = add_rule(plan, &all, err);
		if (r == 0)
			r = add_tree(plan, "/dev", "/dev", NULL, DEVICE_DEPTH_MAX, err);
	}
	return r == 0 ? build_rates(request, plan, err) : r;
}
