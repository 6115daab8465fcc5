/* SPDX-License-Identifier: Apache-2.0 */
/*
 * services-names.c - names for a network's guests. Those of the network are answered from its
 * table; what cannot be one of its names is asked of the host's name servers, over a socket of its
 * own for each question, so that an answer can only come from who was asked, at a port that nobody
 * knows.
 *
 * A question waits for SERVICES_QUERY_NS at one server; one that is not there, or does not answer,
 * is followed by the next. There are so many at a time, and the oldest makes room.
 */
#include "net/services-internal.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/str.h"
#include "net/dns.h"

#define RESOLV_CONF	"/etc/resolv.conf"
#define RESOLV_CONF_MAX (64u << 10)
#define PORT_DNS	53

/* --- name servers of the host ----------------------------------------------------------------- */

static bool parse_server(const char *text, struct sockaddr_storage *ret)
{
	struct sockaddr_in *in = (void *)ret;
	struct sockaddr_in6 *in6 = (void *)ret;

	*ret = (struct sockaddr_storage){ 0 };
	if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons(PORT_DNS);
		return true;
	}
	if (inet_pton(AF_INET6, text, &in6->sin6_addr) != 1)
		return false;
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(PORT_DNS);
	return true;
}

/* Read again when all of them have failed: the host may have moved. */
static void read_servers(struct services *services)
{
	const char *path = services->options.resolv_conf ? services->options.resolv_conf
							 : RESOLV_CONF;
	_cleanup_free_ char *text = NULL;
	char *rest, *line, word[INET6_ADDRSTRLEN];

	services->nr_servers = services->server = 0;
	if (io_read_file(AT_FDCWD, path, RESOLV_CONF_MAX, &text, NULL, NULL) < 0)
		return;
	rest = text;
	while ((line = strsep(&rest, "\n")) && services->nr_servers < SERVICES_SERVERS_MAX)
		if (sscanf(line, " nameserver %45s", word) == 1 &&
			parse_server(word, &services->servers[services->nr_servers]))
			services->nr_servers++;
}

/* --- questions on their way ------------------------------------------------------------------- */

static void answer_with(struct services *services, const struct services_ends *ends,
	const uint8_t *message, const struct dns_question *question,
	const struct dns_answer *answer)
{
	uint8_t bytes[DNS_MESSAGE_MAX];
	size_t n = dns_write(message, question, answer, bytes, sizeof(bytes));

	if (n)
		services_reply(services, ends, bytes, n);
}

static void end_query(struct services_query *query)
{
	loop_remove(query->services->loop, &query->source);
	cleanup_close(&query->source.fd);
	query->source.fd = -1;
}

/* Nobody outside can say. */
static void fail_query(struct services_query *query)
{
	const struct dns_answer failed = { .code = DNS_SERVER_FAILED };
	struct dns_question question;

	if (dns_parse(query->message, query->length, &question))
		answer_with(query->services, &query->ends, query->message, &question, &failed);
	end_query(query);
}

static bool send_query(struct services_query *query)
{
	struct services *services = query->services;
	const struct sockaddr_storage *server = &services->servers[query->server];
	int fd = socket(server->ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	query->source.fd = fd;
	if (fd < 0)
		return false;
	if (connect(fd, (const struct sockaddr *)server,
		    server->ss_family == AF_INET ? sizeof(struct sockaddr_in)
						 : sizeof(struct sockaddr_in6)) < 0 ||
		send(fd, query->message, query->length, MSG_NOSIGNAL) < 0 ||
		loop_add(services->loop, &query->source, EPOLLIN) < 0) {
		end_query(query);
		return false;
	}
	query->end_ns = clock_monotonic_ns() + SERVICES_QUERY_NS;
	if (!services->query_timer.deadline_ns)
		loop_timer_start(services->loop, &services->query_timer, SERVICES_QUERY_NS);
	return true;
}

/* To the next server that there is. */
static void try_query(struct services_query *query)
{
	struct services *services = query->services;

	while (query->nr_tried < services->nr_servers) {
		query->server = (services->server + query->nr_tried++) % services->nr_servers;
		if (send_query(query))
			return;
	}
	fail_query(query);
}

static void query_ready(struct loop_source *source, uint32_t events)
{
	struct services_query *query = container_of(source, struct services_query, source);
	struct services *services = query->services;
	uint8_t answer[DNS_MESSAGE_MAX];
	ssize_t n = recv(source->fd, answer, sizeof(answer), MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n < 0) {
		end_query(query);
		try_query(query);
		return;
	}
	/* The same question, or it is not an answer to it. */
	if (n < DNS_HEADER_BYTES || memcmp(answer, query->message, 2) != 0)
		return;
	services->server = query->server;
	services_reply(services, &query->ends, answer, (size_t)n);
	end_query(query);
}

static void query_expired(struct loop_timer *timer)
{
	struct services *services = container_of(timer, struct services, query_timer);
	int64_t now = clock_monotonic_ns(), next = 0;

	for (unsigned i = 0; i < SERVICES_QUERIES_MAX; i++) {
		struct services_query *query = &services->queries[i];

		if (query->source.fd >= 0 && query->end_ns <= now) {
			end_query(query);
			try_query(query);
		}
		if (query->source.fd >= 0 && (!next || query->end_ns < next))
			next = query->end_ns;
	}
	if (next)
		loop_timer_start(services->loop, timer, next > now ? next - now : 0);
}

static void pass_on(struct services *services, const struct services_ends *ends,
	const uint8_t *message, size_t length)
{
	struct services_query *query = &services->queries[services->next_query];

	/* What is longer than any question that is asked. */
	if (length > sizeof(query->message))
		return;
	if (!services->nr_servers)
		read_servers(services);
	services->next_query = (services->next_query + 1) % SERVICES_QUERIES_MAX;
	if (query->source.fd >= 0)
		end_query(query);
	query->ends = *ends;
	query->length = length;
	query->nr_tried = 0;
	memcpy(query->message, message, length);
	try_query(query);
}

/* --- questions -------------------------------------------------------------------------------- */

/* Is it answered here, and how? */
static bool find_answer(struct services *services, const struct dns_question *question,
	struct in6_addr addresses[NET_SERVICES_ADDRESSES_MAX], struct dns_answer *answer)
{
	const struct net_services_options *o = &services->options;
	struct in6_addr address;
	int n;

	*answer = (struct dns_answer){ .addresses = addresses };
	if (question->type == DNS_TYPE_PTR && dns_reverse(question->name, &address)) {
		if (!o->find_address(o->context, &address, &answer->name))
			return false;
		answer->code = answer->name ? DNS_OK : DNS_NO_SUCH_NAME;
		return true;
	}
	n = o->find_name(o->context, question->name, addresses, NET_SERVICES_ADDRESSES_MAX);
	if (n >= 0) {
		answer->nr_addresses = (unsigned)n;
		return true;
	}
	answer->code = DNS_NO_SUCH_NAME;
	/* A name without a domain is nobody's outside. */
	return !strchr(question->name, '.') && *question->name;
}

void services_ask(struct services *services, const struct services_ends *ends,
	const uint8_t *message, size_t length)
{
	struct in6_addr addresses[NET_SERVICES_ADDRESSES_MAX];
	struct dns_question question;
	struct dns_answer answer;

	if (!dns_parse(message, length, &question))
		return;
	if (!find_answer(services, &question, addresses, &answer)) {
		if (!services->options.is_internal) {
			pass_on(services, ends, message, length);
			return;
		}
		answer = (struct dns_answer){ .code = DNS_NO_SUCH_NAME };
	}
	answer_with(services, ends, message, &question, &answer);
}

void services_names_init(struct services *services)
{
	services->query_timer.expired = query_expired;
	for (unsigned i = 0; i < SERVICES_QUERIES_MAX; i++) {
		services->queries[i].services = services;
		services->queries[i].source = (struct loop_source){ .ready = query_ready,
			.fd = -1 };
	}
}

void services_names_close(struct services *services)
{
	for (unsigned i = 0; i < SERVICES_QUERIES_MAX; i++)
		if (services->queries[i].source.fd >= 0)
			end_query(&services->queries[i]);
	loop_timer_cancel(services->loop, &services->query_timer);
}
