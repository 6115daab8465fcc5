/* SPDX-License-Identifier: Apache-2.0 */
/*
 * save.c - `save`: images go out into a file or a folder.
 */
#include "front/cli/progress.h"
#include "front/cli/verbs.h"
#include "image/archive.h"

struct save_options {
	const char *output, *format, *platform;
};

static const struct option save_table[] = {
	{ OPTION_STRING, 'o', "output", offsetof(struct save_options, output), "PATH",
		"Write to PATH instead of standard output", COMPLETE_FILE },
	{ OPTION_STRING, 0, "format", offsetof(struct save_options, format), "FORMAT",
		"docker (default), oci, or oci-dir for a layout folder", COMPLETE_CHOICES,
		"docker|oci|oci-dir|docker-archive|oci-archive" },
	{ OPTION_STRING, 0, "platform", offsetof(struct save_options, platform), "OS/ARCH",
		"Save only this platform" },
	{ OPTION_END },
};

static enum image_archive_format parse_format(const char *text)
{
	if (!text || streq(text, "docker") || streq(text, "docker-archive"))
		return IMAGE_ARCHIVE_DOCKER;
	return streq(text, "oci-dir") ? IMAGE_ARCHIVE_OCI_DIR : IMAGE_ARCHIVE_OCI;
}

static int save_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	const struct save_options *o = options;
	enum image_archive_format format = parse_format(o->format);
	_cleanup_(progress_close) struct progress progress = { .fd = -1 };
	struct image_store store;
	int r;

	if (!o->output && format == IMAGE_ARCHIVE_OCI_DIR)
		return error_set(err, EINVAL, "a folder needs a name: give -o PATH");
	if (!o->output && isatty(1))
		return error_set(
			err, EINVAL, "an archive is not for a terminal: give -o FILE or a pipe");
	r = image_store_open(cli->root, &store, err);
	if (r < 0)
		return r;
	progress_open(&progress, STDERR_FILENO, !isatty(STDERR_FILENO));
	r = image_save(&store, argv, o->output ? o->output : "-", format, o->platform,
		&progress.image, err);
	image_store_close(&store);
	return r < 0 ? error_prefix(err, "cannot save") : 0;
}

const struct verb verb_save = {
	.name = "save",
	.group = "Images",
	.usage = "[OPTIONS] IMAGE [IMAGE...]",
	.summary = "Save images to an archive",
	.help = "The docker format is an OCI layout too: docker load, podman load and skopeo read it.\n"
		"The oci formats keep every platform of an image, where all of them are stored.",
	.options = save_table,
	.options_size = sizeof(struct save_options),
	.min_operands = 1,
	.max_operands = -1,
	.operand = COMPLETE_IMAGE,
	.run = save_main,
};
