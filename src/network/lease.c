/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lease.c - who has which address: one symbolic link for each, named by the address and leading to
 * the instance's ID.
 *
 * Taking a free one is symlink(2), which is exclusive and complete in one step, so takers need no
 * lock and a crash leaves nothing half written. Only what changes or removes a link that is there
 * (taking over what a dead instance had, giving back) holds the folder's lock, reads the link again
 * and then acts, so no one removes what another has just taken over.
 *
 * The lowest free address is given. An instance that gets one that another had just now has the
 * same MAC address with it, so its neighbours' tables are right.
 */
#include "network/internal.h"

#include "base/io.h"

/* Addresses that are given without being asked for come from the first so many of the pool. */
#define POOL_MAX 65536u

#define LINK_MAX (NETWORK_ID_LEN + 1)

/* The addresses that may be given: from `first` on. */
struct pool {
	const struct network_subnet *subnet;
	network_number first;
	uint32_t count;
	uint8_t used[POOL_MAX / 8];
};

static network_number subnet_first(const struct network_subnet *subnet)
{
	return network_address_number(&subnet->prefix.address);
}

/* Neither the subnet's own, nor the broadcast address, nor the gateway. */
static bool may_be_given(const struct network_subnet *subnet, network_number n)
{
	network_number offset = n - subnet_first(subnet);

	if (offset == 0 || n == network_address_number(&subnet->gateway))
		return false;
	return subnet->prefix.address.family == AF_INET6 ||
		offset != network_prefix_size(&subnet->prefix) - 1;
}

static void use(struct pool *pool, network_number n)
{
	if (n >= pool->first && n - pool->first < pool->count) {
		uint32_t i = (uint32_t)(n - pool->first);

		pool->used[i / 8] |= (uint8_t)(1u << i % 8);
	}
}

static void fill_pool(struct pool *pool, DIR *leases)
{
	const struct network_prefix *prefix = pool->subnet->range.address.family
		? &pool->subnet->range
		: &pool->subnet->prefix;
	network_number size = network_prefix_size(prefix);
	struct network_address address;
	struct dirent *entry;

	pool->first = network_address_number(&prefix->address);
	pool->count = size > POOL_MAX ? POOL_MAX : (uint32_t)size;
	while ((entry = readdir(leases)))
		if (network_address_parse(entry->d_name, &address) == 0 &&
			address.family == prefix->address.family)
			use(pool, network_address_number(&address));
}

/* --- one address ------------------------------------------------------------------------------ */

static bool read_holder(int leases_fd, const char *name, char holder[LINK_MAX])
{
	ssize_t n = readlinkat(leases_fd, name, holder, LINK_MAX);

	if (n != NETWORK_ID_LEN)
		return false;
	holder[n] = '\0';
	return true;
}

static int take_one(int leases_fd, const struct network_address *address, const char *id)
{
	char name[NETWORK_ADDRESS_TEXT];

	return symlinkat(id, leases_fd, network_address_format(name, address)) < 0 ? -errno : 0;
}

/* With the folder's lock. -EADDRINUSE: its holder is alive. A link that leads to nothing that could
 * be an ID was not made by us, and is nobody's. */
static int take_over(int leases_fd, const struct network_address *address,
	const struct network_lease_request *request, char holder[LINK_MAX])
{
	char name[NETWORK_ADDRESS_TEXT], temporary[32] = ".", random[17];

	network_address_format(name, address);
	if (read_holder(leases_fd, name, holder) && !streq(holder, request->id) &&
		request->is_alive(request->context, holder))
		return -EADDRINUSE;
	io_random_hex(random, 8);
	strcat(temporary, random);
	if (symlinkat(request->id, leases_fd, temporary) < 0)
		return -errno;
	if (renameat(leases_fd, temporary, leases_fd, name) < 0) {
		int r = -errno;

		unlinkat(leases_fd, temporary, 0);
		return r;
	}
	return 0;
}

/* --- any address ------------------------------------------------------------------------------ */

static int take_free(int leases_fd, struct pool *pool, const char *id, struct network_address *ret)
{
	for (uint32_t i = 0; i < pool->count; i++) {
		network_number n = pool->first + i;
		int r;

		if (pool->used[i / 8] & 1u << i % 8 || !may_be_given(pool->subnet, n))
			continue;
		*ret = network_address_of_number(pool->subnet->prefix.address.family, n);
		r = take_one(leases_fd, ret, id);
		if (r != -EEXIST)
			return r;
	}
	return -ENOSPC;
}

static int take_stale(int leases_fd, struct pool *pool, const struct network_lease_request *request,
	struct network_address *ret)
{
	char holder[LINK_MAX];

	for (uint32_t i = 0; i < pool->count; i++) {
		network_number n = pool->first + i;
		int r;

		if (!may_be_given(pool->subnet, n))
			continue;
		*ret = network_address_of_number(pool->subnet->prefix.address.family, n);
		r = take_over(leases_fd, ret, request, holder);
		if (r != -EADDRINUSE)
			return r;
	}
	return -ENOSPC;
}

static int take_any(int leases_fd, const struct network_subnet *subnet,
	const struct network_lease_request *request, struct network_address *ret)
{
	_cleanup_free_ struct pool *pool = calloc(1, sizeof(*pool));
	int copy = openat(leases_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_closedir_ DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
	int r;

	if (!pool || !dir)
		return -ENOMEM;
	pool->subnet = subnet;
	fill_pool(pool, dir);
	r = take_free(leases_fd, pool, request->id, ret);
	if (r != -ENOSPC)
		return r;
	/* Full, unless some belong to instances that are gone. */
	r = io_lock(leases_fd, true);
	return r < 0 ? r : take_stale(leases_fd, pool, request, ret);
}

static int take_wanted(int leases_fd, const struct network_subnet *subnet,
	const struct network_lease_request *request, struct error *err)
{
	char text[NETWORK_ADDRESS_TEXT], prefix[NETWORK_ADDRESS_TEXT], holder[LINK_MAX] = "";
	int r;

	network_address_format(text, &request->wanted);
	if (!network_prefix_contains(&subnet->prefix, &request->wanted) ||
		!may_be_given(subnet, network_address_number(&request->wanted)))
		return error_set(err, ERANGE,
			"the address %s cannot be an instance's: the subnet is %s", text,
			network_prefix_format(prefix, &subnet->prefix));
	r = take_one(leases_fd, &request->wanted, request->id);
	if (r == -EEXIST) {
		r = io_lock(leases_fd, true);
		if (r == 0)
			r = take_over(leases_fd, &request->wanted, request, holder);
	}
	if (r == -EADDRINUSE)
		return error_set(err, EADDRINUSE, "the address %s is in use by instance %.12s",
			text, holder);
	return r < 0 ? error_errno(err, r, "cannot take the address %s", text) : 0;
}

int network_lease_take(const struct network_roots *roots, const struct network *network,
	const struct network_subnet *subnet, const struct network_lease_request *request,
	struct network_address *ret, struct error *err)
{
	_cleanup_close_ int fd = network_open_leases(roots, network->name, true, err);
	struct network_address address = request->wanted;
	char text[NETWORK_ADDRESS_TEXT];
	int r;

	if (fd < 0)
		return fd;
	if (request->wanted.family) {
		r = take_wanted(fd, subnet, request, err);
		if (r < 0)
			return error_prefix(err, "network %s", network->name);
	} else {
		r = take_any(fd, subnet, request, &address);
		network_prefix_format(
			text, subnet->range.address.family ? &subnet->range : &subnet->prefix);
		if (r == -ENOSPC)
			return error_set(err, ENOSPC,
				"network %s has no free address: all of %s are in use",
				network->name, text);
		if (r < 0)
			return error_errno(
				err, r, "cannot take an address of network %s", network->name);
	}
	*ret = address;
	return 0;
}

/* --- giving back ------------------------------------------------------------------------------ */

void network_lease_release(const struct network_roots *roots, const char *network_name,
	const struct network_address *address, const char *id)
{
	_cleanup_close_ int fd = network_open_leases(roots, network_name, false, NULL);
	char name[NETWORK_ADDRESS_TEXT], holder[LINK_MAX];

	if (fd < 0 || io_lock(fd, true) < 0)
		return;
	network_address_format(name, address);
	if (read_holder(fd, name, holder) && streq(holder, id))
		unlinkat(fd, name, 0);
}

void network_lease_release_all(
	const struct network_roots *roots, const char *network_name, const char *id)
{
	int fd = network_open_leases(roots, network_name, false, NULL);
	_cleanup_closedir_ DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	char holder[LINK_MAX];
	struct dirent *entry;

	if (!dir || io_lock(dirfd(dir), true) < 0)
		return;
	while ((entry = readdir(dir)))
		if (read_holder(dirfd(dir), entry->d_name, holder) && streq(holder, id))
			unlinkat(dirfd(dir), entry->d_name, 0);
}
