/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host.c - join and leave a network: addresses, the endpoint's file, and its keeper.
 *
 * Who joins holds `lock` shared until its endpoint is written down, and a keeper ends only with
 * `lock` exclusively and no endpoint there: so none ends under somebody who has just found it.
 */
#include "network/internal.h"

#include <net/if.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/io.h"
#include "base/process.h"

#define LINK_PREFIX "sv" /* and 12 random digits: an outer end */
#define KEEPERS_MAX 5 /* that end while they are asked to */

char *network_run_path(const struct network_roots *roots, const char *name, const char *file)
{
	return strf("%s/networks/%s/%s", roots->run_root, name, file);
}

static int open_lock(const struct network_roots *roots, const char *name, struct error *err)
{
	_cleanup_free_ char *path = network_run_path(roots, name, "lock");
	_cleanup_free_ char *folder = network_run_path(roots, name, "");
	int fd, r;

	if (!path || !folder)
		return error_oom(err);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 && errno == ENOENT) {
		r = io_make_dirs(AT_FDCWD, folder, 0711, err);
		if (r < 0)
			return r;
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	}
	return fd < 0 ? error_errno(err, errno, "cannot open %s", path) : fd;
}

/* --- the keeper ------------------------------------------------------------------------------ */

int network_keeper_connect(const struct network_roots *roots, const char *name)
{
	_cleanup_free_ char *folder = network_run_path(roots, name, "");
	_cleanup_close_ int dir = folder ? io_open_dir(AT_FDCWD, folder) : -ENOMEM;
	_cleanup_close_ int fd = -1;
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (dir < 0)
		return dir;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* However long the path is. */
	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/keeper.sock", dir);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return steal_fd(&fd);
}

static int start_keeper(const struct network_roots *roots, const char *name, struct error *err)
{
	char helper[4096], verb[] = "__keep";
	char *argv[] = { helper, verb, (char *)roots->root, (char *)roots->run_root, (char *)name,
		NULL };
	struct error why = { 0 };
	const char *said;
	int r = process_helper_path("strata-network", helper, sizeof(helper), err);

	if (r < 0)
		return error_prefix(err, "cannot start network %s", name);
	r = process_run(argv, NULL, NULL, &why);
	if (r == 0)
		return 0;
	/* Its sentence, without how it was run. */
	said = strstr(why.message, "status 1: ");
	return error_set(err, EIO, "cannot start network %s: %s", name,
		said ? said + strlen("status 1: ") : why.message);
}

/* A connection, with a keeper that may have to be started first. One that is found when it has just
 * been killed is no obstacle to another's start a moment later. */
static int ensure_keeper(const struct network_roots *roots, const char *name, struct error *err)
{
	int fd = network_keeper_connect(roots, name), r;

	for (unsigned attempt = 0; fd < 0 && attempt < KEEPERS_MAX; attempt++) {
		r = start_keeper(roots, name, err);
		if (r < 0)
			return r;
		fd = network_keeper_connect(roots, name);
	}
	return fd < 0 ? error_errno(err, fd, "cannot talk to the keeper of network %s", name) : fd;
}

int network_keeper_tell(int fd, const char *what, int passed_fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec part = { (void *)what, strlen(what) };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

	if (passed_fd >= 0) {
		struct cmsghdr *c = &control.align;

		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &passed_fd, sizeof(int));
		message.msg_control = control.bytes;
		message.msg_controllen = sizeof(control.bytes);
	}
	if (sendmsg(fd, &message, MSG_NOSIGNAL) >= 0)
		return 0;
	/* It has ended, with or without having read what came before. */
	return errno == ECONNRESET ? -EPIPE : -errno;
}

int network_keeper_answer(int fd, const char *name, struct error *err)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char answer[NETWORK_KEEPER_TEXT_MAX + 1];
	ssize_t n;

	if (poll(&p, 1, NETWORK_KEEPER_WAIT_MS) <= 0)
		return error_set(err, ETIMEDOUT, "the keeper of network %s does not answer", name);
	n = recv(fd, answer, sizeof(answer) - 1, 0);
	if (n <= 0)
		return error_set(err, EPIPE, "the keeper of network %s has ended", name);
	answer[n] = '\0';
	return streq(answer, "ok") ? 0 : error_set(err, EIO, "network %s: %s", name, answer);
}

/* Ask, and await the answer. */
static int ask(int fd, const char *name, const char *what, struct error *err)
{
	int r = network_keeper_tell(fd, what, -1);

	if (r < 0)
		return error_errno(err, r, "cannot talk to the keeper of network %s", name);
	return network_keeper_answer(fd, name, err);
}

/* --- joining --------------------------------------------------------------------------------- */

static int take_addresses(const struct network_roots *roots, const struct network *network,
	const struct network_request *request, const struct network_joiner *joiner,
	struct network_endpoint *endpoint, struct error *err)
{
	struct network_lease_request lease = {
		.id = joiner->id, .is_alive = joiner->is_alive, .context = joiner->context
	};
	int r = 0;

	if (request->ip.family && !network_subnet_of(network, AF_INET))
		return error_set(err, EINVAL, "network %s has no IPv4", network->name);
	if (request->ip6.family && joiner->has_kernel)
		return error_set(err, ENOTSUP, "a machine has no IPv6 address in networks yet");
	if (request->ip6.family && !network_subnet_of(network, AF_INET6))
		return error_set(err, EINVAL, "network %s has no IPv6", network->name);
	for (size_t i = 0; r == 0 && i < network->nr_subnets; i++) {
		bool is_ipv4 = network->subnets[i].prefix.address.family == AF_INET;

		/* What sets a machine up knows IPv4 only. */
		if (joiner->has_kernel && !is_ipv4)
			continue;
		lease.wanted = is_ipv4 ? request->ip : request->ip6;
		r = network_lease_take(roots, network, &network->subnets[i], &lease,
			is_ipv4 ? &endpoint->ip : &endpoint->ip6, err);
	}
	return r;
}

static int fill_endpoint(const struct network_request *request, const struct network_joiner *joiner,
	struct network_endpoint *endpoint, struct error *err)
{
	char random[13];

	snprintf(endpoint->id, sizeof(endpoint->id), "%s", joiner->id);
	if (request->has_mac)
		memcpy(endpoint->mac, request->mac, sizeof(endpoint->mac));
	else
		network_mac_of_address(
			endpoint->ip.family ? &endpoint->ip : &endpoint->ip6, endpoint->mac);
	io_random_hex(random, 6);
	snprintf(endpoint->link, sizeof(endpoint->link), LINK_PREFIX "%s", random);
	snprintf(endpoint->inside, sizeof(endpoint->inside), "eth%u", joiner->number);
	endpoint->instance = joiner->instance ? strdup(joiner->instance) : NULL;
	endpoint->hostname = joiner->hostname ? strdup(joiner->hostname) : NULL;
	endpoint->aliases = strv_copy(request->aliases);
	endpoint->ports = strv_copy(joiner->ports);
	if ((joiner->instance && !endpoint->instance) ||
		(joiner->hostname && !endpoint->hostname) ||
		(request->aliases && !endpoint->aliases) || (joiner->ports && !endpoint->ports))
		return error_oom(err);
	return 0;
}

/* One that has just been killed may still be connected to for a moment, and answers nobody. */
static int tell_of_endpoint(
	const struct network_roots *roots, const char *name, int *keeper, struct error *err)
{
	int r = ask(*keeper, name, NETWORK_KEEPER_SYNC, err);

	for (unsigned attempt = 0; r == -EPIPE && attempt < KEEPERS_MAX; attempt++) {
		cleanup_close(keeper);
		*keeper = ensure_keeper(roots, name, err);
		r = *keeper < 0 ? *keeper : ask(*keeper, name, NETWORK_KEEPER_SYNC, err);
	}
	return r;
}

int network_join(const struct network_roots *roots, const struct network *network,
	const struct network_request *request, const struct network_joiner *joiner,
	struct network_endpoint *ret, struct error *err)
{
	_cleanup_network_endpoint_ struct network_endpoint endpoint = { 0 };
	_cleanup_close_ int lock = open_lock(roots, network->name, err);
	_cleanup_close_ int keeper = -1;
	int r = lock < 0 ? lock : io_lock(lock, false);

	if (r < 0)
		return lock < 0 ? r : error_errno(err, r, "cannot lock network %s", network->name);
	keeper = ensure_keeper(roots, network->name, err);
	r = keeper < 0 ? keeper : take_addresses(roots, network, request, joiner, &endpoint, err);
	if (r == 0)
		r = fill_endpoint(request, joiner, &endpoint, err);
	if (r == 0)
		r = network_endpoint_save(roots, network->name, &endpoint, err);
	/* Who comes next may ask for its name, and nobody may be told of a port that leads nowhere
	 * yet. */
	if (r == 0)
		r = tell_of_endpoint(roots, network->name, &keeper, err);
	if (r < 0) {
		network_endpoint_remove(roots, network->name, joiner->id);
		network_lease_release_all(roots, network->name, joiner->id);
		return r;
	}
	*ret = endpoint;
	endpoint = (struct network_endpoint){ 0 };
	return 0;
}

/* A published port leads nowhere, and is anybody's again, before the address is another's. */
static void unpublish(const struct network_roots *roots, const char *network_name)
{
	int fd = network_keeper_connect(roots, network_name);

	if (fd >= 0)
		ask(fd, network_name, NETWORK_KEEPER_SYNC, NULL);
	cleanup_close(&fd);
}

void network_leave(const struct network_roots *roots, const char *network_name, const char *id)
{
	_cleanup_network_endpoint_ struct network_endpoint endpoint = { 0 };
	int fd;

	/* The interface before the addresses: whoever gets them next must be alone with them. */
	if (network_endpoint_load(roots, network_name, id, &endpoint, NULL) == 0)
		network_link_delete(endpoint.link);
	network_endpoint_remove(roots, network_name, id);
	if (endpoint.ports)
		unpublish(roots, network_name);
	network_lease_release_all(roots, network_name, id);
	if (network_is_used(roots, network_name))
		return;
	/* One that was killed has left the host's side: another takes it down. */
	fd = network_keeper_connect(roots, network_name);
	if (fd < 0)
		start_keeper(roots, network_name, NULL);
	cleanup_close(&fd);
}

int network_host_remove(
	const struct network_roots *roots, const struct network *network, struct error *err)
{
	int r = -EPIPE;

	/* One that is just ending by itself answers nobody, and is looked for again. */
	for (unsigned attempt = 0; r == -EPIPE && attempt < KEEPERS_MAX; attempt++) {
		int fd = network_keeper_connect(roots, network->name);

		if (fd < 0 && !if_nametoindex(network->bridge))
			return 0;
		if (fd < 0)
			fd = ensure_keeper(roots, network->name, err);
		if (fd < 0)
			return fd;
		r = ask(fd, network->name, NETWORK_KEEPER_END, err);
		close(fd);
	}
	return r;
}
