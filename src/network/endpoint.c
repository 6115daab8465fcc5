/* SPDX-License-Identifier: Apache-2.0 */
/*
 * endpoint.c - what instances have of networks while they run, as files.
 */
#include "network/internal.h"

#include "base/io.h"
#include "base/log.h"

void network_endpoint_free(struct network_endpoint *endpoint)
{
	free(endpoint->instance);
	free(endpoint->hostname);
	strv_free(endpoint->aliases);
	strv_free(endpoint->ports);
	*endpoint = (struct network_endpoint){ 0 };
}

void network_endpoint_list_free(struct network_endpoint *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		network_endpoint_free(&list[i]);
	free(list);
}

static bool id_is_valid(const char *id)
{
	return strlen(id) == NETWORK_ID_LEN && !id[strspn(id, "0123456789abcdef")];
}

/* --- the document ----------------------------------------------------------------------------- */

static void write_address(struct json_writer *w, const char *key, const struct network_address *a)
{
	char text[NETWORK_ADDRESS_TEXT];

	if (a->family)
		json_write_string(w, key, network_address_format(text, a));
}

char *network_endpoint_write(const struct network_endpoint *endpoint)
{
	char mac[NETWORK_MAC_TEXT];
	struct json_writer w = { 0 };

	json_begin_object(&w, NULL);
	json_write_string(&w, "id", endpoint->id);
	json_write_string(&w, "instance", endpoint->instance);
	json_write_string(&w, "hostname", endpoint->hostname);
	json_write_strv(&w, "aliases", endpoint->aliases);
	write_address(&w, "ip", &endpoint->ip);
	write_address(&w, "ip6", &endpoint->ip6);
	json_write_string(&w, "mac", network_mac_format(mac, endpoint->mac));
	json_write_string(&w, "link", endpoint->link);
	json_write_string(&w, "inside", endpoint->inside);
	json_write_strv(&w, "ports", endpoint->ports);
	json_end_object(&w);
	return json_writer_finish(&w);
}

#define WHAT "endpoint"

static int read_text(const json_t *document, const char *field, char **ret, struct error *err)
{
	const char *text = NULL;
	int r = json_get_string(document, field, &text, WHAT, err);

	if (r == 0 && text) {
		*ret = strdup(text);
		if (!*ret)
			r = error_oom(err);
	}
	return r;
}

/* Into a buffer. */
static int read_word(
	const json_t *document, const char *field, char *buf, size_t size, struct error *err)
{
	const char *text = "";
	int r = json_get_string(document, field, &text, WHAT, err);

	if (r < 0)
		return r;
	if (strlen(text) >= size)
		return error_set(err, EINVAL, WHAT ": %s is too long", field);
	strcpy(buf, text);
	return 0;
}

static int read_address(const json_t *document, const char *field, sa_family_t family,
	struct network_address *ret, struct error *err)
{
	const char *text = NULL;
	int r = json_get_string(document, field, &text, WHAT, err);

	if (r < 0 || !text)
		return r;
	if (network_address_parse(text, ret) < 0 || ret->family != family)
		return error_set(err, EINVAL, WHAT ": %s is no address", field);
	return 0;
}

static int check(const struct network_endpoint *endpoint, struct error *err)
{
	struct network_port port;

	if (!id_is_valid(endpoint->id))
		return error_set(err, EINVAL, WHAT ": the id is missing or invalid");
	if (strchr(endpoint->link, '/') || strchr(endpoint->inside, '/'))
		return error_set(err, EINVAL, WHAT ": a link has an invalid name");
	strv_for_each (text, endpoint->ports) {
		int r = network_port_parse(*text, &port, err);

		if (r < 0)
			return error_prefix(err, WHAT);
	}
	return 0;
}

int network_endpoint_parse(const json_t *document, struct network_endpoint *ret, struct error *err)
{
	_cleanup_network_endpoint_ struct network_endpoint endpoint = { 0 };
	char mac[NETWORK_MAC_TEXT] = "";
	int r = read_word(document, "id", endpoint.id, sizeof(endpoint.id), err);

	if (r == 0)
		r = read_text(document, "instance", &endpoint.instance, err);
	if (r == 0)
		r = read_text(document, "hostname", &endpoint.hostname, err);
	if (r == 0)
		r = json_get_strv(document, "aliases", &endpoint.aliases, WHAT, err);
	if (r == 0)
		r = read_address(document, "ip", AF_INET, &endpoint.ip, err);
	if (r == 0)
		r = read_address(document, "ip6", AF_INET6, &endpoint.ip6, err);
	if (r == 0)
		r = read_word(document, "mac", mac, sizeof(mac), err);
	if (r == 0 && network_mac_parse(mac, endpoint.mac) < 0)
		r = error_set(err, EINVAL, WHAT ": the MAC address is missing or invalid");
	if (r == 0)
		r = read_word(document, "link", endpoint.link, sizeof(endpoint.link), err);
	if (r == 0)
		r = read_word(document, "inside", endpoint.inside, sizeof(endpoint.inside), err);
	if (r == 0)
		r = json_get_strv(document, "ports", &endpoint.ports, WHAT, err);
	if (r == 0)
		r = check(&endpoint, err);
	if (r < 0)
		return r;
	*ret = endpoint;
	endpoint = (struct network_endpoint){ 0 };
	return 0;
}

/* --- files ------------------------------------------------------------------------------------ */

static int open_endpoints(
	const struct network_roots *roots, const char *name, bool make, struct error *err)
{
	_cleanup_free_ char *path = strf("%s/networks/%s/endpoints", roots->run_root, name);

	return path ? io_open_store_dir(path, make, err) : error_oom(err);
}

int network_endpoint_save(const struct network_roots *roots, const char *network_name,
	const struct network_endpoint *endpoint, struct error *err)
{
	_cleanup_close_ int fd = open_endpoints(roots, network_name, true, err);
	_cleanup_free_ char *text = network_endpoint_write(endpoint);

	if (fd < 0)
		return fd;
	if (!text)
		return error_oom(err);
	return io_replace_file(fd, endpoint->id, 0644, text, strlen(text), IO_VOLATILE, err);
}

static int load_at(int fd, const char *id, struct network_endpoint *ret, struct error *err)
{
	_cleanup_json_ json_t *document = NULL;
	int r;

	if (faccessat(fd, id, F_OK, 0) < 0)
		return -ENOENT;
	r = json_read_file(fd, id, NETWORK_ENDPOINT_MAX, &document, err);
	if (r == 0)
		r = network_endpoint_parse(document, ret, err);
	return r;
}

int network_endpoint_load(const struct network_roots *roots, const char *network_name,
	const char *id, struct network_endpoint *ret, struct error *err)
{
	_cleanup_close_ int fd = open_endpoints(roots, network_name, false, err);

	return fd < 0 ? fd : load_at(fd, id, ret, err);
}

void network_endpoint_remove(
	const struct network_roots *roots, const char *network_name, const char *id)
{
	_cleanup_close_ int fd = open_endpoints(roots, network_name, false, NULL);

	if (fd >= 0)
		unlinkat(fd, id, 0);
}

static int compare_ids(const void *a, const void *b)
{
	return strcmp(
		((const struct network_endpoint *)a)->id, ((const struct network_endpoint *)b)->id);
}

/* One that cannot be read is said, and not listed. */
static int append(
	struct network_endpoint **list, size_t *count, int fd, const char *id, struct error *err)
{
	struct network_endpoint *grown, endpoint = { 0 };
	struct error broken = { 0 };
	int r = load_at(fd, id, &endpoint, &broken);

	if (r < 0) {
		if (r != -ENOENT)
			log_warning("the endpoint of %.12s cannot be read: %s", id, broken.message);
		return 0;
	}
	grown = realloc(*list, (*count + 1) * sizeof(*grown));
	if (!grown) {
		network_endpoint_free(&endpoint);
		return error_oom(err);
	}
	*list = grown;
	grown[(*count)++] = endpoint;
	return 0;
}

int network_endpoint_list(const struct network_roots *roots, const char *network_name,
	struct network_endpoint **ret, size_t *ret_count, struct error *err)
{
	int fd = open_endpoints(roots, network_name, false, err), r = 0;
	_cleanup_closedir_ DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct network_endpoint *list = NULL;
	struct dirent *entry;
	size_t count = 0;

	if (fd < 0 && fd != -ENOENT)
		return fd;
	while (r == 0 && dir && (entry = readdir(dir)))
		if (id_is_valid(entry->d_name))
			r = append(&list, &count, fd, entry->d_name, err);
	if (r < 0) {
		network_endpoint_list_free(list, count);
		return r;
	}
	if (count)
		qsort(list, count, sizeof(*list), compare_ids);
	*ret = list;
	*ret_count = count;
	return 0;
}

int network_names_of(
	const struct network_roots *roots, const char *id, char ***ret, struct error *err)
{
	_cleanup_free_ char *path = strf("%s/networks", roots->run_root);
	_cleanup_closedir_ DIR *dir = path ? opendir(path) : NULL;
	_cleanup_strv_ char **names = NULL;
	struct dirent *entry;

	if (!path)
		return error_oom(err);
	while (dir && (entry = readdir(dir))) {
		_cleanup_free_ char *file = strf("%s/endpoints/%s", entry->d_name, id);

		if (!file)
			return error_oom(err);
		if (network_name_is_valid(entry->d_name) &&
			faccessat(dirfd(dir), file, F_OK, 0) == 0 &&
			strv_push(&names, entry->d_name) < 0)
			return error_oom(err);
	}
	*ret = steal_ptr(&names);
	return 0;
}

bool network_is_used(const struct network_roots *roots, const char *network_name)
{
	int fd = open_endpoints(roots, network_name, false, NULL);
	_cleanup_closedir_ DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (id_is_valid(entry->d_name))
			return true;
	return false;
}
