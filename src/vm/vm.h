/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vm.h - what a machine is made of: memory, bus, interrupt lines, vcpus. The contract between
 * boards (machine/), devices (device/) and what executes the guest (vcpu/), none of which knows the
 * others.
 *
 * Threads: each vcpu has one of its own, and calls the bus from it. Devices are called from any of
 * them and from the machine's event loop, and lock what they have. An interrupt line may be set
 * from any thread. Memory may be read and written from any thread, as the guest's own harts do it.
 *
 * The guest is hostile: an address that came from it is used only through vm_memory_*() or after
 * vm_memory_at() has found all of it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/confine.h"
#include "base/error.h"

#define VM_PAGE_BYTES	4096u
#define VM_REGIONS_MAX	16
#define VM_IO_MAX	128
#define VM_VCPUS_MAX	16
#define VM_ACCESS_BYTES 8 /* the widest access to a device */

/* --- memory -----------------------------------------------------------------------------------
 *
 * Guest-physical addresses. A region is shared memory of a file without a name, so that another
 * process can map it, or memory of this process alone, in large pages where the host has these. It
 * costs nothing until it is touched, and is given back by page.
 */

struct vm_region {
	uint64_t start, size; /* guest-physical, whole pages */
	uint8_t *host;
	int fd; /* what it maps, from offset 0 on; -1: it is private to us */
	bool is_anonymous; /* it is private, and maps no file */
	/* One byte for each page, written without a lock: enum vm_page. */
	uint8_t *pages;
};

enum vm_page {
	VM_PAGE_HAS_CODE = 1, /* was translated from: a write must be told to the vcpus */
	VM_PAGE_DIRTY = 2, /* written since the last vm_memory_clean() */
};

/*
 * What makes that safe without a lock: who translates sets HAS_CODE with vm_page_mark() before it
 * reads the code, and who writes looks at it (vm_page_is(), vm_memory_written()) behind the write,
 * each with a full fence between the two. So either the translator reads what was written, or the
 * writer sees that it has to be told. Only the vcpus' back-end clears HAS_CODE, and only where it
 * has forgotten the code.
 */

struct vm_memory {
	struct vm_region regions[VM_REGIONS_MAX];
	unsigned nr_regions;
	bool is_private; /* regions that are added are: no other process will map them */
	/* Set by the vcpu back-end before anything runs: code in [start, start + size), which is
	 * one page or a part of it, has changed. Called on any thread. */
	void (*code_changed)(void *context, uint64_t start, uint64_t size);
	void *context;
};

void vm_memory_init(struct vm_memory *memory);
/* All of it back to the host; nobody may use it any more. */
void vm_memory_destroy(struct vm_memory *memory);
/* Memory at [start, start + size). -EINVAL: no whole pages; -EEXIST: something is there; -ENOSPC:
 * too many regions; else what memfd_create(2) and mmap(2) say. */
int vm_memory_add(struct vm_memory *memory, uint64_t start, uint64_t size, struct error *err);
/* Behind the last byte of all regions. */
uint64_t vm_memory_end(const struct vm_memory *memory);
/* The region that all of [start, start + size) is in, or NULL. */
const struct vm_region *vm_memory_region(
	const struct vm_memory *memory, uint64_t start, uint64_t size);
/* Where [start, start + size) is in our memory, or NULL. Who writes through it says so with
 * vm_memory_written() behind the write. */
void *vm_memory_at(const struct vm_memory *memory, uint64_t start, uint64_t size);
/* Copies; -EFAULT when not all of it is memory (nothing is copied then). */
int vm_memory_read(const struct vm_memory *memory, uint64_t start, void *to, size_t size);
int vm_memory_write(struct vm_memory *memory, uint64_t start, const void *from, size_t size);
/* [start, start + size), which is memory, has been written by a device or a loader. */
void vm_memory_written(struct vm_memory *memory, uint64_t start, uint64_t size);
/* Region `number` is what is in this file, which has just its size and is not changed by anybody,
 * lazily and privately. Before anything runs. -EINVAL: another size; or what mmap(2) says. */
int vm_memory_restore(struct vm_memory *memory, unsigned number, int fd);
/* The same by copying, for memory that other processes have mapped, and have to see. */
int vm_memory_load(struct vm_memory *memory, unsigned number, int fd);
/* Behind either: the whole pages of [offset, offset + size) of the region are what is in this file
 * from `at` on, in the same way, or zeros (fd -1). The caller knows that the file is as long. */
int vm_memory_patch(struct vm_memory *memory, unsigned number, uint64_t offset, uint64_t size,
	int fd, uint64_t at);
/* The whole pages of [start, start + size) back to the host: they read as 0 from now on. -EFAULT
 * when not all of it is memory, -EINVAL: no whole pages; or what fallocate(2) says. */
int vm_memory_discard(struct vm_memory *memory, uint64_t start, uint64_t size);
/* No page is dirty any more. No vcpu runs, and those that remember pages they may write to without
 * noting it are told to forget them. */
void vm_memory_clean(struct vm_memory *memory);

/* The byte of the page at `address`, which is in the region. */
static inline uint8_t *vm_page(const struct vm_region *region, uint64_t address)
{
	return &region->pages[(address - region->start) / VM_PAGE_BYTES];
}

/* Set bits of enum vm_page; what the caller reads of the page behind it is read behind it. */
static inline void vm_page_mark(uint8_t *page, uint8_t bits)
{
	if ((__atomic_load_n(page, __ATOMIC_RELAXED) & bits) != bits)
		__atomic_fetch_or(page, bits, __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static inline void vm_page_clear(uint8_t *page, uint8_t bits)
{
	__atomic_fetch_and(page, (uint8_t)~bits, __ATOMIC_SEQ_CST);
}

/* Has the page one of these bits, now that what the caller has written to it can be seen? */
static inline bool vm_page_is(const uint8_t *page, uint8_t bits)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return __atomic_load_n(page, __ATOMIC_RELAXED) & bits;
}

/* --- devices' registers -----------------------------------------------------------------------
 */

struct vm_io;

struct vm_io_ops {
	const char *name; /* "uart" */
	/* `size` is 1, 2, 4 or 8 bytes, all inside the window; what a device does not have reads as
	 * 0, and writes to it are dropped. On a vcpu's thread. */
	uint64_t (*read)(struct vm_io *io, uint64_t offset, unsigned size);
	void (*write)(struct vm_io *io, uint64_t offset, unsigned size, uint64_t value);
};

/* A window of guest-physical addresses, embedded in the device that answers there. */
struct vm_io {
	const struct vm_io_ops *ops;
	uint64_t start, size;
};

/* Filled before the first vcpu runs, and not changed any more. */
struct vm_bus {
	struct vm_io *windows[VM_IO_MAX]; /* sorted by start */
	unsigned nr_windows;
};

/* -EINVAL: it is empty or ends behind the last address; -EEXIST: it overlaps another window;
 * -ENOSPC: too many. The window stays its device's. */
int vm_bus_add(struct vm_bus *bus, struct vm_io *io, struct error *err);
/* false: nothing is at [address, address + size), or no such size. */
bool vm_bus_read(struct vm_bus *bus, uint64_t address, unsigned size, uint64_t *ret);
bool vm_bus_write(struct vm_bus *bus, uint64_t address, unsigned size, uint64_t value);

/* --- interrupts --------------------------------------------------------------------------------
 */

struct vm_irqchip;

struct vm_irqchip_ops {
	const char *name; /* "plic" */
	void (*set)(struct vm_irqchip *chip, unsigned number, bool level);
};

/* What has interrupt inputs; embedded in its device. */
struct vm_irqchip {
	const struct vm_irqchip_ops *ops;
};

/* A device's line into one; chip is NULL when it is not connected. */
struct vm_irq {
	struct vm_irqchip *chip;
	unsigned number;
};

static inline void vm_irq_set(const struct vm_irq *irq, bool level)
{
	if (irq->chip)
		irq->chip->ops->set(irq->chip, irq->number, level);
}

/* --- power -------------------------------------------------------------------------------------
 *
 * What a guest can ask of the machine as a whole, through a device or a call. From any thread; it
 * is done soon, when all vcpus have left run().
 */

struct vm_power;

struct vm_power_ops {
	const char *name; /* "machine" */
	void (*off)(struct vm_power *power, int status); /* 0: all is well */
	void (*reset)(struct vm_power *power);
};

/* Embedded in the machine. */
struct vm_power {
	const struct vm_power_ops *ops;
};

/* --- vcpus -------------------------------------------------------------------------------------
 */

/* Why vm_vcpu_ops.run() has returned. */
enum vm_stop {
	VM_STOP_KICKED, /* somebody has called kick() */
	VM_STOP_BREAKPOINT, /* of the debugger, or the one step it wanted is done */
	VM_STOP_OFF, /* this vcpu has stopped itself (SBI HSM): it is not run until it is started */
	VM_STOP_ERROR, /* we cannot go on; *err says why */
};

struct vm_vcpu;

struct vm_vcpu_ops {
	const char *name; /* "jit", "kvm" */
	/* What run() makes of system calls, beside those of the devices. NULL: none. */
	const struct confine_list *calls;
	/* On the vcpu's own thread, until something comes up that the machine must do. */
	enum vm_stop (*run)(struct vm_vcpu *vcpu, struct error *err);
	/* From any thread: let run() return soon. Remembered when it does not run. */
	void (*kick)(struct vm_vcpu *vcpu);
	/* One of its interrupt pins, from any thread; numbered as the architecture does it. RISC-V:
	 * as in mip. SSIP and LCOFIP are no levels: true sets the bit (an IPI of SBI, ACLINT's
	 * SSWI), and the hart's own software clears it; false does nothing. */
	void (*set_pin)(struct vm_vcpu *vcpu, unsigned pin, bool level);
	/* A message-signaled interrupt, of that number, to what drives the pin; from any thread. A
	 * number that is not there is ignored. NULL: there is nothing that messages come to. */
	void (*message)(struct vm_vcpu *vcpu, unsigned pin, uint32_t number);
};

struct vm_vcpu {
	const struct vm_vcpu_ops *ops;
	unsigned index; /* from 0 on */
};

/* --- what a snapshot keeps ---------------------------------------------------------------------
 *
 * A device has what the guest can see of it in one plain struct without pointers, which is saved as
 * it is: a snapshot is read by the same version only. All vcpus stand while that happens.
 */

struct vm_saved {
	const char *name; /* "uart"; with `instance`, unique in a machine */
	unsigned instance;
	void *data;
	size_t size;
	/* A file in memory that belongs to it, too: NULL, or its descriptor. save() has filled it,
	 * restore() finds what was in it. */
	const int *file_fd;
	/* Complete `data` before it is saved, waiting for what is under way; from here on the
	 * device changes neither it nor guest memory on its own. NULL: nothing to do. */
	void (*save)(struct vm_saved *saved);
	/* `data` has been read from a snapshot, which may be any bytes: check it, and make all else
	 * follow. NULL: nothing to do. */
	int (*restore)(struct vm_saved *saved, struct error *err);
	/* The vcpus are about to run (again), after save() or restore(): go on. NULL: nothing to
	 * do. */
	void (*resume)(struct vm_saved *saved);
};
