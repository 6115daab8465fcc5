/* SPDX-License-Identifier: Apache-2.0 */
/*
 * user-net.c - see user-net.h. Every instance has a guarded port of the switch: it speaks with the
 * MAC and the addresses of its endpoint, and nobody else does. The gateway's port is the way out
 * behind the services (net/services.h); an internal network has the services alone.
 */
#include "network/user-net.h"

#include <arpa/inet.h>
#include <sys/stat.h>

#include "net/services.h"
#include "net/switch.h"

struct plug {
	char id[NETWORK_ID_LEN + 1];
	char link[NETWORK_LINK_NAME]; /* another one: the instance has started again */
	unsigned number; /* of the switch's port */
};

struct published {
	struct net_forward forward;
	bool is_wanted;
};

struct user_net {
	struct loop *loop;
	const struct network *network;
	struct net_switch *sw;
	struct net_port *way_out; /* the services'; NULL: none */
	struct network_endpoint *endpoints;
	size_t nr_endpoints;
	struct plug *plugs;
	size_t nr_plugs;
	struct published *published;
	size_t nr_published;
};

/* IPv4 as ::ffff:a.b.c.d. */
static struct in6_addr to_in6(const struct network_address *address)
{
	struct in6_addr r = { .s6_addr = { [10] = 0xff, [11] = 0xff } };

	if (address->family == AF_INET)
		memcpy(&r.s6_addr[12], address->bytes, 4);
	else
		memcpy(&r, address->bytes, sizeof(r));
	return r;
}

static struct network_address from_in6(const struct in6_addr *address)
{
	bool is_ip4 = IN6_IS_ADDR_V4MAPPED(address);
	struct network_address r = { .family = is_ip4 ? AF_INET : AF_INET6 };

	memcpy(r.bytes, address->s6_addr + (is_ip4 ? 12 : 0), is_ip4 ? 4 : 16);
	return r;
}

/* --- what the services ask -------------------------------------------------------------------- */

static bool has_name(const struct network_endpoint *endpoint, const char *name, size_t length)
{
	const char *const own[] = { endpoint->instance, endpoint->hostname };

	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		if (own[i] && strlen(own[i]) == length && !strncasecmp(own[i], name, length))
			return true;
	strv_for_each (alias, endpoint->aliases)
		if (strlen(*alias) == length && !strncasecmp(*alias, name, length))
			return true;
	return length == 12 && !strncmp(endpoint->id, name, length);
}

/* "web", and "web.NETWORK". */
static int find_name(void *context, const char *name, struct in6_addr *ret, unsigned max)
{
	const struct user_net *net = context;
	size_t length = strlen(name), own = strlen(net->network->name);
	unsigned n = 0;
	bool is_there = false;

	if (length > own + 1 && name[length - own - 1] == '.' &&
		!strcasecmp(name + length - own, net->network->name))
		length -= own + 1;
	for (size_t i = 0; i < net->nr_endpoints; i++) {
		const struct network_endpoint *endpoint = &net->endpoints[i];

		if (!has_name(endpoint, name, length))
			continue;
		is_there = true;
		if (endpoint->ip.family && n < max)
			ret[n++] = to_in6(&endpoint->ip);
		if (endpoint->ip6.family && n < max)
			ret[n++] = to_in6(&endpoint->ip6);
	}
	return is_there ? (int)n : -1;
}

static bool find_address(void *context, const struct in6_addr *address, const char **ret_name)
{
	const struct user_net *net = context;
	struct network_address wanted = from_in6(address);

	*ret_name = NULL;
	for (size_t i = 0; i < net->nr_endpoints; i++) {
		const struct network_endpoint *endpoint = &net->endpoints[i];

		if (!network_address_equal(&endpoint->ip, &wanted) &&
			!network_address_equal(&endpoint->ip6, &wanted))
			continue;
		*ret_name = endpoint->instance ? endpoint->instance : endpoint->hostname;
		return true;
	}
	for (size_t i = 0; i < net->network->nr_subnets; i++)
		if (network_prefix_contains(&net->network->subnets[i].prefix, &wanted))
			return true;
	return false;
}

static bool find_lease(void *context, const uint8_t mac[NET_MAC_BYTES], struct net_lease *ret)
{
	const struct user_net *net = context;

	for (size_t i = 0; i < net->nr_endpoints; i++) {
		const struct network_endpoint *endpoint = &net->endpoints[i];

		if (memcmp(endpoint->mac, mac, NET_MAC_BYTES) != 0 ||
			endpoint->ip.family != AF_INET)
			continue;
		memcpy(&ret->address, endpoint->ip.bytes, 4);
		ret->hostname = endpoint->hostname;
		return true;
	}
	return false;
}

/* --- the gateway ------------------------------------------------------------------------------ */

static void describe_way_out(const struct network *network, struct net_user_options *options)
{
	const struct network_subnet *ip4 = network_subnet_of(network, AF_INET);
	const struct network_subnet *ip6 = network_subnet_of(network, AF_INET6);

	net_user_options_init(options);
	options->mtu = (uint32_t)network->mtu;
	options->ipv4 = ip4 != NULL;
	options->ipv6 = ip6 != NULL;
	if (ip4) {
		memcpy(&options->network, ip4->prefix.address.bytes, 4);
		options->prefix_bits = ip4->prefix.bits;
		memcpy(&options->router, ip4->gateway.bytes, 4);
	}
	if (ip6) {
		memcpy(&options->network6, ip6->prefix.address.bytes, 16);
		memcpy(&options->router6, ip6->gateway.bytes, 16);
	}
}

static int open_gateway(struct user_net *net, struct error *err)
{
	struct net_user_options out;
	struct net_services_options services = { .mtu = (uint32_t)net->network->mtu,
		.is_internal = net->network->internal,
		.find_name = find_name,
		.find_address = find_address,
		.find_lease = find_lease,
		.context = net };
	struct net_switch_port config = { .is_uplink = true, .macs_max = 1024 };
	struct net_port *port;
	unsigned number;
	int r = 0;

	describe_way_out(net->network, &out);
	services.gateway = out.router;
	services.prefix_bits = out.prefix_bits;
	services.gateway6 = out.router6;
	net_user_router_mac(&out, services.mac);
	memcpy(config.mac, services.mac, sizeof(config.mac));
	for (size_t i = 0; i < net->network->nr_subnets; i++)
		config.addresses[config.nr_addresses++] = to_in6(&net->network->subnets[i].gateway);
	if (!net->network->internal)
		r = net_slirp_open(net->loop, &out, &net->way_out, err);
	if (r < 0)
		return r;
	r = net_services_open(net->loop, &services, net->way_out, &port, err);
	if (r < 0) {
		net->way_out = net_port_close(net->way_out);
		return r;
	}
	r = net_switch_add(net->sw, port, &config, &number, err);
	if (r < 0) {
		net->way_out = NULL;
		net_port_close(port);
	}
	return r;
}

int user_net_open(
	struct loop *loop, const struct network *network, struct user_net **ret, struct error *err)
{
	struct user_net *net = calloc(1, sizeof(*net));
	int r;

	if (!net)
		return error_oom(err);
	net->loop = loop;
	net->network = network;
	r = net_switch_open(loop, (uint32_t)network->mtu, &net->sw, err);
	if (r == 0)
		r = open_gateway(net, err);
	if (r < 0) {
		user_net_close(net);
		return r;
	}
	*ret = net;
	return 0;
}

struct user_net *user_net_close(struct user_net *net)
{
	if (!net)
		return NULL;
	/* With all that is plugged in. */
	net_switch_close(net->sw);
	network_endpoint_list_free(net->endpoints, net->nr_endpoints);
	free(net->plugs);
	free(net->published);
	free(net);
	return NULL;
}

/* --- published ports -------------------------------------------------------------------------- */

static void make_forward(const struct network_port *port, const struct network_endpoint *endpoint,
	struct net_forward *ret)
{
	struct sockaddr_in *in = (void *)&ret->host;
	struct sockaddr_in6 *in6 = (void *)&ret->host;

	/* All of it, for it is compared as memory. */
	memset(ret, 0, sizeof(*ret));
	ret->is_udp = port->protocol == IPPROTO_UDP;
	ret->guest_port = port->guest;
	memcpy(&ret->guest, endpoint->ip.bytes, sizeof(ret->guest));
	if (port->address.family == AF_INET6) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port->host);
		memcpy(&in6->sin6_addr, port->address.bytes, sizeof(in6->sin6_addr));
		return;
	}
	/* Without an address, all of IPv4. */
	in->sin_family = AF_INET;
	in->sin_port = htons(port->host);
	memcpy(&in->sin_addr, port->address.bytes, sizeof(in->sin_addr));
}

static struct published *find_published(struct user_net *net, const struct net_forward *forward)
{
	for (size_t i = 0; i < net->nr_published; i++)
		if (!memcmp(&net->published[i].forward, forward, sizeof(*forward)))
			return &net->published[i];
	return NULL;
}

static int publish(struct user_net *net, const char *text, const struct network_endpoint *endpoint,
	struct error *err)
{
	struct network_port port;
	struct net_forward forward;
	struct published *grown, *known;
	int r = network_port_parse(text, &port, err);

	if (r < 0 || !net->way_out)
		return r;
	make_forward(&port, endpoint, &forward);
	known = find_published(net, &forward);
	if (known) {
		known->is_wanted = true;
		return 0;
	}
	grown = realloc(net->published, (net->nr_published + 1) * sizeof(*grown));
	if (!grown)
		return error_oom(err);
	net->published = grown;
	r = net_slirp_add_forward(net->way_out, &forward, err);
	if (r < 0)
		return error_prefix(err, "cannot publish %s of %s", text, endpoint->instance);
	grown[net->nr_published++] = (struct published){ forward, true };
	return 0;
}

static void unpublish_unwanted(struct user_net *net)
{
	size_t kept = 0;

	for (size_t i = 0; i < net->nr_published; i++) {
		if (net->published[i].is_wanted)
			net->published[kept++] = net->published[i];
		else
			net_slirp_remove_forward(net->way_out, &net->published[i].forward);
	}
	net->nr_published = kept;
}

/* Old ones go first: a new one may want what they have. */
static int publish_all(struct user_net *net, struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < net->nr_published; i++)
		net->published[i].is_wanted = false;
	for (size_t i = 0; i < net->nr_endpoints; i++)
		strv_for_each (text, net->endpoints[i].ports) {
			struct network_port port;
			struct net_forward forward;
			struct published *known;

			if (network_port_parse(*text, &port, NULL) < 0)
				continue;
			make_forward(&port, &net->endpoints[i], &forward);
			known = find_published(net, &forward);
			if (known)
				known->is_wanted = true;
		}
	unpublish_unwanted(net);
	for (size_t i = 0; i < net->nr_endpoints; i++)
		strv_for_each (text, net->endpoints[i].ports) {
			int k = publish(net, *text, &net->endpoints[i], r == 0 ? err : NULL);

			r = r < 0 ? r : k;
		}
	return r;
}

/* --- plugging in ------------------------------------------------------------------------------ */

static const struct network_endpoint *find_endpoint(const struct user_net *net, const char *id)
{
	for (size_t i = 0; i < net->nr_endpoints; i++)
		if (streq(net->endpoints[i].id, id))
			return &net->endpoints[i];
	return NULL;
}

static void unplug(struct user_net *net, size_t index)
{
	net_switch_remove(net->sw, net->plugs[index].number);
	net->plugs[index] = net->plugs[--net->nr_plugs];
}

int user_net_set(
	struct user_net *net, struct network_endpoint *endpoints, size_t count, struct error *err)
{
	network_endpoint_list_free(net->endpoints, net->nr_endpoints);
	net->endpoints = endpoints;
	net->nr_endpoints = count;
	for (size_t i = net->nr_plugs; i-- > 0;) {
		const struct network_endpoint *endpoint = find_endpoint(net, net->plugs[i].id);

		if (!endpoint || !streq(endpoint->link, net->plugs[i].link))
			unplug(net, i);
	}
	return publish_all(net, err);
}

static int open_port(struct user_net *net, int fd, struct net_port **ret, struct error *err)
{
	uint32_t mtu = (uint32_t)net->network->mtu;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_errno(err, errno, "cannot look at what is plugged in");
	return S_ISSOCK(st.st_mode) ? net_cable_open(net->loop, fd, mtu, ret, err)
				    : net_tap_attach(net->loop, fd, mtu, ret, err);
}

int user_net_plug(struct user_net *net, const char *id, int fd, struct error *err)
{
	const struct network_endpoint *endpoint = find_endpoint(net, id);
	struct net_switch_port config = { .is_guarded = true };
	_cleanup_close_ int owned = fd;
	struct plug *grown;
	struct net_port *port;
	unsigned number;
	int r;

	if (!endpoint)
		return error_set(err, ENOENT, "no such instance in it: %.12s", id);
	for (size_t i = net->nr_plugs; i-- > 0;)
		if (streq(net->plugs[i].id, id))
			unplug(net, i);
	grown = realloc(net->plugs, (net->nr_plugs + 1) * sizeof(*grown));
	if (!grown)
		return error_oom(err);
	net->plugs = grown;
	memcpy(config.mac, endpoint->mac, sizeof(config.mac));
	if (endpoint->ip.family)
		config.addresses[config.nr_addresses++] = to_in6(&endpoint->ip);
	if (endpoint->ip6.family)
		config.addresses[config.nr_addresses++] = to_in6(&endpoint->ip6);
	r = open_port(net, owned, &port, err);
	if (r < 0)
		return r;
	steal_fd(&owned);
	r = net_switch_add(net->sw, port, &config, &number, err);
	if (r < 0) {
		net_port_close(port);
		return r;
	}
	grown[net->nr_plugs] = (struct plug){ .number = number };
	memcpy(grown[net->nr_plugs].id, endpoint->id, sizeof(endpoint->id));
	memcpy(grown[net->nr_plugs].link, endpoint->link, sizeof(endpoint->link));
	net->nr_plugs++;
	return 0;
}

static void write_counters(struct json_writer *w, const struct net_switch_counters *c)
{
	json_write_uint(w, "in_frames", c->in_frames);
	json_write_uint(w, "in_bytes", c->in_bytes);
	json_write_uint(w, "out_frames", c->out_frames);
	json_write_uint(w, "out_bytes", c->out_bytes);
	json_write_uint(w, "answered", c->answered);
	json_begin_object(w, "drops");
	for (unsigned i = 0; i < NET_NR_DROPS; i++)
		if (c->drops[i])
			json_write_uint(w, net_drop_name(i), c->drops[i]);
	json_end_object(w);
}

char *user_net_counters(const struct user_net *net)
{
	struct json_writer w = { 0 };

	json_begin_object(&w, NULL);
	for (size_t i = 0; i < net->nr_plugs; i++) {
		json_begin_object(&w, net->plugs[i].id);
		write_counters(&w, net_switch_count(net->sw, net->plugs[i].number));
		json_end_object(&w);
	}
	json_end_object(&w);
	return json_writer_finish(&w);
}
