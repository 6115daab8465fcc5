/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-cgroup-text.c - the text files of cgroups, as another kernel might write them.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "container/cgroup-ops.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *path = NULL, key[16];
	const char *value;
	uint64_t a, b;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	cgroup_parse_number(text, &a);
	cgroup_parse_keyed(text, "oom_kill", &a);
	cgroup_parse_io_v1(text, &a, &b);
	cgroup_parse_io_v2(text, &a, &b);
	if (cgroup_count_lines(text) > size)
		abort();
	if (cgroup_v2_parse_self(text, &path) == 0 && *path && *path != '/')
		abort();
	free(path);
	if (cgroup_split_unified(text, key, sizeof(key), &value, NULL) == 0 &&
		(strchr(key, '/') || !*key || value <= text || value > text + strlen(text)))
		abort();
	free(text);
	return 0;
}
