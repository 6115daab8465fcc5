/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devices.c - /dev of the container: Docker's default nodes and links, and what --device adds
 * (child).
 *
 * They go into our fresh tmpfs, or where no mount is asked for on /dev into the image's directory;
 * a /dev that is bound from outside belongs to whoever bound it and is left alone. In a user
 * namespace, and without CAP_MKNOD, mknod(2) of a device is refused: for a user namespace the
 * parent makes the nodes with the owners and modes they shall have, on a detached tmpfs, and the
 * child binds them; what the parent may not make either, and the default ones, are the host's
 * nodes.
 */
#include "container/mounts.h"

#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/io.h"
#include "base/str.h"

static const struct {
	const char *name, *host_path;
	unsigned major, minor;
} default_nodes[] = {
	{ "null", "/dev/null", 1, 3 },
	{ "zero", "/dev/zero", 1, 5 },
	{ "full", "/dev/full", 1, 7 },
	{ "random", "/dev/random", 1, 8 },
	{ "urandom", "/dev/urandom", 1, 9 },
	{ "tty", "/dev/tty", 5, 0 },
};

static const struct {
	const char *name, *target;
} default_links[] = {
	{ "fd", "/proc/self/fd" },
	{ "stdin", "/proc/self/fd/0" },
	{ "stdout", "/proc/self/fd/1" },
	{ "stderr", "/proc/self/fd/2" },
};

/* Make it, or find it there: an image may have put something else in its place. 0 or -errno. */
static int make_default_node(int dir_fd, const char *name, dev_t number)
{
	struct stat st;

	if (mknodat(dir_fd, name, S_IFCHR | 0666, number) == 0)
		return 0;
	if (errno != EEXIST || fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (S_ISCHR(st.st_mode) && st.st_rdev == number)
		return 0;
	if (unlinkat(dir_fd, name, 0) < 0 || mknodat(dir_fd, name, S_IFCHR | 0666, number) < 0)
		return -errno;
	return 0;
}

static int make_default_nodes(struct child *child, struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(default_nodes); i++) {
		const char *name = default_nodes[i].name;
		char path[32];
		int r = -EPERM;

		if (!child->in_userns)
			r = make_default_node(child->dev_fd, name,
				makedev(default_nodes[i].major, default_nodes[i].minor));
		if (r == -EPERM) {
			snprintf(path, sizeof(path), "/dev/%s", name);
			r = mounts_bind_file(
				child, AT_FDCWD, default_nodes[i].host_path, path, err);
		} else if (r < 0) {
			error_errno(err, r, "cannot make /dev/%s", name);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

static int make_link(const struct child *child, const char *target, const char *name)
{
	return symlinkat(target, child->dev_fd, name) < 0 && errno != EEXIST ? -errno : 0;
}

/* An image may bring the device instead, which belongs to the host's terminals. */
static int make_ptmx_link(int dev_fd)
{
	struct stat st;

	if (symlinkat("pts/ptmx", dev_fd, "ptmx") == 0)
		return 0;
	if (errno != EEXIST || fstatat(dev_fd, "ptmx", &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISCHR(st.st_mode))
		return 0;
	if (unlinkat(dev_fd, "ptmx", 0) < 0 || symlinkat("pts/ptmx", dev_fd, "ptmx") < 0)
		return -errno;
	return 0;
}

static int make_links(struct child *child, struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(default_links) && r == 0; i++)
		r = make_link(child, default_links[i].target, default_links[i].name);
	if (r == 0)
		r = make_ptmx_link(child->dev_fd);
	if (r == 0 && access("/proc/kcore", F_OK) == 0)
		r = make_link(child, "/proc/kcore", "core");
	return r < 0 ? error_errno(err, r, "cannot make the links in /dev") : 0;
}

/* --- nodes of the parent, for a user namespace ------------------------------------------------ */

/* -1 = nobody's. */
static uint32_t outside_id(const struct userns_map *maps, size_t count, uint32_t inside)
{
	for (size_t i = 0; i < count; i++)
		if (inside >= maps[i].inside && inside - maps[i].inside < maps[i].count)
			return maps[i].outside + (inside - maps[i].inside);
	return (uint32_t)-1;
}

static int make_node_outside(const struct container_config *config, int dir_fd, const char *name,
	const struct container_device *device, struct error *err)
{
	const struct userns_maps *maps = &config->id_maps;
	uid_t uid = outside_id(maps->uid, maps->nr_uid, device->uid);
	gid_t gid = outside_id(maps->gid, maps->nr_gid, device->gid);

	if (uid == (uid_t)-1 || gid == (gid_t)-1)
		return error_set(err, EINVAL, "device %s: its owner %u:%u is not mapped",
			device->path, device->uid, device->gid);
	if (mknodat(dir_fd, name, (device->type == 'b' ? S_IFBLK : S_IFCHR),
		    makedev(device->major, device->minor)) < 0 ||
		fchownat(dir_fd, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0 ||
		fchmodat(dir_fd, name, device->mode, 0) < 0)
		return error_errno(err, errno, "cannot make the device %s", device->path);
	return 0;
}

static int make_detached_tmpfs(void)
{
	_cleanup_close_ int fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
	int fd;

	if (fs < 0 || fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	fd = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
	return fd < 0 ? -errno : fd;
}

int devices_make_outside(struct child *child, struct error *err)
{
	const struct container_config *config = child->config;
	_cleanup_close_ int fd = -1;
	char name[24];
	int r;

	if (!child->in_userns || child->rootless || !config->nr_devices || !config->id_maps.nr_uid)
		return 0;
	fd = make_detached_tmpfs();
	if (fd < 0)
		return error_errno(err, fd, "cannot make a tmpfs for devices");
	for (size_t i = 0; i < config->nr_devices; i++) {
		if (config->devices[i].type == 'p')
			continue;
		snprintf(name, sizeof(name), "%zu", i);
		r = make_node_outside(config, fd, name, &config->devices[i], err);
		/* A root without CAP_MKNOD. */
		if (r == -EPERM)
			return 0;
		if (r < 0)
			return r;
	}
	child->nodes_fd = steal_fd(&fd);
	return 0;
}

/* Only what is mounted in our namespace can be cloned. */
static int show_nodes(struct child *child, bool show, struct error *err)
{
	if (child->nodes_fd < 0)
		return 0;
	if (show)
		return mounts_attach(child->nodes_fd, AT_FDCWD, "/proc", "/proc", err);
	if (fchdir(child->nodes_fd) < 0 || umount2(".", MNT_DETACH) < 0)
		return error_errno(err, errno, "cannot unmount the tmpfs for devices");
	return 0;
}

static int bind_own_node(
	struct child *child, const struct container_device *device, struct error *err)
{
	char name[24];

	snprintf(name, sizeof(name), "%zu", (size_t)(device - child->config->devices));
	return mounts_bind_file(child, child->nodes_fd, name, device->path, err);
}

/* --- what --device and linux.devices add ------------------------------------------------------ */

/* The host's node of the same type and number, for a bind: where --device found it. */
static int bind_device(
	struct child *child, const struct container_device *device, struct error *err)
{
	char host[64];
	struct stat st;
	mode_t type = device->type == 'b' ? S_IFBLK : S_IFCHR;

	if (child->nodes_fd >= 0)
		return bind_own_node(child, device, err);
	/* /dev/char/MAJOR:MINOR where udev keeps it, else the very path. */
	snprintf(host, sizeof(host), "/dev/%s/%u:%u", device->type == 'b' ? "block" : "char",
		device->major, device->minor);
	if (stat(host, &st) < 0 && stat(device->path, &st) == 0 &&
		strlen(device->path) < sizeof(host))
		snprintf(host, sizeof(host), "%s", device->path);
	if (stat(host, &st) < 0 || (st.st_mode & S_IFMT) != type ||
		st.st_rdev != makedev(device->major, device->minor))
		return error_set(err, ENOENT,
			"%s: no node of device %u:%u was found on the host to bind", device->path,
			device->major, device->minor);
	return mounts_bind_file(child, AT_FDCWD, host, device->path, err);
}

/* Replace what is there. 0 or -errno. */
static int make_node(int dir_fd, const char *name, const struct container_device *device)
{
	mode_t type = device->type == 'b' ? S_IFBLK : device->type == 'p' ? S_IFIFO : S_IFCHR;

	if (unlinkat(dir_fd, name, 0) < 0 && errno != ENOENT)
		return -errno;
	if (mknodat(dir_fd, name, type | device->mode, makedev(device->major, device->minor)) < 0 ||
		fchownat(dir_fd, name, device->uid, device->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return 0;
}

static int make_device(
	struct child *child, const struct container_device *device, struct error *err)
{
	_cleanup_free_ char *copy = strdup(device->path);
	_cleanup_close_ int directory = -1;
	char *slash = copy ? strrchr(copy, '/') : NULL;
	int r;

	if (!copy)
		return error_oom(err);
	if (copy[0] != '/' || mount_target_is(copy, "/"))
		return error_set(err, EINVAL, "device path %s: it is no absolute path to a file",
			device->path);
	/* Our own devpts has it. */
	if (mount_target_is(device->path, "/dev/ptmx"))
		return 0;
	/* "/mnt/" is "/mnt". */
	while (slash > copy && !slash[1]) {
		*slash = '\0';
		slash = strrchr(copy, '/');
	}
	if (child->in_userns && device->type != 'p')
		return bind_device(child, device, err);
	*slash = '\0';
	directory = mounts_open_target(child->root_fd, *copy ? copy : "/", true, err);
	if (directory < 0)
		return directory;
	r = make_node(directory, slash + 1, device);
	if (r == -EPERM && device->type != 'p')
		return bind_device(child, device, err);
	return r < 0 ? error_errno(err, r, "cannot make the device %s", device->path) : 0;
}

int devices_make(struct child *child, struct error *err)
{
	const struct container_config *config = child->config;
	int r = 0;

	if (child->dev_fd < 0 && !child->dev_is_bound) {
		child->dev_fd = mounts_open_target(child->root_fd, "/dev", true, err);
		r = child->dev_fd < 0 ? child->dev_fd : 0;
	}
	if (r == 0 && !child->dev_is_bound)
		r = make_default_nodes(child, err);
	if (r == 0 && !child->dev_is_bound)
		r = make_links(child, err);
	if (r == 0)
		r = show_nodes(child, true, err);
	for (size_t i = 0; i < config->nr_devices && r == 0; i++)
		if (!child->dev_is_bound || !str_after_prefix(config->devices[i].path, "/dev/"))
			r = make_device(child, &config->devices[i], err);
	return r < 0 ? r : show_nodes(child, false, err);
}
