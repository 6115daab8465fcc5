/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-protocol.c - frames go through a socket whole, and nothing else is taken for one.
 */
#include "unit/test.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/io.h"
#include "instance/protocol.h"

static char buffer[FRAME_MAX + 64] __attribute__((aligned(8)));

static void frames_arrive_whole(void **state)
{
	struct frame_stop stop = { .signo = 15, .timeout_s = 10 };
	struct frame frame;
	char *big = malloc(FRAME_PAYLOAD_MAX);
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	memset(big, 'x', FRAME_PAYLOAD_MAX);
	assert_int_equal(frame_send(fds[0], FRAME_OUTPUT, 2, big, FRAME_PAYLOAD_MAX, 0), 0);
	assert_int_equal(frame_send(fds[0], FRAME_STOP, 0, &stop, sizeof(stop), 0), 0);
	assert_int_equal(frame_send(fds[0], FRAME_STDIN_EOF, 0, NULL, 0, 0), 0);
	assert_int_equal(frame_send_i32(fds[0], FRAME_EXIT, 137, 0), 0);
	assert_int_equal(frame_send_result(fds[0], -ENOENT, "no such thing", 0), 0);
	assert_int_equal(frame_receive(fds[1], buffer, &frame, 0), 1);
	assert_int_equal(frame.type, FRAME_OUTPUT);
	assert_int_equal(frame.stream, 2);
	assert_int_equal(frame.len, FRAME_PAYLOAD_MAX);
	assert_memory_equal(frame.payload, big, FRAME_PAYLOAD_MAX);
	assert_int_equal(frame_receive(fds[1], buffer, &frame, 0), 1);
	assert_int_equal(frame.type, FRAME_STOP);
	assert_int_equal(((const struct frame_stop *)frame.payload)->timeout_s, 10);
	assert_int_equal(frame_receive(fds[1], buffer, &frame, 0), 1);
	assert_int_equal(frame.type, FRAME_STDIN_EOF);
	assert_int_equal(frame_receive(fds[1], buffer, &frame, 0), 1);
	assert_int_equal(frame_i32(&frame), 137);
	assert_int_equal(frame_receive(fds[1], buffer, &frame, 0), 1);
	assert_int_equal(((const struct frame_result *)frame.payload)->code, ENOENT);
	assert_int_equal(frame_receive(fds[1], buffer, &frame, MSG_DONTWAIT), -EAGAIN);
	close(fds[0]);
	assert_int_equal(frame_receive(fds[1], buffer, &frame, 0), 0);
	close(fds[1]);
	free(big);
}

static void descriptors_come_with_a_frame(void **state)
{
	const struct frame_result result = { .code = 0 };
	struct frame frame;
	int fds[2], passed = memfd_create("passed", MFD_CLOEXEC), received = -1;
	struct stat st, other;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(frame_send_fd(fds[0], FRAME_RESULT, &result, sizeof(result),
					 i ? -1 : passed, 0),
			0);
	assert_int_equal(frame_send_fd(fds[0], FRAME_LIST, NULL, 0, passed, 0), 0);
	assert_int_equal(frame_receive_fd(fds[1], buffer, &frame, &received, 0), 1);
	assert_int_equal(frame.type, FRAME_RESULT);
	assert_int_equal(fstat(passed, &st), 0);
	assert_int_equal(fstat(received, &other), 0);
	assert_int_equal(st.st_ino, other.st_ino);
	close(received);
	assert_int_equal(frame_receive_fd(fds[1], buffer, &frame, &received, 0), 1);
	assert_int_equal(received, -1);
	/* Who does not want it does not get it. */
	assert_int_equal(frame_receive(fds[1], buffer, &frame, 0), 1);
	assert_int_equal(frame.type, FRAME_LIST);
	close(fds[0]);
	close(fds[1]);
	close(passed);
}

static void put_header(uint8_t type, uint8_t stream, uint16_t zero, uint32_t len)
{
	struct frame_header header = { type, stream, zero, len };

	memset(buffer, 0, sizeof(buffer));
	memcpy(buffer, &header, sizeof(header));
}

static void hostile_frames_are_refused(void **state)
{
	static const struct {
		uint8_t type, stream;
		uint16_t zero;
		uint32_t len;
		size_t size; /* of the packet */
	} rows[] = {
		{ 0, 0, 0, 0, 8 },
		{ FRAME_TYPE_COUNT, 0, 0, 0, 8 },
		{ 255, 0, 0, 0, 8 },
		{ FRAME_STDIN_EOF, 0, 0, 0, 7 }, /* not even a header */
		{ FRAME_STDIN_EOF, 0, 0, 0, 0 },
		{ FRAME_STDIN_EOF, 0, 1, 0, 8 }, /* reserved bits */
		{ FRAME_STDIN_EOF, 1, 0, 0, 8 }, /* no stream here */
		{ FRAME_STDIN_EOF, 0, 0, 1, 9 }, /* has no payload */
		{ FRAME_STDIN, 0, 0, 0, 8 }, /* needs one */
		{ FRAME_STDIN, 0, 0, 100, 50 }, /* says more than there is */
		{ FRAME_STDIN, 0, 0, 10, 50 }, /* or less */
		{ FRAME_STDIN, 0, 0, 0xffffffff, 50 },
		{ FRAME_STDIN, 0, 0, FRAME_PAYLOAD_MAX + 1, FRAME_MAX + 1 },
		{ FRAME_RESIZE, 0, 0, 3, 11 },
		{ FRAME_RESIZE, 0, 0, 5, 13 },
		{ FRAME_STOP, 0, 0, 8, 16 },
		{ FRAME_SIGNAL, 2, 0, 4, 12 },
		{ FRAME_OUTPUT, 0, 0, 4, 12 },
		{ FRAME_OUTPUT, 3, 0, 4, 12 },
		{ FRAME_RESULT, 0, 0, 8, 16 },
		{ FRAME_WARNING, 0, 0, FRAME_MESSAGE_MAX + 1, FRAME_MESSAGE_MAX + 9 },
	};
	struct frame frame;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		put_header(rows[i].type, rows[i].stream, rows[i].zero, rows[i].len);
		if (frame_parse(buffer, rows[i].size, &frame) != -EBADMSG)
			fail_msg("row %zu was taken for a frame", i);
	}
	/* A sentence without an end. */
	put_header(FRAME_RESULT, 0, 0, sizeof(struct frame_result));
	memset(buffer + 8, 'x', sizeof(struct frame_result));
	assert_int_equal(frame_parse(buffer, 8 + sizeof(struct frame_result), &frame), -EBADMSG);
	buffer[8 + sizeof(struct frame_result) - 1] = '\0';
	assert_int_equal(frame_parse(buffer, 8 + sizeof(struct frame_result), &frame), 0);
}

static void packets_too_long_for_the_buffer_are_refused(void **state)
{
	char *big = calloc(1, FRAME_MAX + 8);
	struct frame frame;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(send(fds[0], big, FRAME_MAX + 8, 0), FRAME_MAX + 8);
	assert_int_equal(frame_receive(fds[1], buffer, &frame, 0), -EBADMSG);
	close(fds[0]);
	close(fds[1]);
	free(big);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_arrive_whole),
		cmocka_unit_test(descriptors_come_with_a_frame),
		cmocka_unit_test(hostile_frames_are_refused),
		cmocka_unit_test(packets_too_long_for_the_buffer_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
