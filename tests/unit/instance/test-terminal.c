/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-terminal.c - the detach keys are found however they are typed, and what is not them is
 * passed on unchanged.
 */
#include "unit/test.h"

#include "instance/client.h"

static void keys_parse_as_dockers(void **state)
{
	struct detach_matcher m;
	struct error err = { 0 };

	assert_int_equal(detach_matcher_init(&m, NULL, &err), 0);
	assert_int_equal(m.nr_keys, 2);
	assert_int_equal(m.keys[0], 16);
	assert_int_equal(m.keys[1], 17);
	assert_int_equal(detach_matcher_init(&m, "", &err), 0);
	assert_int_equal(m.nr_keys, 0);
	assert_int_equal(detach_matcher_init(&m, "a,ctrl-@,ctrl-_,ctrl-Z", &err), 0);
	assert_int_equal(m.nr_keys, 4);
	assert_int_equal(m.keys[0], 'a');
	assert_int_equal(m.keys[1], 0);
	assert_int_equal(m.keys[2], 31);
	assert_int_equal(m.keys[3], 26);
	assert_int_equal(detach_matcher_init(&m, "ctrl-1", &err), -EINVAL);
	assert_int_equal(detach_matcher_init(&m, "ab", &err), -EINVAL);
	assert_int_equal(detach_matcher_init(&m, "a,,b", &err), -EINVAL);
	assert_int_equal(
		detach_matcher_init(&m, "a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a", &err), -EINVAL);
}

/* Feed `in` in pieces of `piece` bytes; returns whether it detached. */
static bool feed(const char *keys, const char *in, size_t piece, char *out)
{
	struct detach_matcher m;
	char part[256];
	size_t len = strlen(in), used = 0, got;

	assert_int_equal(detach_matcher_init(&m, keys, NULL), 0);
	for (size_t at = 0; at < len; at += piece) {
		size_t n = len - at < piece ? len - at : piece;
		bool done = detach_matcher_feed(&m, in + at, n, part, &got);

		assert_true(got <= n + DETACH_KEYS_MAX);
		memcpy(out + used, part, got);
		used += got;
		out[used] = '\0';
		if (done)
			return true;
	}
	return false;
}

static void sequences_are_found_in_pieces(void **state)
{
	char out[512];

	for (size_t piece = 1; piece < 9; piece++) {
		assert_true(feed("ctrl-p,ctrl-q", "ab\x10\x11zz", piece, out));
		assert_string_equal(out, "ab");
		assert_false(feed("ctrl-p,ctrl-q", "ab\x10x\x11", piece, out));
		assert_string_equal(out, "ab\x10x\x11");
		assert_true(feed("ctrl-p,ctrl-q", "\x10\x10\x11", piece, out));
		assert_string_equal(out, "\x10");
		assert_false(feed("", "\x10\x11", piece, out));
		assert_string_equal(out, "\x10\x11");
		/* An overlap: the end of what failed begins the sequence again. */
		assert_true(feed("a,a,b", "aaab", piece, out));
		assert_string_equal(out, "a");
		assert_true(feed("a,b,a,c", "ababac", piece, out));
		assert_string_equal(out, "ab");
		/* Begun but not finished: held back. */
		assert_false(feed("ctrl-p,ctrl-q", "x\x10", piece, out));
		assert_string_equal(out, "x");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_parse_as_dockers),
		cmocka_unit_test(sequences_are_found_in_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
