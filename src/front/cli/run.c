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

#include <stdio.h>
#include <strings.h>

#include "base/io.h"
#include "front/cli/cli.h"
#include "front/cli/finish.h"
#include "front/cli/run_image.h"
#include "front/cli/run_machine.h"
#include "front/cli/verbs.h"
#include "instance/volume.h"

struct run {
	struct cli *cli;
	const struct run_options *options;
	struct instance_roots roots;
	struct run_image found;
	struct run_plan plan;
	struct instance instance;
	bool created;
	struct instance_run *ahead; /* `run`, not `create` */
	struct container_network_ahead network;
};

static void run_end(struct run *run)
{
	container_network_close(&run->network);
	if (run->created)
		instance_close(&run->instance);
	run_plan_free(&run->plan);
	run_image_close(&run->found);
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
	struct run_request request = { run->cli, run->options, &run->found.image, argv[0], argc - 1,
		argv + 1 };
	int r = run_image_find(&run->found, argv[0], err);

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
		run->instance.image_lock_fd = steal_fd(&run->found.lock);
	run_image_release(&run->found);
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
		.cli = cli,
		.options = options,
		.roots = { cli->root, cli->run_root, cli->rootless },
		.found = { cli, options, { NULL, -1, -1, -1 }, .lock = -1 },
	};
	run->instance.dir_fd = -1;
}

static int create_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	_cleanup_(run_end) struct run run;
	int r;

	run_begin(&run, cli, options);
	r = run_adopt_networks(options, err);
	if (r == 0)
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
		run_image_explain(&run->found, image, exit_code, err);
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
	if (r == 0)
		r = run_adopt_networks(o, err);
	if (r == 0 && attach)
		r = attach_options(o, attach, err);
	if (r == 0 && !run_is_machine(o) && !o->userns &&
		(!o->network || streq(o->network, "none")))
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
		"Without --network the instance has no network but its own loopback. --network bridge\n"
		"is the default network; others are made by 'strata network create'. Given several\n"
		"times, or as name=NETWORK,ip=ADDRESS,alias=NAME, it joins several.\n"
		"\n"
		"Examples:\n"
		"  strata run --rm debian:12 cat /etc/os-release\n"
		"  strata run -it --rm -v \"$PWD\":/src -w /src debian:12 bash\n"
		"  strata run -d --name web --network bridge -p 8080:80 --memory 256m --restart always nginx\n"
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
