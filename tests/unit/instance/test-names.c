/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-names.c - names are Docker's, random ones are valid, and a name belongs to one instance.
 */
#include "unit/test.h"

#include "fake.h"

static void names_follow_dockers_rules(void **state)
{
	char long_name[INSTANCE_NAME_MAX + 2];

	assert_true(instance_name_is_valid("web"));
	assert_true(instance_name_is_valid("w1"));
	assert_true(instance_name_is_valid("9_.-x"));
	assert_false(instance_name_is_valid(""));
	assert_false(instance_name_is_valid("a"));
	assert_false(instance_name_is_valid("_web"));
	assert_false(instance_name_is_valid("-web"));
	assert_false(instance_name_is_valid("we b"));
	assert_false(instance_name_is_valid("../etc"));
	assert_false(instance_name_is_valid("a/b"));
	memset(long_name, 'a', sizeof(long_name));
	long_name[INSTANCE_NAME_MAX] = '\0';
	assert_true(instance_name_is_valid(long_name));
	long_name[INSTANCE_NAME_MAX] = 'a';
	long_name[INSTANCE_NAME_MAX + 1] = '\0';
	assert_false(instance_name_is_valid(long_name));
}

static void random_names_are_valid_and_differ(void **state)
{
	char first[INSTANCE_NAME_MAX], other[INSTANCE_NAME_MAX];
	bool differs = false;

	instance_name_random(first, sizeof(first), 0);
	for (unsigned i = 0; i < 200; i++) {
		instance_name_random(other, sizeof(other), i % 3);
		assert_true(instance_name_is_valid(other));
		assert_non_null(strchr(other, '_'));
		differs = differs || !streq(first, other);
	}
	assert_true(differs);
}

static void a_name_is_taken_once(void **state)
{
	struct fake_roots *fake = *state;
	struct instance_spec spec;
	struct container_config config;
	struct instance one, two;
	struct error err = { 0 };

	fake_instance(&spec, &config, "web", "true");
	assert_int_equal(instance_create(&fake->roots, &spec, &config, &one, &err), 0);
	fake_instance(&spec, &config, "web", "true");
	assert_int_equal(instance_create(&fake->roots, &spec, &config, &two, &err), -EEXIST);
	assert_non_null(strstr(err.message, "\"web\" is in use by instance"));
	assert_int_equal(instance_rename(&one, "shop", &err), 0);
	fake_instance(&spec, &config, "web", "true");
	assert_int_equal(instance_create(&fake->roots, &spec, &config, &two, &err), 0);
	assert_int_equal(instance_rename(&two, "shop", &err), -EEXIST);
	assert_string_equal(two.spec.name, "web");
	instance_close(&one);
	instance_close(&two);
	assert_int_equal(instance_load(&fake->roots, "shop", &one, &err), 0);
	assert_string_equal(one.spec.name, "shop");
	instance_close(&one);
}

static void a_stale_name_is_taken_over(void **state)
{
	struct fake_roots *fake = *state;
	char dead[INSTANCE_ID_LEN + 1], id[INSTANCE_ID_LEN + 1], found[INSTANCE_ID_LEN + 1];
	struct error err = { 0 };

	io_random_hex(dead, INSTANCE_ID_LEN / 2);
	io_random_hex(id, INSTANCE_ID_LEN / 2);
	assert_int_equal(instance_name_take(&fake->roots, "web", dead, &err), 0);
	assert_int_equal(instance_name_take(&fake->roots, "web", id, &err), 0);
	assert_int_equal(instance_name_resolve(&fake->roots, "web", found), 0);
	assert_string_equal(found, id);
	/* One that does not hold it cannot drop it. */
	instance_name_drop(&fake->roots, "web", dead);
	assert_int_equal(instance_name_resolve(&fake->roots, "web", found), 0);
	instance_name_drop(&fake->roots, "web", id);
	assert_int_equal(instance_name_resolve(&fake->roots, "web", found), -ENOENT);
}

static void prefixes_of_ids_find(void **state)
{
	struct fake_roots *fake = *state;
	struct instance_spec spec;
	struct container_config config;
	struct instance one, found;
	struct error err = { 0 };
	char prefix[13];

	fake_instance(&spec, &config, NULL, "true");
	assert_int_equal(instance_create(&fake->roots, &spec, &config, &one, &err), 0);
	assert_true(instance_name_is_valid(one.spec.name));
	snprintf(prefix, sizeof(prefix), "%.12s", one.id);
	assert_int_equal(instance_load(&fake->roots, prefix, &found, &err), 0);
	assert_string_equal(found.id, one.id);
	instance_close(&found);
	assert_int_equal(instance_load(&fake->roots, "nosuch", &found, &err), -ENOENT);
	assert_string_equal(err.message, "no such instance: nosuch");
	assert_int_equal(instance_load(&fake->roots, "../x", &found, &err), -ENOENT);
	assert_int_equal(instance_load(&fake->roots, "", &found, &err), -ENOENT);
	instance_close(&one);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_follow_dockers_rules),
		cmocka_unit_test(random_names_are_valid_and_differ),
		cmocka_unit_test_setup_teardown(a_name_is_taken_once, fake_setup, fake_teardown),
		cmocka_unit_test_setup_teardown(
			a_stale_name_is_taken_over, fake_setup, fake_teardown),
		cmocka_unit_test_setup_teardown(prefixes_of_ids_find, fake_setup, fake_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
