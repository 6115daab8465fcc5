/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio.h - the contract between virtio devices, their queues and the transport that shows them to
 * the guest (virtio 1.2; what is said here as §N is there).
 *
 * A device embeds a struct virtio_device, fills in what it offers, and has an ops table. A
 * transport (mmio.c) shows it to the guest. The queues are between: virtio_queue_pop() checks what
 * the driver has put there and tells where it is in our memory; virtio_queue_push() gives it back.
 *
 * The driver is hostile. What it may not do marks its device as broken (DEVICE_NEEDS_RESET,
 * §2.1.2): its queues are empty from then on, until the driver resets it. Nothing else happens,
 * whatever the rings say.
 *
 * Threads and locks:
 * - All operations of a device are called with its `lock` held, from a vcpu's thread, an event
 *   loop's (notify()), or from where a snapshot is made. A device that is content with these has no
 *   thread of its own and needs no other lock; what else calls it (an event loop) takes `lock`
 *   first.
 * - Queues have no lock: a device sees to it that one thread at a time is in each. A device's own
 *   thread may use them between start() and the end of stop(), without `lock`.
 * - stop() waits for a device's own threads, so these must not wait for `lock`.
 * - virtio_device_broken(), virtio_queue_signal() and virtio_config_changed() may be called
 * anywhere.
 *
 * All numbers in guest memory are little-endian, as those of the hosts that we know.
 */
#pragma once

#include <assert.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "vm/vm.h"

#define VIRTIO_QUEUES_MAX     33 /* sixteen pairs and one for control (§5.1.2) */
#define VIRTIO_QUEUE_SIZE_MAX 1024
#define VIRTIO_PARTS_MAX      256 /* of one chain, indirect ones included */

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "structures are shared with the guest");

struct virtio_device;

/* --- queues (§2.6, §2.7) --------------------------------------------------------------------- */

/* What the guest can see of a queue. */
struct virtio_queue_state {
	/* Set by the driver; the addresses are guest-physical. */
	uint64_t descriptors, available, used;
	uint16_t size;
	uint16_t next_available; /* that we shall take */
	uint16_t next_used; /* that we shall write */
	uint16_t published; /* the used index that the driver can see */
	uint16_t signalled; /* the one that it was last asked about whether it wants an interrupt */
	uint8_t ready;
};

struct vring_desc;
struct vring_avail;
struct vring_used;

struct virtio_queue {
	struct virtio_device *device;
	struct virtio_queue_state *state; /* in the device's */
	unsigned index;
	uint16_t size_max; /* a power of two, at most VIRTIO_QUEUE_SIZE_MAX; set by the device */
	/* In our memory; NULL unless the queue is ready. */
	const struct vring_desc *descriptors;
	const struct vring_avail *available;
	struct vring_used *used;
	uint64_t used_bytes;
};

/*
 * Memory that the driver has put into a queue at once: first the parts that we read ("out"), then
 * those that we write ("in"). All of it is guest memory; it can change at any time, so what is
 * looked at twice must be copied. Of the parts' lengths the sum is less than 4 GiB, and any may be
 * 0.
 */
struct virtio_chain {
	uint16_t head; /* which one it is, for the driver; less than the queue's size */
	uint16_t nr_out, nr_in;
	uint32_t out_bytes, in_bytes;
	struct iovec parts[VIRTIO_PARTS_MAX];
	uint64_t starts[VIRTIO_PARTS_MAX]; /* the parts' guest-physical addresses */
};

static inline const struct iovec *virtio_chain_out(const struct virtio_chain *chain)
{
	return chain->parts;
}

static inline const struct iovec *virtio_chain_in(const struct virtio_chain *chain)
{
	return chain->parts + chain->nr_out;
}

/* The next chain. false: there is none, or the queue is not ready, or the device is broken (now).
 * At most `size` chains are out at any time. */
bool virtio_queue_pop(struct virtio_queue *queue, struct virtio_chain *chain);
/* Undo the last `count` calls of virtio_queue_pop(), none of which was pushed. */
void virtio_queue_unpop(struct virtio_queue *queue, unsigned count);
/* Give a chain back, of which the first `written` of in_bytes were written. Chains may be given
 * back in any order. The driver sees it after the next virtio_queue_publish(): all that were put at
 * once, which matters to a packet that is in several (§5.1.6.4). */
void virtio_queue_put(
	struct virtio_queue *queue, const struct virtio_chain *chain, uint32_t written);
void virtio_queue_publish(struct virtio_queue *queue);
/* Both. */
void virtio_queue_push(
	struct virtio_queue *queue, const struct virtio_chain *chain, uint32_t written);
/* Interrupt the driver, if it wants that for what was published since the last time. */
void virtio_queue_signal(struct virtio_queue *queue);
/* Ask the driver to notify, or (a hint) not to. true: it has put chains there in the meantime, for
 * which no notification need come. */
bool virtio_queue_listen(struct virtio_queue *queue, bool wanted);
/* Ask the driver to notify of the next chain behind all that are there: how many there are, which
 * may be any number if the driver is wrong. The queue is ready. */
unsigned virtio_queue_expect(struct virtio_queue *queue);
/* Parts of the chain beyond what virtio_queue_put() will be told were written, too. */
void virtio_chain_touched(struct virtio_queue *queue, const struct virtio_chain *chain);

/* Copy out of what the driver has written, from `offset` bytes in; how many were there. */
size_t virtio_chain_read(const struct virtio_chain *chain, size_t offset, void *to, size_t size);
/* Copy to where the driver wants to read; how many fit. Count them for virtio_queue_put(). */
size_t virtio_chain_write(
	const struct virtio_chain *chain, size_t offset, const void *from, size_t size);

/* --- devices (§2, §5) ------------------------------------------------------------------------ */

struct virtio_device_ops {
	const char *name; /* "virtio-blk" */
	uint32_t id; /* §5 */
	/* The driver is ready (DRIVER_OK), or the machine goes on after stop(): use the queues.
	 * They may have something in them already. */
	void (*start)(struct virtio_device *device);
	/* Finish what is under way, or take it back; when this returns, nobody reads or writes
	 * guest memory for this device until start(). NULL: that is always so. */
	void (*stop)(struct virtio_device *device);
	/* Only while it is stopped: the driver has reset the device, which forgets what the driver
	 * has told it. NULL: nothing to forget. */
	void (*reset)(struct virtio_device *device);
	/* The driver has put something into a queue. Only while started. */
	void (*notify)(struct virtio_device *device, unsigned queue);
	/* The driver has written to `config`: the bytes are for the device to put there, or not.
	 * All inside. NULL: it cannot be written. */
	void (*config_write)(
		struct virtio_device *device, uint32_t offset, const void *from, uint32_t size);
};

/* How a transport tells the driver. Called on any thread, with or without the device's `lock`. */
struct virtio_transport;

struct virtio_transport_ops {
	const char *name;
	void (*queue_used)(struct virtio_transport *transport, unsigned queue);
	void (*config_changed)(struct virtio_transport *transport);
	/* state.interrupts is what a snapshot says: the line has to follow. */
	void (*restored)(struct virtio_transport *transport);
};

/* Embedded in what knows how. */
struct virtio_transport {
	const struct virtio_transport_ops *ops;
};

/* What the guest can see of any virtio device, besides its configuration. */
struct virtio_state {
	uint64_t driver_features;
	uint8_t status; /* §2.1; changed atomically */
	uint8_t interrupts; /* §4.2.2: bit 0 a queue, bit 1 the configuration */
	uint32_t config_generation;
	uint32_t device_features_select, driver_features_select, queue_select, memory_select;
	struct virtio_queue_state queues[VIRTIO_QUEUES_MAX];
};

struct virtio_device {
	/* Filled in by the device, then left alone: */
	const struct virtio_device_ops *ops;
	uint64_t features; /* that it offers, besides those of the transport and the queues */
	unsigned nr_queues;
	struct virtio_queue queues[VIRTIO_QUEUES_MAX]; /* of these size_max */
	void *config; /* device-specific, as the driver reads it; changed with `lock` held */
	uint32_t config_bytes;

	/* Filled in by virtio_device_init(): */
	struct vm_memory *memory;
	pthread_mutex_t lock;
	struct virtio_state state;
	struct vm_saved saved; /* `state` */
	bool started; /* between start() and stop() */

	/* Filled in by the transport: */
	struct virtio_transport *transport;
};

/* The device has filled in its part. */
void virtio_device_init(struct virtio_device *device, struct vm_memory *memory);
/* Stops it, if it is started. */
void virtio_device_destroy(struct virtio_device *device);

static inline bool virtio_device_has(const struct virtio_device *device, unsigned feature)
{
	return device->state.driver_features >> feature & 1;
}

/* The driver has done what it may not: `why`, for who debugs it. */
void virtio_device_broken(struct virtio_device *device, const char *why);
/* `config` has changed, not by the driver. */
void virtio_config_changed(struct virtio_device *device);

/* --- for transports: `lock` is held ---------------------------------------------------------- */

/* All that is offered, with what queues and transports can do. */
uint64_t virtio_device_features(const struct virtio_device *device);
/* The driver writes the status; 0 resets the device. */
void virtio_device_set_status(struct virtio_device *device, uint8_t status);
void virtio_device_notify(struct virtio_device *device, unsigned queue);
/* The driver says that the queue is ready, or that it is not. What it has set of a queue that is
 * ready (the first four members of its state) must not be changed. */
void virtio_queue_set_ready(struct virtio_queue *queue, bool ready);

/* --- virtio-mmio (§4.2), version 2 ----------------------------------------------------------- */

#define VIRTIO_MMIO_BYTES 0x1000

struct virtio_mmio {
	struct virtio_transport transport;
	struct vm_io io; /* `start` and `size` are filled in by the board */
	struct vm_irq irq;
	struct virtio_device *device;
	pthread_mutex_t interrupt_lock; /* the line follows the device's state.interrupts */
};

/* `device` is NULL for a slot with nothing in it (§4.2.2.2). */
void virtio_mmio_init(
	struct virtio_mmio *mmio, struct virtio_device *device, const struct vm_irq *irq);
/* All of the machine is reset: the device, and its interrupt. */
void virtio_mmio_reset(struct virtio_mmio *mmio);
void virtio_mmio_destroy(struct virtio_mmio *mmio);
