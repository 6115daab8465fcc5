/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blob.c - the blob writer: partial file, streaming hash, verification, rename.
 *
 * Durability: a blob under its final name is trusted without being hashed again, so its bytes are
 * on disk before the rename (fdatasync). Writeback of a large one is started as it arrives, so that
 * the final wait is short. The directory is not synced here: index.json is replaced durably after
 * the last blob, and a blob whose name was lost in a crash is simply fetched again.
 */
#include "image/blob.h"

#include <limits.h>
#include <sys/stat.h>

#include "base/io.h"
#include "image/internal.h"

/* Ask for writeback each time this much has come in. */
#define FLUSH_BYTES (8u << 20)
/* Times a writer looks again because the partial file it locked was renamed meanwhile. */
#define LOCK_ATTEMPTS 100

/* One of another size is damaged: it counts as absent and is replaced. */
static bool blob_exists(const struct image_blob_writer *w)
{
	char path[80];
	struct stat st;

	image_blob_path(w->digest, path);
	return fstatat(w->store->images_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		S_ISREG(st.st_mode) &&
		(w->size == IMAGE_SIZE_UNKNOWN || (uint64_t)st.st_size == w->size);
}

/* Is the partial file's name still that of the descriptor? */
static bool name_is_ours(const struct image_blob_writer *w, int fd)
{
	struct stat ours, named;

	return fstat(fd, &ours) == 0 &&
		fstatat(w->store->images_fd, w->temporary, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
		ours.st_ino == named.st_ino;
}

/*
 * Open and lock the partial file of w->digest. Returns 0, or 1 when the blob turned up finished:
 * the file we waited for is then the blob itself, and its partial name is gone or another's.
 */
static int open_partial(struct image_blob_writer *w, unsigned flags, struct error *err)
{
	int images = w->store->images_fd;

	snprintf(w->temporary, sizeof(w->temporary), "blobs/sha256/" IMAGE_PARTIAL_PREFIX "%s",
		image_digest_hex(w->digest));
	for (int i = 0; i < LOCK_ATTEMPTS; i++) {
		_cleanup_close_ int fd = openat(
			images, w->temporary, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
		int r;

		if (fd < 0)
			return error_errno(err, errno, "cannot create %s/images/%s", w->store->root,
				w->temporary);
		r = flags & IMAGE_BLOB_NO_WAIT ? io_try_lock(fd, true) : io_lock(fd, true);
		if (r == -EWOULDBLOCK)
			return error_set(
				err, EWOULDBLOCK, "another process is storing %s", w->digest);
		if (r < 0)
			return error_errno(err, r, "cannot lock %s", w->temporary);
		if (blob_exists(w)) {
			if (name_is_ours(w, fd))
				unlinkat(images, w->temporary, 0);
			return 1;
		}
		if (name_is_ours(w, fd)) {
			w->fd = steal_fd(&fd);
			return 0;
		}
	}
	return error_set(
		err, EBUSY, "%s/images/%s does not stand still", w->store->root, w->temporary);
}

static int open_temporary(struct image_blob_writer *w, struct error *err)
{
	char random[17];

	io_random_hex(random, 8);
	snprintf(w->temporary, sizeof(w->temporary), "blobs/sha256/" IMAGE_TEMPORARY_PREFIX "%s",
		random);
	w->fd = openat(w->store->images_fd, w->temporary,
		O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (w->fd < 0)
		return error_errno(
			err, errno, "cannot create %s/images/%s", w->store->root, w->temporary);
	return 0;
}

/* Hash what an interrupted writer left and continue behind it. */
static int resume(struct image_blob_writer *w, unsigned flags, struct error *err)
{
	struct stat st;
	int r;

	if (fstat(w->fd, &st) < 0)
		return error_errno(err, errno, "cannot examine %s", w->temporary);
	if (st.st_size == 0)
		return 0;
	if (flags & IMAGE_BLOB_NO_RESUME ||
		(w->size != IMAGE_SIZE_UNKNOWN && (uint64_t)st.st_size > w->size))
		return image_blob_writer_restart(w, err);
	r = image_digester_update_fd(&w->digester, w->fd, 0, &w->offset, err);
	if (r < 0)
		return r;
	if (lseek(w->fd, (off_t)w->offset, SEEK_SET) < 0)
		return error_errno(err, errno, "cannot continue %s", w->temporary);
	w->flushed = w->offset;
	return 0;
}

int image_blob_writer_open(const struct image_store *store, const char *digest, uint64_t size,
	unsigned flags, struct image_blob_writer *ret, struct error *err)
{
	struct image_blob_writer w = { .store = store, .fd = -1, .size = size };
	int r;

	if (digest && !image_digest_is_valid(digest))
		return error_set(err, EINVAL, "\"%.100s\" is not a sha256 digest", digest);
	if (digest) {
		strcpy(w.digest, digest);
		if (blob_exists(&w))
			return 1;
	}
	r = image_digester_open(&w.digester, err);
	if (r == 0)
		r = digest ? open_partial(&w, flags, err) : open_temporary(&w, err);
	if (r == 0)
		r = resume(&w, flags, err);
	if (r != 0) {
		image_blob_writer_close(&w);
		return r;
	}
	*ret = w;
	return 0;
}

int image_blob_writer_write(
	struct image_blob_writer *writer, const void *bytes, size_t len, struct error *err)
{
	int r;

	if (writer->size != IMAGE_SIZE_UNKNOWN && len > writer->size - writer->offset)
		return error_set(err, EBADMSG, "%s is longer than the %llu bytes promised",
			*writer->digest ? writer->digest : "the blob",
			(unsigned long long)writer->size);
	r = io_write_full(writer->fd, bytes, len);
	if (r < 0)
		return error_errno(err, r, "cannot write %s/images/%s", writer->store->root,
			writer->temporary);
	image_digester_update(&writer->digester, bytes, len);
	writer->offset += len;
	if (writer->offset - writer->flushed >= FLUSH_BYTES) {
		sync_file_range(writer->fd, (off_t)writer->flushed,
			(off_t)(writer->offset - writer->flushed), SYNC_FILE_RANGE_WRITE);
		writer->flushed = writer->offset;
	}
	return 0;
}

int image_blob_writer_restart(struct image_blob_writer *writer, struct error *err)
{
	if (ftruncate(writer->fd, 0) < 0 || lseek(writer->fd, 0, SEEK_SET) < 0)
		return error_errno(err, errno, "cannot start %s again", writer->temporary);
	writer->offset = writer->flushed = 0;
	return image_digester_reset(&writer->digester, err);
}

/* Everything but the closing and, after a failure, the deleting. */
static int verify_and_name(
	struct image_blob_writer *w, char digest[IMAGE_DIGEST_LEN + 1], struct error *err)
{
	char path[80];
	int r;

	if (w->size != IMAGE_SIZE_UNKNOWN && w->offset != w->size)
		return error_set(err, EBADMSG, "%s has %llu bytes instead of the %llu promised",
			*w->digest ? w->digest : "the blob", (unsigned long long)w->offset,
			(unsigned long long)w->size);
	r = image_digester_finish(&w->digester, digest, err);
	if (r < 0)
		return r;
	if (*w->digest && !streq(w->digest, digest))
		return error_set(err, EBADMSG, "content of %s is wrong: its digest is %s",
			w->digest, digest);
	if (fdatasync(w->fd) < 0)
		return error_errno(err, errno, "cannot write %s/images/%s to disk", w->store->root,
			w->temporary);
	image_blob_path(digest, path);
	if (renameat(w->store->images_fd, w->temporary, w->store->images_fd, path) < 0)
		return error_errno(
			err, errno, "cannot give %s/images/%s its name", w->store->root, path);
	return 0;
}

int image_blob_writer_commit(
	struct image_blob_writer *writer, char ret_digest[IMAGE_DIGEST_LEN + 1], struct error *err)
{
	char digest[IMAGE_DIGEST_LEN + 1];
	int r = verify_and_name(writer, digest, err);

	/* A short one may yet be completed; a wrong one never gets right. */
	if (r == -EBADMSG && (writer->size == IMAGE_SIZE_UNKNOWN || writer->offset >= writer->size))
		unlinkat(writer->store->images_fd, writer->temporary, 0);
	if (r == 0) {
		/* Its temporary name is gone; closing must not look for it. */
		writer->temporary[0] = '\0';
		if (ret_digest)
			strcpy(ret_digest, digest);
	}
	image_blob_writer_close(writer);
	return r;
}

void image_blob_writer_close(struct image_blob_writer *writer)
{
	if (!writer->store)
		return;
	/* Only a file that names its digest can be found and continued later. */
	if (writer->fd >= 0 && *writer->temporary && (!*writer->digest || writer->offset == 0))
		unlinkat(writer->store->images_fd, writer->temporary, 0);
	if (writer->fd >= 0)
		close(writer->fd);
	image_digester_free(&writer->digester);
	*writer = (struct image_blob_writer)IMAGE_BLOB_WRITER_INIT;
}

int image_blob_put(const struct image_store *store, const void *bytes, size_t len,
	char ret_digest[IMAGE_DIGEST_LEN + 1], struct error *err)
{
	_cleanup_blob_writer_ struct image_blob_writer w = IMAGE_BLOB_WRITER_INIT;
	char digest[IMAGE_DIGEST_LEN + 1];
	int r;

	r = image_digest_of(bytes, len, digest, err);
	if (r == 0)
		r = image_blob_writer_open(store, digest, len, IMAGE_BLOB_NO_RESUME, &w, err);
	if (r == 0) {
		r = image_blob_writer_write(&w, bytes, len, err);
		if (r == 0)
			r = image_blob_writer_commit(&w, NULL, err);
	}
	if (r < 0)
		return r;
	strcpy(ret_digest, digest);
	return 0;
}
