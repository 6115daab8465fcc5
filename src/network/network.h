/* SPDX-License-Identifier: Apache-2.0 */
/*
 * network.h - named networks: what they are, who has which address in them, and how an instance
 * joins one; the contract of the folder.
 *
 * On disk, ROOT/networks/NAME/:
 *   network.json     what `network create` decided once (struct network); replaced atomically
 *   leases/ADDRESS   a symbolic link to the ID of the instance that has the address. Making a link
 *                    is one exclusive step with its content, so two takers never get the same one,
 *                    and a crash leaves at most a lease whose holder is gone, which the next taker
 *                    verifies and takes over.
 * For as long as it is used, RUN_ROOT/networks/NAME/:
 *   endpoints/ID     what the instance ID got (struct network_endpoint); replaced atomically
 *   lock             flock: shared by who joins, exclusive by who ends the network's host side
 *   keeper           flock: held by the keeper for as long as it lives
 *   keeper.sock      its socket
 *   names/, dhcp/    what dnsmasq reads (--hostsdir, --dhcp-hostsdir)
 *
 * The files of endpoints/ are the truth about a running network: what is set up on the host is a
 * function of network.json and them, and is made again from them by a keeper that comes after one
 * that was killed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/json.h"
#include "base/str.h"

#define NETWORK_ID_LEN	     64
#define NETWORK_NAME_MAX     64 /* a file's name, and a label of DNS */
#define NETWORK_DEFAULT	     "strata" /* what `bridge` and `default` mean */
#define NETWORK_SUBNETS_MAX  2 /* one of IPv4, one of IPv6 */
#define NETWORK_ADDRESS_TEXT 56 /* bytes: INET6_ADDRSTRLEN, and "/128" */
#define NETWORK_MAC_TEXT     18
#define NETWORK_MAC_BYTES    6
#define NETWORK_MTU_MIN	     1280 /* RFC 8200 §5 */
#define NETWORK_MTU_MAX	     65520
#define NETWORK_MTU_DEFAULT  1500
#define NETWORK_LINK_NAME    16 /* IFNAMSIZ */
#define NETWORK_ALIASES_MAX  64
#define NETWORK_PORTS_MAX    1024 /* published ones of an instance, ranges counted out */

/* Where the strata of this user keeps things. Strings are borrowed. */
struct network_roots {
	const char *root, *run_root;
	bool rootless;
};

/* --- addresses (address.c) -------------------------------------------------------------------- */

struct network_address {
	sa_family_t family; /* AF_INET, AF_INET6; 0: none */
	uint8_t bytes[16]; /* network order; the first four of IPv4 */
};

struct network_prefix {
	struct network_address address; /* host bits are 0 */
	unsigned bits;
};

static inline unsigned network_family_bits(sa_family_t family)
{
	return family == AF_INET ? 32 : 128;
}

int network_address_parse(const char *text, struct network_address *ret);
/* Returns buf. "" for none. */
const char *network_address_format(
	char buf[NETWORK_ADDRESS_TEXT], const struct network_address *address);
bool network_address_equal(const struct network_address *a, const struct network_address *b);
/* "10.88.1.0/24"; -EINVAL, also for one whose host bits are not 0. */
int network_prefix_parse(const char *text, struct network_prefix *ret);
const char *network_prefix_format(
	char buf[NETWORK_ADDRESS_TEXT], const struct network_prefix *prefix);
bool network_prefix_contains(
	const struct network_prefix *prefix, const struct network_address *address);
bool network_prefix_overlaps(const struct network_prefix *a, const struct network_prefix *b);
/* Number n of the prefix; false: it has no such number. */
bool network_prefix_number(
	const struct network_prefix *prefix, uint64_t n, struct network_address *ret);

/* 02:42 and the IPv4 address, as Docker has it; of IPv6 the last four bytes. */
void network_mac_of_address(const struct network_address *address, uint8_t ret[NETWORK_MAC_BYTES]);
/* "02:42:0a:58:00:02"; -EINVAL, also for a group's address and for zero. */
int network_mac_parse(const char *text, uint8_t ret[NETWORK_MAC_BYTES]);
const char *network_mac_format(char buf[NETWORK_MAC_TEXT], const uint8_t mac[NETWORK_MAC_BYTES]);

/* --- networks (store.c, document.c) ----------------------------------------------------------- */

struct network_subnet {
	struct network_prefix prefix;
	struct network_address gateway; /* the host, and the name server */
	struct network_prefix range; /* where addresses are given from; family 0: all of it */
};

/* Strings are owned. */
struct network {
	char id[NETWORK_ID_LEN + 1];
	char *name;
	int64_t created_ns;
	struct network_subnet subnets[NETWORK_SUBNETS_MAX]; /* IPv4 first */
	size_t nr_subnets; /* at least 1 */
	bool ipv6; /* --ipv6 */
	bool internal; /* no way out, and no published ports */
	bool attachable; /* kept for Docker's sake: all of ours are */
	/* Options (-o), by Docker's names: com.docker.network.bridge.name, ... */
	int64_t mtu; /* ....driver.mtu */
	bool no_masquerade; /* ....bridge.enable_ip_masquerade=false */
	bool no_icc; /* ....bridge.enable_icc=false: its instances do not see each other */
	char bridge[NETWORK_LINK_NAME]; /* the interface on the host */
	char **labels, **options; /* KEY=VALUE, as given */
};

void network_free(struct network *network);
void network_list_free(struct network *list, size_t count);
#define _cleanup_network_ _cleanup_(network_free)

/* [a-zA-Z0-9][a-zA-Z0-9_.-]*, and none of those that mean something to --network. */
bool network_name_is_valid(const char *name);
/* `bridge` or `default`. */
bool network_name_is_default(const char *name);

/* What `network create` is given; NULL and 0: strata chooses. */
struct network_wish {
	const char *name;
	char *const *subnets, *const *gateways, *const *ranges;
	bool ipv6, internal, attachable;
	char *const *labels, *const *options;
};

/*
 * Make one. A subnet that nobody named is a free one: it overlaps with no other network and no
 * route of the host. -EEXIST: the name is taken; -EADDRINUSE: a subnet is.
 */
int network_create(const struct network_roots *roots, const struct network_wish *wish,
	struct network *ret, struct error *err);
/* By name, ID or unambiguous beginning of one; `bridge` and `default` are NETWORK_DEFAULT. -ENOENT:
 * "no such network". */
int network_find(const struct network_roots *roots, const char *text, struct network *ret,
	struct error *err);
/* The same for who is about to use it: NETWORK_DEFAULT is made when it is not there. */
int network_load(const struct network_roots *roots, const char *text, struct network *ret,
	struct error *err);
/* All, by name; broken ones are skipped with a warning. */
int network_list(const struct network_roots *roots, struct network **ret, size_t *ret_count,
	struct error *err);
/* -EBUSY: instances are in it. Its host side has to be down; see network_host_remove(). */
int network_remove(
	const struct network_roots *roots, const struct network *network, struct error *err);

/* document.c, for the store, tests and fuzzers. */
char *network_document_write(const struct network *network);
int network_document_parse(const json_t *document, struct network *ret, struct error *err);
/* One -o KEY=VALUE. */
int network_set_option(struct network *network, const char *option, struct error *err);

/* The subnet of a family; NULL: it has none. */
const struct network_subnet *network_subnet_of(const struct network *network, sa_family_t family);

/* --- leases (lease.c) ------------------------------------------------------------------------- */

/* Is the instance still one that may use its addresses? In doubt: yes. */
typedef bool (*network_holder_fn)(void *context, const char *id);

struct network_lease_request {
	const char *id; /* whose it will be: 64 hex digits */
	/* The one that is wanted; family 0: any. -EADDRINUSE: another instance has it, -ERANGE: it
	 * is not one of the subnet's. */
	struct network_address wanted;
	network_holder_fn is_alive;
	void *context;
};

/* -ENOSPC: the pool is full. */
int network_lease_take(const struct network_roots *roots, const struct network *network,
	const struct network_subnet *subnet, const struct network_lease_request *request,
	struct network_address *ret, struct error *err);
/* Give back what `id` has; what is another's stays. */
void network_lease_release(const struct network_roots *roots, const char *network_name,
	const struct network_address *address, const char *id);
/* All that `id` has in the network: after a crash. */
void network_lease_release_all(
	const struct network_roots *roots, const char *network_name, const char *id);

/* --- what is asked for (request.c) -------------------------------------------------------------
 *
 * Kept in instance.json as text in Docker's long form of --network:
 *   name=NET[,ip=ADDRESS][,ip6=ADDRESS][,mac-address=MAC][,alias=NAME]...
 */
struct network_request {
	char *network;
	struct network_address ip, ip6; /* family 0: any */
	uint8_t mac[NETWORK_MAC_BYTES];
	bool has_mac;
	char **aliases;
};

void network_request_free(struct network_request *request);
/* NAME alone, or the long form. */
int network_request_parse(const char *text, struct network_request *ret, struct error *err);
char *network_request_format(const struct network_request *request);

/* A published port: "[ADDRESS:][HOST]:GUEST[/PROTOCOL]". */
struct network_port {
	struct network_address address; /* family 0: every address, of both families */
	uint16_t host; /* 0: any that is free, or, with host_last, of the range */
	uint16_t host_last; /* 0: no range */
	uint16_t guest;
	uint8_t protocol; /* IPPROTO_TCP, IPPROTO_UDP */
};

/* One as users write it, with ranges ("8000-8010:80", "7000-7003:7000-7003/udp") counted out into
 * single ones that are appended to *ports in the form above. */
int network_ports_expand(const char *text, char ***ports, struct error *err);
/* One of those. */
int network_port_parse(const char *text, struct network_port *ret, struct error *err);
/* "8080:80/tcp", ":80/tcp", "[::1]:53:53/udp", "8000-8010:80/tcp"; NULL when memory ran out. */
char *network_port_format(const struct network_port *port);
const char *network_protocol_name(uint8_t protocol);

/* --- endpoints (endpoint.c) --------------------------------------------------------------------
 *
 * What an instance has of a network while it runs.
 */
struct network_endpoint {
	char id[NETWORK_ID_LEN + 1]; /* the instance's */
	char *instance; /* its name */
	char *hostname;
	char **aliases; /* names beside those two */
	struct network_address ip, ip6; /* family 0: none */
	uint8_t mac[NETWORK_MAC_BYTES];
	char link[NETWORK_LINK_NAME]; /* on the host's side: a veth or a tap; "": none */
	char inside[NETWORK_LINK_NAME]; /* "eth0" */
	char **ports; /* published ones as they are, in the form of network_port_format() */
};

void network_endpoint_free(struct network_endpoint *endpoint);
void network_endpoint_list_free(struct network_endpoint *list, size_t count);
#define _cleanup_network_endpoint_ _cleanup_(network_endpoint_free)

char *network_endpoint_write(const struct network_endpoint *endpoint);
int network_endpoint_parse(const json_t *document, struct network_endpoint *ret, struct error *err);

int network_endpoint_save(const struct network_roots *roots, const char *network_name,
	const struct network_endpoint *endpoint, struct error *err);
/* -ENOENT, silently: it has none there. */
int network_endpoint_load(const struct network_roots *roots, const char *network_name,
	const char *id, struct network_endpoint *ret, struct error *err);
void network_endpoint_remove(
	const struct network_roots *roots, const char *network_name, const char *id);
/* Of one network, by ID. */
int network_endpoint_list(const struct network_roots *roots, const char *network_name,
	struct network_endpoint **ret, size_t *ret_count, struct error *err);
/* The names of the networks that the instance is in. */
int network_names_of(
	const struct network_roots *roots, const char *id, char ***ret, struct error *err);
/* Is there an endpoint in the network? */
bool network_is_used(const struct network_roots *roots, const char *network_name);

/* --- the host's side (host.c, link.c) -----------------------------------------------------------
 *
 * With root: a bridge, and a veth or a tap in it for each instance. Rules and names are the
 * keeper's, a process of the program strata-network that the first endpoint starts.
 */

/* Who joins. */
struct network_joiner {
	const char *id, *instance, *hostname; /* the last two may be NULL */
	network_holder_fn is_alive; /* of network_lease_request */
	void *context;
	unsigned number; /* of its interface inside: eth0, eth1, ... */
	bool has_kernel; /* a machine: IPv4 only, and a tap in place of a veth */
	char *const *ports; /* published ones, with their ports of the host decided */
};

/*
 * Take addresses, see to it that the network is up, and write the endpoint down: from here on it
 * is the keeper's business, too. What is published leads to it when this returns. No interface is
 * made. network_leave() undoes it, also half of it.
 */
int network_join(const struct network_roots *roots, const struct network *network,
	const struct network_request *request, const struct network_joiner *joiner,
	struct network_endpoint *ret, struct error *err);
/* Make its veth, the inner end in that network namespace, ready to use; without rights on the host,
 * a tap there. `is_way_out`: its default
 * route goes here, if it has none. */
int network_attach(const struct network_roots *roots, const struct network *network,
	const struct network_endpoint *endpoint, int namespace_fd, bool is_way_out,
	struct error *err);
/* Make its tap, for one process to open. */
int network_attach_tap(
	const struct network *network, const struct network_endpoint *endpoint, struct error *err);
/* For a machine, without rights on the host: its end of a cable (net/net.h). */
int network_attach_cable(const struct network_roots *roots, const struct network *network,
	const struct network_endpoint *endpoint, int *ret_fd, struct error *err);
/* Interface, addresses and endpoint of an instance that is over; nothing of it is no mistake. */
void network_leave(const struct network_roots *roots, const char *network_name, const char *id);
/* Nobody uses it: see to it that nothing of it is left on the host. */
int network_host_remove(
	const struct network_roots *roots, const struct network *network, struct error *err);
