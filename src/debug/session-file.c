/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session-file.c - files of the target's, for a debugger that has none of them: vFile (GDB manual
 * E.7, "Host I/O Packets", and E.13, "File-I/O", for its numbers and structures). They are read
 * only.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "debug/internal.h"

#define OPEN_READ_ONLY 0 /* FILEIO_O_RDONLY: the only flag there is */
#define UNKNOWN_ERROR  9999
#define STAT_BYTES     64

/* Ours to gdb's, where they differ or gdb has no name for it. */
static unsigned error_to_gdb(int r)
{
	switch (-r) {
	case EPERM:
	case ENOENT:
	case EINTR:
	case EBADF:
	case EACCES:
	case EFAULT:
	case EBUSY:
	case EEXIST:
	case ENODEV:
	case ENOTDIR:
	case EISDIR:
	case EINVAL:
	case ENFILE:
	case EMFILE:
	case EFBIG:
	case ENOSPC:
	case ESPIPE:
	case EROFS:
		return (unsigned)-r;
	case ENAMETOOLONG:
		return 91;
	default:
		return UNKNOWN_ERROR;
	}
}

/* "FRESULT" or "F-1,ERROR" */
static void reply_file(struct debug_session *s, int64_t r)
{
	if (r < 0)
		reply_printf(&s->reply, "F-1,%x", error_to_gdb((int)r));
	else
		reply_printf(&s->reply, "F%llx", (unsigned long long)r);
}

static void reply_attachment(struct debug_session *s, const uint8_t *bytes, size_t size)
{
	reply_printf(&s->reply, "F%zx;", size);
	for (size_t i = 0; i < size; i++)
		reply_binary(&s->reply, bytes[i]);
}

/* A path in pairs of digits, up to a comma or the end. */
static int read_path(struct cursor *c, char path[PATH_MAX])
{
	const uint8_t *comma = memchr(c->at, ',', (size_t)(c->end - c->at));
	size_t digits = (size_t)((comma ? comma : c->end) - c->at);

	if (digits % 2 || !digits)
		return -EINVAL;
	if (digits / 2 >= PATH_MAX)
		return -ENAMETOOLONG;
	if (!cursor_bytes(c, (uint8_t *)path, digits / 2))
		return -EINVAL;
	path[digits / 2] = '\0';
	return strlen(path) == digits / 2 ? 0 : -EINVAL;
}

static bool read_descriptor(struct cursor *c, int *ret)
{
	uint64_t number;

	if (!cursor_number(c, &number) || number > INT_MAX)
		return false;
	*ret = (int)number;
	return true;
}

/* "PATH,FLAGS,MODE" */
void file_open(struct debug_session *s, struct cursor *c)
{
	char path[PATH_MAX];
	uint64_t flags, mode;
	int r;

	if (!s->ops->open_file)
		return;
	r = read_path(c, path);
	if (r == 0 &&
		(!cursor_skip(c, ',') || !cursor_number(c, &flags) || !cursor_skip(c, ',') ||
			!cursor_number(c, &mode) || !cursor_is_at_end(c)))
		r = -EINVAL;
	if (r == 0 && flags != OPEN_READ_ONLY)
		r = -EROFS;
	reply_file(s, r < 0 ? r : s->ops->open_file(s->target, path));
}

void file_close(struct debug_session *s, struct cursor *c)
{
	int fd;

	if (!s->ops->close_file)
		return;
	reply_file(s,
		read_descriptor(c, &fd) && cursor_is_at_end(c) ? s->ops->close_file(s->target, fd)
							       : -EINVAL);
}

/* "DESCRIPTOR,SIZE,OFFSET" */
void file_read(struct debug_session *s, struct cursor *c)
{
	uint8_t bytes[PACKET_MAX / 2 - 32]; /* all of them may have to be escaped */
	uint64_t size, offset;
	int64_t r = -EINVAL;
	int fd;

	if (!s->ops->read_file)
		return;
	if (read_descriptor(c, &fd) && cursor_skip(c, ',') && cursor_number(c, &size) &&
		cursor_skip(c, ',') && cursor_number(c, &offset) && cursor_is_at_end(c) &&
		offset <= INT64_MAX)
		r = s->ops->read_file(
			s->target, fd, offset, bytes, size < sizeof(bytes) ? size : sizeof(bytes));
	if (r < 0)
		reply_file(s, r);
	else
		reply_attachment(s, bytes, (size_t)r);
}

/* Big-endian. */
static void put(uint8_t **at, uint64_t value, size_t size)
{
	for (size_t i = 0; i < size; i++)
		*(*at)++ = (uint8_t)(value >> 8 * (size - 1 - i));
}

/* struct fst_stat: st_dev, st_ino, st_mode, st_nlink, st_uid, st_gid, st_rdev (32 bits each),
 * st_size, st_blksize, st_blocks (64), st_atime, st_mtime, st_ctime (32). */
void file_stat(struct debug_session *s, struct cursor *c)
{
	struct debug_file_status status;
	uint8_t bytes[STAT_BYTES] = { 0 }, *at = bytes;
	int fd, r = -EINVAL;

	if (!s->ops->stat_file)
		return;
	if (read_descriptor(c, &fd) && cursor_is_at_end(c))
		r = s->ops->stat_file(s->target, fd, &status);
	if (r < 0) {
		reply_file(s, r);
		return;
	}
	put(&at, 0, 4);
	put(&at, status.inode, 4);
	put(&at, status.mode, 4);
	put(&at, 1, 4);
	put(&at, 0, 4);
	put(&at, 0, 4);
	put(&at, 0, 4);
	put(&at, status.size, 8);
	put(&at, 4096, 8);
	put(&at, (status.size + 511) / 512, 8);
	put(&at, 0, 4);
	put(&at, status.changed, 4);
	put(&at, status.changed, 4);
	reply_attachment(s, bytes, sizeof(bytes));
}

void file_read_link(struct debug_session *s, struct cursor *c)
{
	char path[PATH_MAX], link[PATH_MAX];
	int64_t r;

	if (!s->ops->read_link)
		return;
	r = read_path(c, path);
	if (r == 0 && !cursor_is_at_end(c))
		r = -EINVAL;
	if (r == 0)
		r = s->ops->read_link(s->target, path, link, sizeof(link));
	if (r < 0)
		reply_file(s, r);
	else
		reply_attachment(s, (const uint8_t *)link, (size_t)r);
}
