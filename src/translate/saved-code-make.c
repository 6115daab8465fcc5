/* SPDX-License-Identifier: Apache-2.0 */
/*
 * saved-code-make.c - the process that translates files again, for others to take.
 *
 * It maps each file of the list where nothing of the guest's ever ran, has the places translated
 * that the list or what there was before names, and puts the result in place of what there was by
 * rename(2): whoever reads has the old or the new one, whole. Two that make the same are no worse
 * than one.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/io.h"
#include "base/str.h"
#include "jit/jit.h"
#include "translate/internal.h"
#include "translate/saved-code-internal.h"
#include "translate/saved-code.h"

/* Where code that moves is translated: high, so that all its addresses take 64 bits. */
#define PLACE		UINT64_C(0x2000000000)
#define MOVES_ABOVE	(UINT64_C(1) << 32)
#define MODULE_SIZE_MAX (UINT64_C(1) << 31)
#define FOLDER_BYTES	(UINT64_C(512) << 20) /* the oldest go when there is more */
#define FILES_MAX	8192

struct places {
	struct saved_place *items;
	size_t nr, limit;
};

struct code {
	uint64_t start, end;
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

/* Lines first, and by address: what follows each other lies together. */
static int compare(const void *a, const void *b)
{
	const struct saved_place *x = a, *y = b;

	if (!x->loop_bytes != !y->loop_bytes)
		return x->loop_bytes ? 1 : -1;
	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* What the file in the folder has already. */
static void add_old(int dir_fd, const struct saved_module *m, uint64_t start, struct places *places)
{
	struct jit_options options = { 0 };
	struct jit *jit = NULL;
	_cleanup_close_ int fd = openat(dir_fd, m->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0 || jit_open(&options, &jit, NULL) < 0)
		return;
	if (jit_restore(jit, fd, start, m->size) == 0)
		jit_list(jit, start, m->size, add_place, places);
	jit_free(jit);
}

static int write_file(int dir_fd, const struct saved_module *m, struct jit *jit, uint64_t start,
	struct error *err)
{
	_cleanup_free_ char *name = strf("%s.%d", m->name, (int)getpid());
	_cleanup_close_ int fd = -1;
	int r;

	if (!name)
		return error_oom(err);
	fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_errno(err, errno, "cannot make %s", name);
	r = jit_save(jit, fd, start, m->size, err);
	if (r == 0 && renameat(dir_fd, name, dir_fd, m->name) < 0)
		r = error_errno(err, errno, "cannot rename %s", name);
	if (r < 0)
		unlinkat(dir_fd, name, 0);
	return r;
}

static int translate_all(int dir_fd, const struct saved_module *m, const struct code *code,
	struct places *places, struct error *err)
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
	r = write_file(dir_fd, m, jit, code->start, err);
	jit_free(jit);
	return r;
}

static bool is_believable(const struct saved_module *m)
{
	return m->size && m->size <= MODULE_SIZE_MAX && m->start % GUEST_PAGE == 0 &&
		m->offset % GUEST_PAGE == 0 && m->start >= GUEST_START &&
		m->start < GUEST_END - MODULE_SIZE_MAX && m->nr_places <= SAVED_PLACES_MAX &&
		memchr(m->name, '\0', sizeof(m->name)) && memchr(m->path, '\0', sizeof(m->path)) &&
		m->path[0] == '/';
}

/* Read the module's places, and make its file. */
static int make_module(int dir_fd, int list_fd, const struct saved_module *m, struct error *err)
{
	size_t limit = m->nr_places + SAVED_PLACES_MAX;
	_cleanup_free_ struct saved_place *items = calloc(limit, sizeof(*items));
	struct places places = { items, m->nr_places, limit };
	struct code code = { .start = m->start < MOVES_ABOVE ? m->start : PLACE };
	_cleanup_close_ int fd = -1;
	char name[SAVED_NAME_BYTES];
	struct stat st;
	int r;

	if (!items)
		return error_oom(err);
	if (io_read_full(list_fd, items, m->nr_places * sizeof(*items)) < 0)
		return error_set(err, EBADMSG, "the list is too short");
	fd = open(m->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return 0; /* gone since */
	saved_code_name(name, &st, m->offset, m->size);
	if (!streq(name, m->name) || (uint64_t)st.st_size <= m->offset)
		return 0;
	code.end = code.start + m->size;
	if (m->size > (uint64_t)st.st_size - m->offset)
		code.end = code.start + ((uint64_t)st.st_size - m->offset);
	if (mmap(guest_pointer(code.start), m->size, PROT_READ, MAP_PRIVATE | MAP_FIXED_NOREPLACE,
		    fd, (off_t)m->offset) == MAP_FAILED)
		return error_errno(err, errno, "cannot map %s", m->path);
	add_old(dir_fd, m, code.start, &places);
	r = translate_all(dir_fd, m, &code, &places, err);
	munmap(guest_pointer(code.start), m->size);
	return r;
}

/* --- the folder --------------------------------------------------------------------------------
 */

struct file {
	char name[SAVED_NAME_BYTES + 16];
	uint64_t bytes;
	int64_t made;
};

static int compare_age(const void *a, const void *b)
{
	const struct file *x = a, *y = b;

	return x->made < y->made ? 1 : x->made > y->made ? -1 : 0;
}

/* The youngest stay. */
static void collect(int dir_fd)
{
	_cleanup_free_ struct file *files = calloc(FILES_MAX, sizeof(*files));
	int fd = dup(dir_fd);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	uint64_t bytes = 0;
	size_t nr = 0;
	struct stat st;

	for (struct dirent *entry; files && dir && nr < FILES_MAX && (entry = readdir(dir));) {
		if (strlen(entry->d_name) >= sizeof(files->name) ||
			fstatat(dir_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
			!S_ISREG(st.st_mode))
			continue;
		strcpy(files[nr].name, entry->d_name);
		files[nr].bytes = (uint64_t)st.st_size;
		files[nr++].made = st.st_mtim.tv_sec;
	}
	if (dir)
		closedir(dir);
	if (!files)
		return;
	qsort(files, nr, sizeof(*files), compare_age);
	for (size_t i = 0; i < nr; i++) {
		bytes += files[i].bytes;
		if (bytes > FOLDER_BYTES)
			unlinkat(dir_fd, files[i].name, 0);
	}
}

int saved_code_make(const char *dir, int list_fd, struct error *err)
{
	_cleanup_free_ struct saved_module *m = malloc(sizeof(*m));
	_cleanup_close_ int dir_fd = -1;
	int r = io_make_dirs(AT_FDCWD, dir, 0700, err);

	if (!m)
		return error_oom(err);
	if (r < 0)
		return r;
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return error_errno(err, errno, "cannot open %s", dir);
	if (lseek(list_fd, 0, SEEK_SET) < 0)
		return error_errno(err, errno, "cannot read the list");
	for (unsigned i = 0; i < SAVED_MODULES_MAX; i++) {
		if (io_read_full(list_fd, m, sizeof(*m)) < 0)
			break; /* the end */
		if (!is_believable(m))
			return error_set(err, EBADMSG, "the list is not one of places");
		r = make_module(dir_fd, list_fd, m, err);
		if (r < 0)
			return r;
	}
	collect(dir_fd);
	return 0;
}
