/* SPDX-License-Identifier: Apache-2.0 */
/*
 * show.h - times, answers and JSON as the listing verbs show them.
 */
#pragma once

#include "base/json.h"

#define SHOW_TIME_MAX 64

/* "2006-01-02 15:04:05 +0100 CET", or "" for 0 (unknown). Returns buf. */
const char *show_time(char buf[SHOW_TIME_MAX], int64_t realtime_ns);

/* "5 minutes ago", or "N/A" for 0. Returns buf. */
const char *show_age(char buf[SHOW_TIME_MAX], int64_t realtime_ns);

/* RFC 3339 as a JSON string; 0 is Go's zero time. */
json_t *show_json_time(int64_t realtime_ns);

/* "KEY=VALUE" strings as an object. NULL when memory ran out. */
json_t *show_json_map(char *const *pairs);
json_t *show_json_strv(char *const *v);
/* "a=b,c=d" */
char *show_labels(char *const *labels);

/* Print `warning` and ask; true for an answer that begins with y or Y. */
bool show_confirm(const char *warning);

/* A point in time as Docker's --since and --until take it: RFC 3339 (also a date or a local time
 * without a zone), seconds since 1970 with an optional fraction, or a duration before now. */
int show_parse_time(const char *text, int64_t *ret_ns, struct error *err);
