/* SPDX-License-Identifier: Apache-2.0 */
/*
 * str.h - a growable string, string vectors, and the few string predicates everyone needs.
 *
 * `struct str` is always NUL-terminated once it holds anything. An append that runs out of memory
 * marks the string as failed and later appends do nothing, so a builder checks once at the end
 * (str_finish()). A `char **` vector (strv) ends with NULL and owns its strings.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/cleanup.h"

struct str {
	char *data;
	size_t len;
	size_t capacity;
	bool failed;
};

void str_append(struct str *s, const char *text);
void str_append_n(struct str *s, const void *bytes, size_t len);
void str_append_char(struct str *s, char c);
void str_appendf(struct str *s, const char *fmt, ...) _printf_(2, 3);

/* Hand the text over to the caller (never NULL on success) and reset s. NULL when memory ran out.
 */
char *str_finish(struct str *s);

/* Empty the string but keep its memory. */
void str_reset(struct str *s);
void str_free(struct str *s);

#define _cleanup_str_ _cleanup_(str_free)

/* asprintf() that returns NULL on failure. */
char *strf(const char *fmt, ...) _printf_(1, 2);

static inline bool streq(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

/* Equal, where NULL equals only NULL. */
bool streq_ptr(const char *a, const char *b);

/* The rest of s after prefix, or NULL when s does not start with it. */
const char *str_after_prefix(const char *s, const char *prefix);
bool str_has_suffix(const char *s, const char *suffix);

/* Whole-string decimal; no sign, no white space. Returns 0 or -EINVAL / -ERANGE (value > max). */
int parse_u64(const char *s, uint64_t max, uint64_t *ret);

/*
 * A size as Docker writes it: a decimal number with an optional fraction and an optional unit
 * b, k, m, g, t, p (or kb, mb, ..., kib, ...), powers of 1024. Returns 0, -EINVAL or -ERANGE.
 */
int parse_size_bytes(const char *s, uint64_t *ret);

/* A Go-style duration ("1h30m", "10s", "500ms") in nanoseconds. Returns 0, -EINVAL or -ERANGE. */
int parse_duration_ns(const char *s, int64_t *ret);

/* "1.234GB" as Docker prints sizes: powers of 1000, four significant digits. */
void format_size(char *buf, size_t size, uint64_t bytes);

/* "5 minutes", "About an hour", "3 weeks" as Docker prints ages. */
void format_age(char *buf, size_t size, int64_t seconds);

/* --- vectors ------------------------------------------------------------------------------- */

size_t strv_length(char *const *v);

/* Append a copy of s (or the string itself for _take, which is freed on failure). 0 or -ENOMEM. */
int strv_push(char ***v, const char *s);
int strv_push_take(char ***v, char *s);
int strv_pushf(char ***v, const char *fmt, ...) _printf_(2, 3);

/* A deep copy; NULL when v is NULL or memory ran out. */
char **strv_copy(char *const *v);
char **strv_free(char **v);
bool strv_contains(char *const *v, const char *s);

/* Split at every `separator`; empty parts are kept. NULL when memory ran out. */
char **strv_split(const char *s, char separator);

static inline void cleanup_strv(char ***v)
{
	strv_free(*v);
}

#define _cleanup_strv_	    _cleanup_(cleanup_strv)
#define strv_for_each(s, v) for (char *const *s = (v); s && *s; s++)
