/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rmi.c - `rmi`: images that go, and what only they needed.
 */
#include "front/cli/each.h"
#include "front/cli/verbs.h"
#include "image/image.h"

struct rmi_options {
	bool force;
	char **pinned; /* filled in by rmi_main() */
	const struct image_store *store;
};

static const struct option rmi_table[] = {
	{ OPTION_FLAG, 'f', "force", offsetof(struct rmi_options, force), NULL,
		"Remove it though it has several names or an instance uses it" },
	{ OPTION_END },
};

static int remove_one(struct cli *cli, const char *operand, const void *options, struct error *err)
{
	const struct rmi_options *o = options;
	_cleanup_strv_ char **log = NULL;
	int r = image_remove(o->store, operand, o->force, o->pinned, &log, err);

	/* With -f, what is not there is as good as removed; it is told all the same. */
	if (r == -ENOENT && o->force) {
		fprintf(stderr, "%s: %s\n", cli->program, err->message);
		error_clear(err);
		return 0;
	}
	if (r < 0)
		return r;
	strv_for_each (line, log)
		printf("%s\n", *line);
	return 0;
}

static int rmi_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	struct instance_roots roots = cli_roots(cli);
	struct rmi_options *o = options;
	struct image_store store;
	int r = image_store_open(cli->root, &store, err);

	if (r < 0)
		return r;
	o->store = &store;
	r = instance_pinned_images(&roots, &o->pinned, err);
	if (r == 0)
		r = each_operand(cli, argc, argv, remove_one, o, err);
	strv_free(o->pinned);
	image_store_close(&store);
	return r;
}

const struct verb verb_rmi = {
	.name = "rmi",
	.group = "Images",
	.usage = "[OPTIONS] IMAGE [IMAGE...]",
	.summary = "Remove images",
	.help = "Takes the name away; with its last name the image goes, unless an instance uses it.\n"
		"An ID removes the image with all its names, if they are several only with --force.\n"
		"While images are being pulled, the content stays until the next rmi or image prune.\n"
		"\n"
		"Examples:\n"
		"  strata rmi debian:12\n"
		"  strata rmi $(strata images -q --filter dangling=true)",
	.options = rmi_table,
	.options_size = sizeof(struct rmi_options),
	.min_operands = 1,
	.max_operands = -1,
	.operand = COMPLETE_IMAGE,
	.run = rmi_main,
};
