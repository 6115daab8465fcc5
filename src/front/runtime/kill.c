/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kill.c - `kill`: a signal to the first process, or to all.
 *
 * Where the first process is init of a pid namespace, SIGKILL takes all with it. Where the pid
 * namespace is shared, they are found by their cgroup.
 */
#include <signal.h>
#include <sys/syscall.h>

#include "base/process.h"
#include "front/runtime/record.h"

struct kill_options {
	bool all;
};

static const struct option kill_table[] = {
	{ OPTION_FLAG, 'a', "all", offsetof(struct kill_options, all), NULL,
		"Signal every process of the container" },
	{ OPTION_END },
};

static int signal_first(const struct record *record, int signo, struct error *err)
{
	_cleanup_close_ int pidfd = process_open(record->pid, record->start_ticks);

	if (pidfd < 0 || syscall(SYS_pidfd_send_signal, pidfd, signo, NULL, 0) < 0) {
		int error = pidfd < 0 ? -pidfd : errno;

		if (error == ESRCH)
			return error_set(err, ESRCH, "container not running");
		return error_errno(err, error, "cannot send signal %d", signo);
	}
	return 0;
}

static int send_signal(const struct record *record, int signo, bool all_asked, struct error *err)
{
	enum record_status status = record_status(record);
	bool all;
	int r;

	all = all_asked || (signo == SIGKILL && record->shares_pids);
	/* The first process may be gone while others are not, in a shared pid namespace. That there
	 * are none left is no failure of `kill --all`, for runc neither. */
	if (status == RECORD_STOPPED && all_asked && !(record->shares_pids && record->cgroup))
		return 0;
	if (status == RECORD_STOPPED && !(all && record->shares_pids && record->cgroup))
		return error_set(err, ESRCH, "container not running");
	if (status == RECORD_CREATING)
		return error_set(err, EBUSY, "it is being created");
	if (all && record->cgroup)
		r = cgroup_signal_all(record->cgroup, signo, err);
	else
		r = signal_first(record, signo, err);
	/* A frozen process of cgroup v1 would die only once it is thawed. */
	if (r == 0 && signo == SIGKILL && status == RECORD_PAUSED)
		r = cgroup_freeze(record->cgroup, false, err);
	return r;
}

/* 0, as in kill(2): only look whether it runs. */
static int parse_signal(const char *name)
{
	return streq(name, "0") ? 0 : process_signal_from_name(name);
}

static int kill_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	const struct kill_options *o = options;
	_cleanup_record_ struct record record = RECORD_INIT;
	int signo = argc > 1 ? parse_signal(argv[1]) : SIGTERM;
	int r = record_open(runtime_of(cli), argv[0], &record, err);

	if (r < 0)
		return r;
	if (signo < 0)
		return error_set(err, EINVAL, "unknown signal \"%s\"", argv[1]);
	r = send_signal(&record, signo, o->all, err);
	return r < 0 ? error_prefix(err, "cannot signal container %s", argv[0]) : 0;
}

const struct verb runtime_verb_kill = {
	.name = "kill",
	.usage = "[OPTIONS] ID [SIGNAL]",
	.summary = "Send a signal (default TERM) to the first process of a container",
	.options = kill_table,
	.options_size = sizeof(struct kill_options),
	.min_operands = 1,
	.max_operands = 2,
	.run = kill_main,
};
