/* SPDX-License-Identifier: Apache-2.0 */
/*
 * network.h - instances in networks: joining when they start, leaving when they end.
 */
#pragma once

#include "instance/instance.h"
#include "network/network.h"

static inline struct network_roots instance_network_roots(const struct instance_roots *roots)
{
	return (struct network_roots){ roots->root, roots->run_root, roots->rootless };
}

/* What an instance that runs has joined. Zeroed: nothing. */
struct instance_networks {
	struct network_roots roots; /* the instance's */
	struct network *networks;
	struct network_endpoint *endpoints;
	size_t count;
	/* Sockets that hold its published ports on the host, so that nobody else gets them, and
	 * that nobody connects with: packets are led away before. */
	int *port_fds;
	size_t nr_port_fds;
	int *cables; /* of a machine without taps: its end of each; NULL: none */
};

/* All that its spec asks for: addresses, names, published ports; its /etc/hosts and resolv.conf
 * say so. Undone by instance_networks_leave(), also when it failed. */
int instance_networks_join(
	struct instance *instance, struct instance_networks *ret, struct error *err);
/* Its interfaces in that network namespace. */
int instance_networks_attach(
	const struct instance_networks *networks, int namespace_fd, struct error *err);
/* For a machine: taps, or cables where there is no right to make those. */
int instance_networks_attach_machine(struct instance_networks *networks, struct error *err);
/* What its machine has to know of them. */
int instance_networks_tell_machine(const struct instance_networks *networks,
	struct container_machine *machine, struct error *err);
/* Everything that this instance has in networks, with or without knowing what that was. `networks`
 * may be NULL. */
void instance_networks_leave(const struct instance *instance, struct instance_networks *networks);

/* It has another name now: in its networks, too. */
void instance_networks_rename(const struct instance *instance);
void instance_networks_free(struct instance_networks *networks);

/* For network-change.c: the holder function of leases, whose context are the instance's roots, and
 * what /etc/hosts says of networks. */
bool instance_holds_addresses(void *context, const char *id);
int instance_networks_write_hosts(const struct instance *instance,
	const struct instance_networks *networks, struct error *err);

/* Its published ports as they are: of a running instance in networks those that it got, else what
 * was asked for. A strv; NULL: none. */
int instance_published_ports(const struct instance *instance, char ***ret, struct error *err);

/* --- network-change.c --- */

/* Join one more, or leave one; at once if it runs, and when it is started. */
int instance_network_connect(
	struct instance *instance, struct network_request *request, struct error *err);
int instance_network_disconnect(
	struct instance *instance, const char *network_name, struct error *err);

/* --- network-users.c --- */

/* The names of the instances that use a network: those that are in it, and those that will be when
 * they are started. NULL: none. */
int instance_network_users(const struct instance_roots *roots, const char *network_name,
	char ***ret, struct error *err);
/* Before a network is removed: wait for instances that are just leaving it, and let those leave
 * that were killed. */
void instance_network_settle(const struct instance_roots *roots, const char *network_name);
/* Does the instance ask for the network, by its name? */
bool instance_asks_for_network(const struct instance *instance, const char *network_name);

/* --- network-ports.c --- */

/* Take the host's ports that are asked for (network_ports_expand()): *ret_ports says which they
 * are, *ret_fds are the sockets that hold them. */
int instance_ports_take(char *const *wanted, bool ipv4, bool ipv6, char ***ret_ports, int **ret_fds,
	size_t *ret_count, struct error *err);
