/* SPDX-License-Identifier: Apache-2.0 */
/*
 * names.c - operations on names in folders. Every name is one part of a path, and is looked at from
 * the folder's descriptor without following links, so nothing leads out of the tree.
 */
#include "share/internal.h"

#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"

#define MODE_MASK 07777

void names_fill_attr(struct fuse_attr *attr, const struct stat *st)
{
	*attr = (struct fuse_attr){
		.ino = st->st_ino,
		.size = (uint64_t)st->st_size,
		.blocks = (uint64_t)st->st_blocks,
		.atime = (uint64_t)st->st_atim.tv_sec,
		.mtime = (uint64_t)st->st_mtim.tv_sec,
		.ctime = (uint64_t)st->st_ctim.tv_sec,
		.atimensec = (uint32_t)st->st_atim.tv_nsec,
		.mtimensec = (uint32_t)st->st_mtim.tv_nsec,
		.ctimensec = (uint32_t)st->st_ctim.tv_nsec,
		.mode = st->st_mode,
		.nlink = (uint32_t)st->st_nlink,
		.uid = st->st_uid,
		.gid = st->st_gid,
		/* As the kernel's new_encode_dev(). */
		.rdev = (minor(st->st_rdev) & 0xff) | major(st->st_rdev) << 8 |
			(minor(st->st_rdev) & ~0xffu) << 12,
		.blksize = (uint32_t)st->st_blksize,
	};
}

int names_enter(struct request *r, int path_fd, const char *name, struct fuse_entry_out *ret)
{
	uint32_t generation;
	struct stat st;
	uint64_t id;
	int e;

	if (fstat(path_fd, &st) < 0) {
		e = -errno;
		close(path_fd);
		return e;
	}
	e = node_enter(r->session, path_fd, &st, r->node, name, &id, &generation);
	if (e < 0)
		return e;
	*ret = (struct fuse_entry_out){
		.nodeid = id,
		.generation = generation,
		.entry_valid = SESSION_VALID_S,
		.attr_valid = SESSION_VALID_S,
	};
	names_fill_attr(&ret->attr, &st);
	if (r->session->has_submounts && S_ISDIR(st.st_mode) && st.st_dev != r->node->dev)
		ret->attr.flags = FUSE_ATTR_SUBMOUNT;
	return 0;
}

int names_look_up(struct request *r, const char *name, struct fuse_entry_out *ret)
{
	int fd = openat(r->node->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : names_enter(r, fd, name, ret);
}

static int answer_entry(struct request *r, const char *name)
{
	struct fuse_entry_out entry;
	int e = names_look_up(r, name, &entry);

	return e < 0 ? e : request_answer(r, &entry, sizeof(entry));
}

int op_lookup(struct request *r)
{
	const char *name;
	int e = request_take_name(r, &name);

	return e < 0 ? e : answer_entry(r, name);
}

int op_forget(struct request *r)
{
	const struct fuse_forget_in *in = request_take(r, sizeof(*in));

	if (in)
		node_forget(r->session, r->header.nodeid, in->nlookup);
	return 0;
}

int op_batch_forget(struct request *r)
{
	const struct fuse_batch_forget_in *in = request_take(r, sizeof(*in));
	const struct fuse_forget_one *one;

	for (uint32_t i = 0; in && i < in->count && (one = request_take(r, sizeof(*one))); i++)
		node_forget(r->session, one->nodeid, one->nlookup);
	return 0;
}

int op_readlink(struct request *r)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(r->node->fd, "", target, sizeof(target));

	if (n < 0)
		return errno == ENOENT ? -EINVAL : -errno;
	return request_answer(r, target, (size_t)n);
}

/* --- making ----------------------------------------------------------------------------------- */

/*
 * We make it, so it is root's of our namespace at first. In a folder with the set-group-id bit, the
 * group is the folder's, which the kernel has seen to. A change of owner takes set-id bits away.
 */
int names_give_to_caller(struct request *r, int fd, mode_t mode)
{
	struct stat parent;
	gid_t gid = r->header.gid;

	if (fstat(r->node->fd, &parent) < 0)
		return -errno;
	if (parent.st_mode & S_ISGID)
		gid = (gid_t)-1;
	if (r->header.uid == 0 && (r->header.gid == 0 || gid == (gid_t)-1))
		return 0;
	if (fchownat(fd, "", r->header.uid, gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0)
		/* An id that we have no right to. */
		return errno == EINVAL ? -EPERM : -errno;
	return 0;
}

/* A name that we have just made gets its owner, or goes again. */
static int finish_making(struct request *r, const char *name, mode_t mode, bool is_folder)
{
	_cleanup_close_ int fd = openat(r->node->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	int e = fd < 0 ? -errno : names_give_to_caller(r, fd, mode);
	char path[NODE_PATH_MAX];

	if (e == 0 && mode & (S_ISUID | S_ISGID)) {
		snprintf(path, sizeof(path), "%d", fd);
		if (fchmodat(r->session->proc_fd, path, mode, 0) < 0)
			e = -errno;
	}
	if (e < 0) {
		unlinkat(r->node->fd, name, is_folder ? AT_REMOVEDIR : 0);
		return e;
	}
	return answer_entry(r, name);
}

int op_mknod(struct request *r)
{
	const struct fuse_mknod_in *in = request_take(r, sizeof(*in));
	const char *name;
	mode_t mode;

	if (!in || request_take_name(r, &name) < 0)
		return -EINVAL;
	mode = in->mode & (S_IFMT | MODE_MASK);
	/* Devices of the host are not for a guest, whatever we might be allowed. */
	if (S_ISCHR(mode) || S_ISBLK(mode))
		return -EPERM;
	if (mknodat(r->node->fd, name, mode, 0) < 0)
		return -errno;
	return finish_making(r, name, S_ISREG(mode) ? mode & MODE_MASK : 0, false);
}

int op_mkdir(struct request *r)
{
	const struct fuse_mkdir_in *in = request_take(r, sizeof(*in));
	const char *name;
	struct stat parent;
	mode_t mode;

	if (!in || request_take_name(r, &name) < 0)
		return -EINVAL;
	if (fstat(r->node->fd, &parent) < 0)
		return -errno;
	mode = in->mode & MODE_MASK;
	if (mkdirat(r->node->fd, name, mode) < 0)
		return -errno;
	/* mkdir(2) gives no set-id bits but the folder's. */
	if (parent.st_mode & S_ISGID)
		mode |= S_ISGID;
	return finish_making(r, name, mode, true);
}

int op_symlink(struct request *r)
{
	const char *name, *target;

	if (request_take_name(r, &name) < 0)
		return -EINVAL;
	target = request_take_string(r);
	if (!target)
		return -EINVAL;
	if (symlinkat(target, r->node->fd, name) < 0)
		return -errno;
	return finish_making(r, name, 0, false);
}

int op_link(struct request *r)
{
	const struct fuse_link_in *in = request_take(r, sizeof(*in));
	char path[NODE_PATH_MAX];
	struct node *from;
	const char *name;
	int e;

	if (!in || request_take_name(r, &name) < 0)
		return -EINVAL;
	e = node_hold(r->session, in->oldnodeid, &from);
	if (e < 0)
		return e;
	node_path(from, path);
	if (linkat(r->session->proc_fd, path, r->node->fd, name, AT_SYMLINK_FOLLOW) < 0)
		e = -errno;
	node_release(r->session, from);
	return e < 0 ? e : answer_entry(r, name);
}

/* --- removing and renaming -------------------------------------------------------------------- */

/* This name is about to go, but whoever has the file open must find it still. */
static int keep_file(struct request *r, const struct node *folder, const char *name)
{
	struct node *node = node_hold_at(r->session, folder, name);
	int e = node ? node_keep(r->session, node) : 0;

	node_release(r->session, node);
	return e;
}

static int remove_name(struct request *r, int flags)
{
	const char *name;
	int e = request_take_name(r, &name);

	if (e == 0)
		e = keep_file(r, r->node, name);
	if (e < 0)
		return e;
	return unlinkat(r->node->fd, name, flags) < 0 ? -errno : 0;
}

int op_unlink(struct request *r)
{
	return remove_name(r, 0);
}

int op_rmdir(struct request *r)
{
	return remove_name(r, AT_REMOVEDIR);
}

static int rename_in(struct request *r, const char *old_name, const struct node *to,
	const char *new_name, uint32_t flags)
{
	struct node *moved = node_hold_at(r->session, r->node, old_name);
	struct node *replaced = node_hold_at(r->session, to, new_name);
	int e = replaced && !flags ? node_keep(r->session, replaced) : 0;

	/* Not the C library's, which makes another call when there are no flags (confine.c). */
	if (e == 0 && syscall(SYS_renameat2, r->node->fd, old_name, to->fd, new_name, flags) < 0)
		e = -errno;
	if (e == 0 && moved)
		node_rename(r->session, moved, to, new_name);
	if (e == 0 && replaced && flags & RENAME_EXCHANGE)
		node_rename(r->session, replaced, r->node, old_name);
	node_release(r->session, replaced);
	node_release(r->session, moved);
	return e;
}

static int rename_to(struct request *r, uint64_t new_folder, uint32_t flags)
{
	const char *old_name, *new_name;
	struct node *to;
	int e;

	if (request_take_name(r, &old_name) < 0 || request_take_name(r, &new_name) < 0)
		return -EINVAL;
	if (flags & ~(uint32_t)(RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL;
	e = node_hold(r->session, new_folder, &to);
	if (e < 0)
		return e;
	e = rename_in(r, old_name, to, new_name, flags);
	node_release(r->session, to);
	return e;
}

int op_rename(struct request *r)
{
	const struct fuse_rename_in *in = request_take(r, sizeof(*in));

	return in ? rename_to(r, in->newdir, 0) : -EINVAL;
}

int op_rename2(struct request *r)
{
	const struct fuse_rename2_in *in = request_take(r, sizeof(*in));

	return in ? rename_to(r, in->newdir, in->flags) : -EINVAL;
}
