/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compare_server.c - the host's end of what the yardstick sends and receives (guest/yardstick).
 *
 * A process that takes one connection after the other. The first byte says what is wished: 's', and
 * all that comes is read, and one byte sent; 'r', and so many bytes are sent. Whoever else on this
 * host connects meanwhile can do the same, and nothing more.
 */
#include "front/cli/compare.h"

#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/io.h"

#define PIECE_BYTES    (1u << 20)
#define IDLE_TIMEOUT_S 10

static void serve_one(int fd, char *piece, uint64_t mib)
{
	const struct timeval timeout = { .tv_sec = IDLE_TIMEOUT_S };
	char wish;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	if (io_read_full(fd, &wish, 1) < 0)
		return;
	if (wish == 's') {
		while (read(fd, piece, PIECE_BYTES) > 0)
			;
		io_write_full(fd, &wish, 1);
	} else if (wish == 'r') {
		for (uint64_t i = 0; i < mib && io_write_full(fd, piece, PIECE_BYTES) == 0; i++)
			;
	}
}

static void serve(int listener, uint64_t mib, pid_t parent) __attribute__((noreturn));

static void serve(int listener, uint64_t mib, pid_t parent)
{
	char *piece = calloc(1, PIECE_BYTES);

	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (piece && getppid() == parent) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0)
			continue;
		serve_one(fd, piece, mib);
		close(fd);
	}
	_exit(1);
}

int compare_server_start(struct compare *c, struct error *err)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	_cleanup_close_ int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(address);
	pid_t parent = getpid(), pid;

	if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		listen(listener, 4) < 0 ||
		getsockname(listener, (struct sockaddr *)&address, &len) < 0)
		return error_errno(err, errno, "cannot listen on the loopback interface");
	c->server_port = ntohs(address.sin_port);
	pid = fork();
	if (pid < 0)
		return error_errno(err, errno, "cannot start a server");
	if (pid == 0)
		serve(listener, c->net_mib, parent);
	return pid;
}

void compare_server_stop(int pid)
{
	if (pid <= 0)
		return;
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}
