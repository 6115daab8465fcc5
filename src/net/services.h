/* SPDX-License-Identifier: Apache-2.0 */
/*
 * services.h - what a network's gateway does for its guests beside leading out: it answers for
 * their names (DNS), and tells them their addresses (DHCP).
 *
 * A port in front of the way out, which sees all frames that go there and answers those that are
 * for it. Questions about names that are not the network's go to the host's name servers.
 */
#pragma once

#include "net/net.h"

#define NET_SERVICES_ADDRESSES_MAX 16 /* of one name */

/* What DHCP tells a guest. */
struct net_lease {
	struct in_addr address;
	const char *hostname; /* NULL: nothing */
};

struct net_services_options {
	/* The gateway, also the name server; all zero: the network has none of that family. */
	struct in_addr gateway;
	unsigned prefix_bits;
	struct in6_addr gateway6;
	uint8_t mac[NET_MAC_BYTES]; /* whose answers are: the gateway's */
	uint32_t mtu;
	bool is_internal; /* DHCP tells of no router, and no names are asked for outside */
	/* Name servers to pass questions on to; NULL: those of the host's resolv.conf. */
	const char *resolv_conf;
	/* The addresses of a name (lower case; IPv4 as ::ffff:a.b.c.d): how many, up to max. -1:
	 * there is no such name. */
	int (*find_name)(void *context, const char *name, struct in6_addr *ret, unsigned max);
	/* Whose address it is; NULL: nobody's. -> true with NULL: an address of the network. */
	bool (*find_address)(void *context, const struct in6_addr *address, const char **ret_name);
	/* The guest with that card; false: there is none. */
	bool (*find_lease)(void *context, const uint8_t mac[NET_MAC_BYTES], struct net_lease *ret);
	void *context;
};

/*
 * `way_out` becomes this port's unless it fails; NULL: there is none, and what is not for the
 * services goes nowhere. Strings are copied.
 */
int net_services_open(struct loop *loop, const struct net_services_options *options,
	struct net_port *way_out, struct net_port **ret, struct error *err);
