/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_platform.c - whose programs can run here: this machine's by its CPU, some others' translated.
 */
#include "front/cli/run_platform.h"

#include <limits.h>

#include "base/process.h"
#include "base/translator.h"
#include "container/container.h"

static bool has_translator(void)
{
	char path[PATH_MAX];

	return process_helper_path(TRANSLATOR_PROGRAM, path, sizeof(path), NULL) == 0;
}

int run_platform_translated(size_t index, struct image_platform *ret)
{
	const char *architecture = container_translated(index);

	if (!architecture || !has_translator())
		return -ENOENT;
	*ret = (struct image_platform){ .os = "linux" };
	snprintf(ret->architecture, sizeof(ret->architecture), "%s", architecture);
	return 0;
}

const char *run_platform_needs_translation(const struct image_platform *platform)
{
	struct image_platform host, other;

	if (image_platform_parse(NULL, &host, NULL) == 0 && image_platform_matches(&host, platform))
		return NULL;
	for (size_t i = 0; run_platform_translated(i, &other) == 0; i++)
		if (image_platform_matches(&other, platform))
			return container_translated(i);
	return NULL;
}

char *run_platform_describe_all(void)
{
	struct image_platform platform;
	struct str list = { 0 };
	char text[64];

	if (image_platform_parse(NULL, &platform, NULL) == 0) {
		image_platform_format(&platform, text, sizeof(text));
		str_append(&list, text);
	}
	for (size_t i = 0; run_platform_translated(i, &platform) == 0; i++) {
		image_platform_format(&platform, text, sizeof(text));
		str_appendf(&list, ", and %s by translation", text);
	}
	return str_finish(&list);
}
