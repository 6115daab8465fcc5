/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transfer-login.c - credentials are tried before they are kept.
 */
#include "image/transfer-internal.h"

/* What people type after `login`: a host, perhaps as a web address. */
static char *registry_of(const char *text, struct error *err)
{
	const char *host = str_after_prefix(text, "https://");
	char *name;

	host = host ? host : str_after_prefix(text, "http://");
	host = host ? host : text;
	name = strndup(host, strcspn(host, "/"));
	if (!name)
		error_oom(err);
	else if (streq(name, "index.docker.io") || streq(name, "registry-1.docker.io"))
		strcpy(name, "docker.io");
	return name;
}

/* With the credentials, /v2/ must not answer 401 any more. */
static int try_credentials(struct registry *registry, struct error *err)
{
	struct registry_client client = { 0 };
	_cleanup_http_response_ struct http_response response = { 0 };
	const struct http_request request = {
		.method = "GET",
		.url = "/v2/",
		.body_max = HTTP_ERROR_BODY_MAX,
	};
	int r = registry_client_open(registry, &client, err);

	if (r < 0)
		return r;
	r = registry_perform(&client, &request, &response, err);
	if (r == 0 && response.status != 200)
		r = registry_refused(registry, &response, err, "cannot log in");
	registry_client_close(&client);
	return r;
}

int image_login(const char *text, const char *user, const char *password,
	const struct image_transfer_options *options, struct error *err)
{
	_cleanup_free_ char *name = registry_of(text, err);
	struct auth_credentials credentials = {
		.user = (char *)(uintptr_t)user,
		.password = (char *)(uintptr_t)password,
	};
	struct registry *registry = NULL;
	int r;

	if (!name)
		return -ENOMEM;
	if (!*name)
		return error_set(err, EINVAL, "\"%s\" names no registry", text);
	if (strchr(user, ':'))
		return error_set(err, EINVAL, "a user name cannot hold a colon");
	r = registry_open(name, NULL, false, options, &credentials, &registry, err);
	if (r == 0)
		r = try_credentials(registry, err);
	if (r == 0)
		r = auth_store(options->auth_file, name, &credentials, err);
	registry_close(registry);
	return r;
}

int image_logout(const char *text, const char *auth_file, struct error *err)
{
	_cleanup_free_ char *name = registry_of(text, err);

	return name ? auth_erase(auth_file, name, err) : -ENOMEM;
}
