/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-blob.c - a blob gets its name only when it is whole and right, and an interrupted one goes
 * on where it ended.
 */
#include "unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>

#include "base/io.h"
#include "image/blob.h"

/* sha256 of "hello world" */
#define HELLO "sha256:b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"

struct fixture {
	char root[64];
	struct image_store store;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->root, "/tmp/strata-test-blob-XXXXXX");
	assert_non_null(mkdtemp(f->root));
	assert_int_equal(image_store_open(f->root, &f->store, NULL), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	image_store_close(&f->store);
	io_remove_tree(AT_FDCWD, f->root, NULL);
	free(f);
	return 0;
}

static bool exists(struct fixture *f, const char *path)
{
	return faccessat(f->store.images_fd, path, F_OK, 0) == 0;
}

static bool blob_there(struct fixture *f, const char *digest)
{
	char path[80];

	image_blob_path(digest, path);
	return exists(f, path);
}

#define PARTIAL                                                                                    \
	"blobs/sha256/.partial-b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"

static void a_blob_is_stored_under_its_digest(void **state)
{
	struct image_blob_writer w = IMAGE_BLOB_WRITER_INIT;
	char digest[IMAGE_DIGEST_LEN + 1];
	struct fixture *f = *state;

	assert_int_equal(
		image_blob_writer_open(&f->store, NULL, IMAGE_SIZE_UNKNOWN, 0, &w, NULL), 0);
	assert_int_equal(image_blob_writer_write(&w, "hello ", 6, NULL), 0);
	assert_int_equal(image_blob_writer_write(&w, "world", 5, NULL), 0);
	assert_int_equal(image_blob_writer_commit(&w, digest, NULL), 0);
	assert_string_equal(digest, HELLO);
	assert_true(blob_there(f, HELLO));
	assert_int_equal(image_blob_writer_open(&f->store, HELLO, 11, 0, &w, NULL), 1);
	assert_int_equal(image_blob_put(&f->store, "hello world", 11, digest, NULL), 0);
}

static void an_interrupted_one_is_resumed(void **state)
{
	struct image_blob_writer w = IMAGE_BLOB_WRITER_INIT;
	struct fixture *f = *state;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		/* Killed in the middle: nothing gets a chance to clean up. */
		if (image_blob_writer_open(&f->store, HELLO, 11, 0, &w, NULL) == 0 &&
			image_blob_writer_write(&w, "hello w", 7, NULL) == 0)
			_exit(0);
		_exit(1);
	}
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
	assert_true(exists(f, PARTIAL));
	assert_false(blob_there(f, HELLO));
	assert_int_equal(image_blob_writer_open(&f->store, HELLO, 11, 0, &w, NULL), 0);
	assert_int_equal(w.offset, 7);
	assert_int_equal(image_blob_writer_write(&w, "orld", 4, NULL), 0);
	assert_int_equal(image_blob_writer_commit(&w, NULL, NULL), 0);
	assert_true(blob_there(f, HELLO));
	assert_false(exists(f, PARTIAL));
}

static void a_short_one_stays_to_be_resumed(void **state)
{
	struct image_blob_writer w = IMAGE_BLOB_WRITER_INIT;
	struct error err = { 0 };
	struct fixture *f = *state;

	assert_int_equal(image_blob_writer_open(&f->store, HELLO, 11, 0, &w, NULL), 0);
	assert_int_equal(image_blob_writer_write(&w, "hello", 5, NULL), 0);
	assert_int_equal(image_blob_writer_commit(&w, NULL, &err), -EBADMSG);
	assert_non_null(strstr(err.message, "5 bytes instead of the 11"));
	assert_false(blob_there(f, HELLO));
	assert_true(exists(f, PARTIAL));
	assert_int_equal(
		image_blob_writer_open(&f->store, HELLO, 11, IMAGE_BLOB_NO_RESUME, &w, NULL), 0);
	assert_int_equal(w.offset, 0);
	image_blob_writer_close(&w);
	assert_false(exists(f, PARTIAL));
}

static void a_wrong_one_is_refused_and_deleted(void **state)
{
	struct image_blob_writer w = IMAGE_BLOB_WRITER_INIT;
	struct error err = { 0 };
	struct fixture *f = *state;

	assert_int_equal(image_blob_writer_open(&f->store, HELLO, 11, 0, &w, NULL), 0);
	assert_int_equal(image_blob_writer_write(&w, "hello wormz", 11, NULL), 0);
	assert_int_equal(image_blob_writer_commit(&w, NULL, &err), -EBADMSG);
	assert_non_null(strstr(err.message, "its digest is sha256:"));
	assert_false(blob_there(f, HELLO));
	assert_false(exists(f, PARTIAL));

	assert_int_equal(image_blob_writer_open(&f->store, HELLO, 11, 0, &w, NULL), 0);
	assert_int_equal(image_blob_writer_write(&w, "hello world!", 12, &err), -EBADMSG);
	image_blob_writer_close(&w);
	assert_int_equal(image_blob_writer_open(&f->store, "sha256:../x", 1, 0, &w, &err), -EINVAL);
}

static void two_writers_take_turns(void **state)
{
	struct image_blob_writer w = IMAGE_BLOB_WRITER_INIT;
	struct fixture *f = *state;
	int status, ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		if (image_blob_writer_open(&f->store, HELLO, 11, 0, &w, NULL) != 0 ||
			write(ready[1], "x", 1) != 1)
			_exit(1);
		usleep(50 * 1000);
		if (image_blob_writer_write(&w, "hello world", 11, NULL) < 0 ||
			image_blob_writer_commit(&w, NULL, NULL) < 0)
			_exit(1);
		_exit(0);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(image_blob_writer_open(&f->store, HELLO, 11, IMAGE_BLOB_NO_WAIT, &w, NULL),
		-EWOULDBLOCK);
	/* Waits for the child, and finds the work done. */
	assert_int_equal(image_blob_writer_open(&f->store, HELLO, 11, 0, &w, NULL), 1);
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
	assert_true(blob_there(f, HELLO));
	assert_false(exists(f, PARTIAL));
	close(ready[0]);
	close(ready[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_blob_is_stored_under_its_digest, setup, teardown),
		cmocka_unit_test_setup_teardown(an_interrupted_one_is_resumed, setup, teardown),
		cmocka_unit_test_setup_teardown(a_short_one_stays_to_be_resumed, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_wrong_one_is_refused_and_deleted, setup, teardown),
		cmocka_unit_test_setup_teardown(two_writers_take_turns, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
