/* SPDX-License-Identifier: Apache-2.0 */
/*
 * auth.h - who we are to a registry: Docker's credential files and helpers, and the challenge a
 * registry answers with (RFC 9110 section 11.6.1; distribution-spec, "token authentication").
 *
 * Files, the first that is set: the one given, $REGISTRY_AUTH_FILE, $DOCKER_CONFIG/config.json,
 * ~/.docker/config.json. When none was given and it knows nothing of a registry, podman's and
 * skopeo's $XDG_RUNTIME_DIR/containers/auth.json is asked too. Writing goes to the first only.
 */
#pragma once

#include <stdbool.h>

#include "base/error.h"

#define AUTH_FILE_MAX	   (1u << 20) /* bytes */
#define AUTH_CHALLENGE_MAX 8192 /* bytes of one WWW-Authenticate header */
#define AUTH_SECRET_MAX	   65536 /* bytes of a password or token */

struct auth_credentials {
	char *user, *password; /* both NULL: anonymous */
	char *identity_token; /* an OAuth2 refresh token instead of a password */
};

void auth_credentials_free(struct auth_credentials *credentials);
#define _cleanup_credentials_ _cleanup_(auth_credentials_free)

/* What the files and helpers know about "registry/repository" (`repository` may be NULL). Knowing
 * nothing is success with empty credentials. */
int auth_find(const char *file, const char *registry, const char *repository,
	struct auth_credentials *ret, struct error *err);

/* Keep credentials: in the credential helper that the file names, else in the file (0600). */
int auth_store(const char *file, const char *registry, const struct auth_credentials *credentials,
	struct error *err);

/* Forget them. -ENOENT: there were none. */
int auth_erase(const char *file, const char *registry, struct error *err);

/* The text of an auth file and what it says about a registry: auth_find()'s core, without the
 * helpers. Returns 1 when it says something. *ret_helper: the helper to ask instead, or NULL. */
int auth_parse_file(const char *text, size_t len, const char *what, const char *registry,
	const char *repository, struct auth_credentials *ret, char **ret_helper, struct error *err);

/* "Basic dXNlcjpwYXNz"; NULL when memory ran out. */
char *auth_basic(const char *user, const char *password);

/* What a 401 asks for. Strings are owned; a scheme that was not offered has its flag clear. */
struct auth_challenge {
	bool basic, bearer;
	char *realm, *service, *scope; /* of Bearer */
};

/* Parse one WWW-Authenticate value and merge it into *challenge (start from a zeroed one). Schemes
 * that are not ours are passed over. -EPROTO when the text is malformed. */
int auth_challenge_parse(const char *text, struct auth_challenge *challenge, struct error *err);
void auth_challenge_free(struct auth_challenge *challenge);
#define _cleanup_challenge_ _cleanup_(auth_challenge_free)
