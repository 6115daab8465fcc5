/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-registry.c - addresses of registries, and what their documents are taken for.
 */
#include "unit/test.h"

#include <errno.h>

#include "image/transfer-internal.h"

static void loopback_is_told_from_the_rest(void **state)
{
	static const char *const yes[] = { "localhost", "localhost:5000", "127.0.0.1:80",
		"127.9.9.9", "[::1]:5000", "[::1]" };
	static const char *const no[] = { "localhost.example", "128.0.0.1",
		"127.0.0.1.example:5000", "[::2]:5000", "docker.io", "127.1" };

	for (size_t i = 0; i < ARRAY_SIZE(yes); i++)
		assert_true(registry_is_loopback(yes[i]));
	for (size_t i = 0; i < ARRAY_SIZE(no); i++)
		assert_false(registry_is_loopback(no[i]));
}

static void token_urls_carry_service_and_scopes(void **state)
{
	struct auth_challenge c = { .realm = (char[]){ "https://auth.example/token?a=b" },
		.service = (char[]){ "reg istry" } };
	char *scopes[] = { (char[]){ "repository:x/y:pull" }, (char[]){ "repository:z:pull" },
		NULL };
	_cleanup_free_ char *all = registry_token_url(&c, scopes, "me", true);
	_cleanup_free_ char *bare = registry_token_url(&c, scopes, "me", false);

	assert_string_equal(all,
		"https://auth.example/token?a=b&service=reg%20istry&scope=repository%3Ax%2Fy%3Apull"
		"&scope=repository%3Az%3Apull&account=me");
	assert_string_equal(bare, c.realm);
}

static void next_links_parse(void **state)
{
	_cleanup_free_ char *next = registry_next_link(
		"</v2/x/tags/list?n=2&last=b>; rel=\"next\"");

	assert_string_equal(next, "/v2/x/tags/list?n=2&last=b");
	assert_null(registry_next_link(NULL));
	assert_null(registry_next_link("<x>; rel=\"prev\""));
	assert_null(registry_next_link("<x; rel=\"next\""));
}

static void urls_resolve_and_compare(void **state)
{
	_cleanup_free_ char *relative = http_url_resolve(
		"https://h.example:5000/v2/x/", "../y?z=1");
	_cleanup_free_ char *other = http_url_resolve("https://h.example/v2/", "//o.example/q");
	_cleanup_free_ char *escaped = http_url_escape("a/b c~");

	assert_string_equal(relative, "https://h.example:5000/v2/y?z=1");
	assert_string_equal(other, "https://o.example/q");
	assert_null(http_url_resolve("https://h.example/", "file:///etc/passwd"));
	assert_string_equal(escaped, "a%2Fb%20c~");
	assert_true(http_url_same_origin("https://h.example/x", "https://H.example:443/y"));
	assert_false(http_url_same_origin("https://h.example/", "http://h.example/"));
	assert_false(http_url_same_origin("https://h.example/", "https://h.example:444/"));
	assert_false(http_url_same_origin("https://h.example/", "https://h.example.evil/"));
	assert_false(http_url_same_origin("https://h.example/", "nonsense"));
}

static void documents_are_classified(void **state)
{
	static const struct {
		const char *text, *content_type, *media_type;
		int r;
	} rows[] = {
		{ "{\"schemaVersion\":2,\"layers\":[]}", NULL, IMAGE_TYPE_OCI_MANIFEST, 0 },
		{ "{\"schemaVersion\":2,\"layers\":[]}", IMAGE_TYPE_DOCKER_MANIFEST "; charset=x",
			IMAGE_TYPE_DOCKER_MANIFEST, 0 },
		{ "{\"manifests\":[],\"mediaType\":\"" IMAGE_TYPE_DOCKER_LIST "\"}",
			IMAGE_TYPE_OCI_INDEX, IMAGE_TYPE_DOCKER_LIST, 0 },
		{ "{\"manifests\":[]}", "text/plain", IMAGE_TYPE_OCI_INDEX, 0 },
		{ "{\"schemaVersion\":1,\"fsLayers\":[]}", NULL, NULL, -EPROTONOSUPPORT },
		{ "{\"layers\":[],\"manifests\":[]}", NULL, NULL, -EBADMSG },
		{ "{}", NULL, NULL, -EBADMSG },
		{ "{\"layers\":[]}", IMAGE_TYPE_OCI_INDEX, NULL, -EBADMSG },
		{ "{\"layers\":[],\"mediaType\":\"x/y\"}", NULL, NULL, -EPROTONOSUPPORT },
		{ "{\"schemaVersion\":\"2\",\"layers\":[]}", NULL, NULL, -EINVAL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_json_ json_t *j = json_loads(rows[i].text, 0, NULL);
		const char *media_type = NULL;

		assert_int_equal(transfer_classify_manifest(
					 j, rows[i].content_type, &media_type, "it", NULL),
			rows[i].r);
		assert_true(streq_ptr(media_type, rows[i].media_type));
	}
}

static void layers_are_taken_once(void **state)
{
	struct transfer_layers layers = { 0 };
	char a[IMAGE_DIGEST_LEN + 1], diff[IMAGE_DIGEST_LEN + 1];

	snprintf(a, sizeof(a), "sha256:%064d", 1);
	snprintf(diff, sizeof(diff), "sha256:%064d", 2);
	assert_int_equal(transfer_layers_add(&layers, a, 5, diff, NULL), 0);
	assert_int_equal(transfer_layers_add(&layers, a, 5, diff, NULL), 0);
	assert_int_equal(layers.count, 1);
	assert_int_equal(transfer_layers_add(&layers, a, 6, diff, NULL), -EBADMSG);
	assert_int_equal(transfer_layers_add(&layers, a, 5, a, NULL), -EBADMSG);
	free(layers.items);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loopback_is_told_from_the_rest),
		cmocka_unit_test(token_urls_carry_service_and_scopes),
		cmocka_unit_test(next_links_parse),
		cmocka_unit_test(urls_resolve_and_compare),
		cmocka_unit_test(documents_are_classified),
		cmocka_unit_test(layers_are_taken_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
