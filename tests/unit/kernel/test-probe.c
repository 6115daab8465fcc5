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
	assert_int_equal(probe(head, sizeof(head), "amd64", KERNEL_FORMAT_BZIMAGE), 0);
	assert_int_equal(probe(&elf, sizeof(elf), "riscv64", KERNEL_FORMAT_ELF), 0);
	assert_int_equal(probe(&elf, sizeof(elf) - 1, NULL, 0), -ENOEXEC);
	elf.e_machine = EM_386;
	assert_int_equal(probe(&elf, sizeof(elf), NULL, 0), -ENOEXEC);
	assert_int_equal(probe("", 0, NULL, 0), -ENOEXEC);
}

static void releases_are_found(void **state)
{
	static const char text[] = "..Linux version %s (x)\0Linux version 6.12.1+deb13-riscv64 (y)";
	char release[KERNEL_RELEASE_MAX];

	assert_true(kernel_find_release(text, sizeof(text), release));
	assert_string_equal(release, "6.12.1+deb13-riscv64");
	assert_false(kernel_find_release(text, 20, release));
	assert_true(kernel_find_release("Linux version 6.1", 17, release)); /* at the very end */
	assert_string_equal(release, "6.1");
	assert_false(kernel_find_release("", 0, release));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds_are_told_apart),
		cmocka_unit_test(releases_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
