/* SPDX-License-Identifier: Apache-2.0 */
/*
 * find.c - kernels that are stored: opening their store, and which one a machine runs.
 */
#include "kernel/internal.h"

#include <dirent.h>
#include <limits.h>
#include <sys/stat.h>

#include "base/process.h"
#include "base/str.h"

void kernel_free(struct kernel *kernel)
{
	free(kernel->name);
	free(kernel->digest);
	free(kernel->release);
	free(kernel->format);
	free(kernel->layer);
	free(kernel->vmlinux);
	free(kernel->initramfs);
	*kernel = (struct kernel){ 0 };
}

int kernel_store_open(const char *root, struct image_store *ret, struct error *err)
{
	_cleanup_free_ char *path = strf("%s/" KERNEL_FOLDER, root);

	return path ? image_store_open(path, ret, err) : error_oom(err);
}

char *kernel_default_name(const char *architecture)
{
	return strf(KERNEL_DEFAULT ":%s", architecture);
}

int kernel_init_path(const char *architecture, char *buf, size_t size, struct error *err)
{
	char program[64];

	snprintf(program, sizeof(program), "strata-init-%s", architecture);
	if (process_helper_path(program, buf, size, NULL) < 0)
		return error_set(err, ENOENT,
			"this strata has no machines for %s: it was built without %s (see meson's option guest_riscv64)",
			architecture, program);
	return 0;
}

static const char *label(const struct image *image, const char *key)
{
	size_t len = strlen(key);

	strv_for_each (entry, image->config.labels)
		if (strncmp(*entry, key, len) == 0 && (*entry)[len] == '=')
			return *entry + len + 1;
	return "";
}

/* A path that changes whenever what is in the file would. */
static int initramfs_path(
	const char *root, const char *hex, const char *architecture, char **ret, struct error *err)
{
	char init[PATH_MAX];
	struct stat st;
	int r = kernel_init_path(architecture, init, sizeof(init), err);

	if (r < 0)
		return r;
	if (stat(init, &st) < 0)
		return error_errno(err, errno, "cannot look at %s", init);
	*ret = strf("%s/" KERNEL_FOLDER "/boot/%s-%llx-%llx%08lx.cpio", root, hex,
		(unsigned long long)st.st_size, (unsigned long long)st.st_mtim.tv_sec,
		(unsigned long)st.st_mtim.tv_nsec);
	return *ret ? 0 : error_oom(err);
}

static int fill(
	const char *root, const struct image *image, struct kernel *kernel, struct error *err)
{
	const char *hex;

	if (strv_length(image->config.diff_ids) != 1)
		return error_set(err, EINVAL,
			"%s is no kernel that strata has made: it has %zu layers in place of one",
			image->name ? image->name : image->manifest_digest,
			strv_length(image->config.diff_ids));
	hex = image_digest_hex(image->config.diff_ids[0]);
	kernel->name = image->name ? strdup(image->name) : NULL;
	kernel->digest = strdup(image->manifest_digest);
	kernel->release = strdup(label(image, KERNEL_LABEL_RELEASE));
	kernel->format = strdup(label(image, KERNEL_LABEL_FORMAT));
	kernel->layer = strf("%s/" KERNEL_FOLDER "/layers/%s", root, hex);
	kernel->vmlinux = strf("%s/" KERNEL_FOLDER "/layers/%s/" KERNEL_FILE, root, hex);
	kernel->platform = image->config.platform;
	if (!kernel->digest || !kernel->release || !kernel->format || !kernel->layer ||
		!kernel->vmlinux || (image->name && !kernel->name))
		return error_oom(err);
	return initramfs_path(
		root, hex, image->config.platform.architecture, &kernel->initramfs, err);
}

static int explain_missing(int r, const char *name, const char *architecture, struct error *err)
{
	if (r != -ENOENT && r != -ENOEXEC)
		return r;
	if (name)
		return error_set(err, ENOENT,
			"there is no kernel \"%s\" for linux/%s: `strata kernel ls` lists those there are",
			name, architecture);
	return error_set(err, ENOENT,
		"there is no kernel for machines of linux/%s: get one with `strata kernel fetch debian --platform linux/%s`, `strata kernel import FILE --modules DIR` or `strata kernel pull REF`",
		architecture, architecture);
}

int kernel_find(const char *root, const char *name, const char *architecture, struct kernel *ret,
	struct error *err)
{
	_cleanup_free_ char *standard = kernel_default_name(architecture);
	_cleanup_free_ char *folder = strf("%s/" KERNEL_FOLDER, root);
	_cleanup_image_ struct image image = { 0 };
	_cleanup_kernel_ struct kernel kernel = { 0 };
	struct image_platform platform = { .os = "linux" };
	struct image_store store;
	struct error why = { 0 };
	int r;

	if (!standard || !folder)
		return error_oom(err);
	/* Looking makes nothing. */
	if (access(folder, F_OK) < 0 && errno == ENOENT)
		return explain_missing(-ENOENT, name, architecture, err);
	snprintf(platform.architecture, sizeof(platform.architecture), "%s", architecture);
	r = kernel_store_open(root, &store, err);
	if (r < 0)
		return r;
	r = image_resolve(&store, name ? name : standard, &platform, &image, &why);
	if (r < 0) {
		image_store_close(&store);
		r = explain_missing(r, name, architecture, err);
		return r == -ENOENT ? r : error_set(err, r, "%s", why.message);
	}
	r = fill(root, &image, &kernel, err);
	if (r == 0 && image_is_unpacked(&store, &image) != 1)
		r = error_set(err, ESTALE, "the kernel %s is not unpacked", name ? name : standard);
	image_store_close(&store);
	if (r < 0)
		return r;
	*ret = kernel;
	kernel = (struct kernel){ 0 };
	return 0;
}

/* --- modules --- */

bool kernel_holds_modules(const char *folder)
{
	_cleanup_free_ char *path = strf("%s/kernel", folder);

	return path && access(path, F_OK) == 0;
}

/* The one folder below `folder` that holds modules: 1, 0 when there is none. */
static int only_release(const char *folder, char **ret, struct error *err)
{
	_cleanup_closedir_ DIR *dir = opendir(folder);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		_cleanup_free_ char *path = strf("%s/%s", folder, entry->d_name);

		if (!path)
			return error_oom(err);
		if (entry->d_name[0] == '.' || !kernel_holds_modules(path))
			continue;
		if (*ret)
			return error_set(err, EINVAL,
				"%s has the modules of several kernels: name the folder of one",
				folder);
		*ret = steal_ptr(&path);
	}
	return *ret != NULL;
}

int kernel_find_modules(const char *folder, char **ret_path, char **ret_release, struct error *err)
{
	static const char *const below[] = { "/lib/modules", "/usr/lib/modules", "" };
	_cleanup_free_ char *path = NULL;
	int r = 0;

	if (kernel_holds_modules(folder)) {
		path = realpath(folder, NULL);
		r = 1;
	}
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(below); i++) {
		_cleanup_free_ char *place = strf("%s%s", folder, below[i]);

		r = place ? only_release(place, &path, err) : error_oom(err);
	}
	if (r < 0)
		return r;
	if (r == 0)
		return error_set(err, ENOENT,
			"%s has no modules in it: neither a folder kernel, nor one in lib/modules/RELEASE",
			folder);
	if (!path)
		return error_oom(err);
	*ret_release = strdup(strrchr(path, '/') + 1);
	if (!*ret_release)
		return error_oom(err);
	*ret_path = steal_ptr(&path);
	return 0;
}
