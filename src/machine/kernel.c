/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kernel.c - the formats of kernels, told by their first bytes. A wrapper (EFI zboot, gzip, zstd)
 * is taken off, and what is in it is looked at again.
 */
#include "machine/kernel.h"

#include <assert.h>
#include <elf.h>
#include <fcntl.h>
#include <string.h>

#include "base/decompress.h"
#include "base/io.h"

#define WRAPPERS_MAX	   2
#define IMAGE_HEADER_BYTES 64
#define ELF_SEGMENTS_MAX   64
#define SMALLEST_GROWTH	   (UINT64_C(1) << 20)

/* Of a bzImage: where fields of its header are, and what is in them. */
enum {
	BZIMAGE_SETUP_SECTORS = 0x1f1,
	BZIMAGE_MAGIC = 0x202,
	BZIMAGE_VERSION = 0x206,
	BZIMAGE_XLOADFLAGS = 0x236,
	BZIMAGE_START = 0x258,
	BZIMAGE_ROOM = 0x260,
	BZIMAGE_HEADER_END = 0x268,

	BZIMAGE_VERSION_64 = 0x20c,
	BZIMAGE_HAS_64 = 1,
	BZIMAGE_ENTRY_64 = 0x200, /* behind the start of the program */
};

static uint32_t read_u32(const char *bytes)
{
	uint32_t value;

	memcpy(&value, bytes, sizeof(value));
	return value;
}

static uint64_t read_u64(const char *bytes)
{
	uint64_t value;

	memcpy(&value, bytes, sizeof(value));
	return value;
}

static bool has(const struct kernel *k, size_t offset, const void *bytes, size_t size)
{
	return k->size >= offset + size && memcmp(k->bytes + offset, bytes, size) == 0;
}

/* --- wrappers -------------------------------------------------------------------------------- */

struct whole {
	const char *bytes;
	size_t size;
};

static ssize_t read_whole(void *context, const void **ret_bytes)
{
	struct whole *whole = context;
	size_t size = whole->size < INT32_MAX ? whole->size : INT32_MAX;

	*ret_bytes = whole->bytes;
	whole->bytes += size;
	whole->size -= size;
	return (ssize_t)size;
}

/* More room, or -EFBIG. */
static int grow(char **bytes, size_t *size, struct error *err)
{
	size_t more = *size ? 2 * *size : SMALLEST_GROWTH;
	char *larger;

	if (more > KERNEL_BYTES_MAX)
		return error_set(err, EFBIG, "it is more than 1 GiB when it is decompressed");
	larger = realloc(*bytes, more);
	if (!larger)
		return error_oom(err);
	*bytes = larger;
	*size = more;
	return 0;
}

/* Replace what k has by what is compressed in `size` bytes at `offset` of it. */
static int unwrap(struct kernel *k, size_t offset, size_t size, struct error *err)
{
	struct whole whole = { k->bytes + offset, size };
	_cleanup_free_ char *bytes = NULL;
	struct decompressor d;
	size_t room = 0, used = 0;
	ssize_t n = 1;

	decompressor_init(&d, read_whole, &whole);
	while (n > 0) {
		if (used == room && grow(&bytes, &room, err) < 0) {
			n = -err->code;
			break;
		}
		n = decompressor_read(&d, bytes + used, room - used, err);
		used += n > 0 ? (size_t)n : 0;
	}
	decompressor_free(&d);
	if (n < 0)
		return (int)n;
	free(k->bytes);
	k->bytes = steal_ptr(&bytes);
	k->size = used;
	return 0;
}

/* Linux, drivers/firmware/efi/libstub/zboot-header.S. */
static int unwrap_zboot(struct kernel *k, struct error *err)
{
	uint32_t offset = read_u32(k->bytes + 8), size = read_u32(k->bytes + 12);
	char format[33] = "";

	memcpy(format, k->bytes + 24, 32);
	if (offset > k->size || size > k->size - offset)
		return error_set(err, ENOEXEC, "it ends before its payload does");
	if (!streq(format, "gzip") && !streq(format, "zstd"))
		return error_set(err, ENOEXEC,
			"its payload is compressed with %.32s, which is neither gzip nor zstd",
			format);
	return unwrap(k, offset, size, err);
}

/* 1: there was one, 0: none. */
static int unwrap_once(struct kernel *k, struct error *err)
{
	int r;

	if (has(k, 0, "MZ", 2) && has(k, 4, "zimg", 4) && k->size >= IMAGE_HEADER_BYTES)
		r = unwrap_zboot(k, err);
	else if (has(k, 0, "\x1f\x8b\x08", 3) || has(k, 0, "\x28\xb5\x2f\xfd", 4))
		r = unwrap(k, 0, k->size, err);
	else
		return 0;
	return r < 0 ? r : 1;
}

/* --- what it is ------------------------------------------------------------------------------ */

static const char *elf_machine(unsigned machine)
{
	switch (machine) {
	case EM_X86_64:
	case EM_386:
		return "x86";
	case EM_RISCV:
		return "riscv";
	case EM_AARCH64:
		return "arm64";
	case EM_ARM:
		return "arm";
	case EM_PPC64:
		return "ppc64";
	case EM_S390:
		return "s390";
	}
	return "another CPU";
}

/* Of each architecture. */
static const struct {
	unsigned elf;
	const char *narrow; /* what an ELF file of 32 bits is for */
	const char *formats;
} kinds[] = {
	[MACHINE_ARCH_OF_KERNEL] = { 0 },
	[MACHINE_ARCH_RISCV64] = { EM_RISCV, "riscv32",
		"an Image, a vmlinuz with EFI zboot, or an ELF file" },
	[MACHINE_ARCH_X86_64] = { EM_X86_64, "x86 with 32 bits", "a bzImage, or an ELF file" },
};
static_assert(ARRAY_SIZE(kinds) == MACHINE_ARCH_COUNT, "one for each architecture");

static int is_for(const char *what, enum machine_arch arch, struct error *err)
{
	return error_set(
		err, ENOEXEC, "it is for %s, and the machine is %s", what, machine_arch_name(arch));
}

static int check_elf(const struct kernel *k, enum machine_arch arch, struct error *err)
{
	const Elf64_Ehdr *e = (const Elf64_Ehdr *)(const void *)k->bytes;

	if (k->size < sizeof(*e))
		return error_set(err, ENOEXEC, "its ELF header is cut off");
	if (e->e_machine != kinds[arch].elf)
		return is_for(elf_machine(e->e_machine), arch, err);
	if (e->e_ident[EI_CLASS] != ELFCLASS64 || e->e_ident[EI_DATA] != ELFDATA2LSB)
		return is_for(kinds[arch].narrow, arch, err);
	if (e->e_type != ET_EXEC && e->e_type != ET_DYN)
		return error_set(err, ENOEXEC, "it is not linked");
	if (e->e_phentsize != sizeof(Elf64_Phdr) || e->e_phnum == 0 ||
		e->e_phnum > ELF_SEGMENTS_MAX || e->e_phoff > k->size ||
		e->e_phnum * sizeof(Elf64_Phdr) > k->size - e->e_phoff)
		return error_set(err, ENOEXEC, "its table of segments is damaged");
	return 0;
}

/* By the magic numbers of Linux' own formats: what it is for, and the format. */
static const char *find_linux(const struct kernel *k, enum kernel_format *ret)
{
	*ret = KERNEL_IMAGE;
	if (k->size >= IMAGE_HEADER_BYTES && has(k, 0x38, "RSC\x05", 4))
		return "riscv64";
	if (has(k, 0x38, "ARM\x64", 4))
		return "arm64";
	*ret = KERNEL_BZIMAGE;
	return has(k, BZIMAGE_MAGIC, "HdrS", 4) ? "x86" : NULL;
}

/* Documentation/arch/x86/boot.rst; what is from 2.12 on has the entry of 64 bits. */
static int check_bzimage(const struct kernel *k, struct error *err)
{
	uint16_t version = 0, flags = 0;

	if (k->size < BZIMAGE_HEADER_END)
		return error_set(err, ENOEXEC, "its header is cut off");
	memcpy(&version, k->bytes + BZIMAGE_VERSION, sizeof(version));
	memcpy(&flags, k->bytes + BZIMAGE_XLOADFLAGS, sizeof(flags));
	if (version < BZIMAGE_VERSION_64 || !(flags & BZIMAGE_HAS_64))
		return is_for(kinds[MACHINE_ARCH_X86_64].narrow, MACHINE_ARCH_X86_64, err);
	return 0;
}

static int identify(
	struct kernel *k, enum machine_arch arch, bool is_raw_allowed, struct error *err)
{
	enum kernel_format format;
	const char *what = find_linux(k, &format);

	if (has(k, 0, ELFMAG, SELFMAG)) {
		k->format = KERNEL_ELF;
		return check_elf(k, arch, err);
	}
	if (what) {
		k->format = format;
		if (streq(what, "x86") && arch == MACHINE_ARCH_X86_64)
			return check_bzimage(k, err);
		return streq(what, machine_arch_name(arch)) ? 0 : is_for(what, arch, err);
	}
	if (!is_raw_allowed || k->size == 0)
		return error_set(err, ENOEXEC, "it is no kernel for %s (%s)",
			machine_arch_name(arch), kinds[arch].formats);
	k->format = KERNEL_RAW;
	return 0;
}

int kernel_peek(const char *path, enum machine_arch *ret, struct error *err)
{
	char bytes[BZIMAGE_HEADER_END] = "";
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : pread(fd, bytes, sizeof(bytes), 0);
	const struct kernel k = { .bytes = bytes, .size = n > 0 ? (size_t)n : 0 };
	enum kernel_format format;
	const char *what;

	if (n < 0)
		return error_errno(err, errno, "cannot read %s", path);
	what = find_linux(&k, &format);
	*ret = MACHINE_ARCH_OF_KERNEL;
	if (has(&k, 0, ELFMAG, SELFMAG) && k.size >= sizeof(Elf64_Ehdr))
		what = elf_machine(((const Elf64_Ehdr *)(const void *)bytes)->e_machine);
	if (what && streq(what, "x86"))
		*ret = MACHINE_ARCH_X86_64;
	return 0;
}

int kernel_parse(char *bytes, size_t size, enum machine_arch arch, bool is_raw_allowed,
	struct kernel *ret, struct error *err)
{
	struct kernel k = { .bytes = bytes, .size = size };
	int r = 1;

	for (unsigned i = 0; r == 1 && i < WRAPPERS_MAX; i++)
		r = unwrap_once(&k, err);
	if (r >= 0)
		r = identify(&k, arch, is_raw_allowed, err);
	if (r < 0)
		kernel_free(&k);
	else
		*ret = k;
	return r;
}

int kernel_read(const char *path, enum machine_arch arch, bool is_raw_allowed, struct kernel *ret,
	struct error *err)
{
	size_t size;
	char *bytes;
	int r = io_read_file(AT_FDCWD, path, KERNEL_BYTES_MAX, &bytes, &size, err);

	if (r < 0)
		return r;
	r = kernel_parse(bytes, size, arch, is_raw_allowed, ret, err);
	return r < 0 ? error_prefix(err, "%s", path) : 0;
}

void kernel_free(struct kernel *kernel)
{
	free(kernel->bytes);
	*kernel = (struct kernel){ 0 };
}

/* --- into memory ----------------------------------------------------------------------------- */

static int no_room(uint64_t start, uint64_t size, struct error *err)
{
	return error_set(err, ENOSPC,
		"it wants %llu KiB at %#llx, where the machine has no memory: give it more (--memory)?",
		(unsigned long long)((size + 1023) >> 10), (unsigned long long)start);
}

/* `size` bytes; up to memory_size there is memory, which is 0 to begin with. */
static int put(struct vm_memory *memory, uint64_t start, const char *bytes, size_t size,
	uint64_t memory_size, struct error *err)
{
	char *to = vm_memory_at(memory, start, memory_size);

	if (!to)
		return no_room(start, memory_size, err);
	memcpy(to, bytes, size);
	vm_memory_written(memory, start, size);
	return 0;
}

static int load_image(const struct kernel *k, struct vm_memory *memory, uint64_t start,
	struct kernel_place *ret, struct error *err)
{
	uint64_t offset = read_u64(k->bytes + 8), size = read_u64(k->bytes + 16);
	int r;

	/* Headers of old kernels do not say. */
	if (size < k->size)
		size = k->size;
	if (start + offset < start)
		return error_set(err, ENOEXEC, "its header wants it at no address");
	r = put(memory, start + offset, k->bytes, k->size, size, err);
	if (r == 0)
		*ret = (struct kernel_place){ start + offset, start + offset + size,
			start + offset };
	return r;
}

static int load_bzimage(const struct kernel *k, struct vm_memory *memory, struct kernel_place *ret,
	struct error *err)
{
	uint8_t sectors = (uint8_t)k->bytes[BZIMAGE_SETUP_SECTORS];
	size_t offset = ((sectors ? sectors : 4) + 1u) * 512u;
	uint64_t start = read_u64(k->bytes + BZIMAGE_START);
	uint64_t room = read_u32(k->bytes + BZIMAGE_ROOM);
	int r;

	if (offset >= k->size)
		return error_set(err, ENOEXEC, "it ends before its program begins");
	if (room < k->size - offset)
		room = k->size - offset;
	r = put(memory, start, k->bytes + offset, k->size - offset, room, err);
	if (r == 0)
		*ret = (struct kernel_place){ start, start + room, start + BZIMAGE_ENTRY_64 };
	return r;
}

static int load_segment(const struct kernel *k, const Elf64_Phdr *p, struct vm_memory *memory,
	uint64_t entry, struct kernel_place *place, struct error *err)
{
	int r;

	if (p->p_type != PT_LOAD || p->p_memsz == 0)
		return 0;
	if (p->p_filesz > p->p_memsz || p->p_offset > k->size ||
		p->p_filesz > k->size - p->p_offset)
		return error_set(err, ENOEXEC, "it ends before its segments do");
	r = put(memory, p->p_paddr, k->bytes + p->p_offset, p->p_filesz, p->p_memsz, err);
	if (r < 0)
		return r;
	if (p->p_paddr < place->start)
		place->start = p->p_paddr;
	if (p->p_paddr + p->p_memsz > place->end)
		place->end = p->p_paddr + p->p_memsz;
	/* It is entered where it lies, not where it will see itself. */
	if (entry - p->p_vaddr < p->p_memsz)
		place->entry = p->p_paddr + (entry - p->p_vaddr);
	return 0;
}

static int load_elf(const struct kernel *k, struct vm_memory *memory, struct kernel_place *ret,
	struct error *err)
{
	struct kernel_place place = { .start = UINT64_MAX };
	Elf64_Ehdr e;
	int r = 0;

	memcpy(&e, k->bytes, sizeof(e));
	place.entry = e.e_entry;
	for (unsigned i = 0; r == 0 && i < e.e_phnum; i++) {
		Elf64_Phdr p;

		memcpy(&p, k->bytes + e.e_phoff + i * sizeof(p), sizeof(p));
		r = load_segment(k, &p, memory, e.e_entry, &place, err);
	}
	if (r == 0 && place.end == 0)
		r = error_set(err, ENOEXEC, "it has nothing to load");
	if (r == 0)
		*ret = place;
	return r;
}

int kernel_load(const struct kernel *k, struct vm_memory *memory, uint64_t start,
	struct kernel_place *ret, struct error *err)
{
	struct kernel_place raw = { start, start + k->size, start };
	int r;

	switch (k->format) {
	case KERNEL_ELF:
		return load_elf(k, memory, ret, err);
	case KERNEL_IMAGE:
		return load_image(k, memory, start, ret, err);
	case KERNEL_BZIMAGE:
		return load_bzimage(k, memory, ret, err);
	case KERNEL_RAW:
		break;
	}
	r = put(memory, start, k->bytes, k->size, k->size, err);
	if (r == 0)
		*ret = raw;
	return r;
}
