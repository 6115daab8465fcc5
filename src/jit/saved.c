/* SPDX-License-Identifier: Apache-2.0 */
/*
 * saved.c - translated code that is kept from one process to the next: one file's, as a header, the
 * arrays that describe it, and the code.
 *
 * Addresses of the guest are kept from the start of its code, offsets from the start of ours, and
 * the places in our code where either stands are listed, so that both can be put anywhere. A file
 * is for exactly the program that has written it (its build ID): structures are written as they
 * are. It comes from somebody we trust (jit.h), but may be cut short or damaged: sizes are checked
 * before they are used, and everything by a checksum.
 */
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "jit/internal.h"

#define MAGIC	       UINT64_C(0x33306374696a7473) /* "stjitc03" */
#define BUILD_ID_BYTES 20
#define MOVES_ABOVE    (UINT64_C(1) << 32)
#define FILE_BYTES_MAX (256u << 20)
#define FULL_PARTS     4 /* one of them is not filled by what was kept: for what was not */

enum { BLOCKS, EXITS, LANDINGS, PLACES, SEGMENTS, MAPS, COUNTERS, RELOCATIONS, NR_PARTS };

struct header {
	uint64_t magic, checksum; /* of all behind it */
	uint8_t build_id[BUILD_ID_BYTES];
	uint32_t guest; /* a hash of its name */
	uint32_t host; /* what it has */
	uint32_t unused;
	uint64_t start, size; /* of the guest's code, where it was translated */
	uint64_t code, code_bytes; /* where it was in the cache */
	uint64_t nr[NR_PARTS];
};

static struct jit_array *part(struct jit *jit, unsigned n)
{
	struct jit_array *const parts[NR_PARTS] = { &jit->blocks, &jit->exits, &jit->landings,
		&jit->places, &jit->segments, &jit->maps, &jit->counters, &jit->relocations };

	return parts[n];
}

static uint32_t host_features(const struct jit *jit)
{
	return jit->host_has_aes | (uint32_t)jit->host_has_sha << 1 |
		(uint32_t)jit->host_has_products << 2;
}

/* What every cache begins with, and no file has. */
static size_t given(unsigned n)
{
	return n == MAPS ? 1 : n == COUNTERS ? JIT_COUNTERS_FIRST : 0;
}

/* --- whose code it is --------------------------------------------------------------------------
 */

static int find_build_id(struct dl_phdr_info *info, size_t size, void *ret)
{
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
		uint64_t at = info->dlpi_addr + segment->p_vaddr, end = at + segment->p_memsz;

		while (segment->p_type == PT_NOTE && at + sizeof(ElfW(Nhdr)) <= end) {
			const ElfW(Nhdr) *note = (void *)(uintptr_t)at;
			uint64_t name = at + sizeof(*note),
				 desc = name + ((note->n_namesz + 3) & ~3u);

			if (note->n_type == NT_GNU_BUILD_ID && note->n_descsz == BUILD_ID_BYTES) {
				memcpy(ret, (void *)(uintptr_t)desc, BUILD_ID_BYTES);
				return 1;
			}
			at = desc + ((note->n_descsz + 3) & ~3u);
		}
	}
	return -1; /* the first object is the program */
}

/* The program that runs; false when it was linked without an ID. */
static bool get_build_id(uint8_t *ret)
{
	return dl_iterate_phdr(find_build_id, ret) == 1;
}

static uint32_t hash_name(const char *name)
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (; *name; name++)
		hash = (hash ^ (uint8_t)*name) * 16777619u;
	return hash;
}

/* Of whole words; what is left of one counts as if zeros came behind it. */
static uint64_t add_checksum(uint64_t sum, const void *data, size_t size)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < size; i += 8) {
		uint64_t word = 0;

		memcpy(&word, bytes + i, size - i < 8 ? size - i : 8);
		sum = (sum ^ word) * UINT64_C(0x9e3779b97f4a7c15);
		sum ^= sum >> 29;
	}
	return sum;
}

/* --- saving ------------------------------------------------------------------------------------
 */

int jit_precompile(struct jit *jit, uint64_t pc, uint32_t loop_bytes)
{
	const struct jit_source source = { .pc = pc };
	struct jit_block *block;
	int r = 0;

	jit_lock(jit, NULL);
	block = jit_find(jit, pc, 0);
	if (jit->blocks.nr >= jit->blocks.limit / 2 || jit->used >= jit->size / 2)
		r = -ENOSPC; /* a file for those who have others beside */
	else if (!block || loop_bytes > block->loop_bytes) {
		const struct jit_block *old = block;

		r = jit_make(jit, &source, loop_bytes ? pc + loop_bytes : 0, &block);
		if (r >= 0 && old)
			host_replace(jit, old->code, block->code);
	}
	jit_unlock(jit, NULL);
	return r;
}

static void link_exits(struct jit *jit)
{
	const struct jit_exit *exits = jit->exits.items;

	for (size_t i = 0; i < jit->exits.nr; i++) {
		const struct jit_block *block = jit_find(jit, exits[i].target, 0);

		if (block)
			host_link(jit, exits[i].place, block->code);
	}
}

/* Everything from where it is to where it will be: by -start and -code, or back. */
static void move(
	struct jit *jit, const size_t *first, size_t nr_blocks, uint64_t start, uint32_t code)
{
	struct jit_block *blocks = jit->blocks.items;
	struct jit_exit *exits = jit->exits.items;
	struct jit_landing *landings = jit->landings.items;
	struct ir_segment *segments = jit->segments.items;

	for (size_t i = first[BLOCKS]; i < nr_blocks; i++) {
		blocks[i].pc += start;
		blocks[i].lowest += start;
		blocks[i].code += code;
		blocks[i].code_end += code;
	}
	for (size_t i = first[EXITS]; i < jit->exits.nr; i++) {
		exits[i].target += start;
		exits[i].place += code;
	}
	for (size_t i = first[LANDINGS]; i < jit->landings.nr; i++) {
		landings[i].pc += start;
		landings[i].code += code;
	}
	for (size_t i = first[SEGMENTS]; i < jit->segments.nr; i++) {
		segments[i].start += start;
		segments[i].end += start;
	}
}

static int write_all(int fd, const void *data, size_t size, struct error *err)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = write(fd, (const char *)data + done, size - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return error_errno(
				err, n < 0 ? errno : EIO, "cannot write translated code");
		done += (size_t)n;
	}
	return 0;
}

/* Of a whole file. */
static uint64_t checksum(const struct header *header, size_t size)
{
	size_t at = offsetof(struct header, build_id);

	return add_checksum(0, (const char *)header + at, size - at);
}

/* Into the header, once everything else is there. */
static int write_checksum(int fd, struct error *err)
{
	struct header *header;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_errno(err, errno, "cannot look at translated code");
	header = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (header == MAP_FAILED)
		return error_errno(err, errno, "cannot map translated code");
	header->checksum = checksum(header, (size_t)st.st_size);
	munmap(header, (size_t)st.st_size);
	return 0;
}

int jit_save(struct jit *jit, int fd, uint64_t start, uint64_t size, struct error *err)
{
	static const size_t none[NR_PARTS];
	size_t code = (jit->stubs_end + JIT_CODE_ALIGN - 1) & ~(size_t)(JIT_CODE_ALIGN - 1);
	struct header header = { .magic = MAGIC,
		.guest = hash_name(jit->guest->name),
		.host = host_features(jit),
		.start = start,
		.size = size,
		.code = code,
		.code_bytes = jit->used - code };
	int r;

	if (!get_build_id(header.build_id))
		return error_set(err, ENOTSUP, "this program was linked without a build ID");
	link_exits(jit);
	move(jit, none, jit->blocks.nr, -start, -(uint32_t)code);
	for (unsigned n = 0; n < NR_PARTS; n++)
		header.nr[n] = part(jit, n)->nr - given(n);
	r = write_all(fd, &header, sizeof(header), err);
	for (unsigned n = 0; n < NR_PARTS && r >= 0; n++) {
		const struct jit_array *array = part(jit, n);

		r = write_all(fd, (char *)array->items + given(n) * array->item_bytes,
			header.nr[n] * array->item_bytes, err);
	}
	if (r >= 0)
		r = write_all(fd, jit->writable + code, header.code_bytes, err);
	return r < 0 ? r : write_checksum(fd, err);
}

/* --- restoring ---------------------------------------------------------------------------------
 */

/* The header fits us, the file and what room there is. */
static int check(struct jit *jit, const struct header *header, uint64_t file_size, uint64_t start,
	uint64_t size)
{
	uint64_t bytes = sizeof(*header) + header->code_bytes;
	uint8_t build_id[BUILD_ID_BYTES];

	if (header->magic != MAGIC || !get_build_id(build_id) ||
		memcmp(build_id, header->build_id, BUILD_ID_BYTES) != 0 ||
		header->guest != hash_name(jit->guest->name) ||
		header->host != host_features(jit) || header->size != size ||
		(header->start != start && (start < MOVES_ABOVE || header->start < MOVES_ABOVE)))
		return -ESTALE;
	if (header->code_bytes > FILE_BYTES_MAX || header->code > FILE_BYTES_MAX)
		return -EBADMSG;
	for (unsigned n = 0; n < NR_PARTS; n++) {
		const struct jit_array *array = part(jit, n);
		size_t most = array->limit / FULL_PARTS * (FULL_PARTS - 1);
		size_t item_bytes = n == RELOCATIONS ? sizeof(struct jit_relocation)
						     : array->item_bytes;

		if (header->nr[n] > FILE_BYTES_MAX)
			return -EBADMSG;
		if (n != RELOCATIONS && array->nr + header->nr[n] > most)
			return -ENOSPC;
		bytes += header->nr[n] * item_bytes;
	}
	if (bytes != file_size)
		return -EBADMSG;
	return jit->used + JIT_CODE_ALIGN + header->code_bytes >
			jit->size / FULL_PARTS * (FULL_PARTS - 1)
		? -ENOSPC
		: 0;
}

static void add_to(uint8_t *place, size_t size, uint64_t value)
{
	uint64_t old = 0;

	memcpy(&old, place, size);
	old += value;
	memcpy(place, &old, size);
}

/* -EBADMSG: a relocation is outside of the code. */
static int relocate(const struct header *header, const struct jit_relocation *relocations,
	uint8_t *code, uint64_t start, uint64_t by, const size_t *first)
{
	for (uint64_t i = 0; i < header->nr[RELOCATIONS]; i++) {
		uint64_t place = relocations[i].place - header->code;
		unsigned size = relocations[i].kind == JIT_MOVES_GUEST ? 8 : 4;

		if (place > header->code_bytes || size > header->code_bytes - place)
			return -EBADMSG;
		switch (relocations[i].kind) {
		case JIT_MOVES_GUEST:
			add_to(code + place, 8, start);
			break;
		case JIT_MOVES_STUB:
			add_to(code + place, 4, -by);
			break;
		case JIT_MOVES_EXIT:
			add_to(code + place, 4, first[EXITS]);
			break;
		case JIT_MOVES_COUNTER:
			add_to(code + place, 4, first[COUNTERS] - JIT_COUNTERS_FIRST);
			break;
		default:
			add_to(code + place, 4, 4 * (first[COUNTERS] - JIT_COUNTERS_FIRST));
		}
	}
	return 0;
}

/* Numbers of other arrays' items, behind those that were there. */
static void renumber(struct jit *jit, const size_t *first, size_t nr_blocks)
{
	struct jit_block *blocks = jit->blocks.items;

	for (size_t i = first[BLOCKS]; i < nr_blocks; i++) {
		struct jit_block *block = &blocks[i];

		block->first_landing += (uint32_t)first[LANDINGS];
		block->first_place += (uint32_t)first[PLACES];
		block->first_segment += (uint32_t)first[SEGMENTS];
		if (block->map)
			block->map += (uint32_t)first[MAPS] - 1;
		block->is_restored = true;
	}
}

static void index_all(struct jit *jit, size_t first)
{
	struct jit_block *blocks = jit->blocks.items;

	for (size_t i = first; i < jit->blocks.nr; i++)
		if (!blocks[i].is_dead && !jit_find(jit, blocks[i].pc, 0))
			jit_index(jit, &blocks[i]);
}

/* Have the memory ready that will be written in a moment: one call is cheaper than a fault for each
 * page. Where the kernel does not know it, the faults come. */
static void populate(void *start, size_t size)
{
	uintptr_t first = (uintptr_t)start & ~(uintptr_t)4095;

	madvise((void *)first, (uintptr_t)start + size - first, MADV_POPULATE_WRITE);
}

/* From the mapped file, which check() has found good. */
static int take(struct jit *jit, const struct header *header, uint64_t start)
{
	const char *from = (const char *)(header + 1);
	const struct jit_relocation *relocations = NULL;
	size_t first[NR_PARTS],
		code = (jit->used + JIT_CODE_ALIGN - 1) & ~(size_t)(JIT_CODE_ALIGN - 1);
	size_t nr_blocks = jit->blocks.nr;
	int r;

	for (unsigned n = 0; n < NR_PARTS; n++) {
		struct jit_array *array = part(jit, n);
		size_t bytes = header->nr[n] *
			(n == RELOCATIONS ? sizeof(*relocations) : array->item_bytes);

		first[n] = array->nr;
		if (n == RELOCATIONS) {
			relocations = (const void *)from;
		} else {
			char *to = (char *)array->items + array->nr * array->item_bytes;

			populate(to, bytes);
			memcpy(to, from, bytes);
		}
		from += bytes;
	}
	populate(jit->writable + code, header->code_bytes);
	memcpy(jit->writable + code, from, header->code_bytes);
	r = relocate(header, relocations, jit->writable + code, start - header->start,
		code - header->code, first);
	if (r < 0)
		return r;
	for (unsigned n = 0; n < NR_PARTS; n++)
		if (n != RELOCATIONS && n != BLOCKS)
			part(jit, n)->nr += header->nr[n];
	jit->used = code + header->code_bytes;
	nr_blocks += header->nr[BLOCKS];
	move(jit, first, nr_blocks, start, (uint32_t)code);
	renumber(jit, first, nr_blocks);
	/* Handlers look at blocks without the lock: they are counted when they are whole. */
	__atomic_store_n(&jit->blocks.nr, nr_blocks, __ATOMIC_RELEASE);
	index_all(jit, first[BLOCKS]);
	jit->stats.restored += header->nr[BLOCKS];
	return 0;
}

int jit_restore(struct jit *jit, int fd, uint64_t start, uint64_t size)
{
	const struct header *header;
	struct stat st;
	int r;

	if (jit->interpret)
		return 0;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size < (off_t)sizeof(*header) || st.st_size > FILE_BYTES_MAX)
		return -EBADMSG;
	header = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	if (header == MAP_FAILED)
		return -errno;
	jit_lock(jit, NULL);
	r = check(jit, header, (uint64_t)st.st_size, start, size);
	if (r == 0 && checksum(header, (size_t)st.st_size) != header->checksum)
		r = -EBADMSG;
	if (r == 0)
		r = take(jit, header, start);
	if (r == 0) {
		if (!jit->highest || start < jit->lowest)
			jit->lowest = start;
		if (start + size > jit->highest)
			jit->highest = start + size;
	}
	jit_unlock(jit, NULL);
	munmap((void *)(uintptr_t)header, (size_t)st.st_size);
	return r;
}

size_t jit_list(struct jit *jit, uint64_t start, uint64_t size,
	void (*each)(void *context, uint64_t offset, uint32_t loop_bytes), void *context)
{
	const struct jit_block *blocks = jit->blocks.items;
	const struct ir_segment *segments = jit->segments.items;
	size_t nr_new = 0;

	jit_lock(jit, NULL);
	for (size_t i = 0; i < jit->blocks.nr; i++) {
		const struct jit_block *block = &blocks[i];
		bool is_inside = !block->is_dead && !block->is_of_state;

		for (unsigned n = 0; n < block->nr_segments; n++) {
			const struct ir_segment *segment = &segments[block->first_segment + n];

			is_inside &= segment->start >= start && segment->end <= start + size;
		}
		if (!is_inside)
			continue;
		each(context, block->pc - start, block->loop_bytes);
		nr_new += !block->is_restored;
	}
	jit_unlock(jit, NULL);
	return nr_new;
}
