/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmgenid.c - a number to read, which changes only while all vcpus stand, so it needs no lock.
 *
 * Linux's driver does nothing but read it when it is interrupted, so that is what lowers the line:
 * a pulse would be lost on a controller that takes it for a level.
 */
#include "device/vmgenid.h"

#include <string.h>
#include <sys/random.h>

static uint64_t read_number(struct vm_io *io, uint64_t offset, unsigned size)
{
	struct vmgenid *vmgenid = container_of(io, struct vmgenid, io);
	uint64_t value = 0;

	if (__atomic_exchange_n(&vmgenid->has_changed, false, __ATOMIC_SEQ_CST))
		vm_irq_set(&vmgenid->irq, false);
	if (offset < VMGENID_NUMBER_BYTES && size <= VMGENID_NUMBER_BYTES - offset)
		memcpy(&value, vmgenid->number + offset, size);
	return value;
}

static void write_nothing(struct vm_io *io, uint64_t offset, unsigned size, uint64_t value)
{
}

static const struct vm_io_ops ops = {
	.name = "vmgenid",
	.read = read_number,
	.write = write_nothing,
};

/* getrandom(2) gives that few bytes all at once. */
static void choose_number(struct vmgenid *vmgenid)
{
	(void)!getrandom(vmgenid->number, sizeof(vmgenid->number), 0);
}

static int restore(struct vm_saved *saved, struct error *err)
{
	struct vmgenid *vmgenid = container_of(saved, struct vmgenid, saved);

	choose_number(vmgenid);
	vmgenid->has_changed = true;
	return 0;
}

static void resume(struct vm_saved *saved)
{
	struct vmgenid *vmgenid = container_of(saved, struct vmgenid, saved);

	if (vmgenid->has_changed)
		vm_irq_set(&vmgenid->irq, true);
}

void vmgenid_init(struct vmgenid *vmgenid, const struct vm_irq *irq)
{
	*vmgenid = (struct vmgenid){ .io = { .ops = &ops, .size = VMGENID_BYTES }, .irq = *irq };
	vmgenid->saved = (struct vm_saved){
		.name = "vmgenid",
		.data = vmgenid->number,
		.size = sizeof(vmgenid->number),
		.restore = restore,
		.resume = resume,
	};
	choose_number(vmgenid);
}
