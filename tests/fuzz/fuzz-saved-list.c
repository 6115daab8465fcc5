/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-saved-list.c - any bytes as the list of places that a process of a guest leaves.
 *
 * Whatever it says, what comes of it is files in the folder, whose names are those of files that
 * are there; the memory where they are translated is free again; and a second reading of the same
 * list finds nothing to do. Where a path of the list is empty, it gets that of a file of ours, with
 * the name that belongs to it: what is behind that check is to be reached, too.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/io.h"
#include "translate/saved-code-internal.h"
#include "translate/saved-code.h"

#define PLACE ((void *)UINT64_C(0x200000000000)) /* where saved-code-make.c maps */
#define PAGES 3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(int condition)
{
	if (!condition)
		abort();
}

/* Instructions of all kinds, some of them none: a counter multiplied. */
static void make_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	uint32_t words[1024];

	for (uint32_t n = 0; n < PAGES; n++) {
		for (uint32_t i = 0; i < 1024; i++)
			words[i] = i % 3 ? (n * 1024 + i) * 2654435761u | 3 : 0x00150513;
		expect(write(fd, words, sizeof(words)) == (ssize_t)sizeof(words));
	}
	close(fd);
}

static void write_list(int list, uint8_t *data, size_t size, const char *file)
{
	struct saved_module m;
	struct stat st;

	expect(stat(file, &st) == 0);
	st.st_dev = SAVED_CODE_ANY_DEVICE;
	for (size_t at = 0; size - at >= sizeof(m);) {
		memcpy(&m, data + at, sizeof(m));
		if (!m.path[0]) {
			saved_code_name(m.name, &st, m.offset, m.size);
			strcpy(m.path, "/code");
		}
		memcpy(data + at, &m, sizeof(m));
		at += sizeof(m);
		if (m.nr_places > (size - at) / sizeof(struct saved_place))
			break;
		at += m.nr_places * sizeof(struct saved_place);
	}
	expect(write(list, data, size) == (ssize_t)size);
}

/* All that is there are files that are whole. */
static int check_folder(const char *path)
{
	DIR *dir = opendir(path);
	int count = 0;

	expect(dir != NULL);
	for (struct dirent *entry; (entry = readdir(dir));) {
		if (entry->d_name[0] == '.')
			continue;
		expect(strncmp(entry->d_name, "0-", 2) == 0);
		count++;
	}
	closedir(dir);
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char root[] = "/tmp/strata-fuzz-XXXXXX", layer[64], file[80], folder[64];
	char *layers[] = { layer, NULL };
	uint8_t *copy = malloc(size + 1);
	int list = memfd_create("list", MFD_CLOEXEC), count;
	void *page;

	expect(copy && list >= 0 && mkdtemp(root));
	snprintf(layer, sizeof(layer), "%s/layer", root);
	snprintf(folder, sizeof(folder), "%s/folder", root);
	snprintf(file, sizeof(file), "%s/code", layer);
	expect(mkdir(layer, 0700) == 0 && mkdir(folder, 0700) == 0);
	make_file(file);
	memcpy(copy, data, size);
	write_list(list, copy, size, file);
	saved_code_make(folder, layers, list, NULL);
	count = check_folder(folder);
	saved_code_make(folder, layers, list, NULL);
	expect(check_folder(folder) == count);
	page = mmap(
		PLACE, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	expect(page == PLACE);
	munmap(page, 4096);
	io_remove_tree(AT_FDCWD, root, NULL);
	close(list);
	free(copy);
	return 0;
}
