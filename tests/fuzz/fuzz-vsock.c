/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-vsock.c - a guest that sends any packets through a vsock device, between which the host's
 * ends do what they like. An input is a row of steps of 16 bytes. Whatever comes, the guest gets
 * whole packets, with right addresses, and no more than the credit it has given.
 */
#include <linux/virtio_vsock.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "device/virtio/vsock.h"
#include "unit/device/driver.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PORTS	  4
#define FDS	  16
#define RX_BYTES  512u
#define RX_AT(i)  (BUFFERS + 0x1000 * (uint64_t)(i))
#define TX_AT	  (BUFFERS + 0x100000)
#define STEPS_MAX 256

enum step_kind {
	STEP_PACKET,
	STEP_HOST_SENDS,
	STEP_HOST_READS,
	STEP_HOST_SHUTS,
	STEP_HOST_CLOSES,
	STEP_HOST_CONNECTS,
	STEP_BUFFERS, /* the guest takes packets, and puts its buffers back */
	STEP_AGAIN, /* a new driver */
	STEP_NR,
};

struct step {
	uint8_t kind, op, guest_port, host_port;
	uint8_t blocks; /* of 256 bytes */
	uint8_t lies; /* bit 0: source; 1: destination; 2: type; 3: length; 4: no whole header */
	uint16_t flags;
	uint32_t buffer, taken;
};

static struct driver driver;
static struct loop loop;
static struct virtio_vsock *vsock;
static struct virtio_vsock_service services[PORTS];
static int fds[FDS];
static uint32_t credit; /* the most that was ever given in an input, or without end */
static uint8_t bytes_to_send[256 * 256];

static void connected(struct virtio_vsock_service *service, int fd)
{
	for (unsigned i = 0; i < FDS; i++) {
		if (fds[i] < 0) {
			fds[i] = fd;
			return;
		}
	}
	close(fd);
}

static void stop_now(struct loop_timer *timer)
{
	loop_stop(&loop);
}

static void settle(void)
{
	for (unsigned i = 0; i < 6; i++) {
		struct loop_timer timer = { .expired = stop_now };

		loop_timer_start(&loop, &timer, 0);
		loop_run(&loop);
	}
}

static void check(bool is_true)
{
	if (!is_true)
		abort();
}

static void check_packet(uint16_t head, uint32_t bytes)
{
	const struct vring_desc *descriptor = driver_descriptor(&driver, 0, head);
	const struct virtio_vsock_hdr *header = driver_at(&driver, descriptor->addr, RX_BYTES);

	check(bytes >= sizeof(*header) && header->len == bytes - sizeof(*header));
	check(header->src_cid == VIRTIO_VSOCK_HOST_CID);
	check(header->dst_cid == VIRTIO_VSOCK_GUEST_CID);
	check(header->op >= VIRTIO_VSOCK_OP_REQUEST &&
		header->op <= VIRTIO_VSOCK_OP_CREDIT_REQUEST);
	check(header->len == 0 || header->op == VIRTIO_VSOCK_OP_RW);
	check(header->len <= credit);
}

static void take_packets(void)
{
	uint16_t head;
	uint32_t bytes;

	while (driver_take(&driver, 0, &head, &bytes)) {
		check_packet(head, bytes);
		driver_offer(&driver, 0, head);
	}
	driver_notify(&driver, 0);
}

static void start_driver(void)
{
	driver_start(&driver, 0);
	for (unsigned i = 0; i < QUEUE_SIZE / 2; i++) {
		const struct driver_part part = { RX_AT(i), RX_BYTES, true };

		driver_add(&driver, 0, &part, 1);
	}
	driver_notify(&driver, 0);
}

static void send_packet(const struct step *step)
{
	uint32_t length = step->blocks * 256u;
	struct virtio_vsock_hdr header = {
		.src_cid = step->lies & 1 ? step->flags : VIRTIO_VSOCK_GUEST_CID,
		.dst_cid = step->lies & 2 ? step->flags : VIRTIO_VSOCK_HOST_CID,
		.src_port = step->guest_port % PORTS,
		.dst_port = step->host_port % (PORTS * 2),
		.len = step->lies & 8 ? step->buffer : length,
		.type = step->lies & 4 ? step->flags : VIRTIO_VSOCK_TYPE_STREAM,
		.op = step->op,
		.flags = step->flags,
		.buf_alloc = step->buffer,
		.fwd_cnt = step->taken,
	};
	const struct driver_part parts[] = {
		{ TX_AT, step->lies & 16 ? step->blocks % sizeof(header) : sizeof(header) },
		{ TX_AT + 64, length },
	};
	uint16_t head;
	uint32_t written;

	/* Ports of connections that the host has begun. */
	if (step->host_port & 0x80)
		header.dst_port = 0x40000000u + step->host_port % PORTS;
	if (step->buffer > credit)
		credit = step->buffer;
	memcpy(driver_at(&driver, TX_AT, sizeof(header)), &header, sizeof(header));
	driver_add(&driver, 1, parts, 2);
	driver_notify(&driver, 1);
	settle();
	while (driver_take(&driver, 1, &head, &written))
		check(!written);
}

static void host_step(const struct step *step)
{
	int *fd = &fds[step->host_port % FDS];

	switch (step->kind % STEP_NR) {
	case STEP_HOST_SENDS:
		send(*fd, bytes_to_send, step->blocks * 256u + 1, MSG_DONTWAIT | MSG_NOSIGNAL);
		break;
	case STEP_HOST_READS:
		recv(*fd, bytes_to_send, step->blocks * 256u + 1, MSG_DONTWAIT);
		break;
	case STEP_HOST_SHUTS:
		shutdown(*fd, step->flags % 3);
		break;
	case STEP_HOST_CLOSES:
		cleanup_close(fd);
		*fd = -1;
		break;
	case STEP_HOST_CONNECTS:
		if (*fd < 0)
			virtio_vsock_connect(vsock, step->guest_port % PORTS, fd, NULL);
		break;
	}
}

static void do_step(const struct step *step)
{
	switch (step->kind % STEP_NR) {
	case STEP_PACKET:
		send_packet(step);
		break;
	case STEP_BUFFERS:
		take_packets();
		break;
	case STEP_AGAIN:
		start_driver();
		break;
	default:
		host_step(step);
	}
	settle();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct virtio_vsock_options options = { .guest_cid = VIRTIO_VSOCK_GUEST_CID };
	struct step step;

	credit = 0;
	for (unsigned i = 0; i < FDS; i++)
		fds[i] = -1;
	driver_init(&driver);
	check(loop_open(&loop, NULL) == 0);
	check(virtio_vsock_new(&loop, &driver.memory, &options, &vsock, NULL) == 0);
	for (unsigned i = 0; i < PORTS; i++) {
		services[i] = (struct virtio_vsock_service){ .port = i, .connected = connected };
		virtio_vsock_serve(vsock, &services[i]);
	}
	driver_attach(&driver, virtio_vsock_device(vsock));
	start_driver();
	for (unsigned i = 0; i < STEPS_MAX && size >= sizeof(step); i++) {
		memcpy(&step, data, sizeof(step));
		data += sizeof(step);
		size -= sizeof(step);
		do_step(&step);
	}
	take_packets();
	vsock = virtio_vsock_free(vsock);
	for (unsigned i = 0; i < FDS; i++)
		cleanup_close(&fds[i]);
	loop_close(&loop);
	driver_destroy(&driver);
	return 0;
}
