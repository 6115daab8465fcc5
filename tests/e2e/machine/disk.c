/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disk.c - the first process of a guest that does nothing but read and write its disks. It loads
 *the modules that it finds, and then does what the kernel's command line says, one word each:
 *
 *	disk.sum=vda	read all of it, in pieces of changing sizes; print a sum
 *	disk.fill=vda	write all of it in no order, with zeroes and discards; print a sum
 *	disk.id=vda	print its name
 *	disk.bench=vda	measure
 *	disk.random	read the host's random numbers
 *
 * and turns the machine off. A sum is FNV-1a of all bytes; what is discarded is written again.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PIECE_MAX (1 << 20)
#define WAIT_MS	  60000
#define DEPTH	  32
#define BENCH_NS  INT64_C(2000000000)

static uint8_t *memory; /* PIECE_MAX bytes, aligned */

static void die(const char *what)
{
	printf("disk: FAILED: %s: %s\n", what, strerror(errno));
	fflush(stdout);
	reboot(RB_POWER_OFF);
	_exit(1);
}

static uint64_t hash(uint64_t sum, const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		sum = (sum ^ bytes[i]) * UINT64_C(0x100000001b3);
	return sum;
}

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* --- modules --------------------------------------------------------------------------------- */

static int is_module(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void load_modules(void)
{
	struct dirent **names;
	int count = scandir("/modules", &names, is_module, alphasort);

	for (int i = 0; i < count; i++) {
		char path[300];
		int fd;

		snprintf(path, sizeof(path), "/modules/%s", names[i]->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST))
			die(path);
		close(fd);
	}
}

/* --- disks ----------------------------------------------------------------------------------- */

static int open_disk(const char *name, int flags, uint64_t *ret_bytes)
{
	char path[64];
	int fd = -1;

	snprintf(path, sizeof(path), "/dev/%s", name);
	for (int ms = 0; fd < 0 && ms < WAIT_MS; ms += 10) {
		fd = open(path, flags | O_CLOEXEC);
		if (fd < 0)
			usleep(10000);
	}
	if (fd < 0 || ioctl(fd, BLKGETSIZE64, ret_bytes) < 0)
		die(path);
	return fd;
}

static uint64_t sum_of(int fd, uint64_t bytes)
{
	uint64_t sum = UINT64_C(0xcbf29ce484222325), state = 1;

	for (uint64_t at = 0; at < bytes;) {
		size_t size = (next_random(&state) % (PIECE_MAX / 4096) + 1) * 4096;
		ssize_t n = pread(fd, memory, size, (off_t)at);

		if (n <= 0)
			die("read");
		sum = hash(sum, memory, (size_t)n);
		at += (uint64_t)n;
	}
	return sum;
}

static void sum_disk(const char *name)
{
	uint64_t bytes;
	int fd = open_disk(name, O_RDONLY, &bytes);
	uint64_t first = sum_of(fd, bytes), second;

	close(fd);
	fd = open_disk(name, O_RDONLY | O_DIRECT, &bytes);
	second = sum_of(fd, bytes);
	close(fd);
	printf("disk: sum %s %llu %016llx %s\n", name, (unsigned long long)bytes,
		(unsigned long long)first, first == second ? "twice" : "DIFFERENT");
}

static void fill_memory(uint64_t seed)
{
	uint64_t state = seed * 2654435761u + 1;

	for (size_t i = 0; i < PIECE_MAX; i += sizeof(state)) {
		uint64_t word = next_random(&state);

		memcpy(memory + i, &word, sizeof(word));
	}
}

static void write_piece(int fd, uint64_t at, uint64_t size, uint64_t seed)
{
	fill_memory(seed);
	if (pwrite(fd, memory, size, (off_t)at) != (ssize_t)size)
		die("write");
}

static void range(int fd, unsigned long request, uint64_t at, uint64_t size)
{
	uint64_t both[2] = { at, size };

	if (ioctl(fd, request, both) < 0 && errno != EOPNOTSUPP)
		die(request == BLKDISCARD ? "discard" : "zeroes");
}

static void fill_disk(const char *name)
{
	uint64_t bytes, nr, sum;
	int fd = open_disk(name, O_RDWR | O_DIRECT, &bytes);

	nr = bytes / PIECE_MAX;
	for (uint64_t i = 0; i < nr; i++)
		write_piece(fd, i * 7 % nr * PIECE_MAX, PIECE_MAX, i);
	range(fd, BLKZEROOUT, PIECE_MAX + 4096, 3 * 4096);
	range(fd, BLKDISCARD, 0, bytes / 2);
	for (uint64_t i = 0; i < nr / 2 + 1; i++)
		write_piece(fd, i * PIECE_MAX, PIECE_MAX, i + 1000);
	range(fd, BLKZEROOUT, 4096, 4096);
	if (fsync(fd) < 0)
		die("fsync");
	sum = sum_of(fd, bytes);
	close(fd);
	printf("disk: fill %s %llu %016llx\n", name, (unsigned long long)bytes,
		(unsigned long long)sum);
}

static void print_id(const char *name)
{
	char path[64], id[64] = "";
	uint64_t bytes;
	int fd;

	close(open_disk(name, O_RDONLY, &bytes));
	snprintf(path, sizeof(path), "/sys/block/%s/serial", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, id, sizeof(id) - 1) < 0)
		die(path);
	close(fd);
	printf("disk: id %s %s\n", name, id);
}

/* --- measuring ------------------------------------------------------------------------------- */

struct bench {
	const char *name;
	uint16_t opcode;
	unsigned depth;
	uint32_t bytes;
	int is_random;
};

static const struct bench benches[] = {
	{ "read-1m", IOCB_CMD_PREAD, 4, PIECE_MAX, 0 },
	{ "write-1m", IOCB_CMD_PWRITE, 4, PIECE_MAX, 0 },
	{ "read-4k-1", IOCB_CMD_PREAD, 1, 4096, 1 },
	{ "write-4k-1", IOCB_CMD_PWRITE, 1, 4096, 1 },
	{ "read-4k-32", IOCB_CMD_PREAD, DEPTH, 4096, 1 },
	{ "write-4k-32", IOCB_CMD_PWRITE, DEPTH, 4096, 1 },
};

static struct iocb controls[DEPTH];

static void begin(
	aio_context_t context, const struct bench *b, int fd, uint64_t disk_bytes, unsigned slot)
{
	static uint64_t state = 88172645463325252u, sequence;
	uint64_t nr = disk_bytes / b->bytes;
	uint64_t which = b->is_random ? next_random(&state) % nr : sequence++ % nr;
	struct iocb *control = &controls[slot];

	*control = (struct iocb){
		.aio_data = slot,
		.aio_lio_opcode = b->opcode,
		.aio_fildes = (uint32_t)fd,
		.aio_buf = (uint64_t)(memory + slot * (size_t)b->bytes),
		.aio_nbytes = b->bytes,
		.aio_offset = (int64_t)(which * b->bytes),
	};
	if (syscall(SYS_io_submit, context, 1, &control) != 1)
		die("io_submit");
}

static void run_bench(const struct bench *b, int fd, uint64_t disk_bytes)
{
	aio_context_t context = 0;
	struct io_event events[DEPTH];
	int64_t start = now_ns(), end;
	uint64_t done = 0;

	if (syscall(SYS_io_setup, DEPTH, &context) < 0)
		die("io_setup");
	for (unsigned i = 0; i < b->depth; i++)
		begin(context, b, fd, disk_bytes, i);
	while ((end = now_ns()) - start < BENCH_NS) {
		long n = syscall(SYS_io_getevents, context, 1, DEPTH, events, NULL);

		for (long i = 0; i < n; i++) {
			if (events[i].res != b->bytes)
				die(b->name);
			begin(context, b, fd, disk_bytes, (unsigned)events[i].data);
		}
		done += n > 0 ? (uint64_t)n : 0;
	}
	syscall(SYS_io_destroy, context);
	printf("disk: bench %s %.1f\n", b->name,
		(double)done * (b->is_random ? 1 : b->bytes / 1e6) / ((double)(end - start) / 1e9));
	fflush(stdout);
}

static void bench_disk(const char *name)
{
	uint64_t bytes;
	int fd = open_disk(name, O_RDWR | O_DIRECT, &bytes);

	for (size_t i = 0; i < sizeof(benches) / sizeof(*benches); i++)
		run_bench(&benches[i], fd, bytes);
	close(fd);
}

static void read_random(const char *name)
{
	uint8_t bytes[64] = {};
	int fd = open("/dev/hwrng", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, bytes, sizeof(bytes)) != sizeof(bytes))
		die("/dev/hwrng");
	close(fd);
	printf("disk: random %016llx\n", (unsigned long long)hash(0, bytes, sizeof(bytes)));
}

/* --- what is wanted -------------------------------------------------------------------------- */

static const struct {
	const char *word;
	void (*run)(const char *name);
} wishes[] = {
	{ "disk.sum=", sum_disk },
	{ "disk.fill=", fill_disk },
	{ "disk.id=", print_id },
	{ "disk.bench=", bench_disk },
	{ "disk.random", read_random },
};

static void do_wish(const char *word)
{
	for (size_t i = 0; i < sizeof(wishes) / sizeof(*wishes); i++) {
		size_t length = strlen(wishes[i].word);

		if (strncmp(word, wishes[i].word, length) == 0)
			wishes[i].run(word + length);
	}
	fflush(stdout);
}

int main(void)
{
	char line[4096] = "", *save = NULL;
	int fd;

	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
	mkdir("/dev", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	mount("dev", "/dev", "devtmpfs", 0, NULL);
	memory = aligned_alloc(4096, (size_t)DEPTH * PIECE_MAX);
	if (!memory)
		die("memory");
	memset(memory, 0x5a, (size_t)DEPTH * PIECE_MAX);
	load_modules();
	fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, line, sizeof(line) - 1) < 0)
		die("/proc/cmdline");
	close(fd);
	for (char *word = strtok_r(line, " \n", &save); word; word = strtok_r(NULL, " \n", &save))
		do_wish(word);
	printf("disk: done\n");
	fflush(stdout);
	reboot(RB_POWER_OFF);
	return 0;
}
