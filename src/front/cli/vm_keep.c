/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vm_keep.c - `__keep_code`: the process that translates again what a machine has told, for the
 * next one (machine/riscv/kept.c). isolation/ starts it.
 */
#include <unistd.h>

#include "base/io.h"
#include "front/cli/cli.h"
#include "front/cli/verbs.h"
#include "machine/machine.h"

#define LIST_BYTES_MAX (8u << 20)

static int keep_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	int r = io_read_fd(STDIN_FILENO, LIST_BYTES_MAX, &text, &size);

	if (r < 0)
		return error_errno(err, r, "cannot read the list");
	return machine_keep_code(argv[0], text, size, argv[1], err);
}

const struct verb verb_keep_code = {
	.name = "__keep_code",
	.usage = "SNAPSHOT FILE",
	.summary = "Translate the places of a list, for machines that go on from a snapshot",
	.min_operands = 2,
	.max_operands = 2,
	.hidden = true,
	.stateless = true,
	.run = keep_main,
};
