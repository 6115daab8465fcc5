/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-riscv.c - any bytes as RISC-V instructions.
 *
 * Whatever the words are, decoding them gives an instruction of the table or none, text for it that
 * fits, and those that touch no memory execute; x0 stays 0.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "jit/riscv/cpu.h"
#include "jit/riscv/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int touches_memory(enum riscv_format format)
{
	switch (format) {
	case RISCV_FORMAT_LOAD:
	case RISCV_FORMAT_STORE:
	case RISCV_FORMAT_FLOAD:
	case RISCV_FORMAT_FSTORE:
	case RISCV_FORMAT_CBO:
	case RISCV_FORMAT_AMO:
	case RISCV_FORMAT_LR:
	case RISCV_FORMAT_VLS:
	case RISCV_FORMAT_VLSX:
	case RISCV_FORMAT_VLSV:
		return 1;
	default:
		return 0;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct riscv_cpu cpu;
	char text[80];

	riscv_cpu_init(&cpu, (struct jit_memory){ 0 });
	for (unsigned i = 1; i < 32; i++) {
		cpu.x[i] = UINT64_C(0x9e3779b97f4a7c15) * i;
		cpu.f[i] = ~cpu.x[i];
	}
	for (size_t at = 0; at + sizeof(uint32_t) <= size; at += sizeof(uint32_t)) {
		struct riscv_insn insn;
		uint32_t word;

		memcpy(&word, data + at, sizeof(word));
		insn = riscv_decode(word);
		if (insn.op >= RISCV_OP_COUNT || (insn.length != 2 && insn.length != 4))
			abort();
		riscv_disassemble(&insn, at, text, sizeof(text));
		if (strlen(text) >= sizeof(text) - 1)
			abort();
		if (touches_memory(riscv_format(insn.op)))
			continue;
		cpu.pc = (uint64_t)(uintptr_t)&word;
		riscv_interpret(&cpu, 1);
		if (cpu.x[0])
			abort();
	}
	return 0;
}
