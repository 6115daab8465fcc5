/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fronts-network.c - the helper program strata-network:
 *
 *   strata-network __keep ROOT RUN-ROOT NETWORK
 *
 * starts the keeper of a network, if there is none, and ends when the network is up: exit status 0,
 * or 1 with one sentence on stderr. The keeper goes on as a process of its own. Called by who joins
 * a network, not by people.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"
#include "front/front.h"
#include "network/keep.h"

static int ready_fd = -1;

/* An empty message: it is up. */
static void tell(const char *why_not)
{
	const char *text = why_not ? why_not : "";

	send(ready_fd, text, strlen(text) + 1, MSG_NOSIGNAL);
	close(steal_fd(&ready_fd));
}

static void leave_the_starter(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid();
	for (int i = 0; null >= 0 && i < 3; i++)
		dup2(null, i);
	if (chdir("/") < 0)
		_exit(1);
	umask(022);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
}

static int keep(const struct network_roots *roots, const char *name)
{
	struct error err = { 0 };

	leave_the_starter();
	if (network_keep(roots, name, tell, &err) < 0 && ready_fd >= 0)
		tell(err.message);
	return 0;
}

static int run(int argc, char **argv)
{
	char answer[ERROR_MESSAGE_MAX];
	struct network_roots roots;
	int pair[2];
	ssize_t n;
	pid_t pid;

	if (argc != 5 || !streq(argv[1], "__keep")) {
		fprintf(stderr, "usage: strata-network __keep ROOT RUN-ROOT NETWORK\n");
		return 2;
	}
	roots = (struct network_roots){ argv[2], argv[3], geteuid() != 0 };
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return 1;
	pid = fork();
	if (pid == 0) {
		close(pair[0]);
		ready_fd = pair[1];
		return keep(&roots, argv[4]);
	}
	close(pair[1]);
	n = pid < 0 ? -1 : recv(pair[0], answer, sizeof(answer), 0);
	if (n == 1 && !*answer)
		return 0;
	fprintf(stderr, "%s\n", n > 0 ? answer : "its keeper ended");
	return 1;
}

const struct front fronts[] = {
	{ "strata-network", run },
	{ 0 },
};
