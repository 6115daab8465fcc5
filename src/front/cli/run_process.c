/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_process.c - what runs inside: the command, who runs it, where, and with which environment.
 */
#include "front/cli/run_options.h"

#include "container/container.h"

#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static const char *our_environment(const char *key)
{
	return getenv(key);
}

static int append_all(char ***to, char *const *from, struct error *err)
{
	strv_for_each (s, from)
		if (strv_push(to, *s) < 0)
			return error_oom(err);
	return 0;
}

/*
 * Entry point and command as Docker combines them: an --entrypoint replaces the image's and drops
 * the image's command with it; words after the image replace the image's command.
 */
static int build_args(const struct run_request *request, struct run_plan *plan, struct error *err)
{
	const struct image_config *image = &request->image->config;
	const char *entrypoint = request->options->entrypoint;
	char ***args = &plan->config.process.args;
	int r = 0;

	if (entrypoint && *entrypoint)
		r = strv_push(args, entrypoint) < 0 ? error_oom(err) : 0;
	else if (!entrypoint)
		r = append_all(args, image->entrypoint, err);
	if (r < 0)
		return r;
	plan->spec.entrypoint_count = (int64_t)strv_length(*args);
	for (int i = 0; i < request->argc; i++)
		if (strv_push(args, request->argv[i]) < 0)
			return error_oom(err);
	if (request->argc == 0 && !entrypoint)
		r = append_all(args, image->cmd, err);
	if (r == 0 && !*args)
		r = error_set(err, EINVAL,
			"no command specified: neither the command line nor image %s names one",
			request->image_name);
	return r;
}

static bool has_key(char *const *pairs, const char *key)
{
	size_t len = strlen(key);

	strv_for_each (p, pairs)
		if (strncmp(*p, key, len) == 0 && (*p)[len] == '=')
			return true;
	return false;
}

static int add_default(char ***env, const char *pair, struct error *err)
{
	_cleanup_free_ char *key = strndup(pair, (size_t)(strchrnul(pair, '=') - pair));

	if (!key)
		return error_oom(err);
	if (has_key(*env, key))
		return 0;
	return strv_push(env, pair) < 0 ? error_oom(err) : 0;
}

static int build_env(const struct run_request *request, struct run_plan *plan, struct error *err)
{
	const struct run_options *o = request->options;
	char ***env = &plan->config.process.env;
	int r = append_all(env, request->image->config.env, err);

	strv_for_each (file, o->env_files)
		if (r == 0)
			r = run_merge_file(env, *file, our_environment, err);
	strv_for_each (pair, o->env)
		if (r == 0)
			r = run_merge_pair(env, *pair, our_environment, err);
	if (r == 0)
		r = add_default(env, DEFAULT_PATH, err);
	if (r == 0 && o->terminal)
		r = add_default(env, "TERM=xterm", err);
	/* HOME is what the container's own /etc/passwd says, where the child looks the user up. */
	return r;
}

static int build_user(const struct run_request *request, struct run_plan *plan, struct error *err)
{
	const char *user = request->options->user;
	struct container_process *p = &plan->config.process;

	if (!user)
		user = request->image->config.user;
	p->uid = 0;
	p->gid = 0;
	/* "" is root too, with the groups that the image's files give it: all of them are looked up
	 * by the child, inside. */
	p->user = strdup(user ? user : "");
	if (!p->user)
		return error_oom(err);
	strv_for_each (group, request->options->groups)
		if (strv_push(&p->group_names, *group) < 0)
			return error_oom(err);
	return 0;
}

static int build_directory(
	const struct run_request *request, struct run_plan *plan, struct error *err)
{
	const char *dir = request->options->workdir;

	if (!dir)
		dir = request->image->config.working_dir;
	if (!dir || !*dir)
		dir = "/";
	if (*dir != '/')
		return error_set(err, EINVAL,
			"the working directory '%s' is invalid: it needs to be an absolute path",
			dir);
	free(plan->config.process.cwd);
	plan->config.process.cwd = strdup(dir);
	return plan->config.process.cwd ? 0 : error_oom(err);
}

static const struct {
	const char *name;
	int resource;
} ulimit_names[] = {
	{ "as", RLIMIT_AS },
	{ "core", RLIMIT_CORE },
	{ "cpu", RLIMIT_CPU },
	{ "data", RLIMIT_DATA },
	{ "fsize", RLIMIT_FSIZE },
	{ "locks", RLIMIT_LOCKS },
	{ "memlock", RLIMIT_MEMLOCK },
	{ "msgqueue", RLIMIT_MSGQUEUE },
	{ "nice", RLIMIT_NICE },
	{ "nofile", RLIMIT_NOFILE },
	{ "nproc", RLIMIT_NPROC },
	{ "rss", RLIMIT_RSS },
	{ "rtprio", RLIMIT_RTPRIO },
	{ "rttime", RLIMIT_RTTIME },
	{ "sigpending", RLIMIT_SIGPENDING },
	{ "stack", RLIMIT_STACK },
};

static int parse_limit(const char *text, uint64_t *ret)
{
	if (streq(text, "-1") || streq(text, "unlimited")) {
		*ret = RLIM_INFINITY;
		return 0;
	}
	return parse_u64(text, INT64_MAX, ret);
}

/* NAME=SOFT[:HARD] */
static int parse_ulimit(const char *text, struct container_rlimit *ret, struct error *err)
{
	_cleanup_free_ char *copy = strdup(text);
	char *value, *hard;

	if (!copy)
		return error_oom(err);
	value = strchr(copy, '=');
	if (!value)
		goto invalid;
	*value++ = '\0';
	hard = strchr(value, ':');
	if (hard)
		*hard++ = '\0';
	if (parse_limit(value, &ret->soft) < 0 || parse_limit(hard ? hard : value, &ret->hard) < 0)
		goto invalid;
	if (ret->soft > ret->hard)
		return error_set(err, EINVAL,
			"invalid argument \"%s\" for --ulimit: the soft limit is above the hard one",
			text);
	for (size_t i = 0; i < ARRAY_SIZE(ulimit_names); i++) {
		if (streq(ulimit_names[i].name, copy)) {
			ret->resource = ulimit_names[i].resource;
			return 0;
		}
	}
	return error_set(err, EINVAL,
		"invalid argument \"%s\" for --ulimit: there is no limit \"%s\"", text, copy);
invalid:
	return error_set(err, EINVAL,
		"invalid argument \"%s\" for --ulimit: must be NAME=SOFT[:HARD] such as nofile=1024:2048",
		text);
}

static int build_ulimits(
	const struct run_request *request, struct run_plan *plan, struct error *err)
{
	struct container_process *p = &plan->config.process;
	size_t count = strv_length(request->options->ulimits);
	struct container_rlimit *grown;

	if (!count)
		return 0;
	grown = realloc(p->rlimits, (p->nr_rlimits + count) * sizeof(*grown));
	if (!grown)
		return error_oom(err);
	p->rlimits = grown;
	strv_for_each (text, request->options->ulimits) {
		struct container_rlimit limit;
		size_t at = 0;
		int r = parse_ulimit(*text, &limit, err);

		if (r < 0)
			return r;
		while (at < p->nr_rlimits && grown[at].resource != limit.resource)
			at++;
		grown[at] = limit;
		if (at == p->nr_rlimits)
			p->nr_rlimits++;
	}
	return 0;
}

static int build_oom(const struct run_request *request, struct run_plan *plan, struct error *err)
{
	const struct run_options *o = request->options;

	if (o->oom_score_adj != INT64_MIN) {
		if (o->oom_score_adj < -1000 || o->oom_score_adj > 1000)
			return error_set(err, EINVAL,
				"invalid value %lld for --oom-score-adj: range is from -1000 to 1000",
				(long long)o->oom_score_adj);
		plan->config.process.has_oom_score_adj = true;
		plan->config.process.oom_score_adj = (int)o->oom_score_adj;
	}
	if (o->oom_kill_disable) {
		if (plan->config.limits.memory_bytes == CGROUP_UNSET)
			return error_set(err, EINVAL,
				"--oom-kill-disable without --memory would let it stop the whole host: give a limit");
		plan->config.limits.oom_kill_disable = true;
	}
	return 0;
}

int run_build_process(const struct run_request *request, struct run_plan *plan, struct error *err)
{
	int r = build_args(request, plan, err);

	if (r == 0)
		r = build_user(request, plan, err);
	if (r == 0)
		r = build_env(request, plan, err);
	if (r == 0)
		r = build_directory(request, plan, err);
	if (r == 0)
		r = build_ulimits(request, plan, err);
	if (r == 0)
		r = build_oom(request, plan, err);
	plan->config.process.terminal = request->options->terminal;
	plan->config.init = request->options->init;
	return r;
}
