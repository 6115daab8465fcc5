/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vdso.c - a shared object of one page: headers, symbols and code.
 *
 * Every function is the system call of its name. What makes a call cheap here is that it leaves
 * translated code for ours and seldom our process; so there is nothing to gain in the guest. The
 * names and the version are those of Linux (arch/riscv/kernel/vdso/vdso.lds.S). Unwinders know the
 * return from a signal by its two instructions: li a7, 139; ecall.
 */
#include "translate/vdso.h"

#include <elf.h>
#include <stddef.h>
#include <string.h>

#include "translate/numbers.h"

#define VERSION	 "LINUX_4.15"
#define SONAME	 "linux-vdso.so.1"
#define STRIDE	 16 /* bytes of one function */
#define ECALL	 0x00000073u
#define RET	 0x00008067u
#define LI_A7(n) (0x00000893u | (uint32_t)(n) << 20)

static const struct {
	const char *name;
	uint32_t call;
} functions[] = {
	{ "__vdso_rt_sigreturn", CALL_rt_sigreturn },
	{ "__vdso_gettimeofday", CALL_gettimeofday },
	{ "__vdso_clock_gettime", CALL_clock_gettime },
	{ "__vdso_clock_getres", CALL_clock_getres },
	{ "__vdso_getcpu", CALL_getcpu },
	{ "__vdso_flush_icache", CALL_riscv_flush_icache },
	{ "__vdso_riscv_hwprobe", CALL_riscv_hwprobe },
};
#define FUNCTIONS (sizeof(functions) / sizeof(functions[0]))
#define SYMBOLS	  (FUNCTIONS + 1)

/* One page, in this order. */
struct vdso {
	Elf64_Ehdr file;
	Elf64_Phdr headers[2];
	Elf64_Dyn dynamic[10];
	Elf64_Sym symbols[SYMBOLS];
	uint32_t hash[2 + 1 + SYMBOLS]; /* one bucket */
	uint16_t versions[SYMBOLS];
	struct {
		Elf64_Verdef definition;
		Elf64_Verdaux name;
	} definitions[2];
	char strings[512];
};

_Static_assert(sizeof(struct vdso) <= VDSO_SIGNAL_RETURN, "the code begins behind the tables");
_Static_assert(VDSO_SIGNAL_RETURN + FUNCTIONS * STRIDE <= VDSO_SIZE, "one page");

/* System V ABI, "Hash Table". */
static uint32_t hash_name(const char *name)
{
	uint32_t h = 0, g;

	for (; *name; name++) {
		h = (h << 4) + (uint8_t)*name;
		g = h & 0xf0000000;
		h ^= g >> 24;
		h &= ~g;
	}
	return h;
}

static uint32_t add_string(struct vdso *vdso, uint32_t *end, const char *text)
{
	uint32_t at = *end;

	memcpy(vdso->strings + at, text, strlen(text) + 1);
	*end += (uint32_t)strlen(text) + 1;
	return at;
}

static void build_symbols(struct vdso *vdso, uint32_t *strings)
{
	vdso->hash[0] = 1;
	vdso->hash[1] = SYMBOLS;
	vdso->hash[2] = 1;
	for (uint32_t i = 1; i < SYMBOLS; i++) {
		vdso->symbols[i] = (Elf64_Sym){
			.st_name = add_string(vdso, strings, functions[i - 1].name),
			.st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
			.st_shndx = 1, /* anything but undefined */
			.st_value = VDSO_SIGNAL_RETURN + (i - 1) * STRIDE,
			.st_size = STRIDE,
		};
		vdso->versions[i] = 2;
		vdso->hash[3 + i] = i + 1 < SYMBOLS ? i + 1 : 0;
	}
}

static void build_version(
	struct vdso *vdso, unsigned i, uint16_t flags, const char *text, uint32_t name)
{
	vdso->definitions[i].definition = (Elf64_Verdef){
		.vd_version = VER_DEF_CURRENT,
		.vd_flags = flags,
		.vd_ndx = (uint16_t)(i + 1),
		.vd_cnt = 1,
		.vd_hash = hash_name(text),
		.vd_aux = sizeof(Elf64_Verdef),
		.vd_next = i ? 0 : sizeof(vdso->definitions[0]),
	};
	vdso->definitions[i].name = (Elf64_Verdaux){ .vda_name = name };
}

static void build_dynamic(struct vdso *vdso, uint32_t soname, uint32_t strings)
{
	const Elf64_Dyn dynamic[] = {
		{ DT_SONAME, { soname } },
		{ DT_HASH, { offsetof(struct vdso, hash) } },
		{ DT_STRTAB, { offsetof(struct vdso, strings) } },
		{ DT_SYMTAB, { offsetof(struct vdso, symbols) } },
		{ DT_STRSZ, { strings } },
		{ DT_SYMENT, { sizeof(Elf64_Sym) } },
		{ DT_VERSYM, { offsetof(struct vdso, versions) } },
		{ DT_VERDEF, { offsetof(struct vdso, definitions) } },
		{ DT_VERDEFNUM, { 2 } },
		{ DT_NULL, { 0 } },
	};

	_Static_assert(sizeof(dynamic) == sizeof(vdso->dynamic), "as many as there is room for");
	memcpy(vdso->dynamic, dynamic, sizeof(dynamic));
}

static void build_headers(struct vdso *vdso)
{
	vdso->file = (Elf64_Ehdr){
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
			EV_CURRENT },
		.e_type = ET_DYN,
		.e_machine = EM_RISCV,
		.e_version = EV_CURRENT,
		.e_phoff = offsetof(struct vdso, headers),
		.e_flags = EF_RISCV_RVC | EF_RISCV_FLOAT_ABI_DOUBLE,
		.e_ehsize = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 2,
		.e_shentsize = sizeof(Elf64_Shdr),
	};
	vdso->headers[0] = (Elf64_Phdr){ .p_type = PT_LOAD,
		.p_flags = PF_R | PF_X,
		.p_filesz = VDSO_SIZE,
		.p_memsz = VDSO_SIZE,
		.p_align = VDSO_SIZE };
	vdso->headers[1] = (Elf64_Phdr){ .p_type = PT_DYNAMIC,
		.p_flags = PF_R,
		.p_offset = offsetof(struct vdso, dynamic),
		.p_vaddr = offsetof(struct vdso, dynamic),
		.p_paddr = offsetof(struct vdso, dynamic),
		.p_filesz = sizeof(vdso->dynamic),
		.p_memsz = sizeof(vdso->dynamic),
		.p_align = 8 };
}

void vdso_build(uint8_t page[VDSO_SIZE])
{
	struct vdso vdso = { 0 };
	uint32_t strings = 1, soname;

	build_headers(&vdso);
	build_symbols(&vdso, &strings);
	soname = add_string(&vdso, &strings, SONAME);
	build_version(&vdso, 0, VER_FLG_BASE, SONAME, soname);
	build_version(&vdso, 1, 0, VERSION, add_string(&vdso, &strings, VERSION));
	build_dynamic(&vdso, soname, strings);
	memset(page, 0, VDSO_SIZE);
	memcpy(page, &vdso, sizeof(vdso));
	for (uint32_t i = 0; i < FUNCTIONS; i++) {
		const uint32_t code[] = { LI_A7(functions[i].call), ECALL, RET };

		memcpy(page + VDSO_SIGNAL_RETURN + i * STRIDE, code, sizeof(code));
	}
}
