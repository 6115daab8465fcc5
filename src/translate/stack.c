/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stack.c - what a program finds on its stack: argc, argv, envp, auxv, and what they point to
 * (RISC-V ELF psABI, "Process initialization"; Linux' order of the strings).
 *
 * From the top down: 8 zero bytes, the program's name, the environment, the arguments, 16 random
 * bytes, and below a boundary of 16 the vectors.
 */
#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include "translate/load.h"

#define AUXV_MAX 32
#define TICKS	 100 /* USER_HZ */

struct auxv {
	uint64_t entries[AUXV_MAX][2];
	size_t count;
};

static void auxv_add(struct auxv *auxv, uint64_t type, uint64_t value)
{
	auxv->entries[auxv->count][0] = type;
	auxv->entries[auxv->count++][1] = value;
}

static size_t count(char *const *vector)
{
	size_t n = 0;

	while (vector[n])
		n++;
	return n;
}

static uint64_t total(char *const *vector)
{
	uint64_t size = 0;

	for (; *vector; vector++)
		size += strlen(*vector) + 1;
	return size;
}

/* Copy the strings to `at` and their addresses, with a NULL behind, to `vector`. */
static uint64_t put_strings(uint64_t at, char *const *strings, uint64_t *vector)
{
	for (; *strings; strings++) {
		size_t size = strlen(*strings) + 1;

		memcpy(guest_pointer(at), *strings, size);
		*vector++ = at;
		at += size;
	}
	*vector = 0;
	return at;
}

static void fill_auxv(
	struct auxv *auxv, const struct stack_contents *c, uint64_t random, uint64_t name)
{
	auxv_add(auxv, AT_SYSINFO_EHDR, c->vdso);
	auxv_add(auxv, AT_MINSIGSTKSZ, c->frame_size);
	auxv_add(auxv, AT_HWCAP, c->hardware);
	auxv_add(auxv, AT_PAGESZ, GUEST_PAGE);
	auxv_add(auxv, AT_CLKTCK, TICKS);
	auxv_add(auxv, AT_PHDR, c->program->headers);
	auxv_add(auxv, AT_PHENT, sizeof(Elf64_Phdr));
	auxv_add(auxv, AT_PHNUM, c->nr_headers);
	auxv_add(auxv, AT_BASE, c->loader);
	auxv_add(auxv, AT_FLAGS, 0);
	auxv_add(auxv, AT_ENTRY, c->entry);
	auxv_add(auxv, AT_UID, (uint64_t)host_call(SYS_getuid));
	auxv_add(auxv, AT_EUID, (uint64_t)host_call(SYS_geteuid));
	auxv_add(auxv, AT_GID, (uint64_t)host_call(SYS_getgid));
	auxv_add(auxv, AT_EGID, (uint64_t)host_call(SYS_getegid));
	auxv_add(auxv, AT_SECURE, c->is_secure);
	auxv_add(auxv, AT_RANDOM, random);
	auxv_add(auxv, AT_HWCAP2, 0);
	auxv_add(auxv, AT_EXECFN, name);
	auxv_add(auxv, AT_NULL, 0);
}

int stack_fill(
	uint64_t top, uint64_t size, const struct stack_contents *c, struct stack_layout *ret)
{
	size_t argc = count(c->argv), envc = count(c->envp), name_size = strlen(c->name) + 1;
	uint64_t args = total(c->argv), envs = total(c->envp);
	uint64_t vectors = (1 + argc + 1 + envc + 1) * sizeof(uint64_t);
	struct stack_layout layout = { 0 };
	struct auxv auxv = { 0 };
	uint64_t name, random, *at;

	/* Half of it must be left to run on. */
	if (args + envs + name_size + vectors + sizeof(auxv) + GUEST_PAGE > size / 2)
		return -E2BIG;
	name = top - 8 - name_size;
	memcpy(guest_pointer(name), c->name, name_size);
	layout.envp_end = name;
	layout.envp_start = layout.argv_end = name - envs;
	layout.argv_start = layout.argv_end - args;
	random = (layout.argv_start - 16) & ~UINT64_C(15);
	host_call(SYS_getrandom, random, 16, 0);
	fill_auxv(&auxv, c, random, name);
	layout.auxv_size = auxv.count * sizeof(auxv.entries[0]);
	layout.pointer = (random - layout.auxv_size - vectors) & ~UINT64_C(15);
	layout.auxv = layout.pointer + vectors;
	memcpy(guest_pointer(layout.auxv), auxv.entries, layout.auxv_size);
	at = guest_pointer(layout.pointer);
	*at++ = argc;
	put_strings(layout.argv_start, c->argv, at);
	at += argc + 1;
	put_strings(layout.envp_start, c->envp, at);
	*ret = layout;
	return 0;
}
