/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-bus.c - an access reaches the one device that has all of its bytes, or none.
 */
#include "unit/test.h"

#include <errno.h>

#include "vm/vm.h"

static struct vm_io *last_io;
static uint64_t last_offset, last_value;
static unsigned last_size;

static uint64_t read_window(struct vm_io *io, uint64_t offset, unsigned size)
{
	last_io = io;
	last_offset = offset;
	last_size = size;
	return io->start ^ offset;
}

static void write_window(struct vm_io *io, uint64_t offset, unsigned size, uint64_t value)
{
	last_io = io;
	last_offset = offset;
	last_size = size;
	last_value = value;
}

static const struct vm_io_ops window_ops = {
	.name = "window",
	.read = read_window,
	.write = write_window,
};

static struct vm_io windows[VM_IO_MAX + 1];

static struct vm_io *window(unsigned index, uint64_t start, uint64_t size)
{
	windows[index] = (struct vm_io){ &window_ops, start, size };
	return &windows[index];
}

static void test_find(void **state)
{
	struct vm_bus bus = { 0 };
	uint64_t value = 0;

	assert_int_equal(vm_bus_add(&bus, window(0, 0x3000, 0x10), NULL), 0);
	assert_int_equal(vm_bus_add(&bus, window(1, 0x1000, 0x1000), NULL), 0);
	assert_int_equal(vm_bus_add(&bus, window(2, 0x2000, 0x100), NULL), 0);
	assert_true(vm_bus_read(&bus, 0x1ffc, 4, &value));
	assert_ptr_equal(last_io, &windows[1]);
	assert_int_equal(last_offset, 0xffc);
	assert_int_equal(last_size, 4);
	assert_int_equal(value, 0x1000 ^ 0xffc);
	assert_true(vm_bus_write(&bus, 0x2000, 8, 77));
	assert_ptr_equal(last_io, &windows[2]);
	assert_int_equal(last_offset, 0);
	assert_int_equal(last_value, 77);
	assert_true(vm_bus_read(&bus, 0x300f, 1, &value));
	assert_ptr_equal(last_io, &windows[0]);
}

static void test_nothing_there(void **state)
{
	struct vm_bus bus = { 0 };
	uint64_t value = 5;

	assert_false(vm_bus_read(&bus, 0, 1, &value));
	assert_int_equal(vm_bus_add(&bus, window(0, 0x1000, 0x10), NULL), 0);
	assert_int_equal(vm_bus_add(&bus, window(1, 0x2000, 0x11), NULL), 0);
	last_io = NULL;
	assert_false(vm_bus_read(&bus, 0xfff, 1, &value));
	assert_false(vm_bus_read(&bus, 0xfff, 2, &value));
	assert_false(vm_bus_read(&bus, 0x1010, 1, &value));
	assert_false(vm_bus_read(&bus, 0x100e, 4, &value));
	assert_false(vm_bus_read(&bus, 0x2010, 2, &value));
	assert_false(vm_bus_read(&bus, 0x1000, 3, &value));
	assert_false(vm_bus_read(&bus, 0x1000, 0, &value));
	assert_false(vm_bus_read(&bus, 0x1000, 16, &value));
	assert_false(vm_bus_read(&bus, UINT64_MAX, 8, &value));
	assert_false(vm_bus_write(&bus, 0x1010, 1, 1));
	assert_int_equal(value, 5);
	assert_null(last_io);
}

static void test_refused(void **state)
{
	struct vm_bus bus = { 0 };
	struct error err = { 0 };

	assert_int_equal(vm_bus_add(&bus, window(0, 0x1000, 0x1000), &err), 0);
	assert_int_equal(vm_bus_add(&bus, window(1, 0x1fff, 1), &err), -EEXIST);
	assert_int_equal(vm_bus_add(&bus, window(1, 0, 0x1001), &err), -EEXIST);
	assert_int_equal(vm_bus_add(&bus, window(1, 0, UINT64_MAX), &err), -EEXIST);
	assert_int_equal(vm_bus_add(&bus, window(1, 0x2000, 0), &err), -EINVAL);
	assert_int_equal(vm_bus_add(&bus, window(1, UINT64_MAX, 2), &err), -EINVAL);
	assert_int_equal(vm_bus_add(&bus, window(1, UINT64_MAX, 1), &err), 0);
	for (unsigned i = 2; i < VM_IO_MAX; i++)
		assert_int_equal(vm_bus_add(&bus, window(i, 0x1000 * i, 8), &err), 0);
	assert_int_equal(vm_bus_add(&bus, window(VM_IO_MAX, 0, 8), &err), -ENOSPC);
	assert_int_equal(bus.nr_windows, VM_IO_MAX);
	for (unsigned i = 1; i < bus.nr_windows; i++)
		assert_true(bus.windows[i - 1]->start < bus.windows[i]->start);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_nothing_there),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests_name("vm/bus", tests, NULL, NULL);
}
