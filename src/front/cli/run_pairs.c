/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_pairs.c - KEY=VALUE vectors: environment and labels, from options and from files.
 *
 * A later pair replaces an earlier one of the same key and keeps its place, as Docker does.
 */
#include "front/cli/run_options.h"

#include "base/io.h"

#define PAIR_FILE_MAX (4u << 20) /* bytes of an --env-file or --label-file */

static size_t key_length(const char *pair)
{
	return (size_t)(strchrnul(pair, '=') - pair);
}

static char **find_key(char **pairs, const char *key, size_t len)
{
	strv_for_each (p, pairs)
		if (key_length(*p) == len && memcmp(*p, key, len) == 0)
			return (char **)p;
	return NULL;
}

static void drop(char **at)
{
	free(*at);
	do {
		at[0] = at[1];
	} while (*at++);
}

int run_merge_pair(
	char ***pairs, const char *pair, const char *(*lookup)(const char *key), struct error *err)
{
	size_t len = key_length(pair);
	char **old = find_key(*pairs, pair, len), *merged;

	if (len == 0)
		return error_set(err, EINVAL, "\"%s\" has no name before its \"=\"", pair);
	if (!pair[len] && lookup) {
		const char *value = lookup(pair);

		if (!value) {
			if (old)
				drop(old);
			return 0;
		}
		merged = strf("%s=%s", pair, value);
	} else {
		merged = strdup(pair);
	}
	if (!merged)
		return error_oom(err);
	if (!old)
		return strv_push_take(pairs, merged) < 0 ? error_oom(err) : 0;
	free(*old);
	*old = merged;
	return 0;
}

int run_merge_file(
	char ***pairs, const char *path, const char *(*lookup)(const char *key), struct error *err)
{
	_cleanup_free_ char *text = NULL;
	int line_number = 0, r = io_read_file(AT_FDCWD, path, PAIR_FILE_MAX, &text, NULL, err);
	char *line, *rest = text;

	if (r < 0)
		return r;
	while ((line = strsep(&rest, "\n"))) {
		size_t len = strlen(line);

		line_number++;
		if (len && line[len - 1] == '\r')
			line[len - 1] = '\0';
		line += strspn(line, " \t");
		if (!*line || *line == '#')
			continue;
		len = key_length(line);
		if (memchr(line, ' ', len) || memchr(line, '\t', len))
			return error_set(err, EINVAL,
				"%s:%d: the name \"%.*s\" contains white space", path, line_number,
				(int)len, line);
		r = run_merge_pair(pairs, line, lookup, err);
		if (r < 0)
			return error_prefix(err, "%s:%d", path, line_number);
	}
	return 0;
}
