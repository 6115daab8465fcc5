/* SPDX-License-Identifier: Apache-2.0 */
/*
 * create.c - `create`: a container whose process waits for `start`.
 */
#include "front/runtime/launch.h"

struct create_options {
	struct launch_options launch;
};

static const struct option create_table[] = {
	LAUNCH_OPTIONS(struct create_options),
	{ OPTION_END },
};

static int create_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	const struct create_options *o = options;
	_cleanup_record_ struct record record = RECORD_INIT;
	struct container_handle handle;
	struct container_config config;
	int r = launch(runtime_of(cli), argv[0], &o->launch, true, &record, &config, &handle, err);

	if (r < 0)
		return error_prefix(err, "cannot create container %s", argv[0]);
	container_handle_close(&handle);
	container_config_free(&config);
	return 0;
}

const struct verb runtime_verb_create = {
	.name = "create",
	.usage = "[OPTIONS] ID",
	.summary = "Make a container from a bundle; its command waits for `start`",
	.options = create_table,
	.options_size = sizeof(struct create_options),
	.min_operands = 1,
	.max_operands = 1,
	.run = create_main,
};
