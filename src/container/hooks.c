/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hooks.c - programs that run at points of a container's life (runtime-spec config.md,
 * "POSIX-platform Hooks"; runtime.md, "Lifecycle").
 *
 *   prestart, createRuntime   our caller's namespaces; the container's exist, its root is mounted
 *   createContainer           the container's namespaces, the host's files still at "/"
 *   startContainer            inside, with the command's own rights, just before it
 *   poststart                 our caller's namespaces; a failure is the end of the container
 *                             (runtime-spec 1.3; a warning in 1.2, but never so in runc)
 *   poststop                  our caller's namespaces; a failure is only a warning
 *
 * Those of our caller's namespaces run in the bundle, createContainer's in the container's root,
 * and startContainer's at "/" or in the working directory: not in the specification, but as runc
 * has it. A hook reads the container's state from its standard input. Both that and what it prints
 * are anonymous files, not pipes: a hook that reads nothing, writes without end or leaves a process
 * behind that holds them keeps nobody waiting.
 */
#include "container/internal.h"

#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/io.h"
#include "base/log.h"
#include "base/process.h"
#include "base/str.h"
#include "container/config-fields.h"

/* Of what a failed hook has printed. */
#define OUTPUT_MAX 700

char *container_state_write(const struct container_config *config,
	const struct container_identity *identity, const char *status, pid_t pid)
{
	struct json_writer w = { 0 };

	json_begin_object(&w, NULL);
	json_write_string(&w, "ociVersion", CONTAINER_SPEC_VERSION);
	json_write_string(&w, "id", identity->id);
	json_write_string(&w, "status", status);
	if (pid > 0)
		json_write_int(&w, "pid", pid);
	json_write_string(&w, "bundle", identity->bundle);
	json_write_map(&w, "annotations", config->annotations);
	json_end_object(&w);
	return json_writer_finish(&w);
}

static int open_anonymous(const char *name, const char *text)
{
	int fd = memfd_create(name, MFD_CLOEXEC), r;

	if (fd < 0)
		return -errno;
	r = io_write_full(fd, text, strlen(text));
	if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
		r = -errno;
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

/* 0 or an errno value. */
static int spawn_hook(
	const struct container_hook *hook, const char *directory, int input, int output, pid_t *ret)
{
	char *const only_path[] = { hook->path, NULL }, *const no_env[] = { NULL },
		    *const *env = hook->inherits_env ? environ : hook->env;
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int r;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, input, 0);
	posix_spawn_file_actions_adddup2(&actions, output, 1);
	posix_spawn_file_actions_adddup2(&actions, output, 2);
	posix_spawn_file_actions_addclosefrom_np(&actions, 3);
	if (directory)
		posix_spawn_file_actions_addchdir_np(&actions, directory);
	r = posix_spawn(ret, hook->path, &actions, &attributes,
		hook->args && hook->args[0] ? hook->args : only_path, env ? env : no_env);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	return r;
}

/* Its end, or the end of its time: then it is killed. The wait status, or -ETIMEDOUT. */
static int wait_for_hook(pid_t pid, int timeout_s)
{
	_cleanup_close_ int pidfd = timeout_s > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
	struct pollfd p = { pidfd, POLLIN, 0 };
	bool late = false;
	int status;

	if (timeout_s > 0) {
		int64_t timeout_ms = (int64_t)timeout_s * 1000;
		int r;

		/* A signal of ours starts the time again; that is nobody's harm. */
		do {
			r = poll(&p, 1, timeout_ms > INT32_MAX ? INT32_MAX : (int)timeout_ms);
		} while (r < 0 && errno == EINTR);
		late = r == 0;
		if (late)
			kill(pid, SIGKILL);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return late ? -ETIMEDOUT : status;
}

/* What it printed, for the sentence: cut, and without the line feeds at its end. */
static void read_output(int fd, char text[OUTPUT_MAX])
{
	ssize_t n = pread(fd, text, OUTPUT_MAX - 1, 0);

	while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' '))
		n--;
	text[n > 0 ? n : 0] = '\0';
}

static int run_hook(const struct container_hook *hook, const char *kind, const char *directory,
	const char *state, struct error *err)
{
	_cleanup_close_ int input = open_anonymous("state", state),
			    output = open_anonymous("output", "");
	char text[OUTPUT_MAX];
	int status, r;
	pid_t pid;

	if (input < 0 || output < 0)
		return error_errno(err, input < 0 ? input : output,
			"cannot pass the container's state to a %s hook", kind);
	r = spawn_hook(hook, directory, input, output, &pid);
	if (r != 0)
		return error_errno(err, r, "cannot run the %s hook %s", kind, hook->path);
	status = wait_for_hook(pid, hook->timeout_s);
	if (status == 0)
		return 0;
	read_output(output, text);
	if (status == -ETIMEDOUT)
		return error_set(err, ETIMEDOUT, "the %s hook %s took longer than %d s%s%s", kind,
			hook->path, hook->timeout_s, *text ? ": " : "", text);
	if (status < 0)
		return error_errno(err, status, "cannot wait for the %s hook %s", kind, hook->path);
	return error_set(err, EIO, "the %s hook %s ended with status %d%s%s", kind, hook->path,
		process_exit_code(status), *text ? ": " : "", text);
}

int container_run_hooks(const struct container_config *config, enum container_hook_kind kind,
	const struct container_identity *identity, const char *status, pid_t pid, struct error *err)
{
	const struct container_hooks *list = &config->hooks[kind];
	_cleanup_free_ char *state = NULL;
	const char *directory = NULL;

	if (!list->count)
		return 0;
	state = container_state_write(config, identity, status, pid);
	if (!state)
		return error_oom(err);
	/* An engine may have removed it before poststop. */
	if (kind != CONTAINER_HOOK_CREATE_CONTAINER && kind != CONTAINER_HOOK_START_CONTAINER &&
		access(identity->bundle, X_OK) == 0)
		directory = identity->bundle;
	for (size_t i = 0; i < list->count; i++) {
		struct error why = { 0 };
		int r = run_hook(&list->hooks[i], config_hook_names[kind], directory, state, &why);

		if (r < 0 && kind != CONTAINER_HOOK_POSTSTOP)
			return error_set(err, r, "%s", why.message);
		if (r < 0)
			log_warning("%s", why.message);
	}
	return 0;
}

/* --- the child's ---------------------------------------------------------------------------- */

int hooks_create(struct child *child, struct error *err)
{
	const struct container_config *config = child->config;
	struct sync_message message;
	mode_t mask;
	int r;

	if (config->hooks[CONTAINER_HOOK_PRESTART].count ||
		config->hooks[CONTAINER_HOOK_CREATE_RUNTIME].count || config->nr_net_devices) {
		r = sync_send_type(child->sync_fd, SYNC_HOOKS, -1);
		if (r == 0)
			r = child_receive_answer(child, &message, NULL);
		if (r < 0 || message.type != SYNC_HOOKS)
			return error_set(err, EPIPE, "the parent gave up");
	}
	if (!config->hooks[CONTAINER_HOOK_CREATE_CONTAINER].count)
		return 0;
	if (fchdir(child->root_fd) < 0)
		return error_errno(err, errno, "cannot enter the root");
	/* We work without one; programs expect one. */
	mask = umask(0022);
	r = container_run_hooks(config, CONTAINER_HOOK_CREATE_CONTAINER, child->options->identity,
		"created", getpid(), err);
	umask(mask);
	return r;
}

int hooks_start(struct child *child, struct error *err)
{
	const struct container_hooks *list = &child->config->hooks[CONTAINER_HOOK_START_CONTAINER];

	/* They are the image's files, as hostile as its command. */
	for (size_t i = 0; i < list->count; i++) {
		int r = command_refuse_ourselves(child, list->hooks[i].path, err);

		if (r < 0)
			return r;
	}
	/* For those that inherit: never ours. */
	environ = child->env;
	return container_run_hooks(child->config, CONTAINER_HOOK_START_CONTAINER,
		child->options->identity, "created", getpid(), err);
}
