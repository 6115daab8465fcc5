/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp-json.c - profiles of the user's own: Docker's format and the runtime-spec's.
 *
 * Docker's profile is the runtime-spec's object (config-linux.md, "seccomp") with two additions:
 * rules that apply only with or without capabilities, architectures or kernel versions (`includes`,
 * `excludes`), and `archMap` in place of `architectures`. Normalising evaluates these for one
 * container, so that config.json holds what any runtime understands.
 *
 * The text is the user's own, yet every count is bounded.
 */
#include <assert.h>
#include <errno.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/str.h"
#include "container/container.h"
#include "container/seccomp-profile.h"

#define WHAT "seccomp profile"

#define RULES_MAX 4096 /* objects in "syscalls" */
#define ERRNO_MAX 4095 /* MAX_ERRNO of the kernel */

static const struct {
	const char *name;
	uint32_t action;
	bool takes_number; /* errnoRet */
} actions[] = {
	{ "SCMP_ACT_ALLOW", SECCOMP_RET_ALLOW, false },
	{ "SCMP_ACT_ERRNO", SECCOMP_RET_ERRNO, true },
	{ "SCMP_ACT_KILL", SECCOMP_RET_KILL_THREAD, false },
	{ "SCMP_ACT_KILL_THREAD", SECCOMP_RET_KILL_THREAD, false },
	{ "SCMP_ACT_KILL_PROCESS", SECCOMP_RET_KILL_PROCESS, false },
	{ "SCMP_ACT_LOG", SECCOMP_RET_LOG, false },
	{ "SCMP_ACT_NOTIFY", SECCOMP_RET_USER_NOTIF, false },
	{ "SCMP_ACT_TRAP", SECCOMP_RET_TRAP, false },
	{ "SCMP_ACT_TRACE", SECCOMP_RET_TRACE, true },
};

static const char *const op_names[] = {
	[SECCOMP_OP_NE] = "SCMP_CMP_NE",
	[SECCOMP_OP_LT] = "SCMP_CMP_LT",
	[SECCOMP_OP_LE] = "SCMP_CMP_LE",
	[SECCOMP_OP_EQ] = "SCMP_CMP_EQ",
	[SECCOMP_OP_GE] = "SCMP_CMP_GE",
	[SECCOMP_OP_GT] = "SCMP_CMP_GT",
	[SECCOMP_OP_MASKED_EQ] = "SCMP_CMP_MASKED_EQ",
};
static_assert(ARRAY_SIZE(op_names) == SECCOMP_OP_COUNT, "an operator has no name");

static const struct {
	const char *name;
	unsigned flag;
} flag_names[] = {
	/* "All threads": there is only the one that will execute the command. */
	{ "SECCOMP_FILTER_FLAG_TSYNC", 0 },
	{ "SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG },
	{ "SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW },
	{ "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV },
};

/* --- reading one member ----------------------------------------------------------------------- */

static int parse_action(
	const char *name, int64_t errno_ret, uint32_t *ret, const char *what, struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
		if (!streq(actions[i].name, name))
			continue;
		if (errno_ret >= 0 && !actions[i].takes_number)
			return error_set(err, EINVAL, "%s: %s takes no errnoRet", what, name);
		if (errno_ret > ERRNO_MAX)
			return error_set(err, EINVAL, "%s: errnoRet %lld is above %d", what,
				(long long)errno_ret, ERRNO_MAX);
		*ret = actions[i].action;
		/* runtime-spec: "if not specified, its default value is EPERM". */
		if (actions[i].takes_number)
			*ret |= errno_ret < 0 ? EPERM : (uint32_t)errno_ret;
		return 0;
	}
	return error_set(err, EINVAL, "%s: unknown action '%s'", what, name);
}

static int get_action(const json_t *object, const char *action_field, const char *errno_field,
	uint32_t *ret, const char *what, struct error *err)
{
	const char *name = NULL;
	int64_t errno_ret = -1;
	int r = json_get_string(object, action_field, &name, what, err);

	if (r == 0)
		r = json_get_int(object, errno_field, &errno_ret, what, err);
	if (r < 0)
		return r;
	if (!name)
		return error_set(err, EINVAL, "%s has no \"%s\"", what, action_field);
	if (errno_ret < -1)
		return error_set(err, EINVAL, "%s: %s is negative", what, errno_field);
	return parse_action(name, errno_ret, ret, what, err);
}

static int parse_condition(
	const json_t *object, struct seccomp_condition *ret, const char *what, struct error *err)
{
	const char *op = NULL;
	int64_t index = -1;
	int r;

	if (!json_is_object(object))
		return error_set(err, EINVAL, "%s is not an object", what);
	r = json_get_int(object, "index", &index, what, err);
	if (r == 0)
		r = json_get_string(object, "op", &op, what, err);
	if (r == 0)
		r = json_get_u64(object, "value", &ret->value, what, err);
	if (r == 0)
		r = json_get_u64(object, "valueTwo", &ret->value_two, what, err);
	if (r < 0)
		return r;
	if (index < 0 || index >= SECCOMP_ARGS_MAX)
		return error_set(err, EINVAL, "%s: an argument's index is from 0 to 5", what);
	ret->arg = (uint8_t)index;
	for (size_t i = 0; op && i < ARRAY_SIZE(op_names); i++) {
		if (streq(op_names[i], op)) {
			ret->op = (enum seccomp_op)i;
			return 0;
		}
	}
	return error_set(err, EINVAL, "%s: unknown comparison '%s'", what, op ? op : "");
}

/* --- a resolved profile -> program ------------------------------------------------------------ */

static int add_conditions(struct seccomp_profile *profile, const char *name, uint32_t action,
	const struct seccomp_condition *conditions, size_t count, struct error *err)
{
	bool same_arg = false;
	int r = 0;

	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < i; k++)
			same_arg |= conditions[i].arg == conditions[k].arg;
	if (!same_arg)
		return seccomp_profile_add(profile, name, action, conditions, count, err);
	/* As runc: several comparisons of one argument are alternatives, each a rule. */
	for (size_t i = 0; i < count && r == 0; i++)
		r = seccomp_profile_add(profile, name, action, &conditions[i], 1, err);
	return r;
}

static int parse_conditions(const json_t *rule, struct seccomp_condition ret[SECCOMP_ARGS_MAX],
	size_t *ret_count, const char *what, struct error *err)
{
	json_t *args = NULL, *arg;
	char place[96];
	size_t i;
	int r = json_get_array(rule, "args", &args, what, err);

	if (r < 0)
		return r;
	if (json_array_size(args) > SECCOMP_ARGS_MAX)
		return error_set(err, EINVAL, "%s has more than 6 \"args\"", what);
	json_array_foreach (args, i, arg) {
		snprintf(place, sizeof(place), "%s.args[%zu]", what, i);
		r = parse_condition(arg, &ret[i], place, err);
		if (r < 0)
			return r;
	}
	*ret_count = json_array_size(args);
	return 0;
}

static int add_rule(
	struct seccomp_profile *profile, const json_t *rule, size_t index, struct error *err)
{
	struct seccomp_condition conditions[SECCOMP_ARGS_MAX] = { 0 };
	_cleanup_strv_ char **names = NULL;
	uint32_t action = 0;
	size_t count = 0;
	char what[64];
	int r;

	snprintf(what, sizeof(what), WHAT ": syscalls[%zu]", index);
	if (!json_is_object(rule))
		return error_set(err, EINVAL, "%s is not an object", what);
	r = get_action(rule, "action", "errnoRet", &action, what, err);
	if (r == 0)
		r = json_get_strv(rule, "names", &names, what, err);
	if (r == 0)
		r = parse_conditions(rule, conditions, &count, what, err);
	if (r < 0)
		return r;
	if (!names)
		return error_set(err, EINVAL, "%s has no \"names\"", what);
	if (action == SECCOMP_RET_USER_NOTIF)
		profile->notifies = true;
	strv_for_each (name, names) {
		r = add_conditions(profile, *name, action, conditions, count, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int parse_arches(const json_t *object, struct seccomp_profile *profile, struct error *err)
{
	_cleanup_strv_ char **names = NULL;
	int r = json_get_strv(object, "architectures", &names, WHAT, err);

	if (r < 0)
		return r;
	/* The programs' own, also where it is not named: libseccomp, and so every other runtime,
	 * has it so, and configurations count on it (the runtime-spec's example names i386 alone).
	 */
	profile->arches[0] = true;
	strv_for_each (name, names) {
		if (!seccomp_arch_known(*name))
			return error_set(err, EINVAL, WHAT ": unknown architecture '%s'", *name);
		for (size_t i = 0; profile->target->arches[i].name; i++)
			profile->arches[i] |= streq(*name, profile->target->arches[i].name);
	}
	return 0;
}

static int parse_flags(const json_t *object, unsigned *ret, struct error *err)
{
	_cleanup_strv_ char **names = NULL;
	int r = json_get_strv(object, "flags", &names, WHAT, err);

	if (r < 0)
		return r;
	/* runc's default where a profile has no "flags": a filter is no reason to switch off
	 * speculation for the container. */
	*ret = json_object_get(object, "flags") ? 0 : SECCOMP_FILTER_FLAG_SPEC_ALLOW;
	strv_for_each (name, names) {
		size_t i = 0;

		while (i < ARRAY_SIZE(flag_names) && !streq(flag_names[i].name, *name))
			i++;
		if (i == ARRAY_SIZE(flag_names))
			return error_set(err, ENOTSUP, WHAT ": flag '%s' is not supported", *name);
		*ret |= flag_names[i].flag;
	}
	return 0;
}

/* Whom to tell of SCMP_ACT_NOTIFY, if there is anything to tell. */
static int parse_listener(const json_t *object, const struct seccomp_profile *profile,
	struct seccomp_program *program, struct error *err)
{
	const char *path = NULL, *metadata = NULL;
	int r = json_get_string(object, "listenerPath", &path, WHAT, err);

	if (r == 0)
		r = json_get_string(object, "listenerMetadata", &metadata, WHAT, err);
	if (r < 0)
		return r;
	if (metadata && *metadata && !(path && *path))
		return error_set(err, EINVAL, WHAT ": listenerMetadata without listenerPath");
	if (!profile->notifies)
		return 0;
	if (!path || path[0] != '/')
		return error_set(err, EINVAL,
			WHAT ": SCMP_ACT_NOTIFY needs a listenerPath that is absolute");
	program->flags |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
	program->listener_path = strdup(path);
	program->listener_metadata = metadata ? strdup(metadata) : NULL;
	if (!program->listener_path || (metadata && !program->listener_metadata))
		return error_oom(err);
	return 0;
}

static int compile(const json_t *object, struct seccomp_profile *profile,
	struct seccomp_program *ret, struct error *err)
{
	json_t *rules = NULL;
	int r;

	if (!json_is_object(object))
		return error_set(err, EINVAL, WHAT " is not a JSON object");
	r = get_action(
		object, "defaultAction", "defaultErrnoRet", &profile->default_action, WHAT, err);
	if (r == 0)
		r = parse_arches(object, profile, err);
	if (r == 0)
		r = parse_flags(object, &ret->flags, err);
	if (r == 0)
		r = json_get_array(object, "syscalls", &rules, WHAT, err);
	if (r == 0 && json_array_size(rules) > RULES_MAX)
		r = error_set(err, E2BIG, WHAT ": more than %d rules", RULES_MAX);
	if (r == 0)
		r = seccomp_profile_begin(profile, err);
	profile->notifies = profile->default_action == SECCOMP_RET_USER_NOTIF;
	for (size_t i = 0; r == 0 && i < json_array_size(rules); i++)
		r = add_rule(profile, json_array_get(rules, i), i, err);
	if (r == 0)
		r = parse_listener(object, profile, ret, err);
	if (!profile->notifies)
		ret->flags &= ~(unsigned)SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
	return r;
}

int seccomp_json_compile(const json_t *object, const struct seccomp_target *target,
	struct seccomp_program *ret, struct error *err)
{
	struct seccomp_program program = { .owned = true };
	struct seccomp_profile profile = { .target = target };
	int r = compile(object, &profile, &program, err);

	if (r == 0)
		r = seccomp_profile_compile(&profile, &program.instructions, &program.count, err);
	seccomp_profile_free(&profile);
	if (r < 0) {
		seccomp_program_free(&program);
		return r;
	}
	*ret = program;
	return 0;
}

/* --- Docker's format -> the runtime-spec's ---------------------------------------------------- */

/* "4.8" against the running kernel's release. */
static int kernel_at_least(const char *version, bool *ret, struct error *err)
{
	unsigned want[2], have[2];
	struct utsname uts;
	char end;

	if (sscanf(version, "%u.%u%c", &want[0], &want[1], &end) != 2)
		return error_set(err, EINVAL, WHAT ": minKernel '%s' is not MAJOR.MINOR", version);
	if (uname(&uts) < 0 || sscanf(uts.release, "%u.%u", &have[0], &have[1]) != 2)
		return error_set(err, EINVAL, "cannot read the kernel's version");
	*ret = have[0] > want[0] || (have[0] == want[0] && have[1] >= want[1]);
	return 0;
}

/* Whom a profile is normalised for. */
struct subject {
	const struct seccomp_target *target;
	uint64_t capabilities;
};

static bool holds(uint64_t capabilities, const char *name)
{
	int c = container_capability_from_name(name);

	return c >= 0 && ((capabilities >> c) & 1);
}

/* Do the conditions of an "includes" or "excludes" object hold? `all` for includes (every one
 * must), any for excludes. */
static int match_filter(
	const json_t *filter, const struct subject *subject, bool all, bool *ret, struct error *err)
{
	_cleanup_strv_ char **caps = NULL, **arches = NULL;
	const char *kernel = NULL;
	bool hit = all, recent = true;
	int r = json_get_strv(filter, "caps", &caps, WHAT, err);

	if (r == 0)
		r = json_get_strv(filter, "arches", &arches, WHAT, err);
	if (r == 0)
		r = json_get_string(filter, "minKernel", &kernel, WHAT, err);
	if (r == 0 && kernel && *kernel)
		r = kernel_at_least(kernel, &recent, err);
	if (r < 0)
		return r;
	if (arches && strv_contains(arches, subject->target->docker_arch) != all)
		hit = !all;
	strv_for_each (cap, caps) {
		if (holds(subject->capabilities, *cap) != all)
			hit = !all;
	}
	if (kernel && *kernel && recent != all)
		hit = !all;
	*ret = hit;
	return 0;
}

static int rule_applies(
	const json_t *rule, const struct subject *subject, bool *ret, struct error *err)
{
	json_t *includes = NULL, *excludes = NULL;
	bool included = true, excluded = false;
	int r = json_get_object(rule, "includes", &includes, WHAT, err);

	if (r == 0)
		r = json_get_object(rule, "excludes", &excludes, WHAT, err);
	if (r == 0 && excludes)
		r = match_filter(excludes, subject, false, &excluded, err);
	if (r == 0 && includes)
		r = match_filter(includes, subject, true, &included, err);
	*ret = included && !excluded;
	return r;
}

/* One rule with what the runtime-spec knows: names, action, errnoRet, args. */
static int copy_rule(json_t *rules, const json_t *rule, struct error *err)
{
	static const char *const fields[] = { "action", "errnoRet", "args" };
	json_t *copy = json_object(), *names = json_object_get(rule, "names");
	const json_t *name = json_object_get(rule, "name");
	int failed = !copy;

	/* The format before Docker 17.05 had one "name". */
	if (json_is_string(name) && *json_string_value(name)) {
		if (json_array_size(names) > 0) {
			json_decref(copy);
			return error_set(
				err, EINVAL, WHAT ": a rule has both \"name\" and \"names\"");
		}
		failed |= json_object_set_new(copy, "names", json_pack("[O]", name));
	} else if (names) {
		failed |= json_object_set(copy, "names", names);
	}
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		json_t *v = json_object_get(rule, fields[i]);

		if (v && !json_is_null(v))
			failed |= json_object_set(copy, fields[i], v);
	}
	failed |= json_array_append_new(rules, copy);
	return failed ? error_oom(err) : 0;
}

static int copy_rules(
	const json_t *profile, const struct subject *subject, json_t *result, struct error *err)
{
	json_t *rules = NULL, *kept = json_array();
	int r = kept && json_object_set_new(result, "syscalls", kept) == 0 ? 0 : error_oom(err);

	if (r == 0)
		r = json_get_array(profile, "syscalls", &rules, WHAT, err);
	if (r == 0 && json_array_size(rules) > RULES_MAX)
		r = error_set(err, E2BIG, WHAT ": more than %d rules", RULES_MAX);
	for (size_t i = 0; r == 0 && i < json_array_size(rules); i++) {
		const json_t *rule = json_array_get(rules, i);
		bool wanted = false;

		if (!json_is_object(rule))
			return error_set(err, EINVAL, WHAT ": syscalls[%zu] is not an object", i);
		r = rule_applies(rule, subject, &wanted, err);
		if (r == 0 && wanted)
			r = copy_rule(kept, rule, err);
	}
	return r;
}

/* The archMap entry of our programs' architecture, and the subordinate ones. */
static int copy_arch_map(
	const json_t *map, const struct subject *subject, json_t *result, struct error *err)
{
	json_t *arches = json_array();
	int failed = !arches || json_object_set_new(result, "architectures", arches) < 0;

	for (size_t i = 0; !failed && i < json_array_size(map); i++) {
		const json_t *entry = json_array_get(map, i);
		const json_t *sub = json_object_get(entry, "subArchitectures");
		const char *name = NULL;
		int r;

		if (!json_is_object(entry))
			return error_set(
				err, EINVAL, WHAT ": a member of \"archMap\" is not an object");
		r = json_get_string(entry, "architecture", &name, WHAT, err);
		if (r < 0)
			return r;
		if (!name || !streq(name, subject->target->arches[0].name))
			continue;
		failed |= json_array_append_new(arches, json_string(name));
		for (size_t k = 0; k < json_array_size(sub); k++)
			failed |= json_array_append(arches, json_array_get(sub, k));
		break;
	}
	/* None for it is the same as none at all. */
	if (json_array_size(arches) == 0)
		json_object_del(result, "architectures");
	return failed ? error_oom(err) : 0;
}

static int normalize(
	const json_t *profile, const struct subject *subject, json_t *result, struct error *err)
{
	static const char *const fields[] = { "defaultAction", "defaultErrnoRet", "flags" };
	json_t *arches = NULL, *map = NULL;
	int r;

	if (!json_is_object(profile))
		return error_set(err, EINVAL, WHAT " is not a JSON object");
	/* An agent is told of a container by its bundle (config-linux.md, "The Container Process
	 * State"), which is an OCI runtime's. */
	if (json_string_length(json_object_get(profile, "listenerPath")))
		return error_set(err, ENOTSUP,
			WHAT ": \"listenerPath\" is for configurations of an OCI runtime");
	r = json_get_array(profile, "architectures", &arches, WHAT, err);
	if (r == 0)
		r = json_get_array(profile, "archMap", &map, WHAT, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		json_t *v = json_object_get(profile, fields[i]);

		if (v && !json_is_null(v) && json_object_set(result, fields[i], v) < 0)
			return error_oom(err);
	}
	if (json_array_size(arches) > 0 && json_array_size(map) > 0)
		return error_set(
			err, EINVAL, WHAT ": it has both \"architectures\" and \"archMap\"");
	if (json_array_size(map) > 0)
		r = copy_arch_map(map, subject, result, err);
	else if (json_array_size(arches) > 0 &&
		json_object_set(result, "architectures", arches) < 0)
		r = error_oom(err);
	return r < 0 ? r : copy_rules(profile, subject, result, err);
}

int seccomp_profile_normalize(const char *text, size_t len, const char *translated,
	uint64_t capabilities, char **ret, struct error *err)
{
	const struct subject subject = {
		.target = translated ? seccomp_target_translated(translated) : &seccomp_native,
		.capabilities = capabilities,
	};
	_cleanup_json_ json_t *profile = NULL;
	_cleanup_json_ json_t *result = json_object();
	struct seccomp_program program = { 0 };
	struct json_writer w = { 0 };
	char *out;
	int r = result ? 0 : error_oom(err);

	if (r == 0 && !subject.target)
		r = error_set(err, EINVAL, "no programs for %s are translated", translated);
	if (r == 0)
		r = json_parse(text, len, WHAT, &profile, err);
	if (r == 0)
		r = normalize(profile, &subject, result, err);
	/* Whatever is wrong with it is said now, not when the container starts. */
	if (r == 0)
		r = seccomp_json_compile(result, subject.target, &program, err);
	if (r < 0)
		return r;
	seccomp_program_free(&program);
	json_write_value(&w, NULL, result);
	out = json_writer_finish(&w);
	if (!out)
		return error_oom(err);
	*ret = out;
	return 0;
}

/* --- what there is ---------------------------------------------------------------------------- */

int seccomp_list_actions(char ***v)
{
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
		if (strv_push(v, actions[i].name) < 0)
			return -ENOMEM;
	return 0;
}

int seccomp_list_operators(char ***v)
{
	for (size_t i = 0; i < ARRAY_SIZE(op_names); i++)
		if (strv_push(v, op_names[i]) < 0)
			return -ENOMEM;
	return 0;
}

int seccomp_list_flags(char ***v)
{
	for (size_t i = 0; i < ARRAY_SIZE(flag_names); i++)
		if (strv_push(v, flag_names[i].name) < 0)
			return -ENOMEM;
	return 0;
}
