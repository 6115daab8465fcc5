/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bundle.c - config.json as an OCI runtime gets it: checked for its version, its paths resolved.
 */
#include "front/runtime/bundle.h"

#include <sched.h>

#include "base/io.h"
#include "base/json.h"

/* runtime-spec config.md "Specification version": SemVer; we know the first major one. */
static int check_version(const json_t *document, struct error *err)
{
	const char *version = NULL;
	unsigned major, minor, patch;
	int r = json_get_string(document, "ociVersion", &version, "config.json", err);

	if (r < 0)
		return r;
	if (!version)
		return error_set(err, EINVAL, "config.json: ociVersion is missing");
	if (sscanf(version, "%9u.%9u.%9u", &major, &minor, &patch) != 3)
		return error_set(err, EINVAL,
			"config.json: ociVersion \"%s\" is no version of the form 1.2.0", version);
	if (major != 1)
		return error_set(err, ENOTSUP,
			"config.json: ociVersion is %s; strata reads versions 1.x", version);
	return 0;
}

static int make_absolute(char **path, const char *bundle, struct error *err)
{
	char *absolute;

	if (!*path || **path == '/')
		return 0;
	absolute = strf("%s/%s", bundle, *path);
	if (!absolute)
		return error_oom(err);
	free(*path);
	*path = absolute;
	return 0;
}

static bool is_bind(const struct container_mount *mount)
{
	return (mount->type && streq(mount->type, "bind")) ||
		strv_contains(mount->options, "bind") || strv_contains(mount->options, "rbind");
}

static int resolve_paths(struct container_config *config, const char *bundle, struct error *err)
{
	int r = make_absolute(&config->rootfs.path, bundle, err);

	for (size_t i = 0; i < config->nr_mounts && r == 0; i++)
		if (is_bind(&config->mounts[i]))
			r = make_absolute(&config->mounts[i].source, bundle, err);
	return r;
}

int bundle_load(int dir_fd, const char *bundle, struct container_config *ret, char **ret_text,
	struct error *err)
{
	_cleanup_json_ json_t *document = NULL;
	_cleanup_free_ char *text = NULL;
	struct container_config config;
	size_t len;
	int r;

	r = io_read_file(dir_fd, "config.json", JSON_DOCUMENT_MAX, &text, &len, err);
	if (r < 0)
		return error_prefix(err, "bundle %s", bundle);
	r = json_parse(text, len, "config.json", &document, err);
	if (r == 0)
		r = check_version(document, err);
	if (r == 0)
		r = container_config_parse(document, &config, err);
	if (r < 0)
		return r;
	r = container_config_check(&config, err);
	if (r == 0)
		r = resolve_paths(&config, bundle, err);
	if (r == 0)
		r = container_config_allow_default_devices(&config, err);
	if (r == 0)
		r = bundle_find_foreign(&config, err);
	if (r < 0) {
		container_config_free(&config);
		return r;
	}
	*ret = config;
	if (ret_text)
		*ret_text = steal_ptr(&text);
	return 0;
}

int bundle_choose_cgroup(struct runtime *runtime, const char *id, struct container_config *config,
	bool *ret_given, struct error *err)
{
	char *wanted = steal_ptr(&config->cgroup_path);
	uint32_t policy = config->process.scheduler.policy;
	bool given = wanted && *wanted;
	int r = 0;

	/* `docker stats` finds its numbers through /proc/PID/cgroup. */
	config->limits.count_all = true;
	config->limits.realtime = policy == SCHED_FIFO || policy == SCHED_RR;
	if (runtime->cgroup_manager != RUNTIME_NO_CGROUP)
		r = cgroup_place(given ? wanted : NULL, id,
			runtime->cgroup_manager == RUNTIME_SYSTEMD, &config->cgroup_path,
			&config->cgroup_unit, err);
	if (r == 0)
		r = cgroup_unit_read_annotations(&config->cgroup_unit, config->annotations, err);
	free(wanted);
	*ret_given = given;
	return r;
}
