/* SPDX-License-Identifier: Apache-2.0 */
/*
 * saved.c - translated code that is kept from one process to the next: one file's, as a header, the
 * arrays that describe it, and the code.
 *
 * Addresses of the guest are kept from the start of its code, offsets from the start of ours, and
 * the places in our code where either stands are listed, so that both can be put anywhere. (Code of
 * a machine stays where it is: saved-machine.c.) A file is for exactly the program that has written
 * it (its build ID): structures are written as they are. It comes from somebody we trust (jit.h),
 * but may be cut short or damaged: sizes are checked before they are used, and everything by a
 * checksum.
 */
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "jit/saved.h"

#define MAGIC	    UINT64_C(0x34306374696a7473) /* "stjitc04" */
#define MOVES_ABOVE (UINT64_C(1) << 32)
#define FULL_PARTS  4 /* one of them is not filled by what was kept: for what was not */

struct jit_array *jit_saved_part(struct jit *jit, unsigned n)
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

			if (note->n_type == NT_GNU_BUILD_ID &&
				note->n_descsz == JIT_SAVED_BUILD_ID_BYTES) {
				memcpy(ret, (void *)(uintptr_t)desc, JIT_SAVED_BUILD_ID_BYTES);
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

#define LANES 4

static uint64_t add_word(uint64_t sum, uint64_t word)
{
	sum = (sum ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return sum ^ sum >> 29;
}

/* Of whole words, in several sums that a CPU computes at once; what is left at the end counts as if
 * zeros came behind it. */
static uint64_t checksum_of(const void *data, size_t size)
{
	const uint8_t *bytes = data;
	uint64_t sums[LANES] = { 1, 2, 3, 4 }, words[LANES];

	for (; size >= sizeof(words); bytes += sizeof(words), size -= sizeof(words)) {
		memcpy(words, bytes, sizeof(words));
		for (unsigned i = 0; i < LANES; i++)
			sums[i] = add_word(sums[i], words[i]);
	}
	memset(words, 0, sizeof(words));
	memcpy(words, bytes, size);
	for (unsigned i = 0; i < LANES; i++)
		sums[i] = add_word(sums[i], words[i]);
	for (unsigned i = 1; i < LANES; i++)
		sums[0] = add_word(sums[0], sums[i]);
	return sums[0];
}

/* --- saving ------------------------------------------------------------------------------------
 */

int jit_precompile_source(struct jit *jit, const struct jit_source *source, uint32_t loop_bytes)
{
	struct jit_block *block;
	int r = 0;

	jit_lock(jit, NULL);
	block = jit_find(jit, source->pc, source->context);
	if (jit->blocks.nr >= jit->blocks.limit / 2 || jit->used >= jit->size / 2)
		r = -ENOSPC; /* a file for those who have others beside */
	else if (!block || loop_bytes > block->loop_bytes) {
		const struct jit_block *old = block;

		r = jit_make(jit, source, loop_bytes ? source->pc + loop_bytes : 0, &block);
		if (r >= 0 && old)
			host_replace(jit, old->code, block->code);
	}
	jit_unlock(jit, NULL);
	return r;
}

int jit_precompile(struct jit *jit, uint64_t pc, uint32_t loop_bytes)
{
	const struct jit_source source = { .pc = pc };

	return jit_precompile_source(jit, &source, loop_bytes);
}

/* As translate.c does it when a jump is first taken: of code that moves only on its page. */
static void link_exits(struct jit *jit)
{
	const struct jit_exit *exits = jit->exits.items;

	for (size_t i = 0; i < jit->exits.nr; i++) {
		const struct jit_exit *exit = &exits[i];
		const struct jit_block *block = jit_find(jit, exit->target, exit->context);

		if (block && (!jit_moves(jit, exit->context) || exit->target < JIT_PAGE_BYTES))
			host_link(jit, exit->place, block->code);
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

int jit_saved_write(int fd, const void *data, size_t size, struct error *err)
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

static uint64_t checksum(const struct jit_saved *header, size_t size)
{
	size_t at = offsetof(struct jit_saved, build_id);

	return checksum_of((const char *)header + at, size - at);
}

int jit_saved_finish(int fd, struct error *err)
{
	struct jit_saved *header;
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

int jit_saved_begin(struct jit *jit, const struct jit_origin *origin, size_t code,
	struct jit_saved *ret, struct error *err)
{
	*ret = (struct jit_saved){ .magic = MAGIC,
		.guest = hash_name(jit->guest->name),
		.host = host_features(jit),
		.origin = *origin,
		.code = code,
		.code_bytes = jit->used - code };
	if (!get_build_id(ret->build_id))
		return error_set(err, ENOTSUP, "this program was linked without a build ID");
	link_exits(jit);
	return 0;
}

static int save_program(struct jit *jit, int fd, const struct jit_origin *origin, struct error *err)
{
	static const size_t none[NR_PARTS];
	size_t code = (jit->stubs_end + JIT_CODE_ALIGN - 1) & ~(size_t)(JIT_CODE_ALIGN - 1);
	struct jit_saved header;
	int r = jit_saved_begin(jit, origin, code, &header, err);

	if (r < 0)
		return r;
	move(jit, none, jit->blocks.nr, -origin->start, -(uint32_t)code);
	for (unsigned n = 0; n < NR_PARTS; n++)
		header.nr[n] = jit_saved_part(jit, n)->nr - given(n);
	r = jit_saved_write(fd, &header, sizeof(header), err);
	for (unsigned n = 0; n < NR_PARTS && r >= 0; n++) {
		const struct jit_array *array = jit_saved_part(jit, n);

		r = jit_saved_write(fd, (char *)array->items + given(n) * array->item_bytes,
			header.nr[n] * array->item_bytes, err);
	}
	if (r >= 0)
		r = jit_saved_write(fd, jit->writable + code, header.code_bytes, err);
	return r < 0 ? r : jit_saved_finish(fd, err);
}

int jit_save(struct jit *jit, int fd, const struct jit_origin *origin, struct error *err)
{
	return jit->guest->machine ? jit_save_machine(jit, fd, origin, err)
				   : save_program(jit, fd, origin, err);
}

/* --- restoring ---------------------------------------------------------------------------------
 */

int jit_saved_map(int fd, const struct jit_saved **ret, size_t *ret_size)
{
	struct stat st;
	void *file;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size < (off_t)sizeof(**ret) || st.st_size > JIT_SAVED_BYTES_MAX)
		return -EBADMSG;
	file = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	if (file == MAP_FAILED)
		return -errno;
	*ret = file;
	*ret_size = (size_t)st.st_size;
	return 0;
}

bool jit_saved_has_room(struct jit *jit, const struct jit_saved *header, unsigned n)
{
	const struct jit_array *array = jit_saved_part(jit, n);

	return array->nr + header->nr[n] <= array->limit / FULL_PARTS * (FULL_PARTS - 1);
}

int jit_saved_check(struct jit *jit, const struct jit_saved *header)
{
	uint8_t build_id[JIT_SAVED_BUILD_ID_BYTES];

	if (header->magic != MAGIC || !get_build_id(build_id) ||
		memcmp(build_id, header->build_id, sizeof(build_id)) != 0 ||
		header->guest != hash_name(jit->guest->name) || header->host != host_features(jit))
		return -ESTALE;
	if (header->code_bytes > JIT_SAVED_BYTES_MAX || header->code > JIT_SAVED_BYTES_MAX)
		return -EBADMSG;
	for (unsigned n = 0; n < NR_PARTS; n++)
		if (header->nr[n] > JIT_SAVED_BYTES_MAX)
			return -EBADMSG;
	for (unsigned n = 0; n < NR_MACHINE_PARTS; n++)
		if (!jit_saved_has_room(jit, header, n))
			return -ENOSPC;
	return jit->used + JIT_PAGE_BYTES + header->code_bytes >
			jit->size / FULL_PARTS * (FULL_PARTS - 1)
		? -ENOSPC
		: 0;
}

bool jit_saved_is_whole(const struct jit_saved *header, size_t size)
{
	return checksum(header, size) == header->checksum;
}

/* What was translated is what the guest has, here or elsewhere. */
static bool fits(const struct jit_origin *was, const struct jit_origin *is)
{
	return was->size == is->size &&
		(was->start == is->start ||
			(was->start >= MOVES_ABOVE && is->start >= MOVES_ABOVE));
}

/* The header fits us, the file and what room there is. */
static int check(struct jit *jit, const struct jit_saved *header, uint64_t file_size,
	const struct jit_origin *origin)
{
	uint64_t bytes = sizeof(*header) + header->code_bytes;
	int r = jit_saved_check(jit, header);

	if (r < 0)
		return r;
	if (!fits(&header->origin, origin))
		return -ESTALE;
	for (unsigned n = 0; n < NR_PARTS; n++)
		bytes += header->nr[n] *
			(n == RELOCATIONS ? sizeof(struct jit_relocation)
					  : jit_saved_part(jit, n)->item_bytes);
	if (bytes != file_size)
		return -EBADMSG;
	return jit_saved_is_whole(header, file_size) ? 0 : -EBADMSG;
}

static void add_to(uint8_t *place, size_t size, uint64_t value)
{
	uint64_t old = 0;

	memcpy(&old, place, size);
	old += value;
	memcpy(place, &old, size);
}

/* -EBADMSG: a relocation is outside of the code. */
static int relocate(const struct jit_saved *header, const struct jit_relocation *relocations,
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
		if (!blocks[i].is_dead && !jit_find(jit, blocks[i].pc, blocks[i].context))
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
static int take(struct jit *jit, const struct jit_saved *header, uint64_t start)
{
	const char *from = (const char *)(header + 1);
	const struct jit_relocation *relocations = NULL;
	size_t first[NR_PARTS],
		code = (jit->used + JIT_CODE_ALIGN - 1) & ~(size_t)(JIT_CODE_ALIGN - 1);
	size_t nr_blocks = jit->blocks.nr;
	int r;

	for (unsigned n = 0; n < NR_PARTS; n++) {
		struct jit_array *array = jit_saved_part(jit, n);
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
	r = relocate(header, relocations, jit->writable + code, start - header->origin.start,
		code - header->code, first);
	if (r < 0)
		return r;
	for (unsigned n = 0; n < NR_PARTS; n++)
		if (n != RELOCATIONS && n != BLOCKS)
			jit_saved_part(jit, n)->nr += header->nr[n];
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

/* What changes in here is told. */
static void stretch(struct jit *jit, const struct jit_origin *origin)
{
	if (!jit->highest || origin->start < jit->lowest)
		jit->lowest = origin->start;
	if (origin->start + origin->size > jit->highest)
		jit->highest = origin->start + origin->size;
}

static int restore_program(struct jit *jit, const struct jit_saved *header, size_t size,
	const struct jit_origin *origin)
{
	int r = check(jit, header, size, origin);

	if (r == 0)
		r = take(jit, header, origin->start);
	if (r == 0)
		stretch(jit, origin);
	return r;
}

int jit_restore(struct jit *jit, int fd, const struct jit_origin *origin)
{
	const struct jit_saved *header;
	size_t size;
	int r = jit->interpret ? 0 : jit_saved_map(fd, &header, &size);

	if (jit->interpret || r < 0)
		return r;
	jit_lock(jit, NULL);
	r = jit->guest->machine ? jit_restore_machine(jit, fd, header, size, origin)
				: restore_program(jit, header, size, origin);
	jit_unlock(jit, NULL);
	munmap((void *)(uintptr_t)header, size);
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
