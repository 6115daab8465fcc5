/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kernel_transfer.c - `kernel pull` and `kernel push`: kernels from and to registries.
 */
#include <stdio.h>

#include "base/userns.h"
#include "front/cli/kernel_store.h"
#include "front/cli/progress.h"
#include "front/cli/transfer_options.h"

struct transfer_values {
	struct registry_options registry;
	const char *platform;
	bool quiet;
};

static const struct option transfer_rows[] = {
	{ OPTION_STRING, 0, "platform", offsetof(struct transfer_values, platform), "OS/ARCH",
		"What it is for [" KERNEL_PLATFORM_DEFAULT "]" },
	{ OPTION_FLAG, 'q', "quiet", offsetof(struct transfer_values, quiet), NULL,
		"Print only the kernel's name" },
	REGISTRY_OPTIONS(struct transfer_values, registry),
	{ OPTION_END },
};

struct transfer_call {
	const char *root, *name;
	struct image_transfer_options options;
	struct image_platform platform;
	char text[64]; /* of it */
	bool quiet;
};

/* The one that machines run is this one from now on. */
static int make_default(
	const struct image_store *store, const struct transfer_call *call, struct error *err)
{
	_cleanup_free_ char *standard = kernel_default_name(call->platform.architecture);

	return standard ? image_tag(store, call->name, standard, err) : error_oom(err);
}

static int pull_now(void *context, struct error *err)
{
	struct transfer_call *call = context;
	_cleanup_(progress_close) struct progress progress = { .fd = -1 };
	_cleanup_kernel_ struct kernel kernel = { 0 };
	struct image_pulled pulled;
	struct image_store store;
	int r = kernel_store_open(call->root, &store, err);

	if (r < 0)
		return r;
	progress_open(&progress, STDERR_FILENO, call->quiet);
	call->options.progress = &progress.image;
	r = image_pull(&store, call->name, &call->options, &pulled, err);
	progress_close(&progress);
	if (r == 0)
		r = kernel_find(call->root, call->name, call->platform.architecture, &kernel, err);
	if (r == 0 && access(kernel.vmlinux, F_OK) < 0)
		r = error_set(err, EINVAL, "%s is an image, but no kernel: it has no " KERNEL_FILE,
			call->name);
	if (r == 0)
		r = make_default(&store, call, err);
	image_store_close(&store);
	if (r == 0)
		r = kernel_make_initramfs(call->root, &kernel, err);
	if (r == 0)
		kernel_print(&kernel);
	return r;
}

static int fill(struct cli *cli, const struct transfer_values *v, const char *name,
	struct transfer_call *ret, struct error *err)
{
	int r;

	*ret = (struct transfer_call){ .root = cli->root, .name = name, .quiet = v->quiet };
	r = kernel_platform(v->platform, &ret->platform, err);
	image_platform_format(&ret->platform, ret->text, sizeof(ret->text));
	ret->options.platform = ret->text;
	return r < 0 ? r : registry_options_apply(&v->registry, &ret->options, err);
}

static int pull_main(struct cli *cli, void *values, int argc, char **argv, struct error *err)
{
	struct transfer_call call;
	int r = fill(cli, values, argv[0], &call, err);

	return r < 0 ? r : userns_call(pull_now, &call, err);
}

const struct verb verb_kernel_pull = {
	.name = "kernel pull",
	.group = "Machines",
	.usage = "[OPTIONS] NAME[:TAG|@DIGEST]",
	.summary = "Download a kernel for machines from a registry",
	.help = "One that `kernel push` has uploaded. It becomes the kernel of all machines for its CPU.",
	.options = transfer_rows,
	.options_size = sizeof(struct transfer_values),
	.min_operands = 1,
	.max_operands = 1,
	.run = pull_main,
};

static int push_main(struct cli *cli, void *values, int argc, char **argv, struct error *err)
{
	const struct transfer_values *v = values;
	_cleanup_(progress_close) struct progress progress = { .fd = -1 };
	struct transfer_call call;
	struct image_pushed pushed;
	struct image_store store;
	int r = fill(cli, v, argv[0], &call, err);

	if (r == 0)
		r = kernel_store_open(cli->root, &store, err);
	if (r < 0)
		return r;
	call.options.platform = v->platform; /* without: all that there are */
	progress_open(&progress, STDERR_FILENO, v->quiet);
	call.options.progress = &progress.image;
	r = image_push(&store, argv[0], &call.options, &pushed, err);
	progress_close(&progress);
	image_store_close(&store);
	if (r == 0)
		printf("%s%s%s\n", argv[0],
			v->quiet ? "" : ": digest: ", v->quiet ? "" : pushed.digest);
	return r;
}

const struct verb verb_kernel_push = {
	.name = "kernel push",
	.group = "Machines",
	.usage = "[OPTIONS] NAME[:TAG]",
	.summary = "Upload a kernel for machines to a registry",
	.help = "It must have the name it is to have there (kernel import --name).",
	.options = transfer_rows,
	.options_size = sizeof(struct transfer_values),
	.min_operands = 1,
	.max_operands = 1,
	.run = push_main,
};
