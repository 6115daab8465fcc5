/* SPDX-License-Identifier: Apache-2.0 */
/*
 * initramfs.c - the kernel's first filesystem: guest/init, and the modules without which it finds
 * no disk, no filesystem and no host. Uncompressed, the modules too: unpacking is dear in a machine
 * that is emulated, and the file is read through the host's page cache.
 *
 *   /init                what the kernel starts
 *   /dev/console         before there is a /dev
 *   /modules/NAME.ko     in the order of /modules/list, one name a line, with the number of the
 *                        kind of virtio device that it is for
 */
#include "kernel/internal.h"

#include <limits.h>
#include <sys/stat.h>

#include "base/io.h"

#define INIT_MAX (4u << 20)

/* In the order in which they are loaded; what is for a virtio device (virtio 1.2 §5) only if there
 * is one. */
static const struct {
	const char *name;
	unsigned device;
	const char *without; /* what cannot be then; NULL: something that one can do without */
} wanted[] = {
	{ "virtio_mmio", 0, "no device of a machine would be found" },
	{ "virtio_blk", 0, "there would be no disk" },
	{ "squashfs", 0, "no layer of an image could be mounted" },
	{ "crc32c_generic", 0, NULL },
	{ "ext4", 0, "the disk of an instance could not be mounted" },
	{ "overlay", 0, "layers could not be put on each other" },
	{ "vmw_vsock_virtio_transport", 0, "the host could not be reached" },
	{ "virtio_net", 1, NULL },
	{ "virtio_rng", 4, NULL },
	{ "virtio_balloon", 5, NULL },
	{ "virtiofs", 26, NULL },
	{ "af_packet", 1, NULL },
};

struct making {
	struct str archive, list;
	unsigned device; /* of the module that is wanted now */
};

static int add_module(void *context, const struct module *module, const char *bytes, size_t len,
	struct error *err)
{
	struct making *making = context;
	char name[NAME_MAX + 16];

	if ((size_t)snprintf(name, sizeof(name), "modules/%s.ko", module->name) >= sizeof(name))
		return error_set(err, ENAMETOOLONG, "%s", module->path);
	cpio_add(&making->archive, name, S_IFREG | 0644, bytes, len);
	if (making->device)
		str_appendf(&making->list, "%s.ko %u\n", module->name, making->device);
	else
		str_appendf(&making->list, "%s.ko\n", module->name);
	return 0;
}

static int add_modules(struct making *making, struct modules *modules, struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(wanted) && r == 0; i++) {
		making->device = wanted[i].device;
		r = modules_need(modules, wanted[i].name, add_module, making, err);
	}
	return r;
}

static int open_modules(const char *path, struct modules *ret, int *ret_fd, struct error *err)
{
	*ret_fd = io_open_dir(AT_FDCWD, path);
	if (*ret_fd < 0)
		return error_errno(err, *ret_fd, "cannot open %s", path);
	return modules_open(*ret_fd, ret, err);
}

int kernel_check_modules(const char *path, struct error *err)
{
	_cleanup_modules_ struct modules modules = { .dir_fd = -1 };
	_cleanup_close_ int fd = -1;
	int r = open_modules(path, &modules, &fd, err);

	for (size_t i = 0; i < ARRAY_SIZE(wanted) && r == 0; i++)
		if (wanted[i].without && !modules_have(&modules, wanted[i].name))
			r = error_set(err, ENOENT,
				"%s has no %s, neither as a module nor in modules.builtin: %s",
				path, wanted[i].name, wanted[i].without);
	return r;
}

/* A kernel without modules has all of it built in, or its machine will say what it lacks. */
static int add_modules_of(struct making *making, const struct kernel *kernel, struct error *err)
{
	_cleanup_free_ char *top = strf("%s/" KERNEL_MODULES, kernel->layer), *path = NULL;
	_cleanup_free_ char *release = NULL;
	_cleanup_modules_ struct modules modules = { .dir_fd = -1 };
	_cleanup_close_ int fd = -1;
	int r;

	if (!top)
		return error_oom(err);
	if (access(top, F_OK) < 0 && errno == ENOENT)
		return 0;
	r = kernel_find_modules(top, &path, &release, err);
	if (r < 0)
		return r;
	r = open_modules(path, &modules, &fd, err);
	return r < 0 ? r : add_modules(making, &modules, err);
}

static int add_init(struct making *making, const char *architecture, struct error *err)
{
	_cleanup_free_ char *bytes = NULL;
	char path[PATH_MAX];
	size_t len;
	int r = kernel_init_path(architecture, path, sizeof(path), err);

	if (r == 0)
		r = io_read_file(AT_FDCWD, path, INIT_MAX, &bytes, &len, err);
	if (r < 0)
		return r;
	cpio_add(&making->archive, "init", S_IFREG | 0755, bytes, len);
	cpio_add(&making->archive, "dev", S_IFDIR | 0755, NULL, 0);
	cpio_add_device(&making->archive, "dev/console", S_IFCHR | 0600, 5, 1);
	return 0;
}

static int make(struct making *making, const struct kernel *kernel, struct error *err)
{
	int r = add_init(making, kernel->platform.architecture, err);

	if (r < 0)
		return r;
	cpio_add(&making->archive, "modules", S_IFDIR | 0755, NULL, 0);
	r = add_modules_of(making, kernel, err);
	if (r < 0)
		return r;
	cpio_add(&making->archive, "modules/list", S_IFREG | 0644,
		making->list.data ? making->list.data : "", making->list.len);
	cpio_end(&making->archive);
	return making->archive.failed || making->list.failed ? error_oom(err) : 0;
}

int kernel_make_initramfs(const char *root, const struct kernel *kernel, struct error *err)
{
	_cleanup_free_ char *folder = strf("%s/" KERNEL_FOLDER "/boot", root);
	struct making making = { 0 };
	int r;

	if (!folder)
		return error_oom(err);
	if (access(kernel->initramfs, F_OK) == 0)
		return 0;
	r = make(&making, kernel, err);
	if (r == 0)
		r = io_make_dirs(AT_FDCWD, folder, 0755, err);
	if (r == 0)
		r = io_replace_file(AT_FDCWD, kernel->initramfs, 0644, making.archive.data,
			making.archive.len, IO_VOLATILE, err);
	str_free(&making.archive);
	str_free(&making.list);
	return r < 0 ? error_prefix(err, "cannot make the first filesystem of kernel %s",
			       kernel->release)
		     : 0;
}
