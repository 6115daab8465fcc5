/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-kernel.c - kernels are told by their headers, unpacked, and put where they want to be; and
 * headers that lie are found out.
 */
#include "unit/test.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "machine/kernel.h"

#define START UINT64_C(0x80000000)
#define SIZE  (UINT64_C(8) << 20)

static struct vm_memory memory;
static struct kernel kernel;
static struct error err;

static int setup(void **state)
{
	vm_memory_init(&memory);
	kernel = (struct kernel){ 0 };
	return vm_memory_add(&memory, START, SIZE, NULL);
}

static int teardown(void **state)
{
	kernel_free(&kernel);
	vm_memory_destroy(&memory);
	return 0;
}

/* kernel_parse() frees what it is given. */
static int parse(const void *bytes, size_t size)
{
	char *copy = malloc(size ? size : 1);

	memcpy(copy, bytes, size);
	error_clear(&err);
	return kernel_parse(copy, size, MACHINE_ARCH_RISCV64, false, &kernel, &err);
}

static void make_image(uint8_t image[128], uint64_t offset, uint64_t size)
{
	memset(image, 0, 128);
	memcpy(image + 8, &offset, 8);
	memcpy(image + 16, &size, 8);
	memcpy(image + 0x38, "RSC\x05", 4);
	image[127] = 0x77;
}

static void test_image(void **state)
{
	struct kernel_place place;
	uint8_t image[128];

	make_image(image, 0x200000, 0x100000);
	assert_int_equal(parse(image, sizeof(image)), 0);
	assert_int_equal(kernel.format, KERNEL_IMAGE);
	assert_int_equal(kernel_load(&kernel, &memory, START, &place, &err), 0);
	assert_int_equal(place.start, START + 0x200000);
	assert_int_equal(place.entry, place.start);
	assert_int_equal(place.end, place.start + 0x100000);
	assert_memory_equal(vm_memory_at(&memory, place.start, 128), image, 128);
}

/* Beyond the end of memory, around the end of all addresses, or more than there is. */
static void test_image_without_room(void **state)
{
	static const uint64_t places[][2] = {
		{ SIZE, 128 },
		{ SIZE - 64, 128 },
		{ 0, SIZE + 1 },
		{ 0, UINT64_MAX },
		{ 0x200000, UINT64_MAX - 0x200000 },
		{ UINT64_MAX - START, 128 },
	};
	struct kernel_place place;
	uint8_t image[128];

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		make_image(image, places[i][0], places[i][1]);
		assert_int_equal(parse(image, sizeof(image)), 0);
		assert_true(kernel_load(&kernel, &memory, START, &place, &err) < 0);
		kernel_free(&kernel);
	}
	make_image(image, UINT64_MAX - START + 1, 128);
	assert_int_equal(parse(image, sizeof(image)), 0);
	assert_int_equal(kernel_load(&kernel, &memory, START, &place, &err), -ENOEXEC);
}

static void test_zboot(void **state)
{
	uint8_t image[128], file[512] = "MZ\0\0zimg";
	size_t size = 0;
	uint32_t n;

	make_image(image, 0, 0);
	size = ZSTD_compress(file + 64, sizeof(file) - 64, image, sizeof(image), 1);
	assert_false(ZSTD_isError(size));
	n = 64;
	memcpy(file + 8, &n, 4);
	n = (uint32_t)size;
	memcpy(file + 12, &n, 4);
	memcpy(file + 24, "zstd", 4);
	assert_int_equal(parse(file, 64 + size), 0);
	assert_int_equal(kernel.size, sizeof(image));
	assert_memory_equal(kernel.bytes, image, sizeof(image));
	kernel_free(&kernel);
	assert_int_equal(parse(file, 64 + size - 1), -ENOEXEC);
	memset(file + 8, 0xff, 8);
	assert_int_equal(parse(file, 64 + size), -ENOEXEC);
	memcpy(file + 24, "lzma", 4);
	n = 64;
	memcpy(file + 8, &n, 4);
	n = 8;
	memcpy(file + 12, &n, 4);
	assert_int_equal(parse(file, 64 + size), -ENOEXEC);
	assert_non_null(strstr(err.message, "lzma"));
}

struct elf {
	Elf64_Ehdr head;
	Elf64_Phdr segments[2];
	uint8_t code[64];
};

static struct elf make_elf(void)
{
	struct elf elf = {
		.head = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
			.e_type = ET_EXEC,
			.e_machine = EM_RISCV,
			.e_entry = UINT64_C(0xffffffff80001010),
			.e_phoff = sizeof(Elf64_Ehdr),
			.e_phentsize = sizeof(Elf64_Phdr),
			.e_phnum = 2 },
		.segments = { { .p_type = PT_LOAD,
				      .p_offset = offsetof(struct elf, code),
				      .p_vaddr = UINT64_C(0xffffffff80001000),
				      .p_paddr = START + 0x1000,
				      .p_filesz = 64,
				      .p_memsz = 0x2000 },
			{ .p_type = PT_NOTE, .p_filesz = UINT64_MAX } },
	};

	memset(elf.code, 0x5a, sizeof(elf.code));
	return elf;
}

static void test_elf(void **state)
{
	struct elf elf = make_elf();
	struct kernel_place place;

	assert_int_equal(parse(&elf, sizeof(elf)), 0);
	assert_int_equal(kernel.format, KERNEL_ELF);
	assert_int_equal(kernel_load(&kernel, &memory, START, &place, &err), 0);
	assert_int_equal(place.start, START + 0x1000);
	assert_int_equal(place.end, START + 0x3000);
	assert_int_equal(place.entry, START + 0x1010);
	assert_memory_equal(vm_memory_at(&memory, place.start, 64), elf.code, 64);
}

static void expect_no_load(const struct elf *elf)
{
	struct kernel_place place;

	assert_int_equal(parse(elf, sizeof(*elf)), 0);
	assert_true(kernel_load(&kernel, &memory, START, &place, &err) < 0);
	assert_true(err.message[0]);
	kernel_free(&kernel);
}

static void test_damaged_elf(void **state)
{
	struct elf elf = make_elf();

	elf.segments[0].p_filesz = 65;
	expect_no_load(&elf);
	elf.segments[0].p_offset = UINT64_MAX;
	expect_no_load(&elf);
	elf = make_elf();
	elf.segments[0].p_memsz = 63;
	expect_no_load(&elf);
	elf.segments[0].p_memsz = UINT64_MAX;
	expect_no_load(&elf);
	elf = make_elf();
	elf.segments[0].p_paddr = UINT64_MAX - 16;
	expect_no_load(&elf);
	elf.segments[0].p_type = PT_NULL;
	expect_no_load(&elf);
	elf = make_elf();
	elf.head.e_phoff = sizeof(elf) - 16;
	assert_int_equal(parse(&elf, sizeof(elf)), -ENOEXEC);
	elf.head.e_phoff = UINT64_MAX;
	assert_int_equal(parse(&elf, sizeof(elf)), -ENOEXEC);
	elf = make_elf();
	elf.head.e_phnum = UINT16_MAX;
	assert_int_equal(parse(&elf, sizeof(elf)), -ENOEXEC);
	elf = make_elf();
	elf.head.e_type = ET_REL;
	assert_int_equal(parse(&elf, sizeof(elf)), -ENOEXEC);
	for (size_t size = 0; size < sizeof(elf.head); size++)
		assert_int_equal(parse(&elf, size), -ENOEXEC);
}

static void test_other_cpus(void **state)
{
	static const struct {
		uint16_t machine;
		const char *name;
	} cpus[] = { { EM_X86_64, "x86" }, { EM_AARCH64, "arm64" }, { EM_S390, "s390" } };
	struct elf elf = make_elf();

	for (size_t i = 0; i < ARRAY_SIZE(cpus); i++) {
		elf.head.e_machine = cpus[i].machine;
		assert_int_equal(parse(&elf, sizeof(elf)), -ENOEXEC);
		assert_non_null(strstr(err.message, cpus[i].name));
	}
	elf = make_elf();
	elf.head.e_ident[EI_CLASS] = ELFCLASS32;
	assert_int_equal(parse(&elf, sizeof(elf)), -ENOEXEC);
	assert_non_null(strstr(err.message, "riscv32"));
}

/* --- for x86-64 ------------------------------------------------------------------------------- */

#define BZ_SETUP_BYTES	 1024 /* a boot sector, and one sector of setup */
#define BZ_PAYLOAD_BYTES 100

static void make_bzimage(uint8_t image[BZ_SETUP_BYTES + BZ_PAYLOAD_BYTES], uint64_t start)
{
	const uint32_t room = 0x4000;

	memset(image, 0, BZ_SETUP_BYTES + BZ_PAYLOAD_BYTES);
	image[0x1f1] = 1;
	memcpy(image + 0x202, "HdrS", 4);
	image[0x206] = 0x0f; /* version 2.15 */
	image[0x207] = 0x02;
	image[0x236] = 1; /* it has an entry of 64 bits */
	memcpy(image + 0x258, &start, 8);
	memcpy(image + 0x260, &room, 4);
	image[BZ_SETUP_BYTES] = 0x77;
}

static int parse_x86(const void *bytes, size_t size)
{
	char *copy = malloc(size ? size : 1);

	memcpy(copy, bytes, size);
	error_clear(&err);
	kernel_free(&kernel);
	return kernel_parse(copy, size, MACHINE_ARCH_X86_64, false, &kernel, &err);
}

static void test_bzimage(void **state)
{
	uint8_t image[BZ_SETUP_BYTES + BZ_PAYLOAD_BYTES];
	struct kernel_place place;

	make_bzimage(image, START + 0x1000);
	assert_int_equal(parse_x86(image, sizeof(image)), 0);
	assert_int_equal(kernel.format, KERNEL_BZIMAGE);
	assert_int_equal(kernel_load(&kernel, &memory, 0, &place, &err), 0);
	assert_int_equal(place.start, START + 0x1000);
	assert_int_equal(place.end, START + 0x5000);
	assert_int_equal(place.entry, START + 0x1200);
	assert_int_equal(*(uint8_t *)vm_memory_at(&memory, START + 0x1000, 1), 0x77);
	make_bzimage(image, START + SIZE - 0x1000);
	assert_int_equal(parse_x86(image, sizeof(image)), 0);
	assert_int_equal(kernel_load(&kernel, &memory, 0, &place, &err), -ENOSPC);
	make_bzimage(image, UINT64_MAX - 10);
	assert_int_equal(parse_x86(image, sizeof(image)), 0);
	assert_int_equal(kernel_load(&kernel, &memory, 0, &place, &err), -ENOSPC);
	image[0x1f1] = 200; /* more setup than there is */
	assert_int_equal(parse_x86(image, sizeof(image)), 0);
	assert_int_equal(kernel_load(&kernel, &memory, 0, &place, &err), -ENOEXEC);
}

static void test_bad_bzimage(void **state)
{
	uint8_t image[BZ_SETUP_BYTES + BZ_PAYLOAD_BYTES];

	make_bzimage(image, START);
	assert_int_equal(parse(image, sizeof(image)), -ENOEXEC);
	assert_non_null(strstr(err.message, "riscv64"));
	assert_int_equal(parse_x86(image, 0x210), -ENOEXEC);
	image[0x236] = 0;
	assert_int_equal(parse_x86(image, sizeof(image)), -ENOEXEC);
	assert_non_null(strstr(err.message, "32 bits"));
	make_bzimage(image, START);
	image[0x206] = 0x0b; /* 2.11 */
	assert_int_equal(parse_x86(image, sizeof(image)), -ENOEXEC);
}

static void test_for_x86(void **state)
{
	struct elf elf = make_elf();
	uint8_t image[128];

	assert_int_equal(parse_x86(&elf, sizeof(elf)), -ENOEXEC);
	assert_non_null(strstr(err.message, "x86_64"));
	elf.head.e_machine = EM_X86_64;
	assert_int_equal(parse_x86(&elf, sizeof(elf)), 0);
	make_image(image, 0, 0);
	assert_int_equal(parse_x86(image, sizeof(image)), -ENOEXEC);
	assert_non_null(strstr(err.message, "riscv64"));
	assert_int_equal(parse_x86("some bytes", 10), -ENOEXEC);
	assert_non_null(strstr(err.message, "bzImage"));
}

/* Firmware may be anything. */
static void test_raw(void **state)
{
	struct kernel_place place;

	assert_int_equal(parse("some bytes", 10), -ENOEXEC);
	assert_int_equal(
		kernel_parse(strdup("some bytes"), 10, MACHINE_ARCH_RISCV64, true, &kernel, &err),
		0);
	assert_int_equal(kernel.format, KERNEL_RAW);
	assert_int_equal(kernel_load(&kernel, &memory, START + 0x1000, &place, &err), 0);
	assert_int_equal(place.entry, START + 0x1000);
	assert_int_equal(place.end, START + 0x100a);
	assert_int_equal(kernel_load(&kernel, &memory, START + SIZE - 4, &place, &err), -ENOSPC);
	kernel_free(&kernel);
	assert_int_equal(
		kernel_parse(strdup(""), 0, MACHINE_ARCH_RISCV64, true, &kernel, &err), -ENOEXEC);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_image),
		TEST(test_image_without_room),
		TEST(test_zboot),
		TEST(test_elf),
		TEST(test_damaged_elf),
		TEST(test_other_cpus),
		TEST(test_bzimage),
		TEST(test_bad_bzimage),
		TEST(test_for_x86),
		TEST(test_raw),
	};

	return cmocka_run_group_tests_name("machine/kernel", tests, NULL, NULL);
}
