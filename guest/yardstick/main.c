/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main.c - the program that `strata compare` runs in an instance, whatever there is in its image:
 *
 *   yardstick speed                what it sees, and how fast it is: lines of a word and a value
 *   yardstick disk FOLDER MIB      writes a file, has it on the disk, reads it
 *   yardstick net ADDRESS PORT MIB sends so much to a server, and has it sent by it
 *   yardstick wait                 says "ready" and does nothing more
 *
 * Times are nanoseconds by CLOCK_MONOTONIC, the best of several rounds. No C library: it must run
 * where there is none. Exit status 1 with a sentence when something cannot be done.
 */
#include "yardstick.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <time.h>

#include "init/libc.h"

ENTRY;

void begin(const long *stack) __attribute__((noreturn, used));

#define ROUNDS	      9
#define CALLS	      20000
#define PIECE_BYTES   (1u << 20)
#define MIB_MAX	      (1u << 20)
#define NS_PER_SECOND UINT64_C(1000000000)

static void end(int code) __attribute__((noreturn));

static void end(int code)
{
	for (;;)
		sys(SYS_exit_group, code);
}

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *format, ...)
{
	char line[512];
	struct text text = TEXT(line);
	va_list list;

	va_start(list, format);
	text_add_list(&text, format, list);
	va_end(list);
	if (write_all(1, text.at, text.len) < 0)
		end(1);
}

static void fail(const char *what, long code) __attribute__((noreturn));

static void fail(const char *what, long code)
{
	char line[512];
	struct text text = TEXT(line);

	text_add(&text, "yardstick: %s: %s\n", what, error_text(code));
	write_all(2, text.at, text.len);
	end(1);
}

static uint64_t now_ns(void)
{
	struct timespec now = { 0 };

	sys(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

/* --- speed ------------------------------------------------------------------------------------ */

static uint64_t work_calls(void)
{
	for (int i = 0; i < CALLS; i++)
		sys(SYS_getppid);
	return CALLS;
}

static void measure(const char *name, uint64_t (*work)(void))
{
	uint64_t best = UINT64_MAX, result = 0;

	for (int i = 0; i < ROUNDS; i++) {
		uint64_t began = now_ns(), took;

		result = work();
		took = now_ns() - began;
		if (took < best)
			best = took;
	}
	say("%s_ns %lu\n%s_result %lu\n", name, (unsigned long)best, name, (unsigned long)result);
}

static long count_process(void *context, const char *name, unsigned type)
{
	unsigned *count = context;

	*count += name[0] >= '1' && name[0] <= '9';
	return 0;
}

static void tell_what_is_seen(void)
{
	struct utsname names;
	unsigned processes = 0;

	if (sys(SYS_uname, &names) == 0)
		say("kernel %s\nmachine %s\n", names.release, names.machine);
	if (folder_each(AT_FDCWD, "/proc", count_process, &processes) == 0)
		say("processes %u\n", processes);
}

static void run_speed(void)
{
	tell_what_is_seen();
	measure("integer", work_integer);
	measure("float", work_float);
	measure("calls", work_calls);
}

/* --- disk and network ------------------------------------------------------------------------- */

static char piece[PIECE_BYTES];

static void tell_rate(const char *name, uint64_t mib, uint64_t began)
{
	uint64_t took = now_ns() - began;

	/* So much that it cannot overflow: MIB_MAX * 2^20 * 10^6. */
	say("%s_bytes_per_s %lu\n", name,
		(unsigned long)(mib * PIECE_BYTES * 1000000 / (took / 1000 + 1)));
}

static void send_all(long fd, uint64_t mib, const char *what)
{
	long r = 0;

	for (uint64_t i = 0; r == 0 && i < mib; i++)
		r = write_all((int)fd, piece, sizeof(piece));
	if (r < 0)
		fail(what, r);
}

/* How many bytes came until the end. */
static uint64_t receive_all(long fd, const char *what)
{
	uint64_t total = 0;
	long n;

	while ((n = sys(SYS_read, fd, piece, sizeof(piece))) != 0) {
		if (n < 0 && n != -EINTR)
			fail(what, n);
		total += n > 0 ? (uint64_t)n : 0;
	}
	return total;
}

static void run_disk(const char *folder, uint64_t mib)
{
	char path[PATH_SIZE];
	uint64_t began;
	long fd, r;

	if (!text_write(path, sizeof(path), "%s/.strata-yardstick-data", folder))
		fail(folder, ENAMETOOLONG);
	fd = sys(SYS_openat, AT_FDCWD, path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		fail(path, fd);
	/* It is gone whatever comes. */
	sys(SYS_unlinkat, AT_FDCWD, path, 0);
	for (size_t i = 0; i < sizeof(piece); i++)
		piece[i] = (char)(i * 31 + (i >> 8));
	began = now_ns();
	send_all(fd, mib, path);
	r = sys(SYS_fdatasync, fd);
	if (r < 0)
		fail(path, r);
	tell_rate("disk_write", mib, began);
	sys(SYS_fadvise64, fd, 0, 0, POSIX_FADV_DONTNEED);
	sys(SYS_lseek, fd, 0, 0);
	began = now_ns();
	if (receive_all(fd, path) != mib * PIECE_BYTES)
		fail(path, EIO);
	tell_rate("disk_read", mib, began);
}

static long connect_server(const struct sockaddr_in *address, char wish)
{
	long fd = sys(SYS_socket, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), r = fd;

	if (fd >= 0)
		r = sys(SYS_connect, fd, address, sizeof(*address));
	if (r >= 0)
		r = write_all((int)fd, &wish, 1);
	if (r < 0)
		fail("the server of strata compare", r);
	return fd;
}

/* The server reads, and says so with one byte, after 's'; it sends after 'r' (front/cli/
 * compare_server.c). */
static void run_net(const struct sockaddr_in *address, uint64_t mib)
{
	long fd = connect_server(address, 's');
	uint64_t began = now_ns();

	send_all(fd, mib, "sending");
	sys(SYS_shutdown, fd, SHUT_WR);
	if (receive_all(fd, "sending") != 1)
		fail("sending", EIO);
	tell_rate("net_send", mib, began);
	sys(SYS_close, fd);

	fd = connect_server(address, 'r');
	began = now_ns();
	if (receive_all(fd, "receiving") != mib * PIECE_BYTES)
		fail("receiving", EIO);
	tell_rate("net_receive", mib, began);
	sys(SYS_close, fd);
}

/* --- the command line ------------------------------------------------------------------------- */

static uint64_t number(const char *text, uint64_t max)
{
	uint64_t value;

	if (!number_parse(text, strlen(text), max, &value) || value == 0)
		fail(text, EINVAL);
	return value;
}

/* Four numbers with dots. */
static void parse_address(const char *text, uint8_t ret[4])
{
	for (int i = 0; i < 4; i++) {
		size_t len = 0;
		uint64_t part;

		while (text[len] && text[len] != '.')
			len++;
		if (!number_parse(text, len, 255, &part) || (text[len] == '.') != (i < 3))
			fail("the address", EINVAL);
		ret[i] = (uint8_t)part;
		text += len + (i < 3);
	}
}

static void find_server(const char *host, uint64_t port, struct sockaddr_in *ret)
{
	uint8_t address[4];
	const uint8_t bytes[2] = { (uint8_t)(port >> 8), (uint8_t)port };

	parse_address(host, address);
	*ret = (struct sockaddr_in){ .sin_family = AF_INET };
	memcpy(&ret->sin_port, bytes, sizeof(bytes));
	memcpy(&ret->sin_addr, address, sizeof(address));
}

void begin(const long *stack)
{
	long argc = stack[0];
	const char *const *argv = (const char *const *)(stack + 1);

	if (argc == 2 && text_equal(argv[1], "speed")) {
		run_speed();
	} else if (argc == 4 && text_equal(argv[1], "disk")) {
		run_disk(argv[2], number(argv[3], MIB_MAX));
	} else if (argc == 5 && text_equal(argv[1], "net")) {
		struct sockaddr_in address;

		find_server(argv[2], number(argv[3], UINT16_MAX), &address);
		run_net(&address, number(argv[4], MIB_MAX));
	} else if (argc == 2 && text_equal(argv[1], "wait")) {
		say("ready\n");
		for (;;)
			sys(SYS_ppoll, 0, 0, 0, 0, 0);
	} else {
		fail("it is for strata compare", EINVAL);
	}
	end(0);
}
