/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-virtio-mmio.c - the registers of virtio-mmio, what of a driver's wishes sticks, reset, and
 * what a snapshot keeps of a device.
 */
#include "unit/test.h"

#include <errno.h>

#include "unit/device/driver.h"

#define FEATURE (1ull << 5)

static struct driver driver;
static struct virtio_device device;
static uint8_t config[11] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 };
static unsigned nr_started, nr_stopped, nr_reset, nr_notified;

static void start(struct virtio_device *d)
{
	nr_started++;
}

static void stop(struct virtio_device *d)
{
	nr_stopped++;
}

static void reset(struct virtio_device *d)
{
	nr_reset++;
}

static void notify(struct virtio_device *d, unsigned queue)
{
	nr_notified++;
}

static void config_write(struct virtio_device *d, uint32_t offset, const void *from, uint32_t size)
{
	memcpy(config + offset, from, size);
}

static const struct virtio_device_ops ops = {
	.name = "test",
	.id = 63,
	.start = start,
	.stop = stop,
	.reset = reset,
	.notify = notify,
	.config_write = config_write,
};

static int setup(void **state)
{
	nr_started = nr_stopped = nr_reset = nr_notified = 0;
	driver_init(&driver);
	device = (struct virtio_device){
		.ops = &ops,
		.features = FEATURE,
		.nr_queues = 2,
		.queues = { { .size_max = QUEUE_SIZE }, { .size_max = 4 } },
		.config = config,
		.config_bytes = sizeof(config),
	};
	virtio_device_init(&device, &driver.memory);
	driver_attach(&driver, &device);
	return 0;
}

static int teardown(void **state)
{
	virtio_device_destroy(&device);
	driver_destroy(&driver);
	return 0;
}

static void test_who(void **state)
{
	assert_int_equal(driver_read(&driver, VIRTIO_MMIO_MAGIC_VALUE), 0x74726976);
	assert_int_equal(driver_read(&driver, VIRTIO_MMIO_VERSION), 2);
	assert_int_equal(driver_read(&driver, VIRTIO_MMIO_DEVICE_ID), 63);
	assert_int_equal(driver_read(&driver, VIRTIO_MMIO_SHM_LEN_LOW), UINT32_MAX);
	assert_int_equal(driver_read(&driver, VIRTIO_MMIO_SHM_LEN_HIGH), UINT32_MAX);
	assert_true(driver_offered(&driver) & FEATURE);
	assert_true(driver_offered(&driver) & COMMON);
	driver_write(&driver, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 2);
	assert_int_equal(driver_read(&driver, VIRTIO_MMIO_DEVICE_FEATURES), 0);
	driver_write(&driver, VIRTIO_MMIO_QUEUE_SEL, 1);
	assert_int_equal(driver_read(&driver, VIRTIO_MMIO_QUEUE_NUM_MAX), 4);
	driver_write(&driver, VIRTIO_MMIO_QUEUE_SEL, 2);
	assert_int_equal(driver_read(&driver, VIRTIO_MMIO_QUEUE_NUM_MAX), 0);
	driver_write(&driver, VIRTIO_MMIO_QUEUE_READY, 1);
	assert_int_equal(driver_read(&driver, VIRTIO_MMIO_QUEUE_READY), 0);
}

static void test_empty_slot(void **state)
{
	struct virtio_mmio empty;
	const struct vm_irq irq = {};
	uint64_t value;

	virtio_mmio_init(&empty, NULL, &irq);
	empty.io.start = IO_START + VIRTIO_MMIO_BYTES;
	assert_int_equal(vm_bus_add(&driver.bus, &empty.io, NULL), 0);
	assert_true(vm_bus_read(&driver.bus, empty.io.start, 4, &value));
	assert_int_equal(value, 0x74726976);
	for (unsigned offset = 8; offset < VIRTIO_MMIO_BYTES; offset += 4) {
		assert_true(vm_bus_write(&driver.bus, empty.io.start + offset, 4, 1));
		assert_true(vm_bus_read(&driver.bus, empty.io.start + offset, 4, &value));
		assert_int_equal(value, offset == VIRTIO_MMIO_VENDOR_ID ? 0x554d4551 : 0);
	}
	virtio_mmio_destroy(&empty);
}

static void test_odd_accesses(void **state)
{
	uint64_t value;

	assert_true(vm_bus_read(&driver.bus, IO_START, 2, &value));
	assert_int_equal(value, 0);
	assert_true(vm_bus_read(&driver.bus, IO_START, 8, &value));
	assert_int_equal(value, 0);
	assert_true(vm_bus_read(&driver.bus, IO_START + 2, 4, &value));
	assert_int_equal(value, 0);
	assert_true(vm_bus_write(&driver.bus, IO_START + VIRTIO_MMIO_STATUS, 1, 1));
	assert_int_equal(driver_read(&driver, VIRTIO_MMIO_STATUS), 0);
}

static void test_features(void **state)
{
	assert_true(driver_negotiate(&driver, COMMON | FEATURE));
	/* Too late. */
	driver_write(&driver, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	driver_write(&driver, VIRTIO_MMIO_DRIVER_FEATURES, 0);
	assert_true(virtio_device_has(&device, 5));
	/* A driver that looks at the lower half only; and what is not offered. */
	assert_true(driver_negotiate(&driver, FEATURE));
	assert_false(driver_negotiate(&driver, COMMON | FEATURE << 1));
	driver_set_status(&driver, VIRTIO_CONFIG_S_DRIVER_OK);
	assert_int_equal(nr_started, 0);
	assert_int_equal(driver_read(&driver, VIRTIO_MMIO_STATUS), 3);
}

static void test_life(void **state)
{
	driver_notify(&driver, 0);
	assert_int_equal(nr_notified, 0);
	driver_start(&driver, 0);
	assert_int_equal(nr_started, 1);
	assert_int_equal(device.queues[1].state->size, 4);
	driver_notify(&driver, 0);
	assert_int_equal(nr_notified, 1);
	driver_set_status(&driver, VIRTIO_CONFIG_S_DRIVER_OK);
	assert_int_equal(nr_started, 1);
	driver_write(&driver, VIRTIO_MMIO_STATUS, 0);
	assert_int_equal(nr_stopped, 1);
	assert_int_equal(nr_reset, 2);
	assert_int_equal(driver_read(&driver, VIRTIO_MMIO_STATUS), 0);
	driver_write(&driver, VIRTIO_MMIO_QUEUE_SEL, 0);
	assert_int_equal(driver_read(&driver, VIRTIO_MMIO_QUEUE_READY), 0);
}

/* Of a queue that is ready, nothing can be changed under the device's feet. */
static void test_queue_is_fixed(void **state)
{
	driver_start(&driver, 0);
	driver_write(&driver, VIRTIO_MMIO_QUEUE_SEL, 0);
	driver_write(&driver, VIRTIO_MMIO_QUEUE_DESC_LOW, 0);
	driver_write(&driver, VIRTIO_MMIO_QUEUE_NUM, 1);
	assert_int_equal(device.queues[0].state->descriptors, DESCRIPTORS(0));
	assert_int_equal(device.queues[0].state->size, QUEUE_SIZE);
	driver_write(&driver, VIRTIO_MMIO_QUEUE_READY, 0);
	assert_int_equal(nr_stopped, 1);
	assert_int_equal(nr_started, 2);
	assert_int_equal(driver_read(&driver, VIRTIO_MMIO_QUEUE_READY), 0);
}

static void test_config(void **state)
{
	uint32_t generation = driver_read(&driver, VIRTIO_MMIO_CONFIG_GENERATION);

	assert_int_equal(driver_config(&driver, 0, 8), UINT64_C(0x0807060504030201));
	assert_int_equal(driver_config(&driver, 10, 1), 11);
	assert_int_equal(driver_config(&driver, 10, 2), 0);
	assert_int_equal(driver_config(&driver, 8, 4), 0);
	assert_int_equal(driver_config(&driver, VIRTIO_MMIO_BYTES - VIRTIO_MMIO_CONFIG - 8, 8), 0);
	driver_write(&driver, VIRTIO_MMIO_CONFIG + 4, 0x04030201);
	assert_int_equal(config[4], 1);
	driver_write(&driver, VIRTIO_MMIO_CONFIG + 8, 0);
	assert_int_equal(config[8], 9);
	driver_start(&driver, 0);
	assert_false(driver.line);
	virtio_config_changed(&device);
	assert_true(driver.line);
	assert_int_equal(driver_read(&driver, VIRTIO_MMIO_INTERRUPT_STATUS), 2);
	assert_int_not_equal(driver_read(&driver, VIRTIO_MMIO_CONFIG_GENERATION), generation);
}

/* --- snapshots ------------------------------------------------------------------------------- */

static void test_saved_and_restored(void **state)
{
	static struct virtio_state kept;
	static struct virtio_chain chain;
	const struct driver_part part = { BUFFERS, 4, true };
	uint16_t head, given;
	uint32_t bytes;

	driver_start(&driver, FEATURE);
	device.saved.save(&device.saved);
	assert_int_equal(nr_stopped, 1);
	driver_notify(&driver, 0);
	assert_int_equal(nr_notified, 0);
	kept = *(struct virtio_state *)device.saved.data;

	teardown(NULL);
	setup(NULL);
	memset(driver_at(&driver, DESCRIPTORS(0), 0x20000), 0, 0x20000);
	driver.queues[0].size = QUEUE_SIZE;
	*(struct virtio_state *)device.saved.data = kept;
	((struct virtio_state *)device.saved.data)->interrupts = 1;
	assert_false(driver.line);
	assert_int_equal(device.saved.restore(&device.saved, NULL), 0);
	assert_true(driver.line);
	assert_int_equal(nr_started, 0);
	device.saved.resume(&device.saved);
	assert_int_equal(nr_started, 1);
	head = driver_add(&driver, 0, &part, 1);
	assert_true(virtio_queue_pop(&device.queues[0], &chain));
	virtio_queue_push(&device.queues[0], &chain, 4);
	assert_true(driver_take(&driver, 0, &given, &bytes));
	assert_int_equal(given, head);
}

static void restores(int expected)
{
	struct error err = {};

	assert_int_equal(device.saved.restore(&device.saved, &err), expected);
	device.state = (struct virtio_state){};
}

static void test_wrong_snapshots(void **state)
{
	struct virtio_state *s = device.saved.data;
	const struct virtio_queue_state good = {
		.descriptors = DESCRIPTORS(0),
		.available = AVAILABLE(0),
		.used = USED(0),
		.size = QUEUE_SIZE,
		.ready = 1,
	};

	s->queues[0] = good;
	restores(0);
	s->driver_features = FEATURE << 1;
	restores(-EINVAL);
	s->queues[2] = good;
	restores(-EINVAL);
	s->queues[0] = good;
	s->queues[0].size = QUEUE_SIZE * 2;
	restores(-EINVAL);
	s->queues[0] = good;
	s->queues[0].used = 0;
	restores(-EINVAL);
	s->queues[0] = good;
	s->queues[0].published = 3; /* what was not published is put back by save() */
	restores(-EINVAL);
	s->queues[0] = good;
	s->queues[0].next_available = QUEUE_SIZE + 1;
	restores(-EINVAL);
	memset(s, 0xff, sizeof(*s));
	restores(-EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_who, setup, teardown),
		cmocka_unit_test_setup_teardown(test_empty_slot, setup, teardown),
		cmocka_unit_test_setup_teardown(test_odd_accesses, setup, teardown),
		cmocka_unit_test_setup_teardown(test_features, setup, teardown),
		cmocka_unit_test_setup_teardown(test_life, setup, teardown),
		cmocka_unit_test_setup_teardown(test_queue_is_fixed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_config, setup, teardown),
		cmocka_unit_test_setup_teardown(test_saved_and_restored, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_snapshots, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
