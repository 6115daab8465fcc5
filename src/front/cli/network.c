/* SPDX-License-Identifier: Apache-2.0 */
/*
 * network.c - `network create`, `ls`, `inspect`, `rm` and `prune`.
 */
#include "network/network.h"

#include <stdio.h>

#include "front/cli/cli.h"
#include "front/cli/each.h"
#include "front/cli/filter.h"
#include "front/cli/inspect.h"
#include "front/cli/network.h"
#include "front/cli/show.h"
#include "front/cli/table.h"
#include "front/cli/verbs.h"
#include "instance/network.h"

/* --- create --- */

struct create_options {
	char **subnets, **gateways, **ranges, **labels, **options;
	bool ipv6, internal, attachable;
	const char *driver;
};

#define AT(member) offsetof(struct create_options, member)

static const struct option create_table[] = {
	{ OPTION_LIST, 0, "subnet", AT(subnets), "ADDRESS/BITS",
		"Its addresses; one of IPv4 and one of IPv6 (default: free ones)" },
	{ OPTION_LIST, 0, "gateway", AT(gateways), "ADDRESS",
		"The host's address in it (default: the subnet's first)" },
	{ OPTION_LIST, 0, "ip-range", AT(ranges), "ADDRESS/BITS",
		"Give addresses from this part of the subnet" },
	{ OPTION_FLAG, 0, "ipv6", AT(ipv6), NULL, "IPv6, too" },
	{ OPTION_FLAG, 0, "internal", AT(internal), NULL,
		"No way out of it, and no published ports" },
	{ OPTION_FLAG, 0, "attachable", AT(attachable), NULL,
		"As Docker has it; all networks are" },
	{ OPTION_STRING, 'd', "driver", AT(driver), "DRIVER", "bridge", COMPLETE_CHOICES,
		"bridge" },
	{ OPTION_LIST, 'o', "opt", AT(options), "KEY=VALUE",
		"An option of the driver: com.docker.network.driver.mtu, ..." },
	{ OPTION_LIST, 0, "label", AT(labels), "KEY=VALUE", "Say something about it" },
	{ OPTION_END },
};

static int create_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	const struct create_options *o = options;
	const struct network_roots roots = network_cli_roots(cli);
	_cleanup_network_ struct network network = { 0 };
	const struct network_wish wish = {
		.name = argv[0],
		.subnets = o->subnets,
		.gateways = o->gateways,
		.ranges = o->ranges,
		.ipv6 = o->ipv6,
		.internal = o->internal,
		.attachable = o->attachable,
		.labels = o->labels,
		.options = o->options,
	};
	int r = network_create(&roots, &wish, &network, err);

	if (r == 0)
		printf("%s\n", network.id);
	return r;
}

const struct verb verb_network_create = {
	.name = "network create",
	.group = "Networks",
	.usage = "[OPTIONS] NETWORK",
	.summary = "Make a network",
	.help = "Prints its ID. Instances join it with 'strata run --network NETWORK'. A subnet that\n"
		"is not given is a free one, which no other network and no route of the host has.\n"
		"\n"
		"Options of the driver (--opt): com.docker.network.driver.mtu (or mtu), and\n"
		"com.docker.network.bridge.name, .enable_icc and .enable_ip_masquerade.\n"
		"\n"
		"Examples:\n"
		"  strata network create shop\n"
		"  strata network create --subnet 10.9.0.0/24 --ip-range 10.9.0.128/25 --ipv6 office\n"
		"  strata network create --internal -o mtu=9000 store",
	.options = create_table,
	.options_size = sizeof(struct create_options),
	.min_operands = 1,
	.max_operands = 1,
	.run = create_main,
};

/* --- ls --- */

struct ls_options {
	bool quiet, no_trunc;
	const char *format;
	char **filters;
};

static const struct option ls_table[] = {
	TABLE_QUIET_OPTION(struct ls_options, quiet),
	TABLE_NO_TRUNC_OPTION(struct ls_options, no_trunc),
	TABLE_FORMAT_OPTION(struct ls_options, format),
	FILTER_OPTION(struct ls_options, filters, "name, id, label, driver, scope, type, dangling"),
	{ OPTION_END },
};

static const struct table_column columns[] = {
	{ "ID", "NETWORK ID" },
	{ "Name", "NAME" },
	{ "Driver", "DRIVER" },
	{ "Scope", "SCOPE" },
	{ "IPv6", "IPV6", .hidden = true },
	{ "Internal", "INTERNAL", .hidden = true },
	{ "Labels", "LABELS", .hidden = true },
	{ "CreatedAt", "CREATED AT", .hidden = true },
};

static bool match_name(const char *value, const void *context)
{
	const struct network *network = context;

	return strstr(network->name, value) != NULL;
}

static bool match_id(const char *value, const void *context)
{
	const struct network *network = context;

	return str_after_prefix(network->id, value) != NULL;
}

static bool match_driver(const char *value, const void *context)
{
	return streq(value, "bridge");
}

static bool match_scope(const char *value, const void *context)
{
	return streq(value, "local");
}

static bool match_type(const char *value, const void *context)
{
	const struct network *network = context;

	return streq(value, streq(network->name, NETWORK_DEFAULT) ? "builtin" : "custom");
}

/* 1 or 0, or a failure. */
static int is_wanted(
	struct cli *cli, char *const *filters, const struct network *network, struct error *err)
{
	const struct instance_roots instances = cli_roots(cli);
	_cleanup_strv_ char **users = NULL;
	bool dangling = false;
	int r;

	if (!filter_accepts(filters, "name", match_name, network) ||
		!filter_accepts(filters, "id", match_id, network) ||
		!filter_accepts(filters, "driver", match_driver, network) ||
		!filter_accepts(filters, "scope", match_scope, network) ||
		!filter_accepts(filters, "type", match_type, network) ||
		!filter_accepts_labels(filters, "label", network->labels))
		return 0;
	if (!filter_value(filters, "dangling"))
		return 1;
	r = filter_bool(filters, "dangling", false, &dangling, err);
	if (r == 0)
		r = instance_network_users(&instances, network->name, &users, err);
	return r < 0 ? r : dangling == !users;
}

static int ls_row(struct table *t, const struct ls_options *o, const struct network *network,
	struct error *err)
{
	_cleanup_free_ char *labels = show_labels(network->labels);
	char id[80], created[SHOW_TIME_MAX];

	if (!labels)
		return error_oom(err);
	return table_row(t,
		(const char *const[]){ table_format_id(id, sizeof(id), network->id, o->no_trunc),
			network->name, "bridge", "local", network->ipv6 ? "true" : "false",
			network->internal ? "true" : "false", labels,
			show_time(created, network->created_ns) },
		err);
}

static int ls_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	const struct ls_options *o = options;
	const struct network_roots roots = network_cli_roots(cli);
	_cleanup_table_ struct table t = { 0 };
	struct network *list = NULL;
	size_t count = 0;
	int r;

	r = filter_check(o->filters, "name|id|label|driver|scope|type|dangling", err);
	if (r == 0)
		r = table_open(&t, columns, ARRAY_SIZE(columns), o->format, o->quiet, err);
	if (r == 0)
		r = network_list(&roots, &list, &count, err);
	for (size_t i = 0; r >= 0 && i < count; i++) {
		r = is_wanted(cli, o->filters, &list[i], err);
		if (r == 1)
			r = ls_row(&t, o, &list[i], err);
	}
	if (r >= 0)
		r = table_print(&t, stdout, err);
	network_list_free(list, count);
	return r;
}

const struct verb verb_network_ls = {
	.name = "network ls",
	.group = "Networks",
	.usage = "[OPTIONS]",
	.summary = "List networks",
	.help = "The default network, which --network bridge and default mean, is called strata and\n"
		"is made when it is first used.\n"
		"\n"
		"Example:\n"
		"  strata network ls --filter dangling=true -q",
	.options = ls_table,
	.options_size = sizeof(struct ls_options),
	.run = ls_main,
};

/* --- inspect --- */

static json_t *describe_subnets(const struct network *network)
{
	char subnet[NETWORK_ADDRESS_TEXT], gateway[NETWORK_ADDRESS_TEXT];
	char range[NETWORK_ADDRESS_TEXT];
	json_t *list = json_array();

	for (size_t i = 0; i < network->nr_subnets; i++) {
		const struct network_subnet *s = &network->subnets[i];
		json_t *o = json_object();

		inspect_set(o, "Subnet", inspect_text(network_prefix_format(subnet, &s->prefix)));
		if (s->range.address.family)
			inspect_set(o, "IPRange",
				inspect_text(network_prefix_format(range, &s->range)));
		inspect_set(
			o, "Gateway", inspect_text(network_address_format(gateway, &s->gateway)));
		json_array_append_new(list, o);
	}
	return list;
}

/* "10.88.0.2/24", or "". */
static json_t *describe_address(
	const struct network *network, const struct network_address *address)
{
	const struct network_subnet *subnet = network_subnet_of(network, address->family);
	char text[NETWORK_ADDRESS_TEXT];
	struct network_prefix with_bits = { *address, subnet ? subnet->prefix.bits : 0 };

	return inspect_text(
		address->family && subnet ? network_prefix_format(text, &with_bits) : "");
}

static int describe_endpoints(
	struct cli *cli, const struct network *network, json_t **ret, struct error *err)
{
	const struct network_roots roots = network_cli_roots(cli);
	struct network_endpoint *list = NULL;
	json_t *all = json_object();
	char mac[NETWORK_MAC_TEXT];
	size_t count = 0;
	int r = network_endpoint_list(&roots, network->name, &list, &count, err);

	for (size_t i = 0; r == 0 && i < count; i++) {
		json_t *o = json_object();

		inspect_set(o, "Name", inspect_text(list[i].instance));
		inspect_set(o, "EndpointID", inspect_text(list[i].id));
		inspect_set(o, "MacAddress", inspect_text(network_mac_format(mac, list[i].mac)));
		inspect_set(o, "IPv4Address", describe_address(network, &list[i].ip));
		inspect_set(o, "IPv6Address", describe_address(network, &list[i].ip6));
		inspect_set(all, list[i].id, o);
	}
	network_endpoint_list_free(list, count);
	*ret = all;
	return r;
}

int inspect_network_named(struct cli *cli, const char *name, json_t **ret, struct error *err)
{
	const struct network_roots roots = network_cli_roots(cli);
	_cleanup_network_ struct network network = { 0 };
	_cleanup_json_ json_t *endpoints = NULL;
	json_t *o;
	int r = network_find(&roots, name, &network, err);

	if (r == 0)
		r = describe_endpoints(cli, &network, &endpoints, err);
	if (r < 0)
		return r;
	o = json_object();
	inspect_set(o, "Name", inspect_text(network.name));
	inspect_set(o, "Id", inspect_text(network.id));
	inspect_set(o, "Created", show_json_time(network.created_ns));
	inspect_set(o, "Scope", inspect_text("local"));
	inspect_set(o, "Driver", inspect_text("bridge"));
	inspect_set(o, "EnableIPv4", json_boolean(network_subnet_of(&network, AF_INET) != NULL));
	inspect_set(o, "EnableIPv6", json_boolean(network.ipv6));
	inspect_set(o, "IPAM",
		json_pack("{s:s, s:{}, s:o}", "Driver", "default", "Options", "Config",
			describe_subnets(&network)));
	inspect_set(o, "Internal", json_boolean(network.internal));
	inspect_set(o, "Attachable", json_boolean(network.attachable));
	inspect_set(o, "Ingress", json_false());
	inspect_set(o, "ConfigFrom", json_pack("{s:s}", "Network", ""));
	inspect_set(o, "ConfigOnly", json_false());
	inspect_set(o, "Containers", json_incref(endpoints));
	inspect_set(o, "Options", show_json_map(network.options));
	inspect_set(o, "Labels", show_json_map(network.labels));
	inspect_set(o, "Strata",
		json_pack("{s:s, s:I}", "Bridge", network.bridge, "Mtu", (json_int_t)network.mtu));
	*ret = o;
	return o ? 0 : error_oom(err);
}

struct inspect_options {
	const char *format;
};

static const struct option inspect_table[] = {
	INSPECT_FORMAT_OPTION(struct inspect_options, format),
	{ OPTION_END },
};

static int inspect_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	const struct inspect_options *o = options;

	return inspect_print(cli, argc, argv, inspect_network_named, o->format, err);
}

const struct verb verb_network_inspect = {
	.name = "network inspect",
	.group = "Networks",
	.usage = "[OPTIONS] NETWORK [NETWORK...]",
	.summary = "Show everything about networks as JSON, with who is in them",
	.help = "Example:\n"
		"  strata network inspect -f '{{json .IPAM.Config}}' shop",
	.options = inspect_table,
	.options_size = sizeof(struct inspect_options),
	.min_operands = 1,
	.max_operands = -1,
	.operand = COMPLETE_NETWORK,
	.run = inspect_main,
};

/* --- rm --- */

struct rm_options {
	bool force;
};

static const struct option rm_table[] = {
	{ OPTION_FLAG, 'f', "force", offsetof(struct rm_options, force), NULL,
		"It is no failure when there is none of that name" },
	{ OPTION_END },
};

/* The host's side first: it is found by what the network's folder says. */
static int network_take_down(struct cli *cli, const struct network *network, struct error *err)
{
	const struct network_roots here = network_cli_roots(cli), *roots = &here;
	const struct instance_roots instances = cli_roots(cli);

	instance_network_settle(&instances, network->name);
	if (!network_is_used(roots, network->name) &&
		network_host_remove(roots, network, err) < 0 &&
		!network_is_used(roots, network->name))
		return -err->code;
	error_clear(err);
	return network_remove(roots, network, err);
}

static int rm_one(struct cli *cli, const char *operand, const void *options, struct error *err)
{
	const struct rm_options *o = options;
	const struct network_roots roots = network_cli_roots(cli);
	_cleanup_network_ struct network network = { 0 };
	int r;

	if (network_name_is_default(operand))
		return error_set(
			err, EPERM, "%s is a pre-defined network and cannot be removed", operand);
	r = network_find(&roots, operand, &network, err);
	if (r == 0)
		r = network_take_down(cli, &network, err);
	if (r == -ENOENT && o->force) {
		error_clear(err);
		return 0;
	}
	if (r == 0)
		printf("%s\n", operand);
	return r;
}

static int rm_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	return each_operand(cli, argc, argv, rm_one, options, err);
}

const struct verb verb_network_rm = {
	.name = "network rm",
	.group = "Networks",
	.usage = "[OPTIONS] NETWORK [NETWORK...]",
	.summary = "Remove networks",
	.help = "One that a running instance is in is kept.",
	.options = rm_table,
	.options_size = sizeof(struct rm_options),
	.min_operands = 1,
	.max_operands = -1,
	.operand = COMPLETE_NETWORK,
	.run = rm_main,
};

/* --- prune --- */

struct prune_options {
	bool force;
	char **filters;
};

static const struct option prune_table[] = {
	{ OPTION_FLAG, 'f', "force", offsetof(struct prune_options, force), NULL, "Do not ask" },
	{ OPTION_LIST, 0, "filter", offsetof(struct prune_options, filters), "KEY=VALUE",
		"Only what matches (label, until)" },
	{ OPTION_END },
};

int network_cli_prune(
	struct cli *cli, char *const *filters, int64_t until_ns, bool *ret_any, struct error *err)
{
	const struct instance_roots instances = cli_roots(cli);
	const struct network_roots roots = network_cli_roots(cli);
	struct network *list = NULL;
	size_t count = 0;
	int r = network_list(&roots, &list, &count, err);

	for (size_t i = 0; r == 0 && i < count; i++) {
		_cleanup_strv_ char **users = NULL;

		if (streq(list[i].name, NETWORK_DEFAULT) ||
			(until_ns && list[i].created_ns > until_ns) ||
			!filter_accepts_labels(filters, "label", list[i].labels))
			continue;
		r = instance_network_users(&instances, list[i].name, &users, err);
		if (r < 0 || users)
			continue;
		r = network_take_down(cli, &list[i], err);
		if (r == -EBUSY || r == -ENOENT) { /* joined or removed meanwhile */
			error_clear(err);
			r = 0;
			continue;
		}
		if (r < 0)
			break;
		printf("%s%s\n", *ret_any ? "" : "Deleted Networks:\n", list[i].name);
		*ret_any = true;
	}
	network_list_free(list, count);
	return r;
}

static int prune_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	const struct prune_options *o = options;
	int64_t until_ns = 0;
	bool any = false;
	int r = filter_check(o->filters, "label|until", err);

	if (r == 0 && filter_value(o->filters, "until"))
		r = show_parse_time(filter_value(o->filters, "until"), &until_ns, err);
	if (r < 0)
		return r;
	if (!o->force &&
		!show_confirm("WARNING! This will remove all networks that no instance uses."))
		return error_set(err, ECANCELED, "network prune has been cancelled");
	return network_cli_prune(cli, o->filters, until_ns, &any, err);
}

const struct verb verb_network_prune = {
	.name = "network prune",
	.group = "Networks",
	.usage = "[OPTIONS]",
	.summary = "Remove networks that no instance uses",
	.help = "The default network stays, and so do those of instances that do not run now.\n"
		"\n"
		"Example:\n"
		"  strata network prune -f --filter until=24h",
	.options = prune_table,
	.options_size = sizeof(struct prune_options),
	.run = prune_main,
};
