/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-vmgenid.c - the number is another one for each machine and each restore, and the guest is
 * told of the latter only.
 */
#include "unit/device/parts.h"

#include "device/vmgenid.h"

struct counting_chip {
	struct vm_irqchip chip;
	unsigned rises;
	bool level;
};

static struct counting_chip chip;

static void count(struct vm_irqchip *c, unsigned number, bool level)
{
	assert_int_equal(number, 9);
	chip.rises += level && !chip.level;
	chip.level = level;
}

static const struct vm_irqchip_ops counting_ops = { .name = "counting", .set = count };

static void open_vmgenid(struct vmgenid *vmgenid)
{
	const struct vm_irq irq = { &chip.chip, 9 };

	chip = (struct counting_chip){ .chip = { &counting_ops } };
	vmgenid_init(vmgenid, &irq);
}

static void test_number(void **state)
{
	struct vmgenid one, two;
	uint64_t low, high;

	open_vmgenid(&one);
	open_vmgenid(&two);
	low = io_read(&one.io, 0, 8);
	high = io_read(&one.io, 8, 8);
	assert_true(low != io_read(&two.io, 0, 8) && high != io_read(&two.io, 8, 8));
	/* In any size; nothing is behind it, and nothing can be written. */
	assert_int_equal(io_read(&one.io, 4, 4), low >> 32);
	assert_int_equal(io_read(&one.io, 15, 1), high >> 56);
	assert_int_equal(io_read(&one.io, 16, 8), 0);
	assert_int_equal(io_read(&one.io, 4088, 8), 0);
	io_write(&one.io, 0, 8, 0);
	assert_true(io_read(&one.io, 0, 8) == low);
}

static void test_restore(void **state)
{
	struct vmgenid one;
	uint64_t low;

	open_vmgenid(&one);
	low = io_read(&one.io, 0, 8);
	/* Saved, and going on. */
	one.saved.resume(&one.saved);
	assert_int_equal(chip.rises, 0);
	assert_true(io_read(&one.io, 0, 8) == low);
	assert_int_equal(one.saved.restore(&one.saved, NULL), 0);
	assert_int_equal(chip.rises, 0);
	one.saved.resume(&one.saved);
	assert_int_equal(chip.rises, 1);
	/* Until it is read. */
	assert_true(chip.level);
	assert_true(io_read(&one.io, 0, 8) != low);
	assert_false(chip.level);
	one.saved.resume(&one.saved);
	assert_int_equal(chip.rises, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_number),
		cmocka_unit_test(test_restore),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
