/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session.c - FUSE requests: from the guest's memory to a row of the table, and back.
 *
 * The header and the arguments are copied before anything is looked at; the data of a WRITE and of
 * a READ stay where they are. What a request says of lengths is compared with what is there.
 */
#include "share/internal.h"

#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"

#define PROTOCOL_MINOR_MIN 31 /* of Linux 5.4, the first with virtio-fs */

static size_t total(const struct iovec *parts, unsigned nr)
{
	size_t bytes = 0;

	for (unsigned i = 0; i < nr; i++)
		bytes += parts[i].iov_len;
	return bytes;
}

static size_t copy_out(
	const struct iovec *parts, unsigned nr, size_t skip, uint8_t *to, size_t size)
{
	size_t done = 0;

	for (unsigned i = 0; i < nr && done < size; i++) {
		size_t n = parts[i].iov_len;

		if (skip >= n) {
			skip -= n;
			continue;
		}
		n = n - skip < size - done ? n - skip : size - done;
		memcpy(to + done, (const uint8_t *)parts[i].iov_base + skip, n);
		done += n;
		skip = 0;
	}
	return done;
}

static void copy_in(
	const struct iovec *parts, unsigned nr, size_t skip, const void *from, size_t size)
{
	size_t done = 0;

	for (unsigned i = 0; i < nr && done < size; i++) {
		size_t n = parts[i].iov_len;

		if (skip >= n) {
			skip -= n;
			continue;
		}
		n = n - skip < size - done ? n - skip : size - done;
		memcpy((uint8_t *)parts[i].iov_base + skip, (const uint8_t *)from + done, n);
		done += n;
		skip = 0;
	}
}

/* --- arguments and answers -------------------------------------------------------------------- */

const void *request_take(struct request *r, size_t size)
{
	const void *at = r->args + r->at;

	if (size > r->nr_args - r->at)
		return NULL;
	r->at += size;
	return at;
}

const char *request_take_string(struct request *r)
{
	const char *at = (const char *)r->args + r->at;
	const char *end = memchr(at, '\0', r->nr_args - r->at);

	if (!end)
		return NULL;
	r->at += (size_t)(end - at) + 1;
	return at;
}

int request_take_name(struct request *r, const char **ret)
{
	const char *name = request_take_string(r);

	if (!name || !*name || strchr(name, '/') || !strcmp(name, ".") || !strcmp(name, ".."))
		return -EINVAL;
	*ret = name;
	return 0;
}

struct handle *request_handle(struct request *r, uint64_t number, bool is_folder)
{
	struct handle *handle = handle_hold(r->session, number, is_folder);

	if (handle && handle->is_gone) {
		handle_release(r->session, handle);
		r->has_met_gone = true;
		return NULL;
	}
	if (handle)
		r->handles[r->nr_handles++] = handle;
	return handle;
}

int request_answer(struct request *r, const void *bytes, size_t size)
{
	if (size > r->in_bytes - sizeof(struct fuse_out_header))
		return -ERANGE;
	copy_in(r->in, r->nr_in, sizeof(struct fuse_out_header), bytes, size);
	return (int)size;
}

/* --- the session ------------------------------------------------------------------------------ */

void session_reset(struct share_session *s)
{
	s->is_initialized = false;
	nodes_free(s);
	/* The same memory is there again, so this cannot fail. */
	nodes_init(s);
}

/* What we can do of what the guest's kernel can. */
#define WANTED_FLAGS                                                                               \
	(FUSE_ASYNC_READ | FUSE_ATOMIC_O_TRUNC | FUSE_BIG_WRITES | FUSE_AUTO_INVAL_DATA |          \
		FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO | FUSE_ASYNC_DIO |                     \
		FUSE_PARALLEL_DIROPS | FUSE_MAX_PAGES | FUSE_SUBMOUNTS | FUSE_INIT_EXT)

static int op_init(struct request *r)
{
	struct fuse_init_out answer = {
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.max_background = 64,
		.congestion_threshold = 48,
		.max_write = SHARE_PAGES_MAX * SHARE_PAGE_BYTES,
		.max_pages = SHARE_PAGES_MAX,
		.time_gran = 1,
	};
	/* Its end came later than the protocol. */
	const struct fuse_init_in *in = request_take(r, offsetof(struct fuse_init_in, flags2));

	if (!in)
		return -EINVAL;
	if (in->major != FUSE_KERNEL_VERSION) {
		/* A newer one asks again with ours. */
		return in->major > FUSE_KERNEL_VERSION ? request_answer(r, &answer, sizeof(answer))
						       : -EPROTO;
	}
	if (in->minor < PROTOCOL_MINOR_MIN)
		return -EPROTO;
	session_reset(r->session);
	r->session->is_initialized = true;
	r->session->has_submounts = in->flags & FUSE_SUBMOUNTS;
	answer.max_readahead = in->max_readahead;
	answer.flags = in->flags & WANTED_FLAGS;
	return request_answer(r, &answer, sizeof(answer));
}

static int op_destroy(struct request *r)
{
	session_reset(r->session);
	return 0;
}

/* FUSE's way to end a request early. Ours wait for nothing but a disk. */
static int op_interrupt(struct request *r)
{
	return 0;
}

static const struct operation operations[] = {
	[FUSE_LOOKUP] = { "lookup", op_lookup },
	[FUSE_FORGET] = { "forget", op_forget, .has_no_node = true, .has_no_answer = true },
	[FUSE_GETATTR] = { "getattr", op_getattr },
	[FUSE_SETATTR] = { "setattr", op_setattr },
	[FUSE_READLINK] = { "readlink", op_readlink },
	[FUSE_SYMLINK] = { "symlink", op_symlink },
	[FUSE_MKNOD] = { "mknod", op_mknod },
	[FUSE_MKDIR] = { "mkdir", op_mkdir },
	[FUSE_UNLINK] = { "unlink", op_unlink },
	[FUSE_RMDIR] = { "rmdir", op_rmdir },
	[FUSE_RENAME] = { "rename", op_rename },
	[FUSE_LINK] = { "link", op_link },
	[FUSE_OPEN] = { "open", op_open },
	[FUSE_READ] = { "read", op_read },
	[FUSE_WRITE] = { "write", op_write },
	[FUSE_STATFS] = { "statfs", op_statfs },
	[FUSE_RELEASE] = { "release", op_release, .has_no_node = true },
	[FUSE_FSYNC] = { "fsync", op_fsync, .waits = true },
	[FUSE_SETXATTR] = { "setxattr", op_setxattr },
	[FUSE_GETXATTR] = { "getxattr", op_getxattr },
	[FUSE_LISTXATTR] = { "listxattr", op_listxattr },
	[FUSE_REMOVEXATTR] = { "removexattr", op_removexattr },
	[FUSE_FLUSH] = { "flush", op_flush },
	[FUSE_INIT] = { "init", op_init, .has_no_node = true, .is_alone = true },
	[FUSE_OPENDIR] = { "opendir", op_opendir },
	[FUSE_READDIR] = { "readdir", op_readdir },
	[FUSE_RELEASEDIR] = { "releasedir", op_releasedir, .has_no_node = true },
	[FUSE_FSYNCDIR] = { "fsyncdir", op_fsyncdir, .waits = true },
	[FUSE_CREATE] = { "create", op_create },
	[FUSE_INTERRUPT] = { "interrupt", op_interrupt, .has_no_node = true,
		.has_no_answer = true },
	[FUSE_DESTROY] = { "destroy", op_destroy, .has_no_node = true, .is_alone = true },
	[FUSE_BATCH_FORGET] = { "batch-forget", op_batch_forget, .has_no_node = true,
		.has_no_answer = true },
	[FUSE_FALLOCATE] = { "fallocate", op_fallocate, .waits = true },
	[FUSE_READDIRPLUS] = { "readdirplus", op_readdirplus },
	[FUSE_RENAME2] = { "rename2", op_rename2 },
	[FUSE_LSEEK] = { "lseek", op_lseek },
	[FUSE_COPY_FILE_RANGE] = { "copy-file-range", op_copy_file_range, .waits = true },
	[FUSE_SYNCFS] = { "syncfs", op_syncfs, .waits = true },
	[FUSE_TMPFILE] = { "tmpfile", op_tmpfile },
};

static const struct operation *find_operation(uint32_t opcode)
{
	return opcode < ARRAY_SIZE(operations) && operations[opcode].run ? &operations[opcode]
									 : NULL;
}

static int run(struct request *r, const struct operation *operation)
{
	struct share_session *s = r->session;
	int e;

	if (!operation)
		return -ENOSYS;
	/* Before INIT, nothing is agreed on. */
	if (!s->is_initialized && r->header.opcode != FUSE_INIT)
		return -EIO;
	if (operation->waits && !r->may_wait) {
		r->would_wait = true;
		return 0;
	}
	if (operation->has_no_node)
		return operation->run(r);
	e = node_hold(s, r->header.nodeid, &r->node);
	if (e < 0)
		return e;
	e = operation->run(r);
	while (r->nr_handles > 0)
		handle_release(s, r->handles[--r->nr_handles]);
	node_release(s, r->node);
	return e == -EBADF && r->has_met_gone ? -ESTALE : e;
}

static int run_in_turn(struct request *r, const struct operation *operation)
{
	struct share_session *s = r->session;
	int e;

	if (operation && operation->is_alone)
		pthread_rwlock_wrlock(&s->life);
	else
		pthread_rwlock_rdlock(&s->life);
	e = run(r, operation);
	pthread_rwlock_unlock(&s->life);
	return e;
}

size_t share_session_serve(struct share_session *s, struct share_buffers *buffers, bool may_wait,
	const struct iovec *out, unsigned nr_out, const struct iovec *in, unsigned nr_in)
{
	struct request r = {
		.session = s,
		.may_wait = may_wait,
		.buffers = buffers,
		.args = buffers->args,
		.out = out,
		.nr_out = nr_out,
		.out_bytes = total(out, nr_out),
		.in = in,
		.nr_in = nr_in,
		.in_bytes = total(in, nr_in),
	};
	struct fuse_out_header answer = { .len = sizeof(answer) };
	const struct operation *operation;
	int n;

	if (copy_out(out, nr_out, 0, (uint8_t *)&r.header, sizeof(r.header)) < sizeof(r.header))
		return 0;
	operation = find_operation(r.header.opcode);
	/* An answer that has no room is none; but nothing happens then, either. */
	if (r.in_bytes < sizeof(answer) && !(operation && operation->has_no_answer))
		return 0;
	r.nr_args = copy_out(out, nr_out, sizeof(r.header), buffers->args, SESSION_ARGS_MAX);
	buffers->args[r.nr_args] = '\0';
	n = run_in_turn(&r, operation);
	if (r.would_wait)
		return SHARE_WAITS;
	if (operation && operation->has_no_answer)
		return 0;
	answer.unique = r.header.unique;
	if (n < 0)
		answer.error = n;
	else
		answer.len += (uint32_t)n;
	copy_in(in, nr_in, 0, &answer, sizeof(answer));
	return answer.len;
}

int share_session_open(int root_fd, int proc_fd, struct share_session **ret, struct error *err)
{
	struct share_session *s = calloc(1, sizeof(*s));
	int r;

	if (!s) {
		close(root_fd);
		close(proc_fd);
		return error_oom(err);
	}
	s->root_fd = root_fd;
	s->proc_fd = proc_fd;
	pthread_rwlock_init(&s->life, NULL);
	pthread_mutex_init(&s->lock, NULL);
	r = fchdir(proc_fd) < 0 ? -errno : nodes_init(s);
	if (r < 0) {
		share_session_free(s);
		return error_errno(err, r, "cannot serve shared folders");
	}
	*ret = s;
	return 0;
}

void share_session_reset(struct share_session *s)
{
	pthread_rwlock_wrlock(&s->life);
	session_reset(s);
	pthread_rwlock_unlock(&s->life);
}

struct share_buffers *share_buffers_new(void)
{
	return calloc(1, sizeof(struct share_buffers));
}

struct share_buffers *share_buffers_free(struct share_buffers *buffers)
{
	free(buffers);
	return NULL;
}

struct share_session *share_session_free(struct share_session *s)
{
	if (!s)
		return NULL;
	nodes_free(s);
	if (s->nodes)
		munmap(s->nodes, SESSION_NODES_MAX * sizeof(*s->nodes));
	close(s->root_fd);
	close(s->proc_fd);
	pthread_mutex_destroy(&s->lock);
	pthread_rwlock_destroy(&s->life);
	free(s);
	return NULL;
}
