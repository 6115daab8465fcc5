/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-uart.c - the serial port, and the console behind it: bytes both ways, in order, none lost
 * that need not be; interrupts; the keys that are not for the guest.
 */
#include "unit/device/parts.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>

#include "device/uart.h"

enum { DATA, IER, IIR, LCR, MCR, LSR, MSR, SCR };

static struct fake_chip chip;
static struct console console;
static struct uart uart;
static struct loop loop;
static int typed, shown; /* our ends */
static char key;

static void note_key(void *context, char letter)
{
	key = letter;
}

static void open_uart(bool has_keys)
{
	struct console_config config = { .has_keys = has_keys, .key = note_key };
	struct vm_irq irq = fake_irq(&chip, 10);
	int in[2], out[2];

	assert_int_equal(pipe2(in, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC | O_NONBLOCK), 0);
	config.in_fd = in[0];
	config.out_fd = out[1];
	typed = in[1];
	shown = out[0];
	key = 0;
	assert_int_equal(loop_open(&loop, NULL), 0);
	assert_int_equal(console_open(&console, &config, &loop, NULL), 0);
	close(in[0]);
	close(out[1]);
	uart_init(&uart, &irq, &console);
}

static int setup(void **state)
{
	open_uart(false);
	return 0;
}

static int setup_keys(void **state)
{
	open_uart(true);
	return 0;
}

static int teardown(void **state)
{
	uart_destroy(&uart);
	console_close(&console);
	loop_close(&loop);
	close(typed);
	close(shown);
	return 0;
}

static uint8_t get(unsigned reg)
{
	return (uint8_t)io_read(&uart.io, reg, 1);
}

static void put(unsigned reg, uint8_t value)
{
	io_write(&uart.io, reg, 1, value);
}

static bool is_interrupted(void)
{
	return chip.levels[10];
}

static void type(const char *text)
{
	assert_int_equal(write(typed, text, strlen(text)), strlen(text));
	run_loop(&loop, 5);
}

/* All that the guest has written by now. */
static size_t show(char *text, size_t size)
{
	ssize_t n;

	run_loop(&loop, 10);
	n = read(shown, text, size - 1);
	text[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

static void test_transmit(void **state)
{
	char text[64];

	assert_int_equal(get(LSR), 0x60);
	for (const char *p = "hello\n"; *p; p++)
		put(DATA, (uint8_t)*p);
	show(text, sizeof(text));
	assert_string_equal(text, "hello\n");
}

static void test_receive(void **state)
{
	put(IIR, 1);
	put(IER, 1);
	assert_false(is_interrupted());
	type("ab");
	assert_true(is_interrupted());
	assert_int_equal(get(IIR), 0xc4);
	assert_int_equal(get(LSR), 0x61);
	assert_int_equal(get(DATA), 'a');
	assert_true(is_interrupted());
	assert_int_equal(get(DATA), 'b');
	assert_false(is_interrupted());
	assert_int_equal(get(IIR), 0xc1);
	assert_int_equal(get(LSR), 0x60);
	assert_int_equal(get(DATA), 0);
}

/* More than the FIFO holds waits outside, and nothing is lost. */
static void test_receive_much(void **state)
{
	char much[1000], got[1001] = "";
	unsigned n = 0;

	for (unsigned i = 0; i < sizeof(much); i++)
		much[i] = (char)('a' + i % 26);
	put(IIR, 1);
	assert_int_equal(write(typed, much, sizeof(much)), sizeof(much));
	for (unsigned i = 0; i < 500 && n < sizeof(much); i++) {
		run_loop(&loop, 1);
		while (n < sizeof(much) && (get(LSR) & 1))
			got[n++] = (char)get(DATA);
	}
	assert_int_equal(n, sizeof(much));
	assert_memory_equal(got, much, sizeof(much));
}

static void test_trigger_level(void **state)
{
	put(IIR, 0x41); /* four bytes */
	put(IER, 1);
	type("abc");
	assert_int_equal(get(IIR), 0xcc);
	type("d");
	assert_int_equal(get(IIR), 0xc4);
	put(IIR, 0x43); /* cleared */
	assert_false(is_interrupted());
	assert_int_equal(get(LSR), 0x60);
}

static void test_transmitter_interrupt(void **state)
{
	assert_false(is_interrupted());
	put(IER, 2);
	assert_true(is_interrupted());
	assert_int_equal(get(IIR), 0x02);
	assert_false(is_interrupted()); /* reading it takes it away */
	put(DATA, 'x');
	assert_true(is_interrupted());
	put(IER, 0);
	assert_false(is_interrupted());
}

/* Nobody reads: the guest sees a busy transmitter, and goes on when somebody does. */
static void test_busy(void **state)
{
	char text[4096];
	size_t written = 0, seen = 0;

	while ((get(LSR) & 0x20) && written < 1000000) {
		put(DATA, 'z');
		if (++written % 1000 == 0)
			run_loop(&loop, 1);
	}
	assert_in_range(written, CONSOLE_OUTPUT_BYTES, 999999);
	put(IER, 2);
	assert_false(is_interrupted());
	for (unsigned i = 0; i < 1000 && seen < written; i++)
		seen += show(text, sizeof(text));
	assert_int_equal(seen, written);
	assert_int_equal(get(LSR), 0x60);
	assert_true(is_interrupted());
}

/* As Linux' 8250 driver finds out that there is one. */
static void test_loopback(void **state)
{
	char text[16];

	assert_int_equal(get(MSR) & 0xf0, 0xb0);
	put(MCR, 0x1a);
	assert_int_equal(get(MSR) & 0xf0, 0x90);
	put(DATA, 'l');
	assert_int_equal(get(DATA), 'l');
	type("t");
	assert_int_equal(get(LSR) & 1, 0);
	put(MCR, 0x0b);
	run_loop(&loop, 5);
	assert_int_equal(get(DATA), 't');
	assert_int_equal(show(text, sizeof(text)), 0);
}

static void test_modem_status(void **state)
{
	put(MCR, 0x10); /* everything falls */
	assert_int_equal(get(MSR) & 0x0f, 0x0b);
	assert_int_equal(get(MSR) & 0x0f, 0);
	put(IER, 8);
	put(MCR, 0x12);
	assert_true(is_interrupted());
	assert_int_equal(get(IIR), 0x00);
	assert_int_equal(get(MSR), 0x11);
	assert_false(is_interrupted());
	put(MCR, 0x16);
	assert_int_equal(get(MSR), 0x50); /* ringing begins: not told */
	put(MCR, 0x12);
	assert_int_equal(get(MSR), 0x14);
}

static void test_overrun(void **state)
{
	put(MCR, 0x10);
	put(IIR, 1);
	put(IER, 4);
	for (unsigned i = 0; i < 17; i++)
		put(DATA, (uint8_t)i);
	assert_true(is_interrupted());
	assert_int_equal(get(IIR), 0xc6);
	assert_int_equal(get(LSR), 0x63);
	assert_false(is_interrupted());
	for (unsigned i = 0; i < 16; i++)
		assert_int_equal(get(DATA), i);
}

static void test_registers(void **state)
{
	put(SCR, 0xa5);
	put(LCR, 0x83);
	put(DATA, 0x34);
	put(IER, 0x12);
	assert_int_equal(get(DATA), 0x34);
	assert_int_equal(get(IER), 0x12);
	put(LCR, 3);
	put(IER, 0xff);
	assert_int_equal(get(IER), 0x0f);
	assert_int_equal(get(LCR), 3);
	assert_int_equal(get(SCR), 0xa5);
	put(IIR, 0);
	assert_int_equal(get(IIR) & 0xc0, 0);
	put(IIR, 0xff);
	assert_int_equal(get(IIR) & 0xc0, 0xc0);
	for (unsigned i = 8; i < UART_BYTES; i++) {
		put(i, 0xff);
		assert_int_equal(get(i), 0);
	}
	uart_reset(&uart);
	assert_int_equal(get(IER), 0);
	assert_int_equal(get(MCR), 8);
	assert_int_equal(get(SCR), 0);
	assert_false(is_interrupted());
}

static void test_keys(void **state)
{
	char text[4096];

	put(IIR, 1);
	type("a\001\001b");
	assert_int_equal(get(DATA), 'a');
	assert_int_equal(get(DATA), 1);
	assert_int_equal(get(DATA), 'b');
	type("\001x");
	assert_int_equal(key, 'x');
	type("\001h");
	show(text, sizeof(text));
	assert_non_null(strstr(text, "Ctrl-A x"));
	put(IER, 4);
	type("\001b");
	assert_true(is_interrupted());
	assert_int_equal(get(LSR), 0x71);
	assert_int_equal(get(DATA), 0);
}

/* A guest that reads nothing cannot keep the user from leaving. */
static void test_keys_of_a_full_line(void **state)
{
	char much[4096];

	memset(much, 'm', sizeof(much));
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(write(typed, much, sizeof(much)), sizeof(much));
		run_loop(&loop, 20);
	}
	type("\001x");
	assert_int_equal(key, 'x');
}

/* Both ends go away: the guest does not notice, and nobody spins. */
static void test_hang_up(void **state)
{
	char text[16];

	type("q");
	close(typed);
	typed = open("/dev/null", O_WRONLY | O_CLOEXEC);
	run_loop(&loop, 10);
	assert_int_equal(get(DATA), 'q');
	close(shown);
	shown = open("/dev/null", O_RDONLY | O_CLOEXEC);
	for (unsigned i = 0; i < 3 * CONSOLE_OUTPUT_BYTES; i++) {
		put(DATA, 'w');
		if (i % 10000 == 0)
			run_loop(&loop, 3);
	}
	assert_int_equal(show(text, sizeof(text)), 0);
	assert_int_equal(get(LSR) & 0x20, 0x20);
}

static void test_restore(void **state)
{
	put(IIR, 1);
	put(IER, 1);
	type("r");
	chip.levels[10] = false;
	uart.level = false;
	assert_int_equal(uart.saved.restore(&uart.saved, NULL), 0);
	assert_true(is_interrupted());
	uart.state.nr_received = UART_FIFO_BYTES + 1;
	assert_int_equal(uart.saved.restore(&uart.saved, NULL), -EBADMSG);
	uart.state.nr_received = 0;
}

#define TEST(name)	cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_KEYS(name) cmocka_unit_test_setup_teardown(name, setup_keys, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_transmit),
		TEST(test_receive),
		TEST(test_receive_much),
		TEST(test_trigger_level),
		TEST(test_transmitter_interrupt),
		TEST(test_busy),
		TEST(test_loopback),
		TEST(test_modem_status),
		TEST(test_overrun),
		TEST(test_registers),
		TEST_KEYS(test_keys),
		TEST_KEYS(test_keys_of_a_full_line),
		TEST(test_hang_up),
		TEST(test_restore),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("device/uart", tests, NULL, NULL);
}
