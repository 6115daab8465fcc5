/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request.c - what users ask for: --network's value and --publish's.
 */
#include "network/internal.h"

#include <ctype.h>
#include <netinet/in.h>

#define PORT_TEXT_MAX 128

/* --- --network -------------------------------------------------------------------------------- */

void network_request_free(struct network_request *request)
{
	free(request->network);
	strv_free(request->aliases);
	*request = (struct network_request){ 0 };
}

/* Names that others may find it by: letters, digits, and -_. inside. */
static bool is_host_name(const char *name)
{
	size_t len = strlen(name);

	if (!len || len > 253 || !isalnum((unsigned char)name[0]))
		return false;
	for (size_t i = 1; i < len; i++)
		if (!isalnum((unsigned char)name[i]) && !strchr("_.-", name[i]))
			return false;
	return true;
}

static int set_address(
	const char *value, sa_family_t family, struct network_address *ret, struct error *err)
{
	if (network_address_parse(value, ret) < 0 || ret->family != family)
		return error_set(err, EINVAL, "invalid IPv%c address: %s",
			family == AF_INET ? '4' : '6', value);
	return 0;
}

static int add_alias(struct network_request *request, const char *name, struct error *err)
{
	if (!is_host_name(name))
		return error_set(
			err, EINVAL, "invalid network alias: \"%s\" is no host name", name);
	if (strv_contains(request->aliases, name))
		return 0;
	if (strv_length(request->aliases) == NETWORK_ALIASES_MAX)
		return error_set(err, EINVAL, "a network has %d aliases of an instance at most",
			NETWORK_ALIASES_MAX);
	return strv_push(&request->aliases, name) < 0 ? error_oom(err) : 0;
}

static int set_mac(struct network_request *request, const char *value, struct error *err)
{
	if (network_mac_parse(value, request->mac) < 0)
		return error_set(err, EINVAL,
			"invalid MAC address: %s: must be six pairs of digits, and not a group's",
			value);
	request->has_mac = true;
	return 0;
}

static int set_network(struct network_request *request, const char *value, struct error *err)
{
	/* A name, or the beginning of an ID. */
	if (strlen(value) > NETWORK_NAME_MAX || !is_host_name(value))
		return error_set(err, EINVAL, "invalid network name \"%s\"", value);
	free(request->network);
	request->network = strdup(value);
	return request->network ? 0 : error_oom(err);
}

/* One KEY=VALUE of the long form. */
static int set_part(struct network_request *request, const char *part, struct error *err)
{
	const char *value;

	if ((value = str_after_prefix(part, "name=")))
		return set_network(request, value, err);
	if ((value = str_after_prefix(part, "ip=")))
		return set_address(value, AF_INET, &request->ip, err);
	if ((value = str_after_prefix(part, "ip6=")))
		return set_address(value, AF_INET6, &request->ip6, err);
	if ((value = str_after_prefix(part, "mac-address=")))
		return set_mac(request, value, err);
	if ((value = str_after_prefix(part, "alias=")))
		return add_alias(request, value, err);
	return error_set(err, EINVAL,
		"invalid part \"%s\" of a network: there are name=, ip=, ip6=, mac-address= and alias=",
		part);
}

int network_request_parse(const char *text, struct network_request *ret, struct error *err)
{
	_cleanup_(network_request_free) struct network_request request = { 0 };
	_cleanup_strv_ char **parts = NULL;
	int r = 0;

	if (!strchr(text, '=')) {
		r = set_network(&request, text, err);
	} else {
		parts = strv_split(text, ',');
		if (!parts)
			return error_oom(err);
		strv_for_each (part, parts)
			if (r == 0)
				r = set_part(&request, *part, err);
		if (r == 0 && !request.network)
			r = error_set(err, EINVAL, "\"%s\" names no network: name=NETWORK", text);
	}
	if (r < 0)
		return r;
	*ret = request;
	request = (struct network_request){ 0 };
	return 0;
}

char *network_request_format(const struct network_request *request)
{
	char text[NETWORK_ADDRESS_TEXT];
	struct str s = { 0 };

	str_appendf(&s, "name=%s", request->network);
	if (request->ip.family)
		str_appendf(&s, ",ip=%s", network_address_format(text, &request->ip));
	if (request->ip6.family)
		str_appendf(&s, ",ip6=%s", network_address_format(text, &request->ip6));
	if (request->has_mac)
		str_appendf(&s, ",mac-address=%s", network_mac_format(text, request->mac));
	strv_for_each (alias, request->aliases)
		str_appendf(&s, ",alias=%s", *alias);
	return str_finish(&s);
}

/* --- --publish -------------------------------------------------------------------------------- */

const char *network_protocol_name(uint8_t protocol)
{
	return protocol == IPPROTO_UDP ? "udp" : "tcp";
}

/* "80" or "8000-8010"; last is 0 without a range. */
static int parse_range(const char *text, uint16_t *first, uint16_t *last)
{
	_cleanup_free_ char *copy = strdup(text);
	char *dash = copy ? strchr(copy, '-') : NULL;
	uint64_t from, to = 0;

	if (!copy)
		return -ENOMEM;
	if (dash)
		*dash = '\0';
	if (parse_u64(copy, 65535, &from) < 0 || !from ||
		(dash && (parse_u64(dash + 1, 65535, &to) < 0 || to < from)))
		return -EINVAL;
	*first = (uint16_t)from;
	*last = to == from ? 0 : (uint16_t)to;
	return 0;
}

/* The part behind the last `separator`, which is cut off; NULL: there is none. */
static char *cut_last(char *text, char separator)
{
	char *place = strrchr(text, separator);

	if (!place)
		return NULL;
	*place = '\0';
	return place + 1;
}

static int parse_host_address(char *text, struct network_address *ret)
{
	size_t len = strlen(text);

	if (text[0] == '[') {
		if (text[len - 1] != ']')
			return -EINVAL;
		text[len - 1] = '\0';
		text++;
	} else if (strchr(text, ':')) {
		return -EINVAL;
	}
	return network_address_parse(text, ret);
}

/* As written; *guest_last is 0 without a range. */
static int parse_port(char *text, struct network_port *port, uint16_t *guest_last)
{
	const char *protocol = cut_last(text, '/');
	char *guest = cut_last(text, ':'), *host = text;
	char *host_port;

	if (protocol && !streq(protocol, "tcp") && !streq(protocol, "udp"))
		return -EINVAL;
	port->protocol = protocol && streq(protocol, "udp") ? IPPROTO_UDP : IPPROTO_TCP;
	if (!guest)
		return parse_range(text, &port->guest, guest_last);
	if (parse_range(guest, &port->guest, guest_last) < 0)
		return -EINVAL;
	/* "[::1]" alone has colons, too, but no port behind the last one. */
	host_port = strchr(host, ':') ? cut_last(host, ':') : NULL;
	if (!host_port) {
		host_port = host;
	} else if (*host && parse_host_address(host, &port->address) < 0) {
		return -EINVAL;
	}
	return *host_port ? parse_range(host_port, &port->host, &port->host_last) : 0;
}

static int refuse_port(const char *text, struct error *err)
{
	return error_set(err, EINVAL,
		"invalid published port \"%s\": must be [[IP:]HOST:]INSTANCE[/tcp|/udp], with ranges as 8000-8010",
		text);
}

static int parse_written(
	const char *text, struct network_port *ret, uint16_t *guest_last, struct error *err)
{
	char copy[PORT_TEXT_MAX];
	struct network_port port = { 0 };

	*guest_last = 0;
	if (strlen(text) >= sizeof(copy))
		return refuse_port(text, err);
	strcpy(copy, text);
	if (parse_port(copy, &port, guest_last) < 0)
		return refuse_port(text, err);
	*ret = port;
	return 0;
}

int network_port_parse(const char *text, struct network_port *ret, struct error *err)
{
	uint16_t guest_last;
	int r = parse_written(text, ret, &guest_last, err);

	return r == 0 && guest_last ? refuse_port(text, err) : r;
}

char *network_port_format(const struct network_port *port)
{
	char address[NETWORK_ADDRESS_TEXT];
	struct str s = { 0 };

	if (port->address.family)
		str_appendf(&s, port->address.family == AF_INET6 ? "[%s]:" : "%s:",
			network_address_format(address, &port->address));
	if (port->host)
		str_appendf(&s, "%u", port->host);
	if (port->host_last)
		str_appendf(&s, "-%u", port->host_last);
	str_appendf(&s, ":%u/%s", port->guest, network_protocol_name(port->protocol));
	return str_finish(&s);
}

static int push_port(char ***ports, const struct network_port *port, struct error *err)
{
	if (strv_length(*ports) >= NETWORK_PORTS_MAX)
		return error_set(err, EINVAL, "an instance has %d published ports at most",
			NETWORK_PORTS_MAX);
	return strv_push_take(ports, network_port_format(port)) < 0 ? error_oom(err) : 0;
}

int network_ports_expand(const char *text, char ***ports, struct error *err)
{
	struct network_port port;
	uint16_t guest_last;
	unsigned count;
	int r = parse_written(text, &port, &guest_last, err);

	if (r < 0)
		return r;
	if (!guest_last)
		return push_port(ports, &port, err);
	count = guest_last - port.guest + 1u;
	if (port.host && (port.host_last ? port.host_last - port.host + 1u : 1u) != count)
		return error_set(err, EINVAL,
			"invalid ranges in the published port \"%s\": both must have as many ports",
			text);
	port.host_last = 0;
	for (unsigned i = 0; r == 0 && i < count; i++) {
		r = push_port(ports, &port, err);
		port.guest++;
		if (port.host)
			port.host++;
	}
	return r;
}
