/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inspect_networks.c - NetworkSettings of an instance: what it has in its networks while it runs.
 */
#include "front/cli/inspect.h"
#include "front/cli/ports.h"
#include "front/cli/show.h"
#include "instance/network.h"

/* Of one network; `endpoint` NULL: it is not in it now. */
static json_t *describe_network(const struct network *network,
	const struct network_endpoint *endpoint, const struct network_request *request)
{
	const struct network_subnet *ipv4 = network_subnet_of(network, AF_INET);
	const struct network_subnet *ipv6 = network_subnet_of(network, AF_INET6);
	char text[NETWORK_ADDRESS_TEXT], mac[NETWORK_MAC_TEXT] = "";
	struct network_endpoint none = { 0 };
	const struct network_endpoint *e = endpoint ? endpoint : &none;
	json_t *o = json_object();

	inspect_set(o, "Aliases", show_json_strv(request->aliases));
	inspect_set(o, "NetworkID", inspect_text(network->id));
	inspect_set(o, "EndpointID", inspect_text(e->id));
	inspect_set(o, "Gateway",
		inspect_text(
			e->ip.family && ipv4 ? network_address_format(text, &ipv4->gateway) : ""));
	inspect_set(o, "IPAddress", inspect_text(network_address_format(text, &e->ip)));
	inspect_set(o, "IPPrefixLen", inspect_number(e->ip.family && ipv4 ? ipv4->prefix.bits : 0));
	inspect_set(o, "IPv6Gateway",
		inspect_text(
			e->ip6.family && ipv6 ? network_address_format(text, &ipv6->gateway) : ""));
	inspect_set(o, "GlobalIPv6Address", inspect_text(network_address_format(text, &e->ip6)));
	inspect_set(o, "GlobalIPv6PrefixLen",
		inspect_number(e->ip6.family && ipv6 ? ipv6->prefix.bits : 0));
	inspect_set(o, "MacAddress", inspect_text(endpoint ? network_mac_format(mac, e->mac) : ""));
	return o;
}

static void add_networks(const struct instance *instance, json_t *networks)
{
	const struct network_roots roots = instance_network_roots(&instance->roots);

	strv_for_each (text, instance->spec.networks) {
		_cleanup_network_endpoint_ struct network_endpoint endpoint = { 0 };
		_cleanup_network_ struct network network = { 0 };
		struct network_request request = { 0 };

		/* One that was removed is shown no more. */
		if (network_request_parse(*text, &request, NULL) == 0 &&
			network_find(&roots, request.network, &network, NULL) == 0) {
			bool is_in = network_endpoint_load(&roots, network.name, instance->id,
					     &endpoint, NULL) == 0;

			inspect_set(networks, network.name,
				describe_network(&network, is_in ? &endpoint : NULL, &request));
		}
		network_request_free(&request);
	}
}

/* What there is without networks belongs to the host, or to the instance whose network it shares.
 * Ports are those that lead into an instance that runs. */
json_t *inspect_network(const struct instance *instance)
{
	static const char *const first[] = { "IPAddress", "Gateway", "MacAddress" };
	const struct container_config *c = &instance->config;
	json_t *o = json_object(), *networks = json_object(), *of_first;
	_cleanup_strv_ char **ports = NULL;
	void *iterator;

	if (instance->spec.networks)
		add_networks(instance, networks);
	else if (!c->namespaces[CONTAINER_NS_NETWORK].path)
		inspect_set(networks, c->namespaces[CONTAINER_NS_NETWORK].wanted ? "none" : "host",
			json_pack("{s:s, s:s, s:s}", "IPAddress", "", "Gateway", "", "MacAddress",
				""));
	if (instance->state.status == INSTANCE_RUNNING || instance->state.status == INSTANCE_PAUSED)
		instance_published_ports(instance, &ports, NULL);
	inspect_set(o, "Ports", ports_json(ports, "0.0.0.0"));
	/* As Docker has it: those of its default network, here of the first one. */
	iterator = json_object_iter(networks);
	of_first = iterator ? json_object_iter_value(iterator) : NULL;
	for (size_t i = 0; i < ARRAY_SIZE(first); i++)
		inspect_set(o, first[i],
			inspect_text(json_string_value(json_object_get(of_first, first[i]))));
	inspect_set(o, "Networks", networks);
	return o;
}
