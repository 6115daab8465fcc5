/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keep.h - the keeper of a network: a process of the program strata-network, private to network/
 * but for its one function.
 */
#pragma once

#include "network/network.h"

/*
 * Become the keeper of a network, or find that there is one. `ready` is called once, in the process
 * that goes on, when the network is up (NULL) or cannot be brought up (a sentence). Returns when
 * nobody has been in it for a while.
 */
int network_keep(const struct network_roots *roots, const char *name,
	void (*ready)(const char *why_not), struct error *err);

/* --- firewall.c --- */

/* Its table as it should be, in one transaction: the rules of the network, and what the endpoints
 * publish. */
int firewall_set(const struct network *network, const struct network_endpoint *endpoints,
	size_t nr_endpoints, struct error *err);
/* No table is no mistake. */
int firewall_remove(const struct network *network, struct error *err);
/* The same as text, for tests. NULL when memory ran out. */
char *firewall_text(const struct network *network, const struct network_endpoint *endpoints,
	size_t nr_endpoints);
/* Let the host forward packets of the network's families. */
int firewall_allow_forwarding(const struct network *network, struct error *err);

/* --- docker.c --- */

/* Let the network's packets pass where Docker's rules would drop them; and no longer. */
void docker_let_pass(const struct network *network);
void docker_forget(const struct network *network);

/* --- names.c --- */

struct names {
	const struct network_roots *roots;
	const struct network *network;
	int pid; /* of the process that dnsmasq hangs on; 0: none */
	int alive_fd; /* our end of a pipe that it watches; -1: none */
	int words_fd; /* what dnsmasq says; -1: nothing */
};

/* Start the name server and wait until it answers. */
int names_start(struct names *names, struct error *err);
void names_stop(struct names *names);
/* The files it reads, as the endpoints have it. */
int names_set(struct names *names, const struct network_endpoint *endpoints, size_t nr_endpoints,
	struct error *err);
/* What is in an endpoint's file, for tests. NULL when memory ran out. */
char *names_text(const struct network_endpoint *endpoint);
