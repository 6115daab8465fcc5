/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layer.c - from a stream or a blob to ROOT/layers/HEX.
 *
 * A layer is unpacked into ROOT/layers/.tmp-*, checked against its diff ID, and renamed; so what
 * has its final name was complete. As root this happens in this process. An ordinary user's files
 * need the owners of a user namespace: there, this process decompresses and hashes, and a child
 * that is root of the namespace gets plain tar through a socket and makes the files (it needs
 * neither threads nor OpenSSL, which a child forked from a threaded process had better not use).
 *
 * Power loss. Files are not synced: a layer can always be unpacked again from its blob, which is.
 * To tell which ones may have suffered, a symbolic link ROOT/layers/.unsynced-HEX -> BOOT-ID is
 * made before the rename. File systems with ordered metadata journals never keep the rename and
 * lose the link, and the target of a short link is metadata too. image_layers_settle() syncs the
 * file system and removes the links of this boot; a link of an earlier boot marks a layer that was
 * not known to be on disk when that boot ended: image_layer_is_suspect().
 */
#include "image/layer.h"

#include <dirent.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <linux/fs.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/process.h"
#include "base/userns.h"
#include "image/internal.h"
#include "image/layer-stream.h"
#include "image/layer-unpack.h"

#define UNSYNCED_PREFIX	      IMAGE_UNSYNCED_PREFIX
#define UNSYNCED_NAME_MAX     (sizeof(UNSYNCED_PREFIX) + 64)
#define SETTLE_AGE_NS	      INT64_C(60000000000) /* the kernel has written it all by then */
#define LAYER_MAX_ENTRIES     10000000
#define LAYER_FREE_SPACE_PART 95 /* per cent of the free disk space that one layer may take */
#define READ_SIZE	      (256u << 10)
#define UNPACK_THREADS	      2 /* each has a second one that decompresses */

/* Everything one unpacking needs; lives in the calling process. */
struct layer_job {
	const struct image_store *store;
	const char *diff_id;
	struct image_layer_limits limits;
	struct layer_stream stream;
	char temporary[64]; /* name below ROOT/layers */
	/* Rootless only: the child's end of the socket, ours, and what the child tells beyond an
	 * errno. */
	int child_fd, feed_fd;
	bool single_id;
	struct image_unpacked *shared;
	struct error feed_error;
};

static struct image_layer_limits default_limits(const struct image_store *store)
{
	struct image_layer_limits limits = {
		.max_bytes = UINT64_MAX,
		.max_entries = LAYER_MAX_ENTRIES,
	};
	struct statvfs fs;

	if (fstatvfs(store->layers_fd, &fs) == 0)
		limits.max_bytes = (uint64_t)fs.f_bavail * fs.f_frsize / 100 *
			LAYER_FREE_SPACE_PART;
	return limits;
}

/* --- what power loss may have touched ------------------------------------------------------- */

static void unsynced_name(const char *diff_id, char buf[UNSYNCED_NAME_MAX])
{
	snprintf(buf, UNSYNCED_NAME_MAX, "%s%s", UNSYNCED_PREFIX, image_digest_hex(diff_id));
}

static int mark_unsynced(const struct image_store *store, const char *diff_id, struct error *err)
{
	char name[UNSYNCED_NAME_MAX], boot_id[37];
	int r = process_boot_id(boot_id);

	if (r < 0)
		return error_errno(err, r, "cannot read the boot ID");
	unsynced_name(diff_id, name);
	/* A link of an earlier boot is about a layer that is gone. */
	unlinkat(store->layers_fd, name, 0);
	if (symlinkat(boot_id, store->layers_fd, name) < 0 && errno != EEXIST)
		return error_errno(err, errno, "cannot make layers/%s", name);
	return 0;
}

bool image_layer_is_suspect(const struct image_store *store, const char *diff_id)
{
	char name[UNSYNCED_NAME_MAX], boot_id[37], marked[37];
	ssize_t n;

	unsynced_name(diff_id, name);
	n = readlinkat(store->layers_fd, name, marked, sizeof(marked));
	if (n < 0)
		return false;
	return n != 36 || process_boot_id(boot_id) < 0 || memcmp(marked, boot_id, 36) != 0;
}

/* Is this directory entry a link whose layer a sync makes safe, or which is about nothing? */
static bool is_settled_by_sync(const struct image_store *store, const char *name, bool all)
{
	const char *hex = str_after_prefix(name, UNSYNCED_PREFIX);
	char diff_id[IMAGE_DIGEST_LEN + 1];
	struct stat st;

	if (!hex || fstatat(store->layers_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	if (!all && (int64_t)st.st_mtim.tv_sec * 1000000000 + SETTLE_AGE_NS > clock_realtime_ns())
		return false;
	if (snprintf(diff_id, sizeof(diff_id), "sha256:%s", hex) != IMAGE_DIGEST_LEN ||
		faccessat(store->layers_fd, hex, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return true;
	return !image_layer_is_suspect(store, diff_id);
}

int image_layers_settle(const struct image_store *store, bool all, struct error *err)
{
	_cleanup_strv_ char **names = NULL;
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *entry;
	int fd = io_open_dir(store->layers_fd, ".");

	if (fd < 0)
		return error_errno(err, fd, "cannot open %s/layers", store->root);
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return error_oom(err);
	}
	while ((entry = readdir(dir))) {
		if (is_settled_by_sync(store, entry->d_name, all) &&
			strv_push(&names, entry->d_name) < 0)
			return error_oom(err);
	}
	if (!names)
		return 0;
	if (syncfs(store->layers_fd) < 0)
		return error_errno(err, errno, "cannot write %s/layers to disk", store->root);
	strv_for_each (name, names)
		unlinkat(store->layers_fd, *name, 0);
	return 0;
}

/* --- as root -------------------------------------------------------------------------------- */

static int unpack_here(struct layer_job *job, struct image_unpacked *ret, struct error *err)
{
	struct layer_unpack_options options = { .max_entries = job->limits.max_entries };
	_cleanup_free_ struct layer_unpack *u = malloc(sizeof(*u));
	_cleanup_close_ int fd = io_open_dir(job->store->layers_fd, job->temporary);
	int r;

	if (!u)
		return error_oom(err);
	if (fd < 0)
		return error_errno(err, fd, "cannot open layers/%s", job->temporary);
	r = layer_unpack_tree(u, &job->stream.source, fd, &options, err);
	if (r < 0)
		return r;
	ret->bytes = u->bytes;
	ret->entries = u->entries;
	return 0;
}

/* --- as an ordinary user -------------------------------------------------------------------- */

/* Plain tar out of the socket. */
struct socket_source {
	struct tar_source source;
	int fd;
	char buf[READ_SIZE];
};

static ssize_t read_socket(struct tar_source *self, const void **ret_bytes, struct error *err)
{
	struct socket_source *s = container_of(self, struct socket_source, source);
	ssize_t n;

	do {
		n = read(s->fd, s->buf, sizeof(s->buf));
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return error_errno(err, errno, "cannot read the layer's stream");
	*ret_bytes = s->buf;
	return n;
}

/* Runs as root of the user namespace, in a child process. */
static int unpack_in_namespace(void *context, struct error *err)
{
	struct layer_job *job = context;
	struct layer_unpack_options options = {
		.max_entries = job->limits.max_entries,
		.rootless = true,
		.single_id = job->single_id,
	};
	_cleanup_free_ struct layer_unpack *u = malloc(sizeof(*u));
	_cleanup_free_ struct socket_source *source = malloc(sizeof(*source));
	_cleanup_close_ int fd = io_open_dir(job->store->layers_fd, job->temporary);
	int r;

	/* Our copy of the feeding end would keep the stream from ending. */
	close(job->feed_fd);
	if (!u || !source)
		return error_oom(err);
	if (fd < 0)
		return error_errno(err, fd, "cannot open layers/%s", job->temporary);
	source->source = (struct tar_source){ .read = read_socket };
	source->fd = job->child_fd;
	r = layer_unpack_tree(u, &source->source, fd, &options, err);
	if (r < 0)
		return r;
	job->shared->bytes = u->bytes;
	job->shared->entries = u->entries;
	return 0;
}

static int remove_in_namespace(void *context, struct error *err)
{
	struct layer_job *job = context;

	return io_remove_tree(job->store->layers_fd, job->temporary, err);
}

/* The thread that hashes the stream and sends it to the child. */
static void *feed_child(void *context)
{
	struct layer_job *job = context;
	struct error *err = &job->feed_error;
	const void *bytes;
	ssize_t n, sent;

	while ((n = job->stream.source.read(&job->stream.source, &bytes, err)) > 0) {
		for (const char *at = bytes; n > 0; at += sent, n -= sent) {
			sent = send(job->feed_fd, at, (size_t)n, MSG_NOSIGNAL);
			if (sent < 0 && errno == EINTR)
				sent = 0;
			if (sent < 0)
				goto out; /* the child is gone and has said why */
		}
	}
out:
	shutdown(job->feed_fd, SHUT_WR);
	return NULL;
}

static int unpack_with_child(struct layer_job *job, struct image_unpacked *ret, struct error *err)
{
	pthread_t feeder;
	int pair[2], r;

	job->shared = mmap(NULL, sizeof(*job->shared), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (job->shared == MAP_FAILED)
		return error_oom(err);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		r = error_errno(err, errno, "cannot make a socket pair");
		goto out;
	}
	job->child_fd = pair[0];
	job->feed_fd = pair[1];
	r = pthread_create(&feeder, NULL, feed_child, job);
	if (r != 0) {
		r = error_errno(err, r, "cannot start a thread");
	} else {
		r = userns_call(unpack_in_namespace, job, err);
		/* With the last reader gone, the feeder cannot be stuck in send(). */
		close(steal_fd(&job->child_fd));
		pthread_join(feeder, NULL);
		if (job->feed_error.code)
			r = error_set(err, job->feed_error.code, "%s", job->feed_error.message);
		ret->bytes = job->shared->bytes;
		ret->entries = job->shared->entries;
	}
	if (job->child_fd >= 0)
		close(job->child_fd);
	close(job->feed_fd);
out:
	munmap(job->shared, sizeof(*job->shared));
	return r;
}

static int unpack_rootless(struct layer_job *job, struct image_unpacked *ret, struct error *err)
{
	struct userns_maps maps;
	int r = userns_maps_of_caller(&maps, err);

	if (r < 0)
		return r;
	job->single_id = maps.single;
	userns_maps_free(&maps);
	return unpack_with_child(job, ret, err);
}

/* --- both ----------------------------------------------------------------------------------- */

static void remove_temporary(struct layer_job *job)
{
	struct error e = { 0 };

	if (userns_call(remove_in_namespace, job, &e) < 0)
		log_warning("%s", e.message);
}

/* Give the finished directory its name; somebody else may have been faster. */
static int publish(struct layer_job *job, const char *diff_id, struct error *err)
{
	const char *hex = image_digest_hex(diff_id);
	int fd = job->store->layers_fd;
	int r;

	if (faccessat(fd, hex, F_OK, AT_SYMLINK_NOFOLLOW) < 0) {
		r = mark_unsynced(job->store, diff_id, err);
		if (r < 0)
			return r;
		if (renameat2(fd, job->temporary, fd, hex, RENAME_NOREPLACE) == 0)
			return 0;
		if (errno != EEXIST)
			return error_errno(err, errno, "cannot name the layer %s", hex);
	}
	remove_temporary(job);
	return 0;
}

static int check_diff_id(const char *is, const char *expected, struct error *err)
{
	if (expected && !streq(is, expected))
		return error_set(
			err, EBADMSG, "its content is not what the image promises: it is %s", is);
	return 0;
}

static int unpack_and_check(struct layer_job *job, struct image_unpacked *ret, struct error *err)
{
	int r = geteuid() == 0 ? unpack_here(job, ret, err) : unpack_rootless(job, ret, err);

	if (r == 0)
		r = layer_stream_digest(&job->stream, ret->diff_id, err);
	if (r < 0)
		return r;
	r = check_diff_id(ret->diff_id, job->diff_id, err);
	return r < 0 ? r : publish(job, ret->diff_id, err);
}

static bool is_there(const struct image_store *store, const char *diff_id)
{
	return faccessat(store->layers_fd, image_digest_hex(diff_id), F_OK, AT_SYMLINK_NOFOLLOW) ==
		0;
}

/*
 * Ext4 puts a directory near its parent and files near their directory, so all layers would share
 * a few block groups; and it looks at every inode that was deleted there in the last minutes
 * before it takes a new one (fs/ext4/ialloc.c, recently_deleted()): a pull soon after a removal
 * took up to ten times the processor time. Below a "top of hierarchies" (chattr(1), T) each
 * directory begins in a group of its own. Other file systems refuse the flag and need none.
 */
static void spread_over_disk(const struct image_store *store)
{
	int flags = 0; /* whatever the request's name says (ioctl_iflags(2)) */

	if (ioctl(store->layers_fd, FS_IOC_GETFLAGS, &flags) < 0 || flags & FS_TOPDIR_FL)
		return;
	flags |= FS_TOPDIR_FL;
	if (ioctl(store->layers_fd, FS_IOC_SETFLAGS, &flags) < 0)
		log_debug("%s/layers is no top of directory hierarchies: %s", store->root,
			strerror(errno));
}

static int make_temporary(struct layer_job *job, struct error *err)
{
	const struct image_store *store = job->store;
	char random[25];

	spread_over_disk(store);
	io_random_hex(random, 12);
	snprintf(job->temporary, sizeof(job->temporary), ".tmp-%s", random);
	if (mkdirat(store->layers_fd, job->temporary, 0755) < 0 ||
		fchmodat(store->layers_fd, job->temporary, 0755, 0) < 0)
		return error_errno(err, errno, "cannot make directory %s/layers/%s", store->root,
			job->temporary);
	return 0;
}

int image_layer_unpack(const struct image_store *store, const char *expected_diff_id,
	image_layer_read_fn read_fn, void *context, const struct image_layer_limits *limits,
	struct image_unpacked *ret, struct error *err)
{
	const char *what = expected_diff_id ? expected_diff_id : "of the archive";
	struct layer_job job = {
		.store = store,
		.diff_id = expected_diff_id,
		.limits = limits ? *limits : default_limits(store),
		.child_fd = -1,
		.feed_fd = -1,
	};
	struct image_unpacked unpacked = { 0 };
	int r;

	if (expected_diff_id && !image_digest_is_valid(expected_diff_id))
		return error_set(err, EINVAL, "not a layer's digest: %s", expected_diff_id);
	if (expected_diff_id && is_there(store, expected_diff_id)) {
		memcpy(unpacked.diff_id, expected_diff_id, IMAGE_DIGEST_LEN + 1);
		if (ret)
			*ret = unpacked;
		return 0;
	}
	r = make_temporary(&job, err);
	if (r < 0)
		return r;
	r = layer_stream_start(&job.stream, read_fn, context, job.limits.max_bytes, err);
	if (r == 0) {
		r = unpack_and_check(&job, &unpacked, err);
		layer_stream_close(&job.stream);
	}
	if (r < 0) {
		remove_temporary(&job);
		return error_prefix(err, "cannot unpack layer %s", what);
	}
	if (ret)
		*ret = unpacked;
	return 0;
}

int image_layer_check(const char *expected_diff_id, image_layer_read_fn read_fn, void *context,
	const struct image_layer_limits *limits, struct error *err)
{
	char diff_id[IMAGE_DIGEST_LEN + 1];
	struct layer_stream stream;
	const void *bytes;
	ssize_t n;
	int r = layer_stream_start(
		&stream, read_fn, context, limits ? limits->max_bytes : UINT64_MAX, err);

	if (r < 0)
		return r;
	while ((n = stream.source.read(&stream.source, &bytes, err)) > 0)
		;
	r = (int)n;
	if (r == 0)
		r = layer_stream_digest(&stream, diff_id, err);
	if (r == 0)
		r = check_diff_id(diff_id, expected_diff_id, err);
	layer_stream_close(&stream);
	return r < 0 ? error_prefix(err, "bad layer %s", expected_diff_id) : 0;
}

/* --- from a blob ---------------------------------------------------------------------------- */

struct blob_source {
	int fd;
	char buf[READ_SIZE];
};

static ssize_t read_blob(void *context, const void **ret_bytes)
{
	struct blob_source *source = context;
	ssize_t n;

	do {
		n = read(source->fd, source->buf, sizeof(source->buf));
	} while (n < 0 && errno == EINTR);
	*ret_bytes = source->buf;
	return n < 0 ? -errno : n;
}

int image_layer_unpack_blob(const struct image_store *store, const char *blob_digest,
	const char *expected_diff_id, struct error *err)
{
	_cleanup_free_ struct blob_source *source = malloc(sizeof(*source));
	_cleanup_close_ int fd = -1;
	char path[80];

	if (!source)
		return error_oom(err);
	if (!image_digest_is_valid(blob_digest))
		return error_set(err, EINVAL, "not a digest: %s", blob_digest);
	image_blob_path(blob_digest, path);
	fd = openat(store->images_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return error_errno(
			err, errno, "cannot open the layer %s/images/%s", store->root, path);
	source->fd = fd;
	return image_layer_unpack(store, expected_diff_id, read_blob, source, NULL, NULL, err);
}

/* --- a whole image -------------------------------------------------------------------------- */

struct unpack_pool {
	const struct image_store *store;
	const char *const *blob_digests;
	char *const *diff_ids;
	pthread_mutex_t lock;
	size_t next, count;
	struct error error; /* the first that failed */
};

static void *unpack_some(void *context)
{
	struct unpack_pool *pool = context;

	for (;;) {
		struct error e = { 0 };
		size_t i;

		pthread_mutex_lock(&pool->lock);
		i = pool->error.code ? pool->count : pool->next++;
		pthread_mutex_unlock(&pool->lock);
		if (i >= pool->count)
			return NULL;
		if (image_layer_unpack_blob(
			    pool->store, pool->blob_digests[i], pool->diff_ids[i], &e) == 0)
			continue;
		pthread_mutex_lock(&pool->lock);
		if (!pool->error.code)
			pool->error = e;
		pthread_mutex_unlock(&pool->lock);
	}
}

int image_layers_unpack(const struct image_store *store, const char *const *blob_digests,
	char *const *diff_ids, struct error *err)
{
	struct unpack_pool pool = {
		.store = store,
		.blob_digests = blob_digests,
		.diff_ids = diff_ids,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.count = strv_length(diff_ids),
	};
	pthread_t threads[UNPACK_THREADS - 1];
	size_t started = 0;

	while (started < ARRAY_SIZE(threads) && started + 1 < pool.count &&
		pthread_create(&threads[started], NULL, unpack_some, &pool) == 0)
		started++;
	unpack_some(&pool);
	while (started)
		pthread_join(threads[--started], NULL);
	if (pool.error.code)
		return error_set(err, pool.error.code, "%s", pool.error.message);
	return 0;
}
