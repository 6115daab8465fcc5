/* SPDX-License-Identifier: Apache-2.0 */
/*
 * registry.c - the session with a registry: finding it, authentication, refusals.
 *
 * Authentication is driven by what the registry asks for (a 401's WWW-Authenticate), first of all
 * in answer to GET /v2/: then the token for the whole transfer is there before the first real
 * request. registry->authorization is replaced as a whole under the lock; a thread whose request is
 * answered by 401 first looks whether another has renewed it meanwhile.
 */
#include "image/registry.h"

#include <ctype.h>
#include <stdarg.h>

#include "base/json.h"
#include "base/log.h"

#define TAGS_PAGES_MAX 1000

struct registry *registry_close(struct registry *registry)
{
	if (!registry)
		return NULL;
	free(registry->name);
	free(registry->repository);
	free(registry->base);
	free(registry->ca_file);
	free(registry->client_certificate);
	free(registry->client_key);
	strv_free(registry->mount_from);
	auth_credentials_free(&registry->credentials);
	auth_challenge_free(&registry->challenge);
	free(registry->authorization);
	pthread_mutex_destroy(&registry->lock);
	free(registry);
	return NULL;
}

static void cleanup_registry(struct registry **registry)
{
	registry_close(*registry);
}

int registry_client_open(struct registry *registry, struct registry_client *ret, struct error *err)
{
	struct http_options options = {
		.ca_file = registry->options->ca_file ? registry->options->ca_file
						      : registry->ca_file,
		.client_certificate = registry->client_certificate,
		.client_key = registry->client_key,
		.insecure = registry->insecure,
		.stall_timeout_s = registry->options->timeout_s,
		.connect_timeout_s = registry->options->timeout_s,
	};

	ret->registry = registry;
	return http_open(&options, &ret->http, err);
}

void registry_client_close(struct registry_client *client)
{
	client->http = http_close(client->http);
}

/* --- tokens -------------------------------------------------------------------------------- */

static int make_scopes(const struct registry *registry, char ***ret)
{
	_cleanup_strv_ char **scopes = NULL;
	unsigned mounts = 0;

	if (!registry->repository)
		return 0;
	if (strv_pushf(&scopes, "repository:%s:%s", registry->repository,
		    registry->push ? "pull,push" : "pull") < 0)
		return -ENOMEM;
	strv_for_each (from, registry->mount_from) {
		if (mounts++ < REGISTRY_MOUNTS_MAX &&
			strv_pushf(&scopes, "repository:%s:pull", *from) < 0)
			return -ENOMEM;
	}
	*ret = steal_ptr(&scopes);
	return 0;
}

/* The OAuth2 form of a token request, for identity tokens (distribution, spec/auth/oauth.md). */
static char *token_form(
	const struct auth_challenge *challenge, char *const *scopes, const char *identity_token)
{
	_cleanup_free_ char *joined = NULL;
	struct str scope = { 0 }, form = { 0 };
	char *text;

	str_append(&scope, "");
	strv_for_each (s, scopes) {
		if (scope.len)
			str_append_char(&scope, ' ');
		str_append(&scope, *s);
	}
	joined = str_finish(&scope);
	if (!joined)
		return NULL;
	/* http_url_add_query() begins with "?", which a form does not have. */
	str_append(&form, "");
	http_url_add_query(&form, "grant_type", "refresh_token");
	http_url_add_query(&form, "service", challenge->service ? challenge->service : "");
	http_url_add_query(&form, "scope", joined);
	http_url_add_query(&form, "client_id", "strata");
	http_url_add_query(&form, "refresh_token", identity_token);
	text = str_finish(&form);
	if (text)
		memmove(text, text + 1, strlen(text));
	return text;
}

/* Either name is in use; a server that gives both gives the same. */
static int token_from_answer(
	const struct http_response *response, char **ret_authorization, struct error *err)
{
	_cleanup_json_ json_t *answer = NULL;
	const char *token = NULL;
	int r = json_parse(response->body.data ? response->body.data : "", response->body.len,
		"the token server's answer", &answer, err);

	if (r == 0)
		r = json_get_string(answer, "token", &token, "the token server's answer", err);
	if (r == 0 && !token)
		r = json_get_string(
			answer, "access_token", &token, "the token server's answer", err);
	if (r < 0)
		return r;
	if (!token || !*token || strpbrk(token, "\r\n"))
		return error_set(err, EPROTO, "the token server's answer holds no token");
	*ret_authorization = strf("Bearer %s", token);
	return *ret_authorization ? 0 : error_oom(err);
}

static int check_realm(const struct registry *registry, struct error *err)
{
	const char *realm = registry->challenge.realm;

	if (!realm || !(str_after_prefix(realm, "https://") || str_after_prefix(realm, "http://")))
		return error_set(err, EPROTO, "%s asks for a token without saying where to get it",
			registry->name);
	if (str_after_prefix(registry->base, "https://") && str_after_prefix(realm, "http://") &&
		!registry->insecure)
		return error_set(err, EPROTO,
			"%s wants credentials sent over plain http to %.200s, which is refused",
			registry->name, realm);
	return 0;
}

/* Ask the token server. Called with the lock held: other threads wait for the same token. */
static int fetch_token(struct registry_client *client, char **ret, struct error *err)
{
	struct registry *registry = client->registry;
	const struct auth_credentials *who = &registry->credentials;
	_cleanup_http_response_ struct http_response response = { 0 };
	_cleanup_strv_ char **scopes = NULL, **headers = NULL;
	_cleanup_free_ char *url = NULL, *basic = NULL, *form = NULL;
	struct http_request request = { .method = "GET", .body_max = REGISTRY_TOKEN_MAX };
	int r = check_realm(registry, err);

	if (r < 0)
		return r;
	if (make_scopes(registry, &scopes) < 0)
		return error_oom(err);
	url = registry_token_url(
		&registry->challenge, scopes, who->user, who->identity_token == NULL);
	if (who->identity_token) {
		form = token_form(&registry->challenge, scopes, who->identity_token);
		if (!form ||
			strv_push(&headers, "Content-Type: application/x-www-form-urlencoded") < 0)
			return error_oom(err);
		request.method = "POST";
		request.body = form;
		request.body_size = strlen(form);
		request.headers = headers;
	} else if (who->user) {
		basic = auth_basic(who->user, who->password);
		if (!basic)
			return error_oom(err);
		request.authorization = basic;
	}
	if (!url)
		return error_oom(err);
	request.url = url;
	r = http_perform(client->http, &request, &response, err);
	if (r < 0)
		return error_prefix(err, "cannot get a token for %s", registry->name);
	if (response.status < 200 || response.status > 299)
		return registry_refused(
			registry, &response, err, "cannot get a token for %s", registry->name);
	return token_from_answer(&response, ret, err);
}

/* Keep what a 401 asks for; what it does not say (some say nothing the second time) stays. */
static int take_challenge(
	struct registry *registry, const struct http_response *response, struct error *err)
{
	struct auth_challenge challenge = { 0 };

	strv_for_each (line, response->headers) {
		const char *value = str_after_prefix(*line, "www-authenticate: ");
		int r = value ? auth_challenge_parse(value, &challenge, err) : 0;

		if (r < 0) {
			auth_challenge_free(&challenge);
			return r;
		}
	}
	if (!challenge.basic && !challenge.bearer) {
		auth_challenge_free(&challenge);
		return 0;
	}
	auth_challenge_free(&registry->challenge);
	registry->challenge = challenge;
	return 0;
}

/* Answer a 401. `used` is the authorization it refused. Returns 1 when there is a new one. */
static int renew(struct registry_client *client, const struct http_response *response,
	const char *used, struct error *err)
{
	struct registry *registry = client->registry;
	_cleanup_free_ char *fresh = NULL;
	int r = 0;

	pthread_mutex_lock(&registry->lock);
	if (!streq_ptr(registry->authorization, used)) {
		pthread_mutex_unlock(&registry->lock);
		return 1;
	}
	r = take_challenge(registry, response, err);
	if (r == 0 && registry->challenge.bearer)
		r = fetch_token(client, &fresh, err);
	else if (r == 0 && registry->challenge.basic && registry->credentials.user) {
		fresh = auth_basic(registry->credentials.user, registry->credentials.password);
		r = fresh ? 0 : error_oom(err);
	}
	/* The same again would be refused again. */
	if (r == 0 && fresh && !streq_ptr(fresh, used)) {
		free(registry->authorization);
		registry->authorization = steal_ptr(&fresh);
		r = 1;
	}
	pthread_mutex_unlock(&registry->lock);
	return r;
}

static char *current_authorization(struct registry *registry, bool *failed)
{
	char *copy = NULL;

	pthread_mutex_lock(&registry->lock);
	if (registry->authorization) {
		copy = strdup(registry->authorization);
		*failed = !copy;
	}
	pthread_mutex_unlock(&registry->lock);
	return copy;
}

int registry_perform(struct registry_client *client, const struct http_request *request,
	struct http_response *ret, struct error *err)
{
	_cleanup_free_ char *url = NULL;
	struct http_request copy = *request;

	url = request->url[0] == '/' ? strf("%s%s", client->registry->base, request->url)
				     : strdup(request->url);
	if (!url)
		return error_oom(err);
	copy.url = url;
	for (int round = 0;; round++) {
		_cleanup_http_response_ struct http_response response = { 0 };
		_cleanup_free_ char *authorization = NULL;
		bool failed = false;
		int r;

		authorization = current_authorization(client->registry, &failed);
		if (failed)
			return error_oom(err);
		copy.authorization = http_url_same_origin(client->registry->base, url)
			? authorization
			: NULL;
		r = http_perform(client->http, &copy, &response, err);
		if (r < 0)
			return r;
		if (response.status == 401 && round == 0) {
			r = renew(client, &response, authorization, err);
			if (r < 0)
				return r;
			if (r > 0)
				continue;
		}
		*ret = response;
		response = (struct http_response){ 0 };
		return 0;
	}
}

/* --- refusals ------------------------------------------------------------------------------ */

/* The registry's own words (distribution-spec "error codes"), printable and cut; "" when none. */
static void registry_words(const struct http_response *response, char *buf, size_t size)
{
	json_t *root = json_loadb(
		response->body.data ? response->body.data : "", response->body.len, 0, NULL);
	const json_t *first = json_array_get(json_object_get(root, "errors"), 0);
	const char *message = json_string_value(json_object_get(first, "message"));
	const char *code = json_string_value(json_object_get(first, "code"));

	if (!message || !*message)
		message = json_string_value(json_object_get(root, "details"));
	if (message && *message)
		snprintf(buf, size, ": %.300s", message);
	else if (code)
		snprintf(buf, size, ": %.100s", code);
	else
		buf[0] = '\0';
	for (char *p = buf; *p; p++)
		if (iscntrl((unsigned char)*p))
			*p = ' ';
	json_decref(root);
}

int registry_refused(const struct registry *registry, const struct http_response *response,
	struct error *err, const char *fmt, ...)
{
	bool known = registry->credentials.user || registry->credentials.identity_token;
	char what[400], words[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	registry_words(response, words, sizeof(words));
	switch (response->status) {
	case 401:
		if (known)
			return error_set(err, EACCES,
				"%s: %s does not accept the credentials for it%s", what,
				registry->name, words);
		return error_set(err, EACCES, "%s: %s wants a login (strata login %s)%s", what,
			registry->name, registry->name, words);
	case 403:
		return error_set(err, EACCES, "%s: %s denies it%s", what, registry->name, words);
	case 404:
		return error_set(
			err, ENOENT, "%s: %s does not have it%s", what, registry->name, words);
	case 429:
		return error_set(err, EBUSY, "%s: %s has had too many requests%s", what,
			registry->name, words);
	default:
		return error_set(err, EIO, "%s: %s answers with status %d%s", what, registry->name,
			response->status, words);
	}
}

/* --- opening ------------------------------------------------------------------------------- */

/* Ask one address for its API, and answer its challenge. */
static int ping(struct registry *registry, struct error *err)
{
	_cleanup_(registry_client_close) struct registry_client client = { 0 };
	_cleanup_http_response_ struct http_response response = { 0 };
	const struct http_request request = {
		.method = "GET",
		.url = "/v2/",
		.body_max = HTTP_ERROR_BODY_MAX,
	};
	int r = registry_client_open(registry, &client, err);

	if (r == 0)
		r = registry_perform(&client, &request, &response, err);
	if (r < 0)
		return r;
	if (response.status == 200 || response.status == 401)
		return 0;
	if (response.status == 404)
		return error_set(
			err, EPROTO, "%s is no image registry: it has no /v2/", registry->name);
	return registry_refused(registry, &response, err, "cannot talk to the registry");
}

/* What plain HTTP on a TLS port looks like, and nothing listening at all. */
static bool may_be_plain(int r)
{
	return r == -EPROTO || r == -ECONNREFUSED || r == -EPIPE;
}

static int find_address(struct registry *registry, struct error *err)
{
	const struct image_transfer_options *options = registry->options;
	bool http_allowed = options->plain_http || registry_is_loopback(registry->name);
	bool http_only = options->plain_http && !options->insecure;
	const char *host = registry_host(registry->name);
	int r = -EPROTO;

	registry->insecure = options->insecure;
	if (!http_only) {
		registry->base = strf("https://%s", host);
		if (!registry->base)
			return error_oom(err);
		r = ping(registry, err);
		if (!http_allowed || !may_be_plain(r))
			return r;
		log_debug("no https at %s, trying http", host);
		error_clear(err);
	}
	free(registry->base);
	registry->base = strf("http://%s", host);
	return registry->base ? ping(registry, err) : error_oom(err);
}

static int copy_credentials(struct registry *registry, const struct auth_credentials *from)
{
	struct auth_credentials *to = &registry->credentials;

	to->user = from->user ? strdup(from->user) : NULL;
	to->password = from->password ? strdup(from->password) : NULL;
	to->identity_token = from->identity_token ? strdup(from->identity_token) : NULL;
	return (from->user && !to->user) || (from->password && !to->password) ||
			(from->identity_token && !to->identity_token)
		? -ENOMEM
		: 0;
}

int registry_open(const char *name, const char *repository, bool push,
	const struct image_transfer_options *options, const struct auth_credentials *credentials,
	struct registry **ret, struct error *err)
{
	_cleanup_(cleanup_registry) struct registry *registry = calloc(1, sizeof(*registry));
	int r;

	if (!registry)
		return error_oom(err);
	pthread_mutex_init(&registry->lock, NULL);
	registry->options = options;
	registry->push = push;
	registry->name = strdup(name);
	registry->repository = repository ? strdup(repository) : NULL;
	if (!registry->name || (repository && !registry->repository))
		return error_oom(err);
	r = registry_find_certificates(name, &registry->ca_file, &registry->client_certificate,
		&registry->client_key, err);
	if (r == 0 && credentials)
		r = copy_credentials(registry, credentials) < 0 ? error_oom(err) : 0;
	else if (r == 0)
		r = auth_find(options->auth_file, name, repository, &registry->credentials, err);
	if (r == 0)
		r = find_address(registry, err);
	if (r < 0)
		return r;
	*ret = steal_ptr(&registry);
	return 0;
}

/* --- tags ---------------------------------------------------------------------------------- */

static int tags_page(struct registry_client *client, const char *url, char ***tags, char **ret_next,
	struct error *err)
{
	_cleanup_http_response_ struct http_response response = { 0 };
	const struct http_request request = {
		.method = "GET",
		.url = url,
		.body_max = IMAGE_MANIFEST_MAX,
	};
	_cleanup_json_ json_t *answer = NULL;
	_cleanup_strv_ char **page = NULL;
	_cleanup_free_ char *next = NULL;
	int r = registry_perform(client, &request, &response, err);

	if (r < 0)
		return r;
	if (response.status != 200)
		return registry_refused(client->registry, &response, err,
			"cannot list the tags of %s", client->registry->repository);
	r = json_parse(response.body.data ? response.body.data : "", response.body.len,
		"the list of tags", &answer, err);
	if (r == 0)
		r = json_get_strv(answer, "tags", &page, "the list of tags", err);
	if (r < 0)
		return r;
	strv_for_each (tag, page)
		if (strv_push(tags, *tag) < 0)
			return error_oom(err);
	next = registry_next_link(http_response_header(&response, "link"));
	*ret_next = next ? http_url_resolve(response.url, next) : NULL;
	return 0;
}

int registry_tags(struct registry_client *client, char ***ret, struct error *err)
{
	_cleanup_strv_ char **tags = NULL;
	_cleanup_free_ char *url = registry_path(client->registry->repository, "tags/list");

	if (!url)
		return error_oom(err);
	for (int pages = 0; url; pages++) {
		char *next = NULL;
		int r = pages < TAGS_PAGES_MAX
			? tags_page(client, url, &tags, &next, err)
			: error_set(err, EFBIG, "the list of tags has no end");

		if (r < 0)
			return r;
		free(url);
		url = next;
	}
	*ret = steal_ptr(&tags);
	return 0;
}
