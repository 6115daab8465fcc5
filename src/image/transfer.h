/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transfer.h - images to and from registries (OCI distribution-spec 1.1, Docker registry v2).
 */
#pragma once

#include "image/image.h"

/* Who is told of progress; every function may be NULL. Called from one thread at a time. */
struct image_progress {
	void (*update)(struct image_progress *self, const char *digest, const char *phase,
		uint64_t done_bytes, uint64_t total_bytes);
	void (*message)(struct image_progress *self, const char *text);
};

struct image_transfer_options {
	const char *platform; /* NULL = the host's */
	bool all_platforms;
	bool plain_http; /* --tls-verify=false's http half; loopback registries may always */
	bool insecure; /* do not verify the certificate */
	const char *ca_file; /* own CA, PEM */
	const char *auth_file; /* NULL: ~/.docker/config.json */
	unsigned parallel; /* downloads at once; 0 = default (3) */
	struct image_progress *progress;
};

/* Pull `reference` and unpack its layers. *ret_digest: what index.json now names. */
int image_pull(const struct image_store *store, const char *reference,
	const struct image_transfer_options *options, char **ret_digest, struct error *err);

/* Push a stored image under its own name. */
int image_push(const struct image_store *store, const char *reference,
	const struct image_transfer_options *options, char **ret_digest, struct error *err);

/* Check the credentials with the registry, then keep them in the auth file (mode 0600). */
int image_login(const char *registry, const char *user, const char *password,
	const struct image_transfer_options *options, struct error *err);
int image_logout(const char *registry, const char *auth_file, struct error *err);
