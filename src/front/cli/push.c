/* SPDX-License-Identifier: Apache-2.0 */
/*
 * push.c - `strata push`: a stored image to the registry its name says.
 */
#include <stdio.h>

#include "front/cli/progress.h"
#include "front/cli/transfer_options.h"
#include "front/cli/verbs.h"

struct push_options {
	struct registry_options registry;
	const char *platform;
	bool quiet;
};

static const struct option push_rows[] = {
	{ OPTION_STRING, 0, "platform", offsetof(struct push_options, platform), "OS/ARCH",
		"Push this platform's image alone (default: all that are stored)" },
	{ OPTION_FLAG, 'q', "quiet", offsetof(struct push_options, quiet), NULL,
		"Print only the image's name" },
	REGISTRY_OPTIONS(struct push_options, registry),
	{ OPTION_END },
};

static int push_main(struct cli *cli, void *values, int argc, char **argv, struct error *err)
{
	const struct push_options *options = values;
	_cleanup_(image_reference_free) struct image_reference ref = { 0 };
	_cleanup_(progress_close) struct progress progress = { .fd = -1 };
	struct image_transfer_options transfer = { .platform = options->platform };
	_cleanup_free_ char *full = NULL;
	struct image_pushed pushed;
	struct image_store store;
	int r = image_reference_parse(argv[0], &ref, err);

	if (r == 0)
		r = registry_options_apply(&options->registry, &transfer, err);
	if (r < 0)
		return r;
	full = image_reference_full(&ref);
	if (!full)
		return error_oom(err);
	r = image_store_open(cli->root, &store, err);
	if (r < 0)
		return r;
	if (!options->quiet) {
		printf("The push refers to repository [%s/%s]\n", ref.registry, ref.repository);
		fflush(stdout);
	}
	progress_open(&progress, STDERR_FILENO, options->quiet);
	transfer.progress = &progress.image;
	r = image_push(&store, argv[0], &transfer, &pushed, err);
	progress_close(&progress);
	image_store_close(&store);
	if (r < 0)
		return r;
	if (options->quiet)
		puts(full);
	else
		printf("%s: digest: %s size: %llu\n", ref.tag ? ref.tag : ref.digest, pushed.digest,
			(unsigned long long)pushed.size_bytes);
	return 0;
}

const struct verb verb_push = {
	.name = "push",
	.group = "Images",
	.usage = "[OPTIONS] NAME[:TAG]",
	.summary = "Upload an image to a registry",
	.help = "The image must have the name it is to have there (see tag). What the registry has "
		"already is not sent again.",
	.options = push_rows,
	.options_size = sizeof(struct push_options),
	.min_operands = 1,
	.max_operands = 1,
	.operand = COMPLETE_IMAGE,
	.run = push_main,
};

const struct verb verb_image_push = {
	.name = "image push",
	.alias_of = "push",
};
