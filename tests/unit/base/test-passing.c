/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-passing.c - descriptors go with their bytes, and none stays open that nobody has taken.
 */
#include "unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/passing.h"

struct ends {
	int ours, theirs;
	int pipe_fds[2];
};

static struct ends open_ends(int type)
{
	struct ends ends;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(pipe2(ends.pipe_fds, O_CLOEXEC), 0);
	ends.ours = pair[0];
	ends.theirs = pair[1];
	return ends;
}

static void close_ends(struct ends *ends)
{
	close(ends->ours);
	close(ends->theirs);
	close(ends->pipe_fds[0]);
	if (ends->pipe_fds[1] >= 0)
		close(ends->pipe_fds[1]);
}

static void send_pipe(struct ends *ends, unsigned nr)
{
	int fds[PASSING_FDS_MAX];

	for (unsigned i = 0; i < nr; i++)
		fds[i] = ends->pipe_fds[1];
	assert_int_equal(passing_send(ends->ours, "text", 4, fds, nr), 0);
	close(ends->pipe_fds[1]);
	ends->pipe_fds[1] = -1;
}

static void a_descriptor_comes_with_its_bytes(void **state)
{
	struct ends ends = open_ends(SOCK_SEQPACKET);
	int fds[2] = { -1, -1 };
	unsigned nr = 2;
	char text[8], letter = 0;

	send_pipe(&ends, 1);
	assert_int_equal(passing_receive(ends.theirs, text, sizeof(text), fds, &nr, 0), 4);
	assert_memory_equal(text, "text", 4);
	assert_int_equal(nr, 1);
	assert_true(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
	assert_int_equal(write(fds[0], "x", 1), 1);
	assert_int_equal(read(ends.pipe_fds[0], &letter, 1), 1);
	assert_int_equal(letter, 'x');
	close(fds[0]);
	close_ends(&ends);
}

/* Whoever reads the pipe is at its end when nobody has the other one. */
static void those_without_room_are_closed(void **state)
{
	for (unsigned room = 0; room < 3; room++) {
		struct ends ends = open_ends(SOCK_STREAM);
		int fds[PASSING_FDS_MAX];
		unsigned nr = room;
		char text[8];

		send_pipe(&ends, PASSING_FDS_MAX);
		assert_int_equal(passing_receive(ends.theirs, text, sizeof(text), fds, &nr, 0), 4);
		assert_int_equal(nr, room);
		for (unsigned i = 0; i < nr; i++)
			close(fds[i]);
		assert_int_equal(read(ends.pipe_fds[0], text, 1), 0);
		close_ends(&ends);
	}
}

static void bytes_alone_bring_none(void **state)
{
	struct ends ends = open_ends(SOCK_STREAM);
	int fds[2];
	unsigned nr = 2;
	char text[8];

	assert_int_equal(passing_send(ends.ours, "text", 4, NULL, 0), 0);
	assert_int_equal(passing_receive(ends.theirs, text, sizeof(text), fds, &nr, 0), 4);
	assert_int_equal(nr, 0);
	close_ends(&ends);
}

static void failures_are_told(void **state)
{
	struct ends ends = open_ends(SOCK_STREAM);
	int fds[PASSING_FDS_MAX + 1] = { 0 };
	unsigned nr = 1;
	char text[8];

	assert_int_equal(passing_send(ends.ours, "text", 4, fds, PASSING_FDS_MAX + 1), -E2BIG);
	fds[0] = -1;
	assert_int_equal(passing_send(ends.ours, "text", 4, fds, 1), -EBADF);
	assert_int_equal(
		passing_receive(ends.theirs, text, sizeof(text), fds, &nr, MSG_DONTWAIT), -EAGAIN);
	assert_int_equal(nr, 0);
	shutdown(ends.ours, SHUT_WR);
	nr = 1;
	assert_int_equal(passing_receive(ends.theirs, text, sizeof(text), fds, &nr, 0), 0);
	shutdown(ends.theirs, SHUT_RDWR);
	assert_int_equal(passing_send(ends.ours, "text", 4, NULL, 0), -EPIPE);
	close_ends(&ends);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_descriptor_comes_with_its_bytes),
		cmocka_unit_test(those_without_room_are_closed),
		cmocka_unit_test(bytes_alone_bring_none),
		cmocka_unit_test(failures_are_told),
	};

	return cmocka_run_group_tests_name("base/passing", tests, NULL, NULL);
}
