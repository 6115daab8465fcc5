/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-dns.c - questions read, answers written, and what is neither.
 */
#include "unit/test.h"

#include <arpa/inet.h>
#include <string.h>

#include "net/dns.h"

#define HEAD "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01" /* and one record of EDNS */
#define EDNS "\x00\x00\x29\x10\x00\x00\x00\x00\x00\x00\x00"
#define WEB  HEAD "\x03WeB\x03net\x00\x00\x01\x00\x01"

static bool parse(const char *bytes, size_t size, struct dns_question *q)
{
	return dns_parse((const uint8_t *)bytes, size, q);
}

static void test_question(void **state)
{
	static const char web[] = WEB EDNS;
	struct dns_question q;

	assert_true(parse(web, sizeof(web) - 1, &q));
	assert_string_equal(q.name, "web.net");
	assert_int_equal(q.id, 0x1234);
	assert_int_equal(q.type, DNS_TYPE_A);
	assert_int_equal(q.bytes, 12 + 9 + 4);
	assert_true(parse(HEAD "\0\0\2\0\1", 17, &q));
	assert_string_equal(q.name, "");
	/* Cut short anywhere before its end. */
	for (size_t n = 0; n < q.bytes; n++)
		assert_false(parse(WEB, n, &q));
}

static void test_no_questions(void **state)
{
	static const struct {
		const char *bytes;
		size_t size;
	} rows[] = {
#define ROW(text) { text, sizeof(text) - 1 }
		/* an answer, a notification, two questions, an answer with it, none */
		ROW("\x12\x34\x81\0\0\1\0\0\0\0\0\0\3web\0\0\1\0\1"),
		ROW("\x12\x34\x21\0\0\1\0\0\0\0\0\0\3web\0\0\1\0\1"),
		ROW("\x12\x34\1\0\0\2\0\0\0\0\0\0\3web\0\0\1\0\1"),
		ROW("\x12\x34\1\0\0\1\0\1\0\0\0\0\3web\0\0\1\0\1"),
		ROW("\x12\x34\1\0\0\0\0\0\0\0\0\0\3web\0\0\1\0\1"),
		/* a pointer, a class of its own, no end, a dot in a label, a space */
		ROW(HEAD "\xc0\x0c\0\1\0\1"),
		ROW(HEAD "\3web\0\0\1\0\3"),
		ROW(HEAD "\77web\0\0\1\0\1"),
		ROW(HEAD "\3w.b\0\0\1\0\1"),
		ROW(HEAD "\3w b\0\0\1\0\1"),
#undef ROW
	};
	char name[400] = HEAD;
	struct dns_question q;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		assert_false(parse(rows[i].bytes, rows[i].size, &q));
	/* Longer than a name can be. */
	memcpy(name, HEAD, 12);
	for (size_t at = 12; at < 300; at += 2)
		memcpy(name + at, "\1a", 2);
	memcpy(name + 300, "\0\0\1\0\1", 5);
	assert_false(parse(name, 305, &q));
}

static void test_reverse(void **state)
{
	struct in6_addr address, expected;

	assert_true(dns_reverse("2.0.88.10.in-addr.arpa", &address));
	inet_pton(AF_INET6, "::ffff:10.88.0.2", &expected);
	assert_memory_equal(&address, &expected, sizeof(address));
	assert_true(dns_reverse(
		"b.a.9.8.7.6.5.4.3.2.1.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
		&address));
	inet_pton(AF_INET6, "2001:db8::123:4567:89ab", &expected);
	expected.s6_addr[10] = 0x01;
	assert_memory_equal(&address.s6_addr[13], "\x67\x89\xab", 3);
	assert_memory_equal(&address, "\x20\x01\x0d\xb8", 4);
	assert_false(dns_reverse("0.88.10.in-addr.arpa", &address));
	assert_false(dns_reverse("2.0.88.300.in-addr.arpa", &address));
	assert_false(dns_reverse("2.0.88.10.x.in-addr.arpa", &address));
	assert_false(dns_reverse("b.a.ip6.arpa", &address));
	assert_false(dns_reverse("web", &address));
}

static void test_answers(void **state)
{
	static const char web[] = WEB EDNS;
	struct in6_addr addresses[2];
	struct dns_answer answer = { .addresses = addresses, .nr_addresses = 2 };
	struct dns_question q;
	uint8_t ret[512];

	inet_pton(AF_INET6, "::ffff:10.88.0.2", &addresses[0]);
	inet_pton(AF_INET6, "fd00::2", &addresses[1]);
	assert_true(parse(web, sizeof(web) - 1, &q));
	/* As it was asked, and the one of its type. */
	assert_int_equal(dns_write((const void *)web, &q, &answer, ret, sizeof(ret)), 25 + 16);
	assert_memory_equal(ret, "\x12\x34\x85\x80\0\1\0\1\0\0\0\0\3WeB\3net\0\0\1\0\1", 25);
	assert_memory_equal(ret + 25, "\xc0\x0c\0\1\0\1\0\0\0\0\0\4\x0a\x58\0\2", 16);
	q.type = DNS_TYPE_AAAA;
	assert_int_equal(dns_write((const void *)web, &q, &answer, ret, sizeof(ret)), 25 + 28);
	assert_memory_equal(ret + 25 + 12, &addresses[1], 16);
	q.type = 15;
	assert_int_equal(dns_write((const void *)web, &q, &answer, ret, sizeof(ret)), 25);
	assert_int_equal(ret[7], 0);
	q.type = DNS_TYPE_PTR;
	answer = (struct dns_answer){ .name = "db.lab" };
	assert_int_equal(dns_write((const void *)web, &q, &answer, ret, sizeof(ret)), 25 + 12 + 8);
	assert_memory_equal(ret + 25 + 12, "\2db\3lab\0", 8);
	answer = (struct dns_answer){ .code = DNS_NO_SUCH_NAME };
	assert_int_equal(dns_write((const void *)web, &q, &answer, ret, sizeof(ret)), 25);
	assert_int_equal(ret[3], 0x83);
	answer = (struct dns_answer){ .addresses = addresses, .nr_addresses = 1 };
	q.type = DNS_TYPE_A;
	assert_int_equal(dns_write((const void *)web, &q, &answer, ret, 24), 0);
	assert_int_equal(dns_write((const void *)web, &q, &answer, ret, 40), 0);
	assert_int_equal(dns_write((const void *)web, &q, &answer, ret, 41), 41);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_question),
		cmocka_unit_test(test_no_questions),
		cmocka_unit_test(test_reverse),
		cmocka_unit_test(test_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
