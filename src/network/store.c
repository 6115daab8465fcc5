/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store.c - make, find, list and remove networks.
 *
 * A network is made as .new-XXXX and renamed, so it is never seen half made; who makes one holds
 * the store's lock from the look at the others' subnets to the rename, so no two get the same.
 * One that is removed is renamed to .gone-XXXX first.
 */
#include "network/internal.h"

#include <sys/stat.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"

#define LARGE_MTU "com.docker.network.driver.mtu=65520"

bool network_name_is_default(const char *text)
{
	return streq(text, "bridge") || streq(text, "default");
}

int network_open_store(const struct network_roots *roots, bool make, struct error *err)
{
	_cleanup_free_ char *path = strf("%s/networks", roots->root);

	return path ? io_open_store_dir(path, make, err) : error_oom(err);
}

int network_open_leases(
	const struct network_roots *roots, const char *name, bool make, struct error *err)
{
	_cleanup_free_ char *path = strf("%s/networks/%s/leases", roots->root, name);
	int fd;

	if (!path)
		return error_oom(err);
	fd = io_open_dir(AT_FDCWD, path);
	if (fd == -ENOENT && make) {
		/* Not its parent: a network that was removed meanwhile does not come back. */
		if (mkdir(path, 0711) < 0 && errno != EEXIST)
			return errno == ENOENT ? error_set(err, ENOENT, "no such network: %s", name)
					       : error_errno(err, errno, "cannot make %s", path);
		fd = io_open_dir(AT_FDCWD, path);
	}
	return fd < 0 ? error_errno(err, fd, "cannot open %s", path) : fd;
}

/* --- finding ---------------------------------------------------------------------------------- */

static int load_at(int store_fd, const char *name, struct network *ret, struct error *err)
{
	_cleanup_json_ json_t *document = NULL;
	_cleanup_free_ char *file = strf("%s/" NETWORK_DOCUMENT, name);
	int r;

	if (!file)
		return error_oom(err);
	r = json_read_file(store_fd, file, NETWORK_DOCUMENT_MAX, &document, err);
	if (r == -ENOENT)
		return error_set(err, ENOENT, "no such network: %s", name);
	if (r == 0)
		r = network_document_parse(document, ret, err);
	if (r < 0)
		return error_prefix(err, "network %s is damaged", name);
	if (!streq(ret->name, name)) {
		network_free(ret);
		return error_set(
			err, EINVAL, "network %s is damaged: its document has another name", name);
	}
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(((const struct network *)a)->name, ((const struct network *)b)->name);
}

static int append(struct network **list, size_t *count, struct network *network, struct error *err)
{
	struct network *grown = realloc(*list, (*count + 1) * sizeof(*grown));

	if (!grown) {
		network_free(network);
		return error_oom(err);
	}
	*list = grown;
	grown[(*count)++] = *network;
	return 0;
}

static int list_at(int store_fd, struct network **ret, size_t *ret_count, struct error *err)
{
	int copy = store_fd >= 0 ? openat(store_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	_cleanup_closedir_ DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
	struct network *list = NULL;
	struct dirent *entry;
	size_t count = 0;
	int r = 0;

	while (r == 0 && dir && (entry = readdir(dir))) {
		struct network network = { 0 };
		struct error broken = { 0 };

		if (!network_name_is_valid(entry->d_name))
			continue;
		r = load_at(store_fd, entry->d_name, &network, &broken);
		if (r == 0) {
			r = append(&list, &count, &network, err);
		} else {
			/* -ENOENT: removed since readdir(). */
			if (r != -ENOENT)
				log_warning("%s", broken.message);
			r = 0;
		}
	}
	if (r < 0) {
		network_list_free(list, count);
		return r;
	}
	if (count)
		qsort(list, count, sizeof(*list), compare_names);
	*ret = list;
	*ret_count = count;
	return 0;
}

int network_list(const struct network_roots *roots, struct network **ret, size_t *ret_count,
	struct error *err)
{
	_cleanup_close_ int fd = network_open_store(roots, false, err);

	if (fd < 0 && fd != -ENOENT)
		return fd;
	return list_at(fd, ret, ret_count, err);
}

static int find_by_id(int store_fd, const char *text, struct network *ret, struct error *err)
{
	struct network *list = NULL;
	size_t count = 0, found = 0, at = 0;
	int r = list_at(store_fd, &list, &count, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++)
		if (*text && str_after_prefix(list[i].id, text)) {
			at = i;
			found++;
		}
	if (found == 1) {
		*ret = list[at];
		list[at] = (struct network){ 0 };
	} else if (found) {
		r = error_set(err, ENOENT, "network %s is ambiguous (%zu matches found on ID)",
			text, found);
	} else {
		r = error_set(err, ENOENT, "no such network: %s", text);
	}
	network_list_free(list, count);
	return r;
}

int network_find(
	const struct network_roots *roots, const char *text, struct network *ret, struct error *err)
{
	_cleanup_close_ int fd = network_open_store(roots, false, err);
	int r;

	if (fd < 0 && fd != -ENOENT)
		return fd;
	if (fd < 0)
		return error_set(err, ENOENT, "no such network: %s", text);
	if (network_name_is_default(text))
		return load_at(fd, NETWORK_DEFAULT, ret, err);
	if (network_name_is_valid(text)) {
		r = load_at(fd, text, ret, err);
		if (r != -ENOENT)
			return r;
		error_clear(err);
	}
	return find_by_id(fd, text, ret, err);
}

int network_load(
	const struct network_roots *roots, const char *text, struct network *ret, struct error *err)
{
	const struct network_wish wish = { .name = NETWORK_DEFAULT };
	int r = network_find(roots, text, ret, err);

	if (r != -ENOENT || !network_name_is_default(text))
		return r;
	error_clear(err);
	r = network_create(roots, &wish, ret, err);
	if (r != -EEXIST)
		return r;
	/* Whoever is the second to make it takes the first one's. */
	error_clear(err);
	return network_find(roots, text, ret, err);
}

/* --- making ----------------------------------------------------------------------------------- */

static int check_wish(const struct network_wish *wish, struct error *err)
{
	if (network_name_is_default(wish->name) || streq(wish->name, "host") ||
		streq(wish->name, "none"))
		return error_set(err, EPERM, "operation is not permitted on predefined %s network",
			wish->name);
	if (!network_name_is_valid(wish->name))
		return error_set(err, EINVAL,
			"invalid network name \"%s\": only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed, %d of them at most",
			wish->name, NETWORK_NAME_MAX);
	return 0;
}

static int fill(const struct network_wish *wish, bool rootless, const struct network *others,
	size_t nr_others, struct network *network, struct error *err)
{
	int r = 0;

	io_random_hex(network->id, NETWORK_ID_LEN / 2);
	snprintf(network->bridge, sizeof(network->bridge), "st-%.12s", network->id);
	network->created_ns = clock_realtime_ns();
	network->mtu = NETWORK_MTU_DEFAULT;
	network->ipv6 = wish->ipv6;
	network->internal = wish->internal;
	network->attachable = wish->attachable;
	network->name = strdup(wish->name);
	network->labels = strv_copy(wish->labels);
	/* Where no wire is in between, large packets cost less. What is given comes after it. */
	if (rootless && strv_push(&network->options, LARGE_MTU) < 0)
		return error_oom(err);
	strv_for_each (option, wish->options)
		if (strv_push(&network->options, *option) < 0)
			return error_oom(err);
	if (!network->name || (wish->labels && !network->labels))
		return error_oom(err);
	strv_for_each (option, network->options)
		if (r == 0)
			r = network_set_option(network, *option, err);
	for (size_t i = 0; r == 0 && i < nr_others; i++)
		if (streq(others[i].bridge, network->bridge))
			r = error_set(err, EEXIST, "network %s has the bridge %s already",
				others[i].name, network->bridge);
	return r == 0 ? network_choose_subnets(wish, others, nr_others, network, err) : r;
}

static int write_at(int store_fd, const struct network *network, struct error *err)
{
	char temporary[32] = ".new-", random[17];
	_cleanup_free_ char *text = network_document_write(network);
	_cleanup_close_ int fd = -1;
	int r;

	if (!text)
		return error_oom(err);
	io_random_hex(random, 8);
	strcat(temporary, random);
	if (mkdirat(store_fd, temporary, 0711) < 0)
		return error_errno(err, errno, "cannot make network %s", network->name);
	fd = io_open_dir(store_fd, temporary);
	if (fd < 0 || mkdirat(fd, "leases", 0711) < 0)
		r = error_errno(err, errno, "cannot make network %s", network->name);
	else
		r = io_replace_file(
			fd, NETWORK_DOCUMENT, 0644, text, strlen(text), IO_DURABLE, err);
	if (r == 0 && renameat2(store_fd, temporary, store_fd, network->name, RENAME_NOREPLACE) < 0)
		r = error_errno(err, errno, "cannot make network %s", network->name);
	if (r < 0)
		io_remove_tree(store_fd, temporary, NULL);
	return r;
}

/* What a crash left: nobody makes or removes one while we hold the lock. */
static void sweep(int store_fd)
{
	int copy = openat(store_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_closedir_ DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (str_after_prefix(entry->d_name, ".new-") ||
			str_after_prefix(entry->d_name, ".gone-"))
			io_remove_tree(store_fd, entry->d_name, NULL);
}

static int open_locked(const struct network_roots *roots, bool make, struct error *err)
{
	_cleanup_close_ int fd = network_open_store(roots, make, err);
	int r;

	if (fd < 0)
		return fd;
	r = io_lock(fd, true);
	if (r < 0)
		return error_errno(err, r, "cannot lock %s/networks", roots->root);
	sweep(fd);
	return steal_fd(&fd);
}

int network_create(const struct network_roots *roots, const struct network_wish *wish,
	struct network *ret, struct error *err)
{
	_cleanup_network_ struct network network = { 0 };
	struct network *others = NULL;
	_cleanup_close_ int fd = -1;
	size_t nr_others = 0;
	int r = check_wish(wish, err);

	if (r < 0)
		return r;
	fd = open_locked(roots, true, err);
	if (fd < 0)
		return fd;
	if (faccessat(fd, wish->name, F_OK, 0) == 0)
		return error_set(err, EEXIST, "network with name %s already exists", wish->name);
	r = list_at(fd, &others, &nr_others, err);
	if (r == 0)
		r = fill(wish, roots->rootless, others, nr_others, &network, err);
	if (r == 0)
		r = write_at(fd, &network, err);
	network_list_free(others, nr_others);
	if (r < 0)
		return r;
	*ret = network;
	network = (struct network){ 0 };
	return 0;
}

/* --- removing --------------------------------------------------------------------------------- */

int network_remove(
	const struct network_roots *roots, const struct network *network, struct error *err)
{
	_cleanup_close_ int fd = open_locked(roots, false, err);
	_cleanup_free_ char *run = strf("%s/networks/%s", roots->run_root, network->name);
	char gone[32] = ".gone-", random[17];

	if (fd == -ENOENT)
		return error_set(err, ENOENT, "no such network: %s", network->name);
	if (fd < 0)
		return fd;
	if (!run)
		return error_oom(err);
	if (network_is_used(roots, network->name))
		return error_set(err, EBUSY,
			"error while removing network: network %s id %s has active endpoints",
			network->name, network->id);
	io_random_hex(random, 8);
	strcat(gone, random);
	if (renameat(fd, network->name, fd, gone) < 0)
		return errno == ENOENT
			? error_set(err, ENOENT, "no such network: %s", network->name)
			: error_errno(err, errno, "cannot remove network %s", network->name);
	io_remove_tree(AT_FDCWD, run, NULL);
	return io_remove_tree(fd, gone, err);
}
