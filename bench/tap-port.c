/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tap-port.c - the user-mode network behind a tap interface of another network namespace, as
 * slirp4netns and pasta are, for bench/way-out: tap-port NAMESPACE INTERFACE [FORWARD...]
 *
 * NAMESPACE is a file like /proc/PID/ns/net; the interface is there and down or up. Prints "ready"
 * when both sides are joined. What one side gives, the other one takes, as many frames at a time as
 * there are; who is full holds the rest.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>

#include "net/net.h"

#define FRAMES 8

struct side {
	struct net_port *port;
	struct side *other;
	/* What came from here, and is not there yet: from `first` on. */
	struct net_frame frames[FRAMES];
	struct iovec parts[FRAMES];
	unsigned first, nr;
};

static uint8_t buffers[2][FRAMES][NET_FRAME_MAX];

static void carry(struct side *from)
{
	struct side *to = from->other;

	for (;;) {
		if (from->first == from->nr) {
			for (unsigned i = 0; i < FRAMES; i++)
				from->parts[i].iov_len = NET_FRAME_MAX;
			from->first = 0;
			from->nr = from->port->ops->receive(from->port, from->frames, FRAMES);
			for (unsigned i = 0; i < from->nr; i++)
				from->parts[i].iov_len = from->frames[i].length;
		}
		if (!from->nr)
			return;
		from->first += to->port->ops->send(
			to->port, from->frames + from->first, from->nr - from->first);
		if (from->first < from->nr)
			return;
	}
}

static void side_ready(struct net_port *port, void *context)
{
	struct side *side = context;

	carry(side);
	carry(side->other);
	/* What the other one answers at once. */
	carry(side);
}

static void init_side(struct side *side, struct side *other, unsigned number)
{
	side->other = other;
	for (unsigned i = 0; i < FRAMES; i++) {
		side->parts[i].iov_base = buffers[number][i];
		side->frames[i] = (struct net_frame){ .parts = &side->parts[i], .nr_parts = 1 };
	}
	side->port->ready = side_ready;
	side->port->context = side;
}

static int open_tap(struct loop *loop, const char *namespace, const char *name,
	struct net_port **ret, struct error *err)
{
	_cleanup_close_ int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int there = open(namespace, O_RDONLY | O_CLOEXEC);
	int r;

	if (own < 0 || there < 0 || setns(there, CLONE_NEWNET) < 0)
		return error_errno(err, errno, "cannot enter %s", namespace);
	r = net_tap_open(loop, name, ret, err);
	if (setns(own, CLONE_NEWNET) < 0)
		return error_errno(err, errno, "cannot return from %s", namespace);
	return r;
}

static int open_user(
	struct loop *loop, char **forwards, uint32_t mtu, struct net_port **ret, struct error *err)
{
	static struct net_forward list[NET_FORWARDS_MAX];
	struct net_user_options options;
	int r = 0;

	net_user_options_init(&options);
	options.mtu = mtu;
	options.host_loopback = true;
	options.forwards = list;
	for (; *forwards && r == 0 && options.nr_forwards < NET_FORWARDS_MAX; forwards++)
		r = net_forward_parse(*forwards, &list[options.nr_forwards++], err);
	if (r < 0)
		return r;
	return net_user_open(loop, &options, ret, err);
}

static int run(const char *namespace, const char *name, char **forwards, struct error *err)
{
	static struct side tap, user;
	struct loop loop;
	int r = loop_open(&loop, err);

	if (r == 0)
		r = open_tap(&loop, namespace, name, &tap.port, err);
	if (r == 0)
		r = open_user(&loop, forwards, tap.port->mtu, &user.port, err);
	if (r < 0)
		return r;
	tap.port->ops->set_offloads(tap.port, tap.port->gives & user.port->takes, NULL);
	user.port->ops->set_offloads(user.port, user.port->gives & tap.port->takes, NULL);
	init_side(&tap, &user, 0);
	init_side(&user, &tap, 1);
	puts("ready");
	fflush(stdout);
	return loop_run(&loop);
}

int main(int argc, char **argv)
{
	struct error err = { 0 };

	if (argc < 3) {
		fprintf(stderr, "usage: tap-port NAMESPACE INTERFACE [FORWARD...]\n");
		return 2;
	}
	if (run(argv[1], argv[2], argv + 3, &err) < 0)
		fprintf(stderr, "tap-port: %s\n", err.message);
	return 1;
}
