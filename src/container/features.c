/* SPDX-License-Identifier: Apache-2.0 */
/*
 * features.c - the words that config.json may use here, out of the tables that read them.
 */
#include "container/config-fields.h"
#include "container/mount-options.h"
#include "container/seccomp-profile.h"

#include "base/str.h"

static int list_array(const char *const *names, size_t count, char ***v)
{
	for (size_t i = 0; i < count; i++)
		if (strv_push(v, names[i]) < 0)
			return -ENOMEM;
	return 0;
}

static int list_capabilities(char ***v)
{
	const char *name;

	for (int n = 0; (name = container_capability_name(n)); n++)
		if (strv_push(v, name) < 0)
			return -ENOMEM;
	return 0;
}

static int list(enum container_feature feature, char ***v)
{
	switch (feature) {
	case CONTAINER_FEATURE_HOOKS:
		return list_array(config_hook_names, CONTAINER_HOOK_COUNT, v);
	case CONTAINER_FEATURE_NAMESPACES:
		return list_array(config_namespace_names, CONTAINER_NS_COUNT, v);
	case CONTAINER_FEATURE_CAPABILITIES:
		return list_capabilities(v);
	case CONTAINER_FEATURE_MOUNT_OPTIONS:
		return mount_options_list(v);
	case CONTAINER_FEATURE_SECCOMP_ACTIONS:
		return seccomp_list_actions(v);
	case CONTAINER_FEATURE_SECCOMP_OPERATORS:
		return seccomp_list_operators(v);
	case CONTAINER_FEATURE_SECCOMP_FLAGS:
		return seccomp_list_flags(v);
	case CONTAINER_FEATURE_SECCOMP_ARCHS:
		return seccomp_list_archs(v);
	}
	return -EINVAL;
}

int container_feature_words(enum container_feature feature, char ***ret, struct error *err)
{
	_cleanup_strv_ char **words = NULL;

	if (list(feature, &words) < 0)
		return error_oom(err);
	*ret = steal_ptr(&words);
	return 0;
}
