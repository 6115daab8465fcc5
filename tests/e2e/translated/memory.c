/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory.c - mmap, munmap, mprotect, mremap, brk and madvise at their edges, code that is written
 * and run, what is seen of it in /proc/self/maps and in the auxiliary vector.
 */
#include <elf.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <time.h>

#include "check.h"

#define PAGE 4096ul

static char *anonymous(void *hint, size_t size, int prot, int flags)
{
	return mmap(hint, size, prot, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
}

static void maps(void)
{
	char *a = anonymous(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, 0), *b;

	CHECK(a != MAP_FAILED && a[0] == 0 && a[8 * PAGE - 1] == 0);
	memset(a, 7, 8 * PAGE);
	CHECK(munmap(a + 2 * PAGE, PAGE) == 0);
	CHECK(munmap(a + 2 * PAGE, PAGE) == 0); /* again is no error */
	b = anonymous(a + 2 * PAGE, PAGE, PROT_READ | PROT_WRITE, 0);
	CHECK(b == a + 2 * PAGE && b[0] == 0 && a[0] == 7); /* a hint that is free */
	b = anonymous(a, PAGE, PROT_READ, 0);
	CHECK(b != a && b != MAP_FAILED); /* one that is not */
	b = anonymous(a, PAGE, PROT_READ | PROT_WRITE, MAP_FIXED);
	CHECK(b == a && a[0] == 0 && a[PAGE] == 7);
	CHECK(anonymous(a, PAGE, PROT_READ, MAP_FIXED_NOREPLACE) == MAP_FAILED && errno == EEXIST);
	CHECK(anonymous(a + 1, PAGE, PROT_READ, MAP_FIXED) == MAP_FAILED && errno == EINVAL);
	CHECK(anonymous(NULL, 0, PROT_READ, 0) == MAP_FAILED && errno == EINVAL);
	CHECK(anonymous(NULL, ~0ul, PROT_READ, 0) == MAP_FAILED && errno == ENOMEM);
	CHECK(mmap(NULL, PAGE, PROT_READ, MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == EINVAL);
	CHECK(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, 12345, 0) == MAP_FAILED && errno == EBADF);
	CHECK(munmap(a + 1, PAGE) == -1 && errno == EINVAL);
	CHECK(munmap(a, 0) == -1 && errno == EINVAL);
	CHECK(munmap(a, 8 * PAGE) == 0);
	b = anonymous((void *)(1ul << 40), PAGE, PROT_READ | PROT_WRITE, 0);
	CHECK(b == (void *)(1ul << 40)); /* a hint beyond what Sv39 has */
	b[0] = 1;
	CHECK(anonymous((void *)(1ul << 60), PAGE, PROT_READ, MAP_FIXED) == MAP_FAILED &&
		errno == ENOMEM);
	DONE("mmap");
}

static void files(void)
{
	char name[] = "/tmp/strata-XXXXXX", *a, *b;
	int fd = mkstemp(name);

	unlink(name);
	CHECK(fd >= 0 && ftruncate(fd, 3 * PAGE) == 0 && pwrite(fd, "hello", 5, PAGE) == 5);
	a = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	b = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, PAGE);
	CHECK(a != MAP_FAILED && b != MAP_FAILED && memcmp(b, "hello", 5) == 0);
	a[PAGE] = 'H';
	CHECK(b[0] == 'H');
	b[1] = 'E';
	CHECK(a[PAGE + 1] == 'e');
	CHECK(msync(a, 3 * PAGE, MS_SYNC) == 0);
	CHECK(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 100) == MAP_FAILED && errno == EINVAL);
	close(fd);
	fd = open("/proc/self/exe", O_RDONLY);
	CHECK(mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED && errno == EACCES);
	close(fd);
	munmap(a, 3 * PAGE);
	munmap(b, PAGE);
	DONE("files");
}

static void protections(void)
{
	char *a = anonymous(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, 0);

	CHECK(mprotect(a + PAGE, PAGE, PROT_NONE) == 0);
	CHECK(mprotect(a + 1, PAGE, PROT_READ) == -1 && errno == EINVAL);
	CHECK(mprotect(a, PAGE, 0x100) == -1 && errno == EINVAL);
	CHECK(mprotect(a, 0, PROT_READ) == 0);
	CHECK(munmap(a + 2 * PAGE, PAGE) == 0);
	CHECK(mprotect(a, 4 * PAGE, PROT_READ) == -1 && errno == ENOMEM);
	CHECK(a[0] == 0 && a[PAGE] == 0); /* what lies before the hole has been changed */
	munmap(a, 4 * PAGE);
	DONE("mprotect");
}

static void moves(void)
{
	char *a = anonymous(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, 0), *b, *place;

	strcpy(a, "content");
	b = mremap(a, 2 * PAGE, 64 * PAGE, MREMAP_MAYMOVE);
	CHECK(b != MAP_FAILED && strcmp(b, "content") == 0 && b[63 * PAGE] == 0);
	CHECK(mremap(b, 64 * PAGE, PAGE, 0) == b);
	place = anonymous(NULL, 4 * PAGE, PROT_NONE, 0);
	a = mremap(b, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, place + PAGE);
	CHECK(a == place + PAGE && strcmp(a, "content") == 0);
	CHECK(mremap(b, PAGE, PAGE, 0) == MAP_FAILED && errno == EFAULT);
	CHECK(mremap(a, PAGE, 2 * PAGE, 0) == MAP_FAILED && errno == ENOMEM);
	CHECK(mremap(a, PAGE, PAGE, MREMAP_FIXED, place) == MAP_FAILED && errno == EINVAL);
	CHECK(mremap(a + 1, PAGE, PAGE, 0) == MAP_FAILED && errno == EINVAL);
	munmap(place, 4 * PAGE);
	DONE("mremap");
}

static void breaks(void)
{
	char *start = sbrk(0), *end;

	CHECK(brk(start + 10 * PAGE) == 0 && sbrk(0) == start + 10 * PAGE);
	memset(start, 1, 10 * PAGE);
	CHECK(brk(start) == 0 && brk(start + 10 * PAGE) == 0);
	end = (char *)(((uintptr_t)start + PAGE - 1) & ~(PAGE - 1));
	CHECK(end[0] == 0); /* it has gone, and come back new */
	CHECK(brk((void *)(1ul << 45)) == -1 && errno == ENOMEM && sbrk(0) == start + 10 * PAGE);
	CHECK(brk(start) == 0);
	DONE("brk");
}

static void advice(void)
{
	char *a = anonymous(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, 0);

	memset(a, 3, 4 * PAGE);
	CHECK(madvise(a + PAGE, PAGE, MADV_DONTNEED) == 0 && a[PAGE] == 0 && a[0] == 3);
	CHECK(madvise(a + 1, PAGE, MADV_DONTNEED) == -1 && errno == EINVAL);
	munmap(a, 4 * PAGE);
	DONE("madvise");
}

static void segments(void)
{
	int id = shmget(IPC_PRIVATE, 3 * PAGE, IPC_CREAT | 0600);
	char *a, *b;

	CHECK(id >= 0);
	a = shmat(id, NULL, 0);
	b = shmat(id, NULL, SHM_RDONLY);
	CHECK(a != (void *)-1 && b != (void *)-1 && a != b);
	strcpy(a, "segment");
	CHECK(strcmp(b, "segment") == 0);
	CHECK(shmdt(a) == 0 && shmdt(a) == -1 && errno == EINVAL);
	CHECK(strcmp(b, "segment") == 0 && shmdt(b) == 0);
	CHECK(shmctl(id, IPC_RMID, NULL) == 0);
	DONE("shmat");
}

/* li a0, n; ret */
static void put_code(uint32_t *code, int n)
{
	code[0] = 0x00000513 | (uint32_t)n << 20;
	code[1] = 0x00008067;
	__builtin___clear_cache((char *)code, (char *)(code + 2));
}

static sigjmp_buf back;
static siginfo_t got;

static void jump(int signo, siginfo_t *info, void *context)
{
	got = *info;
	siglongjmp(back, 1);
}

static void code(void)
{
	uint32_t *a = (void *)anonymous(NULL, 2 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, 0), *b;
	int (*f)(void) = (int (*)(void))a;
	char name[] = "/tmp/strata-XXXXXX";
	int fd = mkstemp(name);
	struct sigaction action = { .sa_sigaction = jump, .sa_flags = SA_SIGINFO };

	for (int i = 0; i < 100; i++) {
		put_code(a, i);
		CHECK(f() == i);
	}
	CHECK(mprotect(a, 2 * PAGE, PROT_READ | PROT_EXEC) == 0 && f() == 99);
	CHECK(mprotect(a, 2 * PAGE, PROT_READ | PROT_WRITE) == 0);
	put_code(a, 100);
	CHECK(mprotect(a, 2 * PAGE, PROT_READ | PROT_EXEC) == 0 && f() == 100);
	/* Another mapping in its place. */
	CHECK(anonymous(a, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_FIXED) == (char *)a);
	put_code(a, 101);
	CHECK(f() == 101);
	/* Written through one mapping, executed through another. */
	unlink(name);
	CHECK(ftruncate(fd, PAGE) == 0);
	a = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	b = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
	f = (int (*)(void))b;
	for (int i = 0; i < 5; i++) {
		put_code(a, i);
		__builtin___clear_cache((char *)b, (char *)(b + 2));
		CHECK(f() == i);
		put_code(a, i + 50);
		__asm__ volatile("fence.i" ::: "memory");
		CHECK(f() == i + 50);
	}
	/* What may not be executed is not. */
	sigaction(SIGSEGV, &action, NULL);
	if (sigsetjmp(back, 1) == 0) {
		((int (*)(void))a)();
		CHECK(0);
	}
	CHECK(got.si_code == SEGV_ACCERR && got.si_addr == a);
	if (sigsetjmp(back, 1) == 0) {
		((int (*)(void))0x4000)();
		CHECK(0);
	}
	CHECK(got.si_code == SEGV_MAPERR && got.si_addr == (void *)0x4000);
	CHECK(munmap(b, PAGE) == 0);
	if (sigsetjmp(back, 1) == 0) {
		f();
		CHECK(0);
	}
	CHECK(got.si_code == SEGV_MAPERR && got.si_addr == b);
	signal(SIGSEGV, SIG_DFL);
	DONE("code");
}

static void listed(void)
{
	FILE *file = fopen("/proc/self/maps", "r");
	char line[512], *data = anonymous(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, 0);
	unsigned long start, end, previous = 0;
	char prot[8], name[256];
	int has_text = 0, has_stack = 0, has_heap = 0, has_vdso = 0, has_data = 0;

	CHECK(file && sbrk(PAGE) != (void *)-1);
	rewind(file);
	fclose(file);
	file = fopen("/proc/self/maps", "r");
	while (fgets(line, sizeof(line), file)) {
		name[0] = '\0';
		CHECK(sscanf(line, "%lx-%lx %7s %*x %*x:%*x %*d %255s", &start, &end, prot, name) >=
			3);
		CHECK(start >= previous && end > start && end <= 1ul << 46);
		previous = end;
		if (start <= (unsigned long)listed && (unsigned long)listed < end)
			has_text = strcmp(prot, "r-xp") == 0 && strstr(name, "memory");
		if (start <= (unsigned long)line && (unsigned long)line < end)
			has_stack = strcmp(name, "[stack]") == 0 && strcmp(prot, "rw-p") == 0;
		if (start <= (unsigned long)sbrk(0) - 1 && (unsigned long)sbrk(0) - 1 < end)
			has_heap = strcmp(name, "[heap]") == 0;
		if (start <= getauxval(AT_SYSINFO_EHDR) && getauxval(AT_SYSINFO_EHDR) < end)
			has_vdso = strcmp(name, "[vdso]") == 0 && strcmp(prot, "r-xp") == 0;
		if (start <= (unsigned long)data && (unsigned long)data < end)
			has_data = strcmp(prot, "rwxp") == 0 && !name[0];
	}
	fclose(file);
	CHECK(has_text);
	CHECK(has_stack);
	CHECK(has_heap);
	CHECK(has_vdso);
	CHECK(has_data);
	DONE("maps");
}

static void vector(void)
{
	const Elf64_Ehdr *vdso = (const void *)getauxval(AT_SYSINFO_EHDR);
	struct timespec a, b;
	char path[64];
	uint64_t pair[64][2];
	FILE *file;
	size_t n;

	CHECK(getauxval(AT_PAGESZ) == PAGE && getauxval(AT_CLKTCK) == 100);
	CHECK((getauxval(AT_HWCAP) & 0x20112d) == 0x20112d); /* IMAFDCV */
	CHECK(getauxval(AT_UID) == getuid() && getauxval(AT_SECURE) == 0);
	CHECK(getauxval(AT_PHNUM) > 0 && getauxval(AT_ENTRY) && getauxval(AT_RANDOM));
	CHECK(strstr((char *)getauxval(AT_EXECFN), "memory"));
	CHECK(!getauxval(AT_PLATFORM) && getauxval(51) >= 1088); /* AT_MINSIGSTKSZ */
	CHECK(memcmp(vdso->e_ident, ELFMAG, SELFMAG) == 0 && vdso->e_machine == 243);
	snprintf(path, sizeof(path), "/proc/%d/auxv", getpid());
	file = fopen(path, "r");
	CHECK(file);
	n = fread(pair, 16, 64, file);
	fclose(file);
	for (size_t i = 0; i < n && pair[i][0]; i++)
		CHECK(getauxval(pair[i][0]) == pair[i][1]);
	CHECK(n > 10);
	CHECK(clock_gettime(CLOCK_MONOTONIC, &a) == 0 && clock_gettime(CLOCK_MONOTONIC, &b) == 0);
	CHECK(b.tv_sec > a.tv_sec || (b.tv_sec == a.tv_sec && b.tv_nsec >= a.tv_nsec));
	CHECK(clock_gettime(12345, &a) == -1 && errno == EINVAL);
	DONE("auxv");
}

int main(void)
{
	maps();
	files();
	protections();
	moves();
	breaks();
	advice();
	segments();
	code();
	vector();
	listed();
	return 0;
}
