/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-packet.c - packets are taken apart and put together as the GDB manual says (E.1), and none
 * is too long, too damaged or too strange.
 */
#include "unit/test.h"

#include <string.h>

#include "debug/internal.h"

static struct packet_reader reader;
static struct reply reply;

/* The event of the last byte; all before it must be nothing. */
static enum packet_event feed(const char *bytes, size_t size)
{
	enum packet_event event = PACKET_NOTHING;

	for (size_t i = 0; i < size; i++) {
		assert_int_equal(event, PACKET_NOTHING);
		event = packet_read(&reader, (uint8_t)bytes[i]);
	}
	return event;
}

static enum packet_event feed_text(const char *text)
{
	return feed(text, strlen(text));
}

static void test_whole(void **state)
{
	assert_int_equal(feed_text("$OK#9a"), PACKET_WHOLE);
	assert_int_equal(reader.size, 2);
	assert_memory_equal(reader.data, "OK", 2);
	assert_int_equal(feed_text("$OK#9A"), PACKET_WHOLE);
	assert_int_equal(feed_text("$#00"), PACKET_WHOLE);
	assert_int_equal(reader.size, 0);
}

static void test_outside(void **state)
{
	assert_int_equal(feed_text("noise\n"), PACKET_NOTHING);
	assert_int_equal(feed_text("+"), PACKET_RECEIVED);
	assert_int_equal(feed_text("-"), PACKET_AGAIN);
	assert_int_equal(feed_text("\x03"), PACKET_INTERRUPT);
	/* Inside a packet they mean nothing. */
	assert_int_equal(feed("$+-\x03#5b", 7), PACKET_WHOLE);
	assert_int_equal(reader.size, 3);
}

static void test_escapes(void **state)
{
	/* '}' and '#' ^ 0x20, '$' ^ 0x20, '}' ^ 0x20, 0 ^ 0x20 */
	const char data[] = "}\x03}\x04}]} ";
	char packet[32];
	uint8_t sum = 0;

	for (size_t i = 0; i < sizeof(data) - 1; i++)
		sum += (uint8_t)data[i];
	snprintf(packet, sizeof(packet), "$%s#%02x", data, sum);
	assert_int_equal(feed_text(packet), PACKET_WHOLE);
	assert_int_equal(reader.size, 4);
	assert_memory_equal(reader.data, "#$}\0", 4);
	/* The end is one even when it should have been escaped. */
	assert_int_equal(feed_text("$}#"), PACKET_NOTHING);
	assert_int_equal(reader.state, PACKET_DATA);
	assert_int_equal(feed_text("$#00"), PACKET_WHOLE);
}

static void test_damaged(void **state)
{
	assert_int_equal(feed_text("$OK#9b"), PACKET_DAMAGED);
	assert_int_equal(feed_text("$OK#zz"), PACKET_DAMAGED);
	assert_int_equal(feed_text("$OK#9z"), PACKET_DAMAGED);
	/* One that has lost its end is forgotten when the next begins. */
	assert_int_equal(feed_text("$OK$OK#9a"), PACKET_WHOLE);
	assert_int_equal(reader.size, 2);
	assert_int_equal(feed_text("$OK#$OK#9a"), PACKET_WHOLE);
	assert_int_equal(feed_text("$OK#9$OK#9a"), PACKET_WHOLE);
}

static void test_too_long(void **state)
{
	uint8_t sum = 0;
	char end[4];

	for (unsigned extra = 0; extra < 2; extra++) {
		assert_int_equal(packet_read(&reader, '$'), PACKET_NOTHING);
		sum = 0;
		for (unsigned i = 0; i < PACKET_MAX + extra; i++, sum += 'x')
			assert_int_equal(packet_read(&reader, 'x'), PACKET_NOTHING);
		snprintf(end, sizeof(end), "#%02x", sum);
		assert_int_equal(feed_text(end), extra ? PACKET_TOO_LONG : PACKET_WHOLE);
	}
	assert_int_equal(feed_text("$OK#9a"), PACKET_WHOLE);
}

static struct cursor cursor_of(const char *text)
{
	return (struct cursor){ (const uint8_t *)text, (const uint8_t *)text + strlen(text) };
}

static void test_numbers(void **state)
{
	struct cursor c = cursor_of("12aF,ffffffffffffffff,10000000000000000");
	uint64_t value;

	assert_true(cursor_number(&c, &value));
	assert_int_equal(value, 0x12af);
	assert_false(cursor_number(&c, &value));
	assert_true(cursor_skip(&c, ','));
	assert_true(cursor_number(&c, &value));
	assert_true(value == UINT64_MAX);
	assert_true(cursor_skip(&c, ','));
	assert_false(cursor_number(&c, &value)); /* 65 bits */
	c = cursor_of("");
	assert_false(cursor_number(&c, &value));
}

static void test_bytes(void **state)
{
	struct cursor c = cursor_of("00ff7");
	uint8_t bytes[3] = { 1, 1, 1 };

	assert_true(cursor_bytes(&c, bytes, 2));
	assert_memory_equal(bytes, "\x00\xff\x01", 3);
	assert_false(cursor_bytes(&c, bytes, 1));
	c = cursor_of("0g");
	assert_false(cursor_bytes(&c, bytes, 1));
	/* No size is so large that it becomes a small one. */
	assert_false(cursor_bytes(&c, bytes, SIZE_MAX));
	assert_false(cursor_bytes(&c, bytes, (size_t)1 << 63));
}

static void test_threads(void **state)
{
	struct cursor c = cursor_of("-1");
	uint64_t thread;

	assert_true(cursor_thread(&c, &thread));
	assert_true(thread == DEBUG_ALL_THREADS);
	c = cursor_of("ffffffffffffffff"); /* which is no thread's */
	assert_false(cursor_thread(&c, &thread));
	c = cursor_of("p1.1");
	assert_false(cursor_thread(&c, &thread));
}

static void expect_frame(const char *expected)
{
	static uint8_t frame[FRAME_MAX];
	size_t size = reply_frame(&reply, frame);

	assert_int_equal(size, strlen(expected));
	assert_memory_equal(frame, expected, size);
	reply.size = 0;
}

static void test_frames(void **state)
{
	reply_text(&reply, "OK");
	expect_frame("$OK#9a");
	expect_frame("$#00");
	reply_hex(&reply, (const uint8_t *)"\x01\xfe", 2);
	expect_frame("$01fe#2c");
}

/* What a debugger makes of a frame. */
static size_t expand(const uint8_t *frame, size_t size, char *to)
{
	size_t n = 0;

	for (size_t i = 1; i < size - 3; i++) {
		if (frame[i] != '*') {
			assert_true(frame[i] != '#' && frame[i] != '$');
			to[n++] = (char)frame[i];
			continue;
		}
		i++;
		assert_true(
			frame[i] >= ' ' && frame[i] <= '~' && frame[i] != '#' && frame[i] != '$');
		memset(to + n, to[n - 1], frame[i] - 29u);
		n += frame[i] - 29u;
	}
	return n;
}

static void test_runs(void **state)
{
	static uint8_t frame[FRAME_MAX];
	static char expanded[PACKET_MAX];

	for (size_t run = 1; run < 300; run++) {
		reply.size = 0;
		reply_byte(&reply, 'a');
		for (size_t i = 0; i < run; i++)
			reply_byte(&reply, '0');
		reply_byte(&reply, 'b');
		assert_int_equal(expand(frame, reply_frame(&reply, frame), expanded), reply.size);
		assert_memory_equal(expanded, reply.data, reply.size);
	}
	reply.size = 0;
	reply_text(&reply, "0000");
	expect_frame("$0* #7a");
}

static void test_full_reply(void **state)
{
	static uint8_t frame[FRAME_MAX];

	for (unsigned i = 0; i < PACKET_MAX; i++)
		reply_byte(&reply, (uint8_t)('a' + i % 2));
	assert_false(reply.is_full);
	assert_int_equal(reply_frame(&reply, frame), FRAME_MAX);
	assert_false(reply_binary(&reply, 'x'));
	reply_byte(&reply, 'x');
	assert_true(reply.is_full);
	assert_int_equal(reply.size, PACKET_MAX);
	reply.size = 0;
	reply.is_full = false;
}

static void expect_window(uint64_t start, uint64_t end, const char *expected, bool is_cut)
{
	struct window w = { .reply = &reply, .start = start, .end = end };

	reply.size = 0;
	window_text(&w, "one two ");
	window_printf(&w, "%d", 3);
	window_escaped(&w, "<");
	assert_int_equal(reply.size, strlen(expected));
	assert_memory_equal(reply.data, expected, reply.size);
	assert_int_equal(w.is_cut, is_cut);
	reply.size = 0;
}

static void test_windows(void **state)
{
	expect_window(0, 100,
		"one two 3&}\x03"
		"60;",
		false); /* '#' is escaped */
	expect_window(0, 3, "one", true);
	expect_window(4, 8, "two ", true);
	expect_window(8, 9, "3", true);
	expect_window(100, 200, "", false);
	expect_window(UINT64_MAX, UINT64_MAX, "", false);
	expect_window(0, 0, "", true);
}

static void test_signals(void **state)
{
	static const int pairs[][2] = { { 1, 1 }, { 2, 2 }, { 5, 5 }, { 6, 6 }, { 7, 10 }, { 8, 8 },
		{ 9, 9 }, { 10, 30 }, { 11, 11 }, { 12, 31 }, { 15, 15 }, { 17, 20 }, { 19, 17 },
		{ 31, 12 }, { 32, 77 }, { 33, 45 }, { 63, 75 }, { 64, 78 } };

	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		assert_int_equal(signal_to_gdb(pairs[i][0]), pairs[i][1]);
		assert_int_equal(signal_from_gdb((uint64_t)pairs[i][1]), pairs[i][0]);
	}
	for (int i = 1; i <= 64; i++)
		if (i != 16) /* SIGSTKFLT: gdb has none */
			assert_int_equal(signal_from_gdb((uint64_t)signal_to_gdb(i)), i);
	assert_int_equal(signal_to_gdb(0), 0);
	assert_int_equal(signal_to_gdb(-1), 143);
	assert_int_equal(signal_to_gdb(65), 143);
	assert_int_equal(signal_from_gdb(143), 0);
	assert_int_equal(signal_from_gdb(0), 0);
	assert_int_equal(signal_from_gdb(UINT64_MAX), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_outside),
		cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_frames),
		cmocka_unit_test(test_runs),
		cmocka_unit_test(test_full_reply),
		cmocka_unit_test(test_windows),
		cmocka_unit_test(test_signals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
