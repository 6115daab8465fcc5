/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cp.c - `cp`: files between the host and an instance, running or not.
 *
 * What is copied where follows Docker's rules (which follow cp's):
 *
 *   source   target is             result
 *   file     missing               the file, under that name ("x/": an error)
 *   file     a file                replaced
 *   file     a folder              a file in it, under its own name
 *   folder   missing               a copy under that name
 *   folder   a file                an error
 *   folder   a folder              a folder in it, under its own name; "source/.": its content
 *
 * "-" is a tar stream. It passes through a folder of the state root: the helper program packs and
 * unpacks there, where nothing hostile can move things about meanwhile, and the copier, which can
 * stand that, does the rest.
 *
 * An ordinary user's copy runs as root of their user namespace: the files of an instance belong to
 * ids that only exist there.
 */
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/io.h"
#include "base/process.h"
#include "base/userns.h"
#include "front/cli/copy.h"
#include "front/cli/cli.h"
#include "front/cli/cp_machine.h"
#include "front/cli/place.h"
#include "front/cli/verbs.h"

struct cp_options {
	bool archive, follow, quiet;
};

static const struct option option_table[] = {
	{ OPTION_FLAG, 'a', "archive", offsetof(struct cp_options, archive), NULL,
		"Keep user and group ids" },
	{ OPTION_FLAG, 'L', "follow-link", offsetof(struct cp_options, follow), NULL,
		"When the source is a symbolic link, copy what it leads to" },
	{ OPTION_FLAG, 'q', "quiet", offsetof(struct cp_options, quiet), NULL,
		"Do not say what was copied" },
	{ OPTION_END },
};

struct job {
	struct place source, target;
	const struct cp_options *options;
	bool owners;
};

/* Where both sides can be seen. */
static int call(int (*fn)(void *job, struct error *err), struct job *job, struct error *err)
{
	int source = job->source.userns_fd;

	return userns_call_in(source >= 0 ? source : job->target.userns_fd, fn, job, err);
}

/* --- one copy --- */

static int copy_folder(const struct job *job, const struct place_entry *source,
	const struct place_entry *target, struct error *err)
{
	const struct copy_options options = { .owners = job->owners };
	struct copy_options content = options;

	if (target->exists && target->dir_fd < 0)
		return error_set(err, ENOTDIR, "cannot copy the folder %s over the file %s",
			job->source.typed, job->target.typed);
	if (!target->exists)
		return source->content ? copy_entry(source->dir_fd, ".", target->parent_fd,
						 target->name, &options, err)
				       : copy_entry(source->parent_fd, source->name,
						 target->parent_fd, target->name, &options, err);
	if (!source->content)
		return copy_entry(source->parent_fd, source->name, target->dir_fd, source->name,
			&options, err);
	/* The folder was there before: its mode and owner are not the source's business. */
	content.keep_folder = true;
	return copy_directory_content(source->dir_fd, target->dir_fd, &content, err);
}

static int copy_file(const struct job *job, const struct place_entry *source,
	const struct place_entry *target, struct error *err)
{
	const struct copy_options options = { .owners = job->owners };

	if (target->dir_fd >= 0)
		return copy_entry(source->parent_fd, source->name, target->dir_fd, source->name,
			&options, err);
	if (target->wants_folder || target->content)
		return error_set(err, target->exists ? ENOTDIR : ENOENT, "no such folder: %s",
			job->target.typed);
	return copy_entry(
		source->parent_fd, source->name, target->parent_fd, target->name, &options, err);
}

static int copy_now(void *context, struct error *err)
{
	const struct job *job = context;
	_cleanup_place_entry_ struct place_entry source = { .parent_fd = -1, .dir_fd = -1 };
	_cleanup_place_entry_ struct place_entry target = { .parent_fd = -1, .dir_fd = -1 };
	int r = place_resolve(&job->source, job->options->follow, &source, err);

	if (r < 0)
		return r;
	if (!source.exists)
		return error_set(err, ENOENT, "no such file or folder: %s", job->source.typed);
	if (source.dir_fd < 0 && (source.wants_folder || source.content))
		return error_set(err, ENOTDIR, "%s is not a folder", job->source.typed);
	r = place_resolve(&job->target, true, &target, err);
	if (r < 0)
		return r;
	return source.dir_fd >= 0 ? copy_folder(job, &source, &target, err)
				  : copy_file(job, &source, &target, err);
}

/* --- tar streams --- */

/* A private folder of the state root; *ret_path is removed by drop_folder(). */
static int make_folder(const struct cli *cli, char **ret_path, struct error *err)
{
	_cleanup_free_ char *parent = strf("%s/tmp", cli->root), *path = NULL;
	char random[17];
	int r;

	io_random_hex(random, 8);
	path = strf("%s/tmp/cp-%s", cli->root, random);
	if (!parent || !path)
		return error_oom(err);
	r = io_make_dirs(AT_FDCWD, parent, 0700, err);
	if (r < 0)
		return r;
	if (mkdir(path, 0700) < 0)
		return error_errno(err, errno, "cannot create %s", path);
	*ret_path = steal_ptr(&path);
	return 0;
}

static int remove_now(void *context, struct error *err)
{
	return io_remove_tree(AT_FDCWD, context, err);
}

static void drop_folder(char **path)
{
	if (*path)
		userns_call(remove_now, *path, NULL);
	free(*path);
}

struct tar {
	const char *verb; /* of the helper: "__tar-create" or "__tar-extract" */
	const char *folder;
};

/* Standard input or output is the stream; the folder is an argument. */
static int tar_now(void *context, struct error *err)
{
	const struct tar *tar = context;
	char path[PATH_MAX];
	const char *argv[] = { path, tar->verb, tar->folder, NULL };
	int r = process_helper_path("strata-image", path, sizeof(path), err), status;
	pid_t pid;

	if (r < 0)
		return r;
	fflush(stdout);
	r = posix_spawn(&pid, path, NULL, NULL, (char *const *)argv, environ);
	if (r != 0)
		return error_errno(err, r, "cannot run %s", path);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return process_exit_code(status) == 0 ? 0 : CLI_ALREADY_SAID;
}

static int stream_out(const struct cli *cli, struct job *job, struct error *err)
{
	_cleanup_(drop_folder) char *folder = NULL;
	struct tar tar = { "__tar-create", NULL };
	int r;

	if (isatty(STDOUT_FILENO))
		return error_set(err, EINVAL,
			"refusing to write a tar stream to a terminal: redirect standard output");
	r = make_folder(cli, &folder, err);
	if (r == 0)
		r = place_open_host(folder, &job->target, err);
	job->owners = true;
	if (r == 0)
		r = call(copy_now, job, err);
	tar.folder = folder;
	return r == 0 ? userns_call(tar_now, &tar, err) : r;
}

static int check_folder(void *context, struct error *err)
{
	const struct job *job = context;
	_cleanup_place_entry_ struct place_entry target = { .parent_fd = -1, .dir_fd = -1 };
	int r = place_resolve(&job->target, true, &target, err);

	if (r == 0 && target.dir_fd < 0)
		r = error_set(err, ENOTDIR,
			"%s must be a folder that exists: a tar stream is unpacked into it",
			job->target.typed);
	return r;
}

/* Into a private folder; ret_folder is for drop_folder(). */
static int unpack_input(const struct cli *cli, char **ret_folder, struct error *err)
{
	struct tar tar = { "__tar-extract", NULL };
	int r = make_folder(cli, ret_folder, err);

	tar.folder = *ret_folder;
	return r == 0 ? userns_call(tar_now, &tar, err) : r;
}

static int stream_in(const struct cli *cli, struct job *job, struct error *err)
{
	_cleanup_(drop_folder) char *folder = NULL;
	_cleanup_free_ char *content = NULL;
	int r = call(check_folder, job, err);

	if (r == 0)
		r = unpack_input(cli, &folder, err);
	if (r < 0)
		return r;
	content = strf("%s/.", folder);
	if (!content)
		return error_oom(err);
	r = place_open_host(content, &job->source, err);
	job->owners = true;
	return r == 0 ? call(copy_now, job, err) : r;
}

/* --- machines --- */

/* The name that the guest's archive has at its top; NULL for its root. */
static const char *name_of(const struct cp_machine *m)
{
	const char *slash = strrchr(m->path, '/');

	return slash[1] && !streq(slash + 1, "..") ? slash + 1 : NULL;
}

static int machine_out(const struct cli *cli, struct cp_machine *m, struct job *job, const char *to,
	struct error *err)
{
	_cleanup_(drop_folder) char *folder = NULL;
	_cleanup_free_ char *source = NULL;
	const char *name = name_of(m);
	enum isolation_file kind = ISOLATION_FILE_MISSING;
	int r = job->options->follow
		? error_set(err, ENOTSUP, "-L does not work with a machine's files")
		: cp_machine_look(m, m->path, &kind, err);

	if (r < 0)
		return r;
	if (kind == ISOLATION_FILE_MISSING)
		return error_set(err, ENOENT, "no such file or folder: %s", m->path);
	if (streq(to, "-") && isatty(STDOUT_FILENO))
		return error_set(err, EINVAL,
			"refusing to write a tar stream to a terminal: redirect standard output");
	if (streq(to, "-"))
		return cp_machine_stream_out(m, STDOUT_FILENO, err);
	r = place_open_host(to, &job->target, err);
	if (r == 0)
		r = make_folder(cli, &folder, err);
	if (r == 0)
		r = cp_machine_get(m, folder, err);
	if (r < 0)
		return r;
	source = strf("%s/%s%s%s", folder, name ? name : ".", m->wants_folder ? "/" : "",
		m->content && name ? "/." : "");
	if (!source)
		return error_oom(err);
	r = place_open_host(source, &job->source, err);
	return r == 0 ? call(copy_now, job, err) : r;
}

/* Where the copy is to be in the guest: a folder that is there, and a name in it (NULL: the content
 * of the source). Docker's rules, as above. */
static int choose_target(struct cp_machine *m, const struct place_entry *source, char **ret_folder,
	const char **ret_name, struct error *err)
{
	char *slash = strrchr(m->path, '/');
	enum isolation_file kind, parent;
	int r = cp_machine_look(m, m->path, &kind, err);

	if (r < 0)
		return r;
	if (kind == ISOLATION_FILE_FOLDER) {
		*ret_name = source->dir_fd >= 0 && source->content ? NULL : source->name;
		*ret_folder = strdup(m->path);
		return *ret_folder ? 0 : error_oom(err);
	}
	if (source->dir_fd >= 0 && kind == ISOLATION_FILE_OTHER)
		return error_set(err, ENOTDIR, "cannot copy a folder over the file %s", m->path);
	if (source->dir_fd < 0 && (m->wants_folder || m->content))
		return error_set(err, ENOENT, "no such folder: %s", m->path);
	*ret_name = slash + 1;
	*ret_folder = slash == m->path ? strdup("/") : strndup(m->path, (size_t)(slash - m->path));
	if (!*ret_folder)
		return error_oom(err);
	r = cp_machine_look(m, *ret_folder, &parent, err);
	if (r == 0 && parent != ISOLATION_FILE_FOLDER)
		r = error_set(err, ENOENT, "no such folder: %s, in which %s would be", *ret_folder,
			m->path);
	return r;
}

/* The guest knows one kind of archive; users have many. */
static int machine_stream_in(const struct cli *cli, struct cp_machine *m, struct error *err)
{
	_cleanup_(drop_folder) char *folder = NULL;
	enum isolation_file kind;
	int r = cp_machine_look(m, m->path, &kind, err);

	if (r == 0 && kind != ISOLATION_FILE_FOLDER)
		r = error_set(err, ENOTDIR,
			"%s must be a folder that exists: a tar stream is unpacked into it",
			m->path);
	if (r == 0)
		r = unpack_input(cli, &folder, err);
	return r == 0 ? cp_machine_put(m, m->path, folder, err) : r;
}

static int machine_in(const struct cli *cli, struct cp_machine *m, struct job *job,
	const char *from, struct error *err)
{
	_cleanup_place_entry_ struct place_entry source = { .parent_fd = -1, .dir_fd = -1 };
	_cleanup_(drop_folder) char *folder = NULL;
	_cleanup_free_ char *directory = NULL, *staged = NULL;
	const char *name = NULL;
	int r;

	if (streq(from, "-"))
		return machine_stream_in(cli, m, err);
	r = place_open_host(from, &job->source, err);
	if (r == 0)
		r = place_resolve(&job->source, job->options->follow, &source, err);
	if (r == 0 && !source.exists)
		r = error_set(err, ENOENT, "no such file or folder: %s", from);
	if (r == 0)
		r = choose_target(m, &source, &directory, &name, err);
	if (r == 0)
		r = make_folder(cli, &folder, err);
	if (r < 0)
		return r;
	staged = strf("%s/%s", folder, name ? name : ".");
	if (!staged)
		return error_oom(err);
	r = place_open_host(staged, &job->target, err);
	if (r == 0)
		r = call(copy_now, job, err);
	return r == 0 ? cp_machine_put(m, directory, folder, err) : r;
}

/* 1: it was one with a machine, and is done. */
static int cp_with_machine(const struct cli *cli, struct job *job, char **argv, struct error *err)
{
	_cleanup_cp_machine_ struct cp_machine m = CP_MACHINE_INIT;
	int r = cp_machine_open(cli, argv[0], &m, err);

	if (r > 0) {
		r = machine_out(cli, &m, job, argv[1], err);
		if (r == 0)
			r = cp_machine_finish(&m, err);
		return r < 0 ? r : 1;
	}
	if (r == 0)
		r = cp_machine_open(cli, argv[1], &m, err);
	if (r <= 0)
		return r;
	r = machine_in(cli, &m, job, argv[0], err);
	if (r == 0)
		r = cp_machine_finish(&m, err);
	return r < 0 ? r : 1;
}

/* --- the verb --- */

static int check_sides(const char *source, const char *target, struct error *err)
{
	_cleanup_free_ char *from = NULL, *to = NULL;
	const char *path;
	int r = place_split(source, &from, &path, err);

	if (r == 0)
		r = place_split(target, &to, &path, err);
	if (r < 0)
		return r;
	if (from && to)
		return error_set(err, EINVAL, "copying between instances is not supported");
	if (!from && !to)
		return error_set(err, EINVAL,
			"must specify at least one instance: one side must be INSTANCE:PATH");
	return 0;
}

static int cp(const struct cli *cli, struct job *job, char **argv, struct error *err)
{
	int r = check_sides(argv[0], argv[1], err);

	if (r == 0 && (r = cp_with_machine(cli, job, argv, err)) > 0)
		return 0;
	if (r == 0 && !streq(argv[0], "-"))
		r = place_open(cli, argv[0], &job->source, err);
	if (r == 0 && !streq(argv[1], "-"))
		r = place_open(cli, argv[1], &job->target, err);
	if (r < 0)
		return r;
	if (streq(argv[0], "-"))
		return stream_in(cli, job, err);
	if (streq(argv[1], "-"))
		return stream_out(cli, job, err);
	r = call(copy_now, job, err);
	if (r == 0 && !job->options->quiet && isatty(STDERR_FILENO))
		fprintf(stderr, "Successfully copied to %s\n", argv[1]);
	return r;
}

static int cp_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	const struct cp_options *o = options;
	struct job job = { { .root_fd = -1, .userns_fd = -1 }, { .root_fd = -1, .userns_fd = -1 },
		o, o->archive };
	int r = cp(cli, &job, argv, err);

	place_close(&job.source);
	place_close(&job.target);
	return r;
}

const struct verb verb_cp = {
	.name = "cp",
	.group = "Instances",
	.usage = "[OPTIONS] INSTANCE:PATH PATH|- | PATH|- INSTANCE:PATH",
	.summary = "Copy files between an instance and the host",
	.help = "The instance may run or not. \"-\" is a tar stream on standard output or input. A folder\n"
		"that ends in \"/.\" stands for its content. Without -a, what arrives belongs to root\n"
		"in the instance, and to you on the host.\n"
		"\n"
		"Examples:\n"
		"  strata cp web:/var/log/nginx ./logs\n"
		"  strata cp nginx.conf web:/etc/nginx/\n"
		"  strata cp web:/etc - | tar -t",
	.options = option_table,
	.options_size = sizeof(struct cp_options),
	.min_operands = 2,
	.max_operands = 2,
	.operand = COMPLETE_FILE,
	.run = cp_main,
};
