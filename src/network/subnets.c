/* SPDX-License-Identifier: Apache-2.0 */
/*
 * subnets.c - which addresses a new network gets: those it was asked to have, or free ones.
 *
 * Free are those that neither another network of this store nor a route of the host has. A subnet
 * that somebody named may lie inside a route over a router (a VPN's 10.0.0.0/8): they know what
 * they hide. It may not lie inside what an interface is directly connected to, nor hide a smaller
 * route.
 */
#include "network/internal.h"

/* Where subnets of IPv4 come from when nobody names one: from POOL on, of POOL_BITS each. Outside
 * of what Docker takes (172.17.0.0 on, 192.168.0.0). */
#define POOL_FIRST   (10u << 24 | 88u << 16)
#define POOL_BITS    24
#define POOL_SUBNETS 2048 /* 10.88.0.0 to 10.95.255.0 */

struct taken {
	const struct network *others;
	size_t nr_others;
	struct network_route *routes;
	size_t nr_routes;
};

static const struct network *find_other(
	const struct taken *taken, const struct network_prefix *prefix)
{
	for (size_t i = 0; i < taken->nr_others; i++)
		for (size_t k = 0; k < taken->others[i].nr_subnets; k++)
			if (network_prefix_overlaps(prefix, &taken->others[i].subnets[k].prefix))
				return &taken->others[i];
	return NULL;
}

/* `named`: somebody wants exactly this one. */
static const struct network_route *find_route(
	const struct taken *taken, const struct network_prefix *prefix, bool named)
{
	for (size_t i = 0; i < taken->nr_routes; i++) {
		const struct network_route *route = &taken->routes[i];

		if (!network_prefix_overlaps(prefix, &route->prefix))
			continue;
		if (!named || route->is_direct || route->prefix.bits >= prefix->bits)
			return route;
	}
	return NULL;
}

static int check_free(
	const struct taken *taken, const struct network_prefix *prefix, struct error *err)
{
	const struct network *other = find_other(taken, prefix);
	const struct network_route *route = find_route(taken, prefix, true);
	char text[NETWORK_ADDRESS_TEXT], theirs[NETWORK_ADDRESS_TEXT];

	network_prefix_format(text, prefix);
	if (other)
		return error_set(err, EADDRINUSE, "the subnet %s overlaps with that of network %s",
			text, other->name);
	if (route)
		return error_set(err, EADDRINUSE,
			"the subnet %s overlaps with the host's route to %s", text,
			network_prefix_format(theirs, &route->prefix));
	return 0;
}

/* --- those that nobody named ------------------------------------------------------------------ */

static int choose_ipv4(const struct taken *taken, struct network_prefix *ret, struct error *err)
{
	struct network_prefix prefix = { .bits = POOL_BITS };

	for (unsigned i = 0; i < POOL_SUBNETS; i++) {
		prefix.address = network_address_of_number(
			AF_INET, POOL_FIRST + (i << (32 - POOL_BITS)));
		if (find_other(taken, &prefix) || find_route(taken, &prefix, false))
			continue;
		*ret = prefix;
		return 0;
	}
	return error_set(err, ENOSPC,
		"there is no free subnet between 10.88.0.0 and 10.95.255.255: give one with --subnet");
}

/* A unique local one (RFC 4193 §3.2): fd, 40 random bits, which the network's ID has, subnet 0. */
static void choose_ipv6(const char *id, struct network_prefix *ret)
{
	*ret = (struct network_prefix){ .address.family = AF_INET6, .bits = 64 };
	ret->address.bytes[0] = 0xfd;
	for (int i = 0; i < 5; i++) {
		const char digits[] = { id[2 * i], id[2 * i + 1], '\0' };

		ret->address.bytes[1 + i] = (uint8_t)strtoul(digits, NULL, 16);
	}
}

/* --- what was asked for ----------------------------------------------------------------------- */

static int add(struct network *network, const struct network_prefix *prefix, struct error *err)
{
	sa_family_t family = prefix->address.family;

	if (network_subnet_of(network, family))
		return error_set(err, EINVAL,
			"a network has one subnet of %s at most: --subnet was given twice",
			family == AF_INET ? "IPv4" : "IPv6");
	/* IPv4 stands first. */
	if (family == AF_INET)
		network->subnets[1] = network->subnets[0];
	network->subnets[family == AF_INET ? 0 : network->nr_subnets] = (struct network_subnet){
		.prefix = *prefix
	};
	network->nr_subnets++;
	return 0;
}

/* The subnet that an address is of. */
static struct network_subnet *find(struct network *network, const struct network_address *address)
{
	for (size_t i = 0; i < network->nr_subnets; i++)
		if (network_prefix_contains(&network->subnets[i].prefix, address))
			return &network->subnets[i];
	return NULL;
}

static int take_named(const struct network_wish *wish, struct network *network, struct error *err)
{
	struct network_prefix prefix;
	int r = 0;

	strv_for_each (text, wish->subnets) {
		if (network_prefix_parse(*text, &prefix) < 0)
			return error_set(err, EINVAL,
				"invalid subnet %s: must be ADDRESS/BITS, with nothing behind the bits",
				*text);
		r = add(network, &prefix, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int take_gateways(
	const struct network_wish *wish, struct network *network, struct error *err)
{
	struct network_prefix range;
	struct network_address address;
	struct network_subnet *subnet;

	strv_for_each (text, wish->gateways) {
		if (network_address_parse(*text, &address) < 0)
			return error_set(err, EINVAL, "invalid gateway %s: no address", *text);
		subnet = find(network, &address);
		if (!subnet)
			return error_set(err, EINVAL,
				"no matching subnet for gateway %s: give one with --subnet", *text);
		subnet->gateway = address;
	}
	strv_for_each (text, wish->ranges) {
		if (network_prefix_parse(*text, &range) < 0)
			return error_set(
				err, EINVAL, "invalid --ip-range %s: must be ADDRESS/BITS", *text);
		subnet = find(network, &range.address);
		if (!subnet)
			return error_set(err, EINVAL,
				"no matching subnet for range %s: give one with --subnet", *text);
		subnet->range = range;
	}
	return 0;
}

static int choose(const struct network_wish *wish, const struct taken *taken,
	struct network *network, struct error *err)
{
	char text[NETWORK_ADDRESS_TEXT];
	struct network_prefix prefix;
	int r = take_named(wish, network, err);

	if (r == 0 && !network_subnet_of(network, AF_INET)) {
		r = choose_ipv4(taken, &prefix, err);
		if (r == 0)
			r = add(network, &prefix, err);
	}
	if (r == 0 && network->ipv6 && !network_subnet_of(network, AF_INET6)) {
		choose_ipv6(network->id, &prefix);
		r = add(network, &prefix, err);
	}
	if (r == 0)
		r = take_gateways(wish, network, err);
	for (size_t i = 0; r == 0 && i < network->nr_subnets; i++) {
		struct network_subnet *subnet = &network->subnets[i];

		if (!subnet->gateway.family)
			network_prefix_number(&subnet->prefix, 1, &subnet->gateway);
		r = network_check_subnet(subnet, network_prefix_format(text, &subnet->prefix), err);
		if (r == 0)
			r = check_free(taken, &subnet->prefix, err);
	}
	network->ipv6 = network_subnet_of(network, AF_INET6) != NULL;
	return r;
}

int network_choose_subnets(const struct network_wish *wish, const struct network *others,
	size_t nr_others, struct network *network, struct error *err)
{
	struct taken taken = { .others = others, .nr_others = nr_others };
	int r = network_list_routes(&taken.routes, &taken.nr_routes, err);

	if (r == 0)
		r = choose(wish, &taken, network, err);
	free(taken.routes);
	return r;
}
