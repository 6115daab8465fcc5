/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tag.c - `tag`: give an image another name.
 */
#include "front/cli/verbs.h"
#include "image/image.h"

static const struct option option_table[] = { { OPTION_END } };

static int tag_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	struct image_store store;
	int r = image_store_open(cli->root, &store, err);

	if (r < 0)
		return r;
	r = image_tag(&store, argv[0], argv[1], err);
	image_store_close(&store);
	return r;
}

const struct verb verb_tag = {
	.name = "tag",
	.group = "Images",
	.usage = "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
	.summary = "Give an image another name",
	.help = "An image that had the target's name before keeps existing without a name.\n"
		"An ID names one platform's image, a name all its platforms.\n"
		"\n"
		"Example:\n"
		"  strata tag debian:12 localhost:5000/base",
	.options = option_table,
	.min_operands = 2,
	.max_operands = 2,
	.operand = COMPLETE_IMAGE,
	.run = tag_main,
};
