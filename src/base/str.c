/* SPDX-License-Identifier: Apache-2.0 */
/*
 * str.c - growable strings, string vectors, number and size parsing.
 */
#include "base/str.h"

#include <ctype.h>
#include <stdarg.h>

static bool str_reserve(struct str *s, size_t more)
{
	size_t need, capacity;
	char *p;

	if (s->failed)
		return false;
	if (__builtin_add_overflow(s->len, more, &need) || need >= SIZE_MAX / 2) {
		s->failed = true;
		return false;
	}
	need += 1;
	if (need <= s->capacity)
		return true;
	capacity = s->capacity ? s->capacity : 64;
	while (capacity < need)
		capacity *= 2;
	p = realloc(s->data, capacity);
	if (!p) {
		s->failed = true;
		return false;
	}
	s->data = p;
	s->capacity = capacity;
	return true;
}

void str_append_n(struct str *s, const void *bytes, size_t len)
{
	if (!str_reserve(s, len))
		return;
	if (len)
		memcpy(s->data + s->len, bytes, len);
	s->len += len;
	s->data[s->len] = '\0';
}

void str_append(struct str *s, const char *text)
{
	str_append_n(s, text, strlen(text));
}

void str_append_char(struct str *s, char c)
{
	str_append_n(s, &c, 1);
}

void str_appendf(struct str *s, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0 || !str_reserve(s, (size_t)n)) {
		s->failed = true;
		return;
	}
	va_start(ap, fmt);
	vsnprintf(s->data + s->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	s->len += (size_t)n;
}

char *str_finish(struct str *s)
{
	char *p;

	str_reserve(s, 0);
	if (s->failed) {
		str_free(s);
		return NULL;
	}
	p = s->data;
	p[s->len] = '\0';
	*s = (struct str){ 0 };
	return p;
}

void str_reset(struct str *s)
{
	s->len = 0;
	s->failed = false;
	if (s->data)
		s->data[0] = '\0';
}

void str_free(struct str *s)
{
	free(s->data);
	*s = (struct str){ 0 };
}

char *strf(const char *fmt, ...)
{
	va_list ap;
	char *p = NULL;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&p, fmt, ap);
	va_end(ap);
	return n < 0 ? NULL : p;
}

bool streq_ptr(const char *a, const char *b)
{
	if (!a || !b)
		return a == b;
	return streq(a, b);
}

const char *str_after_prefix(const char *s, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(s, prefix, n) == 0 ? s + n : NULL;
}

bool str_has_suffix(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && streq(s + n - m, suffix);
}

int parse_u64(const char *s, uint64_t max, uint64_t *ret)
{
	uint64_t v = 0;

	if (!*s)
		return -EINVAL;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return -EINVAL;
		if (__builtin_mul_overflow(v, 10, &v) ||
			__builtin_add_overflow(v, (uint64_t)(*s - '0'), &v))
			return -ERANGE;
	}
	if (v > max)
		return -ERANGE;
	*ret = v;
	return 0;
}

/* Parse digits[.digits]; the end goes to *end. At most 18 significant digits of fraction count. */
static int parse_decimal(const char *s, const char **end, long double *ret)
{
	long double v = 0, scale = 1;
	bool any = false;

	for (; isdigit((unsigned char)*s); s++, any = true)
		v = v * 10 + (*s - '0');
	if (*s == '.') {
		for (s++; isdigit((unsigned char)*s); s++, any = true) {
			scale /= 10;
			v += (*s - '0') * scale;
		}
	}
	if (!any)
		return -EINVAL;
	*end = s;
	*ret = v;
	return 0;
}

int parse_size_bytes(const char *s, uint64_t *ret)
{
	static const char units[] = "bkmgtp";
	long double v;
	const char *p, *unit;
	int r;

	r = parse_decimal(s, &p, &v);
	if (r < 0)
		return r;
	if (*p == ' ')
		p++;
	if (*p) {
		unit = strchr(units, tolower((unsigned char)*p));
		if (!unit)
			return -EINVAL;
		for (ptrdiff_t i = unit - units; i > 0; i--)
			v *= 1024;
		p++;
		if (unit != units && *p) {
			if (tolower((unsigned char)*p) == 'i')
				p++;
			if (tolower((unsigned char)*p) != 'b')
				return -EINVAL;
			p++;
		}
		if (*p)
			return -EINVAL;
	}
	if (v >= 9.2e18L)
		return -ERANGE;
	*ret = (uint64_t)v;
	return 0;
}

int parse_duration_ns(const char *s, int64_t *ret)
{
	static const struct {
		const char *unit;
		long double ns;
	} units[] = { { "ns", 1 }, { "us", 1e3L }, { "ms", 1e6L }, { "s", 1e9L }, { "m", 60e9L },
		{ "h", 3600e9L } };
	long double total = 0, v;
	size_t i;

	if (streq(s, "0")) {
		*ret = 0;
		return 0;
	}
	if (!*s)
		return -EINVAL;
	while (*s) {
		const char *p;
		size_t n;

		if (parse_decimal(s, &p, &v) < 0)
			return -EINVAL;
		n = strspn(p, "nusmh");
		for (i = 0; i < ARRAY_SIZE(units); i++)
			if (strlen(units[i].unit) == n && strncmp(p, units[i].unit, n) == 0)
				break;
		if (i == ARRAY_SIZE(units))
			return -EINVAL;
		total += v * units[i].ns;
		s = p + n;
	}
	if (total >= 9.2e18L)
		return -ERANGE;
	*ret = (int64_t)total;
	return 0;
}

void format_size(char *buf, size_t size, uint64_t bytes)
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB" };
	double v = (double)bytes;
	size_t i = 0;

	while (v >= 1000 && i + 1 < ARRAY_SIZE(units)) {
		v /= 1000;
		i++;
	}
	snprintf(buf, size, "%.4g%s", v, units[i]);
}

void format_age(char *buf, size_t size, int64_t seconds)
{
	long long s = seconds < 0 ? 0 : (long long)seconds;

	if (s < 1)
		snprintf(buf, size, "Less than a second");
	else if (s == 1)
		snprintf(buf, size, "1 second");
	else if (s < 60)
		snprintf(buf, size, "%lld seconds", s);
	else if (s < 120)
		snprintf(buf, size, "About a minute");
	else if (s < 3600)
		snprintf(buf, size, "%lld minutes", s / 60);
	else if (s < 5400)
		snprintf(buf, size, "About an hour");
	else if (s < 48 * 3600)
		snprintf(buf, size, "%lld hours", (s + 1800) / 3600);
	else if (s < 14 * 86400)
		snprintf(buf, size, "%lld days", s / 86400);
	else if (s < 60 * 86400)
		snprintf(buf, size, "%lld weeks", s / (7 * 86400));
	else if (s < 730 * 86400LL)
		snprintf(buf, size, "%lld months", s / (30 * 86400));
	else
		snprintf(buf, size, "%lld years", s / (365 * 86400));
}

size_t strv_length(char *const *v)
{
	size_t n = 0;

	while (v && v[n])
		n++;
	return n;
}

int strv_push_take(char ***v, char *s)
{
	size_t n = strv_length(*v);
	char **grown;

	if (!s)
		return -ENOMEM;
	/* Capacity is implied: it doubles at every power of two. */
	if ((n & (n + 1)) == 0) {
		grown = realloc(*v, 2 * (n + 1) * sizeof(char *));
		if (!grown) {
			free(s);
			return -ENOMEM;
		}
		*v = grown;
	}
	(*v)[n] = s;
	(*v)[n + 1] = NULL;
	return 0;
}

int strv_push(char ***v, const char *s)
{
	return strv_push_take(v, strdup(s));
}

int strv_pushf(char ***v, const char *fmt, ...)
{
	va_list ap;
	char *s = NULL;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		s = NULL;
	va_end(ap);
	return strv_push_take(v, s);
}

char **strv_copy(char *const *v)
{
	_cleanup_strv_ char **copy = NULL;

	strv_for_each (s, v) {
		if (strv_push(&copy, *s) < 0)
			return NULL;
	}
	return steal_ptr(&copy);
}

char **strv_free(char **v)
{
	strv_for_each (s, v)
		free(*s);
	free(v);
	return NULL;
}

bool strv_contains(char *const *v, const char *s)
{
	strv_for_each (e, v) {
		if (streq(*e, s))
			return true;
	}
	return false;
}

char **strv_split(const char *s, char separator)
{
	_cleanup_strv_ char **v = NULL;

	for (;;) {
		const char *end = strchrnul(s, separator);

		if (strv_push_take(&v, strndup(s, (size_t)(end - s))) < 0)
			return NULL;
		if (!*end)
			return steal_ptr(&v);
		s = end + 1;
	}
}
