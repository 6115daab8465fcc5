/* SPDX-License-Identifier: Apache-2.0 */
/*
 * finisher.c - one register that ends everything (SiFive FU540 manual, "Test finisher"). It has no
 * state, so it needs no lock.
 */
#include "device/finisher.h"

static uint64_t read_finisher(struct vm_io *io, uint64_t offset, unsigned size)
{
	return 0;
}

static void write_finisher(struct vm_io *io, uint64_t offset, unsigned size, uint64_t value)
{
	struct vm_power *power = container_of(io, struct finisher, io)->power;
	int status = (int)(value >> 16 & 0xffff);

	if (offset != 0 || size < 2)
		return;
	switch (value & 0xffff) {
	case FINISHER_PASS:
		power->ops->off(power, 0);
		break;
	case FINISHER_FAIL:
		power->ops->off(power, status ? status : 1);
		break;
	case FINISHER_RESET:
		power->ops->reset(power);
		break;
	}
}

static const struct vm_io_ops ops = {
	.name = "finisher",
	.read = read_finisher,
	.write = write_finisher,
};

void finisher_init(struct finisher *finisher, struct vm_power *power)
{
	*finisher = (struct finisher){ .io = { .ops = &ops, .size = FINISHER_BYTES },
		.power = power };
}
