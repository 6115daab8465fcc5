/* SPDX-License-Identifier: Apache-2.0 */
/*
 * start-glibc-2.36-x86_64.c - from the kernel to main() without asking the CPU what it can do.
 *
 * The start of a static program by glibc executes CPUID some thirty times, to choose among the ways
 * it has to copy memory and to know the sizes of caches. In a virtual machine each of these is a
 * trap of 5 us: together 0.16 ms, a twentieth of a `run` and a sixth of a short command. This
 * function takes the place of glibc's in the link, does all else that it does, in its order (read
 * from the disassembly of libc-start.o), and leaves the description of the CPU empty: so every
 * choice falls on what all x86-64 CPUs have, SSE2. No correctness depends on that description.
 *
 * It calls what is private to glibc and another release may change: meson takes this file only
 * where the C library is 2.36, as in Debian 12, and its test passes only where it works. Left out
 * is what a program of ours does not do: leave its first thread by pthread_exit(3), load shared
 * objects, run with the privileges of its file's owner.
 */
#include <elf.h>
#include <features.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#if !defined(__x86_64__) || !__GLIBC_PREREQ(2, 36) || __GLIBC_PREREQ(2, 37)
#error "written for glibc 2.36 on x86-64"
#endif

typedef void start_fn(int argc, char **argv, char **env);

/* --- glibc's own, in the order of their use --- */

#define PRIVATE __attribute__((visibility("hidden")))

PRIVATE extern char **__environ;
PRIVATE extern void *__libc_stack_end;
PRIVATE void _dl_aux_init(Elf64_auxv_t *auxv);
PRIVATE void __tunables_init(char **env);
PRIVATE extern int _dl_x86_cpu_features[]; /* the first is a kind of CPU */
PRIVATE void _dl_relocate_static_pie(void); /* after it, pointers and calls may be anything */
PRIVATE void __libc_setup_tls(void);
PRIVATE extern const uintptr_t *_dl_random; /* two words that the kernel made up */
int __cxa_atexit(void (*fn)(void *), void *argument, void *dso);
void __libc_early_init(bool first);
PRIVATE void __libc_init_first(int argc, char **argv, char **env);
PRIVATE extern start_fn *const __preinit_array_start[], *const __preinit_array_end[];
PRIVATE void _init(void);
PRIVATE extern start_fn *const __init_array_start[], *const __init_array_end[];
PRIVATE extern void (*const __fini_array_start[])(void), (*const __fini_array_end[])(void);
PRIVATE void _fini(void);

/* enum cpu_features_kind: known not to be of a maker that is known. 0 would be "not asked yet". */
#define ARCH_KIND_OTHER 4

/* What glibc's functions that copy memory read, and its start defines: its defaults for a CPU that
 * says nothing. */
PRIVATE extern long __x86_data_cache_size, __x86_data_cache_size_half;
PRIVATE extern long __x86_shared_cache_size, __x86_shared_cache_size_half;
PRIVATE extern long __x86_shared_non_temporal_threshold, __x86_rep_movsb_threshold;
PRIVATE extern long __x86_rep_stosb_threshold, __x86_rep_movsb_stop_threshold;
PRIVATE extern int __x86_string_control;
long __x86_data_cache_size = 32 << 10, __x86_data_cache_size_half = 16 << 10;
long __x86_shared_cache_size = 1 << 20, __x86_shared_cache_size_half = 512 << 10;
long __x86_shared_non_temporal_threshold = 768 << 10, __x86_rep_movsb_threshold = 2048;
long __x86_rep_stosb_threshold = 2048, __x86_rep_movsb_stop_threshold = 768 << 10;
int __x86_string_control;

/* --- the start --- */

int __libc_start_main(int (*main)(int, char **, char **), int argc, char **argv, void (*init)(void),
	void (*fini)(void), void (*rtld_fini)(void *), void *stack_end);

static void call_fini(void *unused)
{
	size_t i = (size_t)(__fini_array_end - __fini_array_start);

	while (i-- > 0)
		__fini_array_start[i]();
	_fini();
}

static void call_all(start_fn *const *from, start_fn *const *end, int argc, char **argv, char **env)
{
	for (; from < end; from++)
		(*from)(argc, argv, env);
}

/* The thread's block is at %fs; these two words of it are part of the ABI of gcc and of glibc. */
static void set_guards(void)
{
	uintptr_t stack_guard = _dl_random[0] & ~(uintptr_t)0xff; /* a string ends at it */

	__asm__ volatile("mov %0, %%fs:0x28" : : "r"(stack_guard));
	__asm__ volatile("mov %0, %%fs:0x30" : : "r"(_dl_random[1]));
}

/* Called by crt1.o's _start; compiled without a stack protector, whose guard is set here. */
int __libc_start_main(int (*main)(int, char **, char **), int argc, char **argv, void (*init)(void),
	void (*fini)(void), void (*rtld_fini)(void *), void *stack_end)
{
	char **end = argv + argc + 1;

	__environ = end;
	__libc_stack_end = stack_end;
	while (*end)
		end++;
	_dl_aux_init((Elf64_auxv_t *)(end + 1));
	__tunables_init(__environ);
	_dl_x86_cpu_features[0] = ARCH_KIND_OTHER;
	_dl_relocate_static_pie();
	__libc_setup_tls();
	set_guards();
	if (rtld_fini)
		__cxa_atexit(rtld_fini, NULL, NULL);
	__libc_early_init(true);
	__libc_init_first(argc, argv, __environ);
	__cxa_atexit(call_fini, NULL, NULL);
	call_all(__preinit_array_start, __preinit_array_end, argc, argv, __environ);
	_init();
	call_all(__init_array_start, __init_array_end, argc, argv, __environ);
	exit(main(argc, argv, __environ));
}
