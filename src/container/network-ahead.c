/* SPDX-License-Identifier: Apache-2.0 */
/*
 * network-ahead.c - a network namespace made before anybody needs it.
 *
 * Making one is the longest single step of a start (0.5 to 0.8 ms of 3), and it depends on nothing:
 * so one process makes it while another reads the image, makes the instance and clones the
 * container's first process. The namespace's descriptor goes into a socket; whoever reads that
 * waits no longer than the making takes, and finds its end if it failed. Not a thread: as long as
 * two run in one memory, every page that one of them copies after a fork interrupts the other.
 */
#include "container/internal.h"

#include <sched.h>
#include <sys/socket.h>

#include "base/io.h"

int container_network_open(struct container_network_ahead *ret)
{
	int pair[2];

	*ret = (struct container_network_ahead){ 0 };
	/* The container's owner must be the namespace's too: an ordinary user's cannot be ours. */
	if (geteuid() != 0)
		return -EPERM;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	ret->receiver_fd = pair[0];
	ret->sender_fd = pair[1];
	return 0;
}

void container_network_close(struct container_network_ahead *ahead)
{
	if (ahead->receiver_fd > 0)
		close(ahead->receiver_fd);
	if (ahead->sender_fd > 0)
		close(ahead->sender_fd);
	*ahead = (struct container_network_ahead){ 0 };
}

/* One that we are in then. */
static int make_here(struct error *err)
{
	int fd, r;

	if (unshare(CLONE_NEWNET) < 0)
		return error_errno(err, errno, "cannot make a network namespace");
	r = namespaces_raise_loopback(err);
	if (r < 0)
		return r;
	fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	return fd < 0 ? error_errno(err, errno, "cannot open the network namespace") : fd;
}

void container_network_make(int sender_fd, pid_t neighbour)
{
	char path[40];
	int fd = make_here(NULL);

	if (fd >= 0) {
		sync_send_type(sender_fd, SYNC_NETWORK, fd);
		close(fd);
	}
	/* Back, where one of ours has stayed. Where it is gone, so is what we did this for. */
	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)neighbour);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		setns(fd, CLONE_NEWNET);
		close(fd);
	}
}

static int make_and_return(int *ret_fd, struct error *err)
{
	_cleanup_close_ int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int fd = own < 0 ? error_errno(err, errno, "cannot open our network namespace")
			 : make_here(err);

	if (own >= 0 && setns(own, CLONE_NEWNET) < 0) {
		int r = error_errno(err, errno, "cannot return to our network namespace");

		cleanup_close(&fd);
		return r;
	}
	if (fd < 0)
		return fd;
	*ret_fd = fd;
	return 0;
}

int container_network_take(int receiver_fd, int *ret_fd, struct error *err)
{
	int fd = -1, r = receiver_fd > 0 ? network_receive(receiver_fd, &fd, err) : 0;

	if (r < 0)
		return r;
	if (fd < 0)
		return make_and_return(ret_fd, err);
	*ret_fd = fd;
	return 0;
}

int container_network_send(int sender_fd, int namespace_fd, struct error *err)
{
	int r = sync_send_type(sender_fd, SYNC_NETWORK, namespace_fd);

	return r < 0 ? error_errno(err, r, "cannot hand the network namespace over") : 0;
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
