/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kept.c - translated code that is kept beside a snapshot, so that a machine that goes on from
 * there need not translate what the one before has.
 *
 * The file is for one snapshot: for the file of its memory, as inode, size and times of its last
 * changes tell it from any other. It is made by machine_keep_code() in a process of its own, from
 * that memory; the machine only tells places. So a guest that takes its process over can leave
 * nothing in it that another machine would execute.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/io.h"
#include "base/json.h"
#include "machine/jail.h"
#include "machine/riscv/board.h"

#define PLACES_MAX  (1u << 16)
#define PLACE_WORDS 4 /* in the list: pc, page, mode, bytes of the loop */

static struct jit_origin origin_of(const struct stat *memory)
{
	return (struct jit_origin){
		.memory = { memory->st_ino, (uint64_t)memory->st_size,
			(uint64_t)memory->st_mtim.tv_sec * UINT64_C(1000000000) +
				(uint64_t)memory->st_mtim.tv_nsec,
			(uint64_t)memory->st_ctim.tv_sec * UINT64_C(1000000000) +
				(uint64_t)memory->st_ctim.tv_nsec }
	};
}

/* --- in the machine ---------------------------------------------------------------------------
 */

void riscv_forget_all_code(struct machine *m)
{
	jit_shrink(riscv_board(m)->jit, 0);
	m->board->note_writes(m, NULL);
}

int riscv_restore_code(struct machine *m, const char *path, int folder_fd)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct jit_origin origin;
	struct stat st;

	if (fd < 0 || fstatat(folder_fd, "memory-0", &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	origin = origin_of(&st);
	return jit_restore(riscv_board(m)->jit, fd, &origin);
}

struct list {
	json_t *words;
	unsigned nr;
};

static void add_place(void *context, const struct jit_machine_place *place)
{
	struct list *list = context;
	const uint64_t words[PLACE_WORDS] = { place->pc, place->page, place->mode,
		place->loop_bytes };

	if (list->nr++ >= PLACES_MAX)
		return;
	for (unsigned i = 0; i < PLACE_WORDS; i++)
		json_array_append_new(list->words, json_integer((json_int_t)words[i]));
}

json_t *riscv_show_code(struct machine *m, bool with_places, struct error *err)
{
	struct jit *jit = riscv_board(m)->jit;
	struct jit_stats s = jit_get_stats(jit);
	struct list list = { 0 };
	json_t *result = json_pack("{s:I, s:I, s:I, s:I, s:I}", "blocks", (json_int_t)s.blocks,
		"regions", (json_int_t)s.regions, "restored", (json_int_t)s.restored, "forgotten",
		(json_int_t)s.invalidated, "emptied", (json_int_t)s.flushes);

	if (result && with_places) {
		list.words = json_array();
		riscv_code_list(&m->memory, jit, add_place, &list);
		json_object_set_new(result, "places", list.words);
	}
	if (!result)
		error_oom(err);
	return result;
}

/* --- in a process of its own ------------------------------------------------------------------
 */

/* As add_place() has put them there; *ret is the caller's. */
static int read_places(const char *text, size_t size, struct jit_machine_place **ret,
	size_t *ret_nr, struct error *err)
{
	_cleanup_json_ json_t *object = json_loadb(text, size, 0, NULL);
	const json_t *words = json_object_get(object, "places");
	size_t nr = json_array_size(words) / PLACE_WORDS;
	struct jit_machine_place *places = NULL;

	if (nr > 0 && nr <= PLACES_MAX)
		places = calloc(nr, sizeof(*places));
	for (size_t i = 0; places && i < nr; i++) {
		uint64_t word[PLACE_WORDS];

		for (size_t j = 0; j < PLACE_WORDS; j++)
			word[j] = (uint64_t)json_integer_value(
				json_array_get(words, PLACE_WORDS * i + j));
		places[i] = (struct jit_machine_place){ word[0], word[1], (uint32_t)word[2],
			(uint32_t)word[3] };
	}
	if (!places)
		return nr > 0 && nr <= PLACES_MAX
			? error_oom(err)
			: error_set(err, EBADMSG, "this is no list of places");
	*ret = places;
	*ret_nr = nr;
	return 0;
}

static int map_memory(struct vm_memory *memory, int fd, const struct stat *st, struct error *err)
{
	int r = vm_memory_add(memory, LAYOUT_MEMORY_START, (uint64_t)st->st_size, err);

	if (r == 0 && (r = vm_memory_restore(memory, 0, fd)) < 0)
		error_errno(err, r, "cannot map the snapshot's memory");
	return r;
}

/* Where it is made: ours alone, even if somebody else has had it before. -EAGAIN: they are at it.
 */
static int open_temporary(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct stat st, named;

	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || stat(path, &named) < 0 || st.st_ino != named.st_ino)
		return -EAGAIN;
	return ftruncate(fd, 0) < 0 ? -errno : steal_fd(&fd);
}

/* What a list of places is made into, and from what. */
struct making {
	const char *text;
	size_t size;
	int memory_fd, fd;
};

/* The snapshot is what it was when its memory was mapped. */
static int write_code(const struct making *making, struct error *err)
{
	_cleanup_free_ struct jit_machine_place *places = NULL;
	struct vm_memory memory;
	struct jit_origin origin, now;
	struct stat st;
	size_t nr = 0;
	int r = read_places(making->text, making->size, &places, &nr, err);

	if (r < 0)
		return r;
	if (fstat(making->memory_fd, &st) < 0)
		return error_errno(err, errno, "cannot look at the snapshot's memory");
	origin = origin_of(&st);
	vm_memory_init(&memory);
	r = map_memory(&memory, making->memory_fd, &st, err);
	if (r == 0)
		r = riscv_code_make(&memory, places, nr, &origin, making->fd, err);
	vm_memory_destroy(&memory);
	if (r == 0 && fstat(making->memory_fd, &st) < 0)
		r = error_errno(err, errno, "cannot look at the snapshot's memory");
	now = origin_of(&st);
	if (r == 0 && memcmp(&now, &origin, sizeof(now)) != 0)
		r = error_set(err, ESTALE, "the snapshot has changed meanwhile");
	return r;
}

static _Noreturn void run_maker(const struct making *making, int result_fd)
{
	struct error err = { 0 };
	int r = prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ? -errno : 0;

	if (r == 0)
		r = machine_jail(&(struct machine_config){ 0 }, &err);
	if (r == 0)
		r = write_code(making, &err);
	io_write_full(result_fd, &err, sizeof(err));
	_exit(r < 0);
}

/* Neither the list nor the memory is trusted: who reads them can reach what is open, and nothing
 * else. */
static int make_code(const struct making *making, struct error *err)
{
	struct error told = { 0 };
	int pipe_fds[2], status = -1, r;
	pid_t pid;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return error_errno(err, errno, "cannot make a pipe");
	pid = fork();
	if (pid == 0)
		run_maker(making, pipe_fds[1]);
	r = errno;
	close(pipe_fds[1]);
	if (pid > 0)
		(void)io_read_full(pipe_fds[0], &told, sizeof(told));
	close(pipe_fds[0]);
	if (pid < 0)
		return error_errno(err, r, "cannot fork");
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	told.message[sizeof(told.message) - 1] = '\0';
	if (status == 0)
		return 0;
	return error_set(err, told.code ? told.code : EIO, "%s",
		told.code ? told.message : "the process that translates has ended");
}

static int make_file(struct making *making, const char *path, struct error *err)
{
	_cleanup_free_ char *temporary = strf("%s.new", path);
	_cleanup_close_ int fd = -1;
	int r;

	if (!temporary)
		return error_oom(err);
	fd = open_temporary(temporary);
	if (fd == -EAGAIN || fd == -EWOULDBLOCK)
		return 0;
	if (fd < 0)
		return error_errno(err, fd, "cannot make %s", temporary);
	making->fd = fd;
	r = make_code(making, err);
	if (r == 0 && rename(temporary, path) < 0)
		r = error_errno(err, errno, "cannot rename %s", temporary);
	if (r < 0)
		unlink(temporary);
	return r;
}

int machine_keep_code(
	const char *snapshot, const char *text, size_t size, const char *path, struct error *err)
{
	_cleanup_free_ char *memory_path = strf("%s/memory-0", snapshot);
	_cleanup_close_ int fd = -1;
	struct making making = { .text = text, .size = size };

	if (!memory_path)
		return error_oom(err);
	fd = open(memory_path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return error_errno(err, errno, "cannot open %s", memory_path);
	making.memory_fd = fd;
	return make_file(&making, path, err);
}
