/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-session-threads.c - several requests at the same time, of a guest that heeds no order: what
 * one forgets or releases another reads, and folders are begun anew in between. Nobody gets
 * another file's bytes by a handle that is held, no descriptor is lost, and what was asked for in
 * order is as it was asked for.
 */
#include "unit/test.h"

#include <dirent.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "unit/share/guest.h"

#define THREADS 4
#define ROUNDS	400
#define FILES	8

static char base[64];
static struct guest guests[THREADS]; /* of one session */

static int setup(void **state)
{
	strcpy(base, "/tmp/strata-share-XXXXXX");
	assert_non_null(mkdtemp(base));
	for (char name = 'a'; name < 'a' + FILES; name++) {
		char path[80];
		int fd;

		snprintf(path, sizeof(path), "%s/%c", base, name);
		fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
		assert_int_equal(write(fd, &name, 1), 1);
		close(fd);
	}
	assert_int_equal(guest_open(&guests[0], base), 0);
	for (unsigned i = 1; i < THREADS; i++) {
		guests[i].session = guests[0].session;
		guests[i].buffers = share_buffers_new();
	}
	for (unsigned i = 0; i < THREADS; i++) {
		guests[i].uid = geteuid();
		guests[i].gid = getegid();
	}
	return guest_init(&guests[0]);
}

static int teardown(void **state)
{
	for (unsigned i = 1; i < THREADS; i++)
		share_buffers_free(guests[i].buffers);
	guest_close(&guests[0]);
	assert_int_equal(chdir("/"), 0);
	return io_remove_tree(AT_FDCWD, base, NULL);
}

static unsigned count_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned nr = 0;

	assert_non_null(dir);
	while (readdir(dir))
		nr++;
	closedir(dir);
	return nr;
}

static void run_threads(void *(*run)(void *))
{
	pthread_t threads[THREADS];

	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, run, &guests[i]), 0);
	for (unsigned i = 0; i < THREADS; i++) {
		void *what;

		pthread_join(threads[i], &what);
		if (what)
			fail_msg("%s", (const char *)what);
	}
}

/* What a thread returns. */
static void *problem(const char *what)
{
	return (void *)(uintptr_t)what;
}

static uint64_t open_file(struct guest *g, uint64_t node)
{
	const struct fuse_open_in in = { .flags = O_RDWR };

	if (guest_ask(g, FUSE_OPEN, node, &in, sizeof(in), NULL, 0) < 0)
		return UINT64_MAX;
	return ((const struct fuse_open_out *)(const void *)g->bytes)->fh;
}

static int read_byte(struct guest *g, uint64_t node, uint64_t fh, char *ret)
{
	const struct fuse_read_in in = { .fh = fh, .size = 16 };
	int r = guest_ask(g, FUSE_READ, node, &in, sizeof(in), NULL, 0);

	if (r == 0)
		*ret = g->nr_answer == 1 ? (char)g->bytes[0] : '?';
	return r;
}

static void forget(struct guest *g, uint64_t node)
{
	const struct fuse_forget_in in = { .nlookup = 1 };

	guest_ask(g, FUSE_FORGET, node, &in, sizeof(in), NULL, 0);
}

static void release(struct guest *g, uint64_t node, uint64_t fh)
{
	const struct fuse_release_in in = { .fh = fh };

	guest_ask(g, FUSE_RELEASE, node, &in, sizeof(in), NULL, 0);
}

/* As a guest's kernel asks: each thread with what it was told of itself. */
static void *ask_in_order(void *argument)
{
	struct guest *g = argument;

	for (unsigned i = 0; i < ROUNDS; i++) {
		const char name[] = { (char)('a' + (i + (unsigned)(g - guests)) % FILES), '\0' };
		uint64_t node = guest_lookup(g, FUSE_ROOT_ID, name), fh;
		char got = 0;

		if (!node)
			return problem("a file is not there");
		fh = open_file(g, node);
		if (fh == UINT64_MAX)
			return problem("a file cannot be opened");
		if (read_byte(g, node, fh, &got) < 0 || got != *name)
			return problem("another file's byte was read");
		release(g, node, fh);
		forget(g, node);
	}
	return NULL;
}

static void test_in_order(void **state)
{
	unsigned before = count_descriptors();

	run_threads(ask_in_order);
	assert_int_equal(count_descriptors(), before);
}

/* Everything that there may be, by any number. */
static void *ask_anything(void *argument)
{
	static const uint32_t opcodes[] = { FUSE_LOOKUP, FUSE_FORGET, FUSE_OPEN, FUSE_READ,
		FUSE_RELEASE, FUSE_RENAME2, FUSE_UNLINK, FUSE_CREATE, FUSE_OPENDIR,
		FUSE_READDIRPLUS, FUSE_LINK, FUSE_SETATTR, FUSE_WRITE, FUSE_RELEASEDIR };
	struct guest *g = argument;
	uint32_t random = 1 + (uint32_t)(g - guests);

	for (unsigned i = 0; i < 8 * ROUNDS; i++) {
		uint8_t args[96] = "";
		uint32_t opcode;
		uint64_t node;

		random = random * 1664525 + 1013904223;
		opcode = opcodes[(random >> 16) % (sizeof(opcodes) / sizeof(opcodes[0]))];
		node = random >> 8 & 1 ? FUSE_ROOT_ID : 1 + (random >> 9) % 12;
		args[0] = (uint8_t)(random >> 26 & 7); /* a handle, or a number of lookups */
		args[16] = (uint8_t)(random >> 20 & 63); /* a size */
		if (opcode == FUSE_LOOKUP || opcode == FUSE_UNLINK)
			args[0] = (uint8_t)('a' + (random >> 24) % FILES);
		else
			args[80] = args[82] = (uint8_t)('a' + (random >> 24) % FILES);
		if (guest_ask(g, opcode, node, args, sizeof(args), NULL, 0) == -ENOMEM)
			return problem("there is no memory");
		if (i % ROUNDS == ROUNDS - 1)
			guest_init(g);
	}
	return NULL;
}

static void test_out_of_order(void **state)
{
	unsigned before = count_descriptors();

	run_threads(ask_anything);
	share_session_reset(guests[0].session);
	assert_int_equal(count_descriptors(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_out_of_order, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
