/* SPDX-License-Identifier: Apache-2.0 */
/*
 * registry-address.c - where a registry is, and the URLs of its parts.
 */
#include <arpa/inet.h>
#include <stdarg.h>

#include "base/io.h"
#include "image/registry.h"

/* Names whose API lives elsewhere. */
static const struct {
	const char *name, *host;
} elsewhere[] = {
	{ "docker.io", "registry-1.docker.io" },
	{ "index.docker.io", "registry-1.docker.io" },
};

const char *registry_host(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(elsewhere); i++)
		if (streq(elsewhere[i].name, name))
			return elsewhere[i].host;
	return name;
}

bool registry_is_loopback(const char *name)
{
	struct in_addr address;
	char host[256];
	size_t len;

	if (name[0] == '[')
		return str_after_prefix(name, "[::1]");
	len = strcspn(name, ":");
	if (len >= sizeof(host))
		return false;
	memcpy(host, name, len);
	host[len] = '\0';
	if (streq(host, "localhost"))
		return true;
	return inet_pton(AF_INET, host, &address) == 1 && ntohl(address.s_addr) >> 24 == 127;
}

/* The first file, in the order of the alphabet, of each kind in one folder. */
static int look_into(const char *folder, char **ca, char **certificate, char **key)
{
	const struct {
		const char *suffix;
		char **slot;
	} kinds[] = { { ".crt", ca }, { ".cert", certificate }, { ".key", key } };
	_cleanup_closedir_ DIR *dir = opendir(folder);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
			_cleanup_free_ char *path = NULL;

			if (!str_has_suffix(entry->d_name, kinds[i].suffix))
				continue;
			path = strf("%s/%s", folder, entry->d_name);
			if (!path)
				return -ENOMEM;
			if (*kinds[i].slot && strcmp(*kinds[i].slot, path) <= 0)
				continue;
			free(*kinds[i].slot);
			*kinds[i].slot = steal_ptr(&path);
		}
	}
	return 0;
}

int registry_find_certificates(
	const char *name, char **ret_ca, char **ret_certificate, char **ret_key, struct error *err)
{
	static const struct {
		bool in_home;
		const char *folder;
	} places[] = {
		{ true, ".config/containers/certs.d" },
		{ true, ".docker/certs.d" },
		{ false, "/etc/containers/certs.d" },
		{ false, "/etc/docker/certs.d" },
	};
	_cleanup_free_ char *ca = NULL, *certificate = NULL, *key = NULL;
	const char *home = getenv("HOME");

	for (size_t i = 0; i < ARRAY_SIZE(places) && !ca && !certificate; i++) {
		_cleanup_free_ char *folder = NULL;

		if (places[i].in_home && (!home || !*home))
			continue;
		folder = places[i].in_home ? strf("%s/%s/%s", home, places[i].folder, name)
					   : strf("%s/%s", places[i].folder, name);
		if (!folder || look_into(folder, &ca, &certificate, &key) < 0)
			return error_oom(err);
	}
	*ret_ca = steal_ptr(&ca);
	*ret_certificate = steal_ptr(&certificate);
	*ret_key = steal_ptr(&key);
	return 0;
}

char *registry_path(const char *repository, const char *fmt, ...)
{
	_cleanup_free_ char *suffix = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&suffix, fmt, ap);
	va_end(ap);
	if (n < 0)
		suffix = NULL;
	if (!suffix)
		return NULL;
	return strf("/v2/%s/%s", repository, suffix);
}

char *registry_token_url(const struct auth_challenge *challenge, char *const *scopes,
	const char *account, bool with_query)
{
	struct str url = { 0 };

	str_append(&url, challenge->realm);
	if (with_query) {
		if (challenge->service)
			http_url_add_query(&url, "service", challenge->service);
		strv_for_each (scope, scopes)
			http_url_add_query(&url, "scope", *scope);
		if (account)
			http_url_add_query(&url, "account", account);
	}
	return str_finish(&url);
}

char *registry_next_link(const char *header)
{
	const char *begin = header ? strchr(header, '<') : NULL;
	const char *end = begin ? strchr(begin, '>') : NULL;

	if (!end || !(strstr(end, "rel=\"next\"") || strstr(end, "rel=next")))
		return NULL;
	return strndup(begin + 1, (size_t)(end - begin - 1));
}
