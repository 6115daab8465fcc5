/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot.c - a machine that stands, in a folder: "state", and its memory.
 *
 *   state     a header; of each region of memory where it is; of each part (struct vm_saved) its
 *             name, number and size, and its bytes
 *   memory-N  region N from its first byte on; pages of zeros are holes
 *
 * A folder is whole or not there: it is made under another name. It is for the version of strata
 * that has written it, and for a machine with the same parts, in the same order. Whoever has
 * written it is trusted no more than the guest: each part checks what it is given.
 *
 * Memory is mapped from the file, privately, so a machine is there at once, and pages come as they
 * are touched; the file must stay while it runs, and is not written to. Where a second process
 * shares the memory, all of it is copied instead.
 */
#include "machine/snapshot.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/io.h"

#define MAGIC	   UINT64_C(0x32306e7361727473) /* "strasn02" */
#define PARTS_MAX  (2 * MACHINE_SLOTS_MAX + VM_VCPUS_MAX + 1)
#define NAME_BYTES 32
#define RUN_BYTES  (UINT64_C(1) << 20) /* that are looked at for zeros before they are written */

struct header {
	uint64_t magic;
	char version[32];
	char board[32];
	uint32_t nr_regions, nr_parts;
};

struct region_header {
	uint64_t start, size;
};

struct part_header {
	char name[NAME_BYTES];
	uint32_t instance, unused;
	uint64_t size;
};

struct parts {
	struct vm_saved *parts[PARTS_MAX];
	unsigned nr;
};

static void add(struct parts *parts, struct vm_saved *saved)
{
	if (saved && parts->nr < PARTS_MAX)
		parts->parts[parts->nr++] = saved;
}

/* Those that others depend on come first. */
static void collect(struct machine *m, struct parts *parts)
{
	struct vm_saved *saved;

	parts->nr = 0;
	for (unsigned i = 0; (saved = m->board->saved(m, i)); i++)
		add(parts, saved);
	for (unsigned i = 0; i < m->nr_devices; i++) {
		const struct machine_device *d = &m->devices[i];

		if (d->slot->saved)
			add(parts, d->slot->saved(d->device));
		if (d->slot->saved_too)
			add(parts, d->slot->saved_too(d->device));
	}
}

static void resume(const struct parts *parts)
{
	for (unsigned i = 0; i < parts->nr; i++)
		if (parts->parts[i]->resume)
			parts->parts[i]->resume(parts->parts[i]);
}

static struct header header_of(const struct machine *m, const struct parts *parts)
{
	struct header header = {
		.magic = MAGIC, .nr_regions = m->memory.nr_regions, .nr_parts = parts->nr
	};

	snprintf(header.version, sizeof(header.version), "%s", STRATA_VERSION);
	snprintf(header.board, sizeof(header.board), "%s", m->board->name);
	return header;
}

static struct part_header header_of_part(const struct vm_saved *saved)
{
	struct part_header header = { .instance = saved->instance, .size = saved->size };

	snprintf(header.name, sizeof(header.name), "%s", saved->name);
	return header;
}

/* --- saving ----------------------------------------------------------------------------------- */

static int write_state(struct machine *m, const struct parts *parts, int fd)
{
	struct header header = header_of(m, parts);
	int r = io_write_full(fd, &header, sizeof(header));

	for (unsigned i = 0; i < m->memory.nr_regions && r == 0; i++) {
		const struct region_header region = { m->memory.regions[i].start,
			m->memory.regions[i].size };

		r = io_write_full(fd, &region, sizeof(region));
	}
	for (unsigned i = 0; i < parts->nr && r == 0; i++) {
		const struct vm_saved *saved = parts->parts[i];
		const struct part_header part = header_of_part(saved);

		r = io_write_full(fd, &part, sizeof(part));
		if (r == 0)
			r = io_write_full(fd, saved->data, saved->size);
	}
	return r < 0 ? r : fsync(fd) < 0 ? -errno : 0;
}

static bool is_zero(const uint8_t *page)
{
	return page[0] == 0 && memcmp(page, page + 1, VM_PAGE_BYTES - 1) == 0;
}

static int write_at(int fd, const uint8_t *bytes, uint64_t size, uint64_t at)
{
	while (size > 0) {
		ssize_t n = pwrite(fd, bytes, size, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		bytes += n;
		at += (uint64_t)n;
		size -= (uint64_t)n;
	}
	return 0;
}

/* What is not zero of [from, end). */
static int write_extent(const struct vm_region *region, int fd, uint64_t from, uint64_t end)
{
	for (uint64_t at = from; at < end; at += VM_PAGE_BYTES) {
		uint64_t start = at;
		int r;

		while (at < end && at - start < RUN_BYTES && !is_zero(region->host + at))
			at += VM_PAGE_BYTES;
		if (at == start)
			continue;
		r = write_at(fd, region->host + start, at - start, start);
		if (r < 0)
			return r;
		at -= VM_PAGE_BYTES; /* the loop's step */
	}
	return 0;
}

/* Of a region that is a file of its own, only what was ever touched is looked at. */
static int write_memory(const struct vm_region *region, int fd)
{
	uint64_t end = 0;
	int r = ftruncate(fd, (off_t)region->size) < 0 ? -errno : 0;

	while (r == 0 && end < region->size) {
		off_t start = region->fd < 0 ? (off_t)end
					     : lseek(region->fd, (off_t)end, SEEK_DATA);

		if (start < 0)
			break; /* nothing but a hole */
		end = region->fd < 0 ? region->size : (uint64_t)lseek(region->fd, start, SEEK_HOLE);
		r = write_extent(region, fd, (uint64_t)start, end);
	}
	return r < 0 ? r : fsync(fd) < 0 ? -errno : 0;
}

static int make_file(int folder_fd, const char *name)
{
	int fd = openat(folder_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	return fd < 0 ? -errno : fd;
}

static void memory_name(char name[32], unsigned n)
{
	snprintf(name, 32, "memory-%u", n);
}

static int write_folder(struct machine *m, const struct parts *parts, int folder_fd)
{
	_cleanup_close_ int state_fd = make_file(folder_fd, "state");
	int r = state_fd < 0 ? state_fd : write_state(m, parts, state_fd);

	for (unsigned i = 0; i < m->memory.nr_regions && r == 0; i++) {
		_cleanup_close_ int fd = -1;
		char name[32];

		memory_name(name, i);
		fd = make_file(folder_fd, name);
		r = fd < 0 ? fd : write_memory(&m->memory.regions[i], fd);
	}
	return r < 0 ? r : fsync(folder_fd) < 0 ? -errno : 0;
}

static int save_to(struct machine *m, const struct parts *parts, const char *folder)
{
	_cleanup_close_ int fd = -1;
	char path[4096];
	int r;

	if ((size_t)snprintf(path, sizeof(path), "%s.new", folder) >= sizeof(path))
		return -ENAMETOOLONG;
	if (access(folder, F_OK) == 0)
		return -EEXIST;
	io_remove_tree(AT_FDCWD, path, NULL); /* of one who did not come to the end */
	if (mkdir(path, 0700) < 0)
		return -errno;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = fd < 0 ? -errno : write_folder(m, parts, fd);
	if (r == 0 && rename(path, folder) < 0)
		r = -errno;
	if (r < 0)
		io_remove_tree(AT_FDCWD, path, NULL);
	return r;
}

int machine_save(struct machine *m, const char *folder, struct error *err)
{
	struct parts parts;
	int r;

	collect(m, &parts);
	for (unsigned i = 0; i < parts.nr; i++)
		if (parts.parts[i]->save)
			parts.parts[i]->save(parts.parts[i]);
	r = save_to(m, &parts, folder);
	resume(&parts);
	return r < 0 ? error_errno(err, r, "cannot save the machine to %s", folder) : 0;
}

/* --- restoring -------------------------------------------------------------------------------- */

static int damaged(struct error *err, const char *folder)
{
	return error_set(err, EINVAL, "%s/state is cut short", folder);
}

static int read_header(const struct machine *m, const struct parts *parts, int fd,
	const char *folder, struct error *err)
{
	const struct header wanted = header_of(m, parts);
	struct header header;

	if (io_read_full(fd, &header, sizeof(header)) != 0)
		return damaged(err, folder);
	if (header.magic != wanted.magic)
		return error_set(err, EINVAL, "%s is no snapshot of a machine", folder);
	header.version[sizeof(header.version) - 1] = header.board[sizeof(header.board) - 1] = '\0';
	if (strcmp(header.version, wanted.version) != 0)
		return error_set(err, EINVAL, "%s was made by strata %s, and this is %s", folder,
			header.version, wanted.version);
	if (strcmp(header.board, wanted.board) != 0)
		return error_set(err, EINVAL, "%s is a machine \"%s\", and this one is \"%s\"",
			folder, header.board, wanted.board);
	if (header.nr_regions != wanted.nr_regions || header.nr_parts != wanted.nr_parts)
		return error_set(err, EINVAL,
			"%s is a machine of %u parts, and this one has %u: its options differ",
			folder, header.nr_parts, wanted.nr_parts);
	return 0;
}

static int restore_memory(
	struct machine *m, int folder_fd, int state_fd, const char *folder, struct error *err)
{
	for (unsigned i = 0; i < m->memory.nr_regions; i++) {
		const struct vm_region *region = &m->memory.regions[i];
		_cleanup_close_ int fd = -1;
		struct region_header header;
		char name[32];
		int r;

		if (io_read_full(state_fd, &header, sizeof(header)) != 0)
			return damaged(err, folder);
		if (header.start != region->start || header.size != region->size)
			return error_set(err, EINVAL,
				"%s has %llu MiB of memory where this machine has %llu", folder,
				(unsigned long long)(header.size >> 20),
				(unsigned long long)(region->size >> 20));
		memory_name(name, i);
		fd = openat(folder_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		/* The server of shares has mapped what is there. */
		r = fd < 0		      ? -errno
			: m->config.nr_shares ? vm_memory_load(&m->memory, i, fd)
					      : vm_memory_restore(&m->memory, i, fd);
		if (r < 0)
			return error_errno(err, r, "cannot map %s/%s", folder, name);
	}
	return 0;
}

static int read_parts(const struct parts *parts, int fd, const char *folder, struct error *err)
{
	for (unsigned i = 0; i < parts->nr; i++) {
		const struct vm_saved *saved = parts->parts[i];
		const struct part_header wanted = header_of_part(saved);
		struct part_header header;

		if (io_read_full(fd, &header, sizeof(header)) != 0)
			return damaged(err, folder);
		header.name[NAME_BYTES - 1] = '\0';
		if (memcmp(&header, &wanted, sizeof(header)) != 0)
			return error_set(err, EINVAL,
				"%s has a %s %u where this machine has a %s %u", folder,
				header.name, header.instance, wanted.name, wanted.instance);
		if (io_read_full(fd, saved->data, saved->size) != 0)
			return damaged(err, folder);
	}
	return 0;
}

int machine_restore(struct machine *m, const char *folder, struct error *err)
{
	_cleanup_close_ int folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int fd = -1;
	struct parts parts;
	int r;

	collect(m, &parts);
	if (folder_fd < 0)
		return error_errno(err, errno, "cannot open %s", folder);
	fd = openat(folder_fd, "state", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return error_errno(err, errno, "cannot open %s/state", folder);
	r = read_header(m, &parts, fd, folder, err);
	if (r == 0)
		r = restore_memory(m, folder_fd, fd, folder, err);
	if (r == 0)
		r = read_parts(&parts, fd, folder, err);
	for (unsigned i = 0; i < parts.nr && r == 0; i++)
		if (parts.parts[i]->restore)
			r = parts.parts[i]->restore(parts.parts[i], err);
	if (r < 0)
		return error_prefix(err, "cannot restore the machine");
	resume(&parts);
	return 0;
}
