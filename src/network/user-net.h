/* SPDX-License-Identifier: Apache-2.0 */
/*
 * user-net.h - a network without any right on the host, private to network/: a switch that the
 * instances are plugged into, and at its gateway the way out, names, addresses and published ports.
 * The keeper has it.
 */
#pragma once

#include "base/loop.h"
#include "network/network.h"

struct user_net;

/* `network` is borrowed. */
int user_net_open(
	struct loop *loop, const struct network *network, struct user_net **ret, struct error *err);
/* NULL is fine. Returns NULL. */
struct user_net *user_net_close(struct user_net *net);

/*
 * These are in it now, and the list is its own: names and published ports follow, and who is no
 * longer in the list is unplugged. Fails when a port of the host cannot be had; all else is done.
 */
int user_net_set(
	struct user_net *net, struct network_endpoint *endpoints, size_t count, struct error *err);
/* What the instance's end of a cable leads to: a tap (of its network namespace) or the switch's end
 * of a net_cable. The descriptor is its own, also when this fails. -ENOENT: no such instance in it.
 */
int user_net_plug(struct user_net *net, const char *id, int fd, struct error *err);

/* Counters of the ports, as JSON: {"ID":{"in_frames":N,...,"drops":{"WHY":N}}}. NULL when memory
 * ran out. */
char *user_net_counters(const struct user_net *net);
