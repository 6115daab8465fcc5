/* SPDX-License-Identifier: Apache-2.0 */
/*
 * imsic.c - the pages of interrupt files (RISC-V Advanced Interrupt Architecture 1.0, 3.5): a word
 * that is written to the first register is the identity that becomes pending at the page's hart.
 * Everything reads as 0, and the second register, of the other byte order, is not there.
 */
#include "device/imsic.h"

#include <string.h>

#define REG_SETEIPNUM_LE 0

static uint64_t read_imsic(struct vm_io *io, uint64_t offset, unsigned size)
{
	return 0;
}

static void write_imsic(struct vm_io *io, uint64_t offset, unsigned size, uint64_t value)
{
	struct imsic *imsic = container_of(io, struct imsic, io);
	struct vm_vcpu *vcpu = imsic->vcpus[offset / IMSIC_PAGE_BYTES];

	if (size == 4 && offset % IMSIC_PAGE_BYTES == REG_SETEIPNUM_LE)
		vcpu->ops->message(vcpu, imsic->pin, (uint32_t)value);
}

static const struct vm_io_ops io_ops = {
	.name = "imsic",
	.read = read_imsic,
	.write = write_imsic,
};

void imsic_init(struct imsic *imsic, uint64_t start, unsigned pin, struct vm_vcpu *const *vcpus,
	unsigned nr_vcpus)
{
	*imsic = (struct imsic){ .io = { .ops = &io_ops,
					 .start = start,
					 .size = (uint64_t)nr_vcpus * IMSIC_PAGE_BYTES },
		.pin = pin,
		.nr_vcpus = nr_vcpus };
	memcpy(imsic->vcpus, vcpus, nr_vcpus * sizeof(*vcpus));
}
