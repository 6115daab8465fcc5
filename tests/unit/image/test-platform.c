/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-platform.c - platforms normalise to Go's names, and variants match downwards only.
 */
#include "unit/test.h"

#include <errno.h>

#include "image/internal.h"

static struct image_platform parse(const char *text)
{
	struct image_platform p;
	struct error err = { 0 };

	if (image_platform_parse(text, &p, &err) < 0)
		fail_msg("%s: %s", text, err.message);
	return p;
}

static void texts_normalise(void **state)
{
	static const struct {
		const char *text, *formatted;
	} cases[] = {
		{ "linux/amd64", "linux/amd64" },
		{ "x86_64", "linux/amd64" },
		{ "linux/x86-64/v1", "linux/amd64" },
		{ "linux/amd64/v3", "linux/amd64/v3" },
		{ "aarch64", "linux/arm64" },
		{ "linux/arm64/v8", "linux/arm64" },
		{ "linux/arm64/8", "linux/arm64" },
		{ "arm", "linux/arm/v7" },
		{ "linux/arm/6", "linux/arm/v6" },
		{ "armel", "linux/arm/v6" },
		{ "riscv64", "linux/riscv64" },
		{ "windows/amd64", "windows/amd64" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct image_platform p = parse(cases[i].text);
		char buf[80];

		image_platform_format(&p, buf, sizeof(buf));
		assert_string_equal(buf, cases[i].formatted);
	}
}

static void wrong_texts_are_refused(void **state)
{
	static const char *const cases[] = { "linux/", "/", "linux/amd64/v2/x", "linux/pdp11",
		"plan9/amd64/v1", "linux/a b", "linux/amd64/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		"linux/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "../amd64" };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct image_platform p;

		if (image_platform_parse(cases[i], &p, NULL) != -EINVAL)
			fail_msg("\"%s\" was not refused", cases[i]);
	}
}

static void the_host_is_the_default(void **state)
{
	struct image_platform host = parse(NULL), linux_only = parse("linux");

	assert_string_equal(host.os, "linux");
	assert_true(host.architecture[0] != '\0');
	assert_memory_equal(&host, &linux_only, sizeof(host));
}

static void variants_match_downwards(void **state)
{
	struct image_platform v7 = parse("linux/arm/v7"), v6 = parse("linux/arm/v6"),
			      v5 = parse("linux/arm/v5"), amd64 = parse("amd64"),
			      amd64_v3 = parse("linux/amd64/v3"), arm64 = parse("arm64");

	assert_true(image_platform_matches(&v7, &v6));
	assert_false(image_platform_matches(&v6, &v7));
	assert_true(image_platform_rank(&v7, &v7) > image_platform_rank(&v7, &v6));
	assert_true(image_platform_rank(&v7, &v6) > image_platform_rank(&v7, &v5));
	assert_true(image_platform_matches(&amd64_v3, &amd64));
	assert_false(image_platform_matches(&amd64, &amd64_v3));
	assert_false(image_platform_matches(&arm64, &v7));
	assert_false(image_platform_matches(&amd64, &arm64));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_normalise),
		cmocka_unit_test(wrong_texts_are_refused),
		cmocka_unit_test(the_host_is_the_default),
		cmocka_unit_test(variants_match_downwards),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
