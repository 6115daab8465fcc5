/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe.c - what kind of kernel a file is, and for which CPU, by its first bytes.
 */
#include "kernel/kernel.h"

#include <assert.h>
#include <elf.h>
#include <string.h>

#define IMAGE_MAGIC_OFFSET    0x38 /* "ARM\x64" or "RSC\x05", le32 */
#define ZBOOT_MAGIC_OFFSET    4 /* "zimg", behind "MZ" and two zeros */
#define ZBOOT_PAYLOAD_OFFSET  8 /* le32, and its size behind it */
#define BZIMAGE_BOOT_OFFSET   0x1fe /* 0x55, 0xaa */
#define BZIMAGE_HEADER_OFFSET 0x202 /* "HdrS" */
#define BZIMAGE_VERSION	      0x206 /* le16 */
#define BZIMAGE_RELEASE	      0x20e /* le16: where a string is, from 0x200 on */
#define BZIMAGE_FLAGS	      0x236 /* le16 */
#define BZIMAGE_BASE	      0x200
#define BZIMAGE_VERSION_64    0x20c
#define BZIMAGE_FLAG_64	      1
#define RELEASE_PREFIX	      "Linux version "

static const char *const format_names[] = {
	[KERNEL_FORMAT_UNKNOWN] = "unknown",
	[KERNEL_FORMAT_IMAGE] = "Image",
	[KERNEL_FORMAT_ELF] = "ELF",
	[KERNEL_FORMAT_BZIMAGE] = "bzImage",
	[KERNEL_FORMAT_ZBOOT] = "EFI zboot",
};
static_assert(ARRAY_SIZE(format_names) == KERNEL_FORMAT_COUNT, "a name for each format");

const char *kernel_format_name(enum kernel_format format)
{
	return format_names[format];
}

static bool has(const void *head, size_t len, size_t offset, const char *magic, size_t size)
{
	return len >= offset + size && memcmp((const char *)head + offset, magic, size) == 0;
}

static uint16_t get_le16(const void *head, size_t offset)
{
	uint16_t value;

	memcpy(&value, (const char *)head + offset, sizeof(value));
	return le16toh(value);
}

static uint32_t get_le32(const void *head, size_t offset)
{
	uint32_t value;

	memcpy(&value, (const char *)head + offset, sizeof(value));
	return le32toh(value);
}

/* A kernel is for 64 bits and little-endian on each CPU that machines have. */
static int probe_elf(const void *head, size_t len, struct kernel_facts *ret)
{
	static const struct {
		uint16_t machine;
		const char *architecture;
	} known[] = { { EM_RISCV, "riscv64" }, { EM_AARCH64, "arm64" }, { EM_X86_64, "amd64" } };
	Elf64_Ehdr elf;

	if (len < sizeof(elf))
		return -ENOEXEC;
	memcpy(&elf, head, sizeof(elf));
	if (elf.e_ident[EI_CLASS] != ELFCLASS64 || elf.e_ident[EI_DATA] != ELFDATA2LSB ||
		(elf.e_type != ET_EXEC && elf.e_type != ET_DYN))
		return -ENOEXEC;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (le16toh(elf.e_machine) == known[i].machine) {
			ret->format = KERNEL_FORMAT_ELF;
			ret->architecture = known[i].architecture;
			return 0;
		}
	return -ENOEXEC;
}

/* From protocol 2.12 on, it says whether it can be entered with 64 bits. */
static const char *bzimage_architecture(const void *head, size_t len)
{
	return len >= BZIMAGE_FLAGS + 2 && get_le16(head, BZIMAGE_VERSION) >= BZIMAGE_VERSION_64 &&
			get_le16(head, BZIMAGE_FLAGS) & BZIMAGE_FLAG_64
		? "amd64"
		: "386";
}

int kernel_probe(const void *head, size_t len, struct kernel_facts *ret)
{
	*ret = (struct kernel_facts){ 0 };
	if (has(head, len, 0, ELFMAG, SELFMAG))
		return probe_elf(head, len, ret);
	if (has(head, len, IMAGE_MAGIC_OFFSET, "RSC\x05", 4)) {
		ret->architecture = "riscv64";
		ret->format = KERNEL_FORMAT_IMAGE;
	} else if (has(head, len, IMAGE_MAGIC_OFFSET, "ARM\x64", 4)) {
		ret->architecture = "arm64";
		ret->format = KERNEL_FORMAT_IMAGE;
	} else if (has(head, len, 0, "MZ", 2) && has(head, len, ZBOOT_MAGIC_OFFSET, "zimg", 4) &&
		len >= ZBOOT_PAYLOAD_OFFSET + 8) {
		ret->format = KERNEL_FORMAT_ZBOOT;
		ret->payload_offset = get_le32(head, ZBOOT_PAYLOAD_OFFSET);
		ret->payload_size = get_le32(head, ZBOOT_PAYLOAD_OFFSET + 4);
	} else if (has(head, len, BZIMAGE_BOOT_OFFSET, "\x55\xaa", 2) &&
		has(head, len, BZIMAGE_HEADER_OFFSET, "HdrS", 4)) {
		ret->architecture = bzimage_architecture(head, len);
		ret->format = KERNEL_FORMAT_BZIMAGE;
	} else {
		return -ENOEXEC;
	}
	return 0;
}

/* What is a release at `at`, of `len` bytes: how long it is, or 0. */
static size_t copy_release(const char *at, size_t len, char ret[KERNEL_RELEASE_MAX])
{
	size_t n = 0;

	while (n < KERNEL_RELEASE_MAX - 1 && n < len &&
		strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.+-_~",
			at[n]) &&
		at[n])
		n++;
	if (n == 0 || *at < '0' || *at > '9')
		return 0;
	memcpy(ret, at, n);
	ret[n] = '\0';
	return n;
}

/* The banner is a string of the kernel; a format string that looks like it has a % behind it. */
static bool find_banner(const char *at, size_t len, char ret[KERNEL_RELEASE_MAX])
{
	const size_t prefix = strlen(RELEASE_PREFIX);
	const char *end = at + len;

	while (end > at && (at = memmem(at, (size_t)(end - at), RELEASE_PREFIX, prefix))) {
		at += prefix;
		if (copy_release(at, (size_t)(end - at), ret) > 0)
			return true;
	}
	return false;
}

bool kernel_find_release(
	enum kernel_format format, const void *bytes, size_t len, char ret[KERNEL_RELEASE_MAX])
{
	size_t at;

	if (format != KERNEL_FORMAT_BZIMAGE)
		return find_banner(bytes, len, ret);
	if (len < BZIMAGE_RELEASE + 2)
		return false;
	at = BZIMAGE_BASE + get_le16(bytes, BZIMAGE_RELEASE);
	return at < len && copy_release((const char *)bytes + at, len - at, ret) > 0;
}
