/* SPDX-License-Identifier: Apache-2.0 */
/*
 * export.c - `export`: an instance's root filesystem as a tar, without what is mounted in it.
 *
 * This program finds and opens the root; the helper strata-image gets it as descriptor 3 and packs
 * it (`__tar-create`). An ordinary user's helper runs as root of their user namespace, where the
 * instance's files have the owners that the instance sees. In a machine, its agent packs.
 */
#include <spawn.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/io.h"
#include "base/process.h"
#include "base/userns.h"
#include "front/cli/cli.h"
#include "front/cli/cp_machine.h"
#include "front/cli/place.h"
#include "front/cli/verbs.h"

#define ROOT_FD	  3 /* in the helper */
#define ROOT_PATH "/proc/self/fd/3"

struct export_options {
	const char *output;
};

static const struct option option_table[] = {
	{ OPTION_STRING, 'o', "output", offsetof(struct export_options, output), "FILE",
		"Write to FILE instead of standard output", COMPLETE_FILE },
	{ OPTION_END },
};

struct export
{
	int root_fd, userns_fd, out_fd;
	struct cp_machine *machine; /* NULL: what root_fd is */
};

static int spawn_helper(const struct export *export, const char *path, pid_t *ret)
{
	char *const argv[] = { (char *)path, (char *)"__tar-create", (char *)ROOT_PATH, NULL };
	posix_spawn_file_actions_t actions;
	int r = posix_spawn_file_actions_init(&actions);

	if (r != 0)
		return -r;
	r = posix_spawn_file_actions_adddup2(&actions, export->out_fd, STDOUT_FILENO);
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(&actions, export->root_fd, ROOT_FD);
	if (r == 0)
		r = posix_spawn(ret, path, &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return -r;
}

/* In the user namespace of an ordinary user. */
static int export_now(void *context, struct error *err)
{
	const struct export *export = context;
	char path[PATH_MAX];
	int r = process_helper_path("strata-image", path, sizeof(path), err), status;
	pid_t pid;

	if (r < 0)
		return r;
	r = spawn_helper(export, path, &pid);
	if (r < 0)
		return error_errno(err, r, "cannot run %s", path);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return process_exit_code(status) == 0 ? 0 : CLI_ALREADY_SAID;
}

static int export_to_fd(struct export *export, struct error *err)
{
	return export->machine ? cp_machine_stream_out(export->machine, export->out_fd, err)
			       : userns_call_in(export->userns_fd, export_now, export, err);
}

/* The file appears under its name when it is whole; a device or a pipe is written to. */
static int export_to_file(struct export *export, const char *path, struct error *err)
{
	_cleanup_free_ char *temporary = NULL;
	_cleanup_close_ int fd = -1;
	char random[13];
	struct stat st;
	int r;

	if (stat(path, &st) < 0 || S_ISREG(st.st_mode)) {
		io_random_hex(random, 6);
		temporary = strf("%s.tmp-%s", path, random);
		if (!temporary)
			return error_oom(err);
		fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	} else {
		fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	}
	if (fd < 0)
		return error_errno(err, errno, "cannot create %s", path);
	export->out_fd = fd;
	r = export_to_fd(export, err);
	if (r == 0 && temporary && rename(temporary, path) < 0)
		r = error_errno(err, errno, "cannot create %s", path);
	if (r < 0 && temporary)
		unlink(temporary);
	return r;
}

static int export_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	const struct export_options *o = options;
	_cleanup_place_ struct place place = { .root_fd = -1, .userns_fd = -1 };
	_cleanup_free_ char *root = strf("%s:/", argv[0]);
	_cleanup_cp_machine_ struct cp_machine machine = CP_MACHINE_INIT;
	struct export export = { .out_fd = STDOUT_FILENO };
	int r;

	if (!root)
		return error_oom(err);
	if (!o->output && isatty(STDOUT_FILENO))
		return error_set(err, EINVAL,
			"a tar archive is not for a terminal: give -o FILE or redirect standard output");
	r = cp_machine_open(cli, root, &machine, err);
	if (r > 0)
		export.machine = &machine;
	else if (r == 0)
		r = place_open(cli, root, &place, err);
	if (r < 0)
		return r;
	export.root_fd = place.root_fd;
	export.userns_fd = place.userns_fd;
	return o->output ? export_to_file(&export, o->output, err) : export_to_fd(&export, err);
}

const struct verb verb_export = {
	.name = "export",
	.group = "Instances",
	.usage = "[OPTIONS] INSTANCE",
	.summary = "Write an instance's root filesystem as a tar archive",
	.help = "The instance may run or not. Volumes, /proc and everything else that is mounted in it\n"
		"appear as empty folders and files. `import` makes an image of the archive again.",
	.options = option_table,
	.options_size = sizeof(struct export_options),
	.min_operands = 1,
	.max_operands = 1,
	.operand = COMPLETE_INSTANCE,
	.run = export_main,
};
