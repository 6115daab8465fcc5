/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lz.c - compress text by back references through a hash table, expand it again, compare, and take
 * the CRC-32 of both: byte loads, unpredictable branches, table look-ups.
 *
 * The compressed form: a control byte below 128 is followed by that many + 1 literal bytes; one of
 * 128 or more by a 16-bit distance, for a match of (byte - 128) + MATCH_MIN bytes.
 */
#include <string.h>
#include "program.h"

#define TEXT_BYTES   (1 << 20)
#define HASH_BITS    13
#define MATCH_MIN    4
#define MATCH_MAX    (MATCH_MIN + 127)
#define DISTANCE_MAX 0xffff
#define LITERALS_MAX 128

static uint8_t text[TEXT_BYTES], packed[TEXT_BYTES * 2], expanded[TEXT_BYTES];
static uint32_t places[1 << HASH_BITS], crc_table[256];

static void make_text(void)
{
	static const char *const words[] = { "the ", "machine ", "reads ", "a ", "word ", "of ",
		"memory ", "and ", "writes ", "it ", "back", ".\n", "translate", "d ",
		"instruction", "s, " };
	uint64_t state = 42;
	size_t used = 0;

	while (used < TEXT_BYTES) {
		uint64_t r = program_random(&state);
		const char *word = words[r >> 8 & 15];

		if ((r & 31) == 0)
			text[used++] = (uint8_t)(r >> 16);
		else
			while (*word && used < TEXT_BYTES)
				text[used++] = (uint8_t)*word++;
	}
}

static void make_crc_table(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		crc_table[i] = i;
		for (int bit = 0; bit < 8; bit++)
			crc_table[i] = crc_table[i] >> 1 ^ (crc_table[i] & 1 ? 0xedb88320 : 0);
	}
}

static uint32_t crc32(const uint8_t *data, size_t size)
{
	uint32_t crc = ~0U;

	for (size_t i = 0; i < size; i++)
		crc = crc >> 8 ^ crc_table[(crc ^ data[i]) & 0xff];
	return ~crc;
}

static uint32_t hash(const uint8_t *p)
{
	uint32_t word;

	memcpy(&word, p, sizeof(word));
	return word * 2654435761U >> (32 - HASH_BITS);
}

static uint8_t *put_literals(uint8_t *out, const uint8_t *from, size_t size)
{
	while (size > 0) {
		size_t now = size < LITERALS_MAX ? size : LITERALS_MAX;

		*out++ = (uint8_t)(now - 1);
		memcpy(out, from, now);
		out += now;
		from += now;
		size -= now;
	}
	return out;
}

static size_t match_length(const uint8_t *a, const uint8_t *b, const uint8_t *end)
{
	size_t length = 0;

	while (b + length < end && length < MATCH_MAX && a[length] == b[length])
		length++;
	return length;
}

static size_t compress(void)
{
	uint8_t *out = packed;
	size_t literals = 0, at = 0;

	memset(places, 0xff, sizeof(places));
	while (at + MATCH_MIN < TEXT_BYTES) {
		uint32_t slot = hash(text + at);
		size_t place = places[slot], length = 0;

		places[slot] = (uint32_t)at;
		if (place < at && at - place <= DISTANCE_MAX)
			length = match_length(text + place, text + at, text + TEXT_BYTES);
		if (length < MATCH_MIN) {
			at++;
			continue;
		}
		out = put_literals(out, text + literals, at - literals);
		*out++ = (uint8_t)(128 + length - MATCH_MIN);
		*out++ = (uint8_t)(at - place);
		*out++ = (uint8_t)((at - place) >> 8);
		at += length;
		literals = at;
	}
	out = put_literals(out, text + literals, TEXT_BYTES - literals);
	return (size_t)(out - packed);
}

static size_t expand(size_t size)
{
	const uint8_t *in = packed, *end = packed + size;
	uint8_t *out = expanded;

	while (in < end) {
		size_t control = *in++;

		if (control < 128) {
			memcpy(out, in, control + 1);
			in += control + 1;
			out += control + 1;
			continue;
		}
		size_t distance = in[0] | (size_t)in[1] << 8;

		in += 2;
		for (size_t i = 0; i < control - 128 + MATCH_MIN; i++, out++)
			*out = out[-(ptrdiff_t)distance];
	}
	return (size_t)(out - expanded);
}

int main(int argc, char **argv)
{
	unsigned count = program_count(argc, argv, 30);
	uint64_t sum = PROGRAM_SUM_START;

	make_text();
	make_crc_table();
	for (unsigned i = 0; i < count; i++) {
		size_t size = compress();

		if (expand(size) != TEXT_BYTES || memcmp(text, expanded, TEXT_BYTES) != 0) {
			fprintf(stderr, "lz: what was expanded is not what was compressed\n");
			return 1;
		}
		sum = program_sum(program_sum(sum, size), crc32(packed, size));
		sum = program_sum(sum, crc32(expanded, TEXT_BYTES));
		text[(i * 7919) % TEXT_BYTES] ^= 1;
	}
	return program_end("lz", sum);
}
