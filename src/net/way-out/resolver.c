/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resolver.c - the host's name servers, which are asked when guests ask theirs. /etc/resolv.conf is
 * read again after READ_AGAIN_NS, since hosts move between networks.
 */
#include "net/way-out/way.h"

#include <arpa/inet.h>
#include <fcntl.h>

#define PATH	      "/etc/resolv.conf"
#define TEXT_MAX      8192
#define READ_AGAIN_NS (2 * WAY_SECOND)

static void add_server(struct way_resolver *resolver, char *text)
{
	struct in6_addr *server = &resolver->servers[resolver->nr_servers];
	struct in_addr ip4;
	char *end = text + strcspn(text, " \t%#;");

	/* With a scope (%eth0) it is link-local, and we would have to know the link. */
	if (*end == '%')
		return;
	*end = '\0';
	if (inet_pton(AF_INET, text, &ip4) == 1)
		*server = way_map(ip4);
	else if (inet_pton(AF_INET6, text, server) != 1)
		return;
	resolver->nr_servers++;
}

static void read_servers(struct way_resolver *resolver)
{
	char text[TEXT_MAX + 1], *rest = text, *line;
	_cleanup_close_ int fd = open(PATH, O_RDONLY | O_CLOEXEC);
	ssize_t size = fd < 0 ? -1 : read(fd, text, TEXT_MAX);

	resolver->nr_servers = 0;
	text[size > 0 ? size : 0] = '\0';
	while ((line = strsep(&rest, "\n")) && resolver->nr_servers < WAY_NAME_SERVERS) {
		static const char word[] = "nameserver";

		if (strncmp(line, word, sizeof(word) - 1) || !strchr(" \t", line[sizeof(word) - 1]))
			continue;
		line += sizeof(word) - 1;
		add_server(resolver, line + strspn(line, " \t"));
	}
}

struct in6_addr way_name_server(struct way *way, bool is_ip6)
{
	struct way_resolver *resolver = &way->resolver;

	if (!resolver->read_ns || way->now_ns - resolver->read_ns > READ_AGAIN_NS) {
		read_servers(resolver);
		resolver->read_ns = way->now_ns;
	}
	for (unsigned i = 0; i < resolver->nr_servers; i++)
		if (way_is_ip4(&resolver->servers[i]) != is_ip6)
			return resolver->servers[i];
	if (resolver->nr_servers)
		return resolver->servers[0];
	/* resolv.conf(5): without any, it is this host. */
	return way_map((struct in_addr){ htonl(INADDR_LOOPBACK) });
}
