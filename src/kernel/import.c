/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import.c - a kernel and its modules become an image in the store of kernels: their files are put
 * in a folder as the layer is to have them, which is packed, imported and removed.
 */
#include "kernel/internal.h"

#include <dirent.h>
#include <limits.h>
#include <sys/stat.h>
#include <time.h>

#include "base/io.h"
#include "image/archive.h"
#include "image/layer.h"

#define FOLDER_DEPTH_MAX 16
#define MODULES_TEXT_MAX (64u << 20) /* bytes of a file that is not a module */

/* --- what is given ------------------------------------------------------------------------------
 */

struct given {
	char *bytes; /* the kernel, not compressed */
	size_t len;
	struct kernel_facts facts;
	char release[KERNEL_RELEASE_MAX];
	char *modules, *modules_release;
};

static void given_free(struct given *given)
{
	free(given->bytes);
	free(given->modules);
	free(given->modules_release);
}

static int no_kernel(const char *file, struct error *err)
{
	return error_set(err, ENOEXEC,
		"%s is no kernel: neither an Image, an ELF file, an EFI zboot nor a bzImage for amd64, arm64 or riscv64",
		file);
}

/* An EFI program is taken apart: the machine has no EFI that could run it. */
static int open_zboot(const char *file, struct given *given, struct error *err)
{
	_cleanup_free_ char *whole = steal_ptr(&given->bytes);
	uint64_t offset = given->facts.payload_offset, size = given->facts.payload_size;
	int r;

	if (offset > given->len || size > given->len - offset)
		return error_set(
			err, EBADMSG, "%s is cut short: its kernel is not all there", file);
	r = kernel_unpack(whole + offset, size, KERNEL_FILE_MAX, &given->bytes, &given->len, err);
	if (r < 0)
		return error_prefix(err, "%s", file);
	if (kernel_probe(given->bytes, given->len, &given->facts) < 0 ||
		given->facts.format == KERNEL_FORMAT_ZBOOT)
		return no_kernel(file, err);
	return 0;
}

static int read_kernel(const char *file, struct given *given, struct error *err)
{
	int r = kernel_unpack_file(
		AT_FDCWD, file, KERNEL_FILE_MAX, &given->bytes, &given->len, err);

	if (r < 0)
		return r;
	if (kernel_probe(given->bytes, given->len, &given->facts) < 0)
		return no_kernel(file, err);
	if (given->facts.format == KERNEL_FORMAT_ZBOOT)
		r = open_zboot(file, given, err);
	if (r == 0 &&
		!kernel_find_release(given->facts.format, given->bytes, given->len, given->release))
		given->release[0] = '\0';
	return r;
}

static int read_given(
	const struct kernel_import_options *options, struct given *given, struct error *err)
{
	char init[PATH_MAX];
	int r = read_kernel(options->file, given, err);

	if (r < 0)
		return r;
	if (options->architecture && !streq(options->architecture, given->facts.architecture))
		return error_set(err, ENOEXEC, "%s is a kernel for %s, not for %s", options->file,
			given->facts.architecture, options->architecture);
	r = kernel_init_path(given->facts.architecture, init, sizeof(init), err);
	if (r < 0 || !options->modules)
		return r;
	r = kernel_find_modules(options->modules, &given->modules, &given->modules_release, err);
	if (r < 0)
		return r;
	if (!given->release[0])
		snprintf(given->release, sizeof(given->release), "%s", given->modules_release);
	if (!streq(given->release, given->modules_release))
		return error_set(err, EINVAL, "%s has the modules of %s, and %s is %s",
			options->modules, given->modules_release, options->file, given->release);
	return kernel_check_modules(given->modules, err);
}

/* --- the folder that is packed
 * -------------------------------------------------------------------- */

static int copy_file(int from_fd, int to_fd, const char *name, struct error *err)
{
	_cleanup_free_ char *bytes = NULL;
	size_t len;
	int r = io_read_file(from_fd, name, MODULES_TEXT_MAX, &bytes, &len, err);

	return r < 0 ? r : io_replace_file(to_fd, name, 0644, bytes, len, IO_VOLATILE, err);
}

/* Regular files and folders: a "build" or "source" that links to headers is left out. */
static int copy_tree(int from_fd, int to_fd, int depth, struct error *err)
{
	int fd = openat(from_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_closedir_ DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;
	int r = 0;

	if (!dir)
		return error_errno(err, errno, "cannot open a folder of modules");
	while (r == 0 && (entry = readdir(dir))) {
		_cleanup_close_ int from = -1, to = -1;

		if (streq(entry->d_name, ".") || streq(entry->d_name, ".."))
			continue;
		if (entry->d_type == DT_REG)
			r = copy_file(from_fd, to_fd, entry->d_name, err);
		if (entry->d_type != DT_DIR)
			continue;
		if (depth == FOLDER_DEPTH_MAX)
			return error_set(err, ELOOP, "%s is too deep", entry->d_name);
		if (mkdirat(to_fd, entry->d_name, 0755) < 0)
			return error_errno(err, errno, "cannot make %s", entry->d_name);
		from = openat(
			from_fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		to = openat(to_fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		r = from < 0 || to < 0 ? error_errno(err, errno, "cannot open %s", entry->d_name)
				       : copy_tree(from, to, depth + 1, err);
	}
	return r;
}

static int put_modules(const struct given *given, int tree_fd, struct error *err)
{
	_cleanup_free_ char *place = strf(KERNEL_MODULES "/%s", given->modules_release);
	_cleanup_close_ int from = io_open_dir(AT_FDCWD, given->modules), to = -1;
	int r;

	if (!place)
		return error_oom(err);
	if (from < 0)
		return error_errno(err, from, "cannot open %s", given->modules);
	r = io_make_dirs(tree_fd, place, 0755, err);
	if (r < 0)
		return r;
	to = io_open_dir(tree_fd, place);
	if (to < 0)
		return error_errno(err, to, "cannot open %s", place);
	r = copy_tree(from, to, 0, err);
	return r < 0 ? error_prefix(err, "%s", given->modules) : 0;
}

static int fill_tree(const struct given *given, int tree_fd, struct error *err)
{
	int r = io_make_dirs(tree_fd, "boot", 0755, err);

	if (r == 0)
		r = io_replace_file(
			tree_fd, KERNEL_FILE, 0644, given->bytes, given->len, IO_VOLATILE, err);
	if (r == 0 && given->modules)
		r = put_modules(given, tree_fd, err);
	return r;
}

static int pack(const struct image_store *store, const struct given *given, const char *folder,
	const char *archive, struct error *err)
{
	_cleanup_close_ int tree_fd = -1, out_fd = -1;
	int r = io_make_dirs(store->root_fd, folder, 0700, err);

	if (r < 0)
		return r;
	tree_fd = io_open_dir(store->root_fd, folder);
	out_fd = openat(store->root_fd, archive, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (tree_fd < 0 || out_fd < 0)
		return error_errno(err, errno, "cannot write to %s", store->root);
	fchmod(tree_fd, 0755);
	r = fill_tree(given, tree_fd, err);
	return r < 0 ? r : image_layer_pack(tree_fd, 0, out_fd, err);
}

/* --- the whole
 * ------------------------------------------------------------------------------------ */

static int import_archive(const struct image_store *store, const struct given *given,
	const char *archive, const char *name, struct error *err)
{
	_cleanup_free_ char *platform = strf("linux/%s", given->facts.architecture);
	_cleanup_free_ char *path = strf("%s/%s", store->root, archive);
	_cleanup_free_ char *release = strf(
		"LABEL " KERNEL_LABEL_RELEASE "=\"%s\"", given->release);
	_cleanup_free_ char *format = strf(
		"LABEL " KERNEL_LABEL_FORMAT "=\"%s\"", kernel_format_name(given->facts.format));
	char *changes[] = { release, format, NULL };
	_cleanup_strv_ char **names = NULL;
	struct image_import_options options = {
		.format = IMAGE_ARCHIVE_ROOTFS,
		.name = name,
		.platform = platform,
		.changes = changes,
		.message = "strata kernel",
	};

	if (!platform || !path || !release || !format)
		return error_oom(err);
	return image_import(store, path, &options, &names, err);
}

static int import_given(
	const char *root, const struct given *given, const char *name, struct error *err)
{
	_cleanup_free_ char *standard = kernel_default_name(given->facts.architecture);
	char folder[32], archive[40], random[17];
	struct image_store store;
	int r;

	if (!standard)
		return error_oom(err);
	r = kernel_store_open(root, &store, err);
	if (r < 0)
		return r;
	io_random_hex(random, 8);
	snprintf(folder, sizeof(folder), ".new-%s", random);
	snprintf(archive, sizeof(archive), ".new-%s.tar", random);
	r = pack(&store, given, folder, archive, err);
	if (r == 0)
		r = import_archive(&store, given, archive, name ? name : standard, err);
	if (r == 0 && name && !streq(name, standard))
		r = image_tag(&store, name, standard, err);
	io_remove_tree(store.root_fd, folder, NULL);
	unlinkat(store.root_fd, archive, 0);
	image_store_close(&store);
	return r;
}

int kernel_import(const char *root, const struct kernel_import_options *options, struct kernel *ret,
	struct error *err)
{
	_cleanup_(given_free) struct given given = { 0 };
	_cleanup_kernel_ struct kernel kernel = { 0 };
	int r = read_given(options, &given, err);

	if (r == 0)
		r = import_given(root, &given, options->name, err);
	if (r == 0)
		r = kernel_find(root, options->name, given.facts.architecture, &kernel, err);
	if (r == 0)
		r = kernel_make_initramfs(root, &kernel, err);
	if (r < 0)
		return r;
	*ret = kernel;
	kernel = (struct kernel){ 0 };
	return 0;
}
