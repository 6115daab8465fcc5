/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import.c - `import` and `load`: images and root filesystems come in from files.
 *
 * import looks at what it is given; load is Docker's word for the formats that hold whole images.
 */
#include <stdio.h>

#include "front/cli/progress.h"
#include "front/cli/verbs.h"
#include "image/archive.h"

struct import_options {
	const char *platform, *message, *format, *compress;
	char **changes;
	bool add_platform, quiet;
};

static const struct option import_table[] = {
	{ OPTION_LIST, 'c', "change", offsetof(struct import_options, changes), "INSTRUCTION",
		"Apply a Dockerfile instruction: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ..." },
	{ OPTION_STRING, 'm', "message", offsetof(struct import_options, message), "TEXT",
		"Comment for the image's history" },
	{ OPTION_STRING, 0, "platform", offsetof(struct import_options, platform), "OS/ARCH",
		"What a root filesystem is for; which platform of an image to unpack" },
	{ OPTION_FLAG, 0, "add-platform", offsetof(struct import_options, add_platform), NULL,
		"Add the root filesystem to the named image as one more platform" },
	{ OPTION_STRING, 0, "format", offsetof(struct import_options, format), "FORMAT",
		"Do not guess what the file is", COMPLETE_CHOICES, "auto|oci|docker|rootfs" },
	{ OPTION_STRING, 0, "compress", offsetof(struct import_options, compress), "METHOD",
		"How to keep layers that come uncompressed (default gzip)", COMPLETE_CHOICES,
		"gzip|zstd|none" },
	{ OPTION_FLAG, 'q', "quiet", offsetof(struct import_options, quiet), NULL,
		"Print no names" },
	{ OPTION_END },
};

static enum image_archive_format parse_format(const char *text)
{
	if (!text || streq(text, "auto"))
		return IMAGE_ARCHIVE_AUTO;
	if (streq(text, "oci"))
		return IMAGE_ARCHIVE_OCI;
	return streq(text, "docker") ? IMAGE_ARCHIVE_DOCKER : IMAGE_ARCHIVE_ROOTFS;
}

static enum image_compression parse_compression(const char *text)
{
	if (!text || streq(text, "gzip"))
		return IMAGE_COMPRESSION_GZIP;
	return streq(text, "zstd") ? IMAGE_COMPRESSION_ZSTD : IMAGE_COMPRESSION_NONE;
}

/* `say` is what stands before each name. */
static int import_and_print(struct cli *cli, const char *path,
	const struct image_import_options *options, const char *say, struct error *err)
{
	_cleanup_(progress_close) struct progress progress = { .fd = -1 };
	struct image_import_options told = *options;
	_cleanup_strv_ char **names = NULL;
	struct image_store store;
	int r = image_store_open(cli->root, &store, err);

	if (r < 0)
		return r;
	progress_open(&progress, STDERR_FILENO, !say || !isatty(STDERR_FILENO));
	told.progress = &progress.image;
	r = image_import(&store, path, &told, &names, err);
	progress_close(&progress);
	image_store_close(&store);
	if (r < 0)
		return r;
	strv_for_each (name, names) {
		struct image_reference reference;
		_cleanup_free_ char *familiar = NULL;

		if (!say)
			continue;
		if (!image_digest_is_valid(*name) &&
			image_reference_parse(*name, &reference, NULL) == 0) {
			familiar = image_reference_familiar(&reference);
			image_reference_free(&reference);
		}
		printf("%s%s\n", say, familiar ? familiar : *name);
	}
	return 0;
}

static int import_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	const struct import_options *o = options;
	const struct image_import_options import = {
		.format = parse_format(o->format),
		.compression = parse_compression(o->compress),
		.name = argc > 1 ? argv[1] : NULL,
		.platform = o->platform,
		.changes = o->changes,
		.message = o->message,
		.add_platform = o->add_platform,
	};

	return import_and_print(cli, argv[0], &import, o->quiet ? NULL : "", err);
}

const struct verb verb_import = {
	.name = "import",
	.group = "Images",
	.usage = "[OPTIONS] FILE|FOLDER|- [NAME]",
	.summary = "Make an image from a root filesystem tar, or take in an image archive",
	.help = "What the file is shows in its content: a docker-archive (docker save), an oci-archive\n"
		"or an OCI layout folder brings its images under their own names, unless NAME is\n"
		"given; any other tar (plain, gzip, zstd, xz, bzip2) becomes an image of one layer.\n"
		"Several platforms make one image:\n"
		"  strata import --platform linux/amd64 amd64.tar tools\n"
		"  strata import --platform linux/riscv64 --add-platform riscv64.tar tools",
	.options = import_table,
	.options_size = sizeof(struct import_options),
	.min_operands = 1,
	.max_operands = 2,
	.operand = COMPLETE_FILE,
	.run = import_main,
};

struct load_options {
	const char *input, *platform, *compress;
	bool quiet;
};

static const struct option load_table[] = {
	{ OPTION_STRING, 'i', "input", offsetof(struct load_options, input), "FILE",
		"Read FILE instead of standard input", COMPLETE_FILE },
	{ OPTION_STRING, 0, "platform", offsetof(struct load_options, platform), "OS/ARCH",
		"Which platform to unpack" },
	{ OPTION_STRING, 0, "compress", offsetof(struct load_options, compress), "METHOD",
		"How to keep layers that come uncompressed (default gzip)", COMPLETE_CHOICES,
		"gzip|zstd|none" },
	{ OPTION_FLAG, 'q', "quiet", offsetof(struct load_options, quiet), NULL, "Print no names" },
	{ OPTION_END },
};

static int load_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	const struct load_options *o = options;
	const struct image_import_options import = {
		.format = IMAGE_ARCHIVE_AUTO,
		.compression = parse_compression(o->compress),
		.platform = o->platform,
		.images_only = true,
	};

	if (!o->input && isatty(0))
		return error_set(err, EINVAL,
			"standard input is a terminal: give an archive with -i FILE or a pipe");
	return import_and_print(
		cli, o->input ? o->input : "-", &import, o->quiet ? NULL : "Loaded image: ", err);
}

const struct verb verb_load = {
	.name = "load",
	.group = "Images",
	.usage = "[OPTIONS]",
	.summary = "Load images from a docker-archive, an oci-archive or an OCI layout",
	.options = load_table,
	.options_size = sizeof(struct load_options),
	.run = load_main,
};
