/* SPDX-License-Identifier: Apache-2.0 */
/*
 * variant.c - properties of a unit as words of a command line: NAME=VALUE, the value in GLib's
 * text form of a variant, which is also what annotations "org.systemd.property.NAME" hold.
 *
 *   true   'text'   5   uint64 5   [byte 1, 2]   [('/dev/null', 'rw')]   @a(ss) []
 *
 * A number without a word before it is an int32, or a double when it has a fraction. Everything in
 * an array is of its first element's type. Dictionaries, maybes and byte strings are left out: no
 * property of a scope has them.
 */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "front/scope/variant.h"

#define SIGNATURE_MAX 64
#define DEPTH_MAX     4

struct reader {
	const char *p;
	sd_bus_message *m; /* NULL: only find out the type */
	int depth;
};

static const struct {
	const char *word;
	char type;
} words[] = {
	{ "boolean", 'b' },
	{ "byte", 'y' },
	{ "int16", 'n' },
	{ "uint16", 'q' },
	{ "int32", 'i' },
	{ "uint32", 'u' },
	{ "int64", 'x' },
	{ "uint64", 't' },
	{ "double", 'd' },
	{ "string", 's' },
	{ "objectpath", 'o' },
	{ "signature", 'g' },
};

static int read_value(struct reader *in, const char *wanted, char type[SIGNATURE_MAX]);

static void skip_space(struct reader *in)
{
	in->p += strspn(in->p, " \t\n");
}

static bool take(struct reader *in, char c)
{
	skip_space(in);
	if (*in->p != c)
		return false;
	in->p++;
	return true;
}

/* A type's word and the space after it: its letter; 0 when there is none. */
static char take_word(struct reader *in)
{
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		const char *rest = str_after_prefix(in->p, words[i].word);

		if (rest && *rest == ' ') {
			in->p = rest;
			skip_space(in);
			return words[i].type;
		}
	}
	return 0;
}

static int append(struct reader *in, char type, const void *value)
{
	return in->m ? sd_bus_message_append_basic(in->m, type, value) : 0;
}

/* 'text' or "text", a backslash before what would end it or itself. */
static int read_text(struct reader *in, char type)
{
	_cleanup_str_ struct str text = { 0 };
	char quote = *in->p++;

	str_append(&text, "");
	for (; *in->p != quote; in->p++) {
		if (*in->p == '\\')
			in->p++;
		if (!*in->p)
			return -EINVAL;
		str_append_char(&text, *in->p);
	}
	in->p++;
	if (text.failed)
		return -ENOMEM;
	return append(in, type, text.data);
}

static int append_integer(struct reader *in, char type, bool negative, uint64_t size)
{
	static const struct {
		char type;
		uint64_t most, least; /* least: the size of the smallest negative number */
	} ranges[] = {
		{ 'y', UINT8_MAX, 0 },
		{ 'n', INT16_MAX, UINT64_C(1) << 15 },
		{ 'q', UINT16_MAX, 0 },
		{ 'i', INT32_MAX, UINT64_C(1) << 31 },
		{ 'u', UINT32_MAX, 0 },
		{ 'x', INT64_MAX, UINT64_C(1) << 63 },
		{ 't', UINT64_MAX, 0 },
	};
	const uint64_t n = negative ? -size : size;
	/* Little and big ends alike: the value is copied into an integer of its own width. */
	const union {
		uint8_t y;
		uint16_t q;
		uint32_t u;
	} small[] = { { .y = (uint8_t)n }, { .q = (uint16_t)n }, { .u = (uint32_t)n } };

	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++) {
		if (ranges[i].type != type)
			continue;
		if (size > (negative ? ranges[i].least : ranges[i].most))
			return -ERANGE;
		if (type == 'y')
			return append(in, type, &small[0]);
		if (type == 'n' || type == 'q')
			return append(in, type, &small[1]);
		if (type == 'i' || type == 'u')
			return append(in, type, &small[2]);
		return append(in, type, &n);
	}
	return -EINVAL;
}

static int read_number(struct reader *in, char type)
{
	const bool negative = *in->p == '-';
	const char *start = in->p;
	unsigned long long size;
	char *end;

	if (type == 'd') {
		double d = strtod(start, &end);

		in->p = end;
		return end == start ? -EINVAL : append(in, 'd', &d);
	}
	start += negative;
	if (!isdigit((unsigned char)*start))
		return -EINVAL;
	errno = 0;
	size = strtoull(start, &end, 0);
	if (errno)
		return -errno;
	in->p = end;
	return append_integer(in, type, negative, size);
}

/* The type of a literal that no word and no container has given one. */
static char natural_type(const char *p)
{
	if (*p == '\'' || *p == '"')
		return 's';
	if (str_after_prefix(p, "true") || str_after_prefix(p, "false"))
		return 'b';
	return p[strcspn(p, ".,)] ")] == '.' ? 'd' : 'i';
}

static int read_basic(struct reader *in, char wanted, char type[SIGNATURE_MAX])
{
	char word = take_word(in);

	if (word && wanted && word != wanted)
		return -EINVAL;
	if (word)
		wanted = word;
	if (!wanted)
		wanted = natural_type(in->p);
	type[0] = wanted;
	type[1] = '\0';
	if (wanted == 's' || wanted == 'o' || wanted == 'g')
		return *in->p == '\'' || *in->p == '"' ? read_text(in, wanted) : -EINVAL;
	if (wanted == 'b') {
		const char *rest = str_after_prefix(in->p, "true");
		int value = rest != NULL;

		if (!rest)
			rest = str_after_prefix(in->p, "false");
		if (!rest)
			return -EINVAL;
		in->p = rest;
		return append(in, 'b', &value);
	}
	return read_number(in, wanted);
}

/* [a, b, ...]; an empty one needs its type said before it. */
static int read_array(struct reader *in, const char *wanted, char type[SIGNATURE_MAX])
{
	char element[SIGNATURE_MAX], one[SIGNATURE_MAX];
	struct reader ahead = *in;
	int r;

	ahead.m = NULL;
	if (wanted)
		snprintf(element, sizeof(element), "%s", wanted + 1);
	else if ((r = read_value(&ahead, NULL, element)) < 0)
		return r;
	if (snprintf(type, SIGNATURE_MAX, "a%s", element) >= SIGNATURE_MAX)
		return -E2BIG;
	r = in->m ? sd_bus_message_open_container(in->m, 'a', element) : 0;
	if (r >= 0 && !take(in, ']')) {
		do {
			r = read_value(in, element, one);
		} while (r >= 0 && take(in, ','));
		if (r >= 0 && !take(in, ']'))
			r = -EINVAL;
	}
	if (r >= 0 && in->m)
		r = sd_bus_message_close_container(in->m);
	return r;
}

/* The length of the first complete type of a signature; 0 when it is none that we write. */
static size_t type_length(const char *signature)
{
	int depth = 0;

	for (size_t i = 0; signature[i]; i++) {
		if (signature[i] == '(')
			depth++;
		else if (signature[i] == ')')
			depth--;
		else if (!strchr("abynqiuxtdsog", signature[i]))
			return 0;
		if (depth < 0)
			return 0;
		if (depth == 0 && signature[i] != 'a')
			return i + 1;
	}
	return 0;
}

/* (a, b, ...) */
static int read_tuple(struct reader *in, const char *wanted, char type[SIGNATURE_MAX])
{
	char fields[SIGNATURE_MAX] = "", one[SIGNATURE_MAX], field[SIGNATURE_MAX];
	int r;

	if (!wanted) {
		struct reader ahead = *in;

		ahead.m = NULL;
		do {
			r = read_value(&ahead, NULL, one);
			if (r < 0)
				return r;
			if (strlen(fields) + strlen(one) + 3 >= sizeof(fields))
				return -E2BIG;
			strcat(fields, one);
		} while (take(&ahead, ','));
	} else {
		snprintf(fields, sizeof(fields), "%.*s", (int)strlen(wanted) - 2, wanted + 1);
	}
	if (snprintf(type, SIGNATURE_MAX, "(%s)", fields) >= SIGNATURE_MAX)
		return -E2BIG;
	r = in->m ? sd_bus_message_open_container(in->m, 'r', fields) : 0;
	for (const char *f = fields; *f && r >= 0;) {
		size_t n = type_length(f);

		snprintf(field, sizeof(field), "%.*s", (int)n, f);
		r = n ? read_value(in, field, one) : -EINVAL;
		f += n;
		if (r >= 0 && *f && !take(in, ','))
			r = -EINVAL;
	}
	if (r >= 0 && !take(in, ')'))
		r = -EINVAL;
	if (r >= 0 && in->m)
		r = sd_bus_message_close_container(in->m);
	return r;
}

/* "@TYPE " before a value. */
static int take_type(struct reader *in, const char **wanted, char type[SIGNATURE_MAX])
{
	size_t n = strcspn(in->p, " ");

	if (n >= SIGNATURE_MAX || in->p[n] != ' ')
		return -EINVAL;
	memcpy(type, in->p, n);
	type[n] = '\0';
	if (n == 0 || type_length(type) != n || (*wanted && !streq(*wanted, type)))
		return -EINVAL;
	in->p += n;
	skip_space(in);
	*wanted = type;
	return 0;
}

static int read_value(struct reader *in, const char *wanted, char type[SIGNATURE_MAX])
{
	char said[SIGNATURE_MAX];
	int r;

	if (take(in, '@')) {
		r = take_type(in, &wanted, said);
		if (r < 0)
			return r;
	}
	if (take(in, '[') || take(in, '(')) {
		const char open = in->p[-1];

		if (in->depth >= DEPTH_MAX || (wanted && *wanted != (open == '[' ? 'a' : '(')))
			return -EINVAL;
		in->depth++;
		r = open == '[' ? read_array(in, wanted, type) : read_tuple(in, wanted, type);
		in->depth--;
		return r;
	}
	if (wanted && strlen(wanted) != 1)
		return -EINVAL;
	return read_basic(in, wanted ? *wanted : 0, type);
}

/* systemd's own files have "TimeoutStopSec=", its bus "TimeoutStopUSec": both are understood. */
static bool is_seconds(const char *name)
{
	size_t n = strlen(name);

	return n > 3 && streq(name + n - 3, "Sec") && islower((unsigned char)name[n - 4]);
}

static int append_seconds(sd_bus_message *m, const char *name, const char *text)
{
	_cleanup_free_ char *micro = strf("%.*sUSec", (int)strlen(name) - 3, name);
	struct reader in = { .p = text };
	double seconds;
	char *end;

	if (!micro)
		return -ENOMEM;
	take_word(&in);
	seconds = strtod(in.p, &end);
	if (end == in.p || *end || !(seconds >= 0 && seconds < 1e12))
		return -EINVAL;
	return sd_bus_message_append(m, "(sv)", micro, "t", (uint64_t)llround(seconds * 1e6));
}

static int append_property(sd_bus_message *m, const char *name, const char *text)
{
	struct reader in = { .p = text };
	char type[SIGNATURE_MAX], again[SIGNATURE_MAX];
	int r;

	if (is_seconds(name))
		return append_seconds(m, name, text);
	r = read_value(&in, NULL, type);
	skip_space(&in);
	if (r >= 0 && *in.p)
		r = -EINVAL;
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'r', "sv");
	if (r >= 0)
		r = sd_bus_message_append(m, "s", name);
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'v', type);
	in = (struct reader){ .p = text, .m = m };
	if (r >= 0)
		r = read_value(&in, NULL, again);
	if (r >= 0)
		r = sd_bus_message_close_container(m);
	return r >= 0 ? sd_bus_message_close_container(m) : r;
}

int variant_append_property(sd_bus_message *m, const char *setting, struct error *err)
{
	const char *equals = strchr(setting, '=');
	_cleanup_free_ char *name = NULL;
	int r;

	if (!equals)
		return error_set(err, EINVAL, "property '%s' is not NAME=VALUE", setting);
	name = strndup(setting, (size_t)(equals - setting));
	if (!name)
		return error_oom(err);
	if (!*name || name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")])
		return error_set(err, EINVAL, "'%s' is no property's name", name);
	r = append_property(m, name, equals + 1);
	if (r < 0)
		return error_errno(
			err, r, "property %s: cannot read the value %s", name, equals + 1);
	return 0;
}
