/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vsock.c - the vsock device towards the guest (virtio 1.2 §5.10): packets of the queues, and the
 * rules of connections.
 *
 * Credit (§5.10.6.3): each side says how large its buffer is (buf_alloc) and how much of all that
 * it got it has passed on (fwd_cnt), both in every packet. We give the guest no more than it says
 * it has room for, and a guest that sends more than we have said is reset.
 *
 * What the guest is to get waits as a bit or as a readable socket, never as a packet, so it needs
 * no memory however slow the guest is. The exception is RST for packets of connections that do not
 * exist, of which a few are kept; while these are too many, the guest's packets wait.
 */
#include "device/virtio/vsock-internal.h"

#include <linux/virtio_ids.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/parts.h"

enum { QUEUE_RX, QUEUE_TX, QUEUE_EVENT, NR_QUEUES };

#define QUEUE_SIZE 256

static struct virtio_vsock *vsock_of(struct virtio_device *device)
{
	return container_of(device, struct virtio_vsock, device);
}

/* --- connections ------------------------------------------------------------------------------ */

struct vsock_connection *vsock_find(struct virtio_vsock *v, uint32_t guest_port, uint32_t host_port)
{
	for (unsigned i = 0; i < VSOCK_CONNECTIONS_MAX; i++) {
		struct vsock_connection *c = &v->connections[i];

		if ((c->state == VSOCK_REQUESTED || c->state == VSOCK_OPEN) &&
			c->guest_port == guest_port && c->host_port == host_port)
			return c;
	}
	return NULL;
}

void vsock_queue(struct vsock_connection *c)
{
	struct virtio_vsock *v = c->vsock;

	if (c->is_queued)
		return;
	c->is_queued = true;
	c->next_work = NULL;
	if (v->work)
		v->last_work->next_work = c;
	else
		v->work = c;
	v->last_work = c;
}

static void unqueue_first(struct virtio_vsock *v)
{
	struct vsock_connection *c = v->work;

	v->work = c->next_work;
	c->is_queued = false;
}

void vsock_end(struct vsock_connection *c, bool keeps_data)
{
	c->state = VSOCK_ENDING;
	c->pending = VSOCK_PENDING_RESET;
	if (!keeps_data || c->source.fd < 0)
		c->buffer_used = 0;
	vsock_queue(c);
	vsock_watch(c);
}

static uint32_t guest_room(const struct vsock_connection *c)
{
	uint32_t under_way = c->sent - c->guest_taken;

	return under_way < c->guest_buffer ? c->guest_buffer - under_way : 0;
}

/* --- to the guest ----------------------------------------------------------------------------- */

static void put_header(struct virtio_vsock *v, struct virtio_vsock_hdr *header)
{
	header->src_cid = VIRTIO_VSOCK_HOST_CID;
	header->dst_cid = v->config.guest_cid;
	virtio_chain_write(&v->chain, 0, header, sizeof(*header));
	virtio_queue_put(
		&v->device.queues[QUEUE_RX], &v->chain, (uint32_t)sizeof(*header) + header->len);
}

static void put_packet(struct vsock_connection *c, uint16_t op, uint32_t flags, uint32_t length)
{
	struct virtio_vsock_hdr header = {
		.src_port = c->host_port,
		.dst_port = c->guest_port,
		.type = VIRTIO_VSOCK_TYPE_STREAM,
		.op = op,
		.flags = flags,
		.len = length,
		.buf_alloc = VSOCK_BUFFER_BYTES,
		.fwd_cnt = c->taken,
	};

	/* Every packet tells this. */
	c->taken_told = c->taken;
	c->pending &= (uint8_t)~VSOCK_PENDING_CREDIT;
	put_header(c->vsock, &header);
}

/* Bytes of the host's socket in the chain. false: there are none now. */
static bool put_data(struct vsock_connection *c)
{
	struct virtio_chain *chain = &c->vsock->chain;
	struct iovec parts[VIRTIO_PARTS_MAX];
	unsigned nr;
	ssize_t n;

	if (c->state != VSOCK_OPEN || !c->is_readable || c->is_at_end || !guest_room(c) ||
		chain->in_bytes == sizeof(struct virtio_vsock_hdr))
		return false;
	nr = parts_slice(virtio_chain_in(chain), chain->nr_in, sizeof(struct virtio_vsock_hdr),
		guest_room(c), parts, NULL);
	n = vsock_read(c, parts, nr);
	if (n <= 0)
		return false;
	c->sent += (uint32_t)n;
	put_packet(c, VIRTIO_VSOCK_OP_RW, 0, (uint32_t)n);
	return true;
}

static bool put_shutdown(struct vsock_connection *c)
{
	uint8_t flags = (c->is_at_end ? VIRTIO_VSOCK_SHUTDOWN_SEND : 0) |
		(c->is_gone ? VIRTIO_VSOCK_SHUTDOWN_RCV : 0);

	if (c->state != VSOCK_OPEN || !c->is_at_end || !(flags & ~c->said_shutdown))
		return false;
	c->said_shutdown |= flags;
	put_packet(c, VIRTIO_VSOCK_OP_SHUTDOWN, c->said_shutdown, 0);
	return true;
}

/* Packets that carry nothing, in the order of enum vsock_pending. */
static const struct {
	uint8_t pending;
	uint16_t op;
} pending_ops[] = {
	{ VSOCK_PENDING_REQUEST, VIRTIO_VSOCK_OP_REQUEST },
	{ VSOCK_PENDING_RESPONSE, VIRTIO_VSOCK_OP_RESPONSE },
	{ VSOCK_PENDING_CREDIT, VIRTIO_VSOCK_OP_CREDIT_UPDATE },
	{ VSOCK_PENDING_RESET, VIRTIO_VSOCK_OP_RST },
};

/* Put one packet into the chain. false: this connection has none. */
static bool put_next(struct vsock_connection *c)
{
	for (size_t i = 0; i < ARRAY_SIZE(pending_ops); i++) {
		if (!(c->pending & pending_ops[i].pending))
			continue;
		c->pending &= (uint8_t)~pending_ops[i].pending;
		put_packet(c, pending_ops[i].op, 0, 0);
		/* It may be over. */
		vsock_watch(c);
		return true;
	}
	return put_data(c) || put_shutdown(c);
}

static bool put_reset(struct virtio_vsock *v)
{
	if (!v->nr_resets)
		return false;
	put_header(v, &v->resets[--v->nr_resets]);
	return true;
}

static bool has_work(const struct virtio_vsock *v)
{
	return v->reset == VSOCK_RESET_NONE && (v->nr_resets || v->work);
}

/* Fill the chain that was popped. false: nothing was left to tell. */
static bool fill_chain(struct virtio_vsock *v)
{
	if (put_reset(v))
		return true;
	while (v->work) {
		struct vsock_connection *c = v->work;
		bool done = put_next(c);

		/* Those behind it are next. */
		unqueue_first(v);
		if (done) {
			if (c->state != VSOCK_FREE)
				vsock_queue(c);
			return true;
		}
		vsock_watch(c);
	}
	return false;
}

static void serve_rx(struct virtio_vsock *v)
{
	struct virtio_queue *queue = &v->device.queues[QUEUE_RX];

	for (unsigned nr = 0; nr < VSOCK_TURN_MAX && has_work(v); nr++) {
		if (!virtio_queue_pop(queue, &v->chain))
			break;
		if (v->chain.in_bytes < sizeof(struct virtio_vsock_hdr)) {
			virtio_device_broken(&v->device, "a buffer is too small for a header");
			break;
		}
		if (!fill_chain(v)) {
			virtio_queue_unpop(queue, 1);
			break;
		}
	}
	virtio_queue_publish(queue);
	virtio_queue_signal(queue);
}

/* --- from the guest --------------------------------------------------------------------------- */

/* RST for what belongs to no connection; never for an RST. */
static void refuse(struct virtio_vsock *v, const struct virtio_vsock_hdr *header)
{
	if (header->op == VIRTIO_VSOCK_OP_RST || v->nr_resets == VSOCK_RESETS_MAX)
		return;
	v->resets[v->nr_resets++] = (struct virtio_vsock_hdr){
		.src_port = header->dst_port,
		.dst_port = header->src_port,
		.type = header->type,
		.op = VIRTIO_VSOCK_OP_RST,
	};
}

static void take_request(struct virtio_vsock *v, const struct virtio_vsock_hdr *header)
{
	struct vsock_connection *c = vsock_accept_guest(v, header->src_port, header->dst_port);

	if (!c) {
		refuse(v, header);
		return;
	}
	c->guest_buffer = header->buf_alloc;
	c->guest_taken = header->fwd_cnt;
	c->pending = VSOCK_PENDING_RESPONSE;
	vsock_queue(c);
}

static void take_response(struct vsock_connection *c, const struct virtio_vsock_hdr *header)
{
	if (c->state != VSOCK_REQUESTED) {
		vsock_end(c, false);
		return;
	}
	c->state = VSOCK_OPEN;
	vsock_accepted(c);
}

static void take_reset(struct vsock_connection *c, const struct virtio_vsock_hdr *header)
{
	vsock_drop(c);
}

static void take_shutdown(struct vsock_connection *c, const struct virtio_vsock_hdr *header)
{
	c->guest_shutdown |= header->flags & VSOCK_SHUTDOWN_BOTH;
	if (c->guest_shutdown == VSOCK_SHUTDOWN_BOTH)
		vsock_end(c, true);
	else
		vsock_shut_down(c);
}

static void take_data(struct vsock_connection *c, const struct virtio_vsock_hdr *header)
{
	const struct virtio_chain *chain = &c->vsock->chain;
	struct iovec parts[VIRTIO_PARTS_MAX];
	unsigned nr;
	size_t bytes;

	if (c->state != VSOCK_OPEN || c->guest_shutdown & VIRTIO_VSOCK_SHUTDOWN_SEND ||
		header->len > VSOCK_BUFFER_BYTES - c->buffer_used) {
		vsock_end(c, false);
		return;
	}
	nr = parts_slice(virtio_chain_out(chain), chain->nr_out, sizeof(*header), header->len,
		parts, &bytes);
	if (bytes < header->len) {
		vsock_end(c, false);
		return;
	}
	c->received += header->len;
	vsock_write(c, parts, nr, header->len);
}

static void take_credit_update(struct vsock_connection *c, const struct virtio_vsock_hdr *header)
{
	/* Its numbers have been looked at, as every packet's. */
}

static void take_credit_request(struct vsock_connection *c, const struct virtio_vsock_hdr *header)
{
	c->pending |= VSOCK_PENDING_CREDIT;
}

static void (*const takers[])(struct vsock_connection *, const struct virtio_vsock_hdr *) = {
	[VIRTIO_VSOCK_OP_RESPONSE] = take_response,
	[VIRTIO_VSOCK_OP_RST] = take_reset,
	[VIRTIO_VSOCK_OP_SHUTDOWN] = take_shutdown,
	[VIRTIO_VSOCK_OP_RW] = take_data,
	[VIRTIO_VSOCK_OP_CREDIT_UPDATE] = take_credit_update,
	[VIRTIO_VSOCK_OP_CREDIT_REQUEST] = take_credit_request,
};

static void take_packet(struct virtio_vsock *v, const struct virtio_vsock_hdr *header)
{
	struct vsock_connection *c;

	/* §5.10.6.2: of addresses that are not the guest's, nothing is heard. */
	if (header->src_cid != v->config.guest_cid)
		return;
	if (header->dst_cid != VIRTIO_VSOCK_HOST_CID || header->type != VIRTIO_VSOCK_TYPE_STREAM) {
		refuse(v, header);
		return;
	}
	c = vsock_find(v, header->src_port, header->dst_port);
	if (!c && header->op == VIRTIO_VSOCK_OP_REQUEST) {
		take_request(v, header);
		return;
	}
	if (!c) {
		refuse(v, header);
		return;
	}
	if (header->op >= ARRAY_SIZE(takers) || !takers[header->op]) {
		vsock_end(c, false);
		return;
	}
	c->guest_buffer = header->buf_alloc;
	c->guest_taken = header->fwd_cnt;
	/* There may be room now for what waits. */
	vsock_queue(c);
	takers[header->op](c, header);
}

static void serve_tx(struct virtio_vsock *v)
{
	struct virtio_queue *queue = &v->device.queues[QUEUE_TX];

	for (unsigned nr = 0; nr < VSOCK_TURN_MAX && v->nr_resets < VSOCK_RESETS_MAX; nr++) {
		struct virtio_vsock_hdr header;

		if (!virtio_queue_pop(queue, &v->chain))
			break;
		if (virtio_chain_read(&v->chain, 0, &header, sizeof(header)) == sizeof(header))
			take_packet(v, &header);
		else
			virtio_device_broken(&v->device, "a packet is shorter than its header");
		virtio_queue_put(queue, &v->chain, 0);
	}
	virtio_queue_publish(queue);
	virtio_queue_signal(queue);
}

/*
 * §5.10.6.7: after a restore. The driver then ends the connections that it has, in a thread of its
 * own: what begins in the meantime would end with them. So the guest hears of nothing else until
 * the driver has put the event's buffer back, which it does behind that.
 */
static void serve_events(struct virtio_vsock *v)
{
	const struct virtio_vsock_event event = { .id = VIRTIO_VSOCK_EVENT_TRANSPORT_RESET };
	struct virtio_queue *queue = &v->device.queues[QUEUE_EVENT];
	unsigned nr;

	/* A driver without such a queue keeps its connections. */
	if (!queue->state->ready)
		v->reset = VSOCK_RESET_NONE;
	if (v->reset == VSOCK_RESET_NONE)
		return;
	nr = virtio_queue_expect(queue);
	if (v->reset == VSOCK_RESET_WANTED && virtio_queue_pop(queue, &v->chain)) {
		v->nr_event_buffers = nr - 1;
		v->reset = VSOCK_RESET_TOLD;
		virtio_queue_push(queue, &v->chain,
			(uint32_t)virtio_chain_write(&v->chain, 0, &event, sizeof(event)));
		virtio_queue_signal(queue);
	} else if (v->reset == VSOCK_RESET_TOLD && nr > v->nr_event_buffers) {
		v->reset = VSOCK_RESET_NONE;
	}
}

void vsock_serve(struct virtio_vsock *v)
{
	struct virtio_queue *queues = v->device.queues;
	bool more;

	serve_events(v);
	serve_tx(v);
	serve_rx(v);
	/* While answers wait for buffers, packets wait, too. */
	more = v->nr_resets < VSOCK_RESETS_MAX && virtio_queue_listen(&queues[QUEUE_TX], true);
	more |= virtio_queue_listen(&queues[QUEUE_RX], has_work(v)) && has_work(v);
	if (more)
		virtio_doorbell_ring(&v->doorbell);
}

/* --- the device ------------------------------------------------------------------------------- */

static void rung(struct virtio_device *device)
{
	vsock_serve(vsock_of(device));
}

static void vsock_start(struct virtio_device *device)
{
	virtio_doorbell_ring(&vsock_of(device)->doorbell);
}

static void vsock_notify(struct virtio_device *device, unsigned queue)
{
	virtio_doorbell_ring(&vsock_of(device)->doorbell);
}

static void drop_all(struct virtio_vsock *v)
{
	for (unsigned i = 0; i < VSOCK_CONNECTIONS_MAX; i++)
		vsock_drop(&v->connections[i]);
	v->nr_resets = 0;
}

static void vsock_reset(struct virtio_device *device)
{
	struct virtio_vsock *v = vsock_of(device);

	drop_all(v);
	v->reset = VSOCK_RESET_NONE;
}

static const struct virtio_device_ops vsock_ops = {
	.name = "virtio-vsock",
	.id = VIRTIO_ID_VSOCK,
	.start = vsock_start,
	.reset = vsock_reset,
	.notify = vsock_notify,
};

/* For the guest, too? One that it was told the end of is none. */
static bool is_known(const struct vsock_connection *c)
{
	return c->state == VSOCK_REQUESTED || c->state == VSOCK_OPEN ||
		(c->state == VSOCK_ENDING && c->pending);
}

static void vsock_save(struct vm_saved *saved)
{
	struct virtio_vsock *v = container_of(saved, struct virtio_vsock, saved);

	pthread_mutex_lock(&v->device.lock);
	/* Whoever has not yet heard of the end of those before has them still. */
	v->saved_connections = v->reset != VSOCK_RESET_NONE;
	for (unsigned i = 0; i < VSOCK_CONNECTIONS_MAX; i++)
		v->saved_connections += is_known(&v->connections[i]);
	pthread_mutex_unlock(&v->device.lock);
}

/* One who had none hears nothing: it might take the connections that it gets now for those. */
static int vsock_restore(struct vm_saved *saved, struct error *err)
{
	struct virtio_vsock *v = container_of(saved, struct virtio_vsock, saved);

	v->reset = v->saved_connections > 0 ? VSOCK_RESET_WANTED : VSOCK_RESET_NONE;
	return 0;
}

int virtio_vsock_new(struct loop *loop, struct vm_memory *memory,
	const struct virtio_vsock_options *options, struct virtio_vsock **ret, struct error *err)
{
	struct virtio_vsock *v;
	int r;

	if (options->guest_cid <= VIRTIO_VSOCK_HOST_CID || options->guest_cid >= UINT32_MAX)
		return error_set(err, EINVAL, "%llu cannot be a guest's vsock address",
			(unsigned long long)options->guest_cid);
	v = calloc(1, sizeof(*v));
	if (!v)
		return error_oom(err);
	v->loop = loop;
	v->door = options->door;
	v->listener.fd = -1;
	v->config.guest_cid = options->guest_cid;
	v->next_host_port = VSOCK_FIRST_HOST_PORT;
	for (unsigned i = 0; i < VSOCK_CONNECTIONS_MAX; i++)
		v->connections[i] = (struct vsock_connection){ .vsock = v, .source = { .fd = -1 } };
	v->device.ops = &vsock_ops;
	v->device.nr_queues = NR_QUEUES;
	for (unsigned i = 0; i < NR_QUEUES; i++)
		v->device.queues[i].size_max = QUEUE_SIZE;
	v->device.config = &v->config;
	v->device.config_bytes = sizeof(v->config);
	virtio_device_init(&v->device, memory);
	v->saved = (struct vm_saved){
		.name = "vsock",
		.data = &v->saved_connections,
		.size = sizeof(v->saved_connections),
		.save = vsock_save,
		.restore = vsock_restore,
	};
	r = virtio_doorbell_init(&v->doorbell, loop, &v->device, rung, err);
	if (r >= 0 && options->path)
		r = vsock_listen(v, options->path, err);
	if (r < 0) {
		virtio_vsock_free(v);
		return r;
	}
	*ret = v;
	return 0;
}

struct virtio_vsock *virtio_vsock_free(struct virtio_vsock *v)
{
	if (!v)
		return NULL;
	virtio_device_destroy(&v->device);
	vsock_unlisten(v);
	drop_all(v);
	virtio_doorbell_destroy(&v->doorbell);
	free(v);
	return NULL;
}

struct virtio_device *virtio_vsock_device(struct virtio_vsock *v)
{
	return &v->device;
}

struct vm_saved *virtio_vsock_saved(struct virtio_vsock *v)
{
	return &v->saved;
}

void virtio_vsock_serve(struct virtio_vsock *v, struct virtio_vsock_service *service)
{
	service->next = v->services;
	v->services = service;
}
