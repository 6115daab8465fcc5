/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layer-fixture.h - a store, a layer made by hand, and what became of it; for the tests of layers.
 */
#pragma once

#include "unit/test.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "image/digest.h"
#include "image/layer.h"
#include "unit/image/tar-builder.h"

struct fixture {
	char root[64];
	struct image_store store;
	struct str tar;
	char diff_id[IMAGE_DIGEST_LEN + 1];
	struct error err;
	int layer_fd; /* of what was unpacked last */
};

static inline int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->root, "/tmp/strata-test-layer-XXXXXX");
	assert_non_null(mkdtemp(f->root));
	assert_int_equal(image_store_open(f->root, &f->store, &f->err), 0);
	f->layer_fd = -1;
	*state = f;
	return 0;
}

static inline int tear_down(void **state)
{
	struct fixture *f = *state;

	if (f->layer_fd >= 0)
		close(f->layer_fd);
	image_store_close(&f->store);
	assert_int_equal(io_remove_tree(AT_FDCWD, f->root, NULL), 0);
	str_free(&f->tar);
	free(f);
	return 0;
}

/* A stream in pieces of at most `step` bytes. */
struct pieces {
	const char *data;
	size_t left, step;
};

static inline ssize_t next_piece(void *context, const void **ret_bytes)
{
	struct pieces *p = context;
	size_t n = p->left < p->step ? p->left : p->step;

	*ret_bytes = p->data;
	p->data += n;
	p->left -= n;
	return (ssize_t)n;
}

static inline int unpack_bytes(struct fixture *f, const void *bytes, size_t len, size_t step,
	const struct image_layer_limits *limits)
{
	struct pieces pieces = { .data = bytes, .left = len, .step = step };
	struct image_unpacked unpacked;
	int r;

	if (!f->diff_id[0])
		assert_int_equal(image_digest_of(f->tar.data, f->tar.len, f->diff_id, &f->err), 0);
	f->err.message[0] = '\0';
	r = image_layer_unpack(
		&f->store, f->diff_id, next_piece, &pieces, limits, &unpacked, &f->err);
	if (r == 0) {
		assert_string_equal(unpacked.diff_id, f->diff_id);
		if (f->layer_fd >= 0)
			close(f->layer_fd);
		f->layer_fd = io_open_dir(f->store.layers_fd, image_digest_hex(f->diff_id));
		assert_true(f->layer_fd >= 0);
	}
	return r;
}

static inline int unpack(struct fixture *f)
{
	int r = unpack_bytes(f, f->tar.data, f->tar.len, 10000, NULL);

	if (r < 0)
		print_message("# %s\n", f->err.message);
	return r;
}

/* After a failure nothing may be below ROOT/layers but what every store has there. */
static inline void assert_nothing_left(struct fixture *f)
{
	DIR *dir = fdopendir(io_open_dir(f->store.layers_fd, "."));
	struct dirent *entry;

	while ((entry = readdir(dir)))
		if ((entry->d_name[0] != '.' && !streq(entry->d_name, IMAGE_SKELETON)) ||
			str_after_prefix(entry->d_name, ".tmp"))
			fail_msg("left behind: layers/%s", entry->d_name);
	closedir(dir);
}

static inline void assert_refused(struct fixture *f, int code, const char *saying)
{
	assert_int_equal(unpack(f), code);
	if (!strstr(f->err.message, saying))
		fail_msg("\"%s\" does not say \"%s\"", f->err.message, saying);
	assert_null(strchr(f->err.message, '\n'));
	assert_nothing_left(f);
}

static inline struct stat stat_of(struct fixture *f, const char *path)
{
	struct stat st;

	if (fstatat(f->layer_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		fail_msg("%s is not there", path);
	return st;
}

static inline void assert_content(struct fixture *f, const char *path, const char *content)
{
	char *text;

	assert_int_equal(io_read_file(f->layer_fd, path, 1 << 20, &text, NULL, &f->err), 0);
	assert_string_equal(text, content);
	free(text);
}

static inline bool exists(struct fixture *f, const char *path)
{
	return faccessat(f->layer_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

#define add(f, ...) tar_add(&(f)->tar, (struct tar_block){ __VA_ARGS__ })

#define layer_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
