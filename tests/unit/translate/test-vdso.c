/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-vdso.c - the page is a shared object in which a loader finds the functions by name and
 * version, and an unwinder the return from a signal by its code.
 */
#include "unit/test.h"

#include <elf.h>
#include <string.h>

#include "translate/vdso.h"

static _Alignas(8) uint8_t page[VDSO_SIZE];

static uint64_t dynamic_value(int64_t tag)
{
	const Elf64_Ehdr *file = (const void *)page;
	const Elf64_Phdr *headers = (const void *)(page + file->e_phoff);

	for (unsigned i = 0; i < file->e_phnum; i++) {
		const Elf64_Dyn *d = (const void *)(page + headers[i].p_offset);

		if (headers[i].p_type != PT_DYNAMIC)
			continue;
		for (; d->d_tag != DT_NULL; d++)
			if (d->d_tag == tag)
				return d->d_un.d_val;
	}
	fail();
	return 0;
}

/* As the C library looks for it: in the chain of its bucket. */
static const uint32_t *find(const char *name, const char *version)
{
	const uint32_t *hash = (const void *)(page + dynamic_value(DT_HASH));
	const Elf64_Sym *symbols = (const void *)(page + dynamic_value(DT_SYMTAB));
	const char *strings = (const char *)page + dynamic_value(DT_STRTAB);
	const uint16_t *versions = (const void *)(page + dynamic_value(DT_VERSYM));
	const uint8_t *definition = page + dynamic_value(DT_VERDEF);

	for (uint32_t i = hash[2]; i; i = hash[3 + i]) {
		const Elf64_Verdef *d = (const void *)definition;
		const Elf64_Verdaux *names;

		assert_true(i < hash[1]);
		if (strcmp(strings + symbols[i].st_name, name) != 0)
			continue;
		while (d->vd_ndx != versions[i]) {
			assert_true(d->vd_next);
			d = (const void *)((const uint8_t *)d + d->vd_next);
		}
		names = (const void *)((const uint8_t *)d + d->vd_aux);
		assert_string_equal(strings + names->vda_name, version);
		assert_true(symbols[i].st_value % 4 == 0 && symbols[i].st_value < VDSO_SIZE);
		return (const void *)(page + symbols[i].st_value);
	}
	return NULL;
}

static void functions_are_found(void **state)
{
	static const char *const names[] = { "__vdso_rt_sigreturn", "__vdso_gettimeofday",
		"__vdso_clock_gettime", "__vdso_clock_getres", "__vdso_getcpu",
		"__vdso_flush_icache", "__vdso_riscv_hwprobe" };

	vdso_build(page);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_non_null(find(names[i], "LINUX_4.15"));
	assert_null(find("__vdso_getrandom", "LINUX_4.15"));
}

static void the_return_from_a_signal_is_known(void **state)
{
	const uint32_t *code;

	vdso_build(page);
	code = find("__vdso_rt_sigreturn", "LINUX_4.15");
	assert_ptr_equal(code, page + VDSO_SIGNAL_RETURN);
	assert_int_equal(code[0], 0x08b00893); /* li a7, 139 */
	assert_int_equal(code[1], 0x00000073); /* ecall */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(functions_are_found),
		cmocka_unit_test(the_return_from_a_signal_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
