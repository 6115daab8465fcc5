/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config-check.c - what must be true between the members of a configuration that others wrote
 * (runtime-spec config.md, config-linux.md). The form of each is config-parse*.c's business, what
 * only the host can tell that of whoever applies it.
 */
#include "container/container.h"

#include "base/str.h"

static int need_namespace(const struct container_config *c, enum container_namespace which,
	bool asked, const char *field, const char *type, struct error *err)
{
	if (!asked || c->namespaces[which].wanted)
		return 0;
	return error_set(err, EINVAL,
		"config.json: %s needs a %s namespace, and linux.namespaces has none", field, type);
}

static int check_namespaces(const struct container_config *c, struct error *err)
{
	const struct userns_maps *maps = &c->id_maps;
	int r;

	if ((r = need_namespace(c, CONTAINER_NS_UTS, c->hostname && *c->hostname, "hostname", "uts",
		     err)) < 0 ||
		(r = need_namespace(c, CONTAINER_NS_UTS, c->domainname && *c->domainname,
			 "domainname", "uts", err)) < 0 ||
		(r = need_namespace(c, CONTAINER_NS_USER, maps->nr_uid || maps->nr_gid,
			 "linux.uidMappings", "user", err)) < 0 ||
		(r = need_namespace(c, CONTAINER_NS_TIME, c->has_time_offsets, "linux.timeOffsets",
			 "time", err)) < 0 ||
		(r = need_namespace(c, CONTAINER_NS_NETWORK, c->nr_net_devices > 0,
			 "linux.netDevices", "network", err)) < 0)
		return r;
	if (c->has_time_offsets && c->namespaces[CONTAINER_NS_TIME].path)
		return error_set(err, EINVAL,
			"config.json: linux.timeOffsets cannot be set in a time namespace that is joined");
	return 0;
}

static int check_absolute(char *const *paths, const char *field, struct error *err)
{
	strv_for_each (path, paths)
		if (**path != '/')
			return error_set(err, EINVAL, "config.json: %s: \"%s\" is not absolute",
				field, *path);
	return 0;
}

int container_config_check(const struct container_config *config, struct error *err)
{
	int r = check_namespaces(config, err);

	if (r == 0)
		r = check_absolute(config->masked_paths, "linux.maskedPaths", err);
	if (r == 0)
		r = check_absolute(config->readonly_paths, "linux.readonlyPaths", err);
	if (r < 0)
		return r;
	if (config->process.args && (!config->process.cwd || !*config->process.cwd))
		return error_set(err, EINVAL, "config.json: process.cwd is missing");
	return 0;
}
