/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-forward.c - how port forwardings are written, and how they are not; checksums.
 */
#include "unit/test.h"

#include <arpa/inet.h>
#include <string.h>

#include "net/net.h"

static struct net_forward parse(const char *text)
{
	struct net_forward forward;
	struct error err = { 0 };

	if (net_forward_parse(text, &forward, &err) < 0)
		fail_msg("%s: %s", text, err.message);
	return forward;
}

static void expect_ip4(const char *text, const char *address, uint16_t host, uint16_t guest)
{
	struct net_forward forward = parse(text);
	const struct sockaddr_in *in = (const void *)&forward.host;

	assert_int_equal(in->sin_family, AF_INET);
	assert_int_equal(in->sin_addr.s_addr, inet_addr(address));
	assert_int_equal(ntohs(in->sin_port), host);
	assert_int_equal(forward.guest_port, guest);
}

static void test_written(void **state)
{
	struct net_forward forward;

	expect_ip4("8080:80", "0.0.0.0", 8080, 80);
	expect_ip4("8080:80/tcp", "0.0.0.0", 8080, 80);
	expect_ip4("127.0.0.1:65535:1", "127.0.0.1", 65535, 1);
	expect_ip4("127.0.0.1:53:5353/udp", "127.0.0.1", 53, 5353);
	assert_false(parse("8080:80/tcp").is_udp);
	assert_true(parse("53:53/udp").is_udp);
	forward = parse("[::1]:8080:80");
	assert_int_equal(forward.host.ss_family, AF_INET6);
	assert_true(
		IN6_IS_ADDR_LOOPBACK(&((struct sockaddr_in6 *)(void *)&forward.host)->sin6_addr));
	assert_int_equal(ntohs(((struct sockaddr_in6 *)(void *)&forward.host)->sin6_port), 8080);
}

static void test_not(void **state)
{
	static const char *const texts[] = { "", ":", "80", "80:", ":80", "0:80", "80:0",
		"65536:80", "80:65536", "80:80/", "80:80/sctp", "host:80:80", "::1:80:80",
		"[::1:80:80", "[]:80:80", "1.2.3:80:80", "-1:80", " 80:80", "1.2.3.4:1.2.3.4:80:80",
		"[::1]80:80", ":80:80" };
	char longest[1000];
	struct net_forward forward;
	struct error err;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		error_clear(&err);
		if (net_forward_parse(texts[i], &forward, &err) != -EINVAL)
			fail_msg("\"%s\" was taken", texts[i]);
		assert_true(err.message[0]);
	}
	memset(longest, '1', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(net_forward_parse(longest, &forward, &err), -EINVAL);
}

static void test_checksum(void **state)
{
	/* RFC 1071 §3: 00 01 f2 03 f4 f5 f6 f7 sum up to ddf2. */
	uint8_t bytes[] = { 0xee, 0, 1, 0xf2, 3, 0xf4, 0xf5, 0xf6, 0xf7, 0, 0, 0 };
	uint8_t odd[] = { 0, 0, 0x12, 0x34, 0x56 };
	struct virtio_net_hdr offload = { .csum_start = 1, .csum_offset = 8 };

	assert_int_equal(net_finish_checksum(bytes, sizeof(bytes), &offload), 0);
	assert_int_equal(bytes[9] << 8 | bytes[10], 0xffff - 0xddf2);
	/* An odd byte is the upper half of a word. */
	offload = (struct virtio_net_hdr){ 0 };
	assert_int_equal(net_finish_checksum(odd, sizeof(odd), &offload), 0);
	assert_int_equal(odd[0] << 8 | odd[1], 0xffff - (0x1234 + 0x5600));
	/* What sums up to nothing is written as ffff. */
	memcpy(odd, (uint8_t[]){ 0, 0, 0xff, 0xff, 0 }, sizeof(odd));
	assert_int_equal(net_finish_checksum(odd, sizeof(odd), &offload), 0);
	assert_int_equal(odd[0] << 8 | odd[1], 0xffff);
	offload.csum_offset = 4;
	assert_int_equal(net_finish_checksum(odd, sizeof(odd), &offload), -EINVAL);
	offload.csum_start = 5;
	offload.csum_offset = 0;
	assert_int_equal(net_finish_checksum(odd, sizeof(odd), &offload), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_written),
		cmocka_unit_test(test_not),
		cmocka_unit_test(test_checksum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
