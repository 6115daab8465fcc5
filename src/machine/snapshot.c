/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot.c - a machine that stands, in a folder: "state", and its memory.
 *
 *   state     a header; of each region of memory where it is; of each part (struct vm_saved) its
 *             name, number and size, and its bytes; of its file, if it has one, the size and the
 *             bytes
 *   base      of a difference: a symbolic link to the snapshot that it differs from
 *   memory-N, changes-N   snapshot-memory.c
 *
 * Whoever wants it brings the files, and sees to it that a folder is whole or not there
 * (snapshot-folder.h). It is for the version of strata that has written it, and for a machine with
 * the same parts, in the same order. Whoever has written it is trusted no more than the guest: each
 * part checks what it is given.
 *
 * Memory is mapped from the file, privately, so a machine is there at once, and pages come as they
 * are touched; the file must stay while it runs, and is not written to. Where a second process
 * shares the memory, all of it is copied instead.
 *
 * A difference has the whole state, and of memory what was written since the last snapshot that the
 * machine was saved to or restored from: its base, which may be a difference itself. Every snapshot
 * has a number of its own, at random, and a difference knows its base's: another snapshot by that
 * name is not taken for it. Only machines that note what is written (config.notes_writes) make any.
 */
#include "machine/debugger.h"
#include "machine/snapshot.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/log.h"
#include "base/str.h"
#include "machine/snapshot-memory.h"

#define MAGIC	      UINT64_C(0x33306e7361727473) /* "strasn03" */
#define PARTS_MAX     (2 * MACHINE_SLOTS_MAX + VM_VCPUS_MAX + 1)
#define NAME_BYTES    32
#define PART_FILE_MAX (UINT64_C(256) << 20)

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

static struct snapshot_header header_of(const struct machine *m, const struct parts *parts)
{
	struct snapshot_header header = {
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

/* What is written: a header that is filled in, and the parts. */
struct saving {
	struct snapshot_header header;
	struct parts parts;
	const int *fds; /* where it goes */
	bool is_difference;
};

/* From where `from` stands. */
static int copy_bytes(int from, int to, uint64_t size)
{
	uint8_t buffer[16384];
	int r = 0;

	while (size > 0 && r == 0) {
		size_t n = size < sizeof(buffer) ? (size_t)size : sizeof(buffer);

		r = io_read_full(from, buffer, n);
		if (r == 0)
			r = io_write_full(to, buffer, n);
		size -= n;
	}
	return r;
}

static int write_part_file(const struct vm_saved *saved, int fd)
{
	off_t end = lseek(*saved->file_fd, 0, SEEK_END);
	uint64_t size = (uint64_t)end;
	int r = end < 0 || lseek(*saved->file_fd, 0, SEEK_SET) < 0 ? -errno : 0;

	if (r == 0)
		r = io_write_full(fd, &size, sizeof(size));
	return r < 0 ? r : copy_bytes(*saved->file_fd, fd, size);
}

static int write_state(struct machine *m, const struct saving *saving)
{
	const struct parts *parts = &saving->parts;
	const int fd = saving->fds[0];
	int r = io_write_full(fd, &saving->header, sizeof(saving->header));

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
		if (r == 0 && saved->file_fd)
			r = write_part_file(saved, fd);
	}
	return r < 0 ? r : fsync(fd) < 0 ? -errno : 0;
}

static int write_files(struct machine *m, const struct saving *saving)
{
	const int *memory = saving->fds + 1, *changes = memory + SNAPSHOT_MEMORIES_MAX;
	int r = m->memory.nr_regions > SNAPSHOT_MEMORIES_MAX ? -E2BIG : write_state(m, saving);

	for (unsigned i = 0; i < m->memory.nr_regions && r == 0; i++) {
		const struct vm_region *region = &m->memory.regions[i];

		r = saving->is_difference ? snapshot_write_changes(region, memory[i], changes[i])
					  : snapshot_write_memory(region, memory[i]);
	}
	return r;
}

void machine_forget_base(struct machine *m)
{
	free(m->base.folder);
	m->base.folder = NULL;
}

/* From here on, pages are written that the snapshot at `folder`, its real path, does not have. A
 * failure costs the differences. */
static void begin_difference(struct machine *m, const char *folder, const char id[], unsigned depth)
{
	struct error err = { 0 };

	if (!m->config.notes_writes)
		return;
	machine_forget_base(m);
	m->base.folder = folder ? strf("%s", folder) : NULL;
	snprintf(m->base.id, sizeof(m->base.id), "%s", id);
	m->base.depth = depth;
	if (m->board->note_writes(m, &err) == 0)
		return;
	log_warning("%s", err.message);
	machine_forget_base(m);
}

int machine_check_base(const struct machine *m, struct error *err)
{
	if (!m->config.notes_writes)
		return error_set(err, EINVAL,
			"the machine does not note which pages are written: it needs --track-dirty-pages");
	if (!m->base.folder)
		return error_set(err, ENOENT,
			"the machine has no snapshot yet that another could be a difference to");
	if (m->base.depth >= SNAPSHOT_CHAIN_MAX)
		return error_set(err, ELOOP,
			"%s is the last of %d differences: the next snapshot has to be a whole one",
			m->base.folder, SNAPSHOT_CHAIN_MAX);
	return 0;
}

int machine_save(struct machine *m, const int fds[SNAPSHOT_FILES_MAX], const char *folder,
	bool is_difference, struct error *err)
{
	struct saving saving = { .fds = fds, .is_difference = is_difference };
	const struct parts *parts = &saving.parts;
	int r = is_difference ? machine_check_base(m, err) : 0;

	if (r == 0 && is_difference && m->board->collect_writes)
		r = m->board->collect_writes(m, err);
	if (r < 0)
		return r;
	collect(m, &saving.parts);
	for (unsigned i = 0; i < parts->nr; i++)
		if (parts->parts[i]->save)
			parts->parts[i]->save(parts->parts[i]);
	saving.header = header_of(m, parts);
	io_random_hex(saving.header.id, (SNAPSHOT_ID_SIZE - 1) / 2);
	if (is_difference) {
		memcpy(saving.header.base, m->base.id, sizeof(m->base.id));
		saving.header.depth = m->base.depth + 1;
	}
	machine_debugger_hide(m);
	r = write_files(m, &saving);
	machine_debugger_put(m);
	if (r == 0)
		begin_difference(m, folder, saving.header.id, saving.header.depth);
	if (r == 0 && m->board->forget_code)
		m->board->forget_code(m);
	resume(parts);
	return r < 0 ? error_errno(err, r, "cannot save the machine to %s", folder) : 0;
}

/* --- restoring -------------------------------------------------------------------------------- */

static int damaged(struct error *err, const char *folder)
{
	return error_set(err, EINVAL, "%s/state is cut short", folder);
}

/* Of any machine. */
static int read_header(int fd, const char *folder, struct snapshot_header *ret, struct error *err)
{
	if (io_read_full(fd, ret, sizeof(*ret)) != 0)
		return damaged(err, folder);
	if (ret->magic != MAGIC)
		return error_set(err, EINVAL, "%s is no snapshot of a machine", folder);
	ret->version[sizeof(ret->version) - 1] = ret->board[sizeof(ret->board) - 1] = '\0';
	ret->id[sizeof(ret->id) - 1] = ret->base[sizeof(ret->base) - 1] = '\0';
	if (strcmp(ret->version, STRATA_VERSION) != 0)
		return error_set(err, EINVAL, "%s was made by strata %s, and this is %s", folder,
			ret->version, STRATA_VERSION);
	return 0;
}

static int read_own_header(const struct machine *m, const struct parts *parts, int fd,
	const char *folder, struct snapshot_header *ret, struct error *err)
{
	const struct snapshot_header wanted = header_of(m, parts);
	int r = read_header(fd, folder, ret, err);

	if (r < 0)
		return r;
	if (strcmp(ret->board, wanted.board) != 0)
		return error_set(err, EINVAL, "%s is a machine \"%s\", and this one is \"%s\"",
			folder, ret->board, wanted.board);
	if (ret->nr_regions != wanted.nr_regions || ret->nr_parts != wanted.nr_parts)
		return error_set(err, EINVAL,
			"%s is a machine of %u parts, and this one has %u: its options differ",
			folder, ret->nr_parts, wanted.nr_parts);
	if (ret->depth > SNAPSHOT_CHAIN_MAX || !*ret->base != !ret->depth)
		return error_set(err, EINVAL, "%s is a difference to nothing", folder);
	return 0;
}

/* A snapshot that is being read, and those that it differs from: the whole one comes last. */
struct chain {
	struct {
		int folder_fd, state_fd;
		struct snapshot_header header;
	} links[SNAPSHOT_CHAIN_MAX + 1];
	unsigned nr;
};

static void close_chain(struct chain *chain)
{
	while (chain->nr > 0) {
		chain->nr--;
		cleanup_close(&chain->links[chain->nr].folder_fd);
		cleanup_close(&chain->links[chain->nr].state_fd);
	}
}

static int open_state(int folder_fd, const char *folder, struct error *err)
{
	int fd = openat(folder_fd, "state", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? error_errno(err, errno, "cannot open %s/state", folder) : fd;
}

int machine_peek_snapshot(const char *folder, char ret[SNAPSHOT_BOARD_SIZE], struct error *err)
{
	_cleanup_close_ int folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int fd = -1;
	struct snapshot_header header;
	int r;

	if (folder_fd < 0)
		return error_errno(err, errno, "cannot open %s", folder);
	fd = open_state(folder_fd, folder, err);
	if (fd < 0)
		return fd;
	r = read_header(fd, folder, &header, err);
	if (r == 0)
		memcpy(ret, header.board, sizeof(header.board));
	return r;
}

/* The next link, `path` from the one before it. */
static int open_link(const struct machine *m, const struct parts *parts, struct chain *chain,
	int dir_fd, const char *path, const char *folder, struct error *err)
{
	unsigned i = chain->nr++;

	chain->links[i].state_fd = -1;
	chain->links[i].folder_fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (chain->links[i].folder_fd < 0)
		return error_errno(
			err, errno, i ? "cannot open the base of %s" : "cannot open %s", folder);
	chain->links[i].state_fd = open_state(chain->links[i].folder_fd, folder, err);
	if (chain->links[i].state_fd < 0)
		return chain->links[i].state_fd;
	return read_own_header(
		m, parts, chain->links[i].state_fd, folder, &chain->links[i].header, err);
}

static int open_chain(const struct machine *m, const struct parts *parts, const char *folder,
	struct chain *chain, struct error *err)
{
	_cleanup_str_ struct str path = { 0 };
	int r = open_link(m, parts, chain, AT_FDCWD, folder, folder, err);

	str_append(&path, folder);
	while (r == 0 && chain->links[chain->nr - 1].header.depth > 0) {
		const struct snapshot_header *above = &chain->links[chain->nr - 1].header, *below;

		str_append(&path, "/base");
		if (path.failed)
			return error_oom(err);
		r = open_link(m, parts, chain, chain->links[chain->nr - 1].folder_fd, "base",
			path.data, err);
		below = &chain->links[chain->nr - 1].header;
		/* Each is less deep than the one above it, so there is an end. */
		if (r == 0 &&
			(strcmp(below->id, above->base) != 0 || below->depth + 1 != above->depth))
			r = error_set(err, ESTALE,
				"%s is another snapshot than the one that was differed from",
				path.data);
	}
	return r;
}

/* The regions that a state tells of are ours. */
static int read_regions(const struct machine *m, int fd, const char *folder, struct error *err)
{
	for (unsigned i = 0; i < m->memory.nr_regions; i++) {
		const struct vm_region *region = &m->memory.regions[i];
		struct region_header header;

		if (io_read_full(fd, &header, sizeof(header)) != 0)
			return damaged(err, folder);
		if (header.start != region->start || header.size != region->size)
			return error_set(err, EINVAL,
				"%s has %llu MiB of memory where this machine has %llu", folder,
				(unsigned long long)(header.size >> 20),
				(unsigned long long)(region->size >> 20));
	}
	return 0;
}

/* From the whole one at the end of the chain up. */
static int restore_memory(
	struct machine *m, const struct chain *chain, const char *folder, struct error *err)
{
	/* The server of shares has mapped what is there. */
	bool is_shared = m->config.nr_shares > 0;
	int r = 0;

	for (unsigned i = 0; i < chain->nr && r == 0; i++)
		r = read_regions(m, chain->links[i].state_fd, folder, err);
	if (r < 0)
		return r;
	for (unsigned i = chain->nr; i-- > 0;)
		for (unsigned k = 0; k < m->memory.nr_regions; k++) {
			int fd = chain->links[i].folder_fd;

			r = i + 1 == chain->nr
				? snapshot_restore_memory(&m->memory, k, fd, is_shared)
				: snapshot_restore_changes(&m->memory, k, fd);
			if (r < 0)
				return error_errno(err, r, "cannot map memory-%u of %s%s", k,
					folder, i ? " or what is below it" : "");
		}
	return 0;
}

static int read_part_file(const struct vm_saved *saved, int fd)
{
	uint64_t size;
	int r = io_read_full(fd, &size, sizeof(size));

	if (r < 0 || size > PART_FILE_MAX)
		return r < 0 ? r : -EFBIG;
	if (ftruncate(*saved->file_fd, 0) < 0 || lseek(*saved->file_fd, 0, SEEK_SET) < 0)
		return -errno;
	return copy_bytes(fd, *saved->file_fd, size);
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
		if (io_read_full(fd, saved->data, saved->size) != 0 ||
			(saved->file_fd && read_part_file(saved, fd) < 0))
			return damaged(err, folder);
	}
	return 0;
}

/* What was kept is of a whole snapshot. */
static void restore_code(struct machine *m, const struct chain *chain)
{
	int r = m->config.code && m->board->restore_code && chain->nr == 1
		? m->board->restore_code(m, m->config.code, chain->links[0].folder_fd)
		: 0;

	if (r == 0 || r == -ENOENT)
		return;
	log_debug("%s is not used: %s", m->config.code, strerror(-r));
	if (r == -ESTALE || r == -EBADMSG)
		unlink(m->config.code);
}

int machine_restore(struct machine *m, const char *folder, struct error *err)
{
	_cleanup_(close_chain) struct chain chain = { 0 };
	_cleanup_free_ char *real = realpath(folder, NULL);
	struct parts parts;
	int r;

	collect(m, &parts);
	r = open_chain(m, &parts, folder, &chain, err);
	if (r == 0)
		r = restore_memory(m, &chain, folder, err);
	/* Here, because parts write to memory when they are restored. */
	if (r == 0)
		begin_difference(m, real, chain.links[0].header.id, chain.links[0].header.depth);
	if (r == 0)
		restore_code(m, &chain);
	if (r == 0)
		r = read_parts(&parts, chain.links[0].state_fd, folder, err);
	for (unsigned i = 0; i < parts.nr && r == 0; i++)
		if (parts.parts[i]->restore)
			r = parts.parts[i]->restore(parts.parts[i], err);
	if (r < 0)
		return error_prefix(err, "cannot restore the machine");
	resume(&parts);
	return 0;
}
