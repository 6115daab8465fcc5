/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rootfs.c - the root filesystem: an overlay of image layers or a plain directory, and the change
 * of root into it (child).
 *
 * Everything is mounted in the child's own mount namespace, so nothing of it needs cleaning up.
 * Where the configuration has it share another's (runtime-spec config-linux.md "Namespaces"), the
 * root is entered by chroot(2), and its mounts are one private tree at the root's directory, which
 * whoever deletes the container detaches. The overlay is mounted over its own upper directory when
 * the configuration names no other place: the overlay holds that directory by itself, and no
 * further directory is needed.
 */
#include "container/internal.h"

#include <libgen.h>
#include <limits.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/io.h"
#include "base/log.h"
#include "base/str.h"
#include "container/mounts.h"
#include "container/rootfs.h"

/* mount(2) takes one page of options. */
#define OVERLAY_DATA_MAX 4095
/* overlayfs refuses more (OVL_MAX_STACK). */
#define LAYERS_MAX    500
#define MOUNTINFO_MAX (16u << 20)

/* The flags the whole tree we see gets first, so that nothing we mount is seen by the host. */
int rootfs_isolate_mounts(struct child *child, struct error *err)
{
	const struct container_config *config = child->config;
	unsigned long propagation = MS_PRIVATE;

	if (child->shares_mounts)
		return 0;
	/* Events of the host must reach mounts that ask for them; runtime-spec's
	 * rootfsPropagation and `-v …:rslave`. */
	if (config->rootfs_propagation && !str_has_suffix(config->rootfs_propagation, "private"))
		propagation = MS_SLAVE;
	for (size_t i = 0; i < config->nr_mounts; i++)
		strv_for_each (word, config->mounts[i].options) {
			unsigned long asked = mount_propagation_from_name(*word);

			if (asked & (MS_SLAVE | MS_SHARED))
				propagation = MS_SLAVE;
		}
	if (mount(NULL, "/", NULL, MS_REC | propagation, NULL) < 0)
		return error_errno(err, errno, "cannot separate our mounts from the host's");
	child->all_private = propagation == MS_PRIVATE;
	return 0;
}

/* --- overlay -------------------------------------------------------------------------------- */

/* overlayfs splits its options at ',' and lowerdir at ':'; a backslash keeps them whole. */
static void append_escaped(struct str *data, const char *path)
{
	for (; *path; path++) {
		if (strchr(",:\\", *path))
			str_append_char(data, '\\');
		str_append_char(data, *path);
	}
}

static void append_upper(
	struct str *data, const struct child *child, const char *upper, const char *work)
{
	if (upper) {
		str_append(data, ",upperdir=");
		append_escaped(data, upper);
		str_append(data, ",workdir=");
		append_escaped(data, work);
	}
	/* trusted.* attributes are the host root's. */
	if (child->rootless)
		str_append(data, ",userxattr");
	/* Nobody will look at the upper directory again: do not flush a whole disk for it. */
	if (upper && child->config->rootfs.ephemeral)
		str_append(data, ",volatile");
}

/* The directory all layers are in, as ROOT/layers is; NULL when they are in several. */
static char *common_directory(char *const *layers)
{
	const char *slash = strrchr(layers[0], '/');
	size_t len = slash ? (size_t)(slash - layers[0]) : 0;

	if (!len)
		return NULL;
	strv_for_each (layer, layers) {
		const char *last = strrchr(*layer, '/');

		if (!last || (size_t)(last - *layer) != len || strncmp(*layer, layers[0], len) != 0)
			return NULL;
	}
	return strndup(layers[0], len);
}

/* Short names relative to the layers' directory, which we change to. 1 = they do not fit. */
static int options_by_name(struct child *child, struct str *data, struct error *err)
{
	const struct container_rootfs *rootfs = &child->config->rootfs;
	_cleanup_free_ char *directory = common_directory(rootfs->layers);

	if (!directory)
		return 1;
	str_append(data, "lowerdir=");
	strv_for_each (layer, rootfs->layers) {
		if (layer != rootfs->layers)
			str_append_char(data, ':');
		append_escaped(data, *layer + strlen(directory) + 1);
	}
	append_upper(data, child, rootfs->upper, rootfs->work);
	if (data->failed)
		return error_oom(err);
	if (data->len > OVERLAY_DATA_MAX)
		return 1;
	if (chdir(directory) < 0)
		return error_errno(err, errno, "cannot enter %s", directory);
	return 0;
}

static int append_descriptor(struct str *data, const char *path, struct error *err)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return error_errno(err, errno, "cannot open the layer %s", path);
	str_appendf(data, "%d", fd);
	return 0;
}

/*
 * However many and wherever they are: each as an open descriptor, named by its number relative to
 * /proc/self/fd. The descriptors stay open, close-on-exec.
 */
static int options_by_descriptor(struct child *child, struct str *data, struct error *err)
{
	const struct container_rootfs *rootfs = &child->config->rootfs;
	int r = 0;

	str_append(data, "lowerdir=");
	strv_for_each (layer, rootfs->layers) {
		if (layer != rootfs->layers)
			str_append_char(data, ':');
		r = append_descriptor(data, *layer, err);
		if (r < 0)
			return r;
	}
	append_upper(data, child, rootfs->upper, rootfs->work);
	if (data->failed)
		return error_oom(err);
	if (data->len > OVERLAY_DATA_MAX)
		return error_set(err, E2BIG, "the image has too many layers (%zu) to mount",
			strv_length(rootfs->layers));
	if (chdir("/proc/self/fd") < 0)
		return error_errno(err, errno, "cannot enter /proc/self/fd");
	return 0;
}

/* 0 or -errno of the mount itself in *ret_mount_error, so that the caller may try another way. */
static int mount_overlay(
	struct child *child, const char *target, int *ret_mount_error, struct error *err)
{
	_cleanup_str_ struct str data = { 0 };
	int r;

	if (strv_length(child->config->rootfs.layers) > LAYERS_MAX)
		return error_set(err, E2BIG, "the image has more than %d layers", LAYERS_MAX);
	r = options_by_name(child, &data, err);
	if (r > 0) {
		str_reset(&data);
		r = options_by_descriptor(child, &data, err);
	}
	if (r < 0)
		return r;
	*ret_mount_error = mount("overlay", target, "overlay", 0, data.data) < 0 ? errno : 0;
	return 0;
}

/* The mark of a volatile mount refuses every later one: whoever mounts again wants what is there.
 */
static void forget_volatile_mark(const struct container_rootfs *rootfs)
{
	_cleanup_free_ char *mark = NULL;

	if (!rootfs->work)
		return;
	mark = strf("%s/work/incompat", rootfs->work);
	if (mark && access(mark, F_OK) == 0)
		io_remove_tree(AT_FDCWD, mark, NULL);
}

static int mount_layers(struct child *child, const char *target, struct error *err)
{
	const struct container_rootfs *rootfs = &child->config->rootfs;
	int cause = 0, r;

	/* One layer and nothing to write to is no overlay. */
	if (!rootfs->upper && !rootfs->layers[1])
		return mount(rootfs->layers[0], target, NULL, MS_BIND | MS_REC, NULL) < 0
			? error_errno(err, errno, "cannot bind %s on %s", rootfs->layers[0], target)
			: 0;
	forget_volatile_mark(rootfs);
	r = mount_overlay(child, target, &cause, err);
	if (r < 0 || cause == 0)
		return r;
	if (child->rootless)
		return rootfs_mount_without_overlay(child, target, cause, err);
	return error_errno(err, cause, "cannot mount the image's layers as overlay on %s", target);
}

/* Where the root is mounted: on the place the configuration names, else on what it is made of. */
static const char *mount_point(const struct container_rootfs *rootfs)
{
	if (rootfs->path)
		return rootfs->path;
	return rootfs->upper ? rootfs->upper : rootfs->layers[0];
}

int rootfs_open_place(struct child *child, struct error *err)
{
	const char *target = mount_point(&child->config->rootfs);

	child->place_fd = open(target, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return child->place_fd < 0 ? error_errno(err, errno, "cannot open %s", target) : 0;
}

/* pivot_root(2) wants a mount point: a clone of the directory on itself. */
static int use_directory(struct child *child, const char *path, struct error *err)
{
	_cleanup_close_ int tree = -1;
	int r = child->place_fd < 0 ? rootfs_open_place(child, err) : 0;

	if (r < 0)
		return r;
	tree = open_tree(child->place_fd, "",
		AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	if (tree < 0)
		return error_errno(err, errno, "cannot use %s as the root", path);
	r = mounts_attach(tree, child->place_fd, "", path, err);
	if (r == 0 && child->shares_mounts)
		r = mount_set_attributes(tree, 0, 0, MS_PRIVATE, true, path, err);
	/* Also after a failure: rootfs_unmount_shared(). */
	child->root_fd = steal_fd(&tree);
	return r;
}

int rootfs_mount(struct child *child, struct error *err)
{
	const struct container_rootfs *rootfs = &child->config->rootfs;
	const char *target = mount_point(rootfs);
	int r = 0;

	if (child->layer_root_fd >= 0) {
		r = child->place_fd < 0 ? rootfs_open_place(child, err) : 0;
		if (r == 0)
			r = mounts_attach(child->layer_root_fd, child->place_fd, "", target, err);
		if (r == 0)
			child->root_fd = steal_fd(&child->layer_root_fd);
		return r;
	}
	if (!rootfs->layers)
		return use_directory(child, target, err);
	r = mount_layers(child, target, err);
	if (r < 0)
		return r;
	child->root_fd = open(target, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (child->root_fd < 0)
		return error_errno(err, errno, "cannot open the root %s", target);
	if (child->shares_mounts && mount(NULL, target, NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return error_errno(err, errno, "cannot separate the mounts of %s", target);
	return 0;
}

/* --- the change of root --------------------------------------------------------------------- */

/*
 * pivot_root(2) of "." onto "." stacks the old root on the new one; it is then unmounted from
 * there, and no directory for it is needed. From here on the host's files cannot be named.
 */
static int pivot(struct error *err)
{
	if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0)
		return error_errno(err, errno, "pivot_root");
	return 0;
}

/*
 * One line of /proc/self/mountinfo (proc(5)): a procfs or sysfs outside the new root. As long as it
 * is there whole, the kernel lets the container mount one of its own without what we hide.
 */
static int hide_kernel_mount(char *line, const char *root, struct error *err)
{
	char *rest = strstr(line, " - "), *point = line, *end;
	const char *below;

	if (!rest || (!str_after_prefix(rest, " - proc ") && !str_after_prefix(rest, " - sysfs ")))
		return 0;
	for (int field = 0; field < 4 && point; field++)
		point = (point = strchr(point, ' ')) ? point + 1 : NULL;
	end = point ? strchr(point, ' ') : NULL;
	if (!end)
		return 0;
	*end = '\0';
	below = str_after_prefix(point, root);
	if (below && (*below == '/' || !*below))
		return 0;
	/* It is locked, or went together with the one it was on. */
	if (umount2(point, MNT_DETACH) < 0 &&
		mount("tmpfs", point, "tmpfs", MS_RDONLY, "size=4k") < 0 && errno != ENOENT)
		return error_errno(err, errno, "cannot hide %s of the host", point);
	return 0;
}

static int hide_kernel_mounts(struct child *child, struct error *err)
{
	_cleanup_free_ char *text = NULL;
	char link[40], root[PATH_MAX], *cursor, *line;
	ssize_t len;
	int r;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", child->root_fd);
	len = readlink(link, root, sizeof(root) - 1);
	if (len < 0)
		return error_errno(err, errno, "cannot find the path of the root");
	root[len] = '\0';
	r = io_read_file(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, &text, NULL, err);
	cursor = text;
	while (r == 0 && (line = strsep(&cursor, "\n")))
		r = hide_kernel_mount(line, root, err);
	return r;
}

/* Where the root is the kernel's first one, which cannot be pivoted away: cover it. It stays in the
 * namespace, for whoever may break out of a chroot(2). */
static int move_over_root(struct child *child, struct error *err)
{
	int r = hide_kernel_mounts(child, err);

	if (r < 0)
		return r;
	if (mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0)
		return error_errno(err, errno, "cannot move the root");
	return 0;
}

static int change_root(struct child *child, struct error *err)
{
	if (!child->shares_mounts)
		return child->options->no_pivot ? move_over_root(child, err) : pivot(err);
	return chroot(".") < 0 ? error_errno(err, errno, "chroot") : 0;
}

int rootfs_enter(struct child *child, struct error *err)
{
	const struct container_config *config = child->config;
	unsigned long propagation;
	int r;

	if (fchdir(child->root_fd) < 0)
		return error_errno(err, errno, "cannot enter the root");
	r = change_root(child, err);
	if (r < 0)
		return r;
	if (chdir("/") < 0)
		return error_errno(err, errno, "cannot enter the root");
	if (config->rootfs_propagation) {
		propagation = mount_propagation_from_name(config->rootfs_propagation);
		if (!propagation)
			return error_set(err, EINVAL, "there is no propagation \"%s\"",
				config->rootfs_propagation);
		if (mount(NULL, "/", NULL, propagation, NULL) < 0)
			return error_errno(err, errno, "propagation of the root");
	}
	return 0;
}

int rootfs_open_running(struct child *child, pid_t pid, struct error *err)
{
	char path[40];

	if (!child->shares_mounts)
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/root", (int)pid);
	child->root_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return child->root_fd < 0 ? error_errno(err, errno, "cannot open the container's root") : 0;
}

int rootfs_enter_running(struct child *child, struct error *err)
{
	if (child->shares_mounts &&
		(fchdir(child->root_fd) < 0 || chroot(".") < 0 || chdir("/") < 0))
		return error_errno(err, errno, "cannot enter the container's root");
	return 0;
}

void rootfs_unmount_shared(struct child *child)
{
	if (child->shares_mounts && child->is_first && child->root_fd >= 0 &&
		fchdir(child->root_fd) == 0)
		umount2(".", MNT_DETACH);
}

int rootfs_protect(struct child *child, struct error *err)
{
	struct mount_attr read_only = { .attr_set = MOUNT_ATTR_RDONLY };

	if (child->config->rootfs.read_only &&
		mount_setattr(AT_FDCWD, "/", 0, &read_only, sizeof(read_only)) < 0)
		return error_errno(err, errno, "cannot make the root read-only");
	return 0;
}
