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

#define IMAGE_PARALLEL_DEFAULT 4
#define IMAGE_PARALLEL_MAX     32

struct image_transfer_options {
	const char *platform; /* NULL = the host's */
	bool all_platforms;
	/* Plain HTTP may be used: after https has failed when `insecure` is set too, otherwise at
	 * once. Loopback registries may always, after https. */
	bool plain_http;
	bool insecure; /* do not verify the certificate */
	const char *ca_file; /* own CA, PEM; NULL: see registry_find_certificates() */
	const char *auth_file; /* NULL: see image/auth.h */
	unsigned timeout_s; /* a registry silent for this long is given up; 0 = the default */
	unsigned parallel; /* layers at once; 0 = IMAGE_PARALLEL_DEFAULT */
	struct image_progress *progress;
};

struct image_pulled {
	char digest[72]; /* of what index.json now names: an index or a manifest */
	bool changed; /* the name meant something else before, or something was fetched */
};

/*
 * Pull `reference` and unpack its layers. Layers that are unpacked already are not unpacked again,
 * blobs that are stored already are not fetched, and partial ones of an interrupted pull are
 * completed. On failure the name keeps its old meaning.
 */
int image_pull(const struct image_store *store, const char *reference,
	const struct image_transfer_options *options, struct image_pulled *ret, struct error *err);

/* Every tag of the reference's repository ("docker.io/library/x:TAG"...), for `pull --all-tags`. */
int image_remote_tags(const char *reference, const struct image_transfer_options *options,
	char ***ret_references, struct error *err);

struct image_pushed {
	char digest[72]; /* of what the name means there now */
	uint64_t size_bytes; /* of that document */
};

/*
 * Push a stored image under its own name: without options->platform everything the name stands for
 * that is stored here (an index whose other platforms are neither here nor there is pushed reduced
 * to what there is, or as a manifest when that is one), with it that platform's manifest alone.
 */
int image_push(const struct image_store *store, const char *reference,
	const struct image_transfer_options *options, struct image_pushed *ret, struct error *err);

/* Check the credentials with the registry, then keep them in the auth file (mode 0600). */
int image_login(const char *registry, const char *user, const char *password,
	const struct image_transfer_options *options, struct error *err);
int image_logout(const char *registry, const char *auth_file, struct error *err);
