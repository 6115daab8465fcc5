/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net.c - the network card (virtio 1.2 §5.1): one pair of queues and one for control.
 *
 * Frames are never kept here. To receive, buffers of the guest are popped until the next frame fits
 * for sure, the port writes into them, and those that were not needed go back; to send, the port
 * gets the guest's memory as it is. Who is too slow makes the other one wait: frames stay in the
 * port while there are no buffers, and in the queue while the port takes none.
 */
#include "device/virtio/net-internal.h"

#include <linux/virtio_ids.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/parts.h"

enum { QUEUE_RX, QUEUE_TX, QUEUE_CONTROL, NR_QUEUES };

#define QUEUE_SIZE    256
#define CONTROL_SIZE  16
#define RX_CHAINS_MAX 64 /* for one frame: the largest is 43 buffers of 1536 bytes */
#define TX_CHAINS_MAX 16 /* frames at a time */
#define TURN_MAX      256 /* frames each way before others get a turn */
#define HEADER_BYTES  sizeof(struct virtio_net_hdr_v1)

struct virtio_net {
	struct virtio_device device;
	struct virtio_doorbell doorbell;
	struct net_port *port;
	uint8_t mac[NET_MAC_BYTES];
	struct virtio_net_config config;
	struct net_filter filter;
	struct vm_saved saved; /* `filter` */
	struct virtio_chain rx[RX_CHAINS_MAX]; /* popped, from rx_first on */
	unsigned rx_first, rx_end;
	struct virtio_chain tx[TX_CHAINS_MAX];
	struct net_frame frames[TX_CHAINS_MAX];
};

/* What the port does for the guest, and what it may leave to the guest. */
static const struct {
	unsigned offload;
	unsigned takes, gives; /* VIRTIO_NET_F_* */
} offload_features[] = {
	{ NET_OFFLOAD_CHECKSUM, VIRTIO_NET_F_CSUM, VIRTIO_NET_F_GUEST_CSUM },
	{ NET_OFFLOAD_TSO4, VIRTIO_NET_F_HOST_TSO4, VIRTIO_NET_F_GUEST_TSO4 },
	{ NET_OFFLOAD_TSO6, VIRTIO_NET_F_HOST_TSO6, VIRTIO_NET_F_GUEST_TSO6 },
	{ NET_OFFLOAD_TSO_ECN, VIRTIO_NET_F_HOST_ECN, VIRTIO_NET_F_GUEST_ECN },
};

static struct virtio_net *net_of(struct virtio_device *device)
{
	return container_of(device, struct virtio_net, device);
}

static bool is_linked(const struct virtio_net *net)
{
	return !net->filter.link_is_down;
}

/* --- to the guest ----------------------------------------------------------------------------- */

/* Pop until `bytes` fit, or nothing more is there. How many bytes fit now. */
static size_t pop_buffers(struct virtio_net *net, size_t bytes)
{
	struct virtio_queue *queue = &net->device.queues[QUEUE_RX];
	size_t room = 0;

	if (net->rx_first == net->rx_end)
		net->rx_first = net->rx_end = 0;
	for (unsigned i = net->rx_first; i < net->rx_end; i++)
		room += net->rx[i].in_bytes;
	while (room < bytes && net->rx_end < RX_CHAINS_MAX &&
		virtio_queue_pop(queue, &net->rx[net->rx_end]))
		room += net->rx[net->rx_end++].in_bytes;
	return room;
}

/* Back into the queue, for the next time. */
static void unpop_buffers(struct virtio_net *net)
{
	virtio_queue_unpop(&net->device.queues[QUEUE_RX], net->rx_end - net->rx_first);
	net->rx_first = net->rx_end = 0;
}

/* Buffers for a frame of at most `length` bytes: how many chains; 0: it must wait. */
static unsigned find_buffers(struct virtio_net *net, size_t length)
{
	size_t wanted = HEADER_BYTES + length, room = 0;
	bool merges = virtio_device_has(&net->device, VIRTIO_NET_F_MRG_RXBUF);
	unsigned nr = 0;

	if (!pop_buffers(net, merges ? wanted : 1))
		return 0;
	if (!merges)
		return 1;
	for (unsigned i = net->rx_first; i < net->rx_end && room < wanted; i++, nr++)
		room += net->rx[i].in_bytes;
	if (room >= wanted)
		return nr;
	if (net->rx_first) {
		/* There is place for more, at the front. */
		unpop_buffers(net);
		return find_buffers(net, length);
	}
	/* More may come, unless all that there can be is here: then the frame is lost. */
	if (nr < RX_CHAINS_MAX && nr < net->device.queues[QUEUE_RX].state->size)
		return 0;
	return nr;
}

/* The memory of `nr` chains, without the header. */
static unsigned list_parts(struct virtio_net *net, unsigned nr, struct iovec parts[NET_PARTS_MAX])
{
	unsigned count = 0;

	for (unsigned i = 0; i < nr; i++) {
		const struct virtio_chain *chain = &net->rx[net->rx_first + i];

		if (count + chain->nr_in > NET_PARTS_MAX)
			break;
		count += parts_slice(virtio_chain_in(chain), chain->nr_in, i ? 0 : HEADER_BYTES,
			SIZE_MAX, parts + count, NULL);
	}
	return count;
}

static bool is_wanted(const struct virtio_net *net, const struct net_frame *frame)
{
	uint8_t to[NET_MAC_BYTES];
	size_t done = 0;

	if (frame->length < NET_HEADER_BYTES)
		return false;
	for (unsigned i = 0; i < frame->nr_parts && done < sizeof(to); i++) {
		size_t n = frame->parts[i].iov_len;

		n = n < sizeof(to) - done ? n : sizeof(to) - done;
		memcpy(to + done, frame->parts[i].iov_base, n);
		done += n;
	}
	return net_filter_passes(&net->filter, to);
}

/* A frame lies in the first chains: the driver gets them. */
static void put_frame(struct virtio_net *net, const struct net_frame *frame)
{
	struct virtio_queue *queue = &net->device.queues[QUEUE_RX];
	struct virtio_net_hdr_v1 header = { .num_buffers = 1 };
	uint32_t left = (uint32_t)HEADER_BYTES + frame->length;
	struct virtio_chain *first = &net->rx[net->rx_first];
	unsigned nr = 0;

	memcpy(&header, &frame->offload, sizeof(frame->offload));
	if (!virtio_device_has(&net->device, VIRTIO_NET_F_GUEST_CSUM))
		header.flags = 0;
	for (uint32_t bytes = left; bytes; nr++)
		bytes -= first[nr].in_bytes < bytes ? first[nr].in_bytes : bytes;
	header.num_buffers = (uint16_t)nr;
	virtio_chain_write(first, 0, &header, sizeof(header));
	for (unsigned i = 0; i < nr; i++) {
		uint32_t bytes = first[i].in_bytes < left ? first[i].in_bytes : left;

		virtio_queue_put(queue, &first[i], bytes);
		left -= bytes;
	}
	net->rx_first += nr;
	virtio_queue_publish(queue);
}

/* One frame. false: there is none, or it must wait. */
static bool receive_one(struct virtio_net *net)
{
	struct iovec parts[NET_PARTS_MAX];
	struct net_frame frame = { .parts = parts };
	size_t length = net->port->ops->next_length(net->port);
	unsigned nr = length ? find_buffers(net, length) : 0;

	if (!nr)
		return false;
	if (net->rx[net->rx_first].in_bytes < HEADER_BYTES) {
		virtio_device_broken(&net->device, "a buffer is too small for a header");
		return false;
	}
	frame.nr_parts = list_parts(net, nr, parts);
	if (!net->port->ops->receive(net->port, &frame, 1))
		return false;
	if (frame.length && is_linked(net) && is_wanted(net, &frame))
		put_frame(net, &frame);
	return true;
}

/*
 * true: there is more, and work for us again at once. When the next frame needs more buffers than
 * there are, the guest is to say when it brings another one: asked for the first of those that are
 * there, it would have said so long ago.
 */
static bool serve_rx(struct virtio_net *net)
{
	struct virtio_queue *queue = &net->device.queues[QUEUE_RX];
	unsigned nr = 0, seen = 0;

	while (nr < TURN_MAX && receive_one(net))
		nr++;
	if (nr < TURN_MAX)
		seen = net->rx_end - net->rx_first;
	unpop_buffers(net);
	virtio_queue_signal(queue);
	if (net->port->ops->next_length(net->port))
		return virtio_queue_expect(queue) > seen;
	virtio_queue_listen(queue, false);
	return false;
}

/* --- from the guest --------------------------------------------------------------------------- */

static bool is_allowed(const struct virtio_net *net, const struct virtio_net_hdr *offload)
{
	const struct virtio_device *device = &net->device;

	if (offload->flags & ~VIRTIO_NET_HDR_F_NEEDS_CSUM)
		return false;
	if (offload->flags && !virtio_device_has(device, VIRTIO_NET_F_CSUM))
		return false;
	if (offload->gso_type & VIRTIO_NET_HDR_GSO_ECN &&
		!virtio_device_has(device, VIRTIO_NET_F_HOST_ECN))
		return false;
	switch (offload->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_NONE:
		return true;
	case VIRTIO_NET_HDR_GSO_TCPV4:
		return virtio_device_has(device, VIRTIO_NET_F_HOST_TSO4) && offload->gso_size;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		return virtio_device_has(device, VIRTIO_NET_F_HOST_TSO6) && offload->gso_size;
	default:
		return false;
	}
}

/* A frame of nothing is one that the port need not see. */
static void find_frame(
	const struct virtio_net *net, struct virtio_chain *chain, struct net_frame *frame)
{
	uint32_t length = chain->out_bytes - (uint32_t)HEADER_BYTES;

	*frame = (struct net_frame){ .parts = chain->parts };
	virtio_chain_read(chain, 0, &frame->offload, sizeof(frame->offload));
	if (!is_linked(net) || !is_allowed(net, &frame->offload) || length < NET_HEADER_BYTES ||
		length > NET_FRAME_MAX)
		return;
	/* In place: parts only move to the front. */
	frame->nr_parts = parts_slice(
		chain->parts, chain->nr_out, HEADER_BYTES, SIZE_MAX, chain->parts, NULL);
	frame->length = length;
}

static unsigned pop_frames(struct virtio_net *net)
{
	struct virtio_queue *queue = &net->device.queues[QUEUE_TX];
	unsigned nr = 0;

	while (nr < TX_CHAINS_MAX && virtio_queue_pop(queue, &net->tx[nr])) {
		if (net->tx[nr].out_bytes < HEADER_BYTES) {
			virtio_device_broken(&net->device, "a frame is shorter than its header");
			return 0;
		}
		find_frame(net, &net->tx[nr], &net->frames[nr]);
		nr++;
	}
	return nr;
}

/* true: the port takes no more now, and will say when it does. */
static bool serve_tx(struct virtio_net *net)
{
	struct virtio_queue *queue = &net->device.queues[QUEUE_TX];
	unsigned nr, sent = 0, all = 0;

	do {
		nr = pop_frames(net);
		sent = nr ? net->port->ops->send(net->port, net->frames, nr) : 0;
		for (unsigned i = 0; i < sent; i++)
			virtio_queue_put(queue, &net->tx[i], 0);
		virtio_queue_publish(queue);
		virtio_queue_unpop(queue, nr - sent);
		all += sent;
	} while (nr && sent == nr && all < TURN_MAX);
	virtio_queue_signal(queue);
	return sent < nr;
}

static void serve_control(struct virtio_net *net)
{
	struct virtio_queue *queue = &net->device.queues[QUEUE_CONTROL];
	struct virtio_chain *chain = &net->tx[0];

	for (unsigned i = 0; i < CONTROL_SIZE && virtio_queue_pop(queue, chain); i++) {
		uint8_t answer = net_filter_command(&net->filter, chain);

		virtio_queue_push(queue, chain, (uint32_t)virtio_chain_write(chain, 0, &answer, 1));
	}
	virtio_queue_signal(queue);
}

static void net_serve(struct virtio_device *device)
{
	struct virtio_net *net = net_of(device);
	struct virtio_queue *queues = device->queues;
	bool is_blocked, more;

	serve_control(net);
	is_blocked = serve_tx(net);
	more = serve_rx(net);
	more |= virtio_queue_listen(&queues[QUEUE_CONTROL], true);
	more |= virtio_queue_listen(&queues[QUEUE_TX], !is_blocked);
	if (more)
		virtio_doorbell_ring(&net->doorbell);
}

static void port_ready(struct net_port *port, void *context)
{
	struct virtio_net *net = context;

	pthread_mutex_lock(&net->device.lock);
	if (net->device.started)
		net_serve(&net->device);
	pthread_mutex_unlock(&net->device.lock);
}

/* --- the device ------------------------------------------------------------------------------- */

static void net_start(struct virtio_device *device)
{
	struct virtio_net *net = net_of(device);
	unsigned offloads = 0;

	for (size_t i = 0; i < ARRAY_SIZE(offload_features); i++)
		if (net->port->gives & offload_features[i].offload &&
			virtio_device_has(device, offload_features[i].gives))
			offloads |= offload_features[i].offload;
	/* All are of what the port gives; should it fail, there are just fewer. */
	net->port->ops->set_offloads(net->port, offloads, NULL);
	virtio_doorbell_ring(&net->doorbell);
}

static void net_reset(struct virtio_device *device)
{
	struct virtio_net *net = net_of(device);

	net_filter_reset(&net->filter, net->mac);
}

static void net_notify(struct virtio_device *device, unsigned queue)
{
	virtio_doorbell_ring(&net_of(device)->doorbell);
}

static const struct virtio_device_ops net_ops = {
	.name = "virtio-net",
	.id = VIRTIO_ID_NET,
	.start = net_start,
	.reset = net_reset,
	.notify = net_notify,
};

static void set_status(struct virtio_net *net)
{
	net->config.status = is_linked(net) ? VIRTIO_NET_S_LINK_UP : 0;
}

void virtio_net_set_link(struct virtio_net *net, bool is_up)
{
	pthread_mutex_lock(&net->device.lock);
	net->filter.link_is_down = !is_up;
	set_status(net);
	virtio_config_changed(&net->device);
	pthread_mutex_unlock(&net->device.lock);
}

static int net_restore(struct vm_saved *saved, struct error *err)
{
	struct virtio_net *net = container_of(saved, struct virtio_net, saved);

	net_filter_check(&net->filter);
	set_status(net);
	return 0;
}

static uint64_t features_of(const struct net_port *port)
{
	uint64_t features = 1u << VIRTIO_NET_F_MAC | 1u << VIRTIO_NET_F_STATUS |
		1u << VIRTIO_NET_F_MTU | 1u << VIRTIO_NET_F_MRG_RXBUF | 1u << VIRTIO_NET_F_CTRL_VQ |
		1u << VIRTIO_NET_F_CTRL_RX | 1u << VIRTIO_NET_F_CTRL_RX_EXTRA |
		1u << VIRTIO_NET_F_CTRL_MAC_ADDR;

	for (size_t i = 0; i < ARRAY_SIZE(offload_features); i++) {
		if (port->takes & offload_features[i].offload)
			features |= 1u << offload_features[i].takes;
		if (port->gives & offload_features[i].offload)
			features |= 1u << offload_features[i].gives;
	}
	return features;
}

static void init_device(struct virtio_net *net, struct vm_memory *memory)
{
	net->device.ops = &net_ops;
	net->device.features = features_of(net->port);
	net->device.nr_queues = NR_QUEUES;
	net->device.queues[QUEUE_RX].size_max = QUEUE_SIZE;
	net->device.queues[QUEUE_TX].size_max = QUEUE_SIZE;
	net->device.queues[QUEUE_CONTROL].size_max = CONTROL_SIZE;
	net->device.config = &net->config;
	net->device.config_bytes = offsetof(struct virtio_net_config, speed);
	virtio_device_init(&net->device, memory);
}

int virtio_net_new(struct loop *loop, struct vm_memory *memory, struct net_port *port,
	const uint8_t mac[NET_MAC_BYTES], struct virtio_net **ret, struct error *err)
{
	struct virtio_net *net = calloc(1, sizeof(*net));
	int r;

	if (!net)
		return error_oom(err);
	net->port = port;
	memcpy(net->mac, mac, sizeof(net->mac));
	memcpy(net->config.mac, mac, sizeof(net->config.mac));
	net->config.mtu = (uint16_t)port->mtu;
	net->config.max_virtqueue_pairs = 1;
	net_filter_reset(&net->filter, mac);
	set_status(net);
	init_device(net, memory);
	net->saved = (struct vm_saved){
		.name = "net",
		.data = &net->filter,
		.size = sizeof(net->filter),
		.restore = net_restore,
	};
	r = virtio_doorbell_init(&net->doorbell, loop, &net->device, net_serve, err);
	if (r < 0) {
		virtio_net_free(net);
		return r;
	}
	port->ready = port_ready;
	port->context = net;
	*ret = net;
	return 0;
}

struct virtio_net *virtio_net_free(struct virtio_net *net)
{
	if (!net)
		return NULL;
	virtio_device_destroy(&net->device);
	net->port->ready = NULL;
	virtio_doorbell_destroy(&net->doorbell);
	free(net);
	return NULL;
}

struct virtio_device *virtio_net_device(struct virtio_net *net)
{
	return &net->device;
}

struct vm_saved *virtio_net_saved(struct virtio_net *net)
{
	return &net->saved;
}
