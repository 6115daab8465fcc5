/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory.h - the map of the guest's memory: what the guest has asked for, of which the host's map
 * is a shadow without PROT_EXEC.
 *
 * Everything locks; nothing needs a lock to be held. Addresses and sizes come from the guest: any
 * value is allowed, and what the kernel would refuse is refused as it would.
 */
#pragma once

#include "translate/internal.h"

enum region_kind {
	REGION_PLAIN,
	REGION_HEAP,
	REGION_STACK,
	REGION_VDSO,
	REGION_SEGMENT, /* of shmat(2): never merged */
	REGION_FOREIGN, /* the host's, in the way */
};

struct region {
	uint64_t start, end;
	uint32_t prot; /* PROT_* as the guest sees it */
	uint8_t kind;
	bool is_file, is_shared;
	bool was_writable; /* what is executable may have been written here */
};

/* Regions are sorted, do not overlap, and are merged where nothing tells them apart. */
struct region_map {
	struct region *regions;
	size_t count, capacity;
};

/* As the kernel's vm.max_map_count, and room for both halves of one that is split. */
#define REGIONS_MAX 65530

/* region.c: no locks, no system calls. */

/* Index of the first region that ends behind `address`; count if there is none. */
size_t region_find(const struct region_map *map, uint64_t address);
/* Is nothing in [start, end)? */
bool region_is_free(const struct region_map *map, uint64_t start, uint64_t end);
/* Highest start of `size` free bytes in [bottom, top), a multiple of align; 0 when there is none.
 */
uint64_t region_find_free(
	const struct region_map *map, uint64_t size, uint64_t align, uint64_t bottom, uint64_t top);
/* Put `region` over whatever is there. -ENOMEM when the map is full (nothing is changed). */
int region_insert(struct region_map *map, const struct region *region);
/* Take [start, end) out. */
int region_remove(struct region_map *map, uint64_t start, uint64_t end);
/* Change the protection of [start, end). -ENOMEM when part of it is in no region, or too many. */
int region_protect(struct region_map *map, uint64_t start, uint64_t end, uint32_t prot);
/* Is anything in [start, end) executable? */
bool region_has_code(const struct region_map *map, uint64_t start, uint64_t end);
/* How far from `address` every byte is executable: `address` itself where it is not. */
uint64_t region_code_end(const struct region_map *map, uint64_t address);

/* memory.c */

struct memory {
	uint32_t lock;
	struct region_map map;
	struct jit *jit; /* told of what happens to code */
	struct saved_code *saved; /* told of files that are mapped; NULL */
	uint64_t top; /* maps without a place are looked for below it */
	uint64_t brk_start, brk, brk_end; /* brk_end: of the region */
	/* What mlockall(2) has said of maps to come, to this process: a child starts anew. */
	uint32_t lock_future; /* MCL_*; 0: nothing */
	int lock_pid;
};

/* A map that holds nothing; `top` as above. */
int memory_init(struct memory *memory, uint64_t top);

/* jit_options.code_end; the context is the memory. */
uint64_t memory_code_end(void *memory, uint64_t pc);

/* mmap(2), munmap(2), mprotect(2), mremap(2), brk(2): what the call returns. */
int64_t memory_map(struct memory *memory, uint64_t address, uint64_t size, uint32_t prot,
	uint32_t flags, int64_t fd, uint64_t offset);
int64_t memory_map_kind(struct memory *memory, uint64_t address, uint64_t size, uint32_t prot,
	uint32_t flags, enum region_kind kind);
int64_t memory_unmap(struct memory *memory, uint64_t address, uint64_t size);
int64_t memory_protect(struct memory *memory, uint64_t address, uint64_t size, uint32_t prot);
int64_t memory_remap(struct memory *memory, uint64_t address, uint64_t old_size, uint64_t new_size,
	uint32_t flags, uint64_t new_address);
int64_t memory_brk(struct memory *memory, uint64_t address);

/* mlockall(2), of the guest's memory only; flags 0: munlockall(2). */
int64_t memory_lock_all(struct memory *memory, uint32_t flags);

/* shmat(2) and shmdt(2): `id` attached where mmap() would put it. */
int64_t memory_attach(struct memory *memory, int id, uint64_t address, uint32_t flags);
int64_t memory_detach(struct memory *memory, uint64_t address);

/* Code may have been written anywhere (fence.i), or in [start, end). */
void memory_code_written(struct memory *memory, uint64_t start, uint64_t end);

/* The content of [address, address + size) has changed (madvise(2)). */
void memory_changed(struct memory *memory, uint64_t address, uint64_t size);

/* A copy of the region that holds `address`, or of the first behind it; false behind the last. */
bool memory_region_at(struct memory *memory, uint64_t address, struct region *ret);
