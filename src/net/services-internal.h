/* SPDX-License-Identifier: Apache-2.0 */
/*
 * services-internal.h - the parts of a gateway's services: services.c (the port, packets of UDP),
 * services-names.c (DNS), services-leases.c (DHCP).
 */
#pragma once

#include "base/loop.h"
#include "net/ring.h"
#include "net/services.h"

#define SERVICES_QUERIES_MAX 128 /* that wait for a name server outside */
#define SERVICES_SERVERS_MAX 3 /* resolv.conf(5) */
#define SERVICES_QUERY_NS    5000000000ll
#define SERVICES_RING_BYTES  (512u << 10)

/* Both ends of a packet of UDP: a guest's, and ours. */
struct services_ends {
	uint8_t mac[NET_MAC_BYTES]; /* the guest's */
	bool is_ip6;
	struct in6_addr guest, ours; /* IPv4 as ::ffff:a.b.c.d */
	uint16_t guest_port, our_port;
};

struct services_query {
	struct loop_source source; /* fd -1: free */
	struct services *services;
	struct services_ends ends;
	unsigned server, nr_tried;
	int64_t end_ns;
	size_t length;
	uint8_t message[512]; /* the question, to be asked again */
};

struct services {
	struct net_port port;
	struct loop *loop;
	struct net_services_options options;
	struct net_port *way_out; /* NULL: none */
	struct net_ring ring; /* answers that wait to be received */
	bool is_waited_for;
	struct loop_timer ready_timer;
	/* Names. */
	struct sockaddr_storage servers[SERVICES_SERVERS_MAX];
	unsigned nr_servers, server; /* the one that answered last */
	struct services_query queries[SERVICES_QUERIES_MAX];
	unsigned next_query;
	struct loop_timer query_timer;
};

/* A packet to the guest, into the ring. */
void services_reply(struct services *services, const struct services_ends *ends,
	const uint8_t *payload, size_t length);

void services_names_init(struct services *services);
void services_names_close(struct services *services);
/* A question came. */
void services_ask(struct services *services, const struct services_ends *ends,
	const uint8_t *message, size_t length);

/* A packet for a DHCP server came. */
void services_lease(struct services *services, const struct services_ends *ends,
	const uint8_t *message, size_t length);
