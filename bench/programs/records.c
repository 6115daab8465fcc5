/* SPDX-License-Identifier: Apache-2.0 */
/*
 * records.c - structures and strings: records are copied, linked and compared, short strings go
 * through the C library's strcpy, strcmp and memcpy, and small functions that are not inlined pass
 * them around. What system programs did most in 1984, and still do.
 */
#include <string.h>
#include "program.h"

#define NR_RECORDS 16
#define NAME_BYTES 32

enum kind { PERSON, PLACE, THING, NR_KINDS };

struct record {
	struct record *next;
	enum kind kind;
	int weight;
	char name[NAME_BYTES], title[NAME_BYTES];
};

static struct record records[NR_RECORDS];
static int histogram[NR_KINDS][8];
static int total;
static char last_name[NAME_BYTES];

static const char *const names[] = {
	"a name that is quite long, 1ST",
	"a name that is quite long, 2ND",
	"a name of medium size",
	"short",
};

#define NOT_INLINED __attribute__((noinline))

NOT_INLINED static enum kind kind_after(enum kind kind, const struct record *of)
{
	switch (kind) {
	case PERSON:
		return of->weight > 100 ? THING : PLACE;
	case PLACE:
		return of->next ? THING : PERSON;
	default:
		return PERSON;
	}
}

NOT_INLINED static int is_before(const struct record *a, const struct record *b)
{
	int order = strcmp(a->name, b->name);

	return order ? order < 0 : strcmp(a->title, b->title) < 0;
}

NOT_INLINED static void rename_record(struct record *record, const char *name, unsigned turn)
{
	strcpy(record->title, record->name);
	strcpy(record->name, name);
	record->name[turn % 4] = (char)('a' + turn % 26);
}

NOT_INLINED static void weigh(struct record *record, int *ret_weight)
{
	int weight = (int)strlen(record->name) * 3 + record->kind;

	weight = (weight * 7 + record->weight) / 3 - weight % 5;
	*ret_weight = weight & 0xff;
}

NOT_INLINED static void count(const struct record *record)
{
	histogram[record->kind][record->weight & 7]++;
	total += record->weight;
}

NOT_INLINED static void turn_over(struct record *record, unsigned turn)
{
	struct record copy = *record, *next = record->next;

	rename_record(&copy, names[(turn >> 2) % 4], turn);
	copy.kind = kind_after(copy.kind, next);
	weigh(&copy, &copy.weight);
	if (is_before(&copy, next)) {
		memcpy(record, next, sizeof(*record));
		record->next = next;
		copy.next = next->next;
		*next = copy;
	} else {
		*record = copy;
	}
	if (strcmp(last_name, record->name) != 0)
		memcpy(last_name, record->name, sizeof(last_name));
	count(record);
}

int main(int argc, char **argv)
{
	unsigned turns = program_count(argc, argv, 10000000);
	uint64_t sum = PROGRAM_SUM_START;

	for (int i = 0; i < NR_RECORDS; i++) {
		records[i].next = &records[(i + 1) % NR_RECORDS];
		records[i].kind = (enum kind)(i % NR_KINDS);
		strcpy(records[i].name, names[i % 4]);
		strcpy(records[i].title, names[(i + 1) % 4]);
	}
	for (unsigned turn = 0; turn < turns; turn++)
		turn_over(&records[turn % NR_RECORDS], turn);
	for (int i = 0; i < NR_RECORDS; i++)
		for (const char *c = records[i].name; *c; c++)
			sum = program_sum(sum, (unsigned char)*c);
	for (int i = 0; i < NR_KINDS; i++)
		for (int j = 0; j < 8; j++)
			sum = program_sum(sum, (unsigned)histogram[i][j]);
	return program_end("records", program_sum(sum, (unsigned)total));
}
