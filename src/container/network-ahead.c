/* SPDX-License-Identifier: Apache-2.0 */
/*
 * network-ahead.c - a network namespace made before anybody needs it.
 *
 * Making one is the longest single step of a start (0.5 to 0.8 ms of 4), it depends on nothing, and
 * namespaces belong to threads: so a thread makes it while another reads the image, writes the
 * instance and forks the monitor. The namespace's descriptor goes into a socket; whoever reads that
 * waits no longer than the making takes, and finds its end if it failed. The thread shares nothing
 * with its maker but that socket, and nobody waits for its end.
 */
#include "container/internal.h"

#include <pthread.h>
#include <sched.h>
#include <sys/socket.h>

#include "base/io.h"

static void *make(void *context)
{
	int sender = (int)(intptr_t)context, fd = -1;

	if (unshare(CLONE_NEWNET) == 0 && namespaces_raise_loopback(NULL) == 0)
		fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		sync_send_type(sender, SYNC_NETWORK, fd);
		close(fd);
	}
	close(sender);
	return NULL;
}

/* On another CPU than ours: the scheduler leaves a short-lived thread in our own queue, where it
 * would begin when we first sleep, 0.4 ms later. */
static int start_elsewhere(void *context)
{
	pthread_attr_t attributes;
	pthread_t thread;
	cpu_set_t cpus;
	int r;

	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0 && CPU_COUNT(&cpus) > 1) {
		CPU_CLR((size_t)sched_getcpu(), &cpus);
		pthread_attr_setaffinity_np(&attributes, sizeof(cpus), &cpus);
	}
	r = pthread_create(&thread, &attributes, make, context);
	pthread_attr_destroy(&attributes);
	return -r;
}

int container_network_begin(void)
{
	int pair[2];

	/* The container's owner must be the namespace's too: an ordinary user's cannot be ours. */
	if (geteuid() != 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return 0;
	if (start_elsewhere((void *)(intptr_t)pair[1]) < 0) {
		close(pair[0]);
		close(pair[1]);
		return 0;
	}
	return pair[0];
}

int network_receive(int channel, int *ret_fd, struct error *err)
{
	struct sync_message message;
	int fd = -1, r = sync_receive(channel, &message, &fd);

	if (r < 0)
		return error_errno(err, r, "cannot hear of the network namespace");
	*ret_fd = r > 0 ? fd : -1;
	return 0;
}
