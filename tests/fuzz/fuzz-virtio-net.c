/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-virtio-net.c - the network card in the hands of a driver that does as it likes
 * (virtio-steps.h). Its port sees to it that all memory it is given is the guest's, and writes to
 * what it may write to.
 */
#include "device/virtio/net.h"
#include "fuzz/virtio-steps.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TURNS 4

static const uint8_t mac[NET_MAC_BYTES] = { 0x52, 0x54, 0, 0x12, 0x34, 0x56 };
static struct loop loop;
static struct virtio_net *net;
static struct net_port port;
static unsigned room; /* frames that the port takes */
static uint32_t waiting; /* bytes of the frame for the guest; 0: none */

static void check_parts(const struct net_frame *frame)
{
	const uint8_t *start = vm_memory_at(&memory, START, BYTES);

	check(frame->nr_parts <= NET_PARTS_MAX);
	for (unsigned i = 0; i < frame->nr_parts; i++) {
		const struct iovec *part = &frame->parts[i];
		const uint8_t *at = part->iov_base;

		check(!part->iov_len || (at >= start && at + part->iov_len <= start + BYTES));
	}
}

static unsigned take_frames(struct net_port *p, const struct net_frame *frames, unsigned nr)
{
	unsigned i;

	for (i = 0; i < nr && room; i++, room--) {
		uint32_t length = 0;

		check_parts(&frames[i]);
		for (unsigned k = 0; k < frames[i].nr_parts; k++)
			length += (uint32_t)frames[i].parts[k].iov_len;
		check(!frames[i].nr_parts || length == frames[i].length);
		check(length <= NET_FRAME_MAX);
	}
	return i;
}

static size_t next_length(struct net_port *p)
{
	return waiting;
}

static unsigned give_frame(struct net_port *p, struct net_frame *frames, unsigned nr)
{
	uint32_t left = waiting;

	if (!waiting)
		return 0;
	waiting = 0;
	check_parts(frames);
	frames->length = left;
	for (unsigned i = 0; i < frames->nr_parts && left; i++) {
		size_t n = frames->parts[i].iov_len < left ? frames->parts[i].iov_len : left;

		memset(frames->parts[i].iov_base, 0x52, n);
		left -= (uint32_t)n;
	}
	if (left)
		frames->length = 0;
	return 1;
}

static int set_offloads(struct net_port *p, unsigned offloads, struct error *err)
{
	check(!(offloads & ~p->gives));
	return 0;
}

static const struct net_port_ops ops = {
	.name = "fuzz",
	.send = take_frames,
	.next_length = next_length,
	.receive = give_frame,
	.set_offloads = set_offloads,
};

static void stop_now(struct loop_timer *timer)
{
	loop_stop(&loop);
}

static void work(uint64_t how)
{
	room = how & 15;
	if (how & 16)
		waiting = how >> 8 & 0xffff;
	if (how & 32)
		virtio_net_set_link(net, how & 64);
	port.ready(&port, port.context);
	for (unsigned i = 0; i < TURNS; i++) {
		struct loop_timer timer = { .expired = stop_now };

		loop_timer_start(&loop, &timer, 0);
		check(loop_run(&loop) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const unsigned all = NET_OFFLOAD_CHECKSUM | NET_OFFLOAD_TSO4 | NET_OFFLOAD_TSO6;

	room = waiting = 0;
	port = (struct net_port){ .ops = &ops, .takes = all, .gives = all, .mtu = NET_MTU_MAX };
	check(loop_open(&loop, NULL) == 0);
	steps_open_memory();
	check(virtio_net_new(&loop, &memory, &port, mac, &net, NULL) == 0);
	steps_attach(virtio_net_device(net));
	steps_run(data, size, work);
	work(31);
	virtio_net_free(net);
	steps_close();
	loop_close(&loop);
	return 0;
}
