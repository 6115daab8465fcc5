/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-filter.c - filters of the listing verbs, and the times --since and --until take.
 */
#include "unit/test.h"

#include <errno.h>
#include <time.h>

#include "base/clock.h"
#include "front/cli/filter.h"
#include "front/cli/show.h"

#define STRV(...) ((char *const *)(const char *[]){ __VA_ARGS__, NULL })

static bool equals(const char *value, const void *context)
{
	return streq(value, context);
}

static void unknown_filters_are_refused(void **state)
{
	struct error err = { 0 };

	assert_int_equal(filter_check(NULL, "name|status", &err), 0);
	assert_int_equal(
		filter_check(STRV("name=x", "status=", "name==="), "name|status", &err), 0);
	assert_int_equal(filter_check(STRV("name"), "name|status", &err), -EINVAL);
	assert_int_equal(filter_check(STRV("nam=x"), "name|status", &err), -EINVAL);
	assert_int_equal(filter_check(STRV("names=x"), "name|status", &err), -EINVAL);
	assert_int_equal(filter_check(STRV("=x"), "name|status", &err), -EINVAL);
	assert_int_equal(filter_check(STRV("colour=x"), "name|status", &err), -EINVAL);
	assert_string_equal(err.message, "invalid filter \"colour=x\": there are name, status");
}

static void values_of_a_key_are_alternatives(void **state)
{
	char *const *filters = STRV("name=a", "name=b", "status=up");

	assert_true(filter_accepts(filters, "name", equals, "a"));
	assert_true(filter_accepts(filters, "name", equals, "b"));
	assert_false(filter_accepts(filters, "name", equals, "c"));
	assert_true(filter_accepts(filters, "other", equals, "c"));
	assert_true(filter_accepts(NULL, "name", equals, "c"));
	assert_string_equal(filter_value(filters, "status"), "up");
	assert_null(filter_value(filters, "stat"));
}

static void labels_must_all_match(void **state)
{
	char *const *labels = STRV("tier=web", "empty=");

	assert_true(filter_accepts_labels(STRV("label=tier"), "label", labels));
	assert_true(filter_accepts_labels(STRV("label=tier=web", "label=empty"), "label", labels));
	assert_true(filter_accepts_labels(STRV("label=empty="), "label", labels));
	assert_false(filter_accepts_labels(STRV("label=tier", "label=x"), "label", labels));
	assert_false(filter_accepts_labels(STRV("label=tier=we"), "label", labels));
	assert_false(filter_accepts_labels(STRV("label=tie"), "label", labels));
	assert_false(filter_accepts_labels(STRV("label=x"), "label", NULL));
	assert_true(filter_accepts_labels(NULL, "label", NULL));
}

static void bools_are_words(void **state)
{
	struct error err = { 0 };
	bool value;

	assert_int_equal(filter_bool(NULL, "dangling", true, &value, &err), 0);
	assert_true(value);
	assert_int_equal(filter_bool(STRV("dangling=false"), "dangling", true, &value, &err), 0);
	assert_false(value);
	assert_int_equal(filter_bool(STRV("dangling=1"), "dangling", false, &value, &err), 0);
	assert_true(value);
	assert_int_equal(filter_bool(STRV("dangling=maybe"), "dangling", 0, &value, &err), -EINVAL);
}

static void times_are_read_in_dockers_forms(void **state)
{
	int64_t ns, now = clock_realtime_ns();

	setenv("TZ", "UTC", 1);
	tzset();
	assert_int_equal(show_parse_time("2020-01-02T03:04:05Z", &ns, NULL), 0);
	assert_true(ns == INT64_C(1577934245000000000));
	assert_int_equal(show_parse_time("2020-01-02T03:04:05.5+01:00", &ns, NULL), 0);
	assert_true(ns == INT64_C(1577930645500000000));
	assert_int_equal(show_parse_time("2020-01-02T03:04:05", &ns, NULL), 0);
	assert_true(ns == INT64_C(1577934245000000000));
	assert_int_equal(show_parse_time("2020-01-02", &ns, NULL), 0);
	assert_true(ns == INT64_C(1577923200000000000));
	assert_int_equal(show_parse_time("1577934245", &ns, NULL), 0);
	assert_true(ns == INT64_C(1577934245000000000));
	assert_int_equal(show_parse_time("1577934245.25", &ns, NULL), 0);
	assert_true(ns == INT64_C(1577934245250000000));
	assert_int_equal(show_parse_time("10m", &ns, NULL), 0);
	assert_true(ns >= now - INT64_C(600000000000) && ns < now);
	assert_int_equal(show_parse_time("yesterday", &ns, NULL), -EINVAL);
	assert_int_equal(show_parse_time("", &ns, NULL), -EINVAL);
	assert_int_equal(show_parse_time("1.2.3", &ns, NULL), -EINVAL);
	assert_int_equal(show_parse_time("99999999999999999999", &ns, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unknown_filters_are_refused),
		cmocka_unit_test(values_of_a_key_are_alternatives),
		cmocka_unit_test(labels_must_all_match),
		cmocka_unit_test(bools_are_words),
		cmocka_unit_test(times_are_read_in_dockers_forms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
