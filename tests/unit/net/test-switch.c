/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-switch.c - where frames go between ports of the test's own, what does not go through and is
 * counted, what the switch answers, queues and limits.
 */
#include "unit/test.h"

#include <arpa/inet.h>
#include <string.h>

#include "net/offload.h"
#include "net/switch.h"
#include "unit/net/fake-port.h"

#define ALL (NET_OFFLOAD_CHECKSUM | NET_OFFLOAD_TSO4 | NET_OFFLOAD_TSO6 | NET_OFFLOAD_TSO_ECN)
#define NR  5

static struct loop loop;
static struct net_switch *sw;
static struct fake_port fakes[NR];
static unsigned numbers[NR];

static const uint8_t everybody[NET_MAC_BYTES] = { 255, 255, 255, 255, 255, 255 };
static uint8_t macs[NR][NET_MAC_BYTES];

static int setup(void **state)
{
	assert_int_equal(loop_open(&loop, NULL), 0);
	assert_int_equal(net_switch_open(&loop, 1500, &sw, NULL), 0);
	for (unsigned i = 0; i < NR; i++) {
		fake_init(&fakes[i], ALL);
		memcpy(macs[i], (uint8_t[]){ 2, 0x42, 10, 0, 0, (uint8_t)(i + 1) }, 6);
	}
	return 0;
}

static int teardown(void **state)
{
	sw = net_switch_close(sw);
	loop_close(&loop);
	return 0;
}

static int add(unsigned i, const struct net_switch_port *config)
{
	return net_switch_add(sw, &fakes[i].port, config, &numbers[i], NULL);
}

/* Three that are learnt. */
static void add_plain(void)
{
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(add(i, &(struct net_switch_port){ 0 }), 0);
}

static struct in6_addr ip4(unsigned last)
{
	struct in6_addr r = { .s6_addr = {
				      [10] = 255, [11] = 255, [12] = 10, [15] = (uint8_t)last } };

	return r;
}

/* Port i owns macs[i] and 10.0.0.(i + 1). */
static struct net_switch_port guarded(unsigned i)
{
	struct net_switch_port config = {
		.is_guarded = true, .nr_addresses = 1, .addresses = { ip4(i + 1) }
	};

	memcpy(config.mac, macs[i], NET_MAC_BYTES);
	return config;
}

static uint64_t drops(unsigned i, enum net_drop why)
{
	return net_switch_count(sw, numbers[i])->drops[why];
}

static size_t frame_of(
	uint8_t *frame, const uint8_t *to, const uint8_t *from, unsigned type, size_t length)
{
	memset(frame, 0, length);
	memcpy(frame, to, 6);
	memcpy(frame + 6, from, 6);
	frame[12] = (uint8_t)(type >> 8);
	frame[13] = (uint8_t)type;
	return length;
}

/* From port i, with the type for experiments. */
static void say(unsigned i, const uint8_t *to, const uint8_t *from)
{
	uint8_t frame[60];

	fake_give(&fakes[i], frame, frame_of(frame, to, from, 0x88b5, sizeof(frame)), NULL);
	fake_ready(&fakes[i]);
}

static void give(unsigned i, const void *frame, size_t length)
{
	fake_give(&fakes[i], frame, length, NULL);
	fake_ready(&fakes[i]);
}

static void assert_got(unsigned a, unsigned b, unsigned c)
{
	assert_int_equal(fakes[0].nr_got, a);
	assert_int_equal(fakes[1].nr_got, b);
	assert_int_equal(fakes[2].nr_got, c);
}

/* Until the loop's timers have done what is due. */
static void stop_now(struct loop_timer *timer)
{
	loop_stop(&loop);
}

static void turn(void)
{
	struct loop_timer timer = { .expired = stop_now };

	loop_timer_start(&loop, &timer, 1000000);
	assert_int_equal(loop_run(&loop), 0);
	loop_timer_cancel(&loop, &timer);
}

/* --- where to --------------------------------------------------------------------------------- */

static void test_learns(void **state)
{
	add_plain();
	say(0, macs[1], macs[0]); /* not known: to all others */
	assert_got(0, 1, 1);
	say(1, macs[0], macs[1]); /* known by now */
	assert_got(1, 1, 1);
	say(0, macs[1], macs[0]);
	assert_got(1, 2, 1);
	say(0, everybody, macs[0]);
	assert_got(1, 3, 2);
	say(2, macs[2], macs[2]); /* to itself */
	assert_got(1, 3, 2);
	assert_int_equal(drops(2, NET_DROP_SAME_PORT), 1);
	/* It has moved. */
	say(2, macs[1], macs[0]);
	say(1, macs[0], macs[1]);
	assert_got(1, 4, 3);
	assert_int_equal(net_switch_count(sw, numbers[0])->in_frames, 3);
	assert_int_equal(net_switch_count(sw, numbers[0])->in_bytes, 180);
	assert_int_equal(net_switch_count(sw, numbers[1])->out_frames, 4);
	assert_int_equal(net_switch_count(sw, numbers[1])->out_bytes, 240);
}

static void test_unplugged(void **state)
{
	add_plain();
	say(0, everybody, macs[0]);
	net_switch_remove(sw, numbers[0]);
	assert_true(fakes[0].is_closed);
	assert_null(net_switch_count(sw, numbers[0]));
	say(1, macs[0], macs[1]); /* forgotten, so to all */
	assert_got(0, 1, 2);
	fake_init(&fakes[0], ALL);
	assert_int_equal(add(0, &(struct net_switch_port){ 0 }), 0);
	assert_int_equal(numbers[0], 0);
	say(2, macs[1], macs[2]);
	assert_got(0, 2, 2);
}

static void test_learns_no_more(void **state)
{
	uint8_t mac[6] = { 2, 1 };

	assert_int_equal(add(0, &(struct net_switch_port){ .macs_max = 2 }), 0);
	assert_int_equal(add(1, &(struct net_switch_port){ 0 }), 0);
	for (unsigned i = 0; i < 5; i++) {
		mac[5] = (uint8_t)i;
		say(0, everybody, mac);
	}
	assert_int_equal(net_switch_count(sw, numbers[0])->not_learnt, 3);
	/* They are learnt where there is room. */
	say(1, mac, mac);
	assert_int_equal(drops(1, NET_DROP_SAME_PORT), 1);
}

static void test_refused(void **state)
{
	static const uint8_t bridges[] = { 1, 0x80, 0xc2, 0, 0, 0 };
	uint8_t frame[2000] = { 2 };

	add_plain();
	give(0, frame, 13);
	assert_int_equal(drops(0, NET_DROP_RUNT), 1);
	give(0, frame, frame_of(frame, macs[1], macs[0], 0x8100, 17));
	assert_int_equal(drops(0, NET_DROP_RUNT), 2);
	give(0, frame, frame_of(frame, macs[1], macs[0], 0x88b5, 1515));
	assert_int_equal(drops(0, NET_DROP_TOO_LONG), 1);
	say(0, macs[1], everybody);
	say(0, macs[1], (uint8_t[6]){ 0 });
	assert_int_equal(drops(0, NET_DROP_BAD_SOURCE), 2);
	say(0, bridges, macs[0]);
	assert_int_equal(drops(0, NET_DROP_RESERVED), 1);
	assert_got(0, 0, 0);
	give(0, frame, frame_of(frame, macs[1], macs[0], 0x88b5, 1514));
	assert_got(0, 1, 1);
	/* In words, all of them. */
	for (unsigned i = 0; i < NET_NR_DROPS; i++)
		assert_non_null(net_drop_name(i));
	assert_string_equal(net_drop_name(NET_DROP_SPOOFED_MAC), "spoofed-mac");
}

static void test_nobody(void **state)
{
	assert_int_equal(add(0, &(struct net_switch_port){ 0 }), 0);
	say(0, everybody, macs[0]);
	say(0, macs[1], macs[0]);
	assert_int_equal(drops(0, NET_DROP_NO_DESTINATION), 2);
}

/* --- VLANs ------------------------------------------------------------------------------------ */

static void test_vlans(void **state)
{
	uint64_t tagged[64] = { 1 << 7 };
	uint8_t frame[64];

	assert_int_equal(add(0, &(struct net_switch_port){ .vlan = 7 }), 0);
	assert_int_equal(add(1, &(struct net_switch_port){ 0 }), 0);
	assert_int_equal(add(2, &(struct net_switch_port){ .tagged_vlans = tagged }), 0);
	say(0, everybody, macs[0]);
	assert_got(0, 0, 1);
	assert_int_equal(fakes[2].got[0].length, 64);
	assert_memory_equal(fakes[2].got[0].bytes, everybody, 6);
	assert_memory_equal(fakes[2].got[0].bytes + 6, macs[0], 6);
	assert_memory_equal(fakes[2].got[0].bytes + 12, "\x81\0\0\x07\x88\xb5", 6);
	say(1, everybody, macs[1]);
	assert_got(0, 0, 2);
	assert_int_equal(fakes[2].got[1].length, 60);
	/* And back, without the tag. */
	frame_of(frame, macs[0], macs[2], 0x8100, sizeof(frame));
	memcpy(frame + 14, "\0\x07\x88\xb5", 4);
	give(2, frame, sizeof(frame));
	assert_got(1, 0, 2);
	assert_int_equal(fakes[0].got[0].length, 60);
	assert_memory_equal(fakes[0].got[0].bytes + 12, "\x88\xb5", 2);
	/* Not in that VLAN; 0 is none; a second tag leads nowhere. */
	frame[15] = 8;
	give(2, frame, sizeof(frame));
	assert_int_equal(drops(2, NET_DROP_VLAN), 1);
	frame[15] = 7;
	memcpy(frame, macs[1], 6);
	give(1, frame, sizeof(frame));
	assert_int_equal(drops(1, NET_DROP_VLAN), 1);
	frame[15] = 0;
	give(2, frame, sizeof(frame));
	assert_got(1, 1, 2);
	assert_int_equal(fakes[1].got[0].length, 60);
	memcpy(frame + 16, "\x81\0\0\x07", 4);
	give(2, frame, sizeof(frame));
	assert_int_equal(drops(2, NET_DROP_VLAN), 2);
}

/* --- guarded ports ---------------------------------------------------------------------------- */

static void add_guarded(void)
{
	for (unsigned i = 0; i < 2; i++) {
		struct net_switch_port config = guarded(i);

		assert_int_equal(add(i, &config), 0);
	}
	assert_int_equal(add(2, &(struct net_switch_port){ 0 }), 0);
}

static void arp(uint8_t frame[42], unsigned operation, const uint8_t *from, unsigned from_ip,
	unsigned to_ip)
{
	const uint8_t head[] = { 0, 1, 8, 0, 6, 4, 0, (uint8_t)operation };

	frame_of(frame, everybody, from, 0x0806, 42);
	memcpy(frame + 14, head, sizeof(head));
	memcpy(frame + 22, from, 6);
	if (from_ip)
		memcpy(frame + 28, (uint8_t[]){ 10, 0, 0, (uint8_t)from_ip }, 4);
	memcpy(frame + 38, (uint8_t[]){ 10, 0, 0, (uint8_t)to_ip }, 4);
}

static void udp4(uint8_t frame[60], unsigned to, unsigned from, unsigned to_port)
{
	frame_of(frame, macs[to], macs[from], 0x0800, 60);
	frame[14] = 0x45;
	frame[23] = IPPROTO_UDP;
	memcpy(frame + 26, (uint8_t[]){ 10, 0, 0, (uint8_t)(from + 1) }, 4);
	memcpy(frame + 30, (uint8_t[]){ 10, 0, 0, (uint8_t)(to + 1) }, 4);
	frame[37] = (uint8_t)to_port;
}

static void test_owned(void **state)
{
	uint8_t frame[60];
	struct net_switch_port config = guarded(0);

	add_guarded();
	assert_int_equal(add(3, &config), -EEXIST);
	memcpy(config.mac, macs[3], 6);
	assert_int_equal(add(3, &config), -EEXIST); /* the address */
	/* A failed one has left nothing. */
	config.addresses[0] = ip4(4);
	assert_int_equal(add(3, &config), 0);
	say(0, macs[1], macs[2]);
	assert_int_equal(drops(0, NET_DROP_SPOOFED_MAC), 1);
	say(2, macs[1], macs[0]);
	assert_int_equal(drops(2, NET_DROP_SPOOFED_MAC), 1);
	assert_got(0, 0, 0);
	udp4(frame, 1, 0, 9);
	give(0, frame, sizeof(frame));
	assert_got(0, 1, 0);
	frame[29] = 2;
	give(0, frame, sizeof(frame));
	assert_int_equal(drops(0, NET_DROP_SPOOFED_ADDRESS), 1);
	memset(frame + 26, 0, 4);
	give(0, frame, sizeof(frame));
	assert_int_equal(drops(0, NET_DROP_SPOOFED_ADDRESS), 2);
	frame[37] = 67; /* a question of DHCP has no address yet */
	give(0, frame, sizeof(frame));
	assert_got(0, 2, 0);
	give(0, frame, 33);
	frame[14] = 0x65;
	give(0, frame, sizeof(frame));
	assert_int_equal(drops(0, NET_DROP_BAD_PACKET), 2);
}

static void test_rogues(void **state)
{
	uint8_t frame[80];
	struct net_switch_port uplink = { .is_uplink = true };

	add_guarded();
	assert_int_equal(add(3, &uplink), 0);
	udp4(frame, 1, 0, 68);
	give(0, frame, 60);
	assert_int_equal(drops(0, NET_DROP_ROGUE_DHCP), 1);
	frame[11] = 3;
	give(2, frame, 60);
	assert_int_equal(drops(2, NET_DROP_ROGUE_DHCP), 1);
	give(3, frame, 60);
	assert_got(0, 1, 0);
	/* An advertisement of a router, behind an extension header. */
	frame_of(frame, macs[1], (uint8_t[]){ 2, 9, 9, 9, 9, 9 }, 0x86dd, sizeof(frame));
	frame[14] = 0x60;
	frame[20] = IPPROTO_DSTOPTS;
	frame[22] = 0xfe;
	frame[23] = 0x80;
	frame[54] = IPPROTO_ICMPV6;
	frame[62] = 134;
	give(2, frame, sizeof(frame));
	assert_int_equal(drops(2, NET_DROP_ROGUE_ROUTER), 1);
	frame[62] = 137;
	give(2, frame, sizeof(frame));
	assert_int_equal(drops(2, NET_DROP_ROGUE_ROUTER), 2);
	/* Headers that end nowhere. */
	frame[55] = 200;
	give(2, frame, sizeof(frame));
	frame[55] = 0;
	frame[54] = frame[62] = frame[70] = IPPROTO_DSTOPTS;
	give(2, frame, sizeof(frame));
	assert_int_equal(drops(2, NET_DROP_BAD_PACKET), 2);
	assert_got(0, 1, 0);
}

static void test_arp(void **state)
{
	uint8_t frame[42];

	add_guarded();
	arp(frame, 1, macs[0], 1, 2); /* who has .2? */
	give(0, frame, sizeof(frame));
	assert_got(1, 0, 0);
	assert_int_equal(fakes[0].got[0].length, 42);
	assert_memory_equal(fakes[0].got[0].bytes, macs[0], 6);
	assert_memory_equal(fakes[0].got[0].bytes + 6, macs[1], 6);
	assert_memory_equal(fakes[0].got[0].bytes + 14, "\0\1\x08\0\6\4\0\2", 8);
	assert_memory_equal(fakes[0].got[0].bytes + 22, macs[1], 6);
	assert_memory_equal(fakes[0].got[0].bytes + 28, "\x0a\0\0\2", 4);
	assert_memory_equal(fakes[0].got[0].bytes + 32, macs[0], 6);
	assert_memory_equal(fakes[0].got[0].bytes + 38, "\x0a\0\0\1", 4);
	assert_int_equal(net_switch_count(sw, numbers[0])->answered, 1);
	arp(frame, 1, macs[0], 0, 2); /* is .2 free? */
	give(0, frame, sizeof(frame));
	assert_got(2, 0, 0);
	arp(frame, 1, macs[0], 1, 9); /* only who is learnt can have it */
	give(0, frame, sizeof(frame));
	assert_got(2, 0, 1);
	arp(frame, 1, macs[0], 1, 1); /* here I am */
	give(0, frame, sizeof(frame));
	assert_got(2, 1, 2);
	arp(frame, 1, macs[0], 2, 9);
	give(0, frame, sizeof(frame));
	arp(frame, 2, macs[0], 2, 1);
	give(0, frame, sizeof(frame));
	arp(frame, 2, macs[0], 1, 1);
	frame[22] = 4;
	give(0, frame, sizeof(frame));
	assert_int_equal(drops(0, NET_DROP_SPOOFED_NEIGHBOUR), 3);
	give(0, frame, 41);
	assert_int_equal(drops(0, NET_DROP_BAD_PACKET), 1);
	assert_got(2, 1, 2);
}

/* A solicitation of `target` with the source's MAC as an option. */
static void solicit(uint8_t frame[86], unsigned from, const struct in6_addr *source,
	const struct in6_addr *target)
{
	frame_of(frame, (uint8_t[]){ 0x33, 0x33, 255, 0, 0, 1 }, macs[from], 0x86dd, 86);
	frame[14] = 0x60;
	frame[19] = 32;
	frame[20] = IPPROTO_ICMPV6;
	frame[21] = 255;
	memcpy(frame + 22, source, 16);
	memcpy(frame + 38, "\xff\2\0\0\0\0\0\0\0\0\0\1\xff\0\0\1", 16);
	frame[54] = 135;
	memcpy(frame + 62, target, 16);
	memcpy(frame + 78, "\1\1", 2);
	memcpy(frame + 80, macs[from], 6);
}

static void test_neighbours(void **state)
{
	struct in6_addr a, b, local, none = { 0 };
	struct net_switch_port config;
	uint8_t frame[86], pseudo[] = { 0, 32, 0, IPPROTO_ICMPV6 };

	inet_pton(AF_INET6, "fd00::a", &a);
	inet_pton(AF_INET6, "fd00::b", &b);
	inet_pton(AF_INET6, "fe80::a", &local);
	for (unsigned i = 0; i < 2; i++) {
		config = guarded(i);
		config.addresses[0] = i ? b : a;
		assert_int_equal(add(i, &config), 0);
	}
	assert_int_equal(add(2, &(struct net_switch_port){ 0 }), 0);
	solicit(frame, 0, &a, &b);
	give(0, frame, sizeof(frame));
	assert_got(1, 0, 0);
	assert_int_equal(fakes[0].got[0].length, 86);
	assert_memory_equal(fakes[0].got[0].bytes, macs[0], 6);
	assert_memory_equal(fakes[0].got[0].bytes + 22, &b, 16);
	assert_memory_equal(fakes[0].got[0].bytes + 38, &a, 16);
	assert_int_equal(fakes[0].got[0].bytes[54], 136);
	assert_int_equal(fakes[0].got[0].bytes[58], 0x60); /* solicited, override */
	assert_memory_equal(fakes[0].got[0].bytes + 62, &b, 16);
	assert_memory_equal(fakes[0].got[0].bytes + 80, macs[1], 6);
	assert_int_equal(net_sum(net_sum(0, pseudo, 4), fakes[0].got[0].bytes + 22, 64), 0xffff);
	/* Whether it is free: to all, and not as asked by that one. */
	solicit(frame, 0, &none, &b);
	give(0, frame, sizeof(frame));
	assert_got(2, 0, 0);
	assert_int_equal(fakes[0].got[1].bytes[58], 0x20);
	assert_memory_equal(fakes[0].got[1].bytes + 38, "\xff\2\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16);
	solicit(frame, 0, &b, &a);
	give(0, frame, sizeof(frame));
	assert_int_equal(drops(0, NET_DROP_SPOOFED_ADDRESS), 1);
	/* A link-local address is the first one's who speaks with it. */
	solicit(frame, 0, &local, &b);
	give(0, frame, sizeof(frame));
	assert_got(3, 0, 0);
	solicit(frame, 1, &local, &a);
	give(1, frame, sizeof(frame));
	assert_int_equal(drops(1, NET_DROP_SPOOFED_ADDRESS), 1);
	solicit(frame, 1, &b, &local);
	give(1, frame, sizeof(frame));
	assert_got(3, 1, 0);
	assert_memory_equal(fakes[1].got[0].bytes + 80, macs[0], 6);
	/* Claims, and another's MAC in an option. */
	solicit(frame, 0, &a, &b);
	frame[54] = 136;
	give(0, frame, sizeof(frame));
	solicit(frame, 0, &a, &b);
	frame[80] ^= 4;
	give(0, frame, sizeof(frame));
	assert_int_equal(drops(0, NET_DROP_SPOOFED_NEIGHBOUR), 2);
	assert_got(3, 1, 0);
}

static void test_locals_end(void **state)
{
	struct in6_addr local, owned;
	uint8_t frame[86];

	add_guarded();
	inet_pton(AF_INET6, "fe80::1:0", &local);
	inet_pton(AF_INET6, "fd00::99", &owned);
	for (unsigned i = 0; i < 10; i++) {
		local.s6_addr[15] = (uint8_t)i;
		solicit(frame, 0, &local, &owned);
		give(0, frame, sizeof(frame));
	}
	assert_int_equal(drops(0, NET_DROP_SPOOFED_ADDRESS), 2);
	/* What is unplugged has none. */
	net_switch_remove(sw, numbers[0]);
	local.s6_addr[15] = 0;
	solicit(frame, 1, &local, &owned);
	give(1, frame, sizeof(frame));
	assert_int_equal(drops(1, NET_DROP_SPOOFED_ADDRESS), 0);
}

/* --- unfinished work -------------------------------------------------------------------------- */

#define PAYLOAD 3000
#define HEADERS (14 + 20 + 20)

/* A TCP segment of PAYLOAD bytes, in three by 1400. */
static void large_tcp(uint8_t *frame, struct virtio_net_hdr *offload)
{
	frame_of(frame, macs[1], macs[0], 0x0800, HEADERS + PAYLOAD);
	memcpy(frame + 14, "\x45\0\x0b\xe0\0\x10\x40\0\x40\6", 10);
	memcpy(frame + 26, "\x0a\0\0\1\x0a\0\0\2", 8);
	memcpy(frame + 34, "\0\x50\0\x51\0\0\0\xff", 8);
	frame[46] = 0x50;
	frame[47] = 0x99; /* CWR, ACK, PSH, FIN */
	for (unsigned i = 0; i < PAYLOAD; i++)
		frame[HEADERS + i] = (uint8_t)(i * 7);
	*offload = (struct virtio_net_hdr){ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		.gso_size = 1400,
		.csum_start = 34,
		.csum_offset = 16 };
}

static void check_segment(const struct fake_frame *got, unsigned index, size_t payload)
{
	static const uint8_t flags[] = { 0x90, 0x10, 0x19 };
	uint8_t pseudo[] = { 0, IPPROTO_TCP, 0, 0 };
	uint32_t sequence = htonl(255 + index * 1400);

	assert_int_equal(got->length, HEADERS + payload);
	assert_int_equal(got->offload.gso_type | got->offload.flags, 0);
	assert_int_equal(got->bytes[16] << 8 | got->bytes[17], 40 + payload);
	assert_int_equal(got->bytes[18] << 8 | got->bytes[19], 0x10 + index);
	assert_int_equal(net_sum(0, got->bytes + 14, 20), 0xffff);
	assert_memory_equal(got->bytes + 38, &sequence, 4);
	assert_int_equal(got->bytes[47], flags[index]);
	pseudo[2] = (uint8_t)((20 + payload) >> 8);
	pseudo[3] = (uint8_t)(20 + payload);
	assert_int_equal(net_sum(net_sum(0, pseudo, 4), got->bytes + 26, 8 + 20 + payload), 0xffff);
	for (unsigned i = 0; i < payload; i++)
		assert_int_equal(got->bytes[HEADERS + i], (uint8_t)((index * 1400 + i) * 7));
}

static void test_segments(void **state)
{
	uint8_t frame[HEADERS + PAYLOAD];
	struct virtio_net_hdr offload;

	fakes[1].port.takes = NET_OFFLOAD_CHECKSUM;
	add_plain();
	say(1, everybody, macs[1]);
	large_tcp(frame, &offload);
	fake_give(&fakes[0], frame, sizeof(frame), &offload);
	fake_ready(&fakes[0]);
	assert_int_equal(fakes[1].nr_got, 3);
	check_segment(&fakes[1].got[0], 0, 1400);
	check_segment(&fakes[1].got[1], 1, 1400);
	check_segment(&fakes[1].got[2], 2, 200);
	/* Who takes it gets it whole. */
	fakes[1].port.takes = ALL;
	fake_give(&fakes[0], frame, sizeof(frame), &offload);
	fake_ready(&fakes[0]);
	assert_int_equal(fakes[1].nr_got, 4);
	assert_int_equal(fakes[1].got[3].length, sizeof(frame));
	assert_int_equal(fakes[1].got[3].offload.gso_size, 1400);
	assert_int_equal(fakes[1].got[3].offload.hdr_len, HEADERS);
	assert_memory_equal(fakes[1].got[3].bytes, frame, sizeof(frame));
}

static void test_segments_tagged(void **state)
{
	uint64_t tagged[64] = { 1 << 7 };
	uint8_t frame[HEADERS + PAYLOAD];
	struct virtio_net_hdr offload;

	assert_int_equal(add(0, &(struct net_switch_port){ .vlan = 7 }), 0);
	assert_int_equal(add(1, &(struct net_switch_port){ .tagged_vlans = tagged }), 0);
	large_tcp(frame, &offload);
	fake_give(&fakes[0], frame, sizeof(frame), &offload);
	fake_ready(&fakes[0]);
	assert_int_equal(fakes[1].nr_got, 1);
	assert_int_equal(fakes[1].got[0].length, sizeof(frame) + 4);
	assert_int_equal(fakes[1].got[0].offload.csum_start, 38);
	fakes[1].port.takes = 0;
	fake_give(&fakes[0], frame, sizeof(frame), &offload);
	fake_ready(&fakes[0]);
	assert_int_equal(fakes[1].nr_got, 4);
	for (unsigned i = 1; i < 4; i++) {
		struct fake_frame *got = &fakes[1].got[i];

		assert_memory_equal(got->bytes + 12, "\x81\0\0\7\x08\0\x45", 7);
		memmove(got->bytes + 4, got->bytes, 12);
		got->bytes += 4;
		got->length -= 4;
		check_segment(got, i - 1, i < 3 ? 1400 : 200);
		got->bytes -= 4;
	}
}

static void test_checksum(void **state)
{
	uint8_t frame[60];
	struct virtio_net_hdr offload = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 34, .csum_offset = 6
	};

	fakes[2].port.takes = 0;
	add_plain();
	udp4(frame, 1, 0, 9);
	memcpy(frame, everybody, 6);
	fake_give(&fakes[0], frame, sizeof(frame), &offload);
	fake_ready(&fakes[0]);
	/* One of them takes it undone, but it is the same frame. */
	assert_got(0, 1, 1);
	for (unsigned i = 1; i < 3; i++) {
		assert_int_equal(fakes[i].got[0].offload.flags, 0);
		assert_int_equal(net_sum(0, fakes[i].got[0].bytes + 34, 26), 0xffff);
	}
	memcpy(frame, macs[1], 6);
	say(1, everybody, macs[1]);
	fake_give(&fakes[0], frame, sizeof(frame), &offload);
	fake_ready(&fakes[0]);
	assert_int_equal(fakes[1].got[1].offload.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	assert_int_equal(fakes[1].got[1].offload.csum_start, 34);
}

static void test_bad_offloads(void **state)
{
	static const struct virtio_net_hdr bad[] = {
		{ .flags = 1, .csum_start = 13, .csum_offset = 6 },
		{ .flags = 1, .csum_start = 5000, .csum_offset = 6 },
		{ .flags = 1, .csum_start = 34, .csum_offset = 3019 },
		{ .flags = 1, .gso_type = 1, .csum_start = 34, .csum_offset = 16 },
		{ .gso_type = 1, .gso_size = 1400, .csum_start = 34, .csum_offset = 16 },
		{ .flags = 1, .gso_type = 1, .gso_size = 20, .csum_start = 34, .csum_offset = 16 },
		{ .flags = 1,
			.gso_type = 1,
			.gso_size = 1400,
			.csum_start = 35,
			.csum_offset = 16 },
		{ .flags = 1, .gso_type = 1, .gso_size = 1400, .csum_start = 34, .csum_offset = 6 },
		{ .flags = 1,
			.gso_type = 4,
			.gso_size = 1400,
			.csum_start = 34,
			.csum_offset = 16 },
		{ .flags = 1, .gso_type = 3, .gso_size = 1400, .csum_start = 34, .csum_offset = 6 },
	};
	uint8_t frame[HEADERS + PAYLOAD];
	struct virtio_net_hdr offload;

	/* So that only what is undone can be wrong. */
	net_switch_close(sw);
	assert_int_equal(net_switch_open(&loop, NET_MTU_MAX, &sw, NULL), 0);
	add_plain();
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		large_tcp(frame, &offload);
		fake_give(&fakes[0], frame, sizeof(frame), &bad[i]);
		fake_ready(&fakes[0]);
		assert_int_equal(drops(0, NET_DROP_BAD_OFFLOAD), i + 1);
	}
	/* Headers that are longer than the frame, or no TCP. */
	frame[46] = 0xf0;
	fake_give(&fakes[0], frame, HEADERS + 20, &offload);
	frame[46] = 0x50;
	frame[23] = IPPROTO_UDP;
	fake_give(&fakes[0], frame, sizeof(frame), &offload);
	fake_ready(&fakes[0]);
	assert_int_equal(drops(0, NET_DROP_BAD_OFFLOAD), ARRAY_SIZE(bad) + 2);
	assert_got(0, 0, 0);
}

/* --- queues and limits ------------------------------------------------------------------------ */

static void test_queue(void **state)
{
	add_plain();
	say(1, everybody, macs[1]);
	say(2, macs[1], macs[2]);
	fake_reset(&fakes[1]);
	fakes[1].room = 2;
	for (unsigned i = 0; i < 100; i++)
		say(0, macs[1], macs[0]);
	assert_int_equal(fakes[1].nr_got, 2);
	assert_int_equal(drops(1, NET_DROP_QUEUE_FULL), 0);
	/* It is not asked again before it has said that it can. */
	assert_int_equal(fakes[1].calls, 3);
	/* Others are not held up. */
	say(0, macs[2], macs[0]);
	assert_int_equal(fakes[2].nr_got, 2);
	fakes[1].room = 50;
	fake_ready(&fakes[1]);
	assert_int_equal(fakes[1].nr_got, 52);
	fakes[1].room = 1000;
	fake_ready(&fakes[1]);
	assert_int_equal(fakes[1].nr_got, 100);
	say(0, macs[1], macs[0]);
	assert_int_equal(fakes[1].nr_got, 101);
}

static void test_queue_full(void **state)
{
	uint8_t frame[1500];

	add_plain();
	say(1, everybody, macs[1]);
	fakes[1].room = 0;
	frame_of(frame, macs[1], macs[0], 0x88b5, sizeof(frame));
	for (unsigned i = 0; i < 4; i++) {
		for (unsigned k = 0; k < 256; k++)
			fake_give(&fakes[0], frame, sizeof(frame), NULL);
		fake_ready(&fakes[0]);
		fake_reset(&fakes[0]);
	}
	/* It waits in one MiB. */
	assert_in_range(drops(1, NET_DROP_QUEUE_FULL), 300, 350);
	assert_int_equal(fakes[1].nr_got, 0);
	assert_int_equal(fakes[1].calls, 1);
}

static void test_in_limit(void **state)
{
	uint8_t frame[1500];
	unsigned nr;

	assert_int_equal(add(0, &(struct net_switch_port){ .in_bytes_per_s = 1000000 }), 0);
	assert_int_equal(add(1, &(struct net_switch_port){ 0 }), 0);
	frame_of(frame, everybody, macs[0], 0x88b5, sizeof(frame));
	for (unsigned i = 0; i < 200; i++)
		fake_give(&fakes[0], frame, sizeof(frame), NULL);
	fake_ready(&fakes[0]);
	/* 64 KiB at once, and one batch more. */
	nr = fakes[1].nr_got;
	assert_in_range(nr, 64 * 1024 / 1500, 110);
	/* The others stay where they are, and come by themselves, in time. */
	assert_int_equal(fakes[0].next_given, nr);
	while (fakes[1].nr_got < 200)
		turn();
	assert_int_equal(drops(0, NET_DROP_FLOOD_LIMIT), 0);
}

static void test_out_limit(void **state)
{
	uint8_t frame[1500];

	assert_int_equal(add(0, &(struct net_switch_port){ 0 }), 0);
	assert_int_equal(add(1, &(struct net_switch_port){ .out_bytes_per_s = 1000000 }), 0);
	frame_of(frame, everybody, macs[0], 0x88b5, sizeof(frame));
	for (unsigned i = 0; i < 200; i++)
		fake_give(&fakes[0], frame, sizeof(frame), NULL);
	fake_ready(&fakes[0]);
	assert_in_range(fakes[1].nr_got, 64 * 1024 / 1500, 110);
	while (fakes[1].nr_got < 200)
		turn();
	assert_int_equal(drops(1, NET_DROP_QUEUE_FULL), 0);
}

static void test_flood_limit(void **state)
{
	assert_int_equal(add(0, &(struct net_switch_port){ .floods_per_s = 1 }), 0);
	assert_int_equal(add(1, &(struct net_switch_port){ 0 }), 0);
	say(0, everybody, macs[0]);
	say(0, everybody, macs[0]);
	say(0, everybody, macs[0]);
	assert_int_equal(fakes[1].nr_got, 1);
	assert_int_equal(drops(0, NET_DROP_FLOOD_LIMIT), 2);
	/* What is for one goes on. */
	say(1, everybody, macs[1]);
	say(0, macs[1], macs[0]);
	assert_int_equal(fakes[1].nr_got, 2);
}

static void test_what_was_there(void **state)
{
	uint8_t frame[60];

	assert_int_equal(add(1, &(struct net_switch_port){ 0 }), 0);
	fake_give(&fakes[0], frame, frame_of(frame, everybody, macs[0], 0x88b5, 60), NULL);
	assert_int_equal(add(0, &(struct net_switch_port){ 0 }), 0);
	while (!fakes[1].nr_got)
		turn();
}

static void test_config(void **state)
{
	struct net_switch_port config = { .is_guarded = true };
	uint64_t tagged[64] = { 0 };
	struct net_switch *other;

	assert_int_equal(add(0, &config), -EINVAL);
	config = guarded(0);
	config.mac[0] |= 1;
	assert_int_equal(add(0, &config), -EINVAL);
	config = guarded(0);
	config.vlan = 4095;
	assert_int_equal(add(0, &config), -EINVAL);
	config.vlan = 0;
	config.tagged_vlans = tagged;
	assert_int_equal(add(0, &config), -EINVAL);
	config.tagged_vlans = NULL;
	config.nr_addresses = NET_SWITCH_ADDRESSES_MAX + 1;
	assert_int_equal(add(0, &config), -EINVAL);
	assert_int_equal(net_switch_open(&loop, 1000, &other, NULL), -EINVAL);
	assert_null(net_switch_count(sw, 0));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_learns),
		TEST(test_unplugged),
		TEST(test_learns_no_more),
		TEST(test_refused),
		TEST(test_nobody),
		TEST(test_vlans),
		TEST(test_owned),
		TEST(test_rogues),
		TEST(test_arp),
		TEST(test_neighbours),
		TEST(test_locals_end),
		TEST(test_segments),
		TEST(test_segments_tagged),
		TEST(test_checksum),
		TEST(test_bad_offloads),
		TEST(test_queue),
		TEST(test_queue_full),
		TEST(test_in_limit),
		TEST(test_out_limit),
		TEST(test_flood_limit),
		TEST(test_what_was_there),
		TEST(test_config),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
