/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_image.h - the image that `run` and `create` are given.
 */
#pragma once

#include "front/cli/run_options.h"

struct run_image {
	const struct cli *cli;
	const struct run_options *options;
	struct image_store store;
	struct image image;
	char platform[64]; /* of the image, when it was not asked for; "": the host's */
	int lock; /* of the store, shared, from resolving the image until an instance pins it */
};

/* Find it by what the user typed: the store is open and locked, the image resolved and unpacked.
 * The user is told of a pull, and of a platform that was not asked for. */
int run_image_find(struct run_image *it, const char *name, struct error *err);
/* Give the lock back: an instance pins the image now. */
void run_image_release(struct run_image *it);
void run_image_close(struct run_image *it);

/* The command could not be executed (exit_code, *err): "exec format error" alone does not say that
 * the image is for another CPU. It is looked at again, on a fresh one of these: the maker knew it,
 * and is gone. */
void run_image_explain(struct run_image *it, const char *name, int exit_code, struct error *err);
