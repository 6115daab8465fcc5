/* SPDX-License-Identifier: Apache-2.0 */
/*
 * perf.c - what perf_event_open(2) counts of this program in a guest: prints one line for each
 * thing that it has found as it should be.
 */
#include <errno.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TURNS	 1000000u /* of two instructions */
#define OVERHEAD 2000 /* instructions of ioctl(2) and read(2) in user mode */
#define PERIOD	 100000u
#define PAGES	 8 /* of samples; a power of two */

static int open_counter(uint64_t config, uint64_t period, int only_user)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_HARDWARE,
		.size = sizeof(attr),
		.config = config,
		.disabled = 1,
		.exclude_kernel = only_user,
		.sample_period = period,
		.sample_type = period ? PERF_SAMPLE_IP : 0 };
	long fd = syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);

	if (fd < 0)
		printf("perf_event_open: %s\n", strerror(errno));
	return (int)fd;
}

__attribute__((noinline)) static void turn(uint64_t turns)
{
	__asm__ volatile(".balign 4\n1:\taddi %0, %0, -1\n\tbnez %0, 1b" : "+r"(turns));
}

static uint64_t count(int fd, uint64_t turns)
{
	uint64_t value = 0;

	ioctl(fd, PERF_EVENT_IOC_RESET, 0);
	ioctl(fd, PERF_EVENT_IOC_ENABLE, 0);
	turn(turns);
	ioctl(fd, PERF_EVENT_IOC_DISABLE, 0);
	if (read(fd, &value, sizeof(value)) != sizeof(value))
		value = 0;
	return value;
}

static void check_count(void)
{
	int fd = open_counter(PERF_COUNT_HW_INSTRUCTIONS, 0, 1);
	uint64_t without = count(fd, 1), once = count(fd, TURNS), twice = count(fd, 2 * TURNS);

	printf("user %llu %llu %llu\n", (unsigned long long)without, (unsigned long long)once,
		(unsigned long long)twice);
	if (without < OVERHEAD && once - without == 2 * (TURNS - 1) && twice - once == 2 * TURNS)
		printf("the loop is counted exactly\n");
	close(fd);
	/* The kernel's, too: those of its ticks. */
	fd = open_counter(PERF_COUNT_HW_INSTRUCTIONS, 0, 0);
	if (count(fd, TURNS) >= 2 * TURNS)
		printf("the kernel is counted\n");
	close(fd);
}

/* Samples are where the program was, and as many as periods have passed. */
static void check_samples(void)
{
	int fd = open_counter(PERF_COUNT_HW_INSTRUCTIONS, PERIOD, 1);
	long page = sysconf(_SC_PAGESIZE);
	struct perf_event_mmap_page *ring = mmap(
		NULL, (size_t)((1 + PAGES) * page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	unsigned nr = 0, inside = 0;
	uint64_t at = 0;

	if (ring == MAP_FAILED) {
		printf("mmap: %s\n", strerror(errno));
		return;
	}
	count(fd, 10 * TURNS);
	while (at < ring->data_head) {
		struct {
			struct perf_event_header header;
			uint64_t ip;
		} *sample = (void *)((char *)ring + page + at % (uint64_t)(PAGES * page));

		if (sample->header.type == PERF_RECORD_SAMPLE) {
			nr++;
			inside += sample->ip - (uint64_t)(uintptr_t)turn < 64;
		}
		at += sample->header.size;
	}
	printf("%u samples, %u of the loop\n", nr, inside);
	if (nr >= 195 && nr <= 201 && inside + 3 >= nr)
		printf("every period is sampled\n");
}

int main(void)
{
	check_count();
	check_samples();
	return 0;
}
