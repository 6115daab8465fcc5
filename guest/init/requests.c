/* SPDX-License-Identifier: Apache-2.0 */
/*
 * requests.c - what the host asks of the machine as a whole: clock, entropy, names, network,
 * files, mounts, limits, numbers. Each is one row below and is answered at once.
 */
#include "internal.h"

#include <linux/random.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <net/route.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/sysinfo.h>

#define MOUNTS_SIZE	(64u << 10) /* bytes of all MOUNT requests together */
#define NUMBERS_SIZE	(16u << 10) /* of a file with numbers */
#define LIMIT_BYTES_MIN (UINT64_C(16) << 20) /* of memory, that an instance is held to */
#define RESERVE_PART	16 /* one in so many bytes is left to the kernel */

static const char *why_not; /* of the request that is being served */

static long because(long r, const char *why)
{
	if (r < 0)
		why_not = why;
	return r < 0 ? r : 0;
}

/* --- the image ---------------------------------------------------------------------------------
 */

static long begin_instance(const void *payload, size_t len)
{
	static bool has_begun;
	struct agent_begin begin;
	long r = 0;

	memcpy(&begin, payload, sizeof(begin));
	/* A test has no machine. */
	if (!has_begun && sys(SYS_getpid) == 1)
		r = boot_mount_image(begin.disk_sectors);

	has_begun = r == 0;
	return because(r, "cannot mount the image");
}

/* --- clock, entropy, names -------------------------------------------------------------------- */

static long set_clock(const void *payload, size_t len)
{
	struct agent_clock now;

	memcpy(&now, payload, sizeof(now));
	return because(
		sys(SYS_clock_settime, 0 /* CLOCK_REALTIME */, &now), "cannot set the clock");
}

static long add_entropy(const void *payload, size_t len)
{
	struct {
		int bits, size;
		uint8_t bytes[512];
	} pool;
	long fd, r;

	if (len > sizeof(pool.bytes))
		len = sizeof(pool.bytes);
	pool.bits = (int)len * 8;
	pool.size = (int)len;
	memcpy(pool.bytes, payload, len);
	fd = sys(SYS_openat, AT_FDCWD, "/dev/urandom", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return because(fd, "cannot open /dev/urandom");
	r = sys(SYS_ioctl, fd, RNDADDENTROPY, &pool);
	if (r == 0)
		sys(SYS_ioctl, fd, RNDRESEEDCRNG, NULL);
	sys(SYS_close, fd);
	return because(r, "cannot add entropy");
}

static long set_hostname(const void *payload, size_t len)
{
	const char *name = payload, *domain = name + strlen(name) + 1;
	long r = sys(SYS_sethostname, name, strlen(name));

	if (r == 0 && *domain)
		r = sys(SYS_setdomainname, domain, strlen(domain));
	return because(r, "cannot set the host's name");
}

/* KEY with dots or slashes, as sysctl(8) has it. */
static long set_sysctl(const void *payload, size_t len)
{
	const char *key = payload, *value = key + strlen(key) + 1;
	char path[256];
	struct text text = TEXT(path);

	text_add(&text, "/proc/sys/");
	for (; *key; key++)
		text_add(&text, "%c", *key == '.' ? '/' : *key);
	if (text.cut)
		return because(-ENAMETOOLONG, "no such kernel parameter");
	return because(file_write_text(path, value), "cannot set a kernel parameter");
}

/* --- network ---------------------------------------------------------------------------------- */

static void fill_address(struct sockaddr *ret, uint32_t address)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr = { address } };

	memcpy(ret, &in, sizeof(in));
}

/* To network byte order: both our CPUs are little-endian. */
static uint32_t swap(uint32_t value)
{
	return value >> 24 | (value >> 8 & 0xff00) | (value << 8 & 0xff0000) | value << 24;
}

static long first_interface(void *context, const char *name, unsigned type)
{
	if (text_equal(name, "lo") || strlen(name) >= IFNAMSIZ)
		return 0;
	memcpy(context, name, strlen(name) + 1);
	return 1;
}

static long set_up_interface(int fd, const struct agent_network *net, struct ifreq *request)
{
	uint32_t mask = net->prefix_bits ? ~UINT32_C(0) << (32 - net->prefix_bits) : 0;
	static const uint8_t none[sizeof(net->mac)];
	long r = 0;

	/* A machine that goes on from a snapshot has the address of the one that made it. */
	if (memcmp(net->mac, none, sizeof(none)) != 0) {
		request->ifr_hwaddr.sa_family = ARPHRD_ETHER;
		memcpy(request->ifr_hwaddr.sa_data, net->mac, sizeof(net->mac));
		r = sys(SYS_ioctl, fd, SIOCSIFHWADDR, request);
	}
	if (r == 0 && net->address) {
		fill_address(&request->ifr_addr, net->address);
		r = sys(SYS_ioctl, fd, SIOCSIFADDR, request);
	}
	if (r == 0 && net->address) {
		fill_address(&request->ifr_netmask, swap(mask));
		r = sys(SYS_ioctl, fd, SIOCSIFNETMASK, request);
	}
	if (r == 0 && net->mtu) {
		request->ifr_mtu = (int)net->mtu;
		r = sys(SYS_ioctl, fd, SIOCSIFMTU, request);
	}
	if (r == 0) {
		request->ifr_flags = IFF_UP | IFF_RUNNING;
		r = sys(SYS_ioctl, fd, SIOCSIFFLAGS, request);
	}
	return r;
}

static long set_network(const void *payload, size_t len)
{
	struct agent_network net;
	struct ifreq request = { 0 };
	struct rtentry route = { .rt_flags = RTF_UP | RTF_GATEWAY };
	long fd, r = 1;

	memcpy(&net, payload, sizeof(net));
	net.interface[sizeof(net.interface) - 1] = '\0';
	if (net.prefix_bits > 32)
		return because(-EINVAL, "no such network");
	memcpy(request.ifr_name, net.interface, IFNAMSIZ);
	if (!net.interface[0])
		r = folder_each(AT_FDCWD, "/sys/class/net", first_interface, request.ifr_name);
	if (r == 0)
		return because(-ENODEV, "the machine has no network device");
	fd = sys(SYS_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return because(fd, "the kernel has no IPv4");
	r = set_up_interface((int)fd, &net, &request);
	if (r == 0 && net.gateway) {
		fill_address(&route.rt_gateway, net.gateway);
		fill_address(&route.rt_dst, 0);
		fill_address(&route.rt_genmask, 0);
		r = sys(SYS_ioctl, fd, SIOCADDRT, &route);
		if (r == -EEXIST)
			r = 0;
	}
	sys(SYS_close, fd);
	return because(r, "cannot set up the network");
}

void request_start_loopback(void)
{
	struct ifreq request = { .ifr_name = "lo" };
	long fd = sys(SYS_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return;
	request.ifr_flags = IFF_UP | IFF_RUNNING;
	sys(SYS_ioctl, fd, SIOCSIFFLAGS, &request);
	sys(SYS_close, fd);
}

/* --- files ------------------------------------------------------------------------------------ */

/* The folder that `path` is in, made if it is not there; *ret_name is behind it. */
static long open_parent(int root, const char *path, const char **ret_name)
{
	char folder[PATH_SIZE];
	size_t len = strlen(path);
	long r;

	while (len > 0 && path[len - 1] != '/')
		len--;
	*ret_name = path + len;
	if (len >= sizeof(folder) || !**ret_name)
		return -EINVAL;
	memcpy(folder, path, len);
	folder[len] = '\0';
	r = make_folders(root, folder);
	return r < 0 ? r : open_in(root, len ? folder : "/", O_PATH | O_DIRECTORY, 0);
}

/* A link in its place is replaced: images have /etc/resolv.conf point to what does not run here. */
static long put_file(
	int root, const char *path, const struct agent_file *file, const char *bytes, size_t len)
{
	const char *name;
	long parent = open_parent(root, path, &name), fd, r;
	struct stat st;

	if (parent < 0)
		return parent;
	r = sys(SYS_newfstatat, parent, name, &st, AT_SYMLINK_NOFOLLOW);
	if (r == 0 && file->flags & AGENT_FILE_ONLY_NEW) {
		sys(SYS_close, parent);
		return 0;
	}
	if (r == 0 && !S_ISREG(st.st_mode))
		sys(SYS_unlinkat, parent, name, 0);
	fd = sys(SYS_openat, parent, name,
		O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, file->mode);
	sys(SYS_close, parent);
	if (fd < 0)
		return fd;
	r = write_all((int)fd, bytes, len);
	sys(SYS_close, fd);
	return r;
}

static long write_file(const void *payload, size_t len)
{
	const char *path = (const char *)payload + sizeof(struct agent_file);
	size_t left = len - sizeof(struct agent_file), path_len = 0;
	struct agent_file file;
	long root, r;

	memcpy(&file, payload, sizeof(file));
	while (path_len < left && path[path_len])
		path_len++;
	if (path_len == left)
		return because(-EINVAL, "a file without a name");
	root = sys(SYS_openat, AT_FDCWD, ROOT, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return because(root, "there is no root filesystem");
	r = put_file((int)root, path, &file, path + path_len + 1, left - path_len - 1);
	sys(SYS_close, root);
	return because(r, "cannot write a file");
}

/* --- mounts ----------------------------------------------------------------------------------- */

/* Requests as they came, each behind its length; done by the main process in its namespace. */
static struct {
	uint8_t bytes[MOUNTS_SIZE];
	size_t len;
	unsigned count;
} mounts;

static long add_mount(const void *payload, size_t len)
{
	uint32_t size = (uint32_t)len;

	if (!agent_strings_are_valid((const char *)payload + sizeof(struct agent_mount),
		    len - sizeof(struct agent_mount), 4))
		return because(-EINVAL, "not a mount");
	if (mounts.count == AGENT_MOUNTS_MAX || sizeof(mounts.bytes) - mounts.len < len + 4)
		return because(-E2BIG, "too many mounts");
	memcpy(mounts.bytes + mounts.len, &size, sizeof(size));
	memcpy(mounts.bytes + mounts.len + sizeof(size), payload, len);
	mounts.len += sizeof(size) + len;
	mounts.count++;
	return 0;
}

/* What the mount is put on, made if it is not there. */
static long open_target(int root, const char *path, bool is_file)
{
	const char *name;
	long fd = open_in(root, path, O_PATH, 0), parent;

	if (fd != -ENOENT)
		return fd;
	if (!is_file) {
		long r = make_folders(root, path);

		return r < 0 ? r : open_in(root, path, O_PATH | O_DIRECTORY, 0);
	}
	parent = open_parent(root, path, &name);
	if (parent < 0)
		return parent;
	fd = sys(SYS_openat, parent, name, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	sys(SYS_close, parent);
	if (fd >= 0)
		sys(SYS_close, fd);
	return fd < 0 ? fd : open_in(root, path, O_PATH, 0);
}

/* Where only we are: for every process that is started after it, not for one. */
static long mount_beside(const char *type, const char *source, const char *target,
	unsigned long flags, const char *options)
{
	sys(SYS_mkdirat, AT_FDCWD, target, 0700);
	return sys(SYS_mount, source, target, type, flags, options);
}

/* `why` is empty; what it is after a failure lacks the error's own words. */
static long do_mount(
	int root, const struct agent_mount *mount, const char *strings, struct text *why)
{
	const char *type = strings, *source = type + strlen(type) + 1;
	const char *target = source + strlen(source) + 1, *options = target + strlen(target) + 1;
	long fd, r;
	char place[40];

	if (mount->how & AGENT_MOUNT_FILL && !boot_was_used()) {
		text_add(why, "cannot fill the volume on %s", target);
		r = fill_volume(root, target, source, why);
		if (r < 0)
			return r;
	}
	why->len = 0;
	text_add(why, "cannot mount %s on %s", source, target);
	if (mount->how & AGENT_MOUNT_BESIDE)
		return mount_beside(type, source, target, mount->flags, *options ? options : NULL);
	fd = open_target(root, target, mount->how & AGENT_MOUNT_FILE);
	if (fd < 0)
		return fd;
	text_write(place, sizeof(place), "/proc/self/fd/%d", (int)fd);
	r = sys(SYS_mount, source, place, *type ? type : NULL, mount->flags & ~(uint64_t)MS_REMOUNT,
		*options ? options : NULL);
	/* mount(2): flags of a bind mount come with a second call. */
	if (r == 0 && mount->flags & MS_BIND && mount->flags & MS_RDONLY) {
		long top = open_in(root, target, O_PATH, 0);

		text_write(place, sizeof(place), "/proc/self/fd/%d", (int)top);
		r = sys(SYS_mount, NULL, place, NULL, mount->flags | MS_REMOUNT, NULL);
		sys(SYS_close, top);
	}
	sys(SYS_close, fd);
	return r;
}

long request_mount_all(const char **ret_why)
{
	static char why_buffer[AGENT_MESSAGE_MAX];
	struct text why = TEXT(why_buffer);
	long root = sys(SYS_openat, AT_FDCWD, ROOT, O_PATH | O_DIRECTORY | O_CLOEXEC), r = root;
	size_t at = 0;

	*ret_why = why_buffer;
	text_add(&why, "there is no root filesystem");
	while (r >= 0 && at < mounts.len) {
		const char *strings;
		struct agent_mount mount;
		uint32_t size;

		memcpy(&size, mounts.bytes + at, sizeof(size));
		memcpy(&mount, mounts.bytes + at + sizeof(size), sizeof(mount));
		strings = (const char *)mounts.bytes + at + sizeof(size) + sizeof(mount);
		why = (struct text)TEXT(why_buffer);
		r = do_mount((int)root, &mount, strings, &why);
		at += sizeof(size) + size;
	}
	if (root >= 0)
		sys(SYS_close, root);
	return r < 0 ? r : 0;
}

/* --- limits and numbers ----------------------------------------------------------------------- */

static long write_limit(const char *file, const char *text)
{
	char path[64];

	text_write(path, sizeof(path), CGROUP "/%s", file);
	return file_write_text(path, text);
}

static long set_limit(const char *file, uint64_t value)
{
	char text[32];

	if (value == 0)
		return 0;
	text_write(text, sizeof(text), "%lu", value);
	return write_limit(file, value == UINT64_MAX ? "max" : text);
}

static const char *read_numbers(const char *path)
{
	static char text[NUMBERS_SIZE];

	if (file_read(AT_FDCWD, path, text, sizeof(text)) < 0)
		text[0] = '\0';
	return text;
}

/* What the instance may have at most; 0: not known, all of the machine. */
static uint64_t ceiling;

static uint64_t memory_total(void)
{
	struct sysinfo info;

	if (ceiling)
		return ceiling;
	return sys(SYS_sysinfo, &info) == 0 ? info.totalram * info.mem_unit : 0;
}

void request_keep_reserve(void)
{
	uint64_t free = number_after(read_numbers("/proc/meminfo"), "MemAvailable") * 1024;
	uint64_t limit = free - free / RESERVE_PART;

	if (limit >= LIMIT_BYTES_MIN && set_limit("memory.max", limit) >= 0)
		ceiling = limit;
}

/* A limit below what is in use would make the kernel kill until it fits: reclaim first
 * (memory.reclaim, Linux 5.19), and refuse if that was not enough. */
static long limit_memory(uint64_t balloon_bytes)
{
	uint64_t total = memory_total(), limit = total, current;
	char text[32];

	if (balloon_bytes == 0)
		return 0;
	if (balloon_bytes != UINT64_MAX)
		limit = total > balloon_bytes ? total - balloon_bytes : 0;
	current = number_after(read_numbers(CGROUP "/memory.current"), "");
	if (current > limit) {
		text_write(text, sizeof(text), "%lu", current - limit);
		write_limit("memory.reclaim", text);
		current = number_after(read_numbers(CGROUP "/memory.current"), "");
	}
	if (limit < LIMIT_BYTES_MIN || current > limit)
		return because(
			-EBUSY, "--memory: more than that is in use and cannot be reclaimed");
	return because(set_limit("memory.max", limit), "cannot limit memory");
}

static long set_limits(const void *payload, size_t len)
{
	struct agent_limits limits;
	char text[64];
	long r;

	memcpy(&limits, payload, sizeof(limits));
	r = limit_memory(limits.balloon_bytes);
	if (r < 0)
		return r;
	r = set_limit("pids.max", limits.pids);
	if (r < 0)
		return because(r, "cannot limit the number of processes");
	if (!limits.cpu_quota_us)
		return 0;
	text_write(text, sizeof(text), "%lu %lu", limits.cpu_quota_us,
		limits.cpu_period_us ? limits.cpu_period_us : 100000);
	return because(write_limit("cpu.max", text), "cannot limit the use of CPUs");
}

static long set_frozen(const void *payload, size_t len)
{
	return because(write_limit("cgroup.freeze", *(const uint8_t *)payload ? "1" : "0"),
		"cannot freeze the processes");
}

/* "8:0 rbytes=1 wbytes=2 ..." for each device. */
static uint64_t sum_after(const char *text, const char *key)
{
	uint64_t sum = 0;

	for (; *text; text++)
		if (text_begins(text, key))
			sum += number_after(text, key);
	return sum;
}

/* proc(5), /proc/net/dev: the first and the ninth number of each line but the loopback's. */
static void read_network(struct agent_stats *ret)
{
	const char *at = read_numbers("/proc/net/dev");

	while (*at) {
		const char *name = at;
		unsigned column = 0;

		while (*name == ' ')
			name++;
		while (*at && *at != ':' && *at != '\n')
			at++;
		while (*at && *at != '\n') {
			uint64_t value = 0;

			at++;
			while (*at == ' ')
				at++;
			while (*at >= '0' && *at <= '9')
				value = value * 10 + (uint64_t)(*at++ - '0');
			column++;
			if (column == 1 && !text_begins(name, "lo:"))
				ret->received_bytes += value;
			if (column == 9 && !text_begins(name, "lo:"))
				ret->sent_bytes += value;
		}
		if (*at)
			at++;
	}
}

void request_stats(struct agent_stats *ret)
{
	const char *text;

	*ret = (struct agent_stats){ 0 };
	text = read_numbers(CGROUP "/cpu.stat");
	ret->cpu_us = number_after(text, "usage_usec");
	ret->cpu_user_us = number_after(text, "user_usec");
	ret->cpu_system_us = number_after(text, "system_usec");
	ret->memory_bytes = number_after(read_numbers(CGROUP "/memory.current"), "");
	text = read_numbers(CGROUP "/memory.stat");
	if (ret->memory_bytes >= number_after(text, "inactive_file"))
		ret->memory_bytes -= number_after(text, "inactive_file");
	ret->memory_peak_bytes = number_after(read_numbers(CGROUP "/memory.peak"), "");
	ret->oom_kills = number_after(read_numbers(CGROUP "/memory.events"), "oom_kill");
	ret->pids = number_after(read_numbers(CGROUP "/pids.current"), "");
	text = read_numbers(CGROUP "/io.stat");
	ret->read_bytes = sum_after(text, "rbytes=");
	ret->written_bytes = sum_after(text, "wbytes=");
	ret->memory_total_bytes = number_after(read_numbers(CGROUP "/memory.max"), "");
	if (!ret->memory_total_bytes) /* "max" */
		ret->memory_total_bytes = memory_total();
	read_network(ret);
}

/* --- the table -------------------------------------------------------------------------------- */

static const struct {
	enum agent_type type;
	size_t size; /* of the fixed part */
	unsigned nr_strings; /* that are all the rest; 0: the rest is anything */
	bool exact; /* there is no rest */
	long (*serve)(const void *payload, size_t len);
} requests[] = {
	{ AGENT_BEGIN, sizeof(struct agent_begin), 0, true, begin_instance },
	{ AGENT_CLOCK, sizeof(struct agent_clock), 0, true, set_clock },
	{ AGENT_ENTROPY, 1, 0, false, add_entropy },
	{ AGENT_HOSTNAME, 0, 2, false, set_hostname },
	{ AGENT_NETWORK, sizeof(struct agent_network), 0, true, set_network },
	{ AGENT_FILE, sizeof(struct agent_file), 0, false, write_file },
	{ AGENT_SYSCTL, 0, 2, false, set_sysctl },
	{ AGENT_MOUNT, sizeof(struct agent_mount), 4, false, add_mount },
	{ AGENT_LIMITS, sizeof(struct agent_limits), 0, true, set_limits },
	{ AGENT_FREEZE, 1, 0, true, set_frozen },
};

bool request_serve(const struct agent_frame *frame, long *ret_code, const char **ret_why)
{
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		if (requests[i].type != frame->type)
			continue;
		if (frame->len < requests[i].size ||
			(requests[i].exact && frame->len != requests[i].size))
			return false;
		if (requests[i].nr_strings &&
			!agent_strings_are_valid((const char *)frame->payload + requests[i].size,
				frame->len - requests[i].size, requests[i].nr_strings))
			return false;
		why_not = "";
		*ret_code = requests[i].serve(frame->payload, frame->len);
		*ret_why = why_not;
		return true;
	}
	return false;
}
