/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config-parse-process.c - the object "process" of config.json (runtime-spec config.md, "Process").
 */
#include "container/config-read.h"
#include "container/internal.h"

#include "base/log.h"
#include "base/str.h"

#define WHAT "config.json: process"

/* What cannot be granted is to be warned of, not refused (config.md, "capabilities"). */
static int read_capability_set(const json_t *sets, const struct config_capability_set *set,
	struct container_process *p, struct error *err)
{
	_cleanup_strv_ char **names = NULL;
	uint64_t bits = 0;
	int r;

	r = json_get_strv(sets, set->name, &names, WHAT ".capabilities", err);
	if (r < 0)
		return r;
	strv_for_each (name, names) {
		int n = container_capability_from_name(*name);

		if (n < 0)
			log_warning(WHAT ".capabilities.%s: there is no capability \"%s\"",
				set->name, *name);
		else
			bits |= UINT64_C(1) << n;
	}
	*(uint64_t *)((char *)p + set->offset) = bits;
	return 0;
}

static int read_capabilities(const json_t *process, struct container_process *p, struct error *err)
{
	json_t *sets = NULL;
	int r;

	r = json_get_object(process, "capabilities", &sets, WHAT, err);
	for (size_t i = 0; r == 0 && sets && i < CONFIG_CAPABILITY_SETS; i++)
		r = read_capability_set(sets, &config_capability_sets[i], p, err);
	return r;
}

static int read_rlimit(const json_t *json, void *item, const char *what, struct error *err)
{
	struct container_rlimit *limit = item;
	const char *type = NULL;
	int r;

	if ((r = json_get_string(json, "type", &type, what, err)) < 0 ||
		(r = json_get_u64(json, "soft", &limit->soft, what, err)) < 0 ||
		(r = json_get_u64(json, "hard", &limit->hard, what, err)) < 0)
		return r;
	r = type ? config_rlimit_from_name(type) : -EINVAL;
	if (r < 0)
		return error_set(
			err, EINVAL, "%s: there is no limit \"%s\"", what, type ? type : "");
	limit->resource = r;
	return 0;
}

static int read_rlimits(const json_t *process, struct container_process *p, struct error *err)
{
	unsigned seen = 0;
	int r;

	r = config_read_list(process, "rlimits", read_rlimit, sizeof(*p->rlimits), &p->rlimits,
		&p->nr_rlimits, WHAT, err);
	for (size_t i = 0; r == 0 && i < p->nr_rlimits; i++) {
		unsigned bit = 1u << p->rlimits[i].resource;

		if (seen & bit)
			return error_set(err, EINVAL, WHAT ".rlimits: %s is given twice",
				config_rlimit_name(p->rlimits[i].resource));
		seen |= bit;
	}
	return r;
}

static int read_user(const json_t *process, struct container_process *p, struct error *err)
{
	static const char what[] = WHAT ".user";
	json_t *user = NULL, *groups = NULL, *item;
	int64_t mask = -1;
	size_t i;
	int r;

	r = json_get_object(process, "user", &user, WHAT, err);
	if (r < 0 || !user)
		return r;
	if ((r = config_read_int(user, "umask", 0, 0777, &mask, what, err)) < 0 ||
		(r = json_get_array(user, "additionalGids", &groups, what, err)) < 0)
		return r;
	p->umask = (int)mask;
	if (json_array_size(groups) == 0)
		return 0;
	if (json_array_size(groups) > CONFIG_LIST_MAX)
		return error_set(err, E2BIG, "%s: too many additionalGids", what);
	p->groups = calloc(json_array_size(groups), sizeof(*p->groups));
	if (!p->groups)
		return error_oom(err);
	json_array_foreach (groups, i, item) {
		json_int_t gid = json_is_integer(item) ? json_integer_value(item) : -1;

		if (gid < 0 || gid >= UINT32_MAX)
			return error_set(
				err, EINVAL, "%s: additionalGids[%zu] must be a group id", what, i);
		p->groups[p->nr_groups++] = (gid_t)gid;
	}
	return 0;
}

static int read_console_size(const json_t *process, struct container_process *p, struct error *err)
{
	static const char what[] = WHAT ".consoleSize";
	uint32_t rows = 0, columns = 0;
	json_t *size = NULL;
	int r;

	r = json_get_object(process, "consoleSize", &size, WHAT, err);
	if (r < 0 || !size)
		return r;
	if ((r = config_read_u32(size, "height", UINT16_MAX, &rows, what, err)) < 0 ||
		(r = config_read_u32(size, "width", UINT16_MAX, &columns, what, err)) < 0)
		return r;
	p->rows = (uint16_t)rows;
	p->columns = (uint16_t)columns;
	return 0;
}

static int read_scheduler_flags(
	const json_t *object, struct container_scheduler *s, const char *what, struct error *err)
{
	_cleanup_strv_ char **words = NULL;
	int r;

	r = json_get_strv(object, "flags", &words, what, err);
	if (r < 0)
		return r;
	strv_for_each (word, words) {
		int64_t flag;

		if (config_word_value(
			    config_scheduler_flags, CONFIG_SCHEDULER_FLAGS, *word, &flag) < 0)
			return error_set(err, EINVAL, "%s: there is no flag \"%s\"", what, *word);
		s->flags |= (uint64_t)flag;
	}
	return 0;
}

static int read_scheduler(const json_t *process, struct container_process *p, struct error *err)
{
	static const char what[] = WHAT ".scheduler";
	struct container_scheduler *s = &p->scheduler;
	int64_t policy = -1, nice = 0, priority = 0;
	json_t *object = NULL;
	int r;

	r = json_get_object(process, "scheduler", &object, WHAT, err);
	if (r < 0 || !object)
		return r;
	if ((r = config_read_word(object, "policy", config_scheduler_policies,
		     CONFIG_SCHEDULER_POLICIES, &policy, what, err)) < 0 ||
		(r = config_read_int(object, "nice", -20, 19, &nice, what, err)) < 0 ||
		(r = config_read_int(object, "priority", 0, INT32_MAX, &priority, what, err)) < 0 ||
		(r = read_scheduler_flags(object, s, what, err)) < 0 ||
		(r = json_get_u64(object, "runtime", &s->runtime_ns, what, err)) < 0 ||
		(r = json_get_u64(object, "deadline", &s->deadline_ns, what, err)) < 0 ||
		(r = json_get_u64(object, "period", &s->period_ns, what, err)) < 0)
		return r;
	if (policy < 0)
		return error_set(err, EINVAL, "%s: policy is missing", what);
	s->wanted = true;
	s->policy = (uint32_t)policy;
	s->nice = (int32_t)nice;
	s->priority = (uint32_t)priority;
	return 0;
}

static int read_io_priority(const json_t *process, struct container_process *p, struct error *err)
{
	static const char what[] = WHAT ".ioPriority";
	int64_t io_class = -1, level = 0;
	json_t *object = NULL;
	int r;

	r = json_get_object(process, "ioPriority", &object, WHAT, err);
	if (r < 0 || !object)
		return r;
	if ((r = config_read_word(object, "class", config_io_classes, CONFIG_IO_CLASSES, &io_class,
		     what, err)) < 0 ||
		(r = config_read_int(object, "priority", 0, 7, &level, what, err)) < 0)
		return r;
	if (io_class < 0)
		return error_set(err, EINVAL, "%s: class is missing", what);
	p->io_priority = (struct container_io_priority){ true, (int)io_class, (int)level };
	return 0;
}

static int check_cpus(const char *field, const char *list, struct error *err)
{
	uint8_t mask[CPU_LIST_BYTES];

	if (!list || !*list || cpu_list_parse(list, mask) == 0)
		return 0;
	return error_set(err, EINVAL, WHAT ".execCPUAffinity: %s \"%s\" is not a list as \"0-3,7\"",
		field, list);
}

int config_parse_process(const json_t *process, struct container_process *p, struct error *err)
{
	int64_t adj = INT64_MIN;
	int r;

	if ((r = read_user(process, p, err)) < 0 || (r = read_capabilities(process, p, err)) < 0 ||
		(r = read_rlimits(process, p, err)) < 0 ||
		(r = read_console_size(process, p, err)) < 0 ||
		(r = read_scheduler(process, p, err)) < 0 ||
		(r = read_io_priority(process, p, err)) < 0 ||
		(r = config_read_int(process, "oomScoreAdj", -1000, 1000, &adj, WHAT, err)) < 0)
		return r;
	p->has_oom_score_adj = adj != INT64_MIN;
	p->oom_score_adj = p->has_oom_score_adj ? (int)adj : 0;
	if ((r = check_cpus("initial", p->cpus_initial, err)) < 0 ||
		(r = check_cpus("final", p->cpus_final, err)) < 0)
		return r;
	if (p->cwd && p->cwd[0] != '/')
		return error_set(err, EINVAL, WHAT ": cwd \"%s\" is not absolute", p->cwd);
	return 0;
}
