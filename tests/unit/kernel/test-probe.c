/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-probe.c - what a kernel is told by, and its release.
 */
#include "unit/test.h"

#include <elf.h>
#include <errno.h>

#include "kernel/kernel.h"

static int probe(const void *head, size_t len, const char *architecture, enum kernel_format format)
{
	struct kernel_facts facts;
	int r = kernel_probe(head, len, &facts);

	if (r < 0)
		return r;
	assert_int_equal(facts.format, format);
	if (architecture)
		assert_string_equal(facts.architecture, architecture);
	else
		assert_null(facts.architecture);
	return 0;
}

static void kinds_are_told_apart(void **state)
{
	char head[KERNEL_HEAD_BYTES] = "MZ";
	Elf64_Ehdr elf = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB },
		.e_type = ET_EXEC,
		.e_machine = EM_RISCV };

	assert_int_equal(probe(head, sizeof(head), NULL, 0), -ENOEXEC);
	memcpy(head + 0x38, "RSC\x05", 4);
	assert_int_equal(probe(head, sizeof(head), "riscv64", KERNEL_FORMAT_IMAGE), 0);
	assert_int_equal(probe(head, 0x3b, NULL, 0), -ENOEXEC);
	memcpy(head + 0x38, "ARM\x64", 4);
	assert_int_equal(probe(head, sizeof(head), "arm64", KERNEL_FORMAT_IMAGE), 0);
	memset(head + 0x38, 0, 4);
	memcpy(head + 4, "zimg", 4);
	assert_int_equal(probe(head, sizeof(head), NULL, KERNEL_FORMAT_ZBOOT), 0);
	memset(head + 4, 0, 4);
	memcpy(head + 0x1fe, "\x55\xaaHdrS", 6);
	assert_int_equal(probe(head, sizeof(head), NULL, 0), -ENOEXEC); /* two bytes further */
	memcpy(head + 0x202, "HdrS", 4);
	assert_int_equal(probe(head, sizeof(head), "386", KERNEL_FORMAT_BZIMAGE), 0);
	memcpy(head + 0x206, "\x0c\x02", 2); /* protocol 2.12 */
	assert_int_equal(probe(head, sizeof(head), "386", KERNEL_FORMAT_BZIMAGE), 0);
	head[0x236] = 1; /* which says that it has an entry with 64 bits */
	assert_int_equal(probe(head, sizeof(head), "amd64", KERNEL_FORMAT_BZIMAGE), 0);
	assert_int_equal(probe(head, 0x237, "386", KERNEL_FORMAT_BZIMAGE), 0);
	assert_int_equal(probe(&elf, sizeof(elf), "riscv64", KERNEL_FORMAT_ELF), 0);
	assert_int_equal(probe(&elf, sizeof(elf) - 1, NULL, 0), -ENOEXEC);
	elf.e_machine = EM_386;
	assert_int_equal(probe(&elf, sizeof(elf), NULL, 0), -ENOEXEC);
	assert_int_equal(probe("", 0, NULL, 0), -ENOEXEC);
}

static bool find(const void *bytes, size_t len, char release[KERNEL_RELEASE_MAX])
{
	return kernel_find_release(KERNEL_FORMAT_ELF, bytes, len, release);
}

static void releases_are_found(void **state)
{
	static const char text[] = "..Linux version %s (x)\0Linux version 6.12.1+deb13-riscv64 (y)";
	char release[KERNEL_RELEASE_MAX];

	assert_true(find(text, sizeof(text), release));
	assert_string_equal(release, "6.12.1+deb13-riscv64");
	assert_false(find(text, 20, release));
	assert_true(find("Linux version 6.1", 17, release)); /* at the very end */
	assert_string_equal(release, "6.1");
	assert_false(find("", 0, release));
}

static void releases_of_bzimages(void **state)
{
	char file[0x400] = "Linux version 6.9 of the loader", release[KERNEL_RELEASE_MAX];
	const enum kernel_format format = KERNEL_FORMAT_BZIMAGE;

	assert_false(kernel_find_release(format, file, sizeof(file), release));
	memcpy(file + 0x20e, "\xf0\x01", 2); /* from 0x200 on */
	assert_false(kernel_find_release(format, file, sizeof(file), release));
	memcpy(file + 0x3f0, "6.12.1-x (y)", 12);
	assert_true(kernel_find_release(format, file, sizeof(file), release));
	assert_string_equal(release, "6.12.1-x");
	assert_true(kernel_find_release(format, file, 0x3f3, release)); /* cut off */
	assert_string_equal(release, "6.1");
	assert_false(kernel_find_release(format, file, 0x3f0, release));
	assert_false(kernel_find_release(format, file, 0x20f, release));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds_are_told_apart),
		cmocka_unit_test(releases_are_found),
		cmocka_unit_test(releases_of_bzimages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
