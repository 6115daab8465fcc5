/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_networks.c - networks by name: which ones, with which addresses, aliases and published ports.
 */
#include "front/cli/cli.h"
#include "front/cli/network.h"
#include "front/cli/run_machine.h"

static bool is_mode(const char *text)
{
	return streq(text, "host") || streq(text, "none") || str_after_prefix(text, "container:");
}

int run_adopt_networks(struct run_options *o, struct error *err)
{
	strv_for_each (text, o->networks) {
		if (!is_mode(*text))
			continue;
		if (strv_length(o->networks) > 1)
			return error_set(err, EINVAL,
				"conflicting options: --network %s and another --network", *text);
		o->network = *text;
	}
	return 0;
}

/* --- what is not possible --------------------------------------------------------------------- */

static int refuse(const struct run_options *o, struct error *err)
{
	char *const *networks = run_named_networks(o);
	const struct {
		bool given;
		const char *option;
	} rows[] = {
		{ o->ip != NULL, "ip" },
		{ o->ip6 != NULL, "ip6" },
		{ o->mac_address != NULL, "mac-address" },
		{ o->network_aliases != NULL, "network-alias" },
		{ o->publish_all, "publish-all" },
		/* A machine's of the host's sockets: run_machine.c. */
		{ o->publish != NULL &&
				!(run_is_machine(o) && o->network && streq(o->network, "host")),
			"publish" },
	};

	for (size_t i = 0; !networks && i < ARRAY_SIZE(rows); i++)
		if (rows[i].given)
			return error_set(err, EINVAL,
				"--%s needs a network: give one with --network, for example --network bridge",
				rows[i].option);
	return 0;
}

/* --- networks --------------------------------------------------------------------------------- */

/* What is said once is meant for the first. */
static int add_options(
	const struct run_options *o, struct network_request *request, struct error *err)
{
	_cleanup_(str_free) struct str s = { 0 };
	struct network_request given = { 0 };
	int r;

	str_append(&s, "name=x");
	if (o->ip)
		str_appendf(&s, ",ip=%s", o->ip);
	if (o->ip6)
		str_appendf(&s, ",ip6=%s", o->ip6);
	if (o->mac_address)
		str_appendf(&s, ",mac-address=%s", o->mac_address);
	strv_for_each (alias, o->network_aliases)
		str_appendf(&s, ",alias=%s", *alias);
	if (s.failed)
		return error_oom(err);
	r = network_request_parse(s.data, &given, err);
	if (r < 0)
		return r;
	if (given.ip.family)
		request->ip = given.ip;
	if (given.ip6.family)
		request->ip6 = given.ip6;
	if (given.has_mac)
		memcpy(request->mac, given.mac, sizeof(request->mac));
	request->has_mac |= given.has_mac;
	strv_for_each (alias, given.aliases)
		if (!strv_contains(request->aliases, *alias) &&
			strv_push(&request->aliases, *alias) < 0)
			r = error_oom(err);
	network_request_free(&given);
	return r;
}

static bool has_request_for(char *const *requests, const char *name)
{
	_cleanup_free_ char *prefix = strf("name=%s", name);

	strv_for_each (text, requests) {
		const char *rest = prefix ? str_after_prefix(*text, prefix) : NULL;

		if (rest && (!*rest || *rest == ','))
			return true;
	}
	return false;
}

/* One --network, by the name that the network has. */
static int add_network(const struct run_request *request, struct run_plan *plan, const char *text,
	struct error *err)
{
	const struct network_roots roots = network_cli_roots(request->cli);
	_cleanup_(network_request_free) struct network_request wanted = { 0 };
	_cleanup_network_ struct network network = { 0 };
	char **requests = plan->spec.networks;
	int r = network_request_parse(text, &wanted, err);

	if (r == 0)
		r = network_load(&roots, wanted.network, &network, err);
	if (r == 0 && has_request_for(requests, network.name))
		r = error_set(err, EINVAL, "network %s is given twice", network.name);
	if (r == 0 && !requests)
		r = add_options(request->options, &wanted, err);
	if (r < 0)
		return r;
	free(wanted.network);
	wanted.network = strdup(network.name);
	if (!wanted.network ||
		strv_push_take(&plan->spec.networks, network_request_format(&wanted)) < 0)
		return error_oom(err);
	return 0;
}

/* --- ports ------------------------------------------------------------------------------------ */

static int add_ports(const struct run_request *request, struct run_plan *plan, struct error *err)
{
	const struct run_options *o = request->options;
	int r = 0;

	strv_for_each (text, o->publish)
		if (r == 0)
			r = network_ports_expand(*text, &plan->spec.ports, err);
	if (!o->publish_all)
		return r;
	strv_for_each (text, request->image->config.exposed_ports)
		if (r == 0)
			r = network_ports_expand(*text, &plan->spec.ports, err);
	return r;
}

int run_build_networks(const struct run_request *request, struct run_plan *plan, struct error *err)
{
	const struct run_options *o = request->options;
	char *const *networks = run_named_networks(o);
	int r = refuse(o, err);

	if (r < 0 || !networks)
		return r;
	strv_for_each (text, networks)
		if (r == 0)
			r = add_network(request, plan, *text, err);
	plan->spec.own_name_servers = o->dns != NULL;
	return r == 0 ? add_ports(request, plan, err) : r;
}
