/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flash.c - the commands of Intel's flash (CFI 001; Intel StrataFlash J3 data sheet, section 4).
 *
 * A command is the low byte of what is written to the lower chip; the upper one does the same. Bits
 * are only cleared by writing, and set by erasing a block. All is done at once, so the status is
 * always "ready". Of a guest's writes no more than a block's bytes wait for their confirmation:
 * they are programmed as they come.
 */
#include "device/flash.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum flash_mode {
	MODE_ARRAY,
	MODE_STATUS,
	MODE_ID,
	MODE_QUERY,
	MODES,
};

enum {
	COMMAND_PROGRAM_OLD = 0x10,
	COMMAND_ERASE = 0x20,
	COMMAND_PROGRAM = 0x40,
	COMMAND_CLEAR_STATUS = 0x50,
	COMMAND_LOCK = 0x60,
	COMMAND_STATUS = 0x70,
	COMMAND_ID = 0x90,
	COMMAND_QUERY = 0x98,
	COMMAND_CONFIRM = 0xd0,
	COMMAND_BUFFER = 0xe8,
	COMMAND_BUFFER_DATA = 0xe9, /* ours: its count has come */
	COMMAND_ARRAY = 0xff,
};

#define STATUS_READY	 0x00800080u /* of both chips */
#define BUFFER_WORDS_MAX 512u /* of 32 bits, of both chips together */
#define ID_MANUFACTURER	 0x89u
#define ID_DEVICE	 0x18u

/* What a query finds from word 0x10 on, for one chip (CFI, JESD68.01, tables 2 to 4). */
static const uint8_t query[] = {
	'Q', 'R', 'Y', 1, 0, 0x31, 0, 0, 0, 0, 0, /* Intel's commands */
	0x45, 0x55, 0, 0, 7, 7, 10, 0, 4, 4, 4, 0, /* volts, and times */
	24, 2, 0, 10, 0, /* 16 MiB, 16 bits wide, buffers of 1 KiB */
	1, 127, 0, 0, 2, /* 128 blocks of 128 KiB */
};

static uint64_t get(const uint8_t *from, unsigned size)
{
	uint64_t value = 0;

	memcpy(&value, from, size);
	return value;
}

static uint32_t both(uint32_t value)
{
	return value | value << 16;
}

static uint32_t read_query(uint64_t offset)
{
	uint64_t word = offset / FLASH_BANK_WIDTH - 0x10;

	return word < sizeof(query) ? both(query[word]) : 0;
}

static uint32_t read_id(uint64_t offset)
{
	switch (offset / FLASH_BANK_WIDTH % 0x100) {
	case 0:
		return both(ID_MANUFACTURER);
	case 1:
		return both(ID_DEVICE);
	}
	return 0; /* no block is locked */
}

static uint64_t read_flash(struct vm_io *io, uint64_t offset, unsigned size)
{
	struct flash *flash = container_of(io, struct flash, io);
	uint64_t value = 0;

	pthread_mutex_lock(&flash->lock);
	switch ((enum flash_mode)flash->state.mode) {
	case MODE_ARRAY:
		value = get(flash->bytes + offset, size);
		break;
	case MODE_STATUS:
		value = STATUS_READY | (uint64_t)STATUS_READY << 32;
		break;
	case MODE_ID:
		value = read_id(offset);
		break;
	case MODE_QUERY:
		value = read_query(offset);
		break;
	case MODES:
		break;
	}
	pthread_mutex_unlock(&flash->lock);
	return size < 8 ? value & ((UINT64_C(1) << 8 * size) - 1) : value;
}

/* Only from 1 to 0. */
static void program(struct flash *flash, uint64_t offset, unsigned size, uint64_t value)
{
	for (unsigned i = 0; i < size; i++)
		flash->bytes[offset + i] &= (uint8_t)(value >> 8 * i);
}

static void begin(struct flash_state *s, uint64_t offset, uint8_t command)
{
	s->mode = MODE_STATUS;
	s->command = 0;
	switch (command) {
	case COMMAND_ARRAY:
		s->mode = MODE_ARRAY;
		break;
	case COMMAND_ID:
		s->mode = MODE_ID;
		break;
	case COMMAND_QUERY:
		s->mode = MODE_QUERY;
		break;
	case COMMAND_CLEAR_STATUS:
		s->mode = MODE_ARRAY;
		break;
	case COMMAND_PROGRAM_OLD:
	case COMMAND_PROGRAM:
	case COMMAND_ERASE:
	case COMMAND_LOCK:
	case COMMAND_BUFFER:
		s->command = command;
		s->block = (uint32_t)(offset / FLASH_BLOCK_BYTES);
		break;
	}
}

static void write_buffer(struct flash *flash, uint64_t offset, unsigned size, uint64_t value)
{
	struct flash_state *s = &flash->state;

	if (s->nr_words == 0) { /* confirmed, or given up */
		s->command = 0;
		return;
	}
	if (offset / FLASH_BLOCK_BYTES == s->block)
		program(flash, offset, size, value);
	s->nr_words--;
}

static void write_locked(struct flash *flash, uint64_t offset, unsigned size, uint64_t value)
{
	struct flash_state *s = &flash->state;
	uint8_t command = s->command;

	switch (command) {
	case COMMAND_PROGRAM_OLD:
	case COMMAND_PROGRAM:
		program(flash, offset, size, value);
		s->command = 0;
		break;
	case COMMAND_ERASE:
		if ((value & 0xff) == COMMAND_CONFIRM)
			memset(flash->bytes + s->block * FLASH_BLOCK_BYTES, 0xff,
				FLASH_BLOCK_BYTES);
		s->command = 0;
		break;
	case COMMAND_LOCK: /* no block ever is */
		s->command = 0;
		break;
	case COMMAND_BUFFER:
		s->nr_words = (uint32_t)(value & 0xffff) + 1;
		s->command = s->nr_words <= BUFFER_WORDS_MAX ? COMMAND_BUFFER_DATA : 0;
		break;
	case COMMAND_BUFFER_DATA:
		write_buffer(flash, offset, size, value);
		break;
	default:
		begin(s, offset, (uint8_t)value);
	}
}

static void write_flash(struct vm_io *io, uint64_t offset, unsigned size, uint64_t value)
{
	struct flash *flash = container_of(io, struct flash, io);

	pthread_mutex_lock(&flash->lock);
	write_locked(flash, offset, size, value);
	pthread_mutex_unlock(&flash->lock);
}

static const struct vm_io_ops ops = {
	.name = "flash",
	.read = read_flash,
	.write = write_flash,
};

static int restore(struct vm_saved *saved, struct error *err)
{
	const struct flash_state *s = &container_of(saved, struct flash, saved)->state;

	if (s->mode >= MODES || s->block >= FLASH_BYTES / FLASH_BLOCK_BYTES ||
		s->nr_words > BUFFER_WORDS_MAX)
		return error_set(err, EBADMSG, "flash: in no state that it can be in");
	return 0;
}

/* Anonymous memory of the whole size, with the file over its beginning. */
static int map_file(const char *path, uint8_t **ret, struct error *err)
{
	_cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC);
	struct stat st;
	uint8_t *bytes;

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(err, errno, "cannot open the flash %s", path);
	if (!S_ISREG(st.st_mode) || st.st_size == 0 || (uint64_t)st.st_size > FLASH_BYTES)
		return error_set(err, EINVAL,
			"%s is no flash: it must be a file of 1 to %llu bytes", path,
			(unsigned long long)FLASH_BYTES);
	bytes = mmap(NULL, FLASH_BYTES, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (bytes == MAP_FAILED)
		return error_errno(err, errno, "cannot map the flash %s", path);
	if (mmap(bytes, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
		    0) == MAP_FAILED) {
		int r = error_errno(err, errno, "cannot map the flash %s", path);

		munmap(bytes, FLASH_BYTES);
		return r;
	}
	*ret = bytes;
	return 0;
}

int flash_open(struct flash *flash, const char *path, struct error *err)
{
	*flash = (struct flash){ .io = { .ops = &ops, .size = FLASH_BYTES } };
	flash->saved = (struct vm_saved){ .name = "flash",
		.data = &flash->state,
		.size = sizeof(flash->state),
		.restore = restore };
	pthread_mutex_init(&flash->lock, NULL);
	return map_file(path, &flash->bytes, err);
}

void flash_reset(struct flash *flash)
{
	pthread_mutex_lock(&flash->lock);
	flash->state = (struct flash_state){ 0 };
	pthread_mutex_unlock(&flash->lock);
}

void flash_close(struct flash *flash)
{
	if (flash->bytes)
		munmap(flash->bytes, FLASH_BYTES);
	pthread_mutex_destroy(&flash->lock);
}
