/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run.c - `run`: create and start in one; without --detach also wait, delete, and end with the
 * status of the command.
 */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/process.h"
#include "front/runtime/launch.h"

struct run_options {
	struct launch_options launch;
	bool detach, keep, no_subreaper;
};

static const struct option run_table[] = {
	LAUNCH_OPTIONS(struct run_options),
	{ OPTION_FLAG, 'd', "detach", offsetof(struct run_options, detach), NULL,
		"Do not wait for the command to end" },
	{ OPTION_FLAG, 0, "keep", offsetof(struct run_options, keep), NULL,
		"Do not delete the container when its command has ended" },
	{ OPTION_FLAG, 0, "no-subreaper", offsetof(struct run_options, no_subreaper), NULL,
		"Do not adopt processes whose parent in the container has ended" },
	{ OPTION_END },
};

/* Signals that are sent to us are meant for the command. */
static void forwarded_signals(sigset_t *ret)
{
	sigfillset(ret);
	sigdelset(ret, SIGKILL);
	sigdelset(ret, SIGSTOP);
	/* The terminal's and faults of our own. */
	sigdelset(ret, SIGTTIN);
	sigdelset(ret, SIGTTOU);
	sigdelset(ret, SIGSEGV);
	sigdelset(ret, SIGBUS);
	sigdelset(ret, SIGILL);
	sigdelset(ret, SIGFPE);
	sigdelset(ret, SIGABRT);
}

/* Reap until the first process ends; its exit status. */
static int wait_for(pid_t first, const sigset_t *signals)
{
	for (;;) {
		siginfo_t info;
		int signo = sigwaitinfo(signals, &info), status;
		pid_t pid;

		if (signo < 0)
			continue;
		if (signo != SIGCHLD) {
			kill(first, signo);
			continue;
		}
		while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
			if (pid == first)
				return process_exit_code(status);
	}
}

static int run(
	struct runtime *runtime, const char *id, const struct run_options *o, struct error *err)
{
	_cleanup_record_ struct record record = RECORD_INIT;
	struct container_handle handle;
	struct container_config config;
	sigset_t signals;
	int r, status = 0;

	r = launch(runtime, id, &o->launch, false, &record, &config, &handle, err);
	if (r < 0)
		return r;
	if (!o->detach) {
		forwarded_signals(&signals);
		sigprocmask(SIG_BLOCK, &signals, NULL);
		if (!o->no_subreaper)
			prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	}
	r = container_release(&handle, err);
	if (r == 0)
		r = record_run_poststart(&record, err);
	if (r < 0)
		launch_undo(runtime, &record, &handle);
	if (r == 0 && !o->detach) {
		status = wait_for(handle.pid, &signals);
		if (!o->keep)
			r = record_remove_cgroup(&record, err);
		if (!o->keep && r == 0)
			r = record_remove(runtime, &record, err);
	}
	container_handle_close(&handle);
	container_config_free(&config);
	return r < 0 ? r : status;
}

static int run_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	int r = run(runtime_of(cli), argv[0], options, err);

	return r < 0 ? error_prefix(err, "cannot run container %s", argv[0]) : r;
}

const struct verb runtime_verb_run = {
	.name = "run",
	.usage = "[OPTIONS] ID",
	.summary = "Create a container, start it and wait for its end",
	.options = run_table,
	.options_size = sizeof(struct run_options),
	.min_operands = 1,
	.max_operands = 1,
	.run = run_main,
};
