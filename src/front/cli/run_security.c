/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_security.c - capabilities, --security-opt and --privileged.
 */
#include "front/cli/run_options.h"

#include <strings.h>

#include "base/io.h"
#include "container/container.h"

#define PROFILE_MAX (1u << 20) /* bytes of a seccomp profile */

static int parse_capability(const char *name, const char *option, uint64_t *ret, struct error *err)
{
	int bit;

	if (strcasecmp(name, "ALL") == 0) {
		*ret = container_capabilities_all();
		return 0;
	}
	bit = container_capability_from_name(name);
	if (bit < 0)
		return error_set(
			err, EINVAL, "invalid %s: unknown capability: \"%s\"", option, name);
	*ret = UINT64_C(1) << bit;
	return 0;
}

static int collect(
	char *const *names, const char *option, uint64_t *ret, bool *ret_all, struct error *err)
{
	*ret = 0;
	*ret_all = false;
	strv_for_each (name, names) {
		uint64_t bits = 0;
		int r = parse_capability(*name, option, &bits, err);

		if (r < 0)
			return r;
		*ret |= bits;
		*ret_all |= strcasecmp(*name, "ALL") == 0;
	}
	return 0;
}

/* Docker's order: ALL is the base, the other list is applied to it (oci/caps). */
static int build_capabilities(
	const struct run_request *request, struct run_plan *plan, struct error *err)
{
	struct container_process *p = &plan->config.process;
	uint64_t add, drop, set = container_capabilities_default();
	bool add_all, drop_all;
	int r = collect(request->options->cap_add, "--cap-add", &add, &add_all, err);

	if (r == 0)
		r = collect(request->options->cap_drop, "--cap-drop", &drop, &drop_all, err);
	if (r < 0)
		return r;
	if (request->options->privileged)
		set = container_capabilities_all();
	if (add_all)
		set = drop_all ? add : add & ~drop;
	else if (drop_all)
		set = add;
	else
		set = (set & ~drop) | add;
	p->cap_bounding = set;
	p->cap_permitted = set;
	p->cap_effective = set;
	p->cap_inheritable = 0;
	p->cap_ambient = 0;
	return 0;
}

static int set_seccomp(struct run_plan *plan, const char *value, struct error *err)
{
	struct seccomp_choice *choice = &plan->config.seccomp;
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r;

	free(choice->profile);
	choice->profile = NULL;
	if (streq(value, "unconfined")) {
		choice->kind = SECCOMP_UNCONFINED;
		return 0;
	}
	if (streq(value, "builtin") || streq(value, "default")) {
		choice->kind = SECCOMP_DEFAULT;
		return 0;
	}
	r = io_read_file(AT_FDCWD, value, PROFILE_MAX, &text, &len, err);
	if (r == 0)
		r = seccomp_profile_normalize(text, len, plan->config.translate,
			plan->config.process.cap_bounding, &choice->profile, err);
	if (r < 0)
		return error_prefix(err, "seccomp profile %s", value);
	choice->kind = SECCOMP_CUSTOM;
	return 0;
}

static void show_system_paths(struct run_plan *plan)
{
	plan->config.masked_paths = strv_free(plan->config.masked_paths);
	plan->config.readonly_paths = strv_free(plan->config.readonly_paths);
}

static int set_security(struct run_plan *plan, const char *option, struct error *err)
{
	const char *value = option + strcspn(option, "=:");
	size_t len = (size_t)(value - option);

	value += *value != '\0';
	if (len == 17 && memcmp(option, "no-new-privileges", len) == 0) {
		if (!*value || streq(value, "true"))
			plan->config.process.no_new_privileges = true;
		else if (!streq(value, "false"))
			return error_set(err, EINVAL,
				"invalid --security-opt \"%s\": must be true or false", option);
		return 0;
	}
	if (len == 7 && memcmp(option, "seccomp", len) == 0 && *value)
		return set_seccomp(plan, value, err);
	if (len == 11 && memcmp(option, "systempaths", len) == 0 && streq(value, "unconfined")) {
		show_system_paths(plan);
		return 0;
	}
	if ((len == 8 && memcmp(option, "apparmor", len) == 0) ||
		(len == 5 && memcmp(option, "label", len) == 0))
		return error_set(err, ENOTSUP,
			"--security-opt %s: strata does not use AppArmor or SELinux", option);
	return error_set(err, EINVAL,
		"invalid --security-opt \"%s\": there are seccomp=FILE|unconfined, no-new-privileges and systempaths=unconfined",
		option);
}

/* sysfs and cgroups, read-only by default, become writable. */
static int open_mounts(struct run_plan *plan, struct error *err)
{
	for (size_t i = 0; i < plan->config.nr_mounts; i++) {
		struct container_mount *m = &plan->config.mounts[i];

		if (!m->type ||
			(!streq(m->type, "sysfs") && !streq(m->type, "cgroup") &&
				!streq(m->type, "cgroup2")))
			continue;
		strv_for_each (word, m->options) {
			if (!streq(*word, "ro"))
				continue;
			free(*(char **)word);
			*(char **)word = strdup("rw");
			if (!*word)
				return error_oom(err);
		}
	}
	return 0;
}

int run_build_security(const struct run_request *request, struct run_plan *plan, struct error *err)
{
	int r = build_capabilities(request, plan, err);

	if (r < 0)
		return r;
	if (request->options->privileged) {
		plan->config.seccomp.kind = SECCOMP_UNCONFINED;
		show_system_paths(plan);
		r = open_mounts(plan, err);
	}
	strv_for_each (option, request->options->security)
		if (r == 0)
			r = set_security(plan, *option, err);
	plan->config.rootfs.read_only = request->options->read_only;
	return r;
}
