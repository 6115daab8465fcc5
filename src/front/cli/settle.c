/* SPDX-License-Identifier: Apache-2.0 */
/*
 * settle.c - `__settle`: see that unpacked layers are on disk (image/layer.h). `boot` asks for it,
 * at a time when nobody waits.
 */
#include "front/cli/verbs.h"
#include "image/layer.h"

static int settle_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	struct image_store store;
	int r = image_store_open(cli->root, &store, err);

	if (r < 0)
		return r;
	r = image_layers_settle(&store, false, err);
	image_store_close(&store);
	return r;
}

const struct verb verb_settle = {
	.name = "__settle",
	.usage = "",
	.summary = "Write unpacked layers to disk",
	.hidden = true,
	.run = settle_main,
};
