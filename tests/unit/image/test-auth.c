/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-auth.c - challenges and credential files as registries and Docker write them.
 */
#include "unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/io.h"
#include "image/auth.h"

static void docker_hubs_challenge_parses(void **state)
{
	_cleanup_challenge_ struct auth_challenge c = { 0 };

	assert_int_equal(auth_challenge_parse(
				 "Bearer realm=\"https://auth.docker.io/token\",service=\"registry."
				 "docker.io\",scope=\"repository:library/debian:pull,push\"",
				 &c, NULL),
		0);
	assert_true(c.bearer);
	assert_false(c.basic);
	assert_string_equal(c.realm, "https://auth.docker.io/token");
	assert_string_equal(c.service, "registry.docker.io");
	assert_string_equal(c.scope, "repository:library/debian:pull,push");
}

static void several_challenges_in_one_header_parse(void **state)
{
	_cleanup_challenge_ struct auth_challenge c = { 0 };

	assert_int_equal(auth_challenge_parse("Negotiate dG9rZW4=, Basic realm=\"a, b\" , "
					      "bearer Realm = https://x/t , service=\"q\\\"uoted\"",
				 &c, NULL),
		0);
	assert_true(c.basic && c.bearer);
	assert_string_equal(c.realm, "https://x/t");
	assert_string_equal(c.service, "q\"uoted");
}

static void malformed_challenges_are_refused(void **state)
{
	static const char *const bad[] = { "Bearer realm=\"open", "Bearer realm=\"x\" \"y\"", "\"",
		"Bearer realm=\"a\\" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_challenge_ struct auth_challenge c = { 0 };

		assert_int_equal(auth_challenge_parse(bad[i], &c, NULL), -EPROTO);
	}
}

static void the_best_key_of_a_file_wins(void **state)
{
	static const char text[] =
		"{\"auths\":{\"https://index.docker.io/v1/\":{\"auth\":\"aHViOnB3\"},"
		"\"quay.example\":{\"auth\":\"aG9zdDpwdw==\"},"
		"\"quay.example/team\":{\"auth\":\"dGVhbTpwOnc=\"},"
		"\"token.example\":{\"identitytoken\":\"abc\"}}}";
	static const struct {
		const char *registry, *repository, *user, *password, *token;
	} rows[] = {
		{ "docker.io", "library/x", "hub", "pw", NULL },
		{ "quay.example", "other/x", "host", "pw", NULL },
		{ "quay.example", "team/x", "team", "p:w", NULL },
		{ "quay.example", "teams/x", "host", "pw", NULL },
		{ "token.example", NULL, NULL, NULL, "abc" },
		{ "nowhere.example", "x", NULL, NULL, NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_credentials_ struct auth_credentials c = { 0 };
		char *helper;
		int r = auth_parse_file(text, strlen(text), "file", rows[i].registry,
			rows[i].repository, &c, &helper, NULL);

		assert_int_equal(r, rows[i].user || rows[i].token);
		assert_null(helper);
		assert_true(streq_ptr(c.user, rows[i].user));
		assert_true(streq_ptr(c.password, rows[i].password));
		assert_true(streq_ptr(c.identity_token, rows[i].token));
	}
}

static void helpers_come_before_the_file(void **state)
{
	static const char text[] =
		"{\"auths\":{\"a.example\":{\"auth\":\"aDpw\"}},"
		"\"credHelpers\":{\"a.example\":\"one\"},\"credsStore\":\"all\"}";
	_cleanup_credentials_ struct auth_credentials c = { 0 };
	_cleanup_free_ char *one = NULL, *all = NULL;

	assert_int_equal(
		auth_parse_file(text, strlen(text), "file", "a.example", NULL, &c, &one, NULL), 1);
	assert_string_equal(one, "one");
	assert_int_equal(
		auth_parse_file(text, strlen(text), "file", "b.example", NULL, &c, &all, NULL), 1);
	assert_string_equal(all, "all");
	assert_null(c.user);
}

static void wrong_files_are_told_by_name(void **state)
{
	static const char *const bad[] = { "{", "[]", "{\"auths\":[]}",
		"{\"auths\":{\"h\":{\"auth\":\"!!!\"}}}", "{\"auths\":{\"h\":{\"auth\":\"YWJj\"}}}",
		"{\"credsStore\":\"../x\"}", "{\"credsStore\":7}" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_credentials_ struct auth_credentials c = { 0 };
		struct error err = { 0 };
		char *helper;

		assert_int_equal(auth_parse_file(bad[i], strlen(bad[i]), "the-file", "h", NULL, &c,
					 &helper, &err),
			-EINVAL);
		assert_non_null(strstr(err.message, "the-file"));
	}
}

static void storing_keeps_what_is_there(void **state)
{
	char folder[] = "/tmp/strata-test-auth-XXXXXX";
	_cleanup_free_ char *file = NULL, *text = NULL;
	_cleanup_credentials_ struct auth_credentials found = { 0 };
	struct auth_credentials given = { .user = (char[]){ "u" },
		.password = (char[]){ "p w:1" } };
	struct stat st;

	assert_non_null(mkdtemp(folder));
	file = strf("%s/sub/auth.json", folder);
	assert_int_equal(auth_store(file, "a.example", &given, NULL), 0);
	assert_int_equal(auth_store(file, "docker.io", &given, NULL), 0);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(auth_find(file, "docker.io", "library/x", &found, NULL), 0);
	assert_string_equal(found.user, "u");
	assert_string_equal(found.password, "p w:1");
	assert_int_equal(auth_erase(file, "docker.io", NULL), 0);
	assert_int_equal(auth_erase(file, "docker.io", NULL), -ENOENT);
	assert_int_equal(io_read_file(AT_FDCWD, file, 4096, &text, NULL, NULL), 0);
	assert_non_null(strstr(text, "a.example"));
	assert_null(strstr(text, "docker.io"));
	assert_int_equal(io_remove_tree(AT_FDCWD, folder, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(docker_hubs_challenge_parses),
		cmocka_unit_test(several_challenges_in_one_header_parse),
		cmocka_unit_test(malformed_challenges_are_refused),
		cmocka_unit_test(the_best_key_of_a_file_wins),
		cmocka_unit_test(helpers_come_before_the_file),
		cmocka_unit_test(wrong_files_are_told_by_name),
		cmocka_unit_test(storing_keeps_what_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
