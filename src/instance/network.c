/* SPDX-License-Identifier: Apache-2.0 */
/*
 * network.c - an instance joins its networks when it starts and leaves them when it ends.
 *
 * Joining is done by the monitor while the container's first process makes its mounts, so nearly
 * all of it costs no time. What is joined is written down in the networks (network.h), so leaving
 * needs to know nothing but the instance's ID: after a crash, `rm`, the next start and whoever
 * settles a dead instance do it.
 */
#include "instance/network.h"

#include <fcntl.h>
#include <sys/file.h>

#include "base/io.h"
#include "instance/internal.h"

#define ETC_MAX	 (1u << 20) /* bytes of an instance's hosts or resolv.conf */
#define ETC_MARK "# Networks (written by strata at every start)\n"

/* --- who is alive ---------------------------------------------------------------------------- */

/* The creator, the monitor and the remover hold the directory's lock; who runs without one after a
 * kill -9 of its monitor is found by its process. */
bool instance_holds_addresses(void *context, const char *id)
{
	const struct instance_roots *roots = context;
	_cleanup_instance_ struct instance instance = { .dir_fd = -1 };
	_cleanup_free_ char *path = strf("%s/instances/%s", roots->root, id);
	_cleanup_close_ int fd = path ? io_open_dir(AT_FDCWD, path) : -ENOMEM;

	if (fd == -ENOENT)
		return false;
	if (fd < 0 || io_try_lock(fd, false) < 0)
		return true;
	flock(fd, LOCK_UN);
	return instance_open(roots, id, &instance, NULL) == 0 && instance_is_live(&instance);
}

/* --- /etc/hosts and /etc/resolv.conf --------------------------------------------------------- */

/* In place: the file may be mounted already. One that the user mounts over is not there. */
static int rewrite(int dir_fd, const char *name, const struct str *text, struct error *err)
{
	_cleanup_close_ int fd = openat(dir_fd, name, O_WRONLY | O_TRUNC | O_CLOEXEC);
	int r = fd < 0 ? -errno : io_write_full(fd, text->data, text->len);

	return r < 0 && r != -ENOENT ? error_errno(err, r, "cannot write its /etc/%s", name) : 0;
}

static void append_host(
	struct str *s, const struct network_address *address, const struct instance *instance)
{
	char text[NETWORK_ADDRESS_TEXT];

	if (address->family && instance->config.hostname)
		str_appendf(s, "%s\t%s\n", network_address_format(text, address),
			instance->config.hostname);
}

int instance_networks_write_hosts(const struct instance *instance,
	const struct instance_networks *networks, struct error *err)
{
	_cleanup_free_ char *old = NULL;
	_cleanup_str_ struct str s = { 0 };
	char *mark;

	if (io_read_file(instance->dir_fd, "hosts", ETC_MAX, &old, NULL, NULL) < 0)
		return 0;
	mark = strstr(old, ETC_MARK);
	if (mark)
		*mark = '\0';
	str_append(&s, old);
	str_append(&s, ETC_MARK);
	for (size_t i = 0; i < networks->count; i++) {
		append_host(&s, &networks->endpoints[i].ip, instance);
		append_host(&s, &networks->endpoints[i].ip6, instance);
	}
	return s.failed ? error_oom(err) : rewrite(instance->dir_fd, "hosts", &s, err);
}

/* The networks' name servers, and what else the file says. */
static int write_resolv_conf(const struct instance *instance,
	const struct instance_networks *networks, struct error *err)
{
	char text[NETWORK_ADDRESS_TEXT];
	_cleanup_free_ char *old = NULL;
	_cleanup_str_ struct str s = { 0 };
	char *rest, *line;

	if (instance->spec.own_name_servers ||
		io_read_file(instance->dir_fd, "resolv.conf", ETC_MAX, &old, NULL, NULL) < 0)
		return 0;
	for (size_t i = 0; i < networks->count; i++)
		str_appendf(&s, "nameserver %s\n",
			network_address_format(text, &networks->networks[i].subnets[0].gateway));
	rest = old;
	while ((line = strsep(&rest, "\n")))
		if (*line && !str_after_prefix(line, "nameserver "))
			str_appendf(&s, "%s\n", line);
	return s.failed ? error_oom(err) : rewrite(instance->dir_fd, "resolv.conf", &s, err);
}

/* --- joining --------------------------------------------------------------------------------- */

/* The one that leads outside; -1: none does. */
static int way_out(const struct instance_networks *networks)
{
	for (size_t i = 0; i < networks->count; i++)
		if (!networks->networks[i].internal)
			return (int)i;
	return -1;
}

static int load_networks(const struct instance *instance, const struct network_roots *roots,
	struct network_request *requests, struct instance_networks *networks, struct error *err)
{
	int r = 0;

	strv_for_each (text, instance->spec.networks) {
		r = network_request_parse(*text, &requests[networks->count], err);
		if (r == 0)
			r = network_load(roots, requests[networks->count].network,
				&networks->networks[networks->count], err);
		if (r < 0)
			return r;
		networks->count++;
	}
	return 0;
}

static void close_ports(struct instance_networks *networks)
{
	while (networks->nr_port_fds)
		close(networks->port_fds[--networks->nr_port_fds]);
}

static int take_ports(const struct instance *instance, struct instance_networks *networks,
	char ***ret_ports, struct error *err)
{
	int out = way_out(networks), r;

	if (!instance->spec.ports)
		return 0;
	if (out < 0)
		return error_set(err, EINVAL,
			"network %s is internal: no port can be published from it",
			networks->networks[0].name);
	r = instance_ports_take(instance->spec.ports,
		network_subnet_of(&networks->networks[out], AF_INET) != NULL,
		network_subnet_of(&networks->networks[out], AF_INET6) != NULL, ret_ports,
		&networks->port_fds, &networks->nr_port_fds, err);
	/* The keeper itself listens there. */
	if (instance->roots.rootless)
		close_ports(networks);
	return r;
}

static int join_all(struct instance *instance, const struct network_roots *roots,
	const struct network_request *requests, struct instance_networks *networks,
	struct error *err)
{
	const struct isolation_ops *ops = instance_isolation(instance, err);
	_cleanup_strv_ char **ports = NULL;
	int out = way_out(networks);
	int r = ops ? take_ports(instance, networks, &ports, err) : -EINVAL;

	for (size_t i = 0; r == 0 && i < networks->count; i++) {
		const struct network_joiner joiner = { .id = instance->id,
			.instance = instance->spec.name,
			.hostname = instance->config.hostname,
			.is_alive = instance_holds_addresses,
			.context = &instance->roots,
			.number = (unsigned)i,
			.has_kernel = ops->has_kernel,
			.ports = (int)i == out ? ports : NULL };

		r = network_join(roots, &networks->networks[i], &requests[i], &joiner,
			&networks->endpoints[i], err);
	}
	return r;
}

int instance_networks_join(
	struct instance *instance, struct instance_networks *ret, struct error *err)
{
	const struct network_roots roots = instance_network_roots(&instance->roots);
	size_t count = strv_length(instance->spec.networks);
	struct network_request *requests;
	int r;

	*ret = (struct instance_networks){ .roots = roots };
	if (!count)
		return 0;
	requests = calloc(count, sizeof(*requests));
	ret->networks = calloc(count, sizeof(*ret->networks));
	ret->endpoints = calloc(count, sizeof(*ret->endpoints));
	if (!requests || !ret->networks || !ret->endpoints)
		r = error_oom(err);
	else
		r = load_networks(instance, &roots, requests, ret, err);
	if (r == 0)
		r = join_all(instance, &roots, requests, ret, err);
	if (r == 0)
		r = instance_networks_write_hosts(instance, ret, err);
	if (r == 0)
		r = write_resolv_conf(instance, ret, err);
	for (size_t i = 0; requests && i < count; i++)
		network_request_free(&requests[i]);
	free(requests);
	return r;
}

int instance_networks_attach(
	const struct instance_networks *networks, int namespace_fd, struct error *err)
{
	int out = way_out(networks), r = 0;

	for (size_t i = 0; r == 0 && i < networks->count; i++)
		r = network_attach(&networks->roots, &networks->networks[i],
			&networks->endpoints[i], namespace_fd, (int)i == out, err);
	return r;
}

static int attach_cables(struct instance_networks *networks, struct error *err)
{
	int r = 0;

	networks->cables = calloc(networks->count, sizeof(*networks->cables));
	if (!networks->cables)
		return error_oom(err);
	for (size_t i = 0; i < networks->count; i++)
		networks->cables[i] = -1;
	for (size_t i = 0; r == 0 && i < networks->count; i++)
		r = network_attach_cable(&networks->roots, &networks->networks[i],
			&networks->endpoints[i], &networks->cables[i], err);
	return r;
}

int instance_networks_attach_machine(struct instance_networks *networks, struct error *err)
{
	int r = 0;

	if (networks->roots.rootless)
		return attach_cables(networks, err);
	for (size_t i = 0; r == 0 && i < networks->count; i++)
		r = network_attach_tap(&networks->networks[i], &networks->endpoints[i], err);
	return r;
}

static uint32_t ipv4_of(const struct network_address *address)
{
	uint32_t number;

	memcpy(&number, address->bytes, sizeof(number));
	return number;
}

int instance_networks_tell_machine(const struct instance_networks *networks,
	struct container_machine *machine, struct error *err)
{
	struct container_machine_network *list = calloc(networks->count, sizeof(*list));
	int out = way_out(networks);

	if (!list)
		return error_oom(err);
	for (size_t i = 0; i < networks->count; i++) {
		const struct network_endpoint *endpoint = &networks->endpoints[i];
		const struct network *network = &networks->networks[i];
		const struct network_subnet *subnet = network_subnet_of(network, AF_INET);

		if (networks->cables)
			list[i].cable_fd = networks->cables[i];
		else
			snprintf(list[i].tap, sizeof(list[i].tap), "%s", endpoint->link);
		memcpy(list[i].mac, endpoint->mac, sizeof(list[i].mac));
		list[i].address = ipv4_of(&endpoint->ip);
		list[i].prefix_bits = subnet->prefix.bits;
		list[i].gateway = (int)i == out ? ipv4_of(&subnet->gateway) : 0;
		list[i].mtu = (uint32_t)network->mtu;
	}
	free(machine->networks);
	machine->networks = list;
	machine->nr_networks = networks->count;
	return 0;
}

int instance_published_ports(const struct instance *instance, char ***ret, struct error *err)
{
	const struct network_roots roots = instance_network_roots(&instance->roots);
	_cleanup_strv_ char **names = NULL, **ports = NULL;
	int r = 0;

	if (!instance->spec.networks && instance->spec.ports)
		ports = strv_copy(instance->spec.ports);
	if (instance->spec.networks)
		r = network_names_of(&roots, instance->id, &names, err);
	strv_for_each (name, names) {
		_cleanup_network_endpoint_ struct network_endpoint endpoint = { 0 };

		/* It may just be leaving. */
		if (network_endpoint_load(&roots, *name, instance->id, &endpoint, NULL) < 0)
			continue;
		strv_for_each (port, endpoint.ports)
			if (strv_push(&ports, *port) < 0)
				r = error_oom(err);
	}
	if (r == 0)
		*ret = steal_ptr(&ports);
	return r;
}

/* --- leaving --------------------------------------------------------------------------------- */

void instance_networks_free(struct instance_networks *networks)
{
	close_ports(networks);
	for (size_t i = 0; i < networks->count; i++) {
		if (networks->cables)
			cleanup_close(&networks->cables[i]);
		network_free(&networks->networks[i]);
		network_endpoint_free(&networks->endpoints[i]);
	}
	free(networks->port_fds);
	free(networks->cables);
	free(networks->networks);
	free(networks->endpoints);
	*networks = (struct instance_networks){ 0 };
}

void instance_networks_leave(const struct instance *instance, struct instance_networks *networks)
{
	const struct network_roots roots = instance_network_roots(&instance->roots);
	_cleanup_strv_ char **names = NULL;

	network_names_of(&roots, instance->id, &names, NULL);
	strv_for_each (name, names)
		network_leave(&roots, *name, instance->id);
	if (networks)
		instance_networks_free(networks);
}
