/* SPDX-License-Identifier: Apache-2.0 */
/*
 * auth.c - Docker's credential files and the docker-credential-* helpers.
 *
 * The file is somebody else's too (docker, podman, skopeo): what we do not know in it is kept, it
 * is replaced atomically, and a symbolic link stays one. The helper protocol is that of
 * docker-credential-helpers: the verb is the argument, the server or a JSON object the input.
 */
#include "image/auth.h"

#include <limits.h>
#include <openssl/evp.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/json.h"
#include "base/log.h"
#include "base/process.h"

/* Docker Hub has stood under this key since before there was a v2. */
#define DOCKER_HUB_KEY "https://index.docker.io/v1/"
/* What helpers give as the user of an identity token. */
#define TOKEN_USER "<token>"

void auth_credentials_free(struct auth_credentials *credentials)
{
	free(credentials->user);
	if (credentials->password)
		explicit_bzero(credentials->password, strlen(credentials->password));
	free(credentials->password);
	free(credentials->identity_token);
	*credentials = (struct auth_credentials){ 0 };
}

/* --- base64 (RFC 4648 section 4) ----------------------------------------------------------- */

static char *base64_encode(const char *text)
{
	size_t len = strlen(text);
	char *out = malloc(4 * ((len + 2) / 3) + 1);

	if (out)
		EVP_EncodeBlock((unsigned char *)out, (const unsigned char *)text, (int)len);
	return out;
}

/* NULL when it is not base64, holds a NUL or is too long; padding may be missing. */
static char *base64_decode(const char *text)
{
	size_t len = strlen(text), padded;
	_cleanup_free_ char *in = NULL, *out = NULL;
	int n;

	while (len && (text[len - 1] == '=' || text[len - 1] == '\n'))
		len--;
	if (len > 2 * AUTH_SECRET_MAX || len % 4 == 1)
		return NULL;
	padded = (len + 3) / 4 * 4;
	in = malloc(padded + 1);
	out = malloc(padded / 4 * 3 + 1);
	if (!in || !out)
		return NULL;
	memcpy(in, text, len);
	memset(in + len, '=', padded - len);
	n = padded ? EVP_DecodeBlock((unsigned char *)out, (unsigned char *)in, (int)padded) : 0;
	if (n < 0)
		return NULL;
	n -= (int)(padded - len);
	out[n] = '\0';
	return strlen(out) == (size_t)n ? steal_ptr(&out) : NULL;
}

char *auth_basic(const char *user, const char *password)
{
	_cleanup_free_ char *both = strf("%s:%s", user, password);
	_cleanup_free_ char *encoded = both ? base64_encode(both) : NULL;

	return encoded ? strf("Basic %s", encoded) : NULL;
}

/* --- reading a file ------------------------------------------------------------------------ */

static const char *registry_key(const char *registry)
{
	return streq(registry, "docker.io") ? DOCKER_HUB_KEY : registry;
}

/* "https://Host/v1/" -> "host": keys as old Docker wrote them. The path of a containers-style key
 * ("host/namespace") stays. */
static char *normalise_key(const char *key)
{
	const char *rest = str_after_prefix(key, "https://");
	_cleanup_free_ char *copy = NULL;
	size_t len;

	rest = rest ? rest : str_after_prefix(key, "http://");
	copy = strdup(rest ? rest : key);
	if (!copy)
		return NULL;
	len = strlen(copy);
	while (len && copy[len - 1] == '/')
		copy[--len] = '\0';
	if (rest && (str_has_suffix(copy, "/v1") || str_has_suffix(copy, "/v2")))
		copy[len - 3] = '\0';
	if (streq(copy, "index.docker.io") || streq(copy, "registry-1.docker.io"))
		return strdup("docker.io");
	return steal_ptr(&copy);
}

/* How well a key fits "registry/repository": 0 = not at all, else the length of what it names. */
static size_t key_fits(const char *key, const char *registry, const char *repository)
{
	_cleanup_free_ char *normal = normalise_key(key);
	_cleanup_free_ char *full = strf("%s/%s", registry, repository ? repository : "");
	size_t len = normal ? strlen(normal) : 0;

	if (!len || !full || strncmp(full, normal, len) != 0)
		return 0;
	return full[len] == '/' || full[len] == '\0' ? len : 0;
}

/* One value of "auths". Returns 1 when it holds credentials. */
static int parse_entry(
	const json_t *entry, const char *what, struct auth_credentials *ret, struct error *err)
{
	_cleanup_credentials_ struct auth_credentials found = { 0 };
	const char *auth = NULL, *token = NULL, *user = NULL, *password = NULL;
	_cleanup_free_ char *decoded = NULL;
	char *colon;
	int r;

	if ((r = json_get_string(entry, "auth", &auth, what, err)) < 0 ||
		(r = json_get_string(entry, "identitytoken", &token, what, err)) < 0 ||
		(r = json_get_string(entry, "username", &user, what, err)) < 0 ||
		(r = json_get_string(entry, "password", &password, what, err)) < 0)
		return r;
	if (auth && *auth) {
		decoded = base64_decode(auth);
		colon = decoded ? strchr(decoded, ':') : NULL;
		if (!colon)
			return error_set(err, EINVAL,
				"%s: an \"auth\" is not base64 of user:password", what);
		*colon = '\0';
		user = decoded;
		password = colon + 1;
	}
	if (token && *token)
		found.identity_token = strdup(token);
	if (user && *user) {
		found.user = strdup(user);
		found.password = strdup(password ? password : "");
	}
	if ((token && *token && !found.identity_token) ||
		(user && *user && (!found.user || !found.password)))
		return error_oom(err);
	if (!found.user && !found.identity_token)
		return 0;
	*ret = found;
	found = (struct auth_credentials){ 0 };
	return 1;
}

/* The helper that is responsible for a registry: its own, else the one for all. */
static int find_helper(json_t *root, const char *what, const char *registry,
	const char **ret_helper, struct error *err)
{
	json_t *helpers = NULL;
	const char *helper = NULL;
	int r = json_get_object(root, "credHelpers", &helpers, what, err);

	if (r == 0 && helpers)
		r = json_get_string(helpers, registry, &helper, what, err);
	if (r == 0 && !helper)
		r = json_get_string(root, "credsStore", &helper, what, err);
	if (r < 0)
		return r;
	if (helper && (!*helper || strchr(helper, '/')))
		return error_set(
			err, EINVAL, "%s: \"%s\" is no name of a credential helper", what, helper);
	*ret_helper = helper;
	return 0;
}

int auth_parse_file(const char *text, size_t len, const char *what, const char *registry,
	const char *repository, struct auth_credentials *ret, char **ret_helper, struct error *err)
{
	_cleanup_json_ json_t *root = NULL;
	json_t *auths = NULL, *entry, *best = NULL;
	const char *key, *helper = NULL;
	size_t best_fit = 0;
	int r;

	*ret_helper = NULL;
	if (!len)
		return 0;
	r = json_parse(text, len, what, &root, err);
	if (r < 0)
		return r;
	r = find_helper(root, what, registry, &helper, err);
	if (r == 0)
		r = json_get_object(root, "auths", &auths, what, err);
	if (r < 0)
		return r;
	if (helper) {
		*ret_helper = strdup(helper);
		return *ret_helper ? 1 : error_oom(err);
	}
	json_object_foreach (auths, key, entry) {
		size_t fit = key_fits(key, registry, repository);

		if (fit > best_fit) {
			best_fit = fit;
			best = entry;
		}
	}
	return best ? parse_entry(best, what, ret, err) : 0;
}

/* --- helpers ------------------------------------------------------------------------------- */

static int run_helper(const char *helper, const char *verb, const char *input, char **ret_output,
	struct error *err)
{
	_cleanup_free_ char *program = strf("docker-credential-%s", helper);
	char *argv[] = { program, (char *)(uintptr_t)verb, NULL };

	if (!program)
		return error_oom(err);
	return process_run(argv, input, ret_output, err);
}

/* Helpers say that they know nothing by failing, with these words on stdout. */
static bool is_not_found(const char *output)
{
	return output && strstr(output, "credentials not found");
}

static int ask_helper(
	const char *helper, const char *registry, struct auth_credentials *ret, struct error *err)
{
	_cleanup_credentials_ struct auth_credentials found = { 0 };
	_cleanup_free_ char *output = NULL;
	_cleanup_json_ json_t *answer = NULL;
	const char *user = NULL, *secret = NULL;
	int r = run_helper(helper, "get", registry_key(registry), &output, err);

	if (r > 0 && is_not_found(output)) {
		error_clear(err);
		return 0;
	}
	if (r != 0)
		return error_prefix(err, "cannot get the credentials for %s", registry);
	r = json_parse(output ? output : "", output ? strlen(output) : 0,
		"the credential helper's answer", &answer, err);
	if (r == 0)
		r = json_get_string(
			answer, "Username", &user, "the credential helper's answer", err);
	if (r == 0)
		r = json_get_string(
			answer, "Secret", &secret, "the credential helper's answer", err);
	if (r < 0)
		return r;
	if (!user || !secret)
		return 0;
	if (streq(user, TOKEN_USER)) {
		found.identity_token = strdup(secret);
	} else {
		found.user = strdup(user);
		found.password = strdup(secret);
	}
	if (!found.identity_token && (!found.user || !found.password))
		return error_oom(err);
	*ret = found;
	found = (struct auth_credentials){ 0 };
	return 1;
}

/* --- finding -------------------------------------------------------------------------------- */

static const char *environment(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

/* The file to read and write. *ret_given: the user named it. */
static char *file_path(const char *file, bool *ret_given)
{
	const char *home;

	if (!file)
		file = environment("REGISTRY_AUTH_FILE");
	*ret_given = file;
	if (file)
		return strdup(file);
	if ((home = environment("DOCKER_CONFIG")))
		return strf("%s/config.json", home);
	home = environment("HOME");
	return strf("%s/.docker/config.json", home ? home : "/root");
}

/* Returns 1 when the file, or the helper it names, knows something; 0 also when there is no file.
 */
static int look_into(const char *path, const char *registry, const char *repository,
	struct auth_credentials *ret, struct error *err)
{
	_cleanup_free_ char *text = NULL, *helper = NULL;
	size_t len;
	int r = io_read_file(AT_FDCWD, path, AUTH_FILE_MAX, &text, &len, err);

	if (r == -ENOENT || r == -ENOTDIR) {
		error_clear(err);
		return 0;
	}
	if (r < 0)
		return r;
	r = auth_parse_file(text, len, path, registry, repository, ret, &helper, err);
	if (r > 0 && helper)
		r = ask_helper(helper, registry, ret, err);
	explicit_bzero(text, len);
	return r;
}

int auth_find(const char *file, const char *registry, const char *repository,
	struct auth_credentials *ret, struct error *err)
{
	_cleanup_free_ char *path = NULL, *second = NULL;
	const char *run;
	bool given;
	int r;

	path = file_path(file, &given);
	if (!path)
		return error_oom(err);
	if (given && access(path, F_OK) < 0)
		return error_errno(err, errno, "cannot read the auth file %s", path);
	r = look_into(path, registry, repository, ret, err);
	if (r != 0 || given)
		return r < 0 ? r : 0;
	run = environment("XDG_RUNTIME_DIR");
	if (!run)
		return 0;
	second = strf("%s/containers/auth.json", run);
	if (!second)
		return error_oom(err);
	r = look_into(second, registry, repository, ret, err);
	return r < 0 ? r : 0;
}

/* --- changing -------------------------------------------------------------------------------- */

struct auth_file {
	char *path; /* links resolved */
	json_t *root;
	int lock_fd; /* its folder, flocked: two logins at once both count */
};

static void auth_file_close(struct auth_file *file)
{
	free(file->path);
	json_decref(file->root);
	cleanup_close(&file->lock_fd);
}

static int auth_file_open(const char *file, struct auth_file *ret, struct error *err)
{
	_cleanup_(auth_file_close) struct auth_file opened = { .lock_fd = -1 };
	_cleanup_free_ char *text = NULL, *folder = NULL;
	char resolved[PATH_MAX], *slash;
	bool given;
	size_t len;
	int r;

	opened.path = file_path(file, &given);
	if (opened.path && realpath(opened.path, resolved)) {
		free(opened.path);
		opened.path = strdup(resolved);
	}
	folder = opened.path ? strdup(opened.path) : NULL;
	if (!folder)
		return error_oom(err);
	slash = strrchr(folder, '/');
	if (slash)
		slash[slash == folder] = '\0';
	if (slash && (r = io_make_dirs(AT_FDCWD, folder, 0700, err)) < 0)
		return r;
	opened.lock_fd = io_open_dir(AT_FDCWD, slash ? folder : ".");
	if (opened.lock_fd < 0 || (r = io_lock(opened.lock_fd, true)) < 0)
		return error_errno(err, opened.lock_fd < 0 ? opened.lock_fd : r, "cannot lock %s",
			slash ? folder : ".");
	r = io_read_file(AT_FDCWD, opened.path, AUTH_FILE_MAX, &text, &len, err);
	if (r == -ENOENT) {
		error_clear(err);
		len = 0;
	} else if (r < 0) {
		return r;
	}
	if (len)
		r = json_parse(text, len, opened.path, &opened.root, err);
	else
		r = (opened.root = json_object()) ? 0 : error_oom(err);
	if (r < 0)
		return r;
	if (!json_is_object(opened.root))
		return error_set(err, EINVAL, "%s must be a JSON object", opened.path);
	*ret = opened;
	opened = (struct auth_file){ .lock_fd = -1 };
	return 0;
}

static int auth_file_write(const struct auth_file *file, struct error *err)
{
	_cleanup_free_ char *text = json_dumps(file->root, JSON_INDENT(8) | JSON_ENSURE_ASCII);

	if (!text)
		return error_oom(err);
	return io_replace_file(AT_FDCWD, file->path, 0600, text, strlen(text), IO_DURABLE, err);
}

/* The "auths" object, made when missing. Borrowed. */
static int auths_of(const struct auth_file *file, json_t **ret, struct error *err)
{
	json_t *auths = NULL;
	int r = json_get_object(file->root, "auths", &auths, file->path, err);

	if (r < 0)
		return r;
	if (!auths) {
		auths = json_object();
		if (json_object_set_new(file->root, "auths", auths) < 0)
			return error_oom(err);
	}
	*ret = auths;
	return 0;
}

/* Remove every spelling of the registry. Returns how many there were. */
static int forget_keys(json_t *auths, const char *registry)
{
	const char *key;
	json_t *entry;
	void *next;
	int count = 0;

	json_object_foreach_safe(auths, next, key, entry)
	{
		_cleanup_free_ char *normal = normalise_key(key);

		if (normal && streq(normal, registry)) {
			json_object_del(auths, key);
			count++;
		}
	}
	return count;
}

static int store_in_helper(const char *helper, const char *registry,
	const struct auth_credentials *credentials, struct error *err)
{
	struct json_writer w = { 0 };
	_cleanup_free_ char *input = NULL;
	int r;

	json_begin_object(&w, NULL);
	json_write_string(&w, "ServerURL", registry_key(registry));
	json_write_string(
		&w, "Username", credentials->identity_token ? TOKEN_USER : credentials->user);
	json_write_string(&w, "Secret",
		credentials->identity_token ? credentials->identity_token : credentials->password);
	json_end_object(&w);
	input = json_writer_finish(&w);
	if (!input)
		return error_oom(err);
	r = run_helper(helper, "store", input, NULL, err);
	explicit_bzero(input, strlen(input));
	return r ? error_prefix(err, "cannot keep the credentials for %s", registry) : 0;
}

int auth_store(const char *file, const char *registry, const struct auth_credentials *credentials,
	struct error *err)
{
	_cleanup_(auth_file_close) struct auth_file opened = { .lock_fd = -1 };
	_cleanup_json_ json_t *entry = NULL;
	const char *helper = NULL;
	json_t *auths = NULL;
	int r = auth_file_open(file, &opened, err);

	if (r == 0)
		r = find_helper(opened.root, opened.path, registry, &helper, err);
	if (r == 0)
		r = auths_of(&opened, &auths, err);
	if (r < 0)
		return r;
	entry = json_object();
	if (helper) {
		/* As Docker does: an empty entry tells that somebody is logged in there. */
		r = store_in_helper(helper, registry, credentials, err);
		if (r < 0)
			return r;
	} else {
		_cleanup_free_ char *basic = auth_basic(credentials->user, credentials->password);

		if (!basic ||
			json_object_set_new(
				entry, "auth", json_string(str_after_prefix(basic, "Basic "))) < 0)
			return error_oom(err);
		if (credentials->identity_token &&
			json_object_set_new(entry, "identitytoken",
				json_string(credentials->identity_token)) < 0)
			return error_oom(err);
	}
	forget_keys(auths, registry);
	if (json_object_set(auths, registry_key(registry), entry) < 0)
		return error_oom(err);
	return auth_file_write(&opened, err);
}

int auth_erase(const char *file, const char *registry, struct error *err)
{
	_cleanup_(auth_file_close) struct auth_file opened = { .lock_fd = -1 };
	const char *helper = NULL;
	json_t *auths = NULL;
	int r = auth_file_open(file, &opened, err), count;

	if (r == 0)
		r = find_helper(opened.root, opened.path, registry, &helper, err);
	if (r == 0)
		r = auths_of(&opened, &auths, err);
	if (r < 0)
		return r;
	count = forget_keys(auths, registry);
	if (!count)
		return error_set(err, ENOENT, "not logged in to %s", registry);
	if (helper) {
		r = run_helper(helper, "erase", registry_key(registry), NULL, err);
		if (r != 0)
			return error_prefix(err, "cannot remove the credentials for %s", registry);
	}
	return auth_file_write(&opened, err);
}
