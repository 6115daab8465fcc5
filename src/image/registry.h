/* SPDX-License-Identifier: Apache-2.0 */
/*
 * registry.h - talking to one registry (OCI distribution-spec 1.1, Docker registry v2).
 *
 * `struct registry` is the session: address, scheme, credentials and the current token. It is
 * shared by all threads of a transfer and locks itself. A `struct registry_client` is one thread's
 * connections to it.
 */
#pragma once

#include <pthread.h>

#include "base/http.h"
#include "image/image.h"
#include "image/auth.h"
#include "image/transfer.h"

#define REGISTRY_TOKEN_MAX  (256u << 10) /* bytes of a token server's answer */
#define REGISTRY_MOUNTS_MAX 4 /* other repositories a token is asked for */

struct registry {
	const struct image_transfer_options *options; /* borrowed */
	char *name; /* as in references: "docker.io", "localhost:5000" */
	char *repository; /* NULL: the registry itself (login) */
	char *base; /* "https://registry-1.docker.io", no slash at the end */
	bool push; /* what tokens are asked for */
	bool insecure; /* certificates are not verified */
	char *ca_file, *client_certificate, *client_key;
	char **mount_from; /* repositories that blobs may be mounted from */

	pthread_mutex_t lock; /* guards what follows */
	struct auth_credentials credentials;
	struct auth_challenge challenge; /* the last 401's; empty = nothing was asked for */
	char *authorization; /* the header's value in use, or NULL */
};

/* Find the registry (https, or http where that is allowed) and what it asks for. `credentials`
 * NULL: look into the auth files; otherwise they are copied. */
int registry_open(const char *name, const char *repository, bool push,
	const struct image_transfer_options *options, const struct auth_credentials *credentials,
	struct registry **ret, struct error *err);
struct registry *registry_close(struct registry *registry);

struct registry_client {
	struct registry *registry;
	struct http *http;
};

int registry_client_open(struct registry *registry, struct registry_client *ret, struct error *err);
void registry_client_close(struct registry_client *client);

/*
 * http_perform() with authentication: request->url is a path ("/v2/...") or a whole URL;
 * request->authorization is filled in. A 401 is answered once.
 */
int registry_perform(struct registry_client *client, const struct http_request *request,
	struct http_response *ret, struct error *err);

/* The sentence about an answer that is not the wanted one: "cannot DO IT: HOST ...". Returns
 * -ENOENT (404), -EACCES (401, 403), -EBUSY (429) or -EIO. */
int registry_refused(const struct registry *registry, const struct http_response *response,
	struct error *err, const char *fmt, ...) _printf_(4, 5);

/* The tags of the repository, all pages. */
int registry_tags(struct registry_client *client, char ***ret, struct error *err);

/* --- registry-address.c --- */

/* Where the API of a registry is found: docker.io is at registry-1.docker.io. */
const char *registry_host(const char *name);
/* localhost, 127.0.0.0/8 or ::1, with or without a port. */
bool registry_is_loopback(const char *name);
/*
 * Certificates for a registry as Docker and podman lay them out: HOST[:PORT]/ with *.crt (the
 * authority), *.cert and *.key (ours) below /etc/containers/certs.d, /etc/docker/certs.d,
 * ~/.config/containers/certs.d or ~/.docker/certs.d. What is not there stays NULL.
 */
int registry_find_certificates(
	const char *name, char **ret_ca, char **ret_certificate, char **ret_key, struct error *err);
/* "/v2/REPOSITORY/SUFFIX..."; NULL when memory ran out. */
char *registry_path(const char *repository, const char *fmt, ...) _printf_(2, 3);
/* The token server's URL for a scope, from its challenge. */
char *registry_token_url(const struct auth_challenge *challenge, char *const *scopes,
	const char *account, bool with_query);
/* The target of `Link: <...>; rel="next"` (RFC 8288), or NULL. */
char *registry_next_link(const char *header);
