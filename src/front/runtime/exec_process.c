/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec_process.c - the process of `exec`.
 *
 * A file (--process) is taken as it stands, and the other options are left aside, as runc does:
 * that is how engines call it. Without, the container's own process gives environment, working
 * directory, user, rights and limits, and the options change them.
 */
#include "front/runtime/exec_process.h"

#include <fcntl.h>

#include "base/json.h"
#include "base/log.h"

static int replace(char **to, const char *text, struct error *err)
{
	char *copy;

	if (!text || !*text)
		return 0;
	copy = strdup(text);
	if (!copy)
		return error_oom(err);
	free(*to);
	*to = copy;
	return 0;
}

static int from_file(const char *path, struct container_process *ret, struct error *err)
{
	_cleanup_json_ json_t *document = NULL;
	int r = json_read_file(AT_FDCWD, path, JSON_DOCUMENT_MAX, &document, err);

	if (r < 0)
		return r;
	r = container_process_parse(document, ret, err);
	if (r < 0)
		return error_prefix(err, "%s", path);
	if (ret->args && ret->args[0] && ret->cwd)
		return 0;
	r = error_set(err, EINVAL, "%s: %s", path,
		ret->cwd ? "args must not be empty" : "cwd must not be empty");
	container_process_free(ret);
	return r;
}

/* "1000", "1000:50" replace numbers and keep the groups; a name is looked up inside. */
static int set_user(struct container_process *p, const char *text, struct error *err)
{
	const char *colon = strchrnul(text, ':');
	_cleanup_free_ char *name = strndup(text, (size_t)(colon - text));
	uint64_t uid, gid = p->gid;

	if (!name)
		return error_oom(err);
	if (parse_u64(name, UINT32_MAX - 1, &uid) < 0 ||
		(*colon && parse_u64(colon + 1, UINT32_MAX - 1, &gid) < 0))
		return replace(&p->user, text, err);
	p->uid = (uid_t)uid;
	p->gid = (gid_t)gid;
	return 0;
}

/* Beside the numbers, or beside the groups of the user who is looked up. */
static int add_groups(struct container_process *p, char *const *groups, struct error *err)
{
	gid_t *grown;
	uint64_t gid;

	strv_for_each (group, groups) {
		if (parse_u64(*group, UINT32_MAX - 1, &gid) < 0)
			return error_set(err, EINVAL,
				"additional-gids must be a positive number, not \"%s\"", *group);
		if (p->user) {
			if (strv_push(&p->group_names, *group) < 0)
				return error_oom(err);
			continue;
		}
		grown = reallocarray(p->groups, p->nr_groups + 1, sizeof(*grown));
		if (!grown)
			return error_oom(err);
		p->groups = grown;
		p->groups[p->nr_groups++] = (gid_t)gid;
	}
	return 0;
}

/* Ambient ones must be inheritable: only where the container has such at all. */
static int add_capabilities(struct container_process *p, char *const *names, struct error *err)
{
	strv_for_each (name, names) {
		int n = container_capability_from_name(*name);
		uint64_t bit = n < 0 ? 0 : UINT64_C(1) << n;

		if (n < 0)
			log_warning("--cap: there is no capability \"%s\"", *name);
		p->cap_bounding |= bit;
		p->cap_effective |= bit;
		p->cap_permitted |= bit;
		if (p->cap_inheritable & bit)
			p->cap_ambient |= bit;
	}
	return 0;
}

static int replace_args(struct container_process *p, char *const *args, struct error *err)
{
	char **copy;

	if (!args[0])
		return error_set(err, EINVAL, "exec args cannot be empty: there is no command");
	copy = strv_copy(args);
	if (!copy)
		return error_oom(err);
	strv_free(p->args);
	p->args = copy;
	return 0;
}

/* The last one of a name counts, as in the kernel's eyes the first would: so it replaces. */
static int add_environment(struct container_process *p, char *const *pairs, struct error *err)
{
	strv_for_each (pair, pairs) {
		size_t name = strcspn(*pair, "=");
		bool found = false;

		strv_for_each (have, p->env) {
			if (strncmp(*have, *pair, name) != 0 || (*have)[name] != '=')
				continue;
			found = true;
			if (replace((char **)have, *pair, err) < 0)
				return -ENOMEM;
		}
		if (!found && strv_push(&p->env, *pair) < 0)
			return error_oom(err);
	}
	return 0;
}

static int change(const struct exec_options *o, char *const *args, struct container_process *p,
	struct error *err)
{
	int r;

	if (o->cwd && *o->cwd && *o->cwd != '/')
		return error_set(err, EINVAL, "Cwd must be an absolute path, not \"%s\"", o->cwd);
	if ((r = replace_args(p, args, err)) < 0 || (r = replace(&p->cwd, o->cwd, err)) < 0 ||
		(r = replace(&p->apparmor_profile, o->apparmor, err)) < 0 ||
		(r = replace(&p->selinux_label, o->process_label, err)) < 0 ||
		(r = add_environment(p, o->env, err)) < 0 ||
		(r = add_capabilities(p, o->capabilities, err)) < 0 ||
		(o->user && *o->user && (r = set_user(p, o->user, err)) < 0) ||
		(r = add_groups(p, o->additional_gids, err)) < 0)
		return r;
	p->terminal = o->terminal;
	if (o->no_new_privileges >= 0)
		p->no_new_privileges = o->no_new_privileges;
	return 0;
}

int exec_build_process(const struct exec_options *o, struct container_config *config,
	char *const *args, struct container_process *ret, struct error *err)
{
	int r;

	if (o->process_file && *o->process_file)
		return from_file(o->process_file, ret, err);
	r = change(o, args, &config->process, err);
	if (r < 0)
		return r;
	*ret = config->process;
	config->process = (struct container_process){ 0 };
	return 0;
}
