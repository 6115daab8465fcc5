/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sha256.c - SHA-256 (FIPS 180-4) of a buffer, again and again, each time with the last digest at
 * its start: additions, rotations and logic on 32-bit words. The digest of "abc" is checked first.
 */
#include <string.h>
#include "program.h"

#define BLOCK_BYTES  64
#define BUFFER_BYTES (64 << 10)

/* The first 32 bits of the fractional parts of the cube and square roots of the first primes are
 * computed (FIPS 180-4 §4.2.2, §5.3.3), rather than listed. */
static uint32_t constants[64], start[8];

static uint32_t root_fraction(unsigned prime, int power)
{
	unsigned __int128 low = 0, high = (unsigned __int128)1 << 37;

	while (high - low > 1) { /* low and high enclose the root, with 32 bits behind the point */
		unsigned __int128 middle = (low + high) / 2, product = middle * middle;

		if (power == 3)
			product = (product >> 32) * middle +
				(((product & 0xffffffff) * middle) >> 32);
		if (product < (unsigned __int128)prime << 64)
			low = middle;
		else
			high = middle;
	}
	return (uint32_t)low;
}

static void make_constants(void)
{
	int found = 0;

	for (unsigned n = 2; found < 64; n++) {
		unsigned divisor = 2;

		while (divisor * divisor <= n && n % divisor)
			divisor++;
		if (divisor * divisor <= n)
			continue;
		constants[found] = root_fraction(n, 3);
		if (found < 8)
			start[found] = root_fraction(n, 2);
		found++;
	}
}

static uint32_t rotate(uint32_t x, int n)
{
	return x >> n | x << (32 - n);
}

static void block(uint32_t h[8], const uint8_t *p)
{
	uint32_t w[64], v[8];

	for (int i = 0; i < 16; i++, p += 4)
		w[i] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
	for (int i = 16; i < 64; i++) {
		uint32_t s0 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
		uint32_t s1 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;

		w[i] = w[i - 16] + s0 + w[i - 7] + s1;
	}
	memcpy(v, h, sizeof(v));
	for (int i = 0; i < 64; i++) {
		uint32_t s1 = rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25);
		uint32_t s0 = rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22);
		uint32_t choice = (v[4] & v[5]) ^ (~v[4] & v[6]);
		uint32_t majority = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);
		uint32_t t1 = v[7] + s1 + choice + constants[i] + w[i], t2 = s0 + majority;

		v[7] = v[6];
		v[6] = v[5];
		v[5] = v[4];
		v[4] = v[3] + t1;
		v[3] = v[2];
		v[2] = v[1];
		v[1] = v[0];
		v[0] = t1 + t2;
	}
	for (int i = 0; i < 8; i++)
		h[i] += v[i];
}

static void sha256(const uint8_t *data, size_t size, uint32_t h[8])
{
	uint8_t last[2 * BLOCK_BYTES] = { 0 };
	size_t rest = size % BLOCK_BYTES,
	       padded = rest < BLOCK_BYTES - 8 ? BLOCK_BYTES : 2 * BLOCK_BYTES;

	memcpy(h, start, sizeof(start));
	for (size_t i = 0; i + BLOCK_BYTES <= size; i += BLOCK_BYTES)
		block(h, data + i);
	memcpy(last, data + size - rest, rest);
	last[rest] = 0x80;
	for (int i = 0; i < 8; i++)
		last[padded - 1 - i] = (uint8_t)((uint64_t)size * 8 >> i * 8);
	for (size_t i = 0; i < padded; i += BLOCK_BYTES)
		block(h, last + i);
}

int main(int argc, char **argv)
{
	static const uint32_t abc[8] = { 0xba7816bf, 0x8f01cfea, 0x414140de, 0x5dae2223, 0xb00361a3,
		0x96177a9c, 0xb410ff61, 0xf20015ad };
	static uint8_t buffer[BUFFER_BYTES];
	unsigned count = program_count(argc, argv, 1500);
	uint64_t sum = PROGRAM_SUM_START, state = 1;
	uint32_t h[8];

	make_constants();
	sha256((const uint8_t *)"abc", 3, h);
	if (memcmp(h, abc, sizeof(h)) != 0) {
		fprintf(stderr, "sha256: wrong digest of \"abc\"\n");
		return 1;
	}
	for (int i = 0; i < BUFFER_BYTES; i++)
		buffer[i] = (uint8_t)program_random(&state);
	for (unsigned i = 0; i < count; i++) {
		sha256(buffer, sizeof(buffer), h);
		memcpy(buffer, h, sizeof(h));
	}
	for (int i = 0; i < 8; i++)
		sum = program_sum(sum, h[i]);
	return program_end("sha256", sum);
}
