/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run.c - `run` and `create`: image + options -> instance, and (run) start it.
 *
 * This is the path that SPECIFICATION.md measures. `run` forks at once: one process opens the
 * store, resolves the image once (index, manifest, configuration, each read once), fills in the two
 * documents, creates the instance and becomes its monitor; the other makes the network namespace
 * meanwhile, on another CPU, and then is the user's end of the command. Everything else is behind
 * an option that was given.
 */
#include "front/cli/run_options.h"

#include <limits.h>
#include <stdio.h>
#include <strings.h>

#include "base/io.h"
#include "base/process.h"
#include "front/cli/cli.h"
#include "front/cli/finish.h"
#include "front/cli/run_platform.h"
#include "front/cli/verbs.h"
#include "instance/volume.h"

#define IMAGE_HELPER "strata-image"

struct run {
	struct cli *cli;
	const struct run_options *options;
	struct instance_roots roots;
	struct image_store store;
	struct image image;
	struct run_plan plan;
	struct instance instance;
	bool created;
	struct instance_run *ahead; /* `run`, not `create` */
	struct container_network_ahead network;
	char platform[64]; /* of the image, when it was not asked for; "": the host's */
	int image_lock; /* shared, from resolving the image until the instance pins it */
};

static void release_image(struct run *run)
{
	if (run->image_lock >= 0)
		close(steal_fd(&run->image_lock));
}

static void run_end(struct run *run)
{
	container_network_close(&run->network);
	if (run->created)
		instance_close(&run->instance);
	release_image(run);
	run_plan_free(&run->plan);
	image_free(&run->image);
	image_store_close(&run->store);
}

/* --- the image --- */

/* `pull` or `__unpack`, with what the user said about where and for what. */
static int ask_helper(struct run *run, const char *verb, const char *name, struct error *err)
{
	struct image_platform other;
	const char *argv[10];
	char or_platform[64];
	size_t n = 0;

	argv[n++] = run->cli->program;
	if (run->cli->root_given) {
		argv[n++] = "--root";
		argv[n++] = run->cli->root;
	}
	argv[n++] = verb;
	if (run->options->platform || *run->platform) {
		argv[n++] = "--platform";
		argv[n++] = *run->platform ? run->platform : run->options->platform;
	} else if (streq(verb, "pull") && run_platform_translated(0, &other) == 0) {
		image_platform_format(&other, or_platform, sizeof(or_platform));
		argv[n++] = "--or-platform";
		argv[n++] = or_platform;
	}
	argv[n++] = name;
	argv[n] = NULL;
	return cli_run_helper(IMAGE_HELPER, argv, err);
}

static int resolve(
	struct run *run, const char *name, const struct image_platform *platform, struct error *err)
{
	int r;

	run->image_lock = image_store_lock(&run->store, false, err);
	if (run->image_lock < 0)
		return run->image_lock;
	r = image_resolve(&run->store, name, platform, &run->image, err);
	if (r < 0)
		release_image(run);
	return r;
}

/* Stored for a platform only whose programs are translated: that is what is meant, where none was
 * asked for. -ENOEXEC: it is not. */
static int resolve_translated(
	struct run *run, const char *name, struct image_platform *platform, struct error *err)
{
	struct image_platform host = *platform, other;
	struct error ignored = { 0 };
	char wanted[64];

	for (size_t i = 0; run_platform_translated(i, &other) == 0; i++) {
		if (resolve(run, name, &other, &ignored) < 0)
			continue;
		error_clear(err);
		*platform = other;
		image_platform_format(&host, wanted, sizeof(wanted));
		image_platform_format(&other, run->platform, sizeof(run->platform));
		fprintf(stderr, "%s: %s has no %s, running %s by translation\n", run->cli->program,
			name, wanted, run->platform);
		return 0;
	}
	return -ENOEXEC;
}

static int resolve_any(
	struct run *run, const char *name, struct image_platform *platform, struct error *err)
{
	int r = resolve(run, name, platform, err);

	return r == -ENOEXEC && !run->options->platform
		? resolve_translated(run, name, platform, err)
		: r;
}

/* Not stored for what was asked for: can that be run here at all? */
static int explain_missing(const char *asked, int why, struct error *err)
{
	_cleanup_free_ char *runnable = NULL;
	struct image_platform host, wanted;
	struct error had = *err;

	if (!asked || image_platform_parse(asked, &wanted, NULL) < 0 ||
		image_platform_parse(NULL, &host, NULL) < 0 ||
		image_platform_matches(&host, &wanted) || run_platform_needs_translation(&wanted))
		return why;
	runnable = run_platform_describe_all();
	return error_set(
		err, -why, "%s; this machine runs %s", had.message, runnable ? runnable : "others");
}

/* An image that another tool put into the store has no unpacked layers yet. */
static int unpack(
	struct run *run, const char *name, const struct image_platform *platform, struct error *err)
{
	int r = image_is_unpacked(&run->store, &run->image);

	if (r < 0)
		return error_errno(err, r, "cannot look for the layers of %s", name);
	if (r > 0)
		return 0;
	release_image(run);
	image_free(&run->image);
	r = ask_helper(run, "__unpack", name, err);
	return r == 0 ? resolve(run, name, platform, err) : r;
}

/* What can be an ID is not asked for at a registry when it was found. */
static bool is_id(const char *name)
{
	return str_after_prefix(name, "sha256:") ||
		strspn(name, "0123456789abcdef") == strlen(name);
}

/* `why`: what resolve() said, with its sentence in *err. */
static int pull_missing(struct run *run, const char *name, int why, struct error *err)
{
	_cleanup_free_ char *other = NULL;
	char helper[PATH_MAX];

	/* Stored for another platform only: the sentence says for which. */
	if (why == -ENOEXEC)
		other = strf(": %s", err->message);
	error_clear(err);
	if (process_helper_path(IMAGE_HELPER, helper, sizeof(helper), err) < 0) {
		error_prefix(err, "cannot pull %s, which is not stored%s", name,
			other ? " for this platform" : "");
		return -ENOENT;
	}
	fprintf(stderr, "Unable to find image '%s' locally%s\n", name, other ? other : "");
	return ask_helper(run, "pull", name, err);
}

static int find_image(struct run *run, const char *name, struct error *err)
{
	const struct run_options *o = run->options;
	struct image_platform platform;
	int r = image_platform_parse(o->platform, &platform, err);

	if (r == 0)
		r = image_store_open(run->cli->root, &run->store, err);
	if (r < 0)
		return r;
	if (streq(o->pull, "always")) {
		r = ask_helper(run, "pull", name, err);
		if (r < 0)
			return r;
	}
	r = resolve_any(run, name, &platform, err);
	if (streq(o->pull, "missing") && (r == -ENOENT || (r == -ENOEXEC && !is_id(name)))) {
		r = pull_missing(run, name, r, err);
		if (r == 0)
			r = resolve_any(run, name, &platform, err);
	} else if (r == -ENOEXEC) {
		r = explain_missing(o->platform, r, err);
	}
	return r == 0 ? unpack(run, name, &platform, err) : r;
}

/* --- the instance --- */

/* The ID goes to a new file: an old one may be what somebody's script still acts on. */
static int write_id(const struct run *run, struct error *err)
{
	const char *path = run->options->cidfile;
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	int r;

	if (fd < 0 && errno == EEXIST)
		return error_set(err, EEXIST,
			"container ID file found, make sure the other instance isn't running or delete %s",
			path);
	if (fd < 0)
		return error_errno(err, errno, "cannot write the ID to %s", path);
	r = io_write_full(fd, run->instance.id, INSTANCE_ID_LEN);
	return r < 0 ? error_errno(err, r, "cannot write the ID to %s", path) : 0;
}

/* Anonymous volumes that were made for an instance that then was not. */
static void drop_volumes(const struct run *run)
{
	for (size_t i = 0; i < run->plan.nr_volumes; i++)
		if (run->plan.volumes[i].anonymous && run->plan.volumes[i].name)
			volume_remove(run->roots.root, run->plan.volumes[i].name, NULL);
}

static int create(struct run *run, int argc, char **argv, struct error *err)
{
	struct run_request request = { run->cli, run->options, &run->image, argv[0], argc - 1,
		argv + 1 };
	int r = find_image(run, argv[0], err);

	if (r == 0)
		r = run_plan_build(&request, &run->plan, err);
	if (r == 0)
		r = run_plan_make_volumes(run->cli, &run->plan, err);
	run->plan.spec.starts_at_once = run->ahead != NULL;
	run->plan.spec.id = run->ahead ? run->ahead->id : NULL;
	if (r == 0)
		r = instance_create(
			&run->roots, &run->plan.spec, &run->plan.config, &run->instance, err);
	if (r < 0) {
		drop_volumes(run);
		return r;
	}
	run->created = true;
	if (run->instance.documents_due)
		run->instance.image_lock_fd = steal_fd(&run->image_lock);
	release_image(run);
	if (run->options->cidfile)
		r = write_id(run, err);
	if (r == 0 && run->plan.nr_volumes)
		r = run_plan_fill_volumes(run->cli, &run->plan, &run->instance.config, err);
	if (r < 0)
		instance_remove(&run->instance, true, true, NULL);
	return r;
}

static void run_begin(struct run *run, struct cli *cli, const void *options)
{
	*run = (struct run){
		.cli = cli, .options = options, .roots = { cli->root, cli->run_root, cli->rootless }
	};
	run->store.root_fd = run->store.images_fd = run->store.layers_fd = -1;
	run->instance.dir_fd = -1;
	run->image_lock = -1;
}

static int create_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	_cleanup_(run_end) struct run run;
	int r;

	run_begin(&run, cli, options);
	r = create(&run, argc, argv, err);
	if (r == 0)
		printf("%s\n", run.instance.id);
	return r;
}

/* --- run --- */

static bool wants(const struct run_options *o, const char *stream)
{
	if (!o->attach)
		return true;
	strv_for_each (s, o->attach)
		if (strcasecmp(*s, stream) == 0)
			return true;
	return false;
}

static int attach_options(
	const struct run_options *o, struct instance_attach_options *ret, struct error *err)
{
	/* -a stdin attaches it even without -i, as in Docker. */
	bool in = o->attach ? wants(o, "stdin") : o->interactive;

	if (o->terminal && in && !isatty(STDIN_FILENO))
		return error_set(err, ENOTTY, "the input device is not a TTY");
	*ret = (struct instance_attach_options){
		.stdin_open = in,
		.stdout_open = wants(o, "stdout"),
		.stderr_open = wants(o, "stderr"),
		.signal_proxy = o->signal_proxy && !o->terminal,
		.terminal = o->terminal,
		.detach_keys = o->detach_keys,
	};
	return 0;
}

/* -a stdin: the instance itself must keep it open for us. */
static void adopt_attach(struct run_options *o)
{
	if (o->attach && wants(o, "stdin"))
		o->interactive = true;
}

/* "exec format error" alone does not say that the image is for another CPU. It is looked at again:
 * the maker knew it, and is gone. */
static void explain_platform(struct run *run, const char *name, int exit_code, struct error *err)
{
	const struct image_platform *image = &run->image.config.platform;
	_cleanup_free_ char *runnable = NULL;
	struct image_platform host, wanted;
	struct error why = *err;
	char theirs[64];

	if (exit_code != EXIT_NOT_EXECUTABLE || image_platform_parse(NULL, &host, NULL) < 0 ||
		image_platform_parse(run->options->platform, &wanted, NULL) < 0 ||
		image_store_open(run->cli->root, &run->store, NULL) < 0 ||
		resolve(run, name, &wanted, NULL) < 0 || image_platform_matches(&host, image) ||
		run_platform_needs_translation(image))
		return;
	image_platform_format(image, theirs, sizeof(theirs));
	runnable = run_platform_describe_all();
	error_set(err, why.code, "%s: the image is for %s, and this machine runs %s", why.message,
		theirs, runnable ? runnable : "others");
}

/* The process that was forked to make the instance, and to be its monitor then. */
static void make(struct run *run, const struct instance_attach_options *attach, int argc,
	char **argv) __attribute__((noreturn));

static void make(
	struct run *run, const struct instance_attach_options *attach, int argc, char **argv)
{
	struct error err = { 0 };
	int r;

	if (run->network.sender_fd > 0)
		close(steal_fd(&run->network.sender_fd));
	r = create(run, argc, argv, &err);
	if (r < 0) {
		err.code = -r; /* CLI_ALREADY_SAID is set by nobody else */
		instance_run_give_up(run->ahead, &err);
	}
	run->instance.network_fd = run->network.receiver_fd;
	instance_run_become_monitor(run->ahead, &run->instance, attach);
}

/* The process that the user waits for: it makes what can be made beside, and is the maker's client.
 */
static int follow(struct run *run, const struct instance_attach_options *attach, const char *image,
	struct error *err)
{
	enum instance_attach_end end = INSTANCE_ATTACH_EXITED;
	int exit_code = EXIT_STRATA, r;

	if (run->network.sender_fd > 0) {
		cpus_make_room(&run->ahead->cpus);
		container_network_make(run->network.sender_fd, run->ahead->maker);
	}
	container_network_close(&run->network);
	r = instance_run_follow(run->ahead, attach, &end, &exit_code, err);
	/* How it says that it could not be made is the caller's business. */
	if (r < 0 && exit_code == EXIT_STRATA)
		return r;
	if (r < 0)
		explain_platform(run, image, exit_code, err);
	if (attach || r < 0)
		return finish_attached(run->cli, run->ahead->id, r, end, exit_code, err);
	printf("%s\n", run->ahead->id);
	return 0;
}

static int run_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	struct run_options *o = options;
	struct instance_attach_options attach_given, *attach = o->detach ? NULL : &attach_given;
	struct instance_run ahead;
	_cleanup_(run_end) struct run run;
	int r;

	run_begin(&run, cli, options);
	run.ahead = &ahead;
	adopt_attach(o);
	/* Said before anything is made. */
	r = instance_check_detach_keys(o->detach_keys, err);
	if (r == 0 && attach)
		r = attach_options(o, attach, err);
	if (r == 0 && !o->userns && (!o->network || streq(o->network, "none")))
		container_network_open(&run.network);
	if (r == 0)
		r = instance_run_fork(&ahead, attach, err);
	if (r < 0)
		return r;
	if (ahead.maker == 0)
		make(&run, attach, argc, argv);
	return follow(&run, attach, argv[0], err);
}

const struct verb verb_run = {
	.name = "run",
	.group = "Run",
	.usage = "[OPTIONS] IMAGE [COMMAND] [ARG...]",
	.summary = "Make an instance from an image and run its command",
	.help = "The image is pulled when it is not stored yet. The exit status is the command's;\n"
		"125 when strata itself failed, 126 when the command cannot be executed, 127 when it\n"
		"is not there, 128+N when signal N ended it.\n"
		"\n"
		"Without --network the instance has no network but its own loopback: networks of\n"
		"their own come later, until then there are none, host and container:INSTANCE.\n"
		"\n"
		"Examples:\n"
		"  strata run --rm debian:12 cat /etc/os-release\n"
		"  strata run -it --rm -v \"$PWD\":/src -w /src debian:12 bash\n"
		"  strata run -d --name web --network host --memory 256m --cpus 0.5 --restart always nginx\n"
		"  strata run --rm --read-only --cap-drop ALL --user 1000 alpine id\n"
		"  strata run --rm --platform linux/riscv64 debian:13 uname -m",
	.options = run_option_table,
	.options_size = sizeof(struct run_options),
	.defaults = &run_option_defaults,
	.stop_at_operand = true,
	.min_operands = 1,
	.max_operands = -1,
	.operand = COMPLETE_IMAGE,
	.runs_command = true,
	.run = run_main,
};

const struct verb verb_create = {
	.name = "create",
	.group = "Run",
	.usage = "[OPTIONS] IMAGE [COMMAND] [ARG...]",
	.summary = "Make an instance from an image without starting it",
	.help = "Prints the ID of the new instance. The options are those of 'strata run'.\n"
		"\n"
		"Example:\n"
		"  strata create --name job debian:12 sleep 60 && strata start -a job",
	.options = create_option_table,
	.options_size = sizeof(struct run_options),
	.defaults = &run_option_defaults,
	.stop_at_operand = true,
	.min_operands = 1,
	.max_operands = -1,
	.operand = COMPLETE_IMAGE,
	.runs_command = true,
	.run = create_main,
};
