/* SPDX-License-Identifier: Apache-2.0 */
/*
 * files.c - operations on open files. Data go between the file and the guest's memory directly.
 */
#include "share/internal.h"

#include <string.h>
#include <sys/uio.h>

#include "base/cleanup.h"

/* What of the guest's flags means something here; its kernel does the rest. O_APPEND is a matter of
 * each write, because pages that were mapped are written through the same handle. */
#define OPEN_FLAGS     (O_ACCMODE | O_TRUNC | O_SYNC | O_DSYNC)
#define COPY_MAX_BYTES (16u << 20) /* of one request, so that others get their turn */

/* The parts of [skip, skip + size). */
static unsigned slice(
	const struct iovec *from, unsigned nr, size_t skip, size_t size, struct iovec *to)
{
	unsigned count = 0;

	for (unsigned i = 0; i < nr && size; i++) {
		size_t n = from[i].iov_len;

		if (skip >= n) {
			skip -= n;
			continue;
		}
		n = n - skip < size ? n - skip : size;
		to[count++] = (struct iovec){ (uint8_t *)from[i].iov_base + skip, n };
		size -= n;
		skip = 0;
	}
	return count;
}

/* --- opening ---------------------------------------------------------------------------------- */

static int fill_open(
	struct request *r, uint64_t node, int fd, uint32_t flags, struct fuse_open_out *ret)
{
	uint64_t number;
	int e = handle_add(r->session, node, fd, false, flags & O_APPEND, &number);

	if (e < 0)
		return e;
	/* The guest looks at size and time before it believes its pages (FUSE_AUTO_INVAL_DATA). */
	*ret = (struct fuse_open_out){ .fh = number, .open_flags = FOPEN_KEEP_CACHE };
	/* Who has written nothing need not hear at the end how that went. */
	if ((flags & O_ACCMODE) == O_RDONLY)
		ret->open_flags |= FOPEN_NOFLUSH;
	return 0;
}

int op_open(struct request *r)
{
	const struct fuse_open_in *in = request_take(r, sizeof(*in));
	struct fuse_open_out answer;
	int fd, e;

	if (!in || (in->flags & O_ACCMODE) == O_ACCMODE)
		return -EINVAL;
	if (r->node->type == S_IFDIR)
		return -EISDIR;
	fd = node_open(r->session, r->node, (int)(in->flags & OPEN_FLAGS));
	if (fd < 0)
		return fd;
	e = fill_open(r, r->header.nodeid, fd, in->flags, &answer);
	return e < 0 ? e : request_answer(r, &answer, sizeof(answer));
}

/* A file that was made (or was there): its entry and its handle. */
static int answer_created(struct request *r, int fd, const char *name, uint32_t flags)
{
	struct {
		struct fuse_entry_out entry;
		struct fuse_open_out open;
	} answer;
	char path[NODE_PATH_MAX];
	struct node as_node = { .fd = fd };
	int path_fd, e;

	/* The same file, whatever the name means by now. */
	node_path(&as_node, path);
	path_fd = openat(r->session->proc_fd, path, O_PATH | O_CLOEXEC);
	e = path_fd < 0 ? -errno : names_enter(r, path_fd, name, &answer.entry);
	if (e < 0) {
		close(fd);
		return e;
	}
	e = fill_open(r, answer.entry.nodeid, fd, flags, &answer.open);
	if (e < 0) {
		node_forget(r->session, answer.entry.nodeid, 1);
		return e;
	}
	return request_answer(r, &answer, sizeof(answer));
}

/* A new file for the caller: a descriptor. */
static int make_file(
	struct request *r, const char *name, const struct fuse_create_in *in, int flags)
{
	mode_t mode = in->mode & 07777;
	int fd = openat(r->node->fd, name,
		(int)(in->flags & OPEN_FLAGS) | flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, mode);
	int e;

	if (fd < 0)
		return -errno;
	e = names_give_to_caller(r, fd, mode);
	if (e == 0 && mode & (S_ISUID | S_ISGID) && fchmod(fd, mode) < 0)
		e = -errno;
	if (e == 0)
		return fd;
	close(fd);
	if (flags & O_EXCL)
		unlinkat(r->node->fd, name, 0);
	return e;
}

/* One that the guest did not know to be there. */
static int open_existing(struct request *r, const char *name, const struct fuse_create_in *in)
{
	_cleanup_close_ int path_fd = openat(r->node->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct node node = { .fd = path_fd };
	struct stat st;

	if (path_fd < 0 || fstat(path_fd, &st) < 0)
		return -errno;
	node.type = st.st_mode & S_IFMT;
	return node_open(r->session, &node, (int)(in->flags & OPEN_FLAGS));
}

int op_create(struct request *r)
{
	const struct fuse_create_in *in = request_take(r, sizeof(*in));
	const char *name;
	int fd;

	if (!in || request_take_name(r, &name) < 0 || (in->flags & O_ACCMODE) == O_ACCMODE)
		return -EINVAL;
	fd = make_file(r, name, in, O_CREAT | O_EXCL);
	if (fd == -EEXIST && !(in->flags & O_EXCL))
		fd = open_existing(r, name, in);
	return fd < 0 ? fd : answer_created(r, fd, name, in->flags);
}

int op_tmpfile(struct request *r)
{
	const struct fuse_create_in *in = request_take(r, sizeof(*in));
	int fd;

	if (!in || (in->flags & O_ACCMODE) == O_ACCMODE || (in->flags & O_ACCMODE) == O_RDONLY)
		return -EINVAL;
	fd = make_file(r, ".", in, O_TMPFILE);
	return fd < 0 ? fd : answer_created(r, fd, NULL, in->flags);
}

int op_release(struct request *r)
{
	const struct fuse_release_in *in = request_take(r, sizeof(*in));

	if (in)
		handle_remove(r->session, in->fh, false);
	return in ? 0 : -EINVAL;
}

/* --- reading and writing ---------------------------------------------------------------------- */

/* As preadv(2), but where it must not wait, only what is in the page cache: all that was asked for,
 * or up to the file's end. */
static ssize_t read_parts(
	struct request *r, int fd, const struct iovec *parts, unsigned nr, size_t size, off_t at)
{
	uint8_t byte;
	const struct iovec next = { &byte, 1 };
	ssize_t n;

	if (r->may_wait)
		return preadv(fd, parts, (int)nr, at);
	n = preadv2(fd, parts, (int)nr, at, RWF_NOWAIT);
	if (n < 0 && errno == EOPNOTSUPP) /* of a file system that has no disk, mostly */
		return preadv(fd, parts, (int)nr, at);
	r->would_wait = n < 0 ? errno == EAGAIN
			      : (size_t)n < size && preadv2(fd, &next, 1, at + n, RWF_NOWAIT) != 0;
	return r->would_wait ? 0 : n;
}

int op_read(struct request *r)
{
	const struct fuse_read_in *in = request_take(r, sizeof(*in));
	struct handle *handle = in ? request_handle(r, in->fh, false) : NULL;
	size_t room = r->in_bytes - sizeof(struct fuse_out_header);
	struct iovec parts[SHARE_PARTS_MAX];
	unsigned nr;
	ssize_t n;

	if (!in || in->offset > INT64_MAX)
		return -EINVAL;
	if (!handle)
		return -EBADF;
	if (room > in->size)
		room = in->size;
	nr = slice(r->in, r->nr_in, sizeof(struct fuse_out_header), room, parts);
	n = read_parts(r, handle->fd, parts, nr, room, (off_t)in->offset);
	return n < 0 ? -errno : (int)n;
}

int op_write(struct request *r)
{
	const struct fuse_write_in *in = request_take(r, sizeof(*in));
	struct handle *handle = in ? request_handle(r, in->fh, false) : NULL;
	size_t head = sizeof(struct fuse_in_header) + sizeof(*in);
	struct fuse_write_out answer = { 0 };
	struct iovec parts[SHARE_PARTS_MAX];
	unsigned nr;
	ssize_t n;

	if (!in || in->offset > INT64_MAX || in->size > r->out_bytes - head)
		return -EINVAL;
	if (!handle)
		return -EBADF;
	nr = slice(r->out, r->nr_out, head, in->size, parts);
	n = pwritev2(handle->fd, parts, (int)nr, (off_t)in->offset,
		handle->appends && !(in->write_flags & FUSE_WRITE_CACHE) ? RWF_APPEND : 0);
	if (n < 0)
		return -errno;
	answer.size = (uint32_t)n;
	return request_answer(r, &answer, sizeof(answer));
}

int op_copy_file_range(struct request *r)
{
	const struct fuse_copy_file_range_in *in = request_take(r, sizeof(*in));
	struct handle *from = in ? request_handle(r, in->fh_in, false) : NULL;
	struct handle *to = in ? request_handle(r, in->fh_out, false) : NULL;
	struct fuse_write_out answer = { 0 };
	off_t from_at, to_at;
	ssize_t n;

	if (!in || in->flags || in->off_in > INT64_MAX || in->off_out > INT64_MAX)
		return -EINVAL;
	if (!from || !to)
		return -EBADF;
	from_at = (off_t)in->off_in;
	to_at = (off_t)in->off_out;
	n = copy_file_range(from->fd, &from_at, to->fd, &to_at,
		in->len < COPY_MAX_BYTES ? in->len : COPY_MAX_BYTES, 0);
	if (n < 0)
		return -errno;
	answer.size = (uint32_t)n;
	return request_answer(r, &answer, sizeof(answer));
}

int op_lseek(struct request *r)
{
	const struct fuse_lseek_in *in = request_take(r, sizeof(*in));
	struct handle *handle = in ? request_handle(r, in->fh, false) : NULL;
	struct fuse_lseek_out answer;
	off_t at;

	/* The guest's kernel knows the others itself. */
	if (!in || in->offset > INT64_MAX || (in->whence != SEEK_DATA && in->whence != SEEK_HOLE))
		return -EINVAL;
	if (!handle)
		return -EBADF;
	at = lseek(handle->fd, (off_t)in->offset, (int)in->whence);
	if (at < 0)
		return -errno;
	answer.offset = (uint64_t)at;
	return request_answer(r, &answer, sizeof(answer));
}

int op_fallocate(struct request *r)
{
	const struct fuse_fallocate_in *in = request_take(r, sizeof(*in));
	struct handle *handle = in ? request_handle(r, in->fh, false) : NULL;

	if (!in || in->offset > INT64_MAX || in->length > INT64_MAX)
		return -EINVAL;
	if (!handle)
		return -EBADF;
	if (fallocate(handle->fd, (int)in->mode, (off_t)in->offset, (off_t)in->length) < 0)
		return -errno;
	return 0;
}

/* --- to the disk ------------------------------------------------------------------------------ */

/* A close(2) in the guest: what the host's file system says at one of its own (a quota, say). */
int op_flush(struct request *r)
{
	const struct fuse_flush_in *in = request_take(r, sizeof(*in));
	struct handle *handle = in ? request_handle(r, in->fh, false) : NULL;
	int fd;

	if (!handle)
		return in ? -EBADF : -EINVAL;
	fd = fcntl(handle->fd, F_DUPFD_CLOEXEC, 0);
	return fd < 0 || close(fd) < 0 ? -errno : 0;
}

int op_fsync(struct request *r)
{
	const struct fuse_fsync_in *in = request_take(r, sizeof(*in));
	struct handle *handle = in ? request_handle(r, in->fh, false) : NULL;
	int e;

	if (!handle)
		return in ? -EBADF : -EINVAL;
	e = in->fsync_flags & FUSE_FSYNC_FDATASYNC ? fdatasync(handle->fd) : fsync(handle->fd);
	return e < 0 ? -errno : 0;
}

int op_syncfs(struct request *r)
{
	_cleanup_close_ int fd = node_open(r->session, r->node, O_RDONLY);

	if (fd < 0)
		return fd;
	return syncfs(fd) < 0 ? -errno : 0;
}
