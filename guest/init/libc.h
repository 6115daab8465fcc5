/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libc.h - the little of a C library that the first process needs: system calls, strings, numbers,
 * small files. The types are the C library's, whose code is not linked; of memory there is what is
 * static and what map_memory() maps.
 *
 * System calls, and what is built on them here, return a negative errno on failure.
 */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "arch.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define PATH_SIZE     4096

/* sys(SYS_name, up to six arguments) */
#define sys(...) SYS_WITH_ZEROS(__VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define SYS_WITH_ZEROS(number, a, b, c, d, e, f, ...)                                              \
	system_call(number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

static inline bool text_equal(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

static inline bool text_begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/* A text that is built in a buffer; what does not fit is cut off, and `cut` says so. */
struct text {
	char *at;
	size_t size, len;
	bool cut;
};

#define TEXT(buffer)                                                                               \
	(struct text)                                                                              \
	{                                                                                          \
		.at = (buffer), .size = sizeof(buffer)                                             \
	}

/* %s %d %u %ld %lu %o %c %%, without widths. */
void text_add(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_add_bytes(struct text *text, const char *bytes, size_t len);
void text_add_list(struct text *text, const char *format, va_list list);
/* The same into `buffer`, from its beginning; false when it was cut off. */
bool text_write(char *buffer, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* A decimal number that is all of [text, end) or of `text`; false: it is none, or above max. */
bool number_parse(const char *text, size_t len, uint64_t max, uint64_t *ret);
/* The number after `key` at the beginning of a line of `text`; 0 when there is no such line. */
uint64_t number_after(const char *text, const char *key);

/* Zeroed; NULL when there is none left. */
void *map_memory(size_t size);
void unmap_memory(void *memory, size_t size);

/* At most size - 1 bytes of a file and NUL; how many, or -EFBIG when that is not all. */
long file_read(int folder, const char *path, char *buffer, size_t size);
/* All of `bytes` to a file that is there. */
long file_write(int folder, const char *path, const char *bytes, size_t len);
static inline long file_write_text(const char *path, const char *text)
{
	return file_write(AT_FDCWD, path, text, strlen(text));
}
long write_all(int fd, const void *bytes, size_t len);
/* openat2(2) with RESOLVE_IN_ROOT: what an image says cannot lead out of it. */
long open_in(int root, const char *path, int flags, unsigned mode);
/* As mkdir -p, inside `root`. */
long make_folders(int root, const char *path);

/* What errors are called; "error 5" for those that we do not know. */
const char *error_text(long code);

/* To the kernel's log, and so to the console of a machine that has one. */
void tell(const char *format, ...) __attribute__((format(printf, 1, 2)));

struct folder_entry {
	uint64_t inode;
	int64_t offset;
	uint16_t size;
	uint8_t type;
	char name[];
};

/* Calls `each` for what is in the folder, but . and ..; what it returns, if not 0, ends it. */
long folder_each(int folder, const char *path,
	long (*each)(void *context, const char *name, unsigned type), void *context);
