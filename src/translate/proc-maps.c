/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proc-maps.c - /proc/PID/maps and smaps: the host's, without the translator's own maps, and with
 * the protection and the names that the guest has given.
 *
 * The host's map knows files and offsets, the guest's (memory.h) what is executable and what is for
 * what. A line of the host's is cut where the guest's says different things about its parts.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "translate/memory.h"
#include "translate/proc.h"
#include "translate/ptrace.h"

#define LINE_MAX_BYTES 8192 /* a name may be as long as PATH_MAX, each byte as four */
#define NAME_COLUMN    73 /* where the kernel puts the name */
#define DEVICE_MAX     40 /* "MAJOR:MINOR INODE" */
#define NO_FILE	       "00:00 0" /* device and inode of what is no file's */

struct line_reader {
	int fd;
	size_t used, next; /* of the buffer */
	char buffer[LINE_MAX_BYTES];
};

/* The next line with its end replaced by a NUL; NULL behind the last. */
static char *read_line(struct line_reader *reader)
{
	for (;;) {
		char *line = reader->buffer + reader->next;
		char *end = memchr(line, '\n', reader->used - reader->next);
		int64_t n;

		if (end) {
			*end = '\0';
			reader->next = (size_t)(end + 1 - reader->buffer);
			return line;
		}
		memmove(reader->buffer, line, reader->used - reader->next);
		reader->used -= reader->next;
		reader->next = 0;
		n = host_call(SYS_read, reader->fd, reader->buffer + reader->used,
			sizeof(reader->buffer) - reader->used);
		if (n <= 0)
			return NULL;
		reader->used += (size_t)n;
	}
}

struct host_line {
	uint64_t start, end, offset;
	char permissions[5];
	const char *device; /* "MAJOR:MINOR INODE" */
	int device_length;
	const char *name; /* "" without one */
};

/* Take a line apart; false when it is none of a map (smaps has others). */
static bool parse_line(const char *line, struct host_line *ret)
{
	char *at;

	ret->start = strtoull(line, &at, 16);
	if (at == line || *at++ != '-')
		return false;
	ret->end = strtoull(at, &at, 16);
	if (*at++ != ' ' || strnlen(at, 5) < 5)
		return false;
	memcpy(ret->permissions, at, 4);
	ret->permissions[4] = '\0';
	ret->offset = strtoull(at + 5, &at, 16);
	if (*at++ != ' ')
		return false;
	ret->device = at;
	at += strcspn(at, " ");
	at += strspn(at, " ");
	at += strcspn(at, " ");
	ret->device_length = (int)(at - ret->device);
	if (ret->device_length > DEVICE_MAX)
		return false;
	ret->name = at + strspn(at, " ");
	return true;
}

static const char *region_name(const struct region *region, const struct host_line *line)
{
	switch (region->kind) {
	case REGION_HEAP:
		return "[heap]";
	case REGION_STACK:
		return "[stack]";
	case REGION_VDSO:
		return "[vdso]";
	default:
		return line->name;
	}
}

static void write_part(struct proc_text *text, const struct host_line *line,
	const struct region *region, uint64_t start, uint64_t end)
{
	const char *name = region_name(region, line);
	bool is_file = strncmp(line->device, NO_FILE, strlen(NO_FILE)) != 0;
	char head[128];
	int length = snprintf(head, sizeof(head), "%08lx-%08lx %c%c%c%c %08lx %.*s ", start, end,
		region->prot & PROT_READ ? 'r' : '-', region->prot & PROT_WRITE ? 'w' : '-',
		region->prot & PROT_EXEC ? 'x' : '-', line->permissions[3],
		is_file ? line->offset + start - line->start : 0, line->device_length,
		line->device);

	proc_write(text, head, (size_t)length);
	if (name[0]) {
		for (; length < NAME_COLUMN; length++)
			proc_write(text, " ", 1);
		proc_write(text, name, strlen(name));
	}
	proc_write(text, "\n", 1);
}

/* Whose maps they are: another process's regions are a copy. */
struct owner {
	struct memory *memory; /* NULL: another one's */
	struct region_map copy;
};

static bool region_at(const struct owner *owner, uint64_t address, struct region *ret)
{
	size_t i;

	if (owner->memory)
		return memory_region_at(owner->memory, address, ret);
	i = region_find(&owner->copy, address);
	if (i < owner->copy.count)
		*ret = owner->copy.regions[i];
	return i < owner->copy.count;
}

/* What the guest knows of this line; is there anything? Only the first part unless `cut`. */
static bool write_line(
	const struct owner *owner, struct proc_text *text, const struct host_line *line, bool cut)
{
	uint64_t at = line->start;
	struct region region;
	bool any = false;

	while (at < line->end && region_at(owner, at, &region) && region.start < line->end) {
		uint64_t start = region.start > at ? region.start : at;
		uint64_t end = region.end < line->end ? region.end : line->end;

		any = true;
		if (!cut) {
			write_part(text, line, &region, line->start, line->end);
			break;
		}
		write_part(text, line, &region, start, end);
		at = end;
	}
	return any;
}

static void write_lines(
	const struct owner *owner, struct proc_text *text, int fd, bool with_statistics)
{
	struct line_reader reader = { .fd = fd };
	struct host_line line;
	bool shown = false;
	char *next;

	while ((next = read_line(&reader))) {
		if (parse_line(next, &line)) {
			if (line.start >= GUEST_END)
				break;
			shown = write_line(owner, text, &line, !with_statistics);
		} else if (shown) {
			proc_write(text, next, strlen(next));
			proc_write(text, "\n", 1);
		}
	}
}

void proc_write_maps(struct thread *t, struct proc_text *text, int pid, bool with_statistics)
{
	struct owner owner = { .memory = pid ? NULL : t->process->memory };
	char path[48], number[16];
	int64_t fd;

	if (pid && !trace_read_regions(pid, &owner.copy)) {
		text->error = PROC_NOT_OURS;
		return;
	}
	snprintf(number, sizeof(number), "%d", pid);
	snprintf(path, sizeof(path), "/proc/%s/%s", pid ? number : "self",
		with_statistics ? "smaps" : "maps");
	fd = host_call(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		text->error = (int)fd;
	} else {
		write_lines(&owner, text, (int)fd, with_statistics);
		host_call(SYS_close, fd);
	}
	trace_free_regions(&owner.copy);
}

int proc_first_file(int pid, char buffer[PATH_MAX])
{
	struct line_reader reader = { 0 };
	struct host_line line;
	char path[32], *next;
	size_t length = 0;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	reader.fd = (int)host_call(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	if (reader.fd < 0)
		return reader.fd;
	while (!length && (next = read_line(&reader)) && parse_line(next, &line) &&
		line.start < GUEST_END)
		if (line.name[0] == '/' && strlen(line.name) < PATH_MAX) {
			length = strlen(line.name);
			memcpy(buffer, line.name, length + 1);
		}
	host_call(SYS_close, reader.fd);
	return length ? (int)length : -ENOENT;
}
