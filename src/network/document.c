/* SPDX-License-Identifier: Apache-2.0 */
/*
 * document.c - network.json: read with distrust, written whole.
 */
#include "network/internal.h"

#include <ctype.h>

#include "base/clock.h"

#define OPTION_PREFIX "com.docker.network."

void network_free(struct network *network)
{
	free(network->name);
	strv_free(network->labels);
	strv_free(network->options);
	*network = (struct network){ 0 };
}

void network_list_free(struct network *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		network_free(&list[i]);
	free(list);
}

bool network_name_is_valid(const char *name)
{
	static const char *const reserved[] = { "bridge", "default", "host", "none", "private" };
	size_t len = strlen(name);

	if (!len || len > NETWORK_NAME_MAX || !isalnum((unsigned char)name[0]))
		return false;
	for (size_t i = 1; i < len; i++)
		if (!isalnum((unsigned char)name[i]) && !strchr("_.-", name[i]))
			return false;
	for (size_t i = 0; i < ARRAY_SIZE(reserved); i++)
		if (streq(name, reserved[i]))
			return false;
	return true;
}

const struct network_subnet *network_subnet_of(const struct network *network, sa_family_t family)
{
	for (size_t i = 0; i < network->nr_subnets; i++)
		if (network->subnets[i].prefix.address.family == family)
			return &network->subnets[i];
	return NULL;
}

/* --- options ---------------------------------------------------------------------------------- */

static bool is_link_name(const char *name)
{
	size_t len = strlen(name);

	if (!len || len >= NETWORK_LINK_NAME || streq(name, ".") || streq(name, ".."))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)name[i]) && !strchr("_.-", name[i]))
			return false;
	return true;
}

static int parse_bool(const char *text, bool *ret)
{
	if (streq(text, "true") || streq(text, "1"))
		*ret = true;
	else if (streq(text, "false") || streq(text, "0"))
		*ret = false;
	else
		return -EINVAL;
	return 0;
}

static int set_mtu(struct network *network, const char *value)
{
	uint64_t mtu;

	if (parse_u64(value, NETWORK_MTU_MAX, &mtu) < 0 || mtu < NETWORK_MTU_MIN)
		return -EINVAL;
	network->mtu = (int64_t)mtu;
	return 0;
}

static int set_bridge(struct network *network, const char *value)
{
	if (!is_link_name(value))
		return -EINVAL;
	strcpy(network->bridge, value);
	return 0;
}

static int set_masquerade(struct network *network, const char *value)
{
	bool on = true;
	int r = parse_bool(value, &on);

	network->no_masquerade = !on;
	return r;
}

static int set_icc(struct network *network, const char *value)
{
	bool on = true;
	int r = parse_bool(value, &on);

	network->no_icc = !on;
	return r;
}

static const struct {
	const char *key;
	int (*set)(struct network *network, const char *value);
	const char *is;
} network_options[] = {
	{ OPTION_PREFIX "driver.mtu", set_mtu, "a number from 1280 to 65520" },
	{ "mtu", set_mtu, "a number from 1280 to 65520" },
	{ OPTION_PREFIX "bridge.name", set_bridge, "a name of an interface" },
	{ OPTION_PREFIX "bridge.enable_ip_masquerade", set_masquerade, "true or false" },
	{ OPTION_PREFIX "bridge.enable_icc", set_icc, "true or false" },
};

int network_set_option(struct network *network, const char *option, struct error *err)
{
	const char *equals = strchrnul(option, '=');
	size_t len = (size_t)(equals - option);

	for (size_t i = 0; i < ARRAY_SIZE(network_options); i++) {
		if (strlen(network_options[i].key) != len ||
			memcmp(option, network_options[i].key, len) != 0)
			continue;
		if (!*equals || network_options[i].set(network, equals + 1) < 0)
			return error_set(err, EINVAL, "invalid network option \"%s\": must be %s",
				option, network_options[i].is);
		return 0;
	}
	return error_set(err, EINVAL,
		"unknown network option \"%.*s\": there are " OPTION_PREFIX
		"driver.mtu, .bridge.name, .bridge.enable_ip_masquerade and .bridge.enable_icc",
		(int)len, option);
}

/* --- writing ---------------------------------------------------------------------------------- */

static void write_subnet(struct json_writer *w, const struct network_subnet *subnet)
{
	char text[NETWORK_ADDRESS_TEXT];

	json_begin_object(w, NULL);
	json_write_string(w, "subnet", network_prefix_format(text, &subnet->prefix));
	json_write_string(w, "gateway", network_address_format(text, &subnet->gateway));
	if (subnet->range.address.family)
		json_write_string(w, "ip_range", network_prefix_format(text, &subnet->range));
	json_end_object(w);
}

char *network_document_write(const struct network *network)
{
	struct json_writer w = { 0 };
	char created[CLOCK_TEXT_MAX];

	clock_format(created, network->created_ns);
	json_begin_object(&w, NULL);
	json_write_string(&w, "name", network->name);
	json_write_string(&w, "id", network->id);
	json_write_string(&w, "driver", "bridge");
	json_write_string(&w, "created", created);
	json_begin_array(&w, "subnets");
	for (size_t i = 0; i < network->nr_subnets; i++)
		write_subnet(&w, &network->subnets[i]);
	json_end_array(&w);
	json_write_bool(&w, "ipv6", network->ipv6);
	json_write_bool(&w, "internal", network->internal);
	json_write_bool(&w, "attachable", network->attachable);
	json_write_strv(&w, "options", network->options);
	json_write_strv(&w, "labels", network->labels);
	json_end_object(&w);
	return json_writer_finish(&w);
}

/* --- reading ---------------------------------------------------------------------------------- */

int network_check_subnet(const struct network_subnet *subnet, const char *text, struct error *err)
{
	const struct network_prefix *prefix = &subnet->prefix;
	bool is_ipv4 = prefix->address.family == AF_INET;
	unsigned min = is_ipv4 ? NETWORK_IPV4_BITS_MIN : NETWORK_IPV6_BITS_MIN;
	unsigned max = is_ipv4 ? NETWORK_IPV4_BITS_MAX : NETWORK_IPV6_BITS_MAX;
	network_number gateway = network_address_number(&subnet->gateway);
	network_number first = network_address_number(&prefix->address);

	if (prefix->bits < min || prefix->bits > max)
		return error_set(err, EINVAL,
			"invalid subnet %s: its prefix must be from %u to %u bits long", text, min,
			max);
	/* 127.0.0.0/8, 224.0.0.0/3; ::/16, fe80::/10, ff00::/8 */
	if (is_ipv4 ? prefix->address.bytes[0] == 0 || prefix->address.bytes[0] == 127 ||
				prefix->address.bytes[0] >= 224
		    : (!prefix->address.bytes[0] && !prefix->address.bytes[1]) ||
				prefix->address.bytes[0] >= 0xfe)
		return error_set(err, EINVAL,
			"invalid subnet %s: those addresses are not for a network of instances",
			text);
	if (!network_prefix_contains(prefix, &subnet->gateway) || gateway == first ||
		(is_ipv4 && gateway - first == network_prefix_size(prefix) - 1))
		return error_set(err, EINVAL,
			"invalid gateway of the subnet %s: it is none of its addresses", text);
	if (subnet->range.address.family &&
		(!network_prefix_contains(prefix, &subnet->range.address) ||
			subnet->range.bits < prefix->bits))
		return error_set(
			err, EINVAL, "invalid --ip-range: it is not inside the subnet %s", text);
	return 0;
}

static int read_subnet(const json_t *object, struct network_subnet *ret, struct error *err)
{
	static const char what[] = NETWORK_DOCUMENT ": subnets";
	const char *subnet = NULL, *gateway = NULL, *range = NULL;
	int r = json_get_string(object, "subnet", &subnet, what, err);

	if (r == 0)
		r = json_get_string(object, "gateway", &gateway, what, err);
	if (r == 0)
		r = json_get_string(object, "ip_range", &range, what, err);
	if (r < 0)
		return r;
	if (!subnet || network_prefix_parse(subnet, &ret->prefix) < 0 || !gateway ||
		network_address_parse(gateway, &ret->gateway) < 0 ||
		(range && network_prefix_parse(range, &ret->range) < 0))
		return error_set(err, EINVAL, "%s: one has no valid subnet or gateway", what);
	return network_check_subnet(ret, subnet, err);
}

static int read_subnets(const json_t *document, struct network *network, struct error *err)
{
	json_t *array = NULL;
	int r = json_get_array(document, "subnets", &array, NETWORK_DOCUMENT, err);

	if (r < 0)
		return r;
	if (!array || !json_array_size(array) || json_array_size(array) > NETWORK_SUBNETS_MAX)
		return error_set(err, EINVAL, NETWORK_DOCUMENT ": there must be one subnet or two");
	for (size_t i = 0; i < json_array_size(array); i++) {
		r = read_subnet(json_array_get(array, i), &network->subnets[i], err);
		if (r < 0)
			return r;
		network->nr_subnets++;
	}
	if (network->nr_subnets == 2 &&
		(network->subnets[0].prefix.address.family != AF_INET ||
			network->subnets[1].prefix.address.family != AF_INET6))
		return error_set(err, EINVAL,
			NETWORK_DOCUMENT ": two subnets are one of IPv4 and then one of IPv6");
	return 0;
}

static int read_identity(const json_t *document, struct network *network, struct error *err)
{
	const char *name = NULL, *id = NULL, *driver = NULL, *created = NULL;
	int r = json_get_string(document, "name", &name, NETWORK_DOCUMENT, err);

	if (r == 0)
		r = json_get_string(document, "id", &id, NETWORK_DOCUMENT, err);
	if (r == 0)
		r = json_get_string(document, "driver", &driver, NETWORK_DOCUMENT, err);
	if (r == 0)
		r = json_get_string(document, "created", &created, NETWORK_DOCUMENT, err);
	if (r < 0)
		return r;
	if (!name || !network_name_is_valid(name))
		return error_set(err, EINVAL, NETWORK_DOCUMENT ": the name is missing or invalid");
	if (!id || strlen(id) != NETWORK_ID_LEN || id[strspn(id, "0123456789abcdef")])
		return error_set(err, EINVAL, NETWORK_DOCUMENT ": the id is missing or invalid");
	if (!driver || !streq(driver, "bridge"))
		return error_set(err, EINVAL, NETWORK_DOCUMENT ": the driver is not \"bridge\"");
	if (!created || clock_parse(created, &network->created_ns) < 0)
		return error_set(err, EINVAL, NETWORK_DOCUMENT ": created is not a time");
	memcpy(network->id, id, NETWORK_ID_LEN + 1);
	snprintf(network->bridge, sizeof(network->bridge), "st-%.12s", id);
	network->name = strdup(name);
	return network->name ? 0 : error_oom(err);
}

int network_document_parse(const json_t *document, struct network *ret, struct error *err)
{
	_cleanup_network_ struct network network = { .mtu = NETWORK_MTU_DEFAULT };
	int r = read_identity(document, &network, err);

	if (r == 0)
		r = read_subnets(document, &network, err);
	if (r == 0)
		r = json_get_bool(document, "ipv6", &network.ipv6, NETWORK_DOCUMENT, err);
	if (r == 0)
		r = json_get_bool(document, "internal", &network.internal, NETWORK_DOCUMENT, err);
	if (r == 0)
		r = json_get_bool(
			document, "attachable", &network.attachable, NETWORK_DOCUMENT, err);
	if (r == 0)
		r = json_get_strv(document, "options", &network.options, NETWORK_DOCUMENT, err);
	if (r == 0)
		r = json_get_strv(document, "labels", &network.labels, NETWORK_DOCUMENT, err);
	strv_for_each (option, network.options)
		if (r == 0)
			r = network_set_option(&network, *option, err);
	if (r < 0)
		return r;
	*ret = network;
	network = (struct network){ 0 };
	return 0;
}
