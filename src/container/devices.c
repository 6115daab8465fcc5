/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devices.c - /dev of the container: Docker's default nodes and links, and what --device adds
 * (child).
 *
 * In a user namespace mknod(2) of a device is refused, so the host's nodes are bound instead. A
 * /dev that is bound from outside belongs to whoever bound it and is left alone.
 */
#include "container/internal.h"

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
	{ "core", "/proc/kcore" },
	{ "ptmx", "pts/ptmx" },
};

static int make_default_nodes(struct child *child, struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(default_nodes); i++) {
		char path[32];
		int r;

		if (child->in_userns) {
			snprintf(path, sizeof(path), "/dev/%s", default_nodes[i].name);
			r = mounts_bind_file(child, default_nodes[i].host_path, path, err);
			if (r < 0)
				return r;
			continue;
		}
		if (mknodat(child->dev_fd, default_nodes[i].name, S_IFCHR | 0666,
			    makedev(default_nodes[i].major, default_nodes[i].minor)) < 0 &&
			errno != EEXIST)
			return error_errno(
				err, errno, "cannot make /dev/%s", default_nodes[i].name);
	}
	for (size_t i = 0; i < ARRAY_SIZE(default_links); i++)
		if (symlinkat(default_links[i].target, child->dev_fd, default_links[i].name) < 0 &&
			errno != EEXIST)
			return error_errno(
				err, errno, "cannot make /dev/%s", default_links[i].name);
	return 0;
}

/* The host's node of the same type and number, for a bind: where --device found it. */
static int bind_device(
	struct child *child, const struct container_device *device, struct error *err)
{
	char host[64];
	struct stat st;
	mode_t type = device->type == 'b' ? S_IFBLK : S_IFCHR;

	if (device->type == 'p')
		return error_set(err, ENOTSUP, "%s: no named pipe can be passed on", device->path);
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
	return mounts_bind_file(child, host, device->path, err);
}

static int make_device(
	struct child *child, const struct container_device *device, struct error *err)
{
	_cleanup_free_ char *copy = strdup(device->path);
	_cleanup_close_ int directory = -1;
	mode_t type = device->type == 'b' ? S_IFBLK : device->type == 'p' ? S_IFIFO : S_IFCHR;
	char *slash = copy ? strrchr(copy, '/') : NULL;

	if (!copy)
		return error_oom(err);
	if (!slash || !slash[1])
		return error_set(err, EINVAL, "device path %s is not absolute", device->path);
	if (child->in_userns)
		return bind_device(child, device, err);
	*slash = '\0';
	directory = mounts_open_target(child->root_fd, *copy ? copy : "/", true, err);
	if (directory < 0)
		return directory;
	if (unlinkat(directory, slash + 1, 0) < 0 && errno != ENOENT)
		return error_errno(err, errno, "cannot replace %s", device->path);
	if (mknodat(directory, slash + 1, type | device->mode,
		    makedev(device->major, device->minor)) < 0 ||
		fchownat(directory, slash + 1, device->uid, device->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return error_errno(err, errno, "cannot make the device %s", device->path);
	return 0;
}

int devices_make(struct child *child, struct error *err)
{
	const struct container_config *config = child->config;
	int r = child->dev_fd >= 0 ? make_default_nodes(child, err) : 0;

	for (size_t i = 0; i < config->nr_devices && r == 0; i++)
		r = make_device(child, &config->devices[i], err);
	return r;
}
