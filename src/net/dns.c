/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dns.c - see dns.h. A question is copied into its answer as it came, upper case and all (clients
 * compare), and answers refer to its name. What has pointers in a question, or several questions,
 * nobody sends.
 */
#include "net/dns.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

enum {
	FLAGS = 2, /* in the header */
	NR_QUESTIONS = 4,
	NR_ANSWERS = 6,
	LABEL_MAX = 63,
	CLASS_INTERNET = 1,
	POINTER_TO_QUESTION = 0xc000 | DNS_HEADER_BYTES,
};

#define FLAG_ANSWER	   0x8000
#define FLAGS_OPERATION	   0x7800
#define FLAG_AUTHORITY	   0x0400
#define FLAG_RECURSION	   0x0100 /* wanted */
#define FLAG_CAN_RECURSION 0x0080

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static uint8_t *put16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
	return at + 2;
}

static char lower(uint8_t c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

bool dns_parse(const uint8_t *message, size_t length, struct dns_question *ret)
{
	size_t at = DNS_HEADER_BYTES, n = 0;

	if (length < DNS_HEADER_BYTES + 5 || length > DNS_MESSAGE_MAX ||
		get16(message + FLAGS) & (FLAG_ANSWER | FLAGS_OPERATION) ||
		get16(message + NR_QUESTIONS) != 1 || get16(message + NR_ANSWERS))
		return false;
	while (message[at]) {
		unsigned label = message[at++];

		/* Behind it there is at least the end of the name, a type and a class. */
		if (label > LABEL_MAX || at + label + 5 > length || n + label + 1 > DNS_NAME_MAX)
			return false;
		if (n)
			ret->name[n++] = '.';
		for (unsigned i = 0; i < label; i++, at++) {
			if (message[at] <= ' ' || message[at] == '.' || message[at] > '~')
				return false;
			ret->name[n++] = lower(message[at]);
		}
	}
	ret->name[n] = '\0';
	at++;
	if (at + 4 > length || get16(message + at + 2) != CLASS_INTERNET)
		return false;
	ret->type = get16(message + at);
	ret->id = get16(message);
	ret->bytes = at + 4;
	return true;
}

/* "4.3.2.1" */
static bool reverse_ip4(const char *digits, struct in6_addr *ret)
{
	unsigned b[4];
	int end = 0;

	if (sscanf(digits, "%3u.%3u.%3u.%3u%n", &b[0], &b[1], &b[2], &b[3], &end) != 4 ||
		digits[end])
		return false;
	*ret = (struct in6_addr){ .s6_addr = { [10] = 0xff, [11] = 0xff } };
	for (unsigned i = 0; i < 4; i++) {
		if (b[i] > 255)
			return false;
		ret->s6_addr[15 - i] = (uint8_t)b[i];
	}
	return true;
}

/* 32 digits with dots between, the last one first. */
static bool reverse_ip6(const char *digits, struct in6_addr *ret)
{
	*ret = (struct in6_addr){ 0 };
	for (unsigned i = 0; i < 32; i++) {
		char digit[] = { digits[2 * i], '\0' }, *end;
		unsigned value = (unsigned)strtoul(digit, &end, 16);

		if (!digit[0] || *end || digits[2 * i + 1] != (i < 31 ? '.' : '\0'))
			return false;
		ret->s6_addr[15 - i / 2] |= (uint8_t)(i % 2 ? value << 4 : value);
	}
	return true;
}

bool dns_reverse(const char *name, struct in6_addr *ret)
{
	static const struct {
		const char *suffix;
		bool (*parse)(const char *digits, struct in6_addr *ret);
	} kinds[] = { { ".in-addr.arpa", reverse_ip4 }, { ".ip6.arpa", reverse_ip6 } };
	char digits[DNS_NAME_MAX + 1];

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (!str_has_suffix(name, kinds[i].suffix))
			continue;
		snprintf(digits, sizeof(digits), "%.*s",
			(int)(strlen(name) - strlen(kinds[i].suffix)), name);
		return kinds[i].parse(digits, ret);
	}
	return false;
}

/* --- writing ---------------------------------------------------------------------------------- */

struct writer {
	uint8_t *at, *end;
	unsigned nr_answers;
	bool is_full;
};

/* That name, this type, good for no time: it may change at once. */
static void write_record(struct writer *w, unsigned type, const uint8_t *data, size_t length)
{
	if ((size_t)(w->end - w->at) < 12 + length) {
		w->is_full = true;
		return;
	}
	w->at = put16(w->at, POINTER_TO_QUESTION);
	w->at = put16(w->at, type);
	w->at = put16(w->at, CLASS_INTERNET);
	w->at = put16(put16(w->at, 0), 0);
	w->at = put16(w->at, (unsigned)length);
	memcpy(w->at, data, length);
	w->at += length;
	w->nr_answers++;
}

static void write_address(struct writer *w, unsigned wanted, const struct in6_addr *address)
{
	bool is_ip4 = IN6_IS_ADDR_V4MAPPED(address);
	unsigned type = is_ip4 ? DNS_TYPE_A : DNS_TYPE_AAAA;

	if (wanted == type || wanted == DNS_TYPE_ANY)
		write_record(w, type, address->s6_addr + (is_ip4 ? 12 : 0), is_ip4 ? 4 : 16);
}

static void write_name(struct writer *w, const char *name)
{
	uint8_t data[DNS_NAME_MAX + 2];
	size_t n = 0;

	while (*name) {
		size_t label = strcspn(name, ".");

		if (!label || label > LABEL_MAX || n + label + 2 > sizeof(data))
			return;
		data[n++] = (uint8_t)label;
		memcpy(data + n, name, label);
		n += label;
		name += label + (name[label] == '.');
	}
	data[n++] = 0;
	write_record(w, DNS_TYPE_PTR, data, n);
}

size_t dns_write(const uint8_t *message, const struct dns_question *question,
	const struct dns_answer *answer, uint8_t *ret, size_t room)
{
	struct writer w = { .at = ret + question->bytes, .end = ret + room };
	unsigned flags = FLAG_ANSWER | FLAG_AUTHORITY | FLAG_CAN_RECURSION |
		(get16(message + FLAGS) & FLAG_RECURSION) | (unsigned)answer->code;

	if (room < question->bytes)
		return 0;
	memcpy(ret, message, question->bytes);
	for (unsigned i = 0; i < answer->nr_addresses; i++)
		write_address(&w, question->type, &answer->addresses[i]);
	if (answer->name)
		write_name(&w, answer->name);
	put16(ret + FLAGS, flags);
	put16(ret + NR_QUESTIONS, 1);
	put16(ret + NR_ANSWERS, w.nr_answers);
	memset(ret + NR_ANSWERS + 2, 0, 4);
	return w.is_full ? 0 : (size_t)(w.at - ret);
}
