/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tar.c - `__tar-create` and `__tar-extract`: the helper's half of `cp -`.
 *
 * The folder is a private one that `cp` made for this; the stream is standard input or output.
 */
#include "base/io.h"
#include "front/cli/verbs.h"
#include "image/layer.h"

static int create_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	_cleanup_close_ int fd = io_open_dir(AT_FDCWD, argv[0]);

	if (fd < 0)
		return error_errno(err, fd, "cannot open %s", argv[0]);
	return image_layer_pack(fd, false, STDOUT_FILENO, err);
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
	.options = no_options,
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
