/* SPDX-License-Identifier: Apache-2.0 */
/*
 * each.c - the loop of every verb that takes several operands.
 */
#include "front/cli/each.h"

#include "front/cli/cli.h"

int each_operand(struct cli *cli, int argc, char *const *argv, each_fn fn, const void *options,
	struct error *err)
{
	int status = 0;

	for (int i = 0; i < argc; i++) {
		if (fn(cli, argv[i], options, err) >= 0)
			continue;
		fflush(stdout);
		cli_print_error(cli, err);
		error_clear(err);
		status = EXIT_FAILURE;
	}
	return status;
}

struct each_context {
	each_instance_fn fn;
	const void *options;
};

static int one_instance(
	struct cli *cli, const char *operand, const void *options, struct error *err)
{
	_cleanup_instance_ struct instance instance = { .dir_fd = -1 };
	const struct each_context *context = options;
	struct instance_roots roots = cli_roots(cli);
	int r = instance_load(&roots, operand, &instance, err);

	if (r == 0)
		r = context->fn(&instance, context->options, err);
	if (r == 0)
		printf("%s\n", operand);
	return r;
}

int each_instance(struct cli *cli, int argc, char *const *argv, each_instance_fn fn,
	const void *options, struct error *err)
{
	struct each_context context = { fn, options };

	return each_operand(cli, argc, argv, one_instance, &context, err);
}
