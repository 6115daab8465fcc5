/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mix.c - what small processors are judged by, in one program: a linked list that is searched,
 * reversed and merge-sorted; integer matrices with bit fields extracted from the products; a state
 * machine that reads numbers; CRC-16 over all results. Everything stays in the first-level cache.
 */
#include <string.h>
#include "program.h"

#define NR_NODES 120
#define SIDE	 12

struct node {
	struct node *next;
	int16_t key, tag;
};

typedef int compare_fn(const struct node *a, const struct node *b);

static uint16_t crc16(uint16_t crc, uint32_t value, int nr_bits)
{
	for (int i = 0; i < nr_bits; i++, value >>= 1) {
		int carry = (value ^ crc) & 1;

		crc >>= 1;
		if (carry)
			crc ^= 0xa001;
	}
	return crc;
}

/* --- the list --- */

static int by_key(const struct node *a, const struct node *b)
{
	return a->key - b->key;
}

static int by_tag_bits(const struct node *a, const struct node *b)
{
	return ((a->tag >> 3) & 0xf) - ((b->tag >> 3) & 0xf);
}

static struct node *find(struct node *list, int16_t key)
{
	while (list && list->key != key)
		list = list->next;
	return list;
}

static struct node *reverse(struct node *list)
{
	struct node *done = NULL;

	while (list) {
		struct node *next = list->next;

		list->next = done;
		done = list;
		list = next;
	}
	return done;
}

static struct node *merge(struct node *a, struct node *b, compare_fn *compare)
{
	struct node *head = NULL, **end = &head;

	while (a && b) {
		struct node **lesser = compare(a, b) <= 0 ? &a : &b;

		*end = *lesser;
		end = &(*lesser)->next;
		*lesser = (*lesser)->next;
	}
	*end = a ? a : b;
	return head;
}

static struct node *sort(struct node *list, compare_fn *compare)
{
	struct node *middle = list, *fast;

	if (!list || !list->next)
		return list;
	for (fast = list->next; fast && fast->next; fast = fast->next->next)
		middle = middle->next;
	fast = middle->next;
	middle->next = NULL;
	return merge(sort(list, compare), sort(fast, compare), compare);
}

static uint16_t list_work(struct node *nodes, unsigned turn)
{
	struct node *list = NULL, *found;
	uint16_t crc = 0;

	for (int i = 0; i < NR_NODES; i++) {
		nodes[i] = (struct node){ list, (int16_t)((i * 37 + turn) % 211),
			(int16_t)(i * 91 ^ turn) };
		list = &nodes[i];
	}
	for (int key = 0; key < 24; key++) {
		found = find(list, (int16_t)(key * 9));
		crc = crc16(crc, found ? (uint16_t)found->tag : 0xffff, 16);
		list = reverse(list);
	}
	list = sort(sort(list, by_key), by_tag_bits);
	for (found = list; found; found = found->next)
		crc = crc16(crc, (uint16_t)found->key, 8);
	return crc;
}

/* --- matrices --- */

static int32_t bits(int32_t value, int first, int nr_bits)
{
	return (value >> first) & ((1 << nr_bits) - 1);
}

static uint16_t matrix_work(int16_t a[SIDE][SIDE], int16_t b[SIDE][SIDE], unsigned turn)
{
	uint16_t crc = 0;

	for (int i = 0; i < SIDE; i++) {
		int32_t row = 0;

		for (int j = 0; j < SIDE; j++) {
			int32_t dot = 0;

			for (int k = 0; k < SIDE; k++) {
				int32_t product = a[i][k] * b[k][j];

				dot += bits(product, 2, 4) * bits(product, 5, 7) + product;
			}
			row += dot > 4000 ? 10 : dot >> 3;
		}
		crc = crc16(crc, (uint32_t)row, 32);
	}
	for (int i = 0; i < SIDE; i++)
		for (int j = 0; j < SIDE; j++)
			a[i][j] = (int16_t)((a[i][j] * 5 + (int)turn + i - j) & 0xff);
	return crc;
}

/* --- the state machine --- */

enum state { START, SIGN, INTEGER, POINT, FRACTION, EXPONENT, POWER, WRONG, NR_STATES };

static int is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static enum state step(enum state state, char c)
{
	switch (state) {
	case START:
		return is_digit(c)	       ? INTEGER
			: c == '+' || c == '-' ? SIGN
			: c == '.'	       ? POINT
					       : WRONG;
	case SIGN:
		return is_digit(c) ? INTEGER : c == '.' ? POINT : WRONG;
	case INTEGER:
		return is_digit(c) ? INTEGER : c == '.' ? FRACTION : c == 'e' ? EXPONENT : WRONG;
	case POINT:
		return is_digit(c) ? FRACTION : WRONG;
	case FRACTION:
		return is_digit(c) ? FRACTION : c == 'e' ? EXPONENT : WRONG;
	case EXPONENT:
		return is_digit(c) || c == '+' || c == '-' ? POWER : WRONG;
	case POWER:
		return is_digit(c) ? POWER : WRONG;
	default:
		return WRONG;
	}
}

static uint16_t state_work(char *text, unsigned turn)
{
	unsigned ends[NR_STATES] = { 0 }, steps[NR_STATES] = { 0 };
	enum state state = START;
	size_t length = strlen(text);
	uint16_t crc = 0;

	for (const char *c = text; *c; c++) {
		if (*c == ',') {
			ends[state]++;
			state = START;
			continue;
		}
		state = step(state, *c);
		steps[state]++;
	}
	for (int i = 0; i < NR_STATES; i++)
		crc = crc16(crc16(crc, ends[i], 16), steps[i], 16);
	for (size_t i = turn % 7; i < length; i += 11)
		if (text[i] != ',')
			text[i] = (char)(text[i] ^ 1);
	return crc;
}

int main(int argc, char **argv)
{
	static struct node nodes[NR_NODES];
	static int16_t a[SIDE][SIDE], b[SIDE][SIDE];
	char text[] = "5012,1234,-874,+122,35.54400,.1234500,-110.700,+0.64400,5.500e+3,-.123e-2,"
		      "-87e+832,+0.6e-12,T0.3e-1F,-T.T++Tq,1T3.4e4z,34.0e-T^,77,0.5,-12.25e7,+.,e,";
	unsigned count = program_count(argc, argv, 24000);
	uint16_t crc = 0;

	for (int i = 0; i < SIDE; i++)
		for (int j = 0; j < SIDE; j++) {
			a[i][j] = (int16_t)(i * 7 + j * 3 + 1);
			b[i][j] = (int16_t)(i * 5 - j * 11);
		}
	for (unsigned turn = 0; turn < count; turn++) {
		crc = crc16(crc, list_work(nodes, turn), 16);
		crc = crc16(crc, matrix_work(a, b, turn), 16);
		crc = crc16(crc, state_work(text, turn), 16);
	}
	return program_end("mix", crc);
}
