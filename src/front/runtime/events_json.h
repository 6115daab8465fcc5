/* SPDX-License-Identifier: Apache-2.0 */
/*
 * events_json.h - what `events` prints: one JSON object a line, with runc's names.
 */
#pragma once

#include "container/cgroup-stats.h"

/* {"type":"stats","id":ID,"data":{...}}; NULL when memory ran out. The caller's. */
char *events_format_stats(const char *id, const struct cgroup_full_stats *stats);

/* {"type":"oom","id":ID} */
char *events_format_oom(const char *id);
