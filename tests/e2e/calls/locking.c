/* SPDX-License-Identifier: Apache-2.0 */
/*
 * locking.c - memory that stays: mlock(2) and mlockall(2), and what counts against the limit.
 */
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "show.h"

#define MIB (1l << 20)

/* Bytes that are locked, of the process or of what is mapped at `address`. */
static long locked_kib(void)
{
	char line[256];
	long n = -1;
	FILE *f = fopen("/proc/self/status", "r");

	while (fgets(line, sizeof(line), f))
		sscanf(line, "VmLck: %ld", &n);
	fclose(f);
	return n;
}

static void *map(long size, int flags)
{
	void *p = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static void everything(void)
{
	long before;
	char *p;

	SHOW(mlockall(0));
	SHOW(mlockall(64));
	SHOW(mlockall(MCL_ONFAULT));
	map(16 * MIB, 0);
	SHOW(mlockall(MCL_CURRENT));
	before = locked_kib();
	/* The program, its stack and what it has mapped, and nothing beside them. */
	VALUE(before > 16 * 1024 && before < 40 * 1024);
	p = map(MIB, 0);
	VALUE(locked_kib() == before);
	SHOW(mlockall(MCL_CURRENT | MCL_FUTURE));
	p = map(MIB, 0);
	VALUE(locked_kib() - before >= 2 * 1024);
	before = locked_kib();
	SHOW(munmap(p, MIB));
	VALUE(locked_kib() - before);
	if (fork() == 0) {
		before = locked_kib();
		map(MIB, 0);
		VALUE(before + locked_kib());
		_exit(0);
	}
	wait(NULL);
	SHOW(munlockall());
	VALUE(locked_kib());
	map(MIB, 0);
	VALUE(locked_kib());
	SHOW(mlockall(MCL_FUTURE | MCL_ONFAULT));
	map(MIB, 0);
	VALUE(locked_kib());
	SHOW(munlockall());
}

static void parts(void)
{
	char *p = map(MIB, 0);

	SHOW(mlock(p, 100));
	VALUE(locked_kib());
	SHOW(mlock2(p, MIB, MLOCK_ONFAULT));
	VALUE(locked_kib());
	SHOW(munlock(p, MIB));
	SHOW(mlock2(p, MIB, 77));
	SHOW(munmap(p, MIB / 2));
	SHOW(mlock(p, MIB));
	SHOW(munlock(p + MIB / 2, MIB / 2));
	map(MIB, MAP_LOCKED);
	VALUE(locked_kib());
}

static void limited(void)
{
	const struct rlimit limit = { 256 * 1024, 256 * 1024 };
	char *p = map(MIB, 0);

	if (getuid() == 0)
		SHOW(setresuid(65534, 65534, 65534));
	SHOW(munlockall());
	SHOW(setrlimit(RLIMIT_MEMLOCK, &limit));
	SHOW(mlock(p, 100 * 1024));
	SHOW(mlock(p, 300 * 1024));
	SHOW(mlockall(MCL_CURRENT));
	VALUE(locked_kib() <= 256);
	VALUE(map(MIB, MAP_LOCKED) == NULL);
}

int main(void)
{
	parts();
	SHOW(munlockall());
	everything();
	limited();
	return 0;
}
