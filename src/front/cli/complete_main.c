/* SPDX-License-Identifier: Apache-2.0 */
/*
 * complete_main.c - `__complete` of the small program, and `completion`, which prints the script.
 *
 * Errors say nothing: a shell that completes must never be spoken to.
 */
#include <stdio.h>

#include "base/process.h"
#include "front/cli/cli.h"
#include "front/cli/complete.h"
#include "front/cli/verbs.h"
#include "image/image.h"
#include "instance/volume.h"
#include "network/network.h"

struct lookup {
	struct instance_roots roots;
	const char *typed;
	const char *before; /* what the thing is part of: "container:" */
};

static void offer(const struct lookup *l, const char *word)
{
	_cleanup_free_ char *whole = word ? strf("%s%s", l->before, word) : NULL;

	if (whole && str_after_prefix(whole, l->typed))
		printf("%s\n", whole);
}

static void offer_images(const struct lookup *l)
{
	struct image_store store = { 0 };
	struct image_summary *list = NULL;
	const char *last = NULL;
	size_t count = 0;

	if (image_store_open(l->roots.root, &store, NULL) < 0)
		return;
	if (image_list(&store, &list, &count, NULL) == 0) {
		for (size_t i = 0; i < count; i++) {
			struct image_reference ref = { 0 };
			_cleanup_free_ char *name = NULL;

			/* An index has one row per platform. */
			if (!list[i].name || (last && streq(last, list[i].name)) ||
				image_reference_parse(list[i].name, &ref, NULL) < 0)
				continue;
			last = list[i].name;
			name = image_reference_familiar(&ref);
			offer(l, name);
			image_reference_free(&ref);
		}
		image_list_free(list, count);
	}
	image_store_close(&store);
}

static bool is_live(const struct instance *instance)
{
	return instance->state.status == INSTANCE_RUNNING ||
		instance->state.status == INSTANCE_PAUSED ||
		instance->state.status == INSTANCE_RESTARTING;
}

static void offer_instances(const struct lookup *l, bool live, bool ended)
{
	struct instance *list = NULL;
	size_t count = 0;

	if (instance_list(&l->roots, &list, &count, NULL) < 0)
		return;
	for (size_t i = 0; i < count; i++)
		if (is_live(&list[i]) ? live : ended)
			offer(l, list[i].spec.name);
	instance_list_free(list, count);
}

static void offer_volumes(const struct lookup *l)
{
	struct volume *list = NULL;
	size_t count = 0;

	if (volume_list(l->roots.root, &list, &count, NULL) < 0)
		return;
	for (size_t i = 0; i < count; i++)
		if (!list[i].anonymous)
			offer(l, list[i].name);
	volume_list_free(list, count);
}

static void offer_networks(const struct lookup *l)
{
	const struct network_roots roots = { l->roots.root, l->roots.run_root, l->roots.rootless };
	struct network *list = NULL;
	size_t count = 0;

	if (network_list(&roots, &list, &count, NULL) < 0)
		return;
	for (size_t i = 0; i < count; i++)
		offer(l, list[i].name);
	network_list_free(list, count);
}

static void print_line(struct lookup *l, char *line)
{
	char *blank = line[0] == ':' ? strchr(line, ' ') : NULL;

	l->before = blank ? blank + 1 : "";
	if (blank)
		*blank = '\0';
	if (streq(line, ":image"))
		offer_images(l);
	else if (streq(line, ":instance"))
		offer_instances(l, true, true);
	else if (streq(line, ":running"))
		offer_instances(l, true, false);
	else if (streq(line, ":stopped"))
		offer_instances(l, false, true);
	else if (streq(line, ":volume"))
		offer_volumes(l);
	else if (streq(line, ":network"))
		offer_networks(l);
	else if (*line)
		printf("%s\n", line);
}

/* The --root of the line that is being completed, not of our own. */
static const char *typed_root(int argc, char *const *argv)
{
	for (int i = 0; i < argc && argv[i][0] == '-'; i++) {
		const char *value = str_after_prefix(argv[i], "--root=");

		if (value)
			return value;
		if (streq(argv[i], "--root") && i + 1 < argc)
			return argv[i + 1];
	}
	return NULL;
}

static char *ask_helper(const char *helper, int argc, char *const *argv)
{
	_cleanup_strv_ char **words = NULL;
	char path[4096], *output = NULL;

	if (process_helper_path(helper, path, sizeof(path), NULL) < 0 ||
		strv_push(&words, path) < 0 || strv_push(&words, "__complete") < 0 ||
		strv_push(&words, "--") < 0)
		return NULL;
	for (int i = 0; i < argc; i++)
		if (strv_push(&words, argv[i]) < 0)
			return NULL;
	process_run(words, NULL, &output, NULL);
	return output;
}

static int complete_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	_cleanup_free_ char *text = NULL, *run_root = NULL;
	struct lookup l = { { cli->root, cli->run_root, cli->rootless },
		argc > 0 ? argv[argc - 1] : "", "" };
	const char *helper, *root = typed_root(argc, argv);
	struct str out = { 0 };
	char *rest, *line;

	complete_words(cli->verbs, argc, argv, &out, &helper);
	text = str_finish(&out);
	if (helper) {
		free(text);
		text = ask_helper(helper, argc, argv);
	}
	if (root) {
		run_root = strf("%s/run", root);
		l.roots.root = root;
		l.roots.run_root = run_root ? run_root : cli->run_root;
	}
	rest = text;
	while ((line = strsep(&rest, "\n")))
		print_line(&l, line);
	return 0;
}

static const struct option no_options[] = { { OPTION_END } };

const struct verb verb_complete = {
	.name = "__complete",
	.usage = "WORD...",
	.summary = "What could stand at the end of a command line",
	.options = no_options,
	.stop_at_operand = true,
	.max_operands = -1,
	.hidden = true,
	.run = complete_main,
};

static int completion_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	if (!streq(argv[0], "bash"))
		return error_set(err, EINVAL,
			"there is no completion for %s: there is one for bash", argv[0]);
	fputs(completion_bash, stdout);
	return 0;
}

const struct verb verb_completion = {
	.name = "completion",
	.group = "System",
	.usage = "bash",
	.summary = "Print the script that makes a shell complete our command lines",
	.help = "Installed packages bring it along. Without one:\n"
		"  strata completion bash > ~/.local/share/bash-completion/completions/strata",
	.options = no_options,
	.min_operands = 1,
	.max_operands = 1,
	.run = completion_main,
};
