/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-mount-options.c - mount words become the right flags for mount(2) and mount_setattr(2).
 */
#include "unit/test.h"

#include <sys/mount.h>

#include "container/mount-options.h"

static int parse(const char *type, const char *words, struct mount_options *ret, struct error *err)
{
	char **options = *words ? strv_split(words, ',') : NULL;
	char destination[] = "/x";
	struct container_mount mount = {
		.destination = destination,
		.type = (char *)(uintptr_t)type,
		.options = options,
	};
	int r = mount_options_parse(&mount, ret, err);

	strv_free(options);
	return r;
}

static void file_systems_get_flags_and_data(void **state)
{
	struct mount_options o;
	struct error error = { 0 };

	assert_int_equal(
		parse("tmpfs", "ro,nosuid,strictatime,mode=755,size=64k,rw", &o, &error), 0);
	assert_true(o.flags == (MS_NOSUID | MS_STRICTATIME));
	assert_string_equal(o.data.data, "mode=755,size=64k");
	assert_false(o.bind);
	mount_options_free(&o);
	assert_int_equal(parse("tmpfs", "tmpcopyup,noatime,relatime", &o, &error), 0);
	assert_true(o.copy_up);
	assert_true(o.flags == MS_RELATIME);
	mount_options_free(&o);
}

static void binds_get_attributes(void **state)
{
	struct mount_options o;
	struct error error = { 0 };

	assert_int_equal(parse(NULL, "rbind,ro,nodev,noatime,rslave", &o, &error), 0);
	assert_true(o.bind && o.recursive);
	assert_true(o.set == (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOATIME));
	assert_true(o.clear == MOUNT_ATTR__ATIME);
	assert_true(o.propagation == MS_SLAVE && o.propagation_recursive);
	assert_true(o.set_recursive == 0);
	mount_options_free(&o);
	assert_int_equal(parse("bind", "rro", &o, &error), 0);
	assert_true(o.set_recursive == MOUNT_ATTR_RDONLY && o.set == 0);
	mount_options_free(&o);
	assert_int_equal(parse("bind", "bind,ro,rw,rsuid", &o, &error), 0);
	assert_true(o.set == 0 && o.clear == MOUNT_ATTR_RDONLY);
	assert_true(o.set_recursive == 0 && o.clear_recursive == MOUNT_ATTR_NOSUID);
	mount_options_free(&o);
	assert_int_equal(parse("none", "bind,remount,ro", &o, &error), 0);
	assert_true(o.bind && o.remount && o.set == MOUNT_ATTR_RDONLY);
	mount_options_free(&o);
	assert_int_equal(parse("none", "rbind,ridmap", &o, &error), 0);
	assert_true(o.id_mapped && o.id_mapped_recursive);
	mount_options_free(&o);
	/* Of no use, but for a warning. */
	assert_int_equal(parse("bind", "size=1,ro", &o, &error), 0);
	assert_true(o.set == MOUNT_ATTR_RDONLY);
	assert_string_equal(o.data.data, "size=1");
	mount_options_free(&o);
}

/* runtime-spec config.md, "Linux mount options". */
static void every_word_of_the_specification_is_known(void **state)
{
	static const char *const words[] = { "async", "atime", "bind", "defaults", "dev",
		"diratime", "dirsync", "exec", "iversion", "lazytime", "loud", "mand", "noatime",
		"nodev", "nodiratime", "noexec", "noiversion", "nolazytime", "nomand", "norelatime",
		"nostrictatime", "nosuid", "nosymfollow", "private", "ratime", "rbind", "rdev",
		"rdiratime", "relatime", "remount", "rexec", "rnoatime", "rnodiratime", "rnoexec",
		"rnorelatime", "rnostrictatime", "rnosuid", "rnosymfollow", "ro", "rprivate",
		"rrelatime", "rro", "rrw", "rshared", "rslave", "rstrictatime", "rsuid",
		"rsymfollow", "runbindable", "rw", "shared", "silent", "slave", "strictatime",
		"suid", "symfollow", "sync", "unbindable", "idmap", "ridmap" };
	struct mount_options o;
	struct error error = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (!streq(words[i], "remount"))
			assert_int_equal(parse("bind", words[i], &o, &error), 0);
		else
			assert_int_equal(parse("tmpfs", words[i], &o, &error), 0);
		assert_int_equal(o.data.len, 0);
		mount_options_free(&o);
	}
}

/* What `strata-runtime features` promises: no word of the list is taken for a file system's. */
static void every_listed_word_is_known(void **state)
{
	char **words = NULL;
	struct mount_options o;
	struct error error = { 0 };

	assert_int_equal(mount_options_list(&words), 0);
	assert_true(strv_contains(words, "rro"));
	strv_for_each (word, words) {
		bool of_file_systems = streq(*word, "remount") || streq(*word, "tmpcopyup");

		assert_int_equal(parse(of_file_systems ? "tmpfs" : "bind", *word, &o, &error), 0);
		assert_int_equal(o.data.len, 0);
		mount_options_free(&o);
	}
	strv_free(words);
}

static void nonsense_is_refused(void **state)
{
	struct mount_options o;
	struct error error = { 0 };

	assert_int_equal(parse(NULL, "ro", &o, &error), -EINVAL);
	assert_int_equal(parse("proc", "tmpcopyup", &o, &error), -EINVAL);
	assert_int_equal(parse("tmpfs", "idmap", &o, &error), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(file_systems_get_flags_and_data),
		cmocka_unit_test(binds_get_attributes),
		cmocka_unit_test(every_word_of_the_specification_is_known),
		cmocka_unit_test(every_listed_word_is_known),
		cmocka_unit_test(nonsense_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
