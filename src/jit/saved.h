/* SPDX-License-Identifier: Apache-2.0 */
/*
 * saved.h - files of translated code: what those of programs (saved.c) and of machines
 * (saved-machine.c) have in common. Private to jit/.
 */
#pragma once

#include "jit/internal.h"

#define JIT_SAVED_BUILD_ID_BYTES 20
#define JIT_SAVED_BYTES_MAX	 (256u << 20)

/* Arrays in the order in which they are in the file. */
enum {
	BLOCKS,
	EXITS,
	LANDINGS,
	PLACES,
	SEGMENTS,
	MAPS,
	COUNTERS,
	NR_MACHINE_PARTS, /* that machines have, too */
	RELOCATIONS = NR_MACHINE_PARTS,
	NR_PARTS
};

struct jit_saved {
	uint64_t magic, checksum; /* of all behind it */
	uint8_t build_id[JIT_SAVED_BUILD_ID_BYTES];
	uint32_t guest; /* a hash of its name */
	uint32_t host; /* what it has */
	uint32_t unused;
	struct jit_origin origin; /* of the guest's code, where it was translated */
	uint64_t code, code_bytes; /* where it was in the cache */
	uint64_t nr[NR_PARTS];
	uint64_t nr_slots, nr_indexed, nr_pages; /* of a machine */
};

struct jit_array *jit_saved_part(struct jit *jit, unsigned n);
/* The header but for counts; all jumps lead where they can. */
int jit_saved_begin(struct jit *jit, const struct jit_origin *origin, size_t code,
	struct jit_saved *ret, struct error *err);
int jit_saved_write(int fd, const void *data, size_t size, struct error *err);
/* Everything is there. */
int jit_saved_finish(int fd, struct error *err);

/* All of it, to be read; munmap() is the caller's. -errno; -EBADMSG: it is none. */
int jit_saved_map(int fd, const struct jit_saved **ret, size_t *ret_size);
/* It is of this program, on a CPU like this one, and its array has room for part n. -ESTALE,
 * -EBADMSG, -ENOSPC. */
int jit_saved_check(struct jit *jit, const struct jit_saved *header);
bool jit_saved_has_room(struct jit *jit, const struct jit_saved *header, unsigned n);
bool jit_saved_is_whole(const struct jit_saved *header, size_t size);

/* saved-machine.c: jit_save() and jit_restore() of a machine. */
int jit_save_machine(struct jit *jit, int fd, const struct jit_origin *origin, struct error *err);
int jit_restore_machine(struct jit *jit, int fd, const struct jit_saved *header, size_t size,
	const struct jit_origin *origin);
