/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-virtio-console.c - what the guest writes comes out whole and in order, however slowly it is
 * read; what is typed comes in when there is room for it; sizes; a snapshot in the middle of a
 * line.
 */
#include "unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_console.h>
#include <unistd.h>

#include "unit/device/driver.h"
#include "device/virtio/console.h"

#define IN	     0
#define OUT	     1
#define SIZE_FEATURE (1ull << VIRTIO_CONSOLE_F_SIZE)

static struct driver driver;
static struct loop loop;
static struct console console;
static struct virtio_console *vc;
static int keys[2], screen[2]; /* pipes */

static void open_device(void)
{
	struct console_config config = { .in_fd = keys[0], .out_fd = screen[1] };

	assert_int_equal(console_open(&console, &config, &loop, NULL), 0);
	assert_int_equal(virtio_console_open(&console, &driver.memory, &vc, NULL), 0);
	driver_attach(&driver, virtio_console_device(vc));
}

static int setup(void **state)
{
	driver_init(&driver);
	assert_int_equal(loop_open(&loop, NULL), 0);
	assert_int_equal(pipe2(keys, O_CLOEXEC), 0);
	assert_int_equal(pipe2(screen, O_CLOEXEC), 0);
	assert_int_equal(fcntl(screen[0], F_SETFL, O_NONBLOCK), 0);
	open_device();
	return 0;
}

static int teardown(void **state)
{
	vc = virtio_console_close(vc);
	console_close(&console);
	loop_close(&loop);
	driver_destroy(&driver);
	for (unsigned i = 0; i < 2; i++) {
		close(keys[i]);
		close(screen[i]);
	}
	return 0;
}

static void stop_now(struct loop_timer *timer)
{
	loop_stop(&loop);
}

static void run_loop(void)
{
	struct loop_timer timer = { .expired = stop_now };

	loop_timer_start(&loop, &timer, 1000000);
	assert_int_equal(loop_run(&loop), 0);
}

static size_t read_screen(char *to, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = read(screen[0], to + done, size - done);

		if (n > 0)
			done += (size_t)n;
		else
			run_loop();
	}
	return done;
}

static void print(const char *text)
{
	const struct driver_part part = { BUFFERS, (uint32_t)strlen(text) };

	memcpy(driver_at(&driver, BUFFERS, strlen(text)), text, strlen(text));
	driver_add(&driver, OUT, &part, 1);
	driver_notify(&driver, OUT);
}

static void test_out(void **state)
{
	char text[12];
	uint16_t head;
	uint32_t bytes;

	driver_start(&driver, SIZE_FEATURE);
	print("Hello, ");
	print("world");
	read_screen(text, sizeof(text));
	assert_memory_equal(text, "Hello, world", 12);
	assert_true(driver_take(&driver, OUT, &head, &bytes));
	assert_int_equal(bytes, 0);
	assert_true(driver_take(&driver, OUT, &head, &bytes));
}

/* More than the pipe and the ring take: some of it waits in the guest, and nothing is lost. */
static void test_much_out(void **state)
{
	enum { MUCH = 1 << 20 };
	const struct driver_part part = { BUFFERS, MUCH };
	uint32_t *numbers = driver_at(&driver, BUFFERS, MUCH);
	static char text[MUCH];
	uint16_t head;
	uint32_t bytes;

	driver_start(&driver, 0);
	for (uint32_t i = 0; i < MUCH / 4; i++)
		numbers[i] = i * 2654435761u;
	driver_add(&driver, OUT, &part, 1);
	driver_notify(&driver, OUT);
	run_loop();
	assert_false(driver_take(&driver, OUT, &head, &bytes));
	read_screen(text, MUCH / 2);
	/* It goes on elsewhere, from the middle. */
	virtio_console_device(vc)->saved.save(&virtio_console_device(vc)->saved);
	assert_int_equal(
		virtio_console_device(vc)->saved.restore(&virtio_console_device(vc)->saved, NULL),
		0);
	virtio_console_device(vc)->saved.resume(&virtio_console_device(vc)->saved);
	read_screen(text + MUCH / 2, MUCH / 2);
	assert_memory_equal(text, numbers, MUCH);
	while (!driver_take(&driver, OUT, &head, &bytes))
		run_loop();
	print("and on");
	read_screen(text, 6);
	assert_memory_equal(text, "and on", 6);
}

/* A reset forgets what was not written. */
static void test_reset(void **state)
{
	const struct driver_part part = { BUFFERS, 1 << 20 };
	static char text[1 << 20];

	driver_start(&driver, 0);
	memset(driver_at(&driver, BUFFERS, 1 << 20), 'x', 1 << 20);
	driver_add(&driver, OUT, &part, 1);
	driver_notify(&driver, OUT);
	driver_start(&driver, 0);
	print("new");
	for (unsigned i = 0; i < 200 && !memchr(text, 'n', sizeof(text)); i++) {
		(void)!read(screen[0], text, sizeof(text));
		run_loop();
	}
	assert_non_null(memchr(text, 'n', sizeof(text)));
}

static void test_in(void **state)
{
	const struct driver_part part = { BUFFERS, 3, true };
	uint16_t head;
	uint32_t bytes;

	/* Typed before anybody reads. */
	assert_int_equal(write(keys[1], "abcdefg", 7), 7);
	run_loop();
	driver_start(&driver, SIZE_FEATURE);
	run_loop();
	driver_add(&driver, IN, &part, 1);
	driver_notify(&driver, IN);
	while (!driver_take(&driver, IN, &head, &bytes))
		run_loop();
	assert_int_equal(bytes, 3);
	assert_memory_equal(driver_at(&driver, BUFFERS, 3), "abc", 3);
	assert_true(driver.line);
	run_loop();
	assert_false(driver_take(&driver, IN, &head, &bytes));
	driver_add(&driver, IN, &part, 1);
	driver_add(&driver, IN, &(struct driver_part){ BUFFERS + 3, 9, true }, 1);
	driver_notify(&driver, IN);
	while (!driver_take(&driver, IN, &head, &bytes))
		run_loop();
	assert_true(driver_take(&driver, IN, &head, &bytes));
	assert_int_equal(bytes, 1);
	assert_memory_equal(driver_at(&driver, BUFFERS, 4), "defg", 4);
}

static void test_size(void **state)
{
	struct console_guest *guest = console.guest;

	guest->ops->resized(guest, 80, 24);
	assert_false(driver.line);
	driver_start(&driver, SIZE_FEATURE);
	assert_int_equal(driver_config(&driver, 0, 2), 80);
	assert_int_equal(driver_config(&driver, 2, 2), 24);
	guest->ops->resized(guest, 80, 24);
	assert_false(driver.line);
	guest->ops->resized(guest, 132, 43);
	assert_int_equal(driver_config(&driver, 0, 2), 132);
	assert_int_equal(driver_read(&driver, VIRTIO_MMIO_INTERRUPT_STATUS), 2);
}

static void test_size_after_snapshot(void **state)
{
	struct vm_saved *saved = virtio_console_saved(vc);

	driver_start(&driver, SIZE_FEATURE);
	saved->save(saved);
	saved->resume(saved);
	assert_false(driver.line);
	console.guest->ops->resized(console.guest, 90, 30);
	driver_write(&driver, VIRTIO_MMIO_INTERRUPT_ACK, 2);
	saved->resume(saved);
	assert_true(driver.line);
}

static void test_emergency(void **state)
{
	char text[2];

	driver_write(&driver, VIRTIO_MMIO_CONFIG + 8, 'o');
	driver_write(&driver, VIRTIO_MMIO_CONFIG + 8, 'h');
	driver_write(&driver, VIRTIO_MMIO_CONFIG + 4, 'x');
	read_screen(text, 2);
	assert_memory_equal(text, "oh", 2);
}

static void test_wrong(void **state)
{
	driver_start(&driver, 0);
	driver_add(&driver, OUT, &(struct driver_part){ RAM_START - 1, 2 }, 1);
	driver_notify(&driver, OUT);
	assert_true(driver_is_broken(&driver));
	driver_start(&driver, 0);
	driver_add(&driver, IN, &(struct driver_part){ RAM_START - 1, 2, true }, 1);
	assert_int_equal(write(keys[1], "a", 1), 1);
	for (unsigned i = 0; i < 1000 && !driver_is_broken(&driver); i++)
		run_loop();
	assert_true(driver_is_broken(&driver));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_out, setup, teardown),
		cmocka_unit_test_setup_teardown(test_much_out, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reset, setup, teardown),
		cmocka_unit_test_setup_teardown(test_in, setup, teardown),
		cmocka_unit_test_setup_teardown(test_size, setup, teardown),
		cmocka_unit_test_setup_teardown(test_size_after_snapshot, setup, teardown),
		cmocka_unit_test_setup_teardown(test_emergency, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
