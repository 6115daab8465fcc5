/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-acpi.c - power, reset and events of hardware-reduced ACPI, and the ways out beside it.
 */
#include "unit/device/parts.h"

#include "device/acpi.h"

#define IRQ 5

static struct fake_chip chip;
static struct acpi acpi;
static int nr_offs, nr_resets, last_status;

static void off(struct vm_power *power, int status)
{
	nr_offs++;
	last_status = status;
}

static void reset(struct vm_power *power)
{
	nr_resets++;
}

static const struct vm_power_ops power_ops = { .name = "test", .off = off, .reset = reset };
static struct vm_power power = { &power_ops };

static int setup(void **state)
{
	struct vm_irq irq = fake_irq(&chip, IRQ);

	nr_offs = nr_resets = last_status = 0;
	acpi_init(&acpi, &irq, &power);
	return 0;
}

static int teardown(void **state)
{
	acpi_destroy(&acpi);
	return 0;
}

static void test_off(void **state)
{
	io_write(&acpi.io, ACPI_SLEEP_CONTROL, 1, ACPI_SLEEP_OFF << 2); /* not enabled */
	io_write(&acpi.io, ACPI_SLEEP_CONTROL, 1, 3 << 2 | 0x20); /* another state */
	io_write(&acpi.io, ACPI_SLEEP_CONTROL, 4, ACPI_SLEEP_OFF << 2 | 0x20); /* too wide */
	assert_int_equal(nr_offs, 0);
	io_write(&acpi.io, ACPI_SLEEP_CONTROL, 1, ACPI_SLEEP_OFF << 2 | 0x20);
	assert_int_equal(nr_offs, 1);
	assert_int_equal(last_status, 0);
}

static void test_reset(void **state)
{
	io_write(&acpi.io, ACPI_RESET, 1, ACPI_RESET_VALUE + 1);
	assert_int_equal(nr_resets, 0);
	io_write(&acpi.io, ACPI_RESET, 1, ACPI_RESET_VALUE);
	assert_int_equal(nr_resets, 1);
	io_write(&acpi.keys, 0, 1, 0xfe);
	assert_int_equal(nr_resets, 2);
	io_write(&acpi.keys, 0, 1, 0xd1);
	assert_int_equal(nr_resets, 2);
	assert_int_equal(io_read(&acpi.keys, 0, 1), 0); /* takes more */
}

static void test_exit(void **state)
{
	io_write(&acpi.exit, 1, 1, 3);
	assert_int_equal(nr_offs, 0);
	io_write(&acpi.exit, 0, 1, 3);
	assert_int_equal(last_status, 3);
	io_write(&acpi.exit, 0, 4, 0xffffffff); /* no negative status */
	assert_int_equal(last_status, INT32_MAX);
}

static void test_events(void **state)
{
	assert_false(chip.levels[IRQ]);
	acpi_raise(&acpi, ACPI_EVENT_POWER_BUTTON);
	acpi_raise(&acpi, ACPI_EVENT_GENERATION);
	assert_true(chip.levels[IRQ]);
	assert_int_equal(io_read(&acpi.io, ACPI_EVENTS, 1), 0); /* half of it forgets nothing */
	assert_true(chip.levels[IRQ]);
	assert_int_equal(
		io_read(&acpi.io, ACPI_EVENTS, 4), ACPI_EVENT_POWER_BUTTON | ACPI_EVENT_GENERATION);
	assert_false(chip.levels[IRQ]);
	assert_int_equal(io_read(&acpi.io, ACPI_EVENTS, 4), 0);
	acpi_raise(&acpi, ACPI_EVENT_GENERATION);
	acpi_reset(&acpi);
	assert_false(chip.levels[IRQ]);
}

static void test_restored(void **state)
{
	acpi.state.events = UINT32_MAX;
	assert_int_equal(acpi.saved.restore(&acpi.saved, NULL), 0);
	assert_true(chip.levels[IRQ]);
	assert_int_equal(io_read(&acpi.io, ACPI_EVENTS, 4), 3);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_off),
		TEST(test_reset),
		TEST(test_exit),
		TEST(test_events),
		TEST(test_restored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
