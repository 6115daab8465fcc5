/* SPDX-License-Identifier: Apache-2.0 */
/*
 * firewall.c - what a network's packets may do on the host: one table of nftables for each network,
 * strata-ID, replaced as a whole in one transaction of libnftables.
 *
 * The table knows its own network and nothing else, so networks never touch each other's rules, of
 * whichever store they are; that they do not reach each other follows from each one letting in
 * only what it knows: what its instances asked for, and what they publish. It is written in the
 * language that `nft list ruleset` prints, which is what a reader compares it with.
 *
 *   raw          nobody in the network speaks as the host's 127.0.0.1, or as another network
 *   ports        published ports: two maps for each family, with and without the host's address
 *   forward      in: only answers and what is published; out: not from an internal network
 *   postrouting  out with the host's address; from the host's loopback and from the instance to
 *                itself, too, so that answers come back
 */
#include "network/keep.h"

#include <glob.h>
#include <netinet/in.h>
#include <nftables/libnftables.h>

#include "base/io.h"
#include "network/internal.h"

/* A published port and where it leads to. */
struct lead {
	struct network_port port;
	const struct network_address *to;
};

static void append_table(struct str *s, const struct network *network)
{
	str_appendf(s, "inet strata-%.12s", network->id);
}

/* --- published ports ------------------------------------------------------------------------- */

static bool is_any(const struct network_address *address)
{
	return network_address_number(address) == 0;
}

/* One element of a map, where it belongs to. */
static void append_lead(struct str *elements, const struct network_port *port,
	const struct network_address *to, bool with_address)
{
	char host[NETWORK_ADDRESS_TEXT], inner[NETWORK_ADDRESS_TEXT];

	str_append(elements, elements->len ? ", " : "");
	if (with_address)
		str_appendf(elements, "%s . ", network_address_format(host, &port->address));
	str_appendf(elements, "%s . %u : %s . %u", network_protocol_name(port->protocol),
		port->host, network_address_format(inner, to), port->guest);
}

/* A map of one family: those of every address, or those of a certain one. */
static void append_map(struct str *s, sa_family_t family, bool with_address,
	const struct network_endpoint *endpoints, size_t nr_endpoints)
{
	const char *type = family == AF_INET ? "ipv4_addr" : "ipv6_addr";
	_cleanup_str_ struct str elements = { 0 };

	for (size_t i = 0; i < nr_endpoints; i++) {
		const struct network_address *to = family == AF_INET ? &endpoints[i].ip
								     : &endpoints[i].ip6;

		strv_for_each (text, endpoints[i].ports) {
			struct network_port port;

			if (network_port_parse(*text, &port, NULL) < 0 || !port.host ||
				port.address.family != family || !to->family ||
				is_any(&port.address) == with_address)
				continue;
			append_lead(&elements, &port, to, with_address);
		}
	}
	str_appendf(s,
		"\tmap ports%c%s {\n\t\ttype %s%sinet_proto . inet_service : %s . inet_service\n",
		family == AF_INET ? '4' : '6', with_address ? "_at" : "", with_address ? type : "",
		with_address ? " . " : "", type);
	if (elements.len)
		str_appendf(s, "\t\telements = { %s }\n", elements.data);
	str_append(s, "\t}\n");
}

static const char *family_word(sa_family_t family)
{
	return family == AF_INET ? "ip" : "ip6";
}

static void append_ports(struct str *s, const struct network *network,
	const struct network_endpoint *endpoints, size_t nr_endpoints)
{
	for (size_t i = 0; i < network->nr_subnets; i++)
		for (int with_address = 0; with_address < 2; with_address++)
			append_map(s, network->subnets[i].prefix.address.family, with_address,
				endpoints, nr_endpoints);
	str_append(s, "\tchain ports {\n");
	for (size_t i = 0; i < network->nr_subnets; i++) {
		sa_family_t family = network->subnets[i].prefix.address.family;
		const char *word = family_word(family);
		char digit = family == AF_INET ? '4' : '6';

		/* The kernel leads nothing from ::1 away: who asks there is refused, and asks
		 * 127.0.0.1 then. */
		if (family == AF_INET6)
			str_append(s, "\t\tip6 daddr ::1 return\n");
		str_appendf(s,
			"\t\tmeta nfproto ipv%c dnat %s to %s daddr . meta l4proto . th dport map @ports%c_at\n",
			digit, word, word, digit);
		str_appendf(s,
			"\t\tmeta nfproto ipv%c dnat %s to meta l4proto . th dport map @ports%c\n",
			digit, word, digit);
	}
	str_append(s,
		"\t}\n"
		"\tchain prerouting {\n"
		"\t\ttype nat hook prerouting priority dstnat\n"
		"\t\tfib daddr type local jump ports\n"
		"\t}\n"
		"\tchain output {\n"
		"\t\ttype nat hook output priority -100\n"
		"\t\tfib daddr type local jump ports\n"
		"\t}\n");
}

/* --- the rest -------------------------------------------------------------------------------- */

static void append_raw(struct str *s, const struct network *network)
{
	char prefix[NETWORK_ADDRESS_TEXT];

	str_append(s, "\tchain raw {\n\t\ttype filter hook prerouting priority raw\n");
	str_appendf(s, "\t\tiifname != \"%s\" return\n\t\tip daddr 127.0.0.0/8 drop\n",
		network->bridge);
	for (size_t i = 0; i < network->nr_subnets; i++) {
		const struct network_prefix *p = &network->subnets[i].prefix;
		bool is_ipv4 = p->address.family == AF_INET;

		str_appendf(s, "\t\t%s saddr != { %s, %s } drop\n", is_ipv4 ? "ip" : "ip6",
			network_prefix_format(prefix, p), is_ipv4 ? "0.0.0.0" : "::, fe80::/10");
	}
	str_append(s, "\t}\n");
}

static void append_forward(struct str *s, const struct network *network)
{
	const char *bridge = network->bridge;

	str_append(s, "\tchain forward {\n\t\ttype filter hook forward priority filter\n");
	/* Between its instances: seen here where bridges are filtered, and with a route in between.
	 */
	str_appendf(s, "\t\tiifname \"%s\" oifname \"%s\" ct status dnat accept\n", bridge, bridge);
	str_appendf(s, "\t\tiifname \"%s\" oifname \"%s\" %s\n", bridge, bridge,
		network->no_icc ? "drop" : "accept");
	if (network->internal)
		str_appendf(
			s, "\t\tiifname \"%s\" drop\n\t\toifname \"%s\" drop\n", bridge, bridge);
	str_appendf(s,
		"\t\toifname \"%s\" ct state established,related accept\n"
		"\t\toifname \"%s\" ct status dnat accept\n"
		"\t\toifname \"%s\" drop\n\t}\n",
		bridge, bridge, bridge);
}

static void append_postrouting(struct str *s, const struct network *network)
{
	const char *bridge = network->bridge;
	char prefix[NETWORK_ADDRESS_TEXT];

	str_append(s, "\tchain postrouting {\n\t\ttype nat hook postrouting priority srcnat\n");
	for (size_t i = 0; i < network->nr_subnets; i++) {
		const struct network_prefix *p = &network->subnets[i].prefix;
		const char *word = family_word(p->address.family);

		network_prefix_format(prefix, p);
		if (!network->no_masquerade && !network->internal)
			str_appendf(s, "\t\t%s saddr %s oifname != \"%s\" masquerade\n", word,
				prefix, bridge);
		str_appendf(s, "\t\t%s saddr %s oifname \"%s\" ct status dnat masquerade\n", word,
			prefix, bridge);
	}
	str_appendf(s, "\t\tip saddr 127.0.0.0/8 oifname \"%s\" masquerade\n\t}\n", bridge);
}

char *firewall_text(const struct network *network, const struct network_endpoint *endpoints,
	size_t nr_endpoints)
{
	struct str s = { 0 };

	/* The first line, so that there is one to delete. */
	str_append(&s, "table ");
	append_table(&s, network);
	str_append(&s, "\ndelete table ");
	append_table(&s, network);
	str_append(&s, "\ntable ");
	append_table(&s, network);
	str_appendf(&s, " {\n\tcomment \"strata: network %s\"\n", network->name);
	append_raw(&s, network);
	append_ports(&s, network, endpoints, nr_endpoints);
	append_forward(&s, network);
	append_postrouting(&s, network);
	str_append(&s, "}\n");
	return str_finish(&s);
}

/* --- libnftables ----------------------------------------------------------------------------- */

/* "Error: Could not process rule: Operation not permitted" of several lines, the first of which
 * says it. */
static int explain(const char *said, struct error *err)
{
	size_t len = strcspn(said, "\n");
	const char *reason = str_after_prefix(said, "Error: ");

	if (reason)
		len -= strlen("Error: ");
	else
		reason = said;
	return error_set(err, EIO, "nftables refuses its rules: %.*s", (int)len, reason);
}

static int run(const char *text, struct error *err)
{
	struct nft_ctx *nft = nft_ctx_new(NFT_CTX_DEFAULT);
	int r = 0;

	if (!nft)
		return error_set(err, EIO, "nftables cannot be used");
	nft_ctx_buffer_output(nft);
	nft_ctx_buffer_error(nft);
	if (nft_run_cmd_from_buffer(nft, text) != 0)
		r = explain(nft_ctx_get_error_buffer(nft), err);
	nft_ctx_free(nft);
	return r;
}

int firewall_set(const struct network *network, const struct network_endpoint *endpoints,
	size_t nr_endpoints, struct error *err)
{
	_cleanup_free_ char *text = firewall_text(network, endpoints, nr_endpoints);

	return text ? run(text, err) : error_oom(err);
}

int firewall_remove(const struct network *network, struct error *err)
{
	_cleanup_str_ struct str s = { 0 };

	str_append(&s, "table ");
	append_table(&s, network);
	str_append(&s, "\ndelete table ");
	append_table(&s, network);
	str_append(&s, "\n");
	return s.data ? run(s.data, err) : error_oom(err);
}

/* --- forwarding ------------------------------------------------------------------------------ */

static bool is_on(const char *path)
{
	_cleanup_free_ char *text = NULL;

	return io_read_file(AT_FDCWD, path, 16, &text, NULL, NULL) == 0 && text[0] != '0';
}

/* A host that forwards no longer listens to routers, unless it is told to (ip-sysctl, accept_ra).
 */
static void keep_listening_to_routers(void)
{
	glob_t found = { 0 };

	if (glob("/proc/sys/net/ipv6/conf/*/accept_ra", 0, NULL, &found) != 0)
		return;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		_cleanup_free_ char *text = NULL;

		if (io_read_file(AT_FDCWD, found.gl_pathv[i], 16, &text, NULL, NULL) == 0 &&
			text[0] == '1')
			io_write_kernel_file(AT_FDCWD, found.gl_pathv[i], "2");
	}
	globfree(&found);
}

int firewall_allow_forwarding(const struct network *network, struct error *err)
{
	static const char ipv4[] = "/proc/sys/net/ipv4/ip_forward";
	static const char ipv6[] = "/proc/sys/net/ipv6/conf/all/forwarding";
	int r = 0;

	if (network->internal)
		return 0;
	if (network_subnet_of(network, AF_INET) && !is_on(ipv4)) {
		r = io_write_kernel_file(AT_FDCWD, ipv4, "1");
		if (r < 0)
			return error_errno(err, r, "cannot write %s", ipv4);
	}
	if (network_subnet_of(network, AF_INET6) && !is_on(ipv6)) {
		keep_listening_to_routers();
		r = io_write_kernel_file(AT_FDCWD, ipv6, "1");
		if (r < 0)
			return error_errno(err, r, "cannot write %s", ipv6);
	}
	return 0;
}
