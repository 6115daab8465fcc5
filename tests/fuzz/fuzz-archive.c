/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-archive.c - what a user may give to `import`: docker-archives, oci-archives, root
 * filesystems and what looks like them.
 *
 * What cannot be imported must leave no layer behind and say why.
 */
#include <dirent.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/io.h"
#include "fuzz/tar-checksums.h"
#include "image/archive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect_no_leftovers(int layers_fd)
{
	DIR *dir = fdopendir(io_open_dir(layers_fd, "."));
	struct dirent *entry;

	while ((entry = readdir(dir)))
		if (strncmp(entry->d_name, ".tmp", 4) == 0)
			abort();
	closedir(dir);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct image_import_options options = { .compression = IMAGE_COMPRESSION_NONE };
	char root[] = "/tmp/strata-fuzz-XXXXXX", path[64];
	struct image_store store;
	struct error err = { 0 };
	uint8_t *copy = malloc(size + 1);
	char **names = NULL;
	int fd = memfd_create("archive", MFD_CLOEXEC);

	memcpy(copy, data, size);
	tar_fix_checksums(copy, size);
	if (!mkdtemp(root) || io_write_full(fd, copy, size) < 0 ||
		image_store_open(root, &store, &err) < 0)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (image_import(&store, path, &options, &names, &err) < 0 && !err.message[0])
		abort();
	expect_no_leftovers(store.layers_fd);
	strv_free(names);
	image_store_close(&store);
	close(fd);
	if (io_remove_tree(AT_FDCWD, root, &err) < 0)
		abort();
	free(copy);
	return 0;
}
