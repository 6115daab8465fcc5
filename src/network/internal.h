/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal.h - what the files of network/ share with each other and nobody else.
 */
#pragma once

#include "network/network.h"

#define NETWORK_DOCUMENT      "network.json"
#define NETWORK_DOCUMENT_MAX  (256u << 10) /* bytes */
#define NETWORK_ENDPOINT_MAX  (256u << 10) /* bytes: NETWORK_PORTS_MAX ports fit in */
#define NETWORK_IPV4_BITS_MIN 8
#define NETWORK_IPV4_BITS_MAX 30 /* the host and one instance */
#define NETWORK_IPV6_BITS_MIN 16
#define NETWORK_IPV6_BITS_MAX 126

/* --- address.c -------------------------------------------------------------------------------- */

/* An address as a number; IPv4 has the lower 32 bits. */
__extension__ typedef unsigned __int128 network_number;

network_number network_address_number(const struct network_address *address);
struct network_address network_address_of_number(sa_family_t family, network_number n);
/* How many addresses the prefix has. */
network_number network_prefix_size(const struct network_prefix *prefix);

/* --- store.c ---------------------------------------------------------------------------------- */

/* ROOT/networks; -ENOENT (silent) when there is none and none is to be made. */
int network_open_store(const struct network_roots *roots, bool make, struct error *err);
/* ROOT/networks/NAME/leases of one that is there. */
int network_open_leases(
	const struct network_roots *roots, const char *name, bool make, struct error *err);

/* --- document.c ------------------------------------------------------------------------------- */

/* Is a subnet one that a network can have? `text` is for the sentence. */
int network_check_subnet(const struct network_subnet *subnet, const char *text, struct error *err);

/* --- subnets.c -------------------------------------------------------------------------------- */

/* The subnets of a network that is being made, from what was asked for and what is taken: those of
 * `others` and the host's routes. */
int network_choose_subnets(const struct network_wish *wish, const struct network *others,
	size_t nr_others, struct network *network, struct error *err);

/* --- routes.c --------------------------------------------------------------------------------- */

struct network_route {
	struct network_prefix prefix;
	bool is_direct; /* no router in between: an interface's own subnet */
};

/* Those of the host (of our network namespace), default routes and single addresses left out. */
int network_list_routes(struct network_route **ret, size_t *ret_count, struct error *err);

/* --- link.c --- */

/* The bridge, up, with the gateways' addresses; one that is there is taken as it is. */
int network_bridge_make(const struct network *network, struct error *err);
void network_link_delete(const char *name);
/* The interface of an endpoint, which is in that network namespace: its addresses and routes. */
int network_set_up_inside(const struct network *network, const struct network_endpoint *endpoint,
	int namespace_fd, bool is_way_out);

/* --- user-attach.c --- */

/* network_attach() without rights on the host. */
int network_attach_user(const struct network_roots *roots, const struct network *network,
	const struct network_endpoint *endpoint, int namespace_fd, bool is_way_out,
	struct error *err);

/* --- host.c --- */

/* RUN_ROOT/networks/NAME/FILE; NULL when memory ran out. */
char *network_run_path(const struct network_roots *roots, const char *name, const char *file);
/* A connection with the keeper, or -ECONNREFUSED or -ENOENT: there is none. */
int network_keeper_connect(const struct network_roots *roots, const char *name);

/* Say something to it, with a descriptor (-1: none), and await what it says to that. */
int network_keeper_tell(int fd, const char *what, int passed_fd);
int network_keeper_answer(int fd, const char *name, struct error *err);

/* What it is asked: a line, answered by an empty one or by a sentence. */
#define NETWORK_KEEPER_SYNC	"sync" /* the endpoints have changed: answered when it is so */
#define NETWORK_KEEPER_END	"end" /* end now, if nobody is in the network */
#define NETWORK_KEEPER_PLUG	"plug " /* and an ID: with a tap or a cable of that instance */
#define NETWORK_KEEPER_COUNT	"count" /* the ports' counters, as JSON */
#define NETWORK_KEEPER_TEXT_MAX 1024
#define NETWORK_KEEPER_WAIT_MS	20000 /* for an answer of one that works */
