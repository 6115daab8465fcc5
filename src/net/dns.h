/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dns.h - messages of DNS (RFC 1035), as far as a name server needs them that knows the names of
 * one network and passes on the rest.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DNS_NAME_MAX	 255 /* characters, as text */
#define DNS_MESSAGE_MAX	 4096 /* that is passed on, either way */
#define DNS_HEADER_BYTES 12

enum dns_type {
	DNS_TYPE_A = 1,
	DNS_TYPE_PTR = 12,
	DNS_TYPE_AAAA = 28,
	DNS_TYPE_ANY = 255,
};

enum dns_code {
	DNS_OK = 0,
	DNS_SERVER_FAILED = 2,
	DNS_NO_SUCH_NAME = 3,
	DNS_REFUSED = 5,
};

struct dns_question {
	uint16_t id, type;
	char name[DNS_NAME_MAX + 1]; /* lower case, without the last dot */
	size_t bytes; /* of the message up to where the question ends */
};

/* A message that asks one question of the internet; false: anything else. */
bool dns_parse(const uint8_t *message, size_t length, struct dns_question *ret);
/* The address that a name for PTR means (IPv4 as ::ffff:a.b.c.d); false: none. */
bool dns_reverse(const char *name, struct in6_addr *ret);

/* What is answered to a question. Addresses that are not of its type are left out. */
struct dns_answer {
	enum dns_code code;
	const struct in6_addr *addresses;
	unsigned nr_addresses;
	const char *name; /* of PTR; NULL: none */
};

/* Into `room` bytes: how many; 0: it does not fit. */
size_t dns_write(const uint8_t *message, const struct dns_question *question,
	const struct dns_answer *answer, uint8_t *ret, size_t room);
