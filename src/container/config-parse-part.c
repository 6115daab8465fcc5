/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config-parse-part.c - the limits of config.json when they come alone (`update --resources`): put
 * where they belong in a document, and read as such.
 */
#include "container/container.h"

int container_limits_parse(const json_t *resources, struct cgroup_limits *ret, struct error *err)
{
	_cleanup_json_ json_t *document = json_pack(
		"{s:{s:s}, s:{s:O}}", "root", "path", "/", "linux", "resources", resources);
	struct container_config config;
	int r;

	if (!document)
		return error_oom(err);
	r = container_config_parse(document, &config, err);
	if (r < 0)
		return r;
	*ret = config.limits;
	cgroup_limits_init(&config.limits);
	container_config_free(&config);
	return 0;
}
