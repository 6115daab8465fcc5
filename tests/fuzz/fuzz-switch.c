/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-switch.c - frames of anybody's choice into a switch with guarded ports, a trunk and an
 * uplink. What has to hold whatever comes: nothing comes back to where it is from but answers to
 * questions; what is guarded comes with its own MAC; nobody gets what is for another VLAN, longer
 * than the MTU, or undone in a way that it does not take; and every frame is counted.
 *
 * Input, again and again: the port, how the frame is undone (a byte for flags, one for the type,
 * two for the size, two for each place), 16 bits of length, and the frame's first bytes, which
 * 16 bits before them count; the rest is zero. A port of 0x80 and more makes room in another.
 */
#include "net/switch.h"
#include "unit/net/fake-port.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NR	   5
#define UPLINK	   4
#define TRUNK	   3
#define OTHER_VLAN 9
#define MTU	   1500
#define STEPS_MAX  256

#define check(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

static struct fake_port fakes[NR];
static unsigned numbers[NR];
static struct net_switch *sw;
static struct loop loop;
static bool has_waited; /* a frame may be another step's */

static const unsigned takes[NR] = { 0,
	NET_OFFLOAD_CHECKSUM | NET_OFFLOAD_TSO4 | NET_OFFLOAD_TSO6 | NET_OFFLOAD_TSO_ECN,
	NET_OFFLOAD_CHECKSUM, 0, NET_OFFLOAD_CHECKSUM | NET_OFFLOAD_TSO4 };

static void mac_of(uint8_t mac[NET_MAC_BYTES], unsigned i)
{
	memcpy(mac, (uint8_t[]){ 2, 0x42, 10, 0, 0, (uint8_t)(i + 1) }, NET_MAC_BYTES);
}

static void open_switch(void)
{
	uint64_t tagged[64] = { 1u << OTHER_VLAN };

	check(loop_open(&loop, NULL) == 0);
	check(net_switch_open(&loop, MTU, &sw, NULL) == 0);
	for (unsigned i = 0; i < NR; i++) {
		struct net_switch_port config = { .is_guarded = i < TRUNK,
			.is_uplink = i == UPLINK,
			.vlan = i == 2 ? OTHER_VLAN : 0,
			.macs_max = 4 };

		if (i == TRUNK) {
			config.tagged_vlans = tagged;
		} else {
			mac_of(config.mac, i);
			config.nr_addresses = 2;
			config.addresses[0] = (struct in6_addr){
				.s6_addr = { [10] = 255,
					[11] = 255,
					[12] = 10,
					[15] = (uint8_t)(i + 1) }
			};
			config.addresses[1] = (struct in6_addr){
				.s6_addr = { [0] = 0xfd, [15] = (uint8_t)(i + 1) }
			};
		}
		fake_init(&fakes[i], takes[i]);
		check(net_switch_add(sw, &fakes[i].port, &config, &numbers[i], NULL) == 0);
	}
}

static void check_undone(const struct fake_frame *frame, unsigned taken)
{
	const struct virtio_net_hdr *undone = &frame->offload;

	if (undone->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
		check(taken & NET_OFFLOAD_CHECKSUM);
		check(undone->csum_start + undone->csum_offset + 2u <= frame->length);
	}
	switch (undone->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_NONE:
		/* With a tag, if it has one. */
		check(frame->length <= NET_HEADER_BYTES + 4 + MTU);
		break;
	case VIRTIO_NET_HDR_GSO_TCPV4:
		check(taken & NET_OFFLOAD_TSO4 && undone->hdr_len <= frame->length);
		break;
	default:
		check(undone->gso_type == VIRTIO_NET_HDR_GSO_TCPV6 ||
			undone->gso_type == (VIRTIO_NET_HDR_GSO_TCPV6 | VIRTIO_NET_HDR_GSO_ECN));
		check(taken & NET_OFFLOAD_TSO6 && undone->hdr_len <= frame->length);
	}
}

static void check_got(unsigned to, unsigned from, const struct fake_frame *frame)
{
	uint8_t mac[NET_MAC_BYTES];

	check(frame->length >= NET_HEADER_BYTES && !(frame->bytes[6] & 1));
	check_undone(frame, takes[to]);
	/* Only a trunk sees tags. */
	check(to == TRUNK || frame->bytes[12] != 0x81 || frame->bytes[13]);
	if (has_waited)
		return;
	if (from < TRUNK && to != from) {
		mac_of(mac, from);
		check(!memcmp(frame->bytes + NET_MAC_BYTES, mac, sizeof(mac)));
	}
	if (to == from)
		check(net_switch_count(sw, numbers[from])->answered);
	/* Port 2 is alone with the trunk in its VLAN. */
	check((to == 2) == (from == 2) || to == TRUNK || from == TRUNK);
}

static void check_counted(unsigned from, uint64_t given)
{
	const struct net_switch_counters *counters = net_switch_count(sw, numbers[from]);

	check(counters->in_frames == given);
}

/* One frame; how much of the input it took. */
static size_t step(const uint8_t *data, size_t size, uint64_t given[NR])
{
	static uint8_t frame[NET_FRAME_MAX];
	struct virtio_net_hdr undone = { .flags = data[1], .gso_type = data[2] };
	uint16_t numbers16[5];
	unsigned from = data[0] % NR;
	size_t head = 3 + sizeof(numbers16), nr, length;
	unsigned room;

	memcpy(numbers16, data + 3, sizeof(numbers16));
	undone.gso_size = numbers16[0];
	undone.csum_start = numbers16[1];
	undone.csum_offset = numbers16[2];
	length = numbers16[3];
	nr = numbers16[4] % 256;
	nr = nr < size - head ? nr : size - head;
	if (data[0] & 0x80)
		fakes[data[1] % NR].room = data[2];
	memset(frame, 0, length);
	memcpy(frame, data + head, nr < length ? nr : length);
	fake_give(&fakes[from], frame, length, &undone);
	fake_ready(&fakes[from]);
	given[from]++;
	for (unsigned to = 0; to < NR; to++) {
		for (unsigned i = 0; i < fakes[to].nr_got; i++)
			check_got(to, from, &fakes[to].got[i]);
		room = fakes[to].room;
		fake_reset(&fakes[to]);
		fakes[to].room = room < 16 ? room : FAKE_FRAMES_MAX;
		has_waited |= room < 16;
	}
	check_counted(from, given[from]);
	return head + nr;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t given[NR] = { 0 };

	has_waited = false;
	open_switch();
	for (unsigned i = 0; i < STEPS_MAX && size > 13; i++) {
		size_t done = step(data, size, given);

		data += done;
		size -= done;
	}
	sw = net_switch_close(sw);
	for (unsigned i = 0; i < NR; i++)
		check(fakes[i].is_closed);
	loop_close(&loop);
	return 0;
}
