/* SPDX-License-Identifier: Apache-2.0 */
/*
 * network-change.c - an instance that is there joins one more network, or leaves one.
 *
 * Which networks it is in is part of its instance.json, so it is the same after a restart. While it
 * runs, this process makes or removes the interface; its monitor only reads the document again: at
 * the end it leaves whatever the instance is in.
 */
#include "instance/network.h"

#include <fcntl.h>

#include "container/container.h"
#include "instance/internal.h"

static bool is_running(const struct instance *instance)
{
	return instance->state.status == INSTANCE_RUNNING ||
		instance->state.status == INSTANCE_PAUSED;
}

static int check(struct instance *instance, const char *verb, struct error *err)
{
	const struct isolation_ops *ops = instance_isolation(instance, err);
	const struct container_namespace_config *net =
		&instance->config.namespaces[CONTAINER_NS_NETWORK];
	int r = ops ? instance_load_config(instance, err) : -EINVAL;

	if (r < 0)
		return r;
	if (net->path || !net->wanted)
		return error_set(err, EINVAL,
			"instance %s cannot %s a network: it shares that of %s",
			instance->spec.name, verb, net->path ? "another instance" : "the host");
	if (ops->has_kernel && is_running(instance))
		return error_set(err, ENOTSUP,
			"instance %s cannot %s a network while it runs: it is a machine (--isolation %s)",
			instance->spec.name, verb, ops->name);
	return 0;
}

/* --- connect --------------------------------------------------------------------------------- */

/* The lowest number that no interface of ours has inside. */
static unsigned free_number(
	const struct network_roots *roots, const char *id, char *const *networks)
{
	for (unsigned number = 0;; number++) {
		char name[NETWORK_LINK_NAME];
		bool taken = false;

		snprintf(name, sizeof(name), "eth%u", number);
		strv_for_each (network, networks) {
			_cleanup_network_endpoint_ struct network_endpoint endpoint = { 0 };

			if (network_endpoint_load(roots, *network, id, &endpoint, NULL) == 0)
				taken |= streq(endpoint.inside, name);
		}
		if (!taken)
			return number;
	}
}

/* All that it is in now, for its /etc/hosts. */
static int rewrite_hosts(struct instance *instance, struct error *err)
{
	const struct network_roots roots = instance_network_roots(&instance->roots);
	size_t count = strv_length(instance->spec.networks);
	struct instance_networks all = { .networks = calloc(count + 1, sizeof(*all.networks)),
		.endpoints = calloc(count + 1, sizeof(*all.endpoints)) };
	int r = all.networks && all.endpoints ? 0 : error_oom(err);

	strv_for_each (text, instance->spec.networks) {
		struct network_request request = { 0 };

		if (r == 0 && network_request_parse(*text, &request, NULL) == 0 &&
			network_endpoint_load(&roots, request.network, instance->id,
				&all.endpoints[all.count], NULL) == 0)
			all.count++;
		network_request_free(&request);
	}
	if (r == 0)
		r = instance_networks_write_hosts(instance, &all, err);
	instance_networks_free(&all);
	return r;
}

static int join_now(struct instance *instance, const struct network *network,
	const struct network_request *request, struct error *err)
{
	const struct network_roots roots = instance_network_roots(&instance->roots);
	_cleanup_network_endpoint_ struct network_endpoint endpoint = { 0 };
	_cleanup_strv_ char **networks = NULL;
	struct network_joiner joiner = { .id = instance->id,
		.instance = instance->spec.name,
		.hostname = instance->config.hostname,
		.is_alive = instance_holds_addresses,
		.context = &instance->roots };
	_cleanup_close_ int fd = -1;
	char path[40];
	int r = network_names_of(&roots, instance->id, &networks, err);

	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "/proc/%d/ns/net",
		(int)container_member(&instance->config, instance->state.pid));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, errno, "cannot open the network namespace of instance %s",
			instance->spec.name);
	joiner.number = free_number(&roots, instance->id, networks);
	r = network_join(&roots, network, request, &joiner, &endpoint, err);
	if (r == 0) {
		r = network_attach(&roots, network, &endpoint, fd, !network->internal, err);
		if (r < 0)
			network_leave(&roots, network->name, instance->id);
	}
	return r;
}

int instance_network_connect(
	struct instance *instance, struct network_request *request, struct error *err)
{
	const struct network_roots roots = instance_network_roots(&instance->roots);
	_cleanup_network_ struct network network = { 0 };
	int r = check(instance, "join", err);

	if (r == 0)
		r = network_load(&roots, request->network, &network, err);
	if (r < 0)
		return r;
	if (instance_asks_for_network(instance, network.name))
		return error_set(err, EEXIST, "endpoint with name %s already exists in network %s",
			instance->spec.name, network.name);
	free(request->network);
	request->network = strdup(network.name);
	if (!request->network)
		return error_oom(err);
	if (is_running(instance))
		r = join_now(instance, &network, request, err);
	if (r < 0)
		return r;
	if (strv_push_take(&instance->spec.networks, network_request_format(request)) < 0)
		return error_oom(err);
	r = instance_spec_save(instance, err);
	if (r == 0 && is_running(instance))
		r = rewrite_hosts(instance, err);
	return r == 0 ? instance_tell_reload(instance, err) : r;
}

void instance_networks_rename(const struct instance *instance)
{
	const struct network_roots roots = instance_network_roots(&instance->roots);
	_cleanup_strv_ char **names = NULL;

	network_names_of(&roots, instance->id, &names, NULL);
	strv_for_each (name, names) {
		_cleanup_network_endpoint_ struct network_endpoint endpoint = { 0 };

		if (network_endpoint_load(&roots, *name, instance->id, &endpoint, NULL) < 0)
			continue;
		free(endpoint.instance);
		endpoint.instance = strdup(instance->spec.name);
		network_endpoint_save(&roots, *name, &endpoint, NULL);
	}
}

/* --- disconnect ------------------------------------------------------------------------------ */

static void forget(struct instance *instance, const char *network_name)
{
	char **to = instance->spec.networks;

	for (char **from = to; from && *from; from++) {
		struct network_request request = { 0 };

		if (network_request_parse(*from, &request, NULL) == 0 &&
			streq(request.network, network_name))
			free(*from);
		else
			*to++ = *from;
		network_request_free(&request);
	}
	if (to)
		*to = NULL;
	if (instance->spec.networks && !*instance->spec.networks)
		instance->spec.networks = strv_free(instance->spec.networks);
}

int instance_network_disconnect(
	struct instance *instance, const char *network_name, struct error *err)
{
	const struct network_roots roots = instance_network_roots(&instance->roots);
	int r = check(instance, "leave", err);

	if (r < 0)
		return r;
	if (!instance_asks_for_network(instance, network_name))
		return error_set(err, ENOENT, "instance %s is not connected to network %s",
			instance->spec.name, network_name);
	network_leave(&roots, network_name, instance->id);
	forget(instance, network_name);
	r = instance_spec_save(instance, err);
	if (r == 0 && is_running(instance))
		r = rewrite_hosts(instance, err);
	return r == 0 ? instance_tell_reload(instance, err) : r;
}
