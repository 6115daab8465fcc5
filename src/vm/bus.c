/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bus.c - which device answers at an address: a sorted array, searched by halves.
 */
#include "vm/vm.h"

/* Index of the first window that ends behind `address`. */
static unsigned find(const struct vm_bus *bus, uint64_t address)
{
	unsigned low = 0, high = bus->nr_windows;

	while (low < high) {
		unsigned middle = (low + high) / 2;
		const struct vm_io *io = bus->windows[middle];

		if (io->start + io->size - 1 < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int vm_bus_add(struct vm_bus *bus, struct vm_io *io, struct error *err)
{
	uint64_t last = io->start + io->size - 1;
	unsigned at = find(bus, io->start);

	if (io->size == 0 || last < io->start)
		return error_set(err, EINVAL, "%s: no such range of addresses", io->ops->name);
	if (at < bus->nr_windows && bus->windows[at]->start <= last)
		return error_set(err, EEXIST, "%s at %#llx overlaps %s", io->ops->name,
			(unsigned long long)io->start, bus->windows[at]->ops->name);
	if (bus->nr_windows == VM_IO_MAX)
		return error_set(err, ENOSPC, "%s: more than %d devices", io->ops->name, VM_IO_MAX);
	for (unsigned i = bus->nr_windows++; i > at; i--)
		bus->windows[i] = bus->windows[i - 1];
	bus->windows[at] = io;
	return 0;
}

static struct vm_io *find_access(const struct vm_bus *bus, uint64_t address, unsigned size)
{
	unsigned at = find(bus, address);
	struct vm_io *io = at < bus->nr_windows ? bus->windows[at] : NULL;

	if (size == 0 || size > VM_ACCESS_BYTES || (size & (size - 1)) || !io ||
		address < io->start || io->size - (address - io->start) < size)
		return NULL;
	return io;
}

bool vm_bus_read(struct vm_bus *bus, uint64_t address, unsigned size, uint64_t *ret)
{
	struct vm_io *io = find_access(bus, address, size);

	if (!io)
		return false;
	*ret = io->ops->read(io, address - io->start, size);
	return true;
}

bool vm_bus_write(struct vm_bus *bus, uint64_t address, unsigned size, uint64_t value)
{
	struct vm_io *io = find_access(bus, address, size);

	if (!io)
		return false;
	io->ops->write(io, address - io->start, size, value);
	return true;
}
