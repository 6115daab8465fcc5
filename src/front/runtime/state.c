/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state.c - `state`: the document of runtime-spec runtime.md "State", with runc's additions.
 */
#include "front/runtime/record.h"

static int state_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	_cleanup_record_ struct record record = RECORD_INIT;
	_cleanup_free_ char *text = NULL;
	int r = record_open(runtime_of(cli), argv[0], &record, err);

	if (r < 0)
		return r;
	text = record_describe(&record);
	if (!text)
		return error_oom(err);
	return runtime_print_json(text, err);
}

const struct verb runtime_verb_state = {
	.name = "state",
	.usage = "ID",
	.summary = "Print the state of a container",
	.min_operands = 1,
	.max_operands = 1,
	.run = state_main,
};
