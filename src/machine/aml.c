/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aml.c - ACPI's bytecode. A length that comes before what it counts is written in four bytes,
 * which is allowed for any (§20.2.4), so that it can be filled in behind.
 */
#include "machine/aml.h"

#define LENGTH_BYTES 4
#define NAME_BYTES   4
#define FIELD_BITS   32

enum {
	OP_NAME = 0x08,
	OP_BYTE = 0x0a,
	OP_WORD = 0x0b,
	OP_DWORD = 0x0c,
	OP_STRING = 0x0d,
	OP_QWORD = 0x0e,
	OP_SCOPE = 0x10,
	OP_BUFFER = 0x11,
	OP_PACKAGE = 0x12,
	OP_METHOD = 0x14,
	OP_EXTENDED = 0x5b,
	OP_REGION = 0x80, /* behind OP_EXTENDED, as the next two */
	OP_FIELD = 0x81,
	OP_DEVICE = 0x82,
	OP_LOCAL0 = 0x60,
	OP_STORE = 0x70,
	OP_AND = 0x7b,
	OP_NOTIFY = 0x86,
	OP_IF = 0xa0,

	METHOD_SERIALIZED = 8,
	REGION_PORTS = 1,
	FIELD_DWORDS = 3, /* read and written by 32 bits, and not locked */

	RESOURCE_PORTS = 0x47,
	RESOURCE_MEMORY = 0x86,
	RESOURCE_IRQ = 0x89,
	RESOURCE_END = 0x79,
	IRQ_CONSUMER = 1,
	IRQ_EDGE = 2,
};

static void put(struct str *s, uint64_t value, unsigned size)
{
	str_append_n(s, &value, size);
}

static void put_name(struct aml *aml, const char *name)
{
	str_append_n(&aml->text, name, NAME_BYTES);
}

/* --- lengths -----------------------------------------------------------------------------------
 */

static void open_length(struct aml *aml)
{
	if (aml->depth == AML_DEPTH_MAX) {
		aml->text.failed = true;
		return;
	}
	aml->starts[aml->depth++] = aml->text.len;
	put(&aml->text, 0, LENGTH_BYTES);
}

/* The number of bytes that follow in the upper bits of the first, whose lower ones are the
 * length's. */
void aml_end(struct aml *aml)
{
	size_t start, length;

	if (aml->text.failed || aml->depth == 0)
		return;
	start = aml->starts[--aml->depth];
	length = aml->text.len - start;
	aml->text.data[start] = (char)((LENGTH_BYTES - 1) << 6 | (length & 15));
	aml->text.data[start + 1] = (char)(length >> 4);
	aml->text.data[start + 2] = (char)(length >> 12);
	aml->text.data[start + 3] = (char)(length >> 20);
}

void aml_scope(struct aml *aml, const char *path)
{
	put(&aml->text, OP_SCOPE, 1);
	open_length(aml);
	str_append(&aml->text, path);
}

void aml_device(struct aml *aml, const char *name)
{
	put(&aml->text, OP_EXTENDED | OP_DEVICE << 8, 2);
	open_length(aml);
	put_name(aml, name);
}

void aml_method(struct aml *aml, const char *name, unsigned nr_arguments)
{
	put(&aml->text, OP_METHOD, 1);
	open_length(aml);
	put_name(aml, name);
	put(&aml->text, METHOD_SERIALIZED | nr_arguments, 1);
}

void aml_package(struct aml *aml, unsigned nr_elements)
{
	put(&aml->text, OP_PACKAGE, 1);
	open_length(aml);
	put(&aml->text, nr_elements, 1);
}

/* --- values ------------------------------------------------------------------------------------
 */

void aml_name(struct aml *aml, const char *name)
{
	put(&aml->text, OP_NAME, 1);
	put_name(aml, name);
}

void aml_integer(struct aml *aml, uint64_t value)
{
	static const struct {
		uint64_t max;
		uint8_t op, size;
	} forms[] = {
		{ UINT8_MAX, OP_BYTE, 1 },
		{ UINT16_MAX, OP_WORD, 2 },
		{ UINT32_MAX, OP_DWORD, 4 },
		{ UINT64_MAX, OP_QWORD, 8 },
	};
	unsigned i = 0;

	while (value > forms[i].max)
		i++;
	put(&aml->text, forms[i].op, 1);
	put(&aml->text, value, forms[i].size);
}

void aml_string(struct aml *aml, const char *text)
{
	put(&aml->text, OP_STRING, 1);
	str_append_n(&aml->text, text, strlen(text) + 1);
}

/* Three letters of five bits, four digits of four; the first byte is the highest (§19.3.4). */
void aml_eisa_id(struct aml *aml, const char *id)
{
	uint32_t value = 0;

	for (unsigned i = 0; i < 3; i++)
		value = value << 5 | (uint32_t)((id[i] - 'A' + 1) & 31);
	for (unsigned i = 3; i < 7; i++)
		value = value << 4 | (uint32_t)(id[i] <= '9' ? id[i] - '0' : id[i] - 'A' + 10);
	put(&aml->text, OP_DWORD, 1);
	put(&aml->text, __builtin_bswap32(value), 4);
}

/* --- statements --------------------------------------------------------------------------------
 */

void aml_port_field(struct aml *aml, const char *region, const char *field, uint16_t port)
{
	put(&aml->text, OP_EXTENDED | OP_REGION << 8, 2);
	put_name(aml, region);
	put(&aml->text, REGION_PORTS, 1);
	aml_integer(aml, port);
	aml_integer(aml, FIELD_BITS / 8);
	put(&aml->text, OP_EXTENDED | OP_FIELD << 8, 2);
	open_length(aml);
	put_name(aml, region);
	put(&aml->text, FIELD_DWORDS, 1);
	put_name(aml, field);
	put(&aml->text, FIELD_BITS, 1);
	aml_end(aml);
}

void aml_load_local0(struct aml *aml, const char *field)
{
	put(&aml->text, OP_STORE, 1);
	put_name(aml, field);
	put(&aml->text, OP_LOCAL0, 1);
}

void aml_notify_if(struct aml *aml, uint8_t mask, const char *object, uint8_t value)
{
	put(&aml->text, OP_IF, 1);
	open_length(aml);
	put(&aml->text, OP_AND | OP_LOCAL0 << 8, 2);
	aml_integer(aml, mask);
	put(&aml->text, 0, 1); /* the result goes nowhere else */
	put(&aml->text, OP_NOTIFY, 1);
	put_name(aml, object);
	aml_integer(aml, value);
	aml_end(aml);
}

/* --- resources (§6.4) --------------------------------------------------------------------------
 */

void aml_resource_ports(struct aml_resources *resources, uint16_t start, uint8_t size)
{
	struct str *s = &resources->bytes;

	put(s, RESOURCE_PORTS | 1 << 8, 2); /* all 16 bits are decoded */
	put(s, start, 2); /* from here... */
	put(s, start, 2); /* ...to there it may begin */
	put(s, 1 | size << 8, 2);
}

void aml_resource_memory(struct aml_resources *resources, uint32_t start, uint32_t size)
{
	struct str *s = &resources->bytes;

	put(s, RESOURCE_MEMORY | 9 << 8, 3);
	put(s, 1, 1); /* can be written */
	put(s, start, 4);
	put(s, size, 4);
}

void aml_resource_irq(struct aml_resources *resources, uint32_t irq, bool is_edge)
{
	struct str *s = &resources->bytes;

	put(s, RESOURCE_IRQ | 6 << 8, 3);
	put(s, IRQ_CONSUMER | (is_edge ? IRQ_EDGE : 0), 1);
	put(s, 1, 1); /* one number */
	put(s, irq, 4);
}

void aml_crs(struct aml *aml, struct aml_resources *resources)
{
	struct str *s = &resources->bytes;

	put(s, RESOURCE_END, 2); /* and no checksum */
	aml_name(aml, "_CRS");
	put(&aml->text, OP_BUFFER, 1);
	open_length(aml);
	aml_integer(aml, s->len);
	str_append_n(&aml->text, s->data, s->len);
	aml->text.failed |= s->failed;
	aml_end(aml);
	str_free(s);
	*s = (struct str){ 0 };
}
