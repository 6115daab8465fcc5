/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-virtio-queue.c - chains come out of a split queue as the driver has put them in, the driver
 * is told and asked as it wants, and one that does what it may not only breaks its own device.
 */
#include "unit/test.h"

#include "unit/device/driver.h"

static struct driver driver;
static struct virtio_device device;
static struct virtio_chain chain;
static unsigned nr_notified;

static void start(struct virtio_device *d)
{
}

static void notify(struct virtio_device *d, unsigned queue)
{
	nr_notified++;
}

static const struct virtio_device_ops ops = {
	.name = "test", .id = 63, .start = start, .notify = notify
};

static int setup(void **state)
{
	nr_notified = 0;
	driver_init(&driver);
	device = (struct virtio_device){
		.ops = &ops, .nr_queues = 1, .queues[0].size_max = QUEUE_SIZE
	};
	virtio_device_init(&device, &driver.memory);
	driver_attach(&driver, &device);
	driver_start(&driver, 0);
	return 0;
}

static int teardown(void **state)
{
	virtio_device_destroy(&device);
	driver_destroy(&driver);
	return 0;
}

static bool pop(void)
{
	return virtio_queue_pop(&device.queues[0], &chain);
}

static void push(uint32_t written)
{
	virtio_queue_push(&device.queues[0], &chain, written);
	virtio_queue_signal(&device.queues[0]);
}

static void test_chain(void **state)
{
	const struct driver_part parts[] = { { BUFFERS, 5 }, { BUFFERS + 100, 3 },
		{ BUFFERS + 4094, 8, true }, { BUFFERS, 1, true } };
	uint16_t head, given;
	uint32_t bytes;
	char text[16] = "";

	memcpy(driver_at(&driver, BUFFERS, 5), "hello", 5);
	memcpy(driver_at(&driver, BUFFERS + 100, 3), " yo", 3);
	assert_false(pop());
	head = driver_add(&driver, 0, parts, 4);
	assert_true(pop());
	assert_false(virtio_queue_listen(&device.queues[0], true));
	assert_int_equal(chain.head, head);
	assert_int_equal(chain.nr_out, 2);
	assert_int_equal(chain.nr_in, 2);
	assert_int_equal(chain.out_bytes, 8);
	assert_int_equal(chain.in_bytes, 9);
	assert_int_equal(virtio_chain_read(&chain, 2, text, sizeof(text)), 6);
	assert_string_equal(text, "llo yo");
	assert_int_equal(virtio_chain_read(&chain, 8, text, 1), 0);
	assert_int_equal(virtio_chain_write(&chain, 6, "abcd", 4), 3);
	assert_memory_equal(driver_at(&driver, BUFFERS + 4100, 2), "ab", 2);
	assert_memory_equal(driver_at(&driver, BUFFERS, 5), "cello", 5);

	assert_false(driver.line);
	push(9);
	assert_true(driver.line);
	assert_true(driver_take(&driver, 0, &given, &bytes));
	assert_int_equal(given, head);
	assert_int_equal(bytes, 9);
	assert_int_equal(driver_read(&driver, VIRTIO_MMIO_INTERRUPT_STATUS), 1);
	driver_write(&driver, VIRTIO_MMIO_INTERRUPT_ACK, 1);
	assert_false(driver.line);
}

/* More chains than 16-bit indices can count, given back in another order. */
static void test_round_and_round(void **state)
{
	static struct virtio_chain second;
	const struct driver_part part = { BUFFERS, 1 };
	uint16_t first_head, second_head, given;
	uint32_t bytes;

	for (unsigned i = 0; i < 40000; i++) {
		first_head = driver_add(&driver, 0, &part, 1);
		second_head = driver_add(&driver, 0, &part, 1);
		assert_true(pop());
		assert_true(virtio_queue_pop(&device.queues[0], &second));
		assert_int_equal(chain.head, first_head);
		assert_int_equal(second.head, second_head);
		virtio_queue_push(&device.queues[0], &second, 0);
		push(0);
		assert_true(driver_take(&driver, 0, &given, &bytes));
		assert_int_equal(given, second_head);
		assert_true(driver_take(&driver, 0, &given, &bytes));
		assert_int_equal(given, first_head);
		assert_false(driver_take(&driver, 0, &given, &bytes));
	}
	assert_false(driver_is_broken(&driver));
}

/* Not before all are there. */
static void test_several_at_once(void **state)
{
	const struct driver_part part = { BUFFERS, 1, true };
	uint16_t given;
	uint32_t bytes;

	for (unsigned i = 0; i < 2; i++) {
		driver_add(&driver, 0, &part, 1);
		assert_true(pop());
		virtio_queue_put(&device.queues[0], &chain, 1);
		assert_false(driver_take(&driver, 0, &given, &bytes));
	}
	virtio_queue_publish(&device.queues[0]);
	assert_true(driver_take(&driver, 0, &given, &bytes));
	assert_true(driver_take(&driver, 0, &given, &bytes));
}

static void test_taken_back(void **state)
{
	const struct driver_part part = { BUFFERS, 1 };
	uint16_t first = driver_add(&driver, 0, &part, 1);

	driver_add(&driver, 0, &part, 1);
	assert_true(pop());
	assert_true(pop());
	assert_false(pop());
	virtio_queue_unpop(&device.queues[0], 2);
	assert_true(pop());
	assert_int_equal(chain.head, first);
}

static void add_indirect(uint64_t table, uint32_t bytes, uint16_t flags)
{
	struct vring_desc *d = driver_descriptor(&driver, 0, 0);

	*d = (struct vring_desc){ .addr = table, .len = bytes, .flags = flags };
	driver_offer(&driver, 0, 0);
}

static void test_indirect(void **state)
{
	uint64_t table = INDIRECT(0) + 3; /* it need not be aligned */
	struct vring_desc d[3];
	const struct driver_part parts[] = { { BUFFERS, 5 }, { BUFFERS + 8, 6 },
		{ BUFFERS + 16, 7, true } };

	driver_start(&driver, 1ull << VIRTIO_RING_F_INDIRECT_DESC);
	driver_fill(&d[0], &parts[0], true, 2);
	driver_fill(&d[2], &parts[1], true, 1);
	driver_fill(&d[1], &parts[2], false, 0);
	memcpy(driver_at(&driver, table, sizeof(d)), d, sizeof(d));
	add_indirect(table, sizeof(d), VRING_DESC_F_INDIRECT);
	assert_true(pop());
	assert_int_equal(chain.nr_out, 2);
	assert_int_equal(chain.out_bytes, 11);
	assert_int_equal(chain.in_bytes, 7);
	assert_int_equal(chain.starts[1], BUFFERS + 8);
	assert_false(driver_is_broken(&driver));
}

/* --- notifications --------------------------------------------------------------------------- */

static void add_and_push(void)
{
	const struct driver_part part = { BUFFERS, 1, true };

	driver_add(&driver, 0, &part, 1);
	assert_true(pop());
	push(0);
	driver_write(&driver, VIRTIO_MMIO_INTERRUPT_ACK, 1);
}

static void test_flags(void **state)
{
	add_and_push();
	assert_int_equal(driver.nr_interrupts, 1);
	driver_available_ring(&driver, 0)->flags = VRING_AVAIL_F_NO_INTERRUPT;
	add_and_push();
	assert_int_equal(driver.nr_interrupts, 1);
	/* Nothing new. */
	driver_available_ring(&driver, 0)->flags = 0;
	virtio_queue_signal(&device.queues[0]);
	assert_int_equal(driver.nr_interrupts, 1);

	assert_false(virtio_queue_listen(&device.queues[0], false));
	assert_int_equal(driver_used_ring(&driver, 0)->flags, VRING_USED_F_NO_NOTIFY);
	assert_false(virtio_queue_listen(&device.queues[0], true));
	assert_int_equal(driver_used_ring(&driver, 0)->flags, 0);
}

static void test_events(void **state)
{
	uint16_t *used_event, *avail_event;

	driver_start(&driver, 1ull << VIRTIO_RING_F_EVENT_IDX);
	used_event = &driver_available_ring(&driver, 0)->ring[QUEUE_SIZE];
	avail_event = (uint16_t *)(void *)&driver_used_ring(&driver, 0)->ring[QUEUE_SIZE];
	driver.nr_interrupts = 0;
	*used_event = 2;
	add_and_push();
	add_and_push();
	assert_int_equal(driver.nr_interrupts, 0);
	add_and_push();
	assert_int_equal(driver.nr_interrupts, 1);
	add_and_push();
	assert_int_equal(driver.nr_interrupts, 1);

	assert_false(virtio_queue_listen(&device.queues[0], true));
	assert_int_equal(*avail_event, 4);
	driver_add(&driver, 0, &(struct driver_part){ BUFFERS, 1 }, 1);
	assert_true(virtio_queue_listen(&device.queues[0], true));
}

static void test_notified(void **state)
{
	driver_notify(&driver, 0);
	assert_int_equal(nr_notified, 1);
	driver_notify(&driver, 1);
	driver_notify(&driver, UINT32_MAX);
	assert_int_equal(nr_notified, 1);
}

/* Behind what was written, whoever has translated from there knows. */
static void test_written_is_told(void **state)
{
	const struct driver_part parts[] = { { BUFFERS + 4095, 2, true },
		{ BUFFERS + 9000, 4, true } };
	const struct vm_region *ram = vm_memory_region(&driver.memory, RAM_START, RAM_BYTES);

	vm_memory_clean(&driver.memory);
	driver_add(&driver, 0, parts, 2);
	assert_true(pop());
	push(2);
	assert_true(*vm_page(ram, BUFFERS) & VM_PAGE_DIRTY);
	assert_true(*vm_page(ram, BUFFERS + 4096) & VM_PAGE_DIRTY);
	assert_false(*vm_page(ram, BUFFERS + 8192) & VM_PAGE_DIRTY);
	assert_true(*vm_page(ram, USED(0)) & VM_PAGE_DIRTY);
	driver_add(&driver, 0, parts, 2);
	assert_true(pop());
	virtio_chain_touched(&device.queues[0], &chain);
	assert_true(*vm_page(ram, BUFFERS + 8192) & VM_PAGE_DIRTY);
}

/* --- a driver that does what it may not ------------------------------------------------------ */

/* No chain comes, the driver is told, and after a reset all is well. */
static void assert_breaks(void)
{
	const struct driver_part part = { BUFFERS, 1 };

	driver_notify(&driver, 0);
	assert_false(pop());
	assert_true(driver_is_broken(&driver));
	assert_int_equal(driver_read(&driver, VIRTIO_MMIO_INTERRUPT_STATUS), 2);
	assert_true(driver.line);
	assert_false(pop());
	driver_start(&driver, 1ull << VIRTIO_RING_F_INDIRECT_DESC);
	assert_false(driver.line);
	assert_false(driver_is_broken(&driver));
	driver_add(&driver, 0, &part, 1);
	assert_true(pop());
	push(0);
	driver_start(&driver, 1ull << VIRTIO_RING_F_INDIRECT_DESC);
}

static void breaks(const struct driver_part *parts, unsigned nr)
{
	driver_add(&driver, 0, parts, nr);
	assert_breaks();
}

static void test_wrong_descriptors(void **state)
{
	breaks((struct driver_part[]){ { 0, 1 } }, 1);
	breaks((struct driver_part[]){ { RAM_START + RAM_BYTES - 1, 2 } }, 1);
	breaks((struct driver_part[]){ { UINT64_MAX, 2, true } }, 1);
	breaks((struct driver_part[]){ { BUFFERS, UINT32_MAX } }, 1);
	breaks((struct driver_part[]){ { BUFFERS, 1, true }, { BUFFERS, 1 } }, 2);
	driver_offer(&driver, 0, QUEUE_SIZE);
	assert_breaks();
	driver_offer(&driver, 0, UINT16_MAX);
	assert_breaks();
	*driver_descriptor(&driver, 0, 0) = (struct vring_desc){
		.addr = BUFFERS, .flags = VRING_DESC_F_NEXT, .next = 12345
	};
	driver_offer(&driver, 0, 0);
	assert_breaks();
}

static void test_ring_of_descriptors(void **state)
{
	for (uint16_t i = 0; i < 2; i++)
		*driver_descriptor(&driver, 0, i) = (struct vring_desc){
			.addr = BUFFERS, .flags = VRING_DESC_F_NEXT, .next = !i
		};
	driver_offer(&driver, 0, 0);
	assert_breaks();
}

static void test_wrong_indices(void **state)
{
	const struct driver_part part = { BUFFERS, 1 };

	driver_available_ring(&driver, 0)->idx = QUEUE_SIZE + 1;
	assert_breaks();
	driver_available_ring(&driver, 0)->idx = UINT16_MAX;
	assert_breaks();
	/* One more than the queue has, while all are with the device. */
	for (unsigned i = 0; i < QUEUE_SIZE; i++) {
		driver_add(&driver, 0, &part, 1);
		assert_true(pop());
	}
	driver_add(&driver, 0, &part, 1);
	assert_breaks();
}

static void test_wrong_indirect(void **state)
{
	struct vring_desc *table = driver_at(&driver, INDIRECT(0), 64);

	add_indirect(INDIRECT(0), 16, VRING_DESC_F_INDIRECT); /* not agreed on */
	assert_breaks();
	add_indirect(INDIRECT(0), 0, VRING_DESC_F_INDIRECT);
	assert_breaks();
	add_indirect(INDIRECT(0), 24, VRING_DESC_F_INDIRECT);
	assert_breaks();
	add_indirect(RAM_START - 16, 32, VRING_DESC_F_INDIRECT);
	assert_breaks();
	add_indirect(INDIRECT(0), UINT32_MAX - 15, VRING_DESC_F_INDIRECT);
	assert_breaks();
	add_indirect(INDIRECT(0), 16, VRING_DESC_F_INDIRECT | VRING_DESC_F_NEXT);
	assert_breaks();
	table[0] = (struct vring_desc){ .addr = INDIRECT(0), .len = 16 };
	table[0].flags = VRING_DESC_F_INDIRECT;
	add_indirect(INDIRECT(0), 16, VRING_DESC_F_INDIRECT);
	assert_breaks();
	table[0] = (struct vring_desc){ .addr = BUFFERS, .flags = VRING_DESC_F_NEXT, .next = 1 };
	add_indirect(INDIRECT(0), 16, VRING_DESC_F_INDIRECT);
	assert_breaks();
}

static void test_wrong_rings(void **state)
{
	static const struct {
		uint32_t offset, value;
	} rows[] = {
		{ VIRTIO_MMIO_QUEUE_NUM, 0 },
		{ VIRTIO_MMIO_QUEUE_NUM, 3 },
		{ VIRTIO_MMIO_QUEUE_NUM, QUEUE_SIZE * 2 },
		{ VIRTIO_MMIO_QUEUE_NUM, 0x10000 + 1 },
		{ VIRTIO_MMIO_QUEUE_DESC_LOW, 8 },
		{ VIRTIO_MMIO_QUEUE_DESC_HIGH, 1 },
		{ VIRTIO_MMIO_QUEUE_AVAIL_LOW, 1 },
		{ VIRTIO_MMIO_QUEUE_AVAIL_HIGH, UINT32_MAX },
		{ VIRTIO_MMIO_QUEUE_USED_LOW, (uint32_t)(RAM_START + RAM_BYTES - 4) },
		{ VIRTIO_MMIO_QUEUE_USED_LOW, 2 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		driver_write(&driver, VIRTIO_MMIO_QUEUE_READY, 0);
		driver_open_queue(&driver, 0, QUEUE_SIZE);
		assert_false(driver_is_broken(&driver));
		driver_write(&driver, VIRTIO_MMIO_QUEUE_READY, 0);
		driver_write(&driver, VIRTIO_MMIO_QUEUE_NUM, QUEUE_SIZE);
		driver_write(&driver, VIRTIO_MMIO_QUEUE_DESC_LOW, (uint32_t)DESCRIPTORS(0));
		driver_write(&driver, VIRTIO_MMIO_QUEUE_AVAIL_LOW, (uint32_t)AVAILABLE(0));
		driver_write(&driver, VIRTIO_MMIO_QUEUE_USED_LOW, (uint32_t)USED(0));
		driver_write(&driver, rows[i].offset, rows[i].value);
		driver_write(&driver, VIRTIO_MMIO_QUEUE_READY, 1);
		assert_int_equal(driver_read(&driver, VIRTIO_MMIO_QUEUE_READY), 0);
		assert_breaks();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_chain, setup, teardown),
		cmocka_unit_test_setup_teardown(test_round_and_round, setup, teardown),
		cmocka_unit_test_setup_teardown(test_several_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_taken_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_indirect, setup, teardown),
		cmocka_unit_test_setup_teardown(test_flags, setup, teardown),
		cmocka_unit_test_setup_teardown(test_events, setup, teardown),
		cmocka_unit_test_setup_teardown(test_notified, setup, teardown),
		cmocka_unit_test_setup_teardown(test_written_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_descriptors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ring_of_descriptors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_indices, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_indirect, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_rings, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
