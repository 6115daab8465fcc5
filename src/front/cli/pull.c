/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pull.c - `strata pull`: images from a registry, with Docker's words.
 *
 * An ordinary user's pull runs as root of a user namespace, because layers hold files of many
 * owners; that is a child process, so it also does the printing.
 */
#include <stdio.h>

#include "base/log.h"
#include "base/userns.h"
#include "front/cli/progress.h"
#include "front/cli/transfer_options.h"
#include "front/cli/verbs.h"
#include "image/layer.h"

struct pull_options {
	struct registry_options registry;
	const char *platform, *or_platform;
	bool all_platforms, all_tags, quiet;
	int64_t parallel;
};

static const struct option pull_rows[] = {
	{ OPTION_FLAG, 'a', "all-tags", offsetof(struct pull_options, all_tags), NULL,
		"Pull every tag of the repository" },
	{ OPTION_FLAG, 0, "all-platforms", offsetof(struct pull_options, all_platforms), NULL,
		"Pull the image for every platform there is" },
	{ OPTION_INT, 0, "parallel", offsetof(struct pull_options, parallel), "N",
		"Layers to fetch at once (default 4)" },
	{ OPTION_STRING, 0, "platform", offsetof(struct pull_options, platform), "OS/ARCH",
		"Choose the platform (default: this machine's)" },
	/* For run. */
	{ OPTION_STRING, 0, "or-platform", offsetof(struct pull_options, or_platform), "OS/ARCH",
		"The platform to pull where the image is not there for this machine's",
		.hidden = true },
	{ OPTION_FLAG, 'q', "quiet", offsetof(struct pull_options, quiet), NULL,
		"Print only the image's name" },
	REGISTRY_OPTIONS(struct pull_options, registry),
	{ OPTION_END },
};

struct pull_request {
	const struct cli *cli;
	const struct pull_options *options;
	struct image_transfer_options transfer;
	const char *name; /* as typed */
};

static void print_begin(const struct image_reference *ref, const char *typed)
{
	const char *last = strrchr(typed, '/');

	if (!ref->digest && !strchr(last ? last : typed, ':'))
		puts("Using default tag: latest");
	printf("%s: Pulling from %s\n", ref->digest ? ref->digest : ref->tag, ref->repository);
	fflush(stdout);
}

static int pull_one(const struct pull_request *request, const struct image_store *store,
	const char *name, struct error *err)
{
	_cleanup_(image_reference_free) struct image_reference ref = { 0 };
	_cleanup_(progress_close) struct progress progress = { .fd = -1 };
	_cleanup_free_ char *familiar = NULL, *full = NULL;
	struct image_transfer_options transfer = request->transfer;
	bool quiet = request->options->quiet;
	struct image_pulled pulled;
	int r = image_reference_parse(name, &ref, err);

	if (r < 0)
		return r;
	familiar = image_reference_familiar(&ref);
	full = image_reference_full(&ref);
	if (!familiar || !full)
		return error_oom(err);
	if (!quiet)
		print_begin(&ref, name);
	progress_open(&progress, STDERR_FILENO, quiet);
	transfer.progress = &progress.image;
	r = image_pull(store, name, &transfer, &pulled, err);
	if (r == -ENOEXEC && !transfer.platform && request->options->or_platform) {
		error_clear(err);
		transfer.platform = request->options->or_platform;
		r = image_pull(store, name, &transfer, &pulled, err);
	}
	progress_close(&progress);
	if (r < 0)
		return r;
	if (!quiet)
		printf("Digest: %s\nStatus: %s for %s\n", pulled.digest,
			pulled.changed ? "Downloaded newer image" : "Image is up to date",
			familiar);
	puts(full);
	return 0;
}

static int pull_tags(
	const struct pull_request *request, const struct image_store *store, struct error *err)
{
	_cleanup_(image_reference_free) struct image_reference ref = { 0 };
	_cleanup_strv_ char **tags = NULL;
	const char *last = strrchr(request->name, '/');
	int r = image_reference_parse(request->name, &ref, err);

	if (r < 0)
		return r;
	if (ref.digest || strchr(last ? last : request->name, ':'))
		return error_set(err, EINVAL, "tag can't be used with --all-tags/-a");
	r = image_remote_tags(request->name, &request->transfer, &tags, err);
	if (r < 0)
		return r;
	if (!tags)
		return error_set(err, ENOENT, "%s has no tags", request->name);
	strv_for_each (tag, tags) {
		r = pull_one(request, store, *tag, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int pull_now(void *context, struct error *err)
{
	const struct pull_request *request = context;
	struct error ignored = { 0 };
	struct image_store store;
	int r = image_store_open(request->cli->root, &store, err);

	if (r < 0)
		return r;
	r = request->options->all_tags ? pull_tags(request, &store, err)
				       : pull_one(request, &store, request->name, err);
	/* What earlier ones left to the kernel is on disk by now: then this costs nothing, and a
	 * power failure leaves no doubt about it. */
	if (r == 0 && image_layers_settle(&store, false, &ignored) < 0)
		log_warning("%s", ignored.message);
	image_store_close(&store);
	fflush(stdout);
	return r;
}

static int pull_main(struct cli *cli, void *values, int argc, char **argv, struct error *err)
{
	const struct pull_options *options = values;
	struct pull_request request = {
		.cli = cli,
		.options = options,
		.transfer = {
			.platform = options->platform,
			.all_platforms = options->all_platforms,
			.parallel = (unsigned)options->parallel,
		},
		.name = argv[0],
	};
	int r;

	if (options->platform && options->all_platforms)
		return error_set(err, EINVAL, "--platform and --all-platforms exclude each other");
	if (options->parallel < 0 || options->parallel > IMAGE_PARALLEL_MAX)
		return error_set(
			err, EINVAL, "--parallel must be between 1 and %d", IMAGE_PARALLEL_MAX);
	r = registry_options_apply(&options->registry, &request.transfer, err);
	return r < 0 ? r : userns_call(pull_now, &request, err);
}

const struct verb verb_pull = {
	.name = "pull",
	.group = "Images",
	.usage = "[OPTIONS] NAME[:TAG|@DIGEST]",
	.summary = "Download an image from a registry",
	.help = "Layers are fetched several at once and unpacked while they arrive; an interrupted "
		"pull goes on where it ended. Registries on the loopback may speak http.",
	.options = pull_rows,
	.options_size = sizeof(struct pull_options),
	.min_operands = 1,
	.max_operands = 1,
	.operand = COMPLETE_IMAGE,
	.run = pull_main,
};

const struct verb verb_image_pull = {
	.name = "image pull",
	.alias_of = "pull",
};
