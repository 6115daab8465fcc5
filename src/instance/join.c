/* SPDX-License-Identifier: Apache-2.0 */
/*
 * join.c - remember and find the namespaces of other instances.
 */
#include "instance/join.h"

#include "instance/internal.h"

static int set_path(struct container_config *config, enum container_namespace ns,
	struct instance *other, struct error *err)
{
	struct container_namespace_config *namespace = &config->namespaces[ns];
	const struct isolation_ops *ops = instance_isolation(other, err);
	char *path;
	int r;

	if (!ops)
		return -EINVAL;
	/* Its process on the host is in the host's. */
	if (ops->has_kernel)
		return error_set(err, EINVAL,
			"cannot join the %s namespace of instance %s, which is in a machine (--isolation %s)",
			container_namespace_files[ns], other->spec.name, ops->name);
	if (other->state.status != INSTANCE_RUNNING && other->state.status != INSTANCE_PAUSED)
		return error_set(err, EINVAL,
			"cannot join the %s namespace of instance %s: it is not running",
			container_namespace_files[ns], other->spec.name);
	r = instance_load_config(other, err);
	if (r < 0)
		return r;
	path = strf("/proc/%d/ns/%s", (int)container_member(&other->config, other->state.pid),
		container_namespace_files[ns]);
	if (!path)
		return error_oom(err);
	free(namespace->path);
	namespace->path = path;
	namespace->wanted = true;
	return 0;
}

int instance_join(struct container_config *config, enum container_namespace ns,
	struct instance *other, struct error *err)
{
	int r = set_path(config, ns, other, err);

	if (r < 0)
		return r;
	return strv_pushf(&config->annotations, INSTANCE_JOIN_PREFIX "%s=%s",
		       container_namespace_files[ns], other->id) < 0
		? error_oom(err)
		: 0;
}

static int refresh(struct instance *instance, const char *pair, struct error *err)
{
	_cleanup_instance_ struct instance other = { .dir_fd = -1 };
	const char *equals = strchr(pair, '=');
	int r;

	for (size_t ns = 0; equals && ns < CONTAINER_NS_COUNT; ns++) {
		size_t len = strlen(container_namespace_files[ns]);

		if (len != (size_t)(equals - pair) ||
			memcmp(pair, container_namespace_files[ns], len) != 0)
			continue;
		r = instance_load(&instance->roots, equals + 1, &other, err);
		if (r < 0)
			return error_prefix(
				err, "cannot join its %s namespace", container_namespace_files[ns]);
		return set_path(&instance->config, (enum container_namespace)ns, &other, err);
	}
	return error_set(err, EINVAL,
		"config.json: the annotation " INSTANCE_JOIN_PREFIX "%s names no namespace", pair);
}

int instance_refresh_joins(struct instance *instance, struct error *err)
{
	int r = 0;

	strv_for_each (annotation, instance->config.annotations) {
		const char *pair = str_after_prefix(*annotation, INSTANCE_JOIN_PREFIX);

		if (r == 0 && pair)
			r = refresh(instance, pair, err);
	}
	return r;
}
