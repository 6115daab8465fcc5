/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libc.c - strings, numbers and small files (libc.h).
 */
#include "libc.h"

#include <linux/openat2.h>
#include <sys/mman.h>

/* --- what the compiler calls ------------------------------------------------------------------ */

void *memcpy(void *restrict to, const void *restrict from, size_t len)
{
	char *t = to;
	const char *f = from;

	for (size_t i = 0; i < len; i++)
		t[i] = f[i];
	return to;
}

void *memmove(void *to, const void *from, size_t len)
{
	char *t = to;
	const char *f = from;

	if (t <= f)
		return memcpy(to, from, len);
	while (len-- > 0)
		t[len] = f[len];
	return to;
}

void *memset(void *to, int byte, size_t len)
{
	char *t = to;

	for (size_t i = 0; i < len; i++)
		t[i] = (char)byte;
	return to;
}

int memcmp(const void *a, const void *b, size_t len)
{
	const uint8_t *x = a, *y = b;

	for (size_t i = 0; i < len; i++)
		if (x[i] != y[i])
			return x[i] < y[i] ? -1 : 1;
	return 0;
}

size_t strlen(const char *text)
{
	size_t len = 0;

	while (text[len])
		len++;
	return len;
}

int strcmp(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return (uint8_t)*a - (uint8_t)*b;
}

int strncmp(const char *a, const char *b, size_t len)
{
	for (; len > 0 && *a && *a == *b; len--)
		a++, b++;
	return len ? (uint8_t)*a - (uint8_t)*b : 0;
}

char *strchr(const char *text, int c)
{
	for (; *text; text++)
		if (*text == (char)c)
			return (char *)text;
	return c ? NULL : (char *)text;
}

/* --- text ------------------------------------------------------------------------------------- */

void text_add_bytes(struct text *text, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (text->len + 1 >= text->size) {
			text->cut = true;
			break;
		}
		text->at[text->len++] = bytes[i];
	}
	text->at[text->len] = '\0';
}

static void add_number(struct text *text, uint64_t value, unsigned base)
{
	char digits[24];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + value % base);
		value /= base;
	} while (value);
	text_add_bytes(text, digits + at, sizeof(digits) - at);
}

static void add_signed(struct text *text, int64_t value)
{
	if (value < 0)
		text_add_bytes(text, "-", 1);
	add_number(text, value < 0 ? -(uint64_t)value : (uint64_t)value, 10);
}

static void add_argument(struct text *text, char kind, va_list *list)
{
	const char *string;
	char c;

	switch (kind) {
	case 's':
		string = va_arg(*list, const char *);
		text_add_bytes(text, string, strlen(string));
		break;
	case 'd':
		add_signed(text, va_arg(*list, int));
		break;
	case 'u':
		add_number(text, va_arg(*list, unsigned), 10);
		break;
	case 'o':
		add_number(text, va_arg(*list, unsigned), 8);
		break;
	case 'c':
		c = (char)va_arg(*list, int);
		text_add_bytes(text, &c, 1);
		break;
	default:
		text_add_bytes(text, &kind, 1);
	}
}

void text_add_list(struct text *text, const char *format, va_list list)
{
	va_list copy;

	va_copy(copy, list);
	for (; *format; format++) {
		if (*format != '%') {
			text_add_bytes(text, format, 1);
			continue;
		}
		format++;
		if (*format == 'l') { /* %ld, %lu */
			format++;
			if (*format == 'd')
				add_signed(text, va_arg(copy, long));
			else
				add_number(text, va_arg(copy, unsigned long), 10);
			continue;
		}
		add_argument(text, *format, &copy);
	}
	va_end(copy);
}

void text_add(struct text *text, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	text_add_list(text, format, list);
	va_end(list);
}

bool text_write(char *buffer, size_t size, const char *format, ...)
{
	struct text text = { .at = buffer, .size = size };
	va_list list;

	va_start(list, format);
	text_add_list(&text, format, list);
	va_end(list);
	return !text.cut;
}

/* --- numbers ---------------------------------------------------------------------------------- */

bool number_parse(const char *text, size_t len, uint64_t max, uint64_t *ret)
{
	uint64_t value = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned digit = (unsigned)text[i] - '0';

		if (digit > 9 || value > (max - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	*ret = value;
	return len > 0;
}

uint64_t number_after(const char *text, const char *key)
{
	size_t len = strlen(key), digits = 0;
	uint64_t value = 0;

	while (text && strncmp(text, key, len) != 0) {
		text = strchr(text, '\n');
		if (text)
			text++;
	}
	if (!text)
		return 0;
	text += len;
	while (*text == ' ' || *text == '\t' || *text == ':')
		text++;
	while (text[digits] >= '0' && text[digits] <= '9')
		digits++;
	return number_parse(text, digits, UINT64_MAX, &value) ? value : 0;
}

/* --- memory and files ------------------------------------------------------------------------- */

void *map_memory(size_t size)
{
	long at = sys(
		SYS_mmap, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return at < 0 && at > -4096 ? NULL : (void *)at;
}

void unmap_memory(void *memory, size_t size)
{
	if (memory)
		sys(SYS_munmap, memory, size);
}

long file_read(int folder, const char *path, char *buffer, size_t size)
{
	long fd = sys(SYS_openat, folder, path, O_RDONLY | O_CLOEXEC), n = 0;
	size_t len = 0;

	if (fd < 0)
		return fd;
	while (len < size && (n = sys(SYS_read, fd, buffer + len, size - len)) > 0)
		len += (size_t)n;
	sys(SYS_close, fd);
	if (n < 0)
		return n;
	if (len == size)
		return -EFBIG;
	buffer[len] = '\0';
	return (long)len;
}

long write_all(int fd, const void *bytes, size_t len)
{
	const char *at = bytes;

	while (len > 0) {
		long n = sys(SYS_write, fd, at, len);

		if (n == -EINTR)
			continue;
		if (n < 0)
			return n;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

long file_write(int folder, const char *path, const char *bytes, size_t len)
{
	long fd = sys(SYS_openat, folder, path, O_WRONLY | O_CLOEXEC), r;

	if (fd < 0)
		return fd;
	r = write_all((int)fd, bytes, len);
	sys(SYS_close, fd);
	return r;
}

long open_in(int root, const char *path, int flags, unsigned mode)
{
	struct open_how how = { .flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
		.mode = flags & O_CREAT ? mode : 0,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
	long fd;

	/* -EAGAIN: something was renamed meanwhile. */
	do {
		fd = sys(SYS_openat2, root, path, &how, sizeof(how));
	} while (fd == -EAGAIN || fd == -EINTR);
	return fd;
}

long make_folders(int root, const char *path)
{
	char part[PATH_SIZE];
	size_t end = 0, len = strlen(path);
	long folder, next, r;

	if (len >= sizeof(part))
		return -ENAMETOOLONG;
	for (;;) {
		size_t start;

		while (path[end] == '/')
			end++;
		if (!path[end])
			return 0;
		start = end;
		while (path[end] && path[end] != '/')
			end++;
		memcpy(part, path, start);
		part[start] = '\0';
		folder = open_in(root, start ? part : "/", O_PATH | O_DIRECTORY, 0);
		if (folder < 0)
			return folder;
		memcpy(part, path, end);
		part[end] = '\0';
		next = open_in(root, part, O_PATH | O_DIRECTORY, 0);
		r = next;
		if (next == -ENOENT)
			r = sys(SYS_mkdirat, folder, part + start, 0755);
		if (next >= 0)
			sys(SYS_close, next);
		sys(SYS_close, folder);
		if (r < 0)
			return r;
	}
}

long folder_each(int folder, const char *path,
	long (*each)(void *context, const char *name, unsigned type), void *context)
{
	char buffer[4096] __attribute__((aligned(8)));
	long fd = sys(SYS_openat, folder, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), n, r = 0;

	if (fd < 0)
		return fd;
	while (r == 0 && (n = sys(SYS_getdents64, fd, buffer, sizeof(buffer))) != 0) {
		if (n < 0) {
			r = n;
			break;
		}
		for (long at = 0; r == 0 && at < n;) {
			const struct folder_entry *entry = (const void *)(buffer + at);

			at += entry->size;
			if (!text_equal(entry->name, ".") && !text_equal(entry->name, ".."))
				r = each(context, entry->name, entry->type);
		}
	}
	sys(SYS_close, fd);
	return r;
}

/* --- words ------------------------------------------------------------------------------------ */

const char *error_text(long code)
{
	static const struct {
		int code;
		const char *text;
	} known[] = {
		{ EPERM, "Operation not permitted" },
		{ ENOENT, "No such file or directory" },
		{ EIO, "Input/output error" },
		{ ENOEXEC, "Exec format error" },
		{ ENOMEM, "Cannot allocate memory" },
		{ EACCES, "Permission denied" },
		{ EBUSY, "Device or resource busy" },
		{ EEXIST, "File exists" },
		{ ENODEV, "No such device" },
		{ ENOTDIR, "Not a directory" },
		{ EISDIR, "Is a directory" },
		{ EINVAL, "Invalid argument" },
		{ EFBIG, "File too large" },
		{ ENOSPC, "No space left on device" },
		{ EROFS, "Read-only file system" },
		{ ENAMETOOLONG, "File name too long" },
		{ ELOOP, "Too many levels of symbolic links" },
		{ ENOSYS, "Function not implemented" },
		{ E2BIG, "Argument list too long" },
		{ ETXTBSY, "Text file busy" },
		{ ENOTSUP, "Operation not supported" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (known[i].code == (code < 0 ? -code : code))
			return known[i].text;
	return "an error of another kind";
}

void tell(const char *format, ...)
{
	char line[512];
	struct text text = TEXT(line);
	va_list list;
	long fd = sys(SYS_openat, AT_FDCWD, "/dev/kmsg", O_WRONLY | O_CLOEXEC);

	text_add(&text, "<4>strata: ");
	va_start(list, format);
	text_add_list(&text, format, list);
	va_end(list);
	text_add(&text, "\n");
	if (fd < 0)
		return;
	sys(SYS_write, fd, text.at, text.len);
	sys(SYS_close, fd);
}
