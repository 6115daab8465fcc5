/* SPDX-License-Identifier: Apache-2.0 */
/*
 * saved-code-make.c - the process that translates files again, for others to take.
 *
 * It maps each file of the list where nothing of the guest's ever ran, has the places translated
 * that the list or what there was before names, and puts the result in place of what there was by
 * rename(2): whoever reads has the old or the new one, whole. One at a time holds the folder's lock
 * from reading the old file to putting the new one there, so that nothing is lost between two; who
 * is killed leaves a temporary file at most, and no lock.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/str.h"
#include "jit/jit.h"
#include "translate/internal.h"
#include "translate/saved-code-internal.h"
#include "translate/saved-code.h"

/* Where code that moves is translated: high, so that all its addresses take 64 bits, and above what
 * AddressSanitizer needs. */
#define PLACE		UINT64_C(0x200000000000)
#define MOVES_ABOVE	(UINT64_C(1) << 32)
#define MODULE_SIZE_MAX (UINT64_C(1) << 31)
#define LISTED_MAX	2048 /* a container's processes' all together */
/* A file that has changed as lately may change again with the clock still at the same tick, and
 * then nobody could tell. */
#define SETTLED_SECONDS 2

struct places {
	struct saved_place *items;
	size_t nr, limit;
};

struct code {
	uint64_t start, end;
};

struct maker {
	int dir_fd, list_fd;
	char *const *layers; /* as saved_code_make() has them */
};

static uint64_t code_end(void *context, uint64_t pc)
{
	const struct code *code = context;

	return pc >= code->start && pc < code->end ? code->end : pc;
}

static void add_place(void *context, uint64_t offset, uint32_t loop_bytes)
{
	struct places *places = context;

	if (places->nr < places->limit)
		places->items[places->nr++] = (struct saved_place){ offset, loop_bytes, 0 };
}

/* Lines first, and by address: what follows each other lies together. Of loops that begin at one
 * place the longest is the one that is entered. */
static int compare(const void *a, const void *b)
{
	const struct saved_place *x = a, *y = b;

	if (!x->loop_bytes != !y->loop_bytes)
		return x->loop_bytes ? 1 : -1;
	if (x->offset != y->offset)
		return x->offset < y->offset ? -1 : 1;
	return x->loop_bytes > y->loop_bytes ? -1 : x->loop_bytes < y->loop_bytes;
}

/* What the file in the folder has already. */
static void add_old(int dir_fd, const struct saved_module *m, uint64_t start, struct places *places)
{
	const struct jit_origin origin = { .start = start, .size = m->size };
	struct jit_options options = { 0 };
	struct jit *jit = NULL;
	_cleanup_close_ int fd = openat(dir_fd, m->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0 || jit_open(&options, &jit, NULL) < 0)
		return;
	if (jit_restore(jit, fd, &origin) == 0)
		jit_list(jit, start, m->size, add_place, places);
	jit_free(jit);
}

/* --- the file that was meant -------------------------------------------------------------------
 */

static int open_path(const struct maker *maker, const char *path)
{
	int fd = -ENOENT;

	if (!maker->layers)
		return open(path, O_PATH | O_CLOEXEC);
	/* It was resolved where the list is from. */
	for (char *const *layer = maker->layers; *layer && fd < 0; layer++) {
		_cleanup_close_ int root = open(*layer, O_PATH | O_DIRECTORY | O_CLOEXEC);

		if (root >= 0)
			fd = io_open_without_links(root, path + 1, O_PATH, false);
	}
	return fd;
}

/* It is in the state that the name stands for. */
static bool is_meant(const struct maker *maker, const struct saved_module *m, int fd, off_t *ret)
{
	char name[SAVED_NAME_BYTES];
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return false;
	if (maker->layers)
		st.st_dev = SAVED_CODE_ANY_DEVICE;
	else if (st.st_ctim.tv_sec > time(NULL) - SETTLED_SECONDS)
		return false;
	saved_code_name(name, &st, m->offset, m->size);
	*ret = st.st_size;
	return streq(name, m->name);
}

/* -1: there is none. What is no plain file is not opened: with some, that does something. */
static int open_file(const struct maker *maker, const struct saved_module *m, off_t *ret_size)
{
	_cleanup_close_ int place = open_path(maker, m->path);
	_cleanup_free_ char *link = place < 0 ? NULL : strf("/proc/self/fd/%d", place);

	if (!link || !is_meant(maker, m, place, ret_size))
		return -1;
	return open(link, O_RDONLY | O_CLOEXEC);
}

/* --- what is made ------------------------------------------------------------------------------
 */

/* The result, in place of what there was, if the file at `source` is still what it was. */
static int write_file(const struct maker *maker, const struct saved_module *m, int source,
	struct jit *jit, uint64_t start, struct error *err)
{
	const struct jit_origin origin = { .start = start, .size = m->size };
	_cleanup_free_ char *name = saved_code_temporary_name(m->name);
	_cleanup_close_ int fd = -1;
	off_t ignored;
	int r;

	if (!name)
		return error_oom(err);
	fd = openat(maker->dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_errno(err, errno, "cannot make %s", name);
	r = jit_save(jit, fd, &origin, err);
	/* A container's users read what its owner has written. */
	if (r == 0 && maker->layers && fchmod(fd, 0644) < 0)
		r = error_errno(err, errno, "cannot let others read %s", name);
	if (r == 0 && !is_meant(maker, m, source, &ignored))
		r = error_set(err, ESTALE, "%s has changed meanwhile", m->path);
	if (r == 0 && renameat(maker->dir_fd, name, maker->dir_fd, m->name) < 0)
		r = error_errno(err, errno, "cannot rename %s", name);
	if (r < 0)
		unlinkat(maker->dir_fd, name, 0);
	return r;
}

static int translate_all(const struct maker *maker, const struct saved_module *m, int source,
	const struct code *code, struct places *places, struct error *err)
{
	struct jit_options options = {
		.code_end = code_end, .context = (void *)(uintptr_t)code, .is_saving = true
	};
	struct jit *jit;
	int r;

	qsort(places->items, places->nr, sizeof(*places->items), compare);
	r = jit_open(&options, &jit, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < places->nr; i++) {
		const struct saved_place *place = &places->items[i];

		/* Instructions begin at even addresses. */
		if (place->offset >= m->size || place->offset & 1 ||
			place->loop_bytes > m->size - place->offset)
			continue;
		if (jit_precompile(jit, code->start + place->offset, place->loop_bytes) == -ENOSPC)
			break;
	}
	r = write_file(maker, m, source, jit, code->start, err);
	jit_free(jit);
	return r;
}

/* Of the first `nr` places, are there enough that are not among the others? Several processes may
 * have told the same. */
static bool is_worth_it(struct places *places, size_t nr)
{
	struct saved_place *old = places->items + nr;
	size_t nr_new = 0;

	if (places->nr == nr)
		return nr > 0;
	qsort(old, places->nr - nr, sizeof(*old), compare);
	for (size_t i = 0; i < nr && nr_new < SAVED_PLACES_WORTH; i++)
		nr_new += !bsearch(&places->items[i], old, places->nr - nr, sizeof(*old), compare);
	return nr_new == SAVED_PLACES_WORTH;
}

static bool is_believable(const struct saved_module *m)
{
	return m->size && m->size <= MODULE_SIZE_MAX && m->start % GUEST_PAGE == 0 &&
		m->size % GUEST_PAGE == 0 && m->offset % GUEST_PAGE == 0 &&
		m->start >= GUEST_START && m->start < GUEST_END - MODULE_SIZE_MAX &&
		m->nr_places <= SAVED_PLACES_MAX && memchr(m->name, '\0', sizeof(m->name)) &&
		memchr(m->path, '\0', sizeof(m->path)) && m->path[0] == '/';
}

static int make_mapped(const struct maker *maker, const struct saved_module *m, int source,
	const struct code *code, struct places *places, struct error *err)
{
	size_t nr = places->nr;
	int r = 0;

	if (flock(maker->dir_fd, LOCK_EX) < 0)
		return error_errno(err, errno, "cannot lock the folder");
	add_old(maker->dir_fd, m, code->start, places);
	if (is_worth_it(places, nr))
		r = translate_all(maker, m, source, code, places, err);
	flock(maker->dir_fd, LOCK_UN);
	return r;
}

/* Read the module's places, and make its file. */
static int make_module(const struct maker *maker, const struct saved_module *m, struct error *err)
{
	size_t limit = m->nr_places + SAVED_PLACES_MAX;
	_cleanup_free_ struct saved_place *items = calloc(limit, sizeof(*items));
	struct places places = { items, m->nr_places, limit };
	struct code code = { .start = m->start < MOVES_ABOVE ? m->start : PLACE };
	_cleanup_close_ int source = -1;
	off_t size;
	int r;

	if (!items)
		return error_oom(err);
	if (io_read_full(maker->list_fd, items, m->nr_places * sizeof(*items)) < 0)
		return error_set(err, EBADMSG, "the list is too short");
	source = open_file(maker, m, &size);
	if (source < 0 || (uint64_t)size <= m->offset)
		return 0; /* gone since */
	saved_code_used(maker->dir_fd, m->name);
	if (!m->nr_places)
		return 0;
	code.end = code.start + m->size;
	if (m->size > (uint64_t)size - m->offset)
		code.end = code.start + ((uint64_t)size - m->offset);
	if (mmap(guest_pointer(code.start), m->size, PROT_READ, MAP_PRIVATE | MAP_FIXED_NOREPLACE,
		    source, (off_t)m->offset) == MAP_FAILED)
		return error_errno(err, errno, "cannot map %s", m->path);
	r = make_mapped(maker, m, source, &code, &places, err);
	munmap(guest_pointer(code.start), m->size);
	return r == -ESTALE ? 0 : r;
}

static int make_all(const struct maker *maker, struct error *err)
{
	_cleanup_free_ struct saved_module *m = malloc(sizeof(*m));
	int r = 0;

	if (!m)
		return error_oom(err);
	if (lseek(maker->list_fd, 0, SEEK_SET) < 0)
		return error_errno(err, errno, "cannot read the list");
	for (unsigned i = 0; i < LISTED_MAX && r == 0; i++) {
		if (io_read_full(maker->list_fd, m, sizeof(*m)) < 0 || !m->size)
			break; /* the end */
		if (!is_believable(m))
			return error_set(err, EBADMSG, "the list is not one of places");
		r = make_module(maker, m, err);
	}
	return r;
}

int saved_code_make(const char *dir, char *const *layers, int list_fd, struct error *err)
{
	struct maker maker = { .list_fd = list_fd, .layers = layers };
	_cleanup_close_ int dir_fd = -1;
	struct stat st;
	int r;

	/* That of containers is there, or was removed with all the rest. */
	r = layers ? 0 : io_make_dirs(AT_FDCWD, dir, 0700, err);
	if (r < 0)
		return r;
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0 || fstat(dir_fd, &st) < 0)
		return error_errno(err, errno, "cannot open %s", dir);
	if (!saved_code_is_safe(&st))
		return error_set(err, EPERM, "%s is not only ours to write to", dir);
	maker.dir_fd = dir_fd;
	r = make_all(&maker, err);
	saved_code_collect(dir_fd);
	return r;
}
