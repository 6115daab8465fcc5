/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cp_machine.c - files in and out of machines for `cp`.
 */
#include "front/cli/cp_machine.h"

#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <sys/wait.h>

#include "base/process.h"
#include "base/userns.h"
#include "front/cli/cli.h"

extern char **environ;

int cp_machine_finish(struct cp_machine *machine, struct error *err)
{
	if (!machine->opened)
		return 0;
	machine->opened = false;
	return instance_close_files(&machine->instance, &machine->files, err);
}

void cp_machine_close(struct cp_machine *machine)
{
	cp_machine_finish(machine, NULL);
	instance_close(&machine->instance);
	free(machine->path);
	*machine = (struct cp_machine)CP_MACHINE_INIT;
}

/* What the end of the path means is kept; the guest is asked without it. */
static int set_path(struct cp_machine *m, const char *path, struct error *err)
{
	size_t len;

	m->path = *path == '/' ? strdup(path) : strf("/%s", path);
	if (!m->path)
		return error_oom(err);
	len = strlen(m->path);
	for (;;) {
		if (len > 1 && m->path[len - 1] == '/')
			m->wants_folder = true;
		else if (len > 1 && m->path[len - 1] == '.' && m->path[len - 2] == '/')
			m->content = true;
		else
			break;
		m->path[--len] = '\0';
	}
	m->content = m->content || streq(m->path, "/");
	return 0;
}

static int open_stopped(struct cp_machine *m, struct error *err)
{
	enum instance_status status = m->instance.state.status;
	int r;

	if (status == INSTANCE_RUNNING || status == INSTANCE_PAUSED)
		return 0;
	r = instance_open_files(&m->instance, &m->files, err);
	m->opened = r == 0;
	return r == -EALREADY ? 0 : r;
}

int cp_machine_open(
	const struct cli *cli, const char *typed, struct cp_machine *ret, struct error *err)
{
	const struct instance_roots roots = { cli->root, cli->run_root, cli->rootless };
	_cleanup_cp_machine_ struct cp_machine m = CP_MACHINE_INIT;
	_cleanup_free_ char *name = NULL;
	const char *path;
	int r = place_split(typed, &name, &path, err);

	if (r < 0 || !name)
		return r;
	r = instance_load(&roots, name, &m.instance, err);
	if (r == 0 && !(m.ops = isolation_find(m.instance.spec.isolation, err)))
		r = -EINVAL;
	if (r < 0 || !m.ops->get)
		return r;
	r = instance_load_config(&m.instance, err);
	if (r == 0)
		r = set_path(&m, path, err);
	if (r == 0)
		r = open_stopped(&m, err);
	if (r < 0)
		return r;
	*ret = m;
	m = (struct cp_machine)CP_MACHINE_INIT;
	return 1;
}

int cp_machine_look(
	struct cp_machine *machine, const char *path, enum isolation_file *ret, struct error *err)
{
	return machine->ops->look(&machine->instance.config, path, ret, err);
}

/* --- the helper at the other end of a pipe ------------------------------------------------------
 */

struct piped {
	struct cp_machine *machine;
	const char *directory; /* in the guest */
	const char *folder; /* of the host */
	bool out; /* out of the guest */
};

static int start_helper(const struct piped *p, int fd, pid_t *ret, struct error *err)
{
	char path[PATH_MAX];
	const char *const out[] = { path, "__tar-extract", p->folder, NULL };
	const char *const in[] = { path, "__tar-create", "--holes", p->folder, NULL };
	posix_spawn_file_actions_t actions;
	int r = process_helper_path("strata-image", path, sizeof(path), err);

	if (r < 0)
		return r;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fd, p->out ? 0 : 1);
	r = posix_spawn(ret, path, &actions, NULL, (char *const *)(p->out ? out : in), environ);
	posix_spawn_file_actions_destroy(&actions);
	return r ? error_errno(err, r, "cannot run %s", path) : 0;
}

/* As root of the user's namespace, where the ids of the guest can be kept. */
static int pipe_now(void *context, struct error *err)
{
	const struct piped *p = context;
	const struct container_config *config = &p->machine->instance.config;
	int fds[2], status = 0, r;
	pid_t pid = 0;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return error_errno(err, errno, "cannot make a pipe");
	r = start_helper(p, p->out ? fds[0] : fds[1], &pid, err);
	close(p->out ? fds[0] : fds[1]);
	if (r == 0 && p->out)
		r = p->machine->ops->get(config, p->directory, fds[1], err);
	else if (r == 0)
		r = p->machine->ops->put(config, p->directory, fds[0], err);
	close(p->out ? fds[1] : fds[0]);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	/* When the guest has nothing to send, its helper's complaint is not the reason. */
	return r == 0 && process_exit_code(status) ? CLI_ALREADY_SAID : r;
}

int cp_machine_get(struct cp_machine *machine, const char *folder, struct error *err)
{
	struct piped piped = { machine, machine->path, folder, true };

	return userns_call(pipe_now, &piped, err);
}

int cp_machine_put(
	struct cp_machine *machine, const char *directory, const char *folder, struct error *err)
{
	struct piped piped = { machine, directory, folder, false };

	return userns_call(pipe_now, &piped, err);
}

int cp_machine_stream_out(struct cp_machine *machine, int out_fd, struct error *err)
{
	return machine->ops->get(&machine->instance.config, machine->path, out_fd, err);
}
