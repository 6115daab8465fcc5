/* SPDX-License-Identifier: Apache-2.0 */
/*
 * queue.c - split virtqueues (virtio 1.2 §2.7), from the device's side.
 *
 * Nothing here is trusted that the driver can write to: indices are compared with the queue's size,
 * every descriptor is copied once and then checked, a chain has at most VIRTIO_PARTS_MAX of them,
 * and what is taken and not given back is at most the queue's size, so that a device needs no more
 * requests than that. Each rule of the specification whose breach we could not bear, or which tells
 * of a driver gone astray, ends in virtio_device_broken().
 *
 * The driver runs at the same time. Its index is read with acquire order before what it announces,
 * ours is written with release order after what it announces; where each side looks at what the
 * other has just written (notifications, interrupts), there is a full fence between.
 */
#include "device/virtio/internal.h"

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <string.h>

static inline uint16_t load(const uint16_t *from, int order)
{
	return __atomic_load_n(from, order);
}

static bool is_broken(const struct virtio_device *device)
{
	return __atomic_load_n(&device->state.status, __ATOMIC_ACQUIRE) &
		VIRTIO_CONFIG_S_NEEDS_RESET;
}

static bool broken(struct virtio_queue *queue, const char *why)
{
	virtio_device_broken(queue->device, why);
	return false;
}

/* Behind the available ring is the driver's used_event, behind the used ring our avail_event
 * (§2.7.6, §2.7.8). */
static const uint16_t *used_event(const struct virtio_queue *queue)
{
	return &queue->available->ring[queue->state->size];
}

static void set_avail_event(struct virtio_queue *queue, uint16_t index)
{
	uint16_t *event = (uint16_t *)(void *)&queue->used->ring[queue->state->size];

	__atomic_store_n(event, index, __ATOMIC_RELAXED);
}

/* --- where the rings are --------------------------------------------------------------------- */

static bool find_rings(struct virtio_queue *queue)
{
	const struct virtio_queue_state *state = queue->state;
	const struct vm_memory *memory = queue->device->memory;
	uint64_t size = state->size;

	if (!size || size > queue->size_max || size & (size - 1))
		return broken(queue, "the size of a queue is no power of two, or too large");
	if (state->descriptors % VRING_DESC_ALIGN_SIZE ||
		state->available % VRING_AVAIL_ALIGN_SIZE || state->used % VRING_USED_ALIGN_SIZE)
		return broken(queue, "a ring is not aligned");
	queue->used_bytes = sizeof(struct vring_used) + size * sizeof(struct vring_used_elem) +
		sizeof(uint16_t);
	queue->descriptors = vm_memory_at(
		memory, state->descriptors, size * sizeof(struct vring_desc));
	queue->available = vm_memory_at(memory, state->available,
		sizeof(struct vring_avail) + (size + 1) * sizeof(uint16_t));
	queue->used = vm_memory_at(memory, state->used, queue->used_bytes);
	if (!queue->descriptors || !queue->available || !queue->used)
		return broken(queue, "a ring is not in memory");
	return true;
}

bool virtio_queue_open(struct virtio_queue *queue)
{
	queue->state->ready = find_rings(queue);
	return queue->state->ready;
}

/* --- chains ---------------------------------------------------------------------------------- */

/* A table of descriptors: the queue's own, or an indirect one. */
struct table {
	const void *at;
	uint32_t size;
};

static bool add_part(
	struct virtio_queue *queue, struct virtio_chain *chain, const struct vring_desc *from)
{
	bool is_in = from->flags & VRING_DESC_F_WRITE;
	unsigned nr = chain->nr_out + chain->nr_in;
	uint64_t bytes = (uint64_t)chain->out_bytes + chain->in_bytes + from->len;
	void *host = vm_memory_at(queue->device->memory, from->addr, from->len);

	if (nr == VIRTIO_PARTS_MAX)
		return broken(queue, "a chain has too many descriptors, or is a ring");
	if (!is_in && chain->nr_in)
		return broken(queue, "what we shall read stands behind what we shall write");
	if (bytes > UINT32_MAX)
		return broken(queue, "a chain has 4 GiB or more");
	if (!host && from->len)
		return broken(queue, "a descriptor leads out of memory");
	chain->parts[nr] = (struct iovec){ .iov_base = host, .iov_len = from->len };
	chain->starts[nr] = from->addr;
	if (is_in) {
		chain->nr_in++;
		chain->in_bytes += from->len;
	} else {
		chain->nr_out++;
		chain->out_bytes += from->len;
	}
	return true;
}

static bool enter_indirect(
	struct virtio_queue *queue, const struct vring_desc *from, struct table *table)
{
	if (!virtio_device_has(queue->device, VIRTIO_RING_F_INDIRECT_DESC))
		return broken(queue, "an indirect descriptor, which was not agreed on");
	if (from->flags & VRING_DESC_F_NEXT)
		return broken(queue, "an indirect descriptor with a next one");
	if (!from->len || from->len % sizeof(struct vring_desc))
		return broken(queue, "an indirect table of a part of a descriptor");
	table->at = vm_memory_at(queue->device->memory, from->addr, from->len);
	table->size = from->len / sizeof(struct vring_desc);
	if (!table->at)
		return broken(queue, "an indirect table leads out of memory");
	return true;
}

static bool copy_descriptor(struct virtio_queue *queue, const struct table *table, uint32_t index,
	struct vring_desc *ret)
{
	if (index >= table->size)
		return broken(queue, "a descriptor's number is too large");
	memcpy(ret, (const uint8_t *)table->at + (size_t)index * sizeof(*ret), sizeof(*ret));
	/* Once: from here on, the compiler must not look there again. */
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	return true;
}

/* Every turn adds a part, of which there is a limited number, or is the one that goes from the
 * queue's table to an indirect one. */
static bool follow(struct virtio_queue *queue, struct virtio_chain *chain)
{
	struct table table = { .at = queue->descriptors, .size = queue->state->size };
	bool is_indirect = false;
	uint32_t index = chain->head;
	struct vring_desc d;

	do {
		if (!copy_descriptor(queue, &table, index, &d))
			return false;
		if (d.flags & VRING_DESC_F_INDIRECT) {
			if (is_indirect)
				return broken(queue, "an indirect descriptor in an indirect table");
			if (!enter_indirect(queue, &d, &table))
				return false;
			is_indirect = true;
			index = 0;
			d.flags = VRING_DESC_F_NEXT;
			continue;
		}
		if (!add_part(queue, chain, &d))
			return false;
		index = d.next;
	} while (d.flags & VRING_DESC_F_NEXT);
	return true;
}

static uint16_t nr_out_there(const struct virtio_queue *queue)
{
	return queue->state->next_available - queue->state->next_used;
}

bool virtio_queue_pop(struct virtio_queue *queue, struct virtio_chain *chain)
{
	struct virtio_queue_state *state = queue->state;
	uint16_t waiting;

	if (!state->ready || is_broken(queue->device))
		return false;
	waiting = load(&queue->available->idx, __ATOMIC_ACQUIRE) - state->next_available;
	if (!waiting)
		return false;
	if (waiting > state->size || nr_out_there(queue) >= state->size)
		return broken(queue, "more chains are available than fit into the queue");

	chain->head = load(
		&queue->available->ring[state->next_available % state->size], __ATOMIC_RELAXED);
	chain->nr_out = chain->nr_in = 0;
	chain->out_bytes = chain->in_bytes = 0;
	if (!follow(queue, chain))
		return false;
	state->next_available++;
	return true;
}

void virtio_queue_unpop(struct virtio_queue *queue, unsigned count)
{
	queue->state->next_available -= (uint16_t)count;
}

/* The parts for us to write, from byte `first` on, before byte `end`. */
static void mark_written(struct virtio_queue *queue, const struct virtio_chain *chain, uint32_t end)
{
	const struct iovec *in = virtio_chain_in(chain);
	const uint64_t *starts = chain->starts + chain->nr_out;

	for (unsigned i = 0; i < chain->nr_in && end; i++) {
		uint32_t bytes = in[i].iov_len < end ? (uint32_t)in[i].iov_len : end;

		if (bytes)
			vm_memory_written(queue->device->memory, starts[i], bytes);
		end -= bytes;
	}
}

void virtio_chain_touched(struct virtio_queue *queue, const struct virtio_chain *chain)
{
	mark_written(queue, chain, chain->in_bytes);
}

void virtio_queue_put(
	struct virtio_queue *queue, const struct virtio_chain *chain, uint32_t written)
{
	struct virtio_queue_state *state = queue->state;
	struct vring_used_elem *used;

	if (!state->ready)
		return;
	mark_written(queue, chain, written);
	used = &queue->used->ring[state->next_used % state->size];
	__atomic_store_n(&used->id, chain->head, __ATOMIC_RELAXED);
	__atomic_store_n(&used->len, written, __ATOMIC_RELAXED);
	state->next_used++;
}

void virtio_queue_publish(struct virtio_queue *queue)
{
	struct virtio_queue_state *state = queue->state;

	if (!state->ready || state->published == state->next_used)
		return;
	__atomic_store_n(&queue->used->idx, state->next_used, __ATOMIC_RELEASE);
	state->published = state->next_used;
	vm_memory_written(queue->device->memory, state->used, queue->used_bytes);
}

void virtio_queue_push(
	struct virtio_queue *queue, const struct virtio_chain *chain, uint32_t written)
{
	virtio_queue_put(queue, chain, written);
	virtio_queue_publish(queue);
}

/* --- notifications, both ways (§2.7.7, §2.7.10) ---------------------------------------------- */

static bool wants_signal(const struct virtio_queue *queue, uint16_t old, uint16_t new)
{
	if (virtio_device_has(queue->device, VIRTIO_RING_F_EVENT_IDX))
		return vring_need_event(load(used_event(queue), __ATOMIC_RELAXED), new, old);
	return !(load(&queue->available->flags, __ATOMIC_RELAXED) & VRING_AVAIL_F_NO_INTERRUPT);
}

void virtio_queue_signal(struct virtio_queue *queue)
{
	struct virtio_queue_state *state = queue->state;
	uint16_t old = state->signalled;

	if (!state->ready || old == state->published)
		return;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	state->signalled = state->published;
	if (wants_signal(queue, old, state->published))
		queue->device->transport->ops->queue_used(queue->device->transport, queue->index);
}

bool virtio_queue_listen(struct virtio_queue *queue, bool wanted)
{
	struct virtio_queue_state *state = queue->state;
	bool has_events = virtio_device_has(queue->device, VIRTIO_RING_F_EVENT_IDX);

	if (!state->ready || is_broken(queue->device))
		return false;
	if (!has_events)
		__atomic_store_n(
			&queue->used->flags, wanted ? 0 : VRING_USED_F_NO_NOTIFY, __ATOMIC_RELAXED);
	else if (wanted)
		set_avail_event(queue, state->next_available);
	/* With events, not to ask is to leave avail_event behind. */
	if (!wanted)
		return false;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return load(&queue->available->idx, __ATOMIC_RELAXED) != state->next_available;
}

unsigned virtio_queue_expect(struct virtio_queue *queue)
{
	const struct virtio_queue_state *state = queue->state;

	if (virtio_device_has(queue->device, VIRTIO_RING_F_EVENT_IDX))
		set_avail_event(queue, load(&queue->available->idx, __ATOMIC_RELAXED));
	else
		__atomic_store_n(&queue->used->flags, 0, __ATOMIC_RELAXED);
	/* One that was put there before it could see this is counted. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return (uint16_t)(load(&queue->available->idx, __ATOMIC_ACQUIRE) - state->next_available);
}

/* --- the bytes of a chain -------------------------------------------------------------------- */

static size_t copy_parts(const struct iovec *parts, unsigned nr, size_t offset, void *bytes,
	size_t size, bool is_write)
{
	size_t done = 0;

	for (unsigned i = 0; i < nr && done < size; i++) {
		size_t length = parts[i].iov_len;
		uint8_t *part;

		if (offset >= length) {
			offset -= length;
			continue;
		}
		length = length - offset < size - done ? length - offset : size - done;
		part = (uint8_t *)parts[i].iov_base + offset;
		if (is_write)
			memcpy(part, (const uint8_t *)bytes + done, length);
		else
			memcpy((uint8_t *)bytes + done, part, length);
		done += length;
		offset = 0;
	}
	return done;
}

size_t virtio_chain_read(const struct virtio_chain *chain, size_t offset, void *to, size_t size)
{
	return copy_parts(virtio_chain_out(chain), chain->nr_out, offset, to, size, false);
}

size_t virtio_chain_write(
	const struct virtio_chain *chain, size_t offset, const void *from, size_t size)
{
	return copy_parts(
		virtio_chain_in(chain), chain->nr_in, offset, (void *)(uintptr_t)from, size, true);
}
