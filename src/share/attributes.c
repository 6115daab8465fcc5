/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attributes.c - what there is to know and to change of a file without opening it.
 */
#include "share/internal.h"

#include <string.h>
#include <sys/statfs.h>
#include <sys/xattr.h>

#include "base/cleanup.h"

static int answer_attr(struct request *r, int fd)
{
	struct fuse_attr_out answer = { .attr_valid = SESSION_VALID_S };
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	names_fill_attr(&answer.attr, &st);
	return request_answer(r, &answer, sizeof(answer));
}

int op_getattr(struct request *r)
{
	const struct fuse_getattr_in *in = request_take(r, sizeof(*in));

	return in ? answer_attr(r, r->node->fd) : -EINVAL;
}

static int set_mode(struct request *r, const struct fuse_setattr_in *in)
{
	char path[NODE_PATH_MAX];

	if (r->node->type == S_IFLNK)
		return -EOPNOTSUPP;
	node_path(r->node, path);
	return fchmodat(r->session->proc_fd, path, in->mode & 07777, 0) < 0 ? -errno : 0;
}

static int set_owner(struct request *r, const struct fuse_setattr_in *in)
{
	uid_t uid = in->valid & FATTR_UID ? in->uid : (uid_t)-1;
	gid_t gid = in->valid & FATTR_GID ? in->gid : (gid_t)-1;

	if (fchownat(r->node->fd, "", uid, gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0)
		/* An id that we have no right to. */
		return errno == EINVAL ? -EPERM : -errno;
	return 0;
}

static int set_size(struct request *r, const struct fuse_setattr_in *in)
{
	struct handle *handle = in->valid & FATTR_FH ? request_handle(r, in->fh, false) : NULL;
	_cleanup_close_ int fd = -1;

	if (in->size > INT64_MAX)
		return -EFBIG;
	/* One that was opened to read cannot be used for it. */
	if (handle && ftruncate(handle->fd, (off_t)in->size) == 0)
		return 0;
	fd = node_open(r->session, r->node, O_WRONLY);
	if (fd < 0)
		return fd;
	return ftruncate(fd, (off_t)in->size) < 0 ? -errno : 0;
}

static struct timespec time_of(uint32_t valid, uint32_t set, uint32_t now, uint64_t s, uint32_t ns)
{
	if (valid & now)
		return (struct timespec){ .tv_nsec = UTIME_NOW };
	if (valid & set)
		return (struct timespec){ .tv_sec = (time_t)s, .tv_nsec = ns };
	return (struct timespec){ .tv_nsec = UTIME_OMIT };
}

static int set_times(struct request *r, const struct fuse_setattr_in *in)
{
	const struct timespec times[] = {
		time_of(in->valid, FATTR_ATIME, FATTR_ATIME_NOW, in->atime, in->atimensec),
		time_of(in->valid, FATTR_MTIME, FATTR_MTIME_NOW, in->mtime, in->mtimensec),
	};

	return utimensat(r->node->fd, "", times, AT_EMPTY_PATH) < 0 ? -errno : 0;
}

/* In this order: an owner's change takes set-id bits away, a size's changes the time. */
static const struct {
	uint32_t valid;
	int (*set)(struct request *r, const struct fuse_setattr_in *in);
} setters[] = {
	{ FATTR_UID | FATTR_GID, set_owner },
	{ FATTR_MODE, set_mode },
	{ FATTR_SIZE, set_size },
	{ FATTR_ATIME | FATTR_MTIME | FATTR_ATIME_NOW | FATTR_MTIME_NOW, set_times },
};

int op_setattr(struct request *r)
{
	const struct fuse_setattr_in *in = request_take(r, sizeof(*in));

	if (!in)
		return -EINVAL;
	for (size_t i = 0; i < ARRAY_SIZE(setters); i++) {
		int e = in->valid & setters[i].valid ? setters[i].set(r, in) : 0;

		if (e < 0)
			return e;
	}
	return answer_attr(r, r->node->fd);
}

int op_statfs(struct request *r)
{
	struct fuse_statfs_out answer = { 0 };
	struct statfs st;

	if (fstatfs(r->node->fd, &st) < 0)
		return -errno;
	answer.st = (struct fuse_kstatfs){
		.blocks = st.f_blocks,
		.bfree = st.f_bfree,
		.bavail = st.f_bavail,
		.files = st.f_files,
		.ffree = st.f_ffree,
		.bsize = (uint32_t)st.f_bsize,
		.namelen = (uint32_t)st.f_namelen,
		.frsize = (uint32_t)st.f_frsize,
	};
	return request_answer(r, &answer, sizeof(answer));
}

/* --- extended attributes ----------------------------------------------------------------------
 *
 * By path, because an O_PATH descriptor has no other way; the working folder is /proc/self/fd.
 */

/* -EOPNOTSUPP: links have none that others could set, and would be followed here. */
static int path_of(const struct request *r, char path[NODE_PATH_MAX])
{
	if (r->node->type != S_IFREG && r->node->type != S_IFDIR)
		return -EOPNOTSUPP;
	node_path(r->node, path);
	return 0;
}

int op_setxattr(struct request *r)
{
	/* The longer form was not agreed on (FUSE_SETXATTR_EXT). */
	const struct fuse_setxattr_in *in = request_take(r, FUSE_COMPAT_SETXATTR_IN_SIZE);
	const char *name = in ? request_take_string(r) : NULL;
	const void *value = name ? request_take(r, in->size) : NULL;
	char path[NODE_PATH_MAX];
	int e = path_of(r, path);

	if (!value)
		return -EINVAL;
	if (e < 0)
		return e;
	return setxattr(path, name, value, in->size, (int)in->flags) < 0 ? -errno : 0;
}

/* The answer is the value, or with a size of 0 how large it is. */
static int answer_size(struct request *r, uint32_t wanted, ssize_t n)
{
	struct fuse_getxattr_out size = { .size = (uint32_t)n };

	if (n < 0)
		return -errno;
	return wanted ? request_answer(r, r->buffers->answer, (size_t)n)
		      : request_answer(r, &size, sizeof(size));
}

static uint32_t answer_room(uint32_t wanted)
{
	return wanted < SESSION_ANSWER_MAX ? wanted : SESSION_ANSWER_MAX;
}

int op_getxattr(struct request *r)
{
	const struct fuse_getxattr_in *in = request_take(r, sizeof(*in));
	const char *name = in ? request_take_string(r) : NULL;
	char path[NODE_PATH_MAX];
	int e = path_of(r, path);

	if (!name)
		return -EINVAL;
	if (e < 0)
		return e;
	return answer_size(
		r, in->size, getxattr(path, name, r->buffers->answer, answer_room(in->size)));
}

int op_listxattr(struct request *r)
{
	const struct fuse_getxattr_in *in = request_take(r, sizeof(*in));
	char path[NODE_PATH_MAX];
	int e = path_of(r, path);

	if (!in)
		return -EINVAL;
	if (e < 0)
		return e;
	return answer_size(
		r, in->size, listxattr(path, (char *)r->buffers->answer, answer_room(in->size)));
}

int op_removexattr(struct request *r)
{
	const char *name = request_take_string(r);
	char path[NODE_PATH_MAX];
	int e = path_of(r, path);

	if (!name)
		return -EINVAL;
	if (e < 0)
		return e;
	return removexattr(path, name) < 0 ? -errno : 0;
}
