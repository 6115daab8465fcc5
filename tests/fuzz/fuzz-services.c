/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-services.c - packets of anybody's choice to a gateway's services. What has to hold: each is
 * answered or goes on to the way out as it is, and answers are whole packets for who sent it.
 *
 * Input: 16 bits of length and so many bytes, again and again: a frame from its first byte on.
 */
#include "net/services.h"
#include "unit/net/fake-port.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define STEPS_MAX 64

#define check(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

static int find_name(void *context, const char *name, struct in6_addr *ret, unsigned max)
{
	check(strlen(name) <= 255);
	if (name[0] != 'w')
		return -1;
	for (unsigned i = 0; i < max; i++)
		ret[i] = (struct in6_addr){
			.s6_addr = { [0] = (uint8_t)(i % 2 ? 0xfd : 0), [10] = 255, [11] = 255 }
		};
	return (int)max;
}

static bool find_address(void *context, const struct in6_addr *address, const char **ret_name)
{
	*ret_name = address->s6_addr[15] & 1 ? "web.lab" : NULL;
	return true;
}

static bool find_lease(void *context, const uint8_t mac[NET_MAC_BYTES], struct net_lease *ret)
{
	*ret = (struct net_lease){ .address = { 0x0200580a }, .hostname = "box" };
	return true;
}

static void check_answers(struct net_port *port, const uint8_t *asked)
{
	uint8_t bytes[NET_FRAME_MAX];
	struct iovec part = { bytes, sizeof(bytes) };
	struct net_frame frame = { .parts = &part, .nr_parts = 1 };

	while (port->ops->receive(port, &frame, 1)) {
		size_t ip = bytes[12] == 8 ? 20 : 40;

		check(frame.length > 14 + ip + 8 && frame.length <= 14 + 1500);
		check(!memcmp(bytes, asked + 6, 6));
		check((size_t)(bytes[14 + ip + 4] << 8 | bytes[14 + ip + 5]) ==
			frame.length - 14 - ip);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct net_services_options options = { .prefix_bits = 16,
		.mtu = 1500,
		.is_internal = true,
		.gateway = { 0x0100580a },
		.gateway6 = { .s6_addr = { [0] = 0xfd, [15] = 1 } },
		.find_name = find_name,
		.find_address = find_address,
		.find_lease = find_lease };
	struct fake_port out;
	struct net_port *port;
	struct loop loop;

	fake_init(&out, 0);
	check(loop_open(&loop, NULL) == 0);
	check(net_services_open(&loop, &options, &out.port, &port, NULL) == 0);
	for (unsigned i = 0; i < STEPS_MAX && size > 2; i++) {
		size_t length = (size_t)(data[0] << 8 | data[1]);
		uint8_t *bytes;
		struct iovec part;
		struct net_frame frame = { .parts = &part, .nr_parts = 1 };
		unsigned before = out.nr_got;

		data += 2;
		size -= 2;
		length = length < size ? length : size;
		/* The switch lets nothing shorter through. */
		if (length < NET_HEADER_BYTES)
			break;
		bytes = malloc(length);
		memcpy(bytes, data, length);
		part = (struct iovec){ bytes, length };
		frame.length = (uint32_t)length;
		check(port->ops->send(port, &frame, 1) == 1);
		check(out.nr_got - before <= 1);
		if (out.nr_got > before)
			check(!memcmp(out.got[before].bytes, bytes, length));
		check_answers(port, bytes);
		free(bytes);
		data += length;
		size -= length;
	}
	net_port_close(port);
	loop_close(&loop);
	return 0;
}
