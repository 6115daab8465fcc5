/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filter.c - match rows against --filter.
 */
#include "front/cli/filter.h"

/* Is `word` (len bytes) one of "a|b|c"? */
static bool is_known(const char *known, const char *word, size_t len)
{
	while (*known) {
		size_t n = (size_t)(strchrnul(known, '|') - known);

		if (n == len && memcmp(known, word, n) == 0)
			return true;
		known += n + (known[n] == '|');
	}
	return false;
}

/* "a|b|c" as a sentence lists them. */
static char *list_known(const char *known)
{
	struct str out = { 0 };

	for (; *known; known++)
		str_append(&out, *known == '|' ? ", " : (char[]){ *known, '\0' });
	return str_finish(&out);
}

int filter_check(char *const *filters, const char *known, struct error *err)
{
	strv_for_each (f, filters) {
		const char *equals = strchr(*f, '=');

		if (!equals)
			return error_set(
				err, EINVAL, "invalid filter \"%s\": it must be KEY=VALUE", *f);
		if (!is_known(known, *f, (size_t)(equals - *f))) {
			_cleanup_free_ char *list = list_known(known);

			return error_set(err, EINVAL, "invalid filter \"%s\": there are %s", *f,
				list ? list : known);
		}
	}
	return 0;
}

/* The value when the filter has that key, else NULL. */
static const char *value_of(const char *filter, const char *key)
{
	const char *rest = str_after_prefix(filter, key);

	return rest && *rest == '=' ? rest + 1 : NULL;
}

const char *filter_value(char *const *filters, const char *key)
{
	strv_for_each (f, filters) {
		const char *value = value_of(*f, key);

		if (value)
			return value;
	}
	return NULL;
}

bool filter_accepts(
	char *const *filters, const char *key, filter_match_fn match, const void *context)
{
	bool given = false;

	strv_for_each (f, filters) {
		const char *value = value_of(*f, key);

		if (!value)
			continue;
		if (match(value, context))
			return true;
		given = true;
	}
	return !given;
}

static bool has_label(char *const *labels, const char *wanted)
{
	size_t key_len = strcspn(wanted, "=");

	strv_for_each (label, labels) {
		if (wanted[key_len]
				? streq(*label, wanted)
				: strncmp(*label, wanted, key_len) == 0 && (*label)[key_len] == '=')
			return true;
	}
	return false;
}

bool filter_accepts_labels(char *const *filters, const char *key, char *const *labels)
{
	strv_for_each (f, filters) {
		const char *value = value_of(*f, key);

		if (value && !has_label(labels, value))
			return false;
	}
	return true;
}

int filter_bool(char *const *filters, const char *key, bool otherwise, bool *ret, struct error *err)
{
	const char *value = filter_value(filters, key);

	if (!value)
		*ret = otherwise;
	else if (streq(value, "true") || streq(value, "1"))
		*ret = true;
	else if (streq(value, "false") || streq(value, "0"))
		*ret = false;
	else
		return error_set(err, EINVAL, "invalid filter \"%s=%s\": it must be true or false",
			key, value);
	return 0;
}
