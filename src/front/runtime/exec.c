/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec.c - `exec`: another process in a container that runs.
 */
#include <stdio.h>
#include <sys/ioctl.h>

#include "base/log.h"
#include "base/process.h"
#include "front/runtime/exec_process.h"
#include "front/runtime/foreground.h"
#include "front/runtime/handoff.h"
#include "front/runtime/launch.h"

#define AT(member) offsetof(struct exec_options, member)

static const struct exec_options defaults = { .no_new_privileges = -1 };

static const struct option exec_table[] = {
	{ OPTION_STRING, 'p', "process", AT(process_file), "FILE",
		"Run what FILE describes: \"process\" of config.json", COMPLETE_FILE },
	{ OPTION_FLAG, 'd', "detach", AT(detach), NULL, "Do not wait for the command to end" },
	{ OPTION_FLAG, 't', "tty", AT(terminal), NULL, "Give it a terminal" },
	{ OPTION_STRING, 0, "console-socket", AT(console_socket), "SOCKET",
		"Send the terminal's master there", COMPLETE_FILE },
	{ OPTION_STRING, 0, "pidfd-socket", AT(pidfd_socket), "SOCKET",
		"Send a pidfd of the process there", COMPLETE_FILE },
	{ OPTION_STRING, 0, "pid-file", AT(pid_file), "FILE", "Write its pid to FILE",
		COMPLETE_FILE },
	{ OPTION_STRING, 0, "cwd", AT(cwd), "DIR", "Directory in the container to start in" },
	{ OPTION_LIST, 'e', "env", AT(env), "KEY=VALUE", "Set an environment variable" },
	{ OPTION_STRING, 'u', "user", AT(user), "UID[:GID]",
		"Who to run as: numbers, or names of the container" },
	{ OPTION_LIST, 'g', "additional-gids", AT(additional_gids), "GID",
		"Another group to be in" },
	{ OPTION_LIST, 'c', "cap", AT(capabilities), "CAPABILITY", "Grant a capability" },
	{ OPTION_SWITCH, 0, "no-new-privs", AT(no_new_privileges), NULL,
		"Gain no rights by executing a file" },
	{ OPTION_STRING, 0, "apparmor", AT(apparmor), "PROFILE", "AppArmor profile" },
	{ OPTION_STRING, 0, "process-label", AT(process_label), "LABEL", "SELinux label" },
	{ OPTION_LIST, 0, "cgroup", AT(cgroups), "[CONTROLLER,...:]PATH",
		"Enter this cgroup below the container's" },
	{ OPTION_INT, 0, "preserve-fds", AT(preserve_fds), "N",
		"Pass descriptors 3 to N+2 on, too" },
	{ OPTION_FLAG, 0, "ignore-paused", AT(ignore_paused), NULL,
		"Also into a paused container: the command waits for `resume`" },
	{ OPTION_END },
};

static int check_status(
	const struct exec_options *o, const struct record *record, struct error *err)
{
	enum record_status status = record_status(record);

	if (status == RECORD_STOPPED)
		return error_set(err, ESRCH, "cannot exec in a stopped container");
	if (status == RECORD_CREATING)
		return error_set(err, EBUSY, "it is being created");
	if (status == RECORD_PAUSED && !o->ignore_paused)
		return error_set(err, EBUSY,
			"cannot exec in a paused container (use --ignore-paused to override)");
	return 0;
}

static int check_terminal(
	const struct exec_options *o, const struct container_process *p, struct error *err)
{
	if (p->terminal && o->detach && !o->console_socket)
		return error_set(err, EINVAL,
			"cannot give it a terminal and detach without --console-socket");
	if (o->console_socket && !(p->terminal && o->detach))
		return error_set(err, EINVAL,
			"--console-socket is for a process that is detached and has a terminal");
	return 0;
}

/* The one we have, unless the process says its own. */
static void choose_size(struct container_process *p)
{
	struct winsize size;

	if (p->terminal && !p->rows && !p->columns &&
		ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) {
		p->rows = size.ws_row;
		p->columns = size.ws_col;
	}
}

/* It is there and waits: tell the caller. */
static int hand_off(
	const struct exec_options *o, const struct container_handle *handle, struct error *err)
{
	int r = 0;

	if (o->console_socket)
		r = handoff_send_terminal(o->console_socket, handle->terminal_fd, err);
	if (r == 0 && o->pidfd_socket)
		r = handoff_send_descriptor(o->pidfd_socket, "pidfd", handle->pidfd, err);
	if (r == 0 && o->pid_file)
		r = handoff_write_pid(o->pid_file, handle->pid, err);
	return r;
}

/* Let it execute, and stay with it unless detached; its exit status. */
static int follow(const struct exec_options *o, struct container_handle *handle, struct error *err)
{
	_cleanup_foreground_ struct foreground foreground = FOREGROUND_INIT;
	int r = hand_off(o, handle, err);

	if (r == 0 && !o->detach)
		r = foreground_begin(&foreground, handle->terminal_fd, err);
	if (r == 0)
		r = container_release(handle, err);
	if (r < 0 || o->detach)
		return r;
	return foreground_wait(&foreground, handle->pid, handle->terminal_fd);
}

static int run(const struct exec_options *o, const struct launch_fds *fds,
	const struct record *record, struct container_config *config, char *const *args,
	struct error *err)
{
	const struct container_identity identity = { record->id, record->bundle };
	const struct container_spawn_options spawn = {
		.stdio = { 0, 1, 2 },
		.new_session = true,
		.all_cpus = true,
		.identity = &identity,
		.listen_fds = fds->total,
		.sub_cgroups = o->cgroups,
	};
	struct container_handle handle = CONTAINER_HANDLE_INIT;
	struct container_process process = { 0 };
	int r = exec_build_process(o, config, args, &process, err);

	if (r == 0)
		r = launch_tell_fds(fds, &process, err);
	if (r == 0)
		r = check_terminal(o, &process, err);
	if (r == 0) {
		choose_size(&process);
		r = container_exec(config, record->pid, &process, &spawn, &handle, err);
		if (r == 0)
			log_debug(
				"container %s: process %d joined it", record->id, (int)handle.pid);
	}
	/* One that fails here is ended by the end of its channel. */
	if (r == 0)
		r = follow(o, &handle, err);
	container_handle_close(&handle);
	container_process_free(&process);
	return r;
}

static int exec_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	const struct exec_options *o = options;
	_cleanup_record_ struct record record = RECORD_INIT;
	struct container_config config;
	struct launch_fds fds;
	int r;

	process_protect_program();
	r = launch_count_fds(o->preserve_fds, &fds, err);
	if (r == 0)
		r = record_open(runtime_of(cli), argv[0], &record, err);
	if (r == 0)
		r = check_status(o, &record, err);
	if (r == 0)
		r = record_load_config(&record, &config, err);
	if (r == 0) {
		r = run(o, &fds, &record, &config, argv + 1, err);
		container_config_free(&config);
	}
	return r < 0 ? error_prefix(err, "exec failed") : r;
}

const struct verb runtime_verb_exec = {
	.name = "exec",
	.usage =
		"[OPTIONS] ID COMMAND [ARG...]\n   or:  strata-runtime exec [OPTIONS] --process FILE ID",
	.summary = "Run another command in a container",
	.help = "It gets the container's namespaces, cgroup and seccomp filter, and what is not given by\n"
		"options is as for the container's own command. With --process the file says it all. The\n"
		"exit status is the command's; 255 when it could not be run.\n"
		"\n"
		"Examples:\n"
		"  strata-runtime exec -t web sh\n"
		"  strata-runtime exec --user 1000:1000 --cwd /srv web ls -l\n"
		"  strata-runtime exec --detach --pid-file pid --process process.json web",
	.options = exec_table,
	.options_size = sizeof(struct exec_options),
	.defaults = &defaults,
	.stop_at_operand = true,
	.min_operands = 1,
	.max_operands = -1,
	.runs_command = true,
	.run = exec_main,
};
