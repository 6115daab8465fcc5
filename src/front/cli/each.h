/* SPDX-License-Identifier: Apache-2.0 */
/*
 * each.h - verbs over several operands: every one is tried, and the exit status is 1 when one of
 * them failed, as in Docker.
 */
#pragma once

#include "front/cli/verb.h"
#include "instance/instance.h"

/* What is done with one operand; a failure is printed and the next one follows. */
typedef int (*each_fn)(
	struct cli *cli, const char *operand, const void *options, struct error *err);
int each_operand(struct cli *cli, int argc, char *const *argv, each_fn fn, const void *options,
	struct error *err);

/* Likewise with the instance of that name or ID loaded; on success the operand is printed. */
typedef int (*each_instance_fn)(struct instance *instance, const void *options, struct error *err);
int each_instance(struct cli *cli, int argc, char *const *argv, each_instance_fn fn,
	const void *options, struct error *err);

static inline struct instance_roots cli_roots(const struct cli *cli)
{
	return (struct instance_roots){ cli->root, cli->run_root, cli->rootless };
}
