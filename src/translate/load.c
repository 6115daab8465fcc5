/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load.c - map a program's segments, as Linux does (fs/binfmt_elf.c).
 */
#include "translate/load.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "translate/host.h"

/* -EIO at an early end. */
static int read_at(int fd, void *buffer, uint64_t size, uint64_t offset)
{
	char *to = buffer;

	while (size) {
		int64_t r = host_call(SYS_pread64, fd, to, size, offset);

		if (r == -EINTR)
			continue;
		if (r <= 0)
			return r ? (int)r : -EIO;
		to += r;
		offset += (uint64_t)r;
		size -= (uint64_t)r;
	}
	return 0;
}

int load_read(int fd, struct load_file *ret)
{
	uint64_t offset, size;
	int r = read_at(fd, &ret->file, sizeof(ret->file), 0);

	ret->fd = fd;
	if (r == 0)
		r = elf_headers_place(&ret->file, &offset, &size);
	if (r == 0)
		r = read_at(fd, ret->headers, size, offset);
	if (r == 0)
		r = elf_read(&ret->file, ret->headers, &ret->program);
	/* A table that is not there whole makes no program. */
	return r == -EIO ? -ENOEXEC : r;
}

int load_interpreter_name(const struct load_file *file, char *buffer)
{
	uint64_t size = file->program.interpreter_size;
	int r = read_at(file->fd, buffer, size, file->program.interpreter_offset);

	if (r < 0)
		return r;
	return buffer[size - 1] ? -ENOEXEC : 0;
}

int load_check_executable(int fd)
{
	struct stat status;
	int64_t r = host_call(SYS_fstat, fd, &status);

	if (r < 0)
		return (int)r;
	if (!S_ISREG(status.st_mode))
		return -EACCES;
	r = host_call(SYS_faccessat2, fd, "", X_OK, AT_EACCESS | AT_EMPTY_PATH);
	if (r == -ENOSYS) /* before Linux 5.8: the bits alone */
		return status.st_mode & 0111 ? 0 : -EACCES;
	return (int)r;
}

int load_open_executable(int dir, const char *path, int flags)
{
	int64_t fd = host_call(SYS_openat, dir, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | flags, 0);
	int r;

	if (fd < 0)
		return (int)fd;
	r = load_check_executable((int)fd);
	if (r < 0) {
		host_call(SYS_close, fd);
		return r;
	}
	return (int)fd;
}

/* --- mapping --------------------------------------------------------------------------------- */

/* What follows a segment's file content in its last page: zeros, if it can be written. */
static int clear_tail(uint64_t start, uint64_t end)
{
	static const char zeros[GUEST_PAGE];

	return end > start ? guest_copy_out(start, zeros, end - start) : 0;
}

static int map_segment(
	struct memory *memory, int fd, const struct elf_segment *segment, uint64_t bias)
{
	uint64_t address = bias + segment->address, page = address & ~(GUEST_PAGE - 1);
	uint64_t file_end = address + segment->file_size;
	uint64_t map_end = (file_end + GUEST_PAGE - 1) & ~(GUEST_PAGE - 1);
	uint64_t end = (address + segment->memory_size + GUEST_PAGE - 1) & ~(GUEST_PAGE - 1);
	int64_t r;

	if (segment->file_size) {
		r = memory_map(memory, page, map_end - page, segment->prot, MAP_PRIVATE | MAP_FIXED,
			fd, segment->offset - (address - page));
		if (r < 0)
			return (int)r;
		/* Fails where it cannot be written, or lies behind the file's end: so be it. */
		if (segment->memory_size > segment->file_size && (segment->prot & PROT_WRITE))
			clear_tail(file_end, map_end);
	} else {
		map_end = page;
	}
	if (end <= map_end)
		return 0;
	r = memory_map(memory, map_end, end - map_end, segment->prot,
		MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS, -1, 0);
	return r < 0 ? (int)r : 0;
}

/* Keep all of a program's addresses free of others while its segments are mapped. */
static int64_t reserve(struct memory *memory, const struct elf_program *program, uint64_t place)
{
	uint64_t size = program->high - program->low, room = size + program->align - GUEST_PAGE;
	int64_t base;
	uint64_t aligned;

	base = memory_map(
		memory, place, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base < 0)
		return base;
	aligned = ((uint64_t)base + program->align - 1) & ~(program->align - 1);
	if (aligned > (uint64_t)base)
		memory_unmap(memory, (uint64_t)base, aligned - (uint64_t)base);
	if ((uint64_t)base + room > aligned + size)
		memory_unmap(memory, aligned + size, (uint64_t)base + room - aligned - size);
	return (int64_t)aligned;
}

int load_map(
	struct memory *memory, const struct load_file *file, uint64_t place, struct load_image *ret)
{
	const struct elf_program *program = &file->program;
	struct load_image image = { .end = program->high };
	int r = 0;

	if (!program->is_fixed) {
		int64_t base = reserve(memory, program, place);

		if (base < 0)
			return (int)base;
		image.bias = (uint64_t)base - program->low;
		image.end += image.bias;
	}
	image.entry = image.bias + program->entry;
	for (uint16_t i = 0; r == 0 && i < program->nr_headers; i++) {
		const Elf64_Phdr *header = &file->headers[i];
		struct elf_segment segment;

		if (header->p_type == PT_PHDR)
			image.headers = image.bias + header->p_vaddr;
		if (!elf_segment(header, &segment))
			continue;
		r = map_segment(memory, file->fd, &segment, image.bias);
		if (!image.headers && segment.offset <= program->headers_offset &&
			program->headers_offset < segment.offset + segment.file_size)
			image.headers = image.bias + segment.address +
				(program->headers_offset - segment.offset);
	}
	if (r < 0)
		return r;
	*ret = image;
	return 0;
}
