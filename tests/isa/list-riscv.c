/* SPDX-License-Identifier: Apache-2.0 */
/*
 * list-riscv.c - the table of instructions as lines "mnemonic FORMAT mask match", for programs.py.
 */
#include <stdint.h>
#include <stdio.h>

#include "jit/riscv/instructions.h"

static const struct {
	const char *mnemonic, *format;
	uint32_t mask, match;
} rows[] = {
#define ROW(name, text, format, ...) { text, #format, __VA_ARGS__ },
	RISCV_INSTRUCTIONS(ROW)
};

int main(void)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		printf("%s %s %#x %#x\n", rows[i].mnemonic, rows[i].format, rows[i].mask,
			rows[i].match);
	return 0;
}
