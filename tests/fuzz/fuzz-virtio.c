/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-virtio.c - whole devices in the hands of a driver that does as it likes (virtio-steps.h).
 * The first byte of an input says which device.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "device/virtio/balloon.h"
#include "device/virtio/blk.h"
#include "device/virtio/console.h"
#include "device/virtio/rng.h"
#include "fuzz/virtio-steps.h"

#define DISK_BYTES 0x8000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct loop loop;
static struct disk_engine *engine;
static struct disk *disk;

static struct virtio_blk *blk;
static struct virtio_rng *rng;
static struct virtio_balloon *balloon;
static struct virtio_console *vc;
static struct console console;
static int keys[2], screen[2];

/* --- what is behind them --------------------------------------------------------------------- */

static void stop_now(struct loop_timer *timer)
{
	loop_stop(&loop);
}

static void run_loop(void)
{
	struct loop_timer timer = { .expired = stop_now };

	loop_timer_start(&loop, &timer, 0);
	check(loop_run(&loop) == 0);
}

static struct virtio_device *open_blk(void)
{
	const struct virtio_blk_options options = {
		.disk = disk, .serial = "fuzz", .nr_queues = 2
	};

	check(virtio_blk_open(&loop, &memory, &options, &blk, NULL) == 0);
	return virtio_blk_device(blk);
}

static void close_blk(void)
{
	virtio_blk_close(blk);
}

static void work_blk(uint64_t how)
{
	check(virtio_blk_resize(blk, NULL) == 0);
}

static struct virtio_device *open_rng(void)
{
	check(virtio_rng_open(&loop, &memory, &rng, NULL) == 0);
	return virtio_rng_device(rng);
}

static void close_rng(void)
{
	virtio_rng_close(rng);
}

static void work_rng(uint64_t how)
{
}

static struct virtio_device *open_balloon(void)
{
	check(virtio_balloon_open(&loop, &memory, &balloon, NULL) == 0);
	return virtio_balloon_device(balloon);
}

static void close_balloon(void)
{
	virtio_balloon_close(balloon);
}

static void work_balloon(uint64_t how)
{
	struct virtio_balloon_stats stats;

	if (how & 1)
		virtio_balloon_stats(balloon, &stats);
	else
		virtio_balloon_set_target(balloon, how);
}

static struct virtio_device *open_console(void)
{
	struct console_config config;

	check(pipe2(keys, O_CLOEXEC | O_NONBLOCK) == 0);
	check(pipe2(screen, O_CLOEXEC | O_NONBLOCK) == 0);
	config = (struct console_config){ .in_fd = keys[0], .out_fd = screen[1] };
	check(console_open(&console, &config, &loop, NULL) == 0);
	check(virtio_console_open(&console, &memory, &vc, NULL) == 0);
	return virtio_console_device(vc);
}

static void close_console(void)
{
	virtio_console_close(vc);
	close(screen[0]);
	console_close(&console);
	close(screen[1]);
	close(keys[0]);
	close(keys[1]);
}

/* Type, read what was written, or change the size. */
static void work_console(uint64_t how)
{
	char bytes[4096];

	if (how & 1)
		check(write(keys[1], &how, how & 7) >= -1);
	if (how & 2)
		check(read(screen[0], bytes, sizeof(bytes)) >= -1);
	if (how & 4)
		console.guest->ops->resized(console.guest, how >> 8 & 0xffff, 25);
}

static const struct kind {
	struct virtio_device *(*open)(void);
	void (*close)(void);
	void (*work)(uint64_t how);
} kinds[] = {
	{ open_blk, close_blk, work_blk },
	{ open_rng, close_rng, work_rng },
	{ open_balloon, close_balloon, work_balloon },
	{ open_console, close_console, work_console },
};

static const struct kind *kind;

static void work(uint64_t how)
{
	kind->work(how);
	run_loop();
}

/* --- once ------------------------------------------------------------------------------------ */

static void open_once(void)
{
	struct disk_raw_options options = {};
	char path[32];
	int fd;

	if (disk)
		return;
	signal(SIGPIPE, SIG_IGN);
	fd = memfd_create("fuzz", MFD_CLOEXEC);
	check(fd >= 0 && ftruncate(fd, DISK_BYTES) == 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	options.path = path;
	check(loop_open(&loop, NULL) == 0);
	check(disk_engine_open(DISK_ENGINE_ANY, &engine, NULL) == 0);
	check(disk_engine_start(engine, NULL, NULL) == 0);
	check(disk_raw_open(engine, &options, &disk, NULL) == 0);
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	open_once();
	if (!size)
		return 0;
	kind = &kinds[*data % (sizeof(kinds) / sizeof(*kinds))];
	steps_open_memory();
	steps_attach(kind->open());
	steps_run(data + 1, size - 1, work);
	run_loop();
	kind->close();
	steps_close();
	return 0;
}
