/* SPDX-License-Identifier: Apache-2.0 */
/*
 * user-options.c - what there is to choose of the user-mode network, and how users write it. It
 * needs no libslirp.
 */
#include "net/net.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "base/str.h"

void net_user_options_init(struct net_user_options *options)
{
	*options = (struct net_user_options){
		.ipv4 = true,
		.ipv6 = true,
		.network.s_addr = htonl(0x0a000200),
		.prefix_bits = 24,
		.network6.s6_addr = { 0xfd },
		.mtu = NET_MTU_MAX,
	};
}

static uint32_t mask_of(unsigned prefix_bits)
{
	return UINT32_MAX << (32 - prefix_bits);
}

int net_user_set_network(struct net_user_options *options, const char *text, struct error *err)
{
	_cleanup_strv_ char **parts = strv_split(text, '/');
	struct in_addr network;
	uint64_t bits;

	if (!parts)
		return error_oom(err);
	if (strv_length(parts) != 2 || inet_pton(AF_INET, parts[0], &network) != 1 ||
		parse_u64(parts[1], 27, &bits) < 0 || bits < 8)
		return error_set(err, EINVAL,
			"%s is no network for a guest: it is IPv4-ADDRESS/BITS with 8 to 27 bits",
			text);
	if (ntohl(network.s_addr) & ~mask_of((unsigned)bits))
		return error_set(err, EINVAL, "%s is an address within its network", text);
	options->network = network;
	options->prefix_bits = (unsigned)bits;
	return 0;
}

void net_user_router_mac(const struct net_user_options *options, uint8_t ret[NET_MAC_BYTES])
{
	struct in_addr router = options->router;

	if (!router.s_addr)
		router.s_addr = htonl(ntohl(options->network.s_addr) + 2);
	/* Locally administered; it is that of libslirp, too. */
	ret[0] = 0x52;
	ret[1] = 0x55;
	memcpy(ret + 2, &router, sizeof(router));
}

int net_user_check_options(const struct net_user_options *options, struct error *err)
{
	if (!options->ipv4 && !options->ipv6)
		return error_set(err, EINVAL, "a network needs IPv4 or IPv6");
	if (options->mtu < NET_MTU_MIN || options->mtu > NET_MTU_MAX)
		return error_set(
			err, EINVAL, "the MTU is to be %d to %d bytes", NET_MTU_MIN, NET_MTU_MAX);
	if (options->nr_forwards > NET_FORWARDS_MAX)
		return error_set(
			err, EINVAL, "at most %d ports can be forwarded", NET_FORWARDS_MAX);
	if (options->nr_forwards && !options->ipv4)
		return error_set(err, EOPNOTSUPP, "forwarded ports lead to IPv4, which is off");
	return 0;
}

/* --- options one by one --------------------------------------------------------------------------
 */

static int set_network(struct net_user_options *options, const char *value, struct error *err)
{
	return net_user_set_network(options, value, err);
}

static int set_mtu(struct net_user_options *options, const char *value, struct error *err)
{
	uint64_t mtu;

	if (parse_u64(value, NET_MTU_MAX, &mtu) < 0 || mtu < NET_MTU_MIN)
		return error_set(err, EINVAL, "the MTU is to be %d to %d bytes, not %s",
			NET_MTU_MIN, NET_MTU_MAX, value);
	options->mtu = (uint32_t)mtu;
	return 0;
}

static int set_hostname(struct net_user_options *options, const char *value, struct error *err)
{
	if (!*value || strlen(value) > NET_HOSTNAME_MAX)
		return error_set(err, EINVAL, "\"%s\" is no name of a host", value);
	options->hostname = value;
	return 0;
}

static int set_stack(struct net_user_options *options, const char *value, struct error *err)
{
	static const char *const names[] = {
		[NET_USER_WAY_OUT] = "own",
		[NET_USER_SLIRP] = "slirp",
	};

	static_assert(ARRAY_SIZE(names) == NET_USER_STACK_COUNT, "each stack has its name");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!streq(names[i], value))
			continue;
		options->stack = (enum net_user_stack)i;
		return 0;
	}
	return error_set(err, EINVAL, "the stack is own or slirp, not \"%s\"", value);
}

static const struct {
	const char *key;
	/* Either of these. */
	int (*set)(struct net_user_options *options, const char *value, struct error *err);
	size_t flag;
} options_table[] = {
	{ "net", set_network, 0 },
	{ "mtu", set_mtu, 0 },
	{ "hostname", set_hostname, 0 },
	{ "stack", set_stack, 0 },
	{ "restrict", NULL, offsetof(struct net_user_options, restricted) },
	{ "host", NULL, offsetof(struct net_user_options, host_loopback) },
	{ "ipv4", NULL, offsetof(struct net_user_options, ipv4) },
	{ "ipv6", NULL, offsetof(struct net_user_options, ipv6) },
};

static int set_flag(bool *flag, const char *key, const char *value, struct error *err)
{
	if (!streq(value, "on") && !streq(value, "off"))
		return error_set(err, EINVAL, "%s is on or off, not \"%s\"", key, value);
	*flag = streq(value, "on");
	return 0;
}

int net_user_set_option(
	struct net_user_options *options, const char *key, const char *value, struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(options_table); i++) {
		if (!streq(options_table[i].key, key))
			continue;
		if (options_table[i].set)
			return options_table[i].set(options, value, err);
		return set_flag((bool *)((char *)options + options_table[i].flag), key, value, err);
	}
	return error_set(err, EINVAL,
		"the user-mode network has no option \"%s\": there are net, mtu, hostname, stack, restrict, host, ipv4, ipv6",
		key);
}
