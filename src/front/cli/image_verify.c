/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image_verify.c - `image verify`: is the store what it says it is? In the helper program, because
 * it hashes and unpacks.
 */
#include "image/verify.h"

#include <inttypes.h>
#include <stdio.h>

#include "front/cli/verbs.h"

struct verify_options {
	bool repair, quiet;
};

static const struct option option_table[] = {
	{ OPTION_FLAG, 0, "repair", offsetof(struct verify_options, repair), NULL,
		"Unpack missing layers again, delete blobs whose content is wrong" },
	{ OPTION_FLAG, 'q', "quiet", offsetof(struct verify_options, quiet), NULL,
		"Print problems only" },
	{ OPTION_END },
};

static void print_sentence(void *context, const char *sentence)
{
	printf("%s\n", sentence);
}

static int verify_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	const struct verify_options *o = options;
	const struct image_verify_options verify = { .repair = o->repair,
		.report = print_sentence };
	struct image_verify_result result = { 0 };
	struct image_store store;
	char size[32];
	int r = image_store_open(cli->root, &store, err);

	if (r < 0)
		return r;
	r = image_verify(&store, &verify, &result, err);
	image_store_close(&store);
	if (r < 0)
		return r;
	format_size(size, sizeof(size), result.blob_bytes);
	if (!o->quiet)
		printf("%" PRIu64 " blobs (%s), %" PRIu64 " images, %" PRIu64
		       " layers checked: %" PRIu64 " problems, %" PRIu64 " repaired\n",
			result.blobs, size, result.images, result.layers, result.problems,
			result.repaired);
	return result.problems > result.repaired ? EXIT_FAILURE : 0;
}

const struct verb verb_image_verify = {
	.name = "image verify",
	.group = "Images",
	.usage = "[OPTIONS]",
	.summary = "Check the digest of everything stored",
	.help = "Hashes every blob and looks for every layer. Each problem is one line that says what\n"
		"is wrong and where; the exit status is 1 when one is left. A blob that --repair deletes\n"
		"is fetched by the next pull of its image. Stop instances before a --repair.",
	.options = option_table,
	.options_size = sizeof(struct verify_options),
	.run = verify_main,
};
