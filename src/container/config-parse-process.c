/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config-parse-process.c - the object "process" of config.json (runtime-spec config.md, "Process").
 */
#include "container/config-read.h"

#include "base/str.h"

static int read_capabilities(const json_t *process, struct container_process *p, struct error *err)
{
	static const char what[] = "config.json: process.capabilities";
	json_t *sets = NULL;
	int r;

	r = json_get_object(process, "capabilities", &sets, "config.json: process", err);
	if (r < 0 || !sets)
		return r;
	for (size_t i = 0; i < CONFIG_CAPABILITY_SETS; i++) {
		const struct config_capability_set *set = &config_capability_sets[i];
		_cleanup_strv_ char **names = NULL;
		uint64_t bits = 0;

		r = json_get_strv(sets, set->name, &names, what, err);
		if (r < 0)
			return r;
		strv_for_each (name, names) {
			int n = container_capability_from_name(*name);

			if (n < 0)
				return error_set(err, EINVAL, "%s: there is no capability \"%s\"",
					what, *name);
			bits |= UINT64_C(1) << n;
		}
		*(uint64_t *)((char *)p + set->offset) = bits;
	}
	return 0;
}

static int read_rlimits(const json_t *process, struct container_process *p, struct error *err)
{
	static const char what[] = "config.json: process.rlimits";
	json_t *array = NULL, *item;
	size_t i;
	int r;

	r = config_open_list(
		process, "rlimits", sizeof(*p->rlimits), &array, &p->rlimits, &p->nr_rlimits, err);
	if (r < 0)
		return r;
	json_array_foreach (array, i, item) {
		const char *type = NULL;
		int64_t soft = 0, hard = 0;

		if ((r = json_get_string(item, "type", &type, what, err)) < 0 ||
			(r = json_get_int(item, "soft", &soft, what, err)) < 0 ||
			(r = json_get_int(item, "hard", &hard, what, err)) < 0)
			return r;
		r = type ? config_rlimit_from_name(type) : -EINVAL;
		if (r < 0)
			return error_set(err, EINVAL, "%s: there is no limit \"%s\"", what,
				type ? type : "");
		if (soft < -1 || hard < -1)
			return error_set(err, ERANGE, "%s: %s is negative", what, type);
		p->rlimits[i] = (struct container_rlimit){
			.resource = r,
			.soft = soft == INT64_MAX || soft < 0 ? RLIM_INFINITY : (uint64_t)soft,
			.hard = hard == INT64_MAX || hard < 0 ? RLIM_INFINITY : (uint64_t)hard,
		};
	}
	return 0;
}

static int read_user(const json_t *process, struct container_process *p, struct error *err)
{
	static const char what[] = "config.json: process.user";
	json_t *user = NULL, *groups = NULL, *item;
	int64_t mask = -1;
	size_t i;
	int r;

	r = json_get_object(process, "user", &user, "config.json: process", err);
	if (r < 0 || !user)
		return r;
	if ((r = json_get_int(user, "umask", &mask, what, err)) < 0 ||
		(r = json_get_array(user, "additionalGids", &groups, what, err)) < 0)
		return r;
	if (mask > 0777)
		return error_set(err, ERANGE, "%s: umask must be between 0 and 0777", what);
	p->umask = mask < 0 ? -1 : (int)mask;
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
			return error_set(err, EINVAL, "%s: additionalGids must be group ids", what);
		p->groups[p->nr_groups++] = (gid_t)gid;
	}
	return 0;
}

int config_parse_process(const json_t *process, struct container_process *p, struct error *err)
{
	static const char what[] = "config.json: process";
	json_t *size = NULL;
	uint32_t rows = 0, columns = 0;
	int64_t adj = INT64_MIN;
	int r;

	if ((r = read_user(process, p, err)) < 0 || (r = read_capabilities(process, p, err)) < 0 ||
		(r = read_rlimits(process, p, err)) < 0 ||
		(r = json_get_int(process, "oomScoreAdj", &adj, what, err)) < 0 ||
		(r = json_get_object(process, "consoleSize", &size, what, err)) < 0)
		return r;
	if (size &&
		((r = config_read_u32(size, "height", UINT16_MAX, &rows, what, err)) < 0 ||
			(r = config_read_u32(size, "width", UINT16_MAX, &columns, what, err)) < 0))
		return r;
	p->rows = (uint16_t)rows;
	p->columns = (uint16_t)columns;
	p->has_oom_score_adj = adj != INT64_MIN;
	if (p->has_oom_score_adj && (adj < -1000 || adj > 1000))
		return error_set(err, ERANGE, "%s: oomScoreAdj must be in -1000..1000", what);
	p->oom_score_adj = p->has_oom_score_adj ? (int)adj : 0;
	return 0;
}
