/* SPDX-License-Identifier: Apache-2.0 */
/*
 * network-users.c - which instances use a network.
 */
#include "instance/network.h"

#include <poll.h>

#include "base/clock.h"
#include "instance/internal.h"

#define LEAVING_NS INT64_C(5000000000)

/* Is the network among those that the instance asks for? By its name: who asked by an ID had it
 * turned into that. */
bool instance_asks_for_network(const struct instance *instance, const char *network_name)
{
	strv_for_each (text, instance->spec.networks) {
		struct network_request request = { 0 };
		bool found = network_request_parse(*text, &request, NULL) == 0 &&
			streq(request.network, network_name);

		network_request_free(&request);
		if (found)
			return true;
	}
	return false;
}

static int add_running(const struct network_roots *roots, const char *network_name, char ***users,
	struct error *err)
{
	struct network_endpoint *list = NULL;
	size_t count = 0;
	int r = network_endpoint_list(roots, network_name, &list, &count, err);

	for (size_t i = 0; r == 0 && i < count; i++) {
		const char *name = list[i].instance ? list[i].instance : list[i].id;

		if (!strv_contains(*users, name) && strv_push(users, name) < 0)
			r = error_oom(err);
	}
	network_endpoint_list_free(list, count);
	return r;
}

int instance_network_users(const struct instance_roots *roots, const char *network_name,
	char ***ret, struct error *err)
{
	const struct network_roots networks = instance_network_roots(roots);
	_cleanup_strv_ char **users = NULL;
	struct instance *list = NULL;
	size_t count = 0;
	int r = instance_list(roots, &list, &count, err);

	for (size_t i = 0; r == 0 && i < count; i++)
		if (instance_asks_for_network(&list[i], network_name) &&
			strv_push(&users, list[i].spec.name) < 0)
			r = error_oom(err);
	instance_list_free(list, count);
	if (r == 0)
		r = add_running(&networks, network_name, &users, err);
	if (r == 0)
		*ret = steal_ptr(&users);
	return r;
}

/* Its command has ended, but its monitor is not through with it. */
static bool is_leaving(const struct instance_roots *roots, const char *id)
{
	_cleanup_instance_ struct instance instance = { .dir_fd = -1 };

	return instance_open(roots, id, &instance, NULL) < 0 || !instance_is_live(&instance);
}

/* How many are just leaving. */
static size_t settle(const struct instance_roots *roots, const char *network_name)
{
	const struct network_roots networks = instance_network_roots(roots);
	struct network_endpoint *list = NULL;
	size_t count = 0, leaving = 0;

	if (network_endpoint_list(&networks, network_name, &list, &count, NULL) < 0)
		return 0;
	for (size_t i = 0; i < count; i++) {
		if (!instance_holds_addresses((void *)roots, list[i].id))
			network_leave(&networks, network_name, list[i].id);
		else if (is_leaving(roots, list[i].id))
			leaving++;
	}
	network_endpoint_list_free(list, count);
	return leaving;
}

void instance_network_settle(const struct instance_roots *roots, const char *network_name)
{
	int64_t end = clock_monotonic_ns() + LEAVING_NS;

	while (settle(roots, network_name) && clock_monotonic_ns() < end)
		poll(NULL, 0, 10);
}
