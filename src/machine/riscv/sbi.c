/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sbi.c - which extensions there are, and the way to their functions. The legacy ones (chapter 5)
 * are not: no kernel of these years needs them.
 */
#include "machine/riscv/sbi.h"

static const struct sbi_extension *const extensions[] = {
	&sbi_base,
	&sbi_time,
	&sbi_ipi,
	&sbi_rfence,
	&sbi_hsm,
	&sbi_reset,
	&sbi_pmu,
	&sbi_console,
	&sbi_suspend,
	&sbi_features,
};

const struct sbi_extension *sbi_find(uint64_t id)
{
	for (size_t i = 0; i < ARRAY_SIZE(extensions); i++)
		if (extensions[i]->id == id)
			return extensions[i];
	return NULL;
}

void riscv_sbi_call(
	struct riscv_hart *hart, const uint64_t arguments[8], struct riscv_sbi_result *ret)
{
	struct riscv_board *board = hart->config.sbi_context;
	struct sbi_call call = {
		.machine = board->machine, .board = board, .hart = hart, .a = arguments
	};
	const struct sbi_extension *extension = sbi_find(arguments[7]);
	uint64_t number = arguments[6];
	enum sbi_error error = SBI_NOT_SUPPORTED;

	if (extension && number < extension->nr_functions && extension->functions[number])
		error = extension->functions[number](&call);
	*ret = (struct riscv_sbi_result){ error, call.value };
}

enum sbi_error sbi_for_each_hart(struct sbi_call *call, uint64_t mask, uint64_t base,
	void (*each)(struct sbi_call *call, struct riscv_hart *hart))
{
	struct riscv_board *board = call->board;
	bool is_all = base == UINT64_MAX;

	if (!is_all && mask &&
		(base >= board->nr_harts ||
			63 - (unsigned)__builtin_clzll(mask) >= board->nr_harts - base))
		return SBI_INVALID_PARAM;
	for (unsigned i = 0; i < board->nr_harts; i++)
		if (is_all || (i >= base && i - base < 64 && (mask >> (i - base) & 1)))
			each(call, &board->harts[i]);
	return SBI_SUCCESS;
}
