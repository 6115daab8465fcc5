/* SPDX-License-Identifier: Apache-2.0 */
/*
 * show.c - small conversions shared by the listing verbs.
 */
#include "front/cli/show.h"

#include <stdio.h>
#include <time.h>

#include "base/clock.h"

#define SECOND_NS INT64_C(1000000000)

const char *show_time(char buf[SHOW_TIME_MAX], int64_t realtime_ns)
{
	time_t seconds = (time_t)(realtime_ns / SECOND_NS);
	struct tm tm;

	buf[0] = '\0';
	if (realtime_ns && localtime_r(&seconds, &tm))
		strftime(buf, SHOW_TIME_MAX, "%Y-%m-%d %H:%M:%S %z %Z", &tm);
	return buf;
}

const char *show_age(char buf[SHOW_TIME_MAX], int64_t realtime_ns)
{
	char age[SHOW_TIME_MAX / 2];

	if (!realtime_ns)
		return strcpy(buf, "N/A");
	format_age(age, sizeof(age), (clock_realtime_ns() - realtime_ns) / SECOND_NS);
	snprintf(buf, SHOW_TIME_MAX, "%s ago", age);
	return buf;
}

json_t *show_json_time(int64_t realtime_ns)
{
	char text[CLOCK_TEXT_MAX];

	if (!realtime_ns)
		return json_string("0001-01-01T00:00:00Z");
	clock_format(text, realtime_ns);
	return json_string(text);
}

json_t *show_json_map(char *const *pairs)
{
	json_t *object = json_object();

	strv_for_each (pair, pairs) {
		size_t n = strcspn(*pair, "=");
		_cleanup_free_ char *key = strndup(*pair, n);

		if (!key ||
			json_object_set_new(
				object, key, json_string((*pair)[n] ? *pair + n + 1 : "")) < 0) {
			json_decref(object);
			return NULL;
		}
	}
	return object;
}

json_t *show_json_strv(char *const *v)
{
	json_t *array = json_array();

	strv_for_each (s, v) {
		if (json_array_append_new(array, json_string(*s)) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

char *show_labels(char *const *labels)
{
	struct str out = { 0 };

	strv_for_each (label, labels)
		str_appendf(&out, "%s%s", out.len ? "," : "", *label);
	return str_finish(&out);
}

bool show_confirm(const char *warning)
{
	char answer[16] = "";

	printf("%s\nAre you sure you want to continue? [y/N] ", warning);
	fflush(stdout);
	if (!fgets(answer, sizeof(answer), stdin))
		putchar('\n');
	return answer[0] == 'y' || answer[0] == 'Y';
}

/* Without a zone, a time is local; without a time, it is midnight. */
static int parse_local(const char *text, int64_t *ret_ns)
{
	static const char *const formats[] = { "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d" };

	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		struct tm tm = { .tm_isdst = -1 };
		const char *end = strptime(text, formats[i], &tm);

		if (end && !*end) {
			*ret_ns = mktime(&tm) * SECOND_NS;
			return 0;
		}
	}
	return -EINVAL;
}

/* "1700000000", "1700000000.123456789" */
static int parse_unix(const char *text, int64_t *ret_ns)
{
	_cleanup_strv_ char **part = strv_split(text, '.');
	uint64_t seconds, fraction = 0;
	size_t digits;

	if (!part || strv_length(part) > 2 ||
		parse_u64(part[0], INT64_MAX / SECOND_NS - 1, &seconds) < 0)
		return -EINVAL;
	digits = part[1] ? strlen(part[1]) : 0;
	if (digits > 9 || (digits && parse_u64(part[1], SECOND_NS, &fraction) < 0))
		return -EINVAL;
	for (; digits && digits < 9; digits++)
		fraction *= 10;
	*ret_ns = (int64_t)(seconds * SECOND_NS + fraction);
	return 0;
}

int show_parse_time(const char *text, int64_t *ret_ns, struct error *err)
{
	int64_t before;

	if (clock_parse(text, ret_ns) == 0 || parse_unix(text, ret_ns) == 0 ||
		parse_local(text, ret_ns) == 0)
		return 0;
	if (parse_duration_ns(text, &before) == 0) {
		*ret_ns = clock_realtime_ns() - before;
		return 0;
	}
	return error_set(err, EINVAL,
		"\"%s\" is neither a time (2006-01-02T15:04:05Z, seconds since 1970) nor a duration (10m)",
		text);
}
