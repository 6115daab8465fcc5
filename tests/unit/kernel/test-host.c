/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-host.c - which of the kernels that a host boots is found.
 */
#include "unit/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/str.h"
#include "kernel/kernel.h"

static char top[] = "/tmp/strata-test-host-XXXXXX";

static int make_top(void **state)
{
	(void)state;
	strcpy(top + strlen(top) - 6, "XXXXXX");
	return mkdtemp(top) ? 0 : -1;
}

static int remove_top(void **state)
{
	(void)state;
	return io_remove_tree(AT_FDCWD, top, NULL);
}

static void add_file(const char *name, const void *bytes, size_t len)
{
	_cleanup_free_ char *path = strf("%s/%s", top, name), *folder = strdup(path);

	*strrchr(folder, '/') = '\0';
	assert_int_equal(io_make_dirs(AT_FDCWD, folder, 0755, NULL), 0);
	assert_int_equal(io_replace_file(AT_FDCWD, path, 0644, bytes, len, IO_VOLATILE, NULL), 0);
}

/* An Image for riscv64: Linux, Documentation/arch/riscv/boot-image-header.rst. */
static void add_image(const char *name)
{
	uint8_t image[KERNEL_HEAD_BYTES] = { 0 };

	memcpy(image + 48, "RISCV\0\0\0", 8);
	memcpy(image + 56, "RSC\x05", 4);
	add_file(name, image, sizeof(image));
}

static void add_modules(const char *release)
{
	_cleanup_free_ char *name = strf("lib/modules/%s/kernel/x.ko", release);

	add_file(name, "", 0);
}

static void expect(const char *architecture, const char *file)
{
	_cleanup_free_ char *whole = strf("%s/%s", top, file);
	struct kernel_on_host found = { 0 };

	assert_int_equal(kernel_find_on_host(top, architecture, &found, NULL), 0);
	assert_string_equal(found.file, whole);
	assert_non_null(strstr(found.modules, "lib/modules/"));
	assert_string_equal(strrchr(found.modules, '/') + 1, strchr(strrchr(file, '/'), '-') + 1);
	kernel_on_host_free(&found);
}

static void the_last_one_with_modules(void **state)
{
	struct kernel_on_host found = { 0 };

	assert_int_equal(kernel_find_on_host(top, "riscv64", &found, NULL), -ENOENT);
	add_image("boot/vmlinuz-6.9");
	assert_int_equal(kernel_find_on_host(top, "riscv64", &found, NULL), -ENOENT);
	add_modules("6.9");
	expect("riscv64", "boot/vmlinuz-6.9");
	add_image("boot/vmlinux-6.12");
	add_modules("6.12");
	add_image("boot/vmlinuz-6.13");
	add_file("boot/config-6.14", "", 0);
	expect("riscv64", "boot/vmlinux-6.12");
	assert_int_equal(kernel_find_on_host(top, "amd64", &found, NULL), -ENOENT);
	assert_null(found.file);
}

static void one_for_root_alone(void **state)
{
	_cleanup_free_ char *file = strf("%s/boot/vmlinuz-6.9", top);
	struct kernel_on_host found = { 0 };
	struct error err = { 0 };
	const uid_t user = geteuid();

	add_image("boot/vmlinuz-6.9");
	add_modules("6.9");
	assert_int_equal(chmod(file, 0), 0);
	assert_int_equal(chmod(top, 0755), 0);
	if (user == 0)
		assert_int_equal(setreuid(65534, 0), 0); /* access(2) asks for the real one */
	assert_int_equal(kernel_find_on_host(top, "riscv64", &found, &err), -EACCES);
	if (user == 0)
		assert_int_equal(setreuid(0, 0), 0);
	assert_non_null(strstr(err.message, "vmlinuz-6.9 cannot be read by this user"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_top, remove_top)
	const struct CMUnitTest tests[] = {
		TEST(the_last_one_with_modules),
		TEST(one_for_root_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
