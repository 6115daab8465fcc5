/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-store.c - resolve, list, tag, remove and collect on a hand-made store, whole and damaged.
 *
 * The fixture: "one:1" is a plain amd64 image, "two:1" an index of amd64 and riscv64.
 */
#include "unit/image/fake.h"

#include <errno.h>
#include <sys/file.h>

struct fixture {
	char root[64];
	struct image_store store;
	struct fake_image one, two_amd64, two_riscv64;
	char *index; /* digest of two:1's */
	struct image_platform amd64, riscv64;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	_cleanup_free_ char *text = NULL;
	size_t len;

	strcpy(f->root, "/tmp/strata-test-store-XXXXXX");
	assert_non_null(mkdtemp(f->root));
	assert_int_equal(image_store_open(f->root, &f->store, NULL), 0);
	fake_make_image(&f->store, "amd64", '1', &f->one);
	fake_make_image(&f->store, "amd64", '2', &f->two_amd64);
	fake_make_image(&f->store, "riscv64", '3', &f->two_riscv64);
	text = fake_index_text(&f->two_amd64, &f->two_riscv64);
	f->index = fake_put(&f->store, text, &len);
	fake_name(&f->store, "docker.io/library/one:1", IMAGE_TYPE_OCI_MANIFEST, f->one.manifest,
		f->one.manifest_size);
	fake_name(&f->store, "docker.io/library/two:1", IMAGE_TYPE_OCI_INDEX, f->index, len);
	image_platform_parse("linux/amd64", &f->amd64, NULL);
	image_platform_parse("linux/riscv64", &f->riscv64, NULL);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	image_store_close(&f->store);
	io_remove_tree(AT_FDCWD, f->root, NULL);
	free(f->one.diff_id);
	free(f->two_amd64.diff_id);
	free(f->two_riscv64.diff_id);
	free(f->index);
	free(f);
	return 0;
}

static int resolve(struct fixture *f, const char *text, const struct image_platform *platform,
	const char *expected_config, struct error *err)
{
	_cleanup_image_ struct image image = { 0 };
	int r = image_resolve(&f->store, text, platform, &image, err);

	if (r == 0) {
		assert_non_null(expected_config);
		assert_string_equal(image.config_digest, expected_config);
		assert_string_equal(image.config.cmd[0], "sh");
		assert_int_equal(image_is_unpacked(&f->store, &image), 1);
	}
	return r;
}

static size_t count_images(struct fixture *f)
{
	struct image_summary *list;
	size_t count;

	assert_int_equal(image_list(&f->store, &list, &count, NULL), 0);
	image_list_free(list, count);
	return count;
}

static int collect(struct fixture *f, bool unnamed, bool all, char *const *pinned)
{
	struct image_collect_options options = {
		.unnamed_too = unnamed, .all = all, .pinned = pinned
	};
	struct error err = { 0 };
	char **log = NULL;
	uint64_t freed;
	int r = image_collect(&f->store, &options, &log, &freed, &err);

	if (r < 0)
		assert_true(err.message[0] && err.code == -r);
	else
		strv_free(log);
	return r;
}

static void names_and_ids_resolve(void **state)
{
	struct fixture *f = *state;
	char prefix[16];

	assert_int_equal(resolve(f, "one:1", &f->amd64, f->one.config, NULL), 0);
	assert_int_equal(resolve(f, "docker.io/library/one:1", &f->amd64, f->one.config, NULL), 0);
	assert_int_equal(resolve(f, "two:1", &f->amd64, f->two_amd64.config, NULL), 0);
	assert_int_equal(resolve(f, "two:1", &f->riscv64, f->two_riscv64.config, NULL), 0);
	assert_int_equal(resolve(f, f->one.config, &f->amd64, f->one.config, NULL), 0);
	assert_int_equal(
		resolve(f, image_digest_hex(f->one.config), &f->amd64, f->one.config, NULL), 0);
	snprintf(prefix, sizeof(prefix), "%.12s", image_digest_hex(f->two_riscv64.config));
	assert_int_equal(resolve(f, prefix, &f->riscv64, f->two_riscv64.config, NULL), 0);
	assert_int_equal(resolve(f, f->index, &f->riscv64, f->two_riscv64.config, NULL), 0);
	assert_int_equal(resolve(f, f->one.manifest, &f->amd64, f->one.config, NULL), 0);
}

static void a_repository_with_a_digest_resolves(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *right = strf("one@%s", f->one.manifest);
	_cleanup_free_ char *index = strf("two@%s", f->index);
	_cleanup_free_ char *wrong = strf("two@%s", f->one.manifest);

	assert_int_equal(resolve(f, right, &f->amd64, f->one.config, NULL), 0);
	assert_int_equal(resolve(f, index, &f->riscv64, f->two_riscv64.config, NULL), 0);
	assert_int_equal(resolve(f, wrong, &f->amd64, NULL, NULL), -ENOENT);
}

static void what_is_not_there_is_said(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };

	assert_int_equal(resolve(f, "three", &f->amd64, NULL, &err), -ENOENT);
	assert_string_equal(err.message, "no such image: three");
	assert_int_equal(resolve(f, "one:2", &f->amd64, NULL, &err), -ENOENT);
	assert_int_equal(resolve(f, "one:1", &f->riscv64, NULL, &err), -ENOEXEC);
	assert_string_equal(
		err.message, "image one:1 is not stored for linux/riscv64, only for linux/amd64");
	assert_int_equal(resolve(f, "UPPER", &f->amd64, NULL, &err), -EINVAL);
	assert_int_equal(resolve(f, "", &f->amd64, NULL, &err), -EINVAL);
}

static void any_platform_takes_the_first(void **state)
{
	struct image_platform any = { 0 };
	struct fixture *f = *state;

	assert_int_equal(resolve(f, "two:1", &any, f->two_amd64.config, NULL), 0);
	assert_int_equal(resolve(f, f->two_riscv64.config, &any, f->two_riscv64.config, NULL), 0);
}

/* Damage of every document a resolve reads: the code, the file's name, and no crash. */
static void damage_is_named(void **state)
{
	static const char *const texts[] = { "", "{", "null", "[]", "{\"manifests\":3}",
		"{\"schemaVersion\":2,\"config\":[],\"layers\":{}}", "\"\\u0000\"" };
	struct fixture *f = *state;
	const char *victims[] = { f->index, f->two_amd64.manifest, f->two_amd64.config };

	for (size_t v = 0; v < ARRAY_SIZE(victims); v++) {
		_cleanup_free_ char *saved = NULL;
		char path[80];

		image_blob_path(victims[v], path);
		assert_int_equal(
			io_read_file(f->store.images_fd, path, 65536, &saved, NULL, NULL), 0);
		for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
			struct error err = { 0 };

			fake_damage(&f->store, victims[v], texts[i]);
			assert_int_equal(resolve(f, "two:1", &f->amd64, NULL, &err), -EBADMSG);
			assert_non_null(strstr(err.message, image_digest_hex(victims[v])));
			assert_int_equal(collect(f, false, false, NULL), -EBADMSG);
		}
		fake_damage(&f->store, victims[v], saved);
		assert_int_equal(resolve(f, "two:1", &f->amd64, f->two_amd64.config, NULL), 0);
	}
	/* Nothing was lost, and the other image works. */
	assert_true(fake_blob_exists(&f->store, f->one.layer_blob));
	assert_int_equal(resolve(f, "one:1", &f->amd64, f->one.config, NULL), 0);
}

static void missing_blobs_are_damage(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	char path[80];

	image_blob_path(f->one.config, path);
	unlinkat(f->store.images_fd, path, 0);
	assert_int_equal(resolve(f, "one:1", &f->amd64, NULL, &err), -EBADMSG);
	assert_non_null(strstr(err.message, path));
	assert_non_null(strstr(err.message, "is missing"));
	/* Its layers are kept: the configuration that names them may come back. */
	assert_int_equal(collect(f, false, false, NULL), 0);
	assert_true(fake_layer_exists(&f->store, f->one.diff_id));
	assert_true(fake_blob_exists(&f->store, f->one.layer_blob));
}

static void a_damaged_index_file_is_named(void **state)
{
	static const char *const texts[] = { "", "{\"manifests\":[", "{}", "[]",
		"{\"manifests\":{}}" };
	struct fixture *f = *state;
	struct error err = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		assert_int_equal(io_replace_file(f->store.images_fd, "index.json", 0644, texts[i],
					 strlen(texts[i]), IO_VOLATILE, NULL),
			0);
		assert_int_equal(resolve(f, "one:1", &f->amd64, NULL, &err), -EBADMSG);
		assert_non_null(strstr(err.message, "index.json"));
		assert_int_equal(collect(f, false, true, NULL), -EBADMSG);
		assert_true(fake_blob_exists(&f->store, f->one.layer_blob));
	}
}

/* Entries nobody could have written in good faith. */
static void hostile_entries_do_no_harm(void **state)
{
	static const char *const digests[] = { "sha256:../../../../etc/passwd", "sha256:", "",
		"x" };
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(digests); i++) {
		_cleanup_free_ char *text = strf(
			"{\"manifests\":[{\"mediaType\":\"" IMAGE_TYPE_OCI_MANIFEST
			"\",\"digest\":\"%s\",\"size\":1,\"annotations\":{\"" IMAGE_ANNOTATION_NAME
			"\":\"docker.io/library/evil:latest\"}}]}",
			digests[i]);
		struct error err = { 0 };
		char **log = NULL;

		assert_int_equal(io_replace_file(f->store.images_fd, "index.json", 0644, text,
					 strlen(text), IO_VOLATILE, NULL),
			0);
		assert_int_equal(resolve(f, "evil", &f->amd64, NULL, &err), -EBADMSG);
		assert_int_equal(count_images(f), 0);
		assert_int_equal(collect(f, false, false, NULL), -EINVAL);
		/* It can be removed by its name. */
		assert_int_equal(image_remove(&f->store, "evil", false, NULL, &log, &err), 0);
		assert_string_equal(log[0], "Untagged: evil:latest");
		strv_free(log);
	}
}

/* An index cannot contain itself honestly (its digest would have to be its own content's), so the
 * blob is put under a name that is not its digest. */
static void a_cyclic_index_ends(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *self = fake_digest('c');
	_cleanup_free_ char *text = strf(
		"{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"" IMAGE_TYPE_OCI_INDEX
		"\",\"digest\":\"%s\",\"size\":%d}]}",
		self, 0);
	_cleanup_free_ char *sized = NULL;
	struct error err = { 0 };
	char path[80];

	/* The size it states must be its own for the cycle to close; three digits more. */
	sized = strf("{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"" IMAGE_TYPE_OCI_INDEX
		     "\",\"digest\":\"%s\",\"size\":%zu}]}",
		self, strlen(text) + 2);
	image_blob_path(self, path);
	assert_int_equal(io_replace_file(f->store.images_fd, path, 0644, sized, strlen(sized),
				 IO_VOLATILE, NULL),
		0);
	fake_name(&f->store, "docker.io/library/cycle:latest", IMAGE_TYPE_OCI_INDEX, self,
		strlen(sized));
	assert_int_equal(resolve(f, "cycle", &f->amd64, NULL, &err), -EBADMSG);
	assert_non_null(strstr(err.message, "indexes are nested more than"));
	assert_int_equal(count_images(f), 3);
	assert_int_equal(collect(f, false, false, NULL), 0);
	assert_true(fake_blob_exists(&f->store, self));
}

static void list_shows_every_platform(void **state)
{
	struct fixture *f = *state;
	struct image_summary *list;
	size_t count, absent = 0;
	char path[80];

	image_blob_path(f->two_riscv64.manifest, path);
	unlinkat(f->store.images_fd, path, 0);
	assert_int_equal(image_list(&f->store, &list, &count, NULL), 0);
	assert_int_equal(count, 3);
	for (size_t i = 0; i < count; i++) {
		absent += !list[i].present;
		if (list[i].present) {
			assert_true(list[i].created_ns == INT64_C(1577934245) * 1000000000);
			assert_string_equal(list[i].platform.architecture, "amd64");
		} else {
			assert_string_equal(list[i].platform.architecture, "riscv64");
		}
	}
	assert_int_equal(absent, 1);
	image_list_free(list, count);
	/* That platform is not stored: resolve says so and names what there is. */
	struct error err = { 0 };
	assert_int_equal(resolve(f, "two:1", &f->riscv64, NULL, &err), -ENOEXEC);
	assert_string_equal(
		err.message, "image two:1 is not stored for linux/riscv64, only for linux/amd64");
}

static void tags_come_and_go(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	char **log = NULL;

	assert_int_equal(image_tag(&f->store, "one:1", "r.example/mine:x", NULL), 0);
	assert_int_equal(resolve(f, "r.example/mine:x", &f->amd64, f->one.config, NULL), 0);
	assert_int_equal(image_tag(&f->store, "one:1", "r.example/mine:x", NULL), 0);
	assert_int_equal(count_images(f), 4);
	assert_int_equal(image_tag(&f->store, "nothing", "x", &err), -ENOENT);
	assert_int_equal(image_tag(&f->store, "one:1", "Bad", &err), -EINVAL);
	/* One of two names: only untagged. */
	assert_int_equal(image_remove(&f->store, "one:1", false, NULL, &log, NULL), 0);
	assert_int_equal(strv_length(log), 1);
	assert_string_equal(log[0], "Untagged: one:1");
	log = strv_free(log);
	assert_true(fake_layer_exists(&f->store, f->one.diff_id));
	/* The last one: gone, and the other image is whole. */
	assert_int_equal(image_remove(&f->store, "r.example/mine:x", false, NULL, &log, NULL), 0);
	assert_string_equal(log[0], "Untagged: r.example/mine:x");
	assert_true(strv_length(log) == 3 && strstr(log[1], f->one.config));
	strv_free(log);
	assert_false(fake_layer_exists(&f->store, f->one.diff_id));
	assert_false(fake_blob_exists(&f->store, f->one.config));
	assert_false(fake_blob_exists(&f->store, f->one.layer_blob));
	assert_int_equal(resolve(f, "two:1", &f->riscv64, f->two_riscv64.config, NULL), 0);
}

static void an_id_tags_one_platform(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(image_tag(&f->store, f->two_riscv64.config, "rv", NULL), 0);
	assert_int_equal(resolve(f, "rv", &f->riscv64, f->two_riscv64.config, NULL), 0);
	assert_int_equal(resolve(f, "rv", &f->amd64, NULL, NULL), -ENOEXEC);
}

static void a_moved_name_leaves_an_unnamed_image(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(image_tag(&f->store, "two:1", "one:1", NULL), 0);
	assert_int_equal(count_images(f), 5);
	assert_int_equal(resolve(f, f->one.config, &f->amd64, f->one.config, NULL), 0);
	assert_int_equal(collect(f, false, false, NULL), 0);
	assert_int_equal(resolve(f, f->one.config, &f->amd64, f->one.config, NULL), 0);
	assert_int_equal(collect(f, true, false, NULL), 0);
	assert_int_equal(resolve(f, f->one.config, &f->amd64, NULL, NULL), -ENOENT);
	assert_false(fake_layer_exists(&f->store, f->one.diff_id));
	assert_int_equal(count_images(f), 4);
}

static void several_names_need_force(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	char **log = NULL;

	assert_int_equal(image_tag(&f->store, "one:1", "again", NULL), 0);
	assert_int_equal(image_remove(&f->store, f->one.config, false, NULL, &log, &err), -EBUSY);
	assert_non_null(strstr(err.message, "again:latest"));
	assert_int_equal(image_remove(&f->store, f->one.config, true, NULL, &log, NULL), 0);
	assert_int_equal(strv_length(log), 4);
	strv_free(log);
	assert_int_equal(count_images(f), 2);
}

static void pinned_images_stay(void **state)
{
	struct fixture *f = *state;
	char *pinned[] = { f->two_amd64.manifest, NULL };
	struct error err = { 0 };
	char **log = NULL;

	assert_int_equal(image_remove(&f->store, "two:1", false, pinned, &log, &err), -EBUSY);
	assert_int_equal(collect(f, true, true, pinned), 0);
	assert_int_equal(count_images(f), 2);
	assert_int_equal(image_remove(&f->store, "two:1", true, pinned, &log, &err), 0);
	strv_free(log);
	assert_int_equal(count_images(f), 0);
	/* Without a name, the instance's platform is still there, the other is gone. */
	assert_true(fake_layer_exists(&f->store, f->two_amd64.diff_id));
	assert_true(fake_blob_exists(&f->store, f->two_amd64.layer_blob));
	assert_true(fake_blob_exists(&f->store, f->two_amd64.manifest));
	assert_false(fake_layer_exists(&f->store, f->two_riscv64.diff_id));
	/* A pinned manifest that is lost keeps every layer. */
	fake_damage(&f->store, f->two_amd64.manifest, "{");
	assert_int_equal(collect(f, false, false, pinned), 0);
	assert_true(fake_layer_exists(&f->store, f->two_amd64.diff_id));
	assert_int_equal(collect(f, false, false, NULL), 0);
	assert_false(fake_layer_exists(&f->store, f->two_amd64.diff_id));
}

static void left_overs_are_swept(void **state)
{
	struct fixture *f = *state;
	struct timespec old[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
	_cleanup_free_ char *unknown = fake_digest('9');
	_cleanup_free_ char *fresh = strf("blobs/sha256/.partial-%064d", 8);
	_cleanup_free_ char *stale = strf("blobs/sha256/.partial-%064d", 9);
	int fd;

	mkdirat(f->store.layers_fd, ".tmp-x", 0755);
	mkdirat(f->store.layers_fd, ".tmp-x/y", 0);
	mkdirat(f->store.layers_fd, image_digest_hex(unknown), 0755);
	mkdirat(f->store.layers_fd, "someone-elses", 0755);
	close(openat(f->store.images_fd, "blobs/sha256/.tmp-1", O_CREAT | O_WRONLY, 0644));
	close(openat(f->store.images_fd, fresh, O_CREAT | O_WRONLY, 0644));
	fd = openat(f->store.images_fd, stale, O_CREAT | O_WRONLY, 0644);
	futimens(fd, old);
	close(fd);
	assert_int_equal(collect(f, false, false, NULL), 0);
	assert_int_equal(faccessat(f->store.layers_fd, ".tmp-x", F_OK, 0), -1);
	assert_int_equal(faccessat(f->store.layers_fd, "someone-elses", F_OK, 0), 0);
	assert_false(fake_layer_exists(&f->store, unknown));
	assert_int_equal(faccessat(f->store.images_fd, "blobs/sha256/.tmp-1", F_OK, 0), -1);
	assert_int_equal(faccessat(f->store.images_fd, fresh, F_OK, 0), 0);
	assert_int_equal(faccessat(f->store.images_fd, stale, F_OK, 0), -1);
	assert_int_equal(collect(f, true, false, NULL), 0);
	assert_int_equal(faccessat(f->store.images_fd, fresh, F_OK, 0), -1);
	assert_int_equal(resolve(f, "one:1", &f->amd64, f->one.config, NULL), 0);
}

static void a_running_transfer_is_left_alone(void **state)
{
	struct fixture *f = *state;
	int lock = image_store_lock(&f->store, false, NULL);
	char **log = NULL;

	assert_true(lock >= 0);
	assert_int_equal(collect(f, true, true, NULL), -EWOULDBLOCK);
	assert_int_equal(count_images(f), 3);
	/* rmi takes the name at once; the content waits for a quiet moment. */
	assert_int_equal(image_remove(&f->store, "one:1", false, NULL, &log, NULL), 0);
	assert_int_equal(strv_length(log), 1);
	strv_free(log);
	assert_true(fake_layer_exists(&f->store, f->one.diff_id));
	close(lock);
	assert_int_equal(collect(f, false, false, NULL), 0);
	assert_false(fake_layer_exists(&f->store, f->one.diff_id));
}

int main(void)
{
#define ROW(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		ROW(names_and_ids_resolve),
		ROW(a_repository_with_a_digest_resolves),
		ROW(what_is_not_there_is_said),
		ROW(any_platform_takes_the_first),
		ROW(damage_is_named),
		ROW(missing_blobs_are_damage),
		ROW(a_damaged_index_file_is_named),
		ROW(hostile_entries_do_no_harm),
		ROW(a_cyclic_index_ends),
		ROW(list_shows_every_platform),
		ROW(tags_come_and_go),
		ROW(an_id_tags_one_platform),
		ROW(a_moved_name_leaves_an_unnamed_image),
		ROW(several_names_need_force),
		ROW(pinned_images_stay),
		ROW(left_overs_are_swept),
		ROW(a_running_transfer_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
