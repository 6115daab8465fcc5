/* SPDX-License-Identifier: Apache-2.0 */
/*
 * boot.c - from the kernel's start of /init to where the host is waited for, from there to a
 * mounted image, and back down.
 *
 * A snapshot may be between the two: then the disks are others than those that the kernel has
 * looked at, and are looked at again.
 *
 * The first filesystem (src/kernel/initramfs.c) has /init, /modules and what MODULES lists, in the
 * order they are to be loaded. The first disk holds the image: each of its partitions whose
 * name begins with LAYER is a squashfs, the lowest first; without a partition table the disk itself
 * is the only one. The second disk, ext4, is the instance's own. What of these is not there yet is
 * waited for: drivers find devices when they like.
 */
#include "internal.h"

#include <linux/fs.h>
#include <linux/reboot.h>
#include <sys/mount.h>

#define MODULES	       "/modules/list"
#define LAYER	       "PARTNAME=layer"
#define OPAQUE_ROOT    ".strata-opaque" /* src/image/image.h */
#define LAYERS_MAX     256
#define WAIT_STEP_NS   2000000
#define WAIT_STEPS_MAX 5000 /* ten seconds */

static const struct {
	const char *type, *source, *target, *options;
	unsigned long flags;
	bool optional; /* a kernel may be without it */
} mounts[] = {
	{ "devtmpfs", "dev", "/dev", "mode=0755", MS_NOSUID, false },
	{ "proc", "proc", "/proc", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC, false },
	{ "sysfs", "sysfs", "/sys", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC, false },
	{ "devpts", "devpts", "/dev/pts", "gid=5,mode=620,ptmxmode=666", MS_NOSUID | MS_NOEXEC,
		false },
	{ "tmpfs", "shm", "/dev/shm", "mode=1777", MS_NOSUID | MS_NODEV | MS_NOEXEC, true },
	{ "mqueue", "mqueue", "/dev/mqueue", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC, true },
	{ "cgroup2", "cgroup", "/sys/fs/cgroup", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC, true },
};

static const struct {
	const char *name, *target;
} links[] = {
	{ "/dev/fd", "/proc/self/fd" },
	{ "/dev/stdin", "/proc/self/fd/0" },
	{ "/dev/stdout", "/proc/self/fd/1" },
	{ "/dev/stderr", "/proc/self/fd/2" },
};

static long failed(long r, const char *what)
{
	if (r < 0)
		tell("%s: %s", what, error_text(r));
	return r;
}

static long mount_all(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(mounts); i++) {
		long r;

		sys(SYS_mkdirat, AT_FDCWD, mounts[i].target, 0755);
		r = sys(SYS_mount, mounts[i].source, mounts[i].target, mounts[i].type,
			mounts[i].flags, mounts[i].options);
		/* CONFIG_DEVTMPFS_MOUNT does not concern an initramfs, but who knows. */
		if (r < 0 && r != -EBUSY && !mounts[i].optional)
			return failed(r, mounts[i].target);
	}
	for (size_t i = 0; i < ARRAY_SIZE(links); i++)
		sys(SYS_symlinkat, links[i].target, AT_FDCWD, links[i].name);
	/* The devtmpfs node belongs to no devpts of ours. */
	sys(SYS_unlinkat, AT_FDCWD, "/dev/ptmx", 0);
	sys(SYS_symlinkat, "pts/ptmx", AT_FDCWD, "/dev/ptmx");
	return 0;
}

/* --- modules ---------------------------------------------------------------------------------- */

/* Its memory is given back: the first filesystem stays for as long as the machine runs. */
static void load_module(const char *name)
{
	char path[256];
	long fd, r;

	text_write(path, sizeof(path), "/modules/%s", name);
	fd = sys(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		failed(fd, path);
		return;
	}
	r = sys(SYS_finit_module, fd, "", 0);
	sys(SYS_close, fd);
	sys(SYS_unlinkat, AT_FDCWD, path, 0);
	if (r < 0 && r != -EEXIST)
		failed(r, path);
}

static long has_number(void *context, const char *name, unsigned type)
{
	char path[128], text[32];
	uint64_t number;
	const unsigned *wanted = context;

	text_write(path, sizeof(path), "/sys/bus/virtio/devices/%s/device", name);
	if (file_read(AT_FDCWD, path, text, sizeof(text)) < 6)
		return 0;
	/* "0x0001" and the end of the line. */
	number = (uint64_t)(text[4] <= '9' ? text[4] - '0' : text[4] - 'a' + 10) << 4 |
		(uint64_t)(text[5] <= '9' ? text[5] - '0' : text[5] - 'a' + 10);
	return number == *wanted;
}

static bool has_virtio_device(unsigned number)
{
	return folder_each(AT_FDCWD, "/sys/bus/virtio/devices", has_number, &number) > 0;
}

/* "NAME.ko", or "NAME.ko NUMBER" for one that is for a kind of virtio device. */
static void load_line(char *line)
{
	char *space = strchr(line, ' ');
	uint64_t number = 0;

	if (space) {
		*space = '\0';
		number_parse(space + 1, strlen(space + 1), 0xff, &number);
	}
	if (number == 0 || has_virtio_device((unsigned)number))
		load_module(line);
}

/* One that does not load may not be needed: what is missing is told where it is missed. */
static void load_modules(void)
{
	static char list[16384];
	char *line = list, *end;

	if (file_read(AT_FDCWD, MODULES, list, sizeof(list)) < 0)
		return;
	for (; *line; line = end + 1) {
		end = strchr(line, '\n');
		if (!end)
			break;
		*end = '\0';
		load_line(line);
	}
}

/* --- disks ------------------------------------------------------------------------------------ */

static void nap(void)
{
	struct {
		long seconds, nanoseconds;
	} time = { 0, WAIT_STEP_NS };

	sys(SYS_nanosleep, &time, NULL);
}

static bool exists(const char *path)
{
	return sys(SYS_faccessat, AT_FDCWD, path, 0) == 0;
}

/* Until the driver has found it, and has seen how large it is now. */
static bool wait_for_disk(const char *disk, uint64_t sectors)
{
	char path[64], text[32];
	uint64_t has;

	text_write(path, sizeof(path), "/sys/class/block/%s/size", disk);
	for (unsigned i = 0; i < WAIT_STEPS_MAX; i++) {
		long n = file_read(AT_FDCWD, path, text, sizeof(text));

		if (n > 1 && number_parse(text, (size_t)n - 1, UINT64_MAX, &has) && has == sectors)
			return true;
		nap();
	}
	tell("the disk %s does not appear as it should be", disk);
	return false;
}

/* Its partition table, which may be another one than that of the disk which was there first. */
static void read_again(const char *disk)
{
	char path[32];
	long fd;

	text_write(path, sizeof(path), "/dev/%s", disk);
	fd = sys(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	sys(SYS_ioctl, fd, BLKRRPART, NULL);
	sys(SYS_close, fd);
}

static bool is_layer(const char *disk, unsigned number)
{
	char path[64], text[1024];
	const char *at = text;

	text_write(path, sizeof(path), "/sys/class/block/%s%u/uevent", disk, number);
	if (file_read(AT_FDCWD, path, text, sizeof(text)) < 0)
		return false;
	while (at && *at) {
		if (text_begins(at, LAYER))
			return true;
		at = strchr(at, '\n');
		at = at ? at + 1 : NULL;
	}
	return false;
}

static long mount_layer(const char *device, unsigned number, struct text *lower)
{
	char place[32];
	long r;

	text_write(place, sizeof(place), "/layers/%u", number);
	sys(SYS_mkdirat, AT_FDCWD, place, 0755);
	r = sys(SYS_mount, device, place, "squashfs", MS_RDONLY, NULL);
	text_add(lower, "%s%u", lower->len ? ":" : "", number);
	return failed(r, device);
}

/* Overlayfs heeds the opaque mark of every folder but a layer's root. */
static bool hides_all_below(unsigned number)
{
	char path[64];

	text_write(path, sizeof(path), "/layers/%u/" OPAQUE_ROOT, number);
	return sys(SYS_faccessat, AT_FDCWD, path, 0) == 0;
}

/* The list of lower folders, below /layers. */
static long mount_layers(struct text *lower)
{
	char device[32];
	unsigned count = 0;
	long r = 0;

	sys(SYS_mkdirat, AT_FDCWD, "/layers", 0755);
	read_again("vda");
	while (count < LAYERS_MAX && is_layer("vda", count + 1))
		count++;
	if (count == 0)
		return mount_layer("/dev/vda", 1, lower);
	for (unsigned n = count; n > 0 && r == 0; n--) {
		text_write(device, sizeof(device), "/dev/vda%u", n);
		r = mount_layer(device, n, lower);
		if (r == 0 && hides_all_below(n))
			break;
	}
	return r;
}

static bool was_used;

bool boot_was_used(void)
{
	return was_used;
}

/* On the instance's own disk, or in memory where there is none. */
static long mount_upper(void)
{
	long r;

	sys(SYS_mkdirat, AT_FDCWD, "/instance", 0755);
	if (exists("/sys/class/block/vdb"))
		r = sys(SYS_mount, "/dev/vdb", "/instance", "ext4", MS_NOATIME, "noinit_itable");
	else
		r = sys(SYS_mount, "tmpfs", "/instance", "tmpfs", 0, "mode=0700");
	if (r < 0)
		return failed(r, "/dev/vdb");
	was_used = sys(SYS_mkdirat, AT_FDCWD, "/instance/upper", 0755) == -EEXIST;
	sys(SYS_mkdirat, AT_FDCWD, "/instance/work", 0755);
	return 0;
}

/* Relative lower folders keep the option below a page, which is all that mount(2) takes. */
static long mount_root(void)
{
	static char lower_list[2048], options[4096];
	struct text lower = TEXT(lower_list);
	long r = mount_layers(&lower);

	if (r == 0)
		r = mount_upper();
	if (r < 0)
		return r;
	sys(SYS_chdir, "/layers");
	text_write(options, sizeof(options), "lowerdir=%s,upperdir=%s,workdir=%s", lower.at,
		"/instance/upper", "/instance/work");
	sys(SYS_mkdirat, AT_FDCWD, ROOT, 0755);
	r = sys(SYS_mount, "overlay", ROOT, "overlay", 0, options);
	sys(SYS_chdir, "/");
	return failed(r, "cannot mount the overlay of the layers");
}

/* What the image is to see of the machine. */
static long show_machine(void)
{
	static const char *const shown[] = { "dev", "proc", "sys" };
	char from[16], to[16];
	long root = sys(SYS_openat, AT_FDCWD, ROOT, O_PATH | O_DIRECTORY | O_CLOEXEC), r = root;

	for (size_t i = 0; i < ARRAY_SIZE(shown) && r >= 0; i++) {
		long fd;
		char place[40];

		text_write(from, sizeof(from), "/%s", shown[i]);
		text_write(to, sizeof(to), "/%s", shown[i]);
		r = make_folders((int)root, to);
		fd = r < 0 ? r : open_in((int)root, to, O_PATH | O_DIRECTORY, 0);
		if (fd < 0)
			return failed(fd, from);
		text_write(place, sizeof(place), "/proc/self/fd/%d", (int)fd);
		r = sys(SYS_mount, from, place, NULL, MS_BIND | MS_REC, NULL);
		sys(SYS_close, fd);
	}
	if (root >= 0)
		sys(SYS_close, root);
	return failed(r, "cannot show the machine to the image");
}

/* --- the whole -------------------------------------------------------------------------------- */

static void make_cgroup(void)
{
	static const char *const controllers[] = { "+cpu", "+memory", "+pids", "+io" };

	for (size_t i = 0; i < ARRAY_SIZE(controllers); i++)
		file_write_text("/sys/fs/cgroup/cgroup.subtree_control", controllers[i]);
	sys(SYS_mkdirat, AT_FDCWD, CGROUP, 0755);
}

long boot_machine(void)
{
	long r = mount_all();

	if (r < 0)
		return r;
	load_modules();
	request_start_loopback();
	make_cgroup();
	request_keep_reserve();
	return 0;
}

long boot_mount_image(const uint64_t disk_sectors[2])
{
	long r;

	if (!wait_for_disk("vda", disk_sectors[0]) || !wait_for_disk("vdb", disk_sectors[1]))
		return -ENODEV;
	r = mount_root();
	return r < 0 ? r : show_machine();
}

void boot_shut_down(uint32_t how)
{
	unsigned command = how == AGENT_SHUTDOWN_REBOOT ? LINUX_REBOOT_CMD_RESTART
							: LINUX_REBOOT_CMD_POWER_OFF;

	if (sys(SYS_getpid) != 1)
		process_exit(0); /* a test: there is no machine */
	sys(SYS_sync);
	sys(SYS_mount, NULL, ROOT, NULL, MS_REMOUNT | MS_RDONLY, NULL);
	sys(SYS_mount, NULL, "/instance", NULL, MS_REMOUNT | MS_RDONLY, NULL);
	sys(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, command, NULL);
}
