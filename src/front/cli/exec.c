/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec.c - `exec`: another process in a running instance.
 */
#include "base/process.h"
#include "front/cli/finish.h"
#include "front/cli/run_options.h"
#include "front/cli/verbs.h"

struct exec_options {
	bool detach, interactive, terminal, privileged;
	const char *user, *workdir, *detach_keys;
	char **env, **env_files;
};

#define AT(member) offsetof(struct exec_options, member)

static const struct option option_table[] = {
	{ OPTION_FLAG, 'd', "detach", AT(detach), NULL, "Return once it runs" },
	{ OPTION_FLAG, 'i', "interactive", AT(interactive), NULL, "Pass our standard input on" },
	{ OPTION_FLAG, 't', "tty", AT(terminal), NULL, "Give it a terminal" },
	{ OPTION_LIST, 'e', "env", AT(env), "KEY[=VALUE]",
		"Set an environment variable, or pass ours on" },
	{ OPTION_LIST, 0, "env-file", AT(env_files), "FILE",
		"Read variables from a file, one a line", COMPLETE_FILE },
	{ OPTION_STRING, 'u', "user", AT(user), "USER[:GROUP]",
		"User to run as: names or numbers of the image" },
	{ OPTION_STRING, 'w', "workdir", AT(workdir), "DIR", "Directory to start in" },
	{ OPTION_FLAG, 0, "privileged", AT(privileged), NULL, "Grant every capability" },
	{ OPTION_STRING, 0, "detach-keys", AT(detach_keys), "KEYS",
		"Keys that leave it running (ctrl-p,ctrl-q)" },
	{ OPTION_END },
};

static const char *our_environment(const char *key)
{
	return getenv(key);
}

static void free_process(struct container_process *p)
{
	/* The only owner of a lone container_process is a configuration. */
	struct container_config config = { .process = *p };

	container_config_free(&config);
}

static int replace(char **to, const char *from, struct error *err)
{
	char *copy = strdup(from);

	if (!copy)
		return error_oom(err);
	free(*to);
	*to = copy;
	return 0;
}

static int build_process(const struct exec_options *o, int argc, char **argv,
	struct container_process *p, struct error *err)
{
	int r = 0;

	p->args = strv_free(p->args);
	for (int i = 0; i < argc; i++)
		if (strv_push(&p->args, argv[i]) < 0)
			return error_oom(err);
	strv_for_each (file, o->env_files)
		if (r == 0)
			r = run_merge_file(&p->env, *file, our_environment, err);
	strv_for_each (pair, o->env)
		if (r == 0)
			r = run_merge_pair(&p->env, *pair, our_environment, err);
	if (r == 0 && o->terminal)
		r = run_merge_pair(&p->env, "TERM=xterm", NULL, err);
	if (r == 0 && o->user)
		r = replace(&p->user, o->user, err);
	if (r == 0 && o->workdir && *o->workdir != '/')
		r = error_set(err, EINVAL,
			"the working directory '%s' is invalid: it needs to be an absolute path",
			o->workdir);
	if (r == 0 && o->workdir)
		r = replace(&p->cwd, o->workdir, err);
	if (o->privileged) {
		p->cap_bounding = p->cap_effective = p->cap_permitted =
			container_capabilities_all();
	}
	p->terminal = o->terminal;
	return r;
}

static int exec_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	const struct exec_options *o = options;
	const struct instance_roots roots = { cli->root, cli->run_root, cli->rootless };
	_cleanup_instance_ struct instance instance = { .dir_fd = -1 };
	struct instance_exec_options x = {
		.detach = o->detach,
		.attach = {
			.stdin_open = o->interactive,
			.stdout_open = true,
			.stderr_open = true,
			.terminal = o->terminal,
			.signal_proxy = !o->terminal,
			.detach_keys = o->detach_keys,
		},
	};
	int exit_code = EXIT_STRATA, r;

	process_protect_program();
	if (o->terminal && o->interactive && !o->detach && !isatty(STDIN_FILENO))
		return error_set(err, ENOTTY, "the input device is not a TTY");
	r = instance_check_detach_keys(o->detach_keys, err);
	if (r == 0)
		r = instance_load(&roots, argv[0], &instance, err);
	if (r < 0)
		return r;
	if (instance.state.status == INSTANCE_PAUSED)
		return error_set(
			err, EBUSY, "instance %s is paused: unpause it before exec", argv[0]);
	if (instance.state.status != INSTANCE_RUNNING)
		return error_set(err, EINVAL, "instance %s is not running", argv[0]);
	r = instance_exec_defaults(&instance, &x.process, err);
	if (r == 0)
		r = build_process(o, argc - 1, argv + 1, &x.process, err);
	if (r == 0) {
		r = instance_exec(&instance, &x, &exit_code, err);
		r = r < 0 ? finish_failed(cli, exit_code, err) : exit_code;
	}
	free_process(&x.process);
	return r;
}

const struct verb verb_exec = {
	.name = "exec",
	.group = "Run",
	.usage = "[OPTIONS] INSTANCE COMMAND [ARG...]",
	.summary = "Run another command in a running instance",
	.help = "The command gets the instance's namespaces, limits and rights. The exit status is the\n"
		"command's; 125, 126 and 127 as for 'strata run'.\n"
		"\n"
		"Examples:\n"
		"  strata exec web cat /etc/nginx/nginx.conf\n"
		"  strata exec -it --user postgres db psql",
	.options = option_table,
	.options_size = sizeof(struct exec_options),
	.stop_at_operand = true,
	.min_operands = 2,
	.max_operands = -1,
	.operand = COMPLETE_RUNNING,
	.runs_command = true,
	.run = exec_main,
};
