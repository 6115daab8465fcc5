/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-reference.c - references parse as Docker parses them, and what is wrong is refused.
 */
#include "unit/test.h"

#include <errno.h>

#include "image/image.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void names_get_dockers_defaults(void **state)
{
	static const struct {
		const char *text, *full, *familiar;
	} cases[] = {
		{ "debian", "docker.io/library/debian:latest", "debian:latest" },
		{ "debian:12", "docker.io/library/debian:12", "debian:12" },
		{ "docker.io/debian:12", "docker.io/library/debian:12", "debian:12" },
		{ "index.docker.io/library/debian", "docker.io/library/debian:latest",
			"debian:latest" },
		{ "docker.io/library/debian:12", "docker.io/library/debian:12", "debian:12" },
		{ "user/app", "docker.io/user/app:latest", "user/app:latest" },
		{ "docker.io/library/a/b", "docker.io/library/a/b:latest", "library/a/b:latest" },
		{ "localhost/app:1", "localhost/app:1", "localhost/app:1" },
		{ "localhost:5000/a/b/c:x", "localhost:5000/a/b/c:x", "localhost:5000/a/b/c:x" },
		{ "r.example/a", "r.example/a:latest", "r.example/a:latest" },
		{ "Upper/app", "Upper/app:latest", "Upper/app:latest" },
		{ "[::1]:5000/a", "[::1]:5000/a:latest", "[::1]:5000/a:latest" },
		{ "x/a__b--c.d_e:T_.-9", "docker.io/x/a__b--c.d_e:T_.-9", "x/a__b--c.d_e:T_.-9" },
		{ "debian@sha256:" HEX, "docker.io/library/debian@sha256:" HEX,
			"debian@sha256:" HEX },
		{ "debian:12@sha256:" HEX, "docker.io/library/debian:12@sha256:" HEX,
			"debian:12@sha256:" HEX },
		{ "r:1/a:2@sha256:" HEX, "r:1/a:2@sha256:" HEX, "r:1/a:2@sha256:" HEX },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct image_reference ref;
		struct error err = { 0 };
		char *full, *familiar;

		if (image_reference_parse(cases[i].text, &ref, &err) < 0)
			fail_msg("%s: %s", cases[i].text, err.message);
		full = image_reference_full(&ref);
		familiar = image_reference_familiar(&ref);
		assert_string_equal(full, cases[i].full);
		assert_string_equal(familiar, cases[i].familiar);
		free(full);
		free(familiar);
		image_reference_free(&ref);
	}
}

static void wrong_references_are_refused(void **state)
{
	static const char *const cases[] = { "", ":tag", "@sha256:" HEX, "Debian", "a//b", "/a",
		"a/", "a/../b", "..", "a/b/..", "a:", "a:-x", "a:.x", "a:b:c", "a@sha256:12",
		"a@sha512:" HEX, "a@sha256:" HEX "0", "a@", HEX, "a___b", "a-_b", "-a", "a-", "a b",
		"a\nb", "r.example:port/a", "r.example:/a", "-r.example/a", "r..example/a", "[]/a",
		"[::1/a", "\xc3\xa4", "a:t\xc3\xa4g", "r.example/UPPER", "a/B", "a%2f" };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct image_reference ref;
		struct error err = { 0 };

		if (image_reference_parse(cases[i], &ref, &err) != -EINVAL)
			fail_msg("\"%s\" was not refused", cases[i]);
		assert_int_equal(err.code, EINVAL);
		assert_true(err.message[0] != '\0');
	}
}

static void lengths_are_bounded(void **state)
{
	char text[IMAGE_REFERENCE_MAX + 2];
	struct image_reference ref;

	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(image_reference_parse(text, &ref, NULL), -EINVAL);
	/* docker.io/library/ and 237 bytes are 255. */
	text[237] = '\0';
	assert_int_equal(image_reference_parse(text, &ref, NULL), 0);
	image_reference_free(&ref);
	text[237] = 'a';
	text[238] = '\0';
	assert_int_equal(image_reference_parse(text, &ref, NULL), -EINVAL);
	memcpy(text, "a:", 2);
	text[237] = 'a';
	text[2 + 128] = '\0';
	assert_int_equal(image_reference_parse(text, &ref, NULL), 0);
	image_reference_free(&ref);
	text[2 + 128] = 'a';
	text[2 + 129] = '\0';
	assert_int_equal(image_reference_parse(text, &ref, NULL), -EINVAL);
}

static void digests_are_exact(void **state)
{
	assert_true(image_digest_is_valid("sha256:" HEX));
	assert_false(image_digest_is_valid(HEX));
	assert_false(image_digest_is_valid("sha256:" HEX "0"));
	assert_false(image_digest_is_valid("sha256:../../../../../etc/passwd"));
	assert_false(image_digest_is_valid(
		"sha256:0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef"));
	assert_string_equal(image_digest_hex("sha256:" HEX), HEX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_get_dockers_defaults),
		cmocka_unit_test(wrong_references_are_refused),
		cmocka_unit_test(lengths_are_bounded),
		cmocka_unit_test(digests_are_exact),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
