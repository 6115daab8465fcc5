/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gpt.c - a GUID partition table made in memory (UEFI 2.10 §5.2 and §5.3).
 *
 * The GUIDs are made of the names and places, so that the same partitions have the same ones in
 * every machine, and a snapshot of one fits another.
 */
#include "disk/internal.h"

#include <assert.h>
#include <string.h>

#define NR_ENTRIES	DISK_FILES_MAX
#define ENTRY_BYTES	128u
#define HEADER_BYTES	92u
#define ENTRIES_SECTORS (NR_ENTRIES * ENTRY_BYTES / DISK_SECTOR_BYTES)
#define READ_ONLY	(UINT64_C(1) << 60) /* attribute of the types of systemd and Microsoft */

struct header {
	char signature[8];
	uint32_t revision, header_bytes, header_crc, reserved;
	uint64_t this_sector, other_sector, first_usable, last_usable;
	uint8_t guid[16];
	uint64_t entries_sector;
	uint32_t nr_entries, entry_bytes, entries_crc;
} __attribute__((packed));

struct entry {
	uint8_t type[16], guid[16];
	uint64_t first_sector, last_sector, attributes;
	uint16_t name[DISK_NAME_MAX];
} __attribute__((packed));

static_assert(sizeof(struct header) == HEADER_BYTES, "UEFI 2.10 table 5.5");
static_assert(sizeof(struct entry) == ENTRY_BYTES, "UEFI 2.10 table 5.6");
static_assert(GPT_HEAD_SECTORS == 2 + ENTRIES_SECTORS, "MBR, header, entries");
static_assert(GPT_TAIL_SECTORS == ENTRIES_SECTORS + 1, "entries, header");

/* 0FC63DAF-8483-4772-8E79-3D69D8477DE4, data of Linux; the first three fields little-endian. */
static const uint8_t linux_data[16] = { 0xaf, 0x3d, 0xc6, 0x0f, 0x83, 0x84, 0x72, 0x47, 0x8e, 0x79,
	0x3d, 0x69, 0xd8, 0x47, 0x7d, 0xe4 };

uint32_t disk_crc32(const void *bytes, size_t size)
{
	const uint8_t *at = bytes;
	uint32_t sum = UINT32_MAX;

	for (size_t i = 0; i < size; i++) {
		sum ^= at[i];
		for (unsigned bit = 0; bit < 8; bit++)
			sum = sum >> 1 ^ (sum & 1 ? 0xedb88320 : 0);
	}
	return ~sum;
}

/* FNV-1a, in two halves that begin differently. */
static uint64_t hash(uint64_t sum, const void *bytes, size_t size)
{
	const uint8_t *at = bytes;

	sum ^= UINT64_C(0xcbf29ce484222325);
	for (size_t i = 0; i < size; i++)
		sum = (sum ^ at[i]) * UINT64_C(0x100000001b3);
	return sum;
}

static void make_guid(uint8_t guid[16], const void *bytes, size_t size)
{
	for (unsigned half = 0; half < 2; half++) {
		uint64_t sum = hash(half, bytes, size);

		memcpy(guid + 8 * half, &sum, sizeof(sum));
	}
	/* As a random one looks (RFC 4122 §4.4). */
	guid[7] = (guid[7] & 0x0f) | 0x40;
	guid[8] = (guid[8] & 0x3f) | 0x80;
}

static void make_entry(struct entry *entry, const struct gpt_partition *partition)
{
	size_t length = strnlen(partition->name, DISK_NAME_MAX);

	memcpy(entry->type, linux_data, sizeof(entry->type));
	entry->first_sector = partition->first_sector;
	entry->last_sector = partition->first_sector + partition->nr_sectors - 1;
	entry->attributes = READ_ONLY;
	for (size_t i = 0; i < length; i++)
		entry->name[i] = (uint8_t)partition->name[i];
	make_guid(entry->guid, &entry->first_sector,
		sizeof(*entry) - offsetof(struct entry, first_sector));
}

/* One partition that is all of the disk, for who does not know better (§5.2.3). */
static void make_mbr(uint8_t mbr[DISK_SECTOR_BYTES], uint64_t nr_sectors)
{
	uint8_t *partition = mbr + 446;
	uint32_t first = 1;
	uint32_t size = nr_sectors - 1 < UINT32_MAX ? (uint32_t)(nr_sectors - 1) : UINT32_MAX;

	partition[2] = 2; /* it begins at cylinder 0, head 0, sector 2... */
	partition[4] = 0xee;
	memset(partition + 5, 0xff, 3); /* ...and ends farther off than that can say */
	memcpy(partition + 8, &first, sizeof(first));
	memcpy(partition + 12, &size, sizeof(size));
	mbr[510] = 0x55;
	mbr[511] = 0xaa;
}

static void put_header(
	uint8_t *to, struct header header, uint64_t this, uint64_t other, uint64_t entries_sector)
{
	header.this_sector = this;
	header.other_sector = other;
	header.entries_sector = entries_sector;
	header.header_crc = 0;
	header.header_crc = disk_crc32(&header, sizeof(header));
	memcpy(to, &header, sizeof(header));
}

void gpt_make(struct gpt *gpt, const struct gpt_partition *partitions, unsigned nr_partitions,
	uint64_t nr_sectors)
{
	uint8_t *entries = gpt->head + 2 * DISK_SECTOR_BYTES;
	size_t entries_bytes = ENTRIES_SECTORS * DISK_SECTOR_BYTES;
	struct header header = {
		.signature = { 'E', 'F', 'I', ' ', 'P', 'A', 'R', 'T' },
		.revision = 0x10000,
		.header_bytes = HEADER_BYTES,
		.first_usable = GPT_HEAD_SECTORS,
		.last_usable = nr_sectors - GPT_TAIL_SECTORS - 1,
		.nr_entries = NR_ENTRIES,
		.entry_bytes = ENTRY_BYTES,
	};

	memset(gpt, 0, sizeof(*gpt));
	for (unsigned i = 0; i < nr_partitions; i++) {
		struct entry entry = {};

		make_entry(&entry, &partitions[i]);
		memcpy(entries + i * sizeof(entry), &entry, sizeof(entry));
	}
	header.entries_crc = disk_crc32(entries, entries_bytes);
	make_guid(header.guid, entries, entries_bytes);
	make_mbr(gpt->head, nr_sectors);
	put_header(gpt->head + DISK_SECTOR_BYTES, header, 1, nr_sectors - 1, 2);
	memcpy(gpt->tail, entries, entries_bytes);
	put_header(gpt->tail + entries_bytes, header, nr_sectors - 1, 1,
		nr_sectors - GPT_TAIL_SECTORS);
}
