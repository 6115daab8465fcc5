/* SPDX-License-Identifier: Apache-2.0 */
/*
 * switch-forward.c - takes frames from a switch's ports, in batches, and sends them where they
 * belong.
 *
 * A batch lies in buffers that are got once, and goes out of them before the next one comes in, so
 * a frame is copied by no one but the kernel. Only what a port does not take at once is copied
 * into its ring, and goes before all that follows. What a port has no room for is dropped, as by
 * any switch; nobody waits for anybody else.
 *
 * A port's limits: what comes from it is not taken any faster, so it waits; what goes to it waits
 * in its ring. Frames leave with what is undone for them if the port takes that, else it is done
 * here; a frame's buffer is not changed once it is in a port's list, for it may be in several.
 */
#include "net/switch-internal.h"

#include <string.h>

#include "base/clock.h"
#include "net/offload.h"

#define NS_PER_S       1000000000ll
#define SWEEP_ENTRIES  16 /* in a batch */
#define ETHER_PROVIDER 0x88a8 /* IEEE 802.1ad: tags in tags */

static void drop(struct switch_port *port, int why)
{
	port->counters.drops[why]++;
}

/* --- limits ----------------------------------------------------------------------------------- */

/* Is there anything left? */
static bool bucket_has(struct switch_bucket *bucket, int64_t now_ns)
{
	uint64_t elapsed_us = (uint64_t)(now_ns - bucket->filled_ns) / 1000;
	int64_t room = bucket->burst - bucket->left, more;

	if (!bucket->per_s)
		return true;
	more = elapsed_us > 1000000 ? room : (int64_t)(bucket->per_s * elapsed_us / 1000000);
	if (more >= room) {
		bucket->left = bucket->burst;
		bucket->filled_ns = now_ns;
	} else {
		/* Not to now: what is not yet a whole byte counts the next time. */
		bucket->left += more;
		bucket->filled_ns += more * NS_PER_S / (int64_t)bucket->per_s;
	}
	return bucket->left > 0;
}

static void bucket_take(struct switch_bucket *bucket, int64_t amount)
{
	if (bucket->per_s)
		bucket->left -= amount;
}

/* When there will be something left. */
static int64_t bucket_next_ns(const struct switch_bucket *bucket)
{
	return bucket->filled_ns + (1 - bucket->left) * NS_PER_S / (int64_t)bucket->per_s + 1000;
}

void switch_wake_at(struct switch_port *port, int64_t when_ns)
{
	struct net_switch *sw = port->sw;

	if (!port->wake_ns || port->wake_ns > when_ns)
		port->wake_ns = when_ns;
	if (!sw->timer.deadline_ns || sw->timer.deadline_ns > when_ns)
		loop_timer_start(
			sw->loop, &sw->timer, when_ns > sw->now_ns ? when_ns - sw->now_ns : 0);
}

/* --- to a port -------------------------------------------------------------------------------- */

static void count_out(struct switch_port *port, uint32_t length)
{
	port->counters.out_frames++;
	port->counters.out_bytes += length;
}

static void enqueue(struct switch_port *port, const struct net_frame *frame)
{
	struct iovec parts[SWITCH_FRAME_PARTS + 1] = { { (void *)&frame->offload,
		sizeof(frame->offload) } };

	memcpy(parts + 1, frame->parts, frame->nr_parts * sizeof(*parts));
	if (!net_ring_push_parts(&port->ring, parts, frame->nr_parts + 1,
		    sizeof(frame->offload) + frame->length))
		drop(port, NET_DROP_QUEUE_FULL);
}

/* As many as the port and its limit take. */
static unsigned send_some(struct switch_port *port, const struct net_frame *frames, unsigned nr)
{
	unsigned allowed = 0, sent;

	while (allowed < nr && bucket_has(&port->out_limit, port->sw->now_ns))
		bucket_take(&port->out_limit, frames[allowed++].length);
	sent = allowed ? port->port->ops->send(port->port, frames, allowed) : 0;
	for (unsigned i = 0; i < sent; i++)
		count_out(port, frames[i].length);
	for (unsigned i = sent; i < allowed; i++)
		bucket_take(&port->out_limit, -(int64_t)frames[i].length);
	if (sent < allowed)
		port->is_waiting = true;
	else if (allowed < nr)
		switch_wake_at(port, bucket_next_ns(&port->out_limit));
	return sent;
}

static void push(struct switch_port *port, const struct net_frame *frames, unsigned nr)
{
	unsigned sent = 0;

	if (!port->ring.nr_frames && !port->is_waiting)
		sent = send_some(port, frames, nr);
	for (; sent < nr; sent++)
		enqueue(port, &frames[sent]);
}

/* What has waited. */
static void drain(struct switch_port *port)
{
	struct net_frame frames[SWITCH_BATCH];
	struct iovec parts[SWITCH_BATCH];
	unsigned nr = 0, sent = 0;

	while (sent == nr && port->ring.nr_frames && !port->is_waiting) {
		const uint8_t *record = NULL;
		size_t length;

		for (nr = 0; nr < SWITCH_BATCH && nr < port->ring.nr_frames; nr++) {
			struct net_frame *frame = &frames[nr];

			record = net_ring_after(&port->ring, record, &length);
			memcpy(&frame->offload, record, sizeof(frame->offload));
			frame->length = (uint32_t)(length - sizeof(frame->offload));
			parts[nr] = (struct iovec){ (void *)(record + sizeof(frame->offload)),
				frame->length };
			frame->parts = &parts[nr];
			frame->nr_parts = 1;
		}
		sent = send_some(port, frames, nr);
		for (unsigned i = 0; i < sent; i++)
			net_ring_pop(&port->ring);
	}
}

static void flush_port(struct switch_port *port)
{
	unsigned nr = port->out.nr;

	port->out.nr = 0;
	if (nr)
		push(port, port->out.frames, nr);
}

static void flush(struct net_switch *sw)
{
	for (unsigned i = 0; i < sw->nr_pending; i++) {
		struct switch_port *port = sw->ports[sw->pending[i]];

		port->is_pending = false;
		flush_port(port);
	}
	sw->nr_pending = 0;
}

/* Ethernet's header as the port is to see it: with a tag if it is another VLAN than its own. 0: as
 * it is in the packet. */
static unsigned write_link(const struct switch_port *port, const struct switch_packet *packet,
	uint8_t link[SWITCH_LINK_MAX])
{
	bool wants_tag = packet->vlan != port->config.vlan;
	unsigned bytes = ETHER_TYPE;

	if (!wants_tag && packet->l3 == NET_HEADER_BYTES)
		return 0;
	memcpy(link, packet->bytes, ETHER_TYPE);
	if (wants_tag) {
		const uint8_t tag[] = { ETHER_VLAN >> 8, ETHER_VLAN & 0xff,
			(uint8_t)(packet->vlan >> 8), (uint8_t)packet->vlan };

		memcpy(link + bytes, tag, sizeof(tag));
		bytes += sizeof(tag);
	}
	link[bytes] = (uint8_t)(packet->type >> 8);
	link[bytes + 1] = (uint8_t)packet->type;
	return bytes + 2;
}

/* Cut it up for a port that does not take it whole. */
static void send_segments(struct switch_port *port, const struct switch_packet *packet)
{
	struct net_frame frames[SWITCH_BATCH];
	struct iovec parts[SWITCH_BATCH][SWITCH_FRAME_PARTS];
	uint8_t headers[SWITCH_BATCH][NET_SEGMENT_HEADER_MAX], link[SWITCH_LINK_MAX];
	unsigned link_bytes = write_link(port, packet, link), nr = 0;
	unsigned skip = link_bytes ? packet->l3 : 0;
	struct net_segments s;
	const uint8_t *bytes;
	size_t length;

	flush_port(port);
	if (net_segments_start(&s, packet->bytes, packet->length, &packet->offload) < 0) {
		drop(port, NET_DROP_CANNOT_SEGMENT);
		return;
	}
	while ((length = net_segments_next(&s, headers[nr], &bytes))) {
		parts[nr][0] = (struct iovec){ link, link_bytes };
		parts[nr][1] = (struct iovec){ headers[nr] + skip, s.header_bytes - skip };
		parts[nr][2] = (struct iovec){ (void *)bytes, length };
		frames[nr] = (struct net_frame){ .parts = parts[nr] + !link_bytes,
			.nr_parts = SWITCH_FRAME_PARTS - !link_bytes,
			.length = (uint32_t)(link_bytes + s.header_bytes - skip + length) };
		if (++nr == SWITCH_BATCH) {
			push(port, frames, nr);
			nr = 0;
		}
	}
	if (nr)
		push(port, frames, nr);
}

/* Into the port's list of this batch. Checksums that it does not take are done. */
static void send_to(struct switch_port *port, const struct switch_packet *packet)
{
	struct net_switch *sw = port->sw;
	struct switch_out *out = &port->out;
	struct net_frame *frame;
	struct iovec *parts;
	unsigned link_bytes;

	if (net_offload_needs(&packet->offload) & ~port->port->takes) {
		send_segments(port, packet);
		return;
	}
	if (!port->is_pending)
		sw->pending[sw->nr_pending++] = port->number;
	port->is_pending = true;
	frame = &out->frames[out->nr];
	parts = out->parts[out->nr];
	link_bytes = write_link(port, packet, out->links[out->nr]);
	*frame = (struct net_frame){
		.parts = parts, .offload = packet->offload, .nr_parts = 1, .length = packet->length
	};
	parts[0] = (struct iovec){ packet->bytes, packet->length };
	if (link_bytes) {
		parts[0] = (struct iovec){ out->links[out->nr], link_bytes };
		parts[1] = (struct iovec){ packet->bytes + packet->l3,
			packet->length - packet->l3 };
		frame->nr_parts = 2;
		frame->length += link_bytes - packet->l3;
		frame->offload.hdr_len = 0;
		if (frame->offload.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
			frame->offload.csum_start = (uint16_t)(frame->offload.csum_start +
				link_bytes - packet->l3);
	}
	out->nr++;
}

/* --- where to --------------------------------------------------------------------------------- */

static bool is_in_vlan(const struct switch_port *port, uint16_t vlan)
{
	return vlan == port->config.vlan || (port->tagged_vlans[vlan / 64] >> vlan % 64 & 1);
}

/* Do the checksum now, unless these offloads are taken, or it is one of many that come of it. */
static void finish(struct switch_packet *packet, unsigned takes)
{
	if (packet->offload.gso_type != VIRTIO_NET_HDR_GSO_NONE ||
		!(net_offload_needs(&packet->offload) & ~takes))
		return;
	/* Its places were checked when it came in. */
	net_finish_checksum(packet->bytes, packet->length, &packet->offload);
	packet->offload = (struct virtio_net_hdr){ 0 };
}

static bool is_flooded(const struct switch_port *to, const struct switch_port *from,
	const struct switch_packet *packet, bool is_question)
{
	return to && to != from && !(is_question && to->config.is_guarded) &&
		is_in_vlan(to, packet->vlan);
}

/* To everybody, or to those whose addresses are not known: the guarded ports' are. */
static void flood(struct switch_port *from, struct switch_packet *packet, bool is_question)
{
	struct net_switch *sw = from->sw;
	unsigned takes = ~0u, nr = 0;

	for (unsigned i = 0; i < sw->ports_end; i++) {
		if (!is_flooded(sw->ports[i], from, packet, is_question))
			continue;
		takes &= sw->ports[i]->port->takes;
		nr++;
	}
	if (!nr) {
		drop(from, NET_DROP_NO_DESTINATION);
		return;
	}
	if (!bucket_has(&from->floods, sw->now_ns)) {
		drop(from, NET_DROP_FLOOD_LIMIT);
		return;
	}
	bucket_take(&from->floods, 1);
	finish(packet, takes);
	for (unsigned i = 0; i < sw->ports_end; i++)
		if (is_flooded(sw->ports[i], from, packet, is_question))
			send_to(sw->ports[i], packet);
}

static void forward(struct switch_port *from, struct switch_packet *packet)
{
	struct net_switch *sw = from->sw;
	bool is_unicast = switch_is_unicast(packet->bytes);
	struct net_table_key key = net_table_mac(packet->vlan, packet->bytes);
	struct net_table_entry *entry = is_unicast ? net_table_find(&sw->macs, &key) : NULL;

	if (!entry || net_table_is_old(entry, sw->now_ns)) {
		flood(from, packet, is_unicast);
	} else if (entry->port == from->number) {
		drop(from, NET_DROP_SAME_PORT);
	} else {
		finish(packet, sw->ports[entry->port]->port->takes);
		send_to(sw->ports[entry->port], packet);
	}
}

/* -1, or why its source cannot be. */
static int learn(struct switch_port *port, const struct switch_packet *packet)
{
	struct net_switch *sw = port->sw;
	struct net_table_key key = net_table_mac(packet->vlan, packet->bytes + NET_MAC_BYTES);
	struct net_table_entry *entry = net_table_find(&sw->macs, &key);

	if (entry && entry->port == port->number) {
		entry->seen_ns = sw->now_ns;
		return -1;
	}
	if (entry && entry->is_fixed)
		return NET_DROP_SPOOFED_MAC;
	if (port->nr_learnt >= port->config.macs_max ||
		(!entry && !(entry = net_table_put(&sw->macs, &key, sw->now_ns)))) {
		port->counters.not_learnt++;
		return -1;
	}
	/* A new one has no port. */
	if (entry->port != NET_TABLE_NO_PORT)
		sw->ports[entry->port]->nr_learnt--;
	entry->port = port->number;
	entry->seen_ns = sw->now_ns;
	port->nr_learnt++;
	return -1;
}

/* --- from a port ------------------------------------------------------------------------------ */

/* Its VLAN, and what lies behind a tag. -1, or why it cannot be. */
static int classify(const struct switch_port *port, struct switch_packet *packet)
{
	unsigned tag = 0;

	if (packet->length < NET_HEADER_BYTES)
		return NET_DROP_RUNT;
	packet->l3 = NET_HEADER_BYTES;
	packet->type = switch_get16(packet->bytes + ETHER_TYPE);
	if (packet->type == ETHER_VLAN) {
		if (packet->length < SWITCH_LINK_MAX)
			return NET_DROP_RUNT;
		tag = switch_get16(packet->bytes + NET_HEADER_BYTES) & 0xfff;
		packet->l3 = SWITCH_LINK_MAX;
		packet->type = switch_get16(packet->bytes + SWITCH_LINK_MAX - 2);
	}
	packet->vlan = tag ? (uint16_t)tag : port->config.vlan;
	/* Behind a second tag, a frame could get into a VLAN that it is not from. */
	if (tag > NET_VLAN_MAX || !is_in_vlan(port, packet->vlan) || packet->type == ETHER_VLAN ||
		packet->type == ETHER_PROVIDER)
		return NET_DROP_VLAN;
	return -1;
}

static int check_addresses(const struct switch_packet *packet)
{
	/* IEEE 802.1D: from one switch to the next, and no further. */
	static const uint8_t reserved[] = { 0x01, 0x80, 0xc2, 0, 0 }, none[NET_MAC_BYTES];
	const uint8_t *source = packet->bytes + NET_MAC_BYTES;

	if (!switch_is_unicast(source) || !memcmp(source, none, sizeof(none)))
		return NET_DROP_BAD_SOURCE;
	if (!memcmp(packet->bytes, reserved, sizeof(reserved)) && packet->bytes[5] < 16)
		return NET_DROP_RESERVED;
	return -1;
}

/* What is undone becomes what it can be; -1, or why it cannot. */
static int check_offload(const struct switch_port *port, struct switch_packet *packet)
{
	struct virtio_net_hdr *offload = &packet->offload;
	uint32_t mtu = port->sw->mtu;
	struct net_segments s;

	offload->flags &= port->config.is_uplink
		? VIRTIO_NET_HDR_F_NEEDS_CSUM | VIRTIO_NET_HDR_F_DATA_VALID
		: VIRTIO_NET_HDR_F_NEEDS_CSUM;
	if (offload->gso_type != VIRTIO_NET_HDR_GSO_NONE) {
		if (net_segments_start(&s, packet->bytes, packet->length, offload) < 0)
			return NET_DROP_BAD_OFFLOAD;
		offload->hdr_len = (uint16_t)s.header_bytes;
		return s.header_bytes - s.ip + s.segment_bytes > mtu ? NET_DROP_TOO_LONG : -1;
	}
	if (packet->length > packet->l3 + mtu)
		return NET_DROP_TOO_LONG;
	offload->hdr_len = offload->gso_size = 0;
	if (!(offload->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		offload->csum_start = offload->csum_offset = 0;
	return net_offload_check(packet->bytes, packet->length, offload) < 0 ? NET_DROP_BAD_OFFLOAD
									     : -1;
}

static void handle(struct switch_port *port, uint8_t *bytes, const struct net_frame *frame)
{
	struct switch_packet packet = {
		.bytes = bytes, .length = frame->length, .offload = frame->offload
	};
	int why;

	port->counters.in_frames++;
	port->counters.in_bytes += frame->length;
	/* The port had one that was longer than all that can be. */
	why = frame->length ? classify(port, &packet) : NET_DROP_TOO_LONG;
	if (why < 0)
		why = check_addresses(&packet);
	if (why < 0)
		why = check_offload(port, &packet);
	if (why < 0)
		why = switch_guard(port, &packet);
	if (why < 0 && !port->config.is_guarded)
		why = learn(port, &packet);
	if (why >= 0) {
		drop(port, why);
		return;
	}
	switch (switch_answer(port, &packet)) {
	case SWITCH_ANSWERED:
		port->counters.answered++;
		send_to(port, &packet);
		break;
	case SWITCH_ASK:
		flood(port, &packet, true);
		break;
	default:
		forward(port, &packet);
	}
}

static void sweep(struct net_switch *sw)
{
	int port = net_table_sweep(&sw->macs, SWEEP_ENTRIES, sw->now_ns);

	if (port >= 0)
		sw->ports[port]->nr_learnt--;
	port = net_table_sweep(&sw->neighbours, SWEEP_ENTRIES, sw->now_ns);
	if (port >= 0)
		sw->ports[port]->nr_locals--;
}

/* false: there is nothing more for now. */
static bool serve_batch(struct switch_port *port)
{
	struct net_switch *sw = port->sw;
	struct net_frame frames[SWITCH_BATCH];
	struct iovec parts[SWITCH_BATCH];
	unsigned wanted = port->batch, nr;
	uint64_t bytes = port->counters.in_bytes;

	for (unsigned i = 0; i < wanted; i++) {
		parts[i] = (struct iovec){ sw->buffers + i * SWITCH_BUFFER_BYTES, NET_FRAME_MAX };
		frames[i] = (struct net_frame){ .parts = &parts[i], .nr_parts = 1 };
	}
	nr = port->port->ops->receive(port->port, frames, wanted);
	for (unsigned i = 0; i < nr; i++)
		handle(port, frames[i].parts->iov_base, &frames[i]);
	flush(sw);
	sweep(sw);
	bytes = port->counters.in_bytes - bytes;
	bucket_take(&port->in, (int64_t)bytes);
	/* As many as fit into a cache, going by those that came now. */
	if (bytes > SWITCH_BATCH_BYTES && port->batch > SWITCH_BATCH_MIN)
		port->batch /= 2;
	else if (nr == wanted && bytes < SWITCH_BATCH_BYTES / 2 && port->batch < SWITCH_BATCH)
		port->batch *= 2;
	return nr == wanted;
}

static void serve(struct switch_port *port)
{
	drain(port);
	for (unsigned i = 0; i < SWITCH_TURNS; i++) {
		if (!bucket_has(&port->in, port->sw->now_ns)) {
			switch_wake_at(port, bucket_next_ns(&port->in));
			return;
		}
		if (!serve_batch(port))
			return;
	}
	switch_wake_at(port, port->sw->now_ns);
}

void switch_port_ready(struct net_port *p, void *context)
{
	struct switch_port *port = context;

	port->sw->now_ns = clock_monotonic_ns();
	port->is_waiting = false;
	serve(port);
}

void switch_timer_expired(struct loop_timer *timer)
{
	struct net_switch *sw = container_of(timer, struct net_switch, timer);
	int64_t next_ns = 0;

	sw->now_ns = clock_monotonic_ns();
	for (unsigned i = 0; i < sw->ports_end; i++) {
		struct switch_port *port = sw->ports[i];

		if (!port || !port->wake_ns || port->wake_ns > sw->now_ns)
			continue;
		port->wake_ns = 0;
		serve(port);
	}
	for (unsigned i = 0; i < sw->ports_end; i++) {
		struct switch_port *port = sw->ports[i];

		if (port && port->wake_ns && (!next_ns || port->wake_ns < next_ns))
			next_ns = port->wake_ns;
	}
	if (next_ns)
		loop_timer_start(
			sw->loop, &sw->timer, next_ns > sw->now_ns ? next_ns - sw->now_ns : 0);
}
