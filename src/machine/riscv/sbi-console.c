/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sbi-console.c - the debug console, before and beside the kernel's own driver (SBI 3.0,
 * chapter 12). It writes to the same place as the serial port, and reads what that has received:
 * who comes first gets it.
 */
#include "machine/riscv/sbi.h"

#define BYTES_MAX 4096u /* at once; the caller asks again for the rest */

static enum sbi_error write_bytes(struct sbi_call *call)
{
	uint64_t size = call->a[0] < BYTES_MAX ? call->a[0] : BYTES_MAX;
	const void *bytes = vm_memory_at(&call->machine->memory, call->a[1], size);

	if (call->a[2] != 0 || !bytes)
		return SBI_INVALID_PARAM;
	call->value = console_write(&call->machine->console, bytes, size);
	return SBI_SUCCESS;
}

static enum sbi_error read_bytes(struct sbi_call *call)
{
	struct vm_memory *memory = &call->machine->memory;
	uint8_t bytes[UART_FIFO_BYTES];

	if (call->a[2] != 0 || !vm_memory_at(memory, call->a[1], call->a[0]))
		return SBI_INVALID_PARAM;
	call->value = uart_take(
		call->board->uart, bytes, call->a[0] < sizeof(bytes) ? call->a[0] : sizeof(bytes));
	return vm_memory_write(memory, call->a[1], bytes, call->value) < 0 ? SBI_FAILED
									   : SBI_SUCCESS;
}

/* That one waits, says the specification; what is too much is lost in place of the machine. */
static enum sbi_error write_byte(struct sbi_call *call)
{
	uint8_t byte = (uint8_t)call->a[0];

	return console_write(&call->machine->console, &byte, 1) == 1 ? SBI_SUCCESS : SBI_FAILED;
}

static const sbi_function functions[] = {
	write_bytes,
	read_bytes,
	write_byte,
};

const struct sbi_extension sbi_console = { "DBCN", 0x4442434e, functions, ARRAY_SIZE(functions) };
