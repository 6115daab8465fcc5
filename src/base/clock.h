/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock.h - time as the rest of strata uses it: nanoseconds in an int64_t, RFC 3339 in text.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Enough for "2006-01-02T15:04:05.999999999Z" and its NUL. */
#define CLOCK_TEXT_MAX 32

int64_t clock_realtime_ns(void);
int64_t clock_monotonic_ns(void);

/* RFC 3339 in UTC with nanoseconds, as Docker writes times. buf holds CLOCK_TEXT_MAX bytes. */
void clock_format(char buf[CLOCK_TEXT_MAX], int64_t realtime_ns);

/* RFC 3339 with any zone offset and up to nine fraction digits. 0 or -EINVAL. */
int clock_parse(const char *text, int64_t *ret_realtime_ns);
