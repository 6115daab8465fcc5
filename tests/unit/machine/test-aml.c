/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-aml.c - terms of ACPI's bytecode, byte by byte as ACPI 6.5 §20.2 and §6.4 have them.
 */
#include "unit/test.h"

#include <string.h>

#include "machine/aml.h"

static struct aml aml;

static int setup(void **state)
{
	aml = (struct aml){ 0 };
	return 0;
}

static int teardown(void **state)
{
	str_free(&aml.text);
	return 0;
}

#define ASSERT_TEXT(...)                                                                           \
	do {                                                                                       \
		static const uint8_t wanted[] = { __VA_ARGS__ };                                   \
                                                                                                   \
		assert_false(aml.text.failed);                                                     \
		assert_int_equal(aml.depth, 0);                                                    \
		assert_int_equal(aml.text.len, sizeof(wanted));                                    \
		assert_memory_equal(aml.text.data, wanted, sizeof(wanted));                        \
	} while (0)

static void test_integers(void **state)
{
	aml_integer(&aml, 0);
	aml_integer(&aml, 0x1234);
	aml_integer(&aml, 0x10000);
	aml_integer(&aml, UINT64_C(0x100000000));
	ASSERT_TEXT(0x0a, 0, 0x0b, 0x34, 0x12, 0x0c, 0, 0, 1, 0, 0x0e, 0, 0, 0, 0, 1, 0, 0, 0);
}

static void test_names(void **state)
{
	aml_name(&aml, "_HID");
	aml_eisa_id(&aml, "PNP0501");
	aml_name(&aml, "_UID");
	aml_string(&aml, "a");
	ASSERT_TEXT(0x08, '_', 'H', 'I', 'D', 0x0c, 0x41, 0xd0, 0x05, 0x01, 0x08, '_', 'U', 'I',
		'D', 0x0d, 'a', 0);
}

static void test_eisa_letters(void **state)
{
	aml_eisa_id(&aml, "PNP0C0C");
	ASSERT_TEXT(0x0c, 0x41, 0xd0, 0x0c, 0x0c);
}

/* Of four bytes: how many follow, and the length's lowest four bits; then eight each. */
static void test_lengths(void **state)
{
	aml_scope(&aml, "\\_SB_");
	aml_device(&aml, "DEV0");
	aml_end(&aml);
	aml_end(&aml);
	ASSERT_TEXT(0x10, 0xc3, 0x01, 0, 0, '\\', '_', 'S', 'B', '_', 0x5b, 0x82, 0xc8, 0, 0, 0,
		'D', 'E', 'V', '0');
}

static void test_long_length(void **state)
{
	aml_package(&aml, 1);
	for (unsigned i = 0; i < 0x12345 - 5; i++)
		str_append_char(&aml.text, 'x');
	aml_end(&aml);
	assert_false(aml.text.failed);
	assert_memory_equal(aml.text.data, ((const uint8_t[]){ 0x12, 0xc5, 0x34, 0x12, 0, 1 }), 6);
}

static void test_too_deep(void **state)
{
	for (unsigned i = 0; i <= AML_DEPTH_MAX; i++)
		aml_package(&aml, 1);
	assert_true(aml.text.failed);
	for (unsigned i = 0; i <= AML_DEPTH_MAX; i++)
		aml_end(&aml);
	aml_end(&aml);
	assert_true(aml.text.failed);
}

static void test_method(void **state)
{
	aml_method(&aml, "_EVT", 1);
	aml_load_local0(&aml, "EVTS");
	aml_notify_if(&aml, 2, "DEV0", 0x80);
	aml_end(&aml);
	ASSERT_TEXT(0x14, 0xc0, 0x02, 0, 0, '_', 'E', 'V', 'T', 9, /* serialized, an argument */
		0x70, 'E', 'V', 'T', 'S', 0x60, /* Local0 = EVTS */
		0xa0, 0xc0, 0x01, 0, 0, 0x7b, 0x60, 0x0a, 2, 0, /* If (Local0 & 2) */
		0x86, 'D', 'E', 'V', '0', 0x0a, 0x80);
}

static void test_field(void **state)
{
	aml_port_field(&aml, "EREG", "EVTS", 0x604);
	ASSERT_TEXT(0x5b, 0x80, 'E', 'R', 'E', 'G', 1, 0x0b, 0x04, 0x06, 0x0a, 4, 0x5b, 0x81, 0xce,
		0, 0, 0, 'E', 'R', 'E', 'G', 3, 'E', 'V', 'T', 'S', 32);
}

static void test_resources(void **state)
{
	struct aml_resources resources = { 0 };

	aml_resource_ports(&resources, 0x3f8, 8);
	aml_resource_memory(&resources, 0xd0000000, 0x1000);
	aml_resource_irq(&resources, 4, true);
	aml_crs(&aml, &resources);
	assert_null(resources.bytes.data);
	ASSERT_TEXT(0x08, '_', 'C', 'R', 'S', 0x11, 0xc5, 0x02, 0, 0, 0x0a, 31, /* the buffer */
		0x47, 1, 0xf8, 0x03, 0xf8, 0x03, 1, 8, /* ports */
		0x86, 9, 0, 1, 0, 0, 0, 0xd0, 0, 0x10, 0, 0, /* memory */
		0x89, 6, 0, 3, 1, 4, 0, 0, 0, /* interrupt: a consumer, by edges */
		0x79, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_integers),
		TEST(test_names),
		TEST(test_eisa_letters),
		TEST(test_lengths),
		TEST(test_long_length),
		TEST(test_too_deep),
		TEST(test_method),
		TEST(test_field),
		TEST(test_resources),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
