/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tar.c - `__tar-create` and `__tar-extract`: the helper's half of `cp -`, and of what `cp` sends
 * to machines, which keeps holes: those who get a stream of `cp -` may not know them.
 *
 * The folder is a private one that `cp` made for this; the stream is standard input or output.
 */
#include "base/io.h"
#include "front/cli/verbs.h"
#include "image/layer.h"

struct create_options {
	bool holes;
};

static const struct option create_options[] = {
	{ OPTION_FLAG, 0, "holes", offsetof(struct create_options, holes), NULL,
		"Keep holes of files, as GNU tar does" },
	{ OPTION_END },
};

static int create_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	const struct create_options *given = options;
	_cleanup_close_ int fd = io_open_dir(AT_FDCWD, argv[0]);

	if (fd < 0)
		return error_errno(err, fd, "cannot open %s", argv[0]);
	return image_layer_pack(fd, given->holes ? IMAGE_PACK_HOLES : 0, STDOUT_FILENO, err);
}

static int extract_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	_cleanup_close_ int fd = io_open_dir(AT_FDCWD, argv[0]);

	if (fd < 0)
		return error_errno(err, fd, "cannot open %s", argv[0]);
	return image_tree_unpack(fd, STDIN_FILENO, err);
}

static const struct option no_options[] = { { OPTION_END } };

const struct verb verb_tar_create = {
	.name = "__tar-create",
	.usage = "FOLDER",
	.summary = "Write what is in a folder to standard output as tar",
	.options = create_options,
	.options_size = sizeof(struct create_options),
	.min_operands = 1,
	.max_operands = 1,
	.hidden = true,
	.run = create_main,
};

const struct verb verb_tar_extract = {
	.name = "__tar-extract",
	.usage = "FOLDER",
	.summary = "Unpack a tar stream from standard input into an empty folder",
	.options = no_options,
	.min_operands = 1,
	.max_operands = 1,
	.hidden = true,
	.run = extract_main,
};
