/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-virtio-fs.c - folders of the host through the device and a real server process: what it
 * serves, what it cannot reach, and what happens when it is gone.
 */
#include "unit/test.h"

#include <fcntl.h>
#include <linux/fuse.h>
#include <linux/virtio_fs.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/str.h"
#include "device/virtio/fs.h"
#include "unit/device/driver.h"

#define WAIT_NS INT64_C(20000000000)
#define OUT_AT	BUFFERS
#define IN_AT	(BUFFERS + 0x100000)
#define IN_SIZE 0x10000u
#define ROOT	FUSE_ROOT_ID

static struct driver driver;
static struct loop loop;
static struct virtio_fs *fs;
static char base[64], writable[96], readonly[96], file[96];
static void *others; /* memory that is not the server's business */
static struct fuse_out_header answer;
static const uint8_t *bytes; /* behind it */

static void stop_now(struct loop_timer *timer)
{
	loop_stop(&loop);
}

static void turn(void)
{
	struct loop_timer timer = { .expired = stop_now };

	loop_timer_start(&loop, &timer, 1000000);
	assert_int_equal(loop_run(&loop), 0);
	loop_timer_cancel(&loop, &timer);
}

static void put(const char *folder, const char *name, const char *text)
{
	char path[160];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* Children of this process: the servers. */
static pid_t child(void)
{
	_cleanup_free_ char *text = NULL;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	if (io_read_file(AT_FDCWD, path, 4096, &text, NULL, NULL) < 0)
		return 0;
	return atoi(text);
}

static int setup(void **state)
{
	const struct share shares[] = {
		{ "rw", writable, false },
		{ "ro", readonly, true },
		{ "file", file, false },
	};
	struct error err = { 0 };

	strcpy(base, "/tmp/strata-fs-XXXXXX");
	assert_non_null(mkdtemp(base));
	snprintf(writable, sizeof(writable), "%s/writable", base);
	snprintf(readonly, sizeof(readonly), "%s/readonly", base);
	snprintf(file, sizeof(file), "%s/single", base);
	assert_int_equal(mkdir(writable, 0755) | mkdir(readonly, 0755), 0);
	put(readonly, "text", "cannot be changed");
	put(base, "single", "one file");
	put(base, "secret", "not shared");
	driver_init(&driver);
	others = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_int_equal(loop_open(&loop, &err), 0);
	if (virtio_fs_new(&loop, &driver.memory, "strata", shares, 3, &fs, &err) < 0)
		fail_msg("%s", err.message);
	driver_attach(&driver, virtio_fs_device(fs));
	driver_start(&driver, 0);
	return 0;
}

static int teardown(void **state)
{
	fs = virtio_fs_free(fs);
	driver_destroy(&driver);
	loop_close(&loop);
	assert_int_equal(child(), 0);
	munmap(others, 4096);
	return io_remove_tree(AT_FDCWD, base, NULL);
}

/* A request whose arguments are in a part of their own, answered in two. false: not in time. */
static bool ask_within(
	uint32_t opcode, uint64_t node, const void *args, uint32_t nr_args, int64_t ns)
{
	struct fuse_in_header header = { .len = (uint32_t)sizeof(header) + nr_args,
		.opcode = opcode,
		.unique = 42,
		.nodeid = node };
	const struct driver_part parts[] = {
		{ OUT_AT, sizeof(header) },
		{ OUT_AT + 0x1000, nr_args },
		{ IN_AT, 16, true },
		{ IN_AT + 16, IN_SIZE - 16, true },
	};
	int64_t end = clock_monotonic_ns() + ns;
	uint16_t head;
	uint32_t written;

	memcpy(driver_at(&driver, OUT_AT, sizeof(header)), &header, sizeof(header));
	memcpy(driver_at(&driver, OUT_AT + 0x1000, nr_args + 1), args, nr_args);
	driver_add(&driver, 1, parts, 4);
	driver_notify(&driver, 1);
	while (!driver_take(&driver, 1, &head, &written)) {
		turn();
		if (clock_monotonic_ns() > end || driver_is_broken(&driver))
			return false;
	}
	memcpy(&answer, driver_at(&driver, IN_AT, sizeof(answer)), sizeof(answer));
	bytes = driver_at(&driver, IN_AT + 16, IN_SIZE - 16);
	assert_int_equal(written, answer.len);
	assert_int_equal(answer.unique, 42);
	return true;
}

static int ask(uint32_t opcode, uint64_t node, const void *args, uint32_t nr_args)
{
	assert_true(ask_within(opcode, node, args, nr_args, WAIT_NS));
	return answer.error;
}

static void init(void)
{
	const struct fuse_init_in in = { .major = 7, .minor = 38, .flags = FUSE_SUBMOUNTS };

	assert_int_equal(ask(FUSE_INIT, 0, &in, sizeof(in)), 0);
}

static uint64_t lookup(uint64_t folder, const char *name)
{
	if (ask(FUSE_LOOKUP, folder, name, (uint32_t)strlen(name) + 1) < 0)
		return 0;
	return ((const struct fuse_entry_out *)(const void *)bytes)->nodeid;
}

static int create(uint64_t folder, const char *name)
{
	struct {
		struct fuse_create_in in;
		char name[32];
	} args = { .in = { .flags = O_RDWR, .mode = 0644 } };

	strcpy(args.name, name);
	return ask(FUSE_CREATE, folder, &args, (uint32_t)(sizeof(args.in) + strlen(name) + 1));
}

static uint64_t open_node(uint64_t node, uint32_t flags)
{
	const struct fuse_open_in in = { .flags = flags };

	if (ask(FUSE_OPEN, node, &in, sizeof(in)) < 0)
		return UINT64_MAX;
	return ((const struct fuse_open_out *)(const void *)bytes)->fh;
}

static void expect_read(uint64_t node, const char *text)
{
	struct fuse_read_in in = { .fh = open_node(node, O_RDONLY), .size = 4096 };

	assert_int_equal(ask(FUSE_READ, node, &in, sizeof(in)), 0);
	assert_int_equal(answer.len - sizeof(answer), strlen(text));
	assert_memory_equal(bytes, text, strlen(text));
}

/* --- tests ------------------------------------------------------------------------------------ */

static void test_config(void **state)
{
	for (unsigned i = 0; i < 7; i++)
		assert_int_equal(driver_config(&driver, i, 1), "strata"[i]);
	assert_int_equal(driver_config(&driver, 36, 4), 1);
}

static void test_serves(void **state)
{
	struct {
		struct fuse_write_in in;
		char text[5];
	} data = { .in = { .size = 5 }, .text = { 'h', 'e', 'l', 'l', 'o' } };
	uint64_t rw, node;
	char path[160];
	struct stat st;

	init();
	rw = lookup(ROOT, "rw");
	/* A file system of its own, for tools that compare inode numbers. */
	assert_int_equal(((const struct fuse_entry_out *)(const void *)bytes)->attr.flags,
		FUSE_ATTR_SUBMOUNT);
	assert_int_equal(create(rw, "made"), 0);
	node = ((const struct fuse_entry_out *)(const void *)bytes)->nodeid;
	data.in.fh = ((const struct fuse_open_out *)(const void *)(bytes +
			      sizeof(struct fuse_entry_out)))
			     ->fh;
	assert_int_equal(ask(FUSE_WRITE, node, &data, sizeof(data.in) + sizeof(data.text)), 0);
	assert_int_equal(((const struct fuse_write_out *)(const void *)bytes)->size, 5);
	expect_read(node, "hello");
	snprintf(path, sizeof(path), "%s/made", writable);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 5);
	assert_int_equal(st.st_uid, geteuid());
	expect_read(lookup(ROOT, "file"), "one file");
}

static void test_readonly(void **state)
{
	const struct fuse_setattr_in in = { .valid = FATTR_MODE, .mode = 0777 };
	uint64_t ro, node;

	init();
	ro = lookup(ROOT, "ro");
	assert_int_equal(create(ro, "made"), -EROFS);
	assert_int_equal(ask(FUSE_UNLINK, ro, "text", 5), -EROFS);
	node = lookup(ro, "text");
	expect_read(node, "cannot be changed");
	assert_int_equal(open_node(node, O_RDWR), UINT64_MAX);
	assert_int_equal(answer.error, -EROFS);
	assert_int_equal(ask(FUSE_SETATTR, node, &in, sizeof(in)), -EROFS);
	/* Nor is the folder of shares. */
	assert_int_equal(create(ROOT, "made"), -EROFS);
}

static void expect_only_guest_memory(pid_t pid)
{
	_cleanup_free_ char *maps = NULL;
	char path[64];
	unsigned nr = 0;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	assert_int_equal(io_read_file(AT_FDCWD, path, 1u << 20, &maps, NULL, NULL), 0);
	for (const char *at = maps; (at = strstr(at, "s 0")); at++)
		nr += at[-1] == '-';
	assert_int_equal(nr, driver.memory.nr_regions);
}

/* What a server that has been taken over could reach. */
static void test_confined(void **state)
{
	static const char *const fields[] = { "\nCapBnd:\t", "\nSeccomp:\t2", "\nNoNewPrivs:\t1" };
	char path[64], target[256];
	_cleanup_free_ char *status = NULL;
	pid_t pid = child();
	ssize_t n;

	assert_true(pid > 0);
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	assert_int_equal(io_read_file(AT_FDCWD, path, 65536, &status, NULL, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		assert_non_null(strstr(status, fields[i]));
	/* CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER, FSETID, SETFCAP, of a namespace of its own.
	 */
	assert_non_null(strstr(status, "\nCapEff:\t000000008000001f"));
	snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
	n = readlink(path, target, sizeof(target) - 1);
	assert_true(n > 0);
	target[n] = '\0';
	n = readlink("/proc/self/ns/user", path, sizeof(path) - 1);
	path[n] = '\0';
	assert_string_not_equal(path, target);
	/* Of memory that others see, it has the guest's. */
	expect_only_guest_memory(pid);
	/* Its root is the shares and nothing else. */
	snprintf(path, sizeof(path), "/proc/%d/root/rw", pid);
	if (geteuid() == 0) {
		assert_int_equal(access(path, F_OK), 0);
		snprintf(path, sizeof(path), "/proc/%d/root/etc", pid);
		assert_int_equal(access(path, F_OK), -1);
	}
}

static void test_reset(void **state)
{
	init();
	lookup(ROOT, "rw");
	driver_start(&driver, 0);
	/* A new driver begins anew. */
	assert_int_equal(ask(FUSE_LOOKUP, ROOT, "rw", 3), -EIO);
	init();
	assert_true(lookup(ROOT, "rw"));
}

static void test_no_answer(void **state)
{
	const struct fuse_forget_in in = { .nlookup = 1 };
	struct fuse_in_header header = { .opcode = FUSE_FORGET };
	const struct driver_part parts[] = { { OUT_AT, sizeof(header) },
		{ OUT_AT + 0x1000, sizeof(in) } };
	int64_t end = clock_monotonic_ns() + WAIT_NS;
	uint16_t head;
	uint32_t written;

	init();
	header.nodeid = lookup(ROOT, "rw");
	memcpy(driver_at(&driver, OUT_AT, sizeof(header)), &header, sizeof(header));
	memcpy(driver_at(&driver, OUT_AT + 0x1000, sizeof(in)), &in, sizeof(in));
	driver_add(&driver, 0, parts, 2);
	driver_notify(&driver, 0);
	while (!driver_take(&driver, 0, &head, &written)) {
		turn();
		assert_true(clock_monotonic_ns() < end);
	}
	assert_int_equal(written, 0);
	assert_int_equal(ask(FUSE_READLINK, header.nodeid, "", 0), -ESTALE);
}

static void test_server_dies(void **state)
{
	init();
	kill(child(), SIGKILL);
	assert_false(ask_within(FUSE_LOOKUP, ROOT, "rw", 3, WAIT_NS));
	assert_true(driver_is_broken(&driver));
	driver_start(&driver, 0);
	assert_false(ask_within(FUSE_LOOKUP, ROOT, "rw", 3, WAIT_NS));
	assert_true(driver_is_broken(&driver));
}

static void test_restored(void **state)
{
	struct vm_saved *saved = virtio_fs_saved(fs), *device = &virtio_fs_device(fs)->saved;
	uint8_t is_used;
	uint64_t node;
	off_t size;

	/* Nobody has mounted it yet. */
	device->save(device);
	saved->save(saved);
	assert_int_equal(lseek(*saved->file_fd, 0, SEEK_END), 0);
	assert_int_equal(saved->restore(saved, NULL), 0);
	device->resume(device);
	init();
	node = lookup(ROOT, "file");
	device->save(device);
	saved->save(saved);
	device->resume(device);
	is_used = *(uint8_t *)saved->data;
	size = lseek(*saved->file_fd, 0, SEEK_END);
	assert_true(is_used && size > 0);
	/* As for another machine: by what is in the snapshot, the guest goes on. */
	driver_start(&driver, 0);
	device->save(device);
	*(uint8_t *)saved->data = is_used;
	assert_int_equal(saved->restore(saved, NULL), 0);
	device->resume(device);
	expect_read(node, "one file");
	device->save(device);
	assert_int_equal(ftruncate(*saved->file_fd, size - 1), 0);
	assert_int_equal(saved->restore(saved, NULL), -EINVAL);
	device->resume(device);
}

static void test_bad_shares(void **state)
{
	struct share shares[] = { { "a", "/nowhere", false }, { "a", writable, false } };
	struct virtio_fs *none = NULL;
	struct error err = { 0 };
	char text[64];

	assert_int_equal(
		virtio_fs_new(&loop, &driver.memory, "x", shares, 1, &none, &err), -ENOENT);
	assert_non_null(strstr(err.message, "/nowhere"));
	assert_int_equal(
		virtio_fs_new(&loop, &driver.memory, "x", shares, 2, &none, &err), -EINVAL);
	assert_int_equal(virtio_fs_new(&loop, &driver.memory, "", shares, 0, &none, &err), -EINVAL);
	assert_null(none);

	strcpy(text, "name=/some:where:ro");
	assert_int_equal(share_parse(text, &shares[0], &err), 0);
	assert_string_equal(shares[0].name, "name");
	assert_string_equal(shares[0].path, "/some:where");
	assert_true(shares[0].is_readonly);
	static const char *const bad[] = { "", "=", "name", "name=", "=/path", "a/b=/path",
		"..=/x" };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		strcpy(text, bad[i]);
		assert_int_equal(share_parse(text, &shares[0], &err), -EINVAL);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_config),
		TEST(test_serves),
		TEST(test_readonly),
		TEST(test_confined),
		TEST(test_reset),
		TEST(test_no_answer),
		TEST(test_server_dies),
		TEST(test_restored),
		TEST(test_bad_shares),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
