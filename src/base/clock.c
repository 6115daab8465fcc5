/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock.c - nanosecond times and RFC 3339.
 */
#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#define NS_PER_S INT64_C(1000000000)

static int64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

int64_t clock_realtime_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

int64_t clock_monotonic_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

void clock_format(char buf[CLOCK_TEXT_MAX], int64_t realtime_ns)
{
	time_t seconds = realtime_ns / NS_PER_S;
	int64_t fraction = realtime_ns % NS_PER_S;
	struct tm tm;

	if (fraction < 0) {
		fraction += NS_PER_S;
		seconds -= 1;
	}
	gmtime_r(&seconds, &tm);
	snprintf(buf, CLOCK_TEXT_MAX, "%04u-%02u-%02uT%02u:%02u:%02u.%09uZ",
		(unsigned)(tm.tm_year + 1900) % 10000, (unsigned)(tm.tm_mon + 1) % 100,
		(unsigned)tm.tm_mday % 100, (unsigned)tm.tm_hour % 100, (unsigned)tm.tm_min % 100,
		(unsigned)tm.tm_sec % 100, (unsigned)fraction % 1000000000u);
}

int clock_parse(const char *text, int64_t *ret_realtime_ns)
{
	struct tm tm = { 0 };
	int64_t fraction = 0, scale = NS_PER_S / 10, offset = 0;
	int used = 0, hours, minutes;

	if (sscanf(text, "%4d-%2d-%2d%*1[Tt ]%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
		    &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &used) != 6 ||
		used == 0)
		return -EINVAL;
	text += used;
	if (*text == '.') {
		for (text++; *text >= '0' && *text <= '9'; text++, scale /= 10)
			fraction += (*text - '0') * scale;
	}
	if (*text == '+' || *text == '-') {
		if (sscanf(text + 1, "%2d:%2d%n", &hours, &minutes, &used) != 2)
			return -EINVAL;
		offset = (hours * 60 + minutes) * 60 * (*text == '-' ? -1 : 1);
		text += 1 + used;
	} else if (*text == 'Z' || *text == 'z') {
		text++;
	} else {
		return -EINVAL;
	}
	if (*text)
		return -EINVAL;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	*ret_realtime_ns = ((int64_t)timegm(&tm) - offset) * NS_PER_S + fraction;
	return 0;
}
