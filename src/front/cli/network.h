/* SPDX-License-Identifier: Apache-2.0 */
/*
 * network.h - what the verbs about networks share.
 */
#pragma once

#include "front/cli/cli.h"
#include "network/network.h"

static inline struct network_roots network_cli_roots(const struct cli *cli)
{
	return (struct network_roots){ cli->root, cli->run_root, cli->rootless };
}

/* Remove those that nobody uses, and say so. */
int network_cli_prune(
	struct cli *cli, char *const *filters, int64_t until_ns, bool *ret_any, struct error *err);
