/* SPDX-License-Identifier: Apache-2.0 */
/*
 * folders.c - reading folders. A place in one is what getdents64(2) calls d_off, which stays right
 * while names come and go; an answer is cut off where its room ends, and the next one begins there.
 */
#include "share/internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/cleanup.h"

/* As the kernel writes it (getdents64(2)). */
struct dirent_in {
	uint64_t ino;
	int64_t off;
	uint16_t length;
	uint8_t type;
	char name[];
};

int op_opendir(struct request *r)
{
	const struct fuse_open_in *in = request_take(r, sizeof(*in));
	struct fuse_open_out answer = { 0 };
	int fd, e;

	if (!in)
		return -EINVAL;
	if (r->node->type != S_IFDIR)
		return -ENOTDIR;
	fd = node_open(r->session, r->node, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return fd;
	e = handle_add(r->session, r->header.nodeid, fd, true, false, &answer.fh);
	return e < 0 ? e : request_answer(r, &answer, sizeof(answer));
}

int op_releasedir(struct request *r)
{
	const struct fuse_release_in *in = request_take(r, sizeof(*in));

	if (in)
		handle_remove(r->session, in->fh, true);
	return in ? 0 : -EINVAL;
}

int op_fsyncdir(struct request *r)
{
	const struct fuse_fsync_in *in = request_take(r, sizeof(*in));
	struct handle *handle = in ? request_handle(r, in->fh, true) : NULL;

	if (!handle)
		return in ? -EBADF : -EINVAL;
	return fsync(handle->fd) < 0 ? -errno : 0;
}

/* What a READDIRPLUS says of a name besides: as a lookup, but for "." and "..". */
static void fill_entry(
	struct request *r, const struct dirent_in *from, struct fuse_entry_out *entry)
{
	memset(entry, 0, sizeof(*entry));
	if (strcmp(from->name, ".") && strcmp(from->name, "..") &&
		names_look_up(r, from->name, entry) == 0)
		return;
	/* Its node is 0: the guest looks it up if it wants it. */
	entry->attr.ino = from->ino;
	entry->attr.mode = (uint32_t)from->type << 12;
}

/* Add one name to the answer, of which `used` bytes are there. Its size; 0: it does not fit. */
static size_t add_name(
	struct request *r, const struct dirent_in *from, bool is_plus, size_t used, size_t room)
{
	size_t length = strlen(from->name);
	size_t head = is_plus ? sizeof(struct fuse_entry_out) : 0;
	size_t size = FUSE_DIRENT_ALIGN(head + FUSE_NAME_OFFSET + length);
	uint8_t *at = r->buffers->answer + used;
	struct fuse_dirent dirent = { .ino = from->ino,
		.off = (uint64_t)from->off,
		.namelen = (uint32_t)length,
		.type = from->type };

	if (size > room - used)
		return 0;
	memset(at, 0, size);
	if (is_plus) {
		struct fuse_entry_out entry;

		fill_entry(r, from, &entry);
		memcpy(at, &entry, sizeof(entry));
	}
	memcpy(at + head, &dirent, FUSE_NAME_OFFSET);
	memcpy(at + head + FUSE_NAME_OFFSET, from->name, length);
	return size;
}

/* As many names as there is room for, from those that were just read. */
static size_t add_names(
	struct request *r, struct handle *handle, size_t nr_bytes, bool is_plus, size_t room)
{
	size_t used = 0;

	for (size_t at = 0; at < nr_bytes;) {
		const struct dirent_in *from = (const void *)(r->buffers->folder + at);
		size_t size = add_name(r, from, is_plus, used, room);

		if (!size) {
			/* The kernel is further than the guest. */
			handle->position = -1;
			break;
		}
		used += size;
		at += from->length;
		handle->position = from->off;
	}
	return used;
}

static int read_folder(struct request *r, bool is_plus)
{
	const struct fuse_read_in *in = request_take(r, sizeof(*in));
	struct handle *handle = in ? request_handle(r, in->fh, true) : NULL;
	size_t room = r->in_bytes - sizeof(struct fuse_out_header);
	size_t used;
	long n;

	if (!in || in->offset > INT64_MAX)
		return -EINVAL;
	if (!handle)
		return -EBADF;
	if (room > in->size)
		room = in->size;
	if (room > SESSION_ANSWER_MAX)
		room = SESSION_ANSWER_MAX;
	/* From the front it is read anew. */
	if (!in->offset || handle->position != (off_t)in->offset) {
		if (lseek(handle->fd, (off_t)in->offset, SEEK_SET) < 0)
			return -errno;
		handle->position = (off_t)in->offset;
	}
	n = syscall(SYS_getdents64, handle->fd, r->buffers->folder, sizeof(r->buffers->folder));
	if (n < 0)
		return -errno;
	used = add_names(r, handle, (size_t)n, is_plus, room);
	if (n && !used)
		return -EINVAL;
	return request_answer(r, r->buffers->answer, used);
}

int op_readdir(struct request *r)
{
	return read_folder(r, false);
}

int op_readdirplus(struct request *r)
{
	return read_folder(r, true);
}
