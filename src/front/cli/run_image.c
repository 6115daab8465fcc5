/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_image.c - the image that `run` and `create` are given: found in the store, pulled if it is
 * not there, unpacked if it never was, for the platform that is meant.
 */
#include "front/cli/run_image.h"

#include <limits.h>
#include <stdio.h>

#include "base/io.h"
#include "base/process.h"
#include "front/cli/cli.h"
#include "front/cli/run_machine.h"
#include "front/cli/run_platform.h"
#include "isolation/architectures.h"

#define IMAGE_HELPER "strata-image"

void run_image_release(struct run_image *it)
{
	if (it->lock >= 0)
		close(steal_fd(&it->lock));
}

void run_image_close(struct run_image *it)
{
	run_image_release(it);
	image_free(&it->image);
	image_store_close(&it->store);
}

/* `pull` or `__unpack`, with what the user said about where and for what. */
static int ask_helper(struct run_image *it, const char *verb, const char *name, struct error *err)
{
	struct image_platform other;
	const char *argv[10];
	char or_platform[64];
	size_t n = 0;

	argv[n++] = it->cli->program;
	if (it->cli->root_given) {
		argv[n++] = "--root";
		argv[n++] = it->cli->root;
	}
	argv[n++] = verb;
	if (it->options->platform || *it->platform) {
		argv[n++] = "--platform";
		argv[n++] = *it->platform ? it->platform : it->options->platform;
	} else if (streq(verb, "pull") && run_platform_translated(0, &other) == 0) {
		image_platform_format(&other, or_platform, sizeof(or_platform));
		argv[n++] = "--or-platform";
		argv[n++] = or_platform;
	}
	argv[n++] = name;
	argv[n] = NULL;
	return cli_run_helper(IMAGE_HELPER, argv, err);
}

static int resolve(struct run_image *it, const char *name, const struct image_platform *platform,
	struct error *err)
{
	int r;

	it->lock = image_store_lock(&it->store, false, err);
	if (it->lock < 0)
		return it->lock;
	r = image_resolve(&it->store, name, platform, &it->image, err);
	if (r < 0)
		run_image_release(it);
	return r;
}

/* The first, the second, ... of those that do not need this host's CPU; -ENOENT after the last. */
static int other_platform(const struct run_image *it, size_t index, struct image_platform *ret)
{
	const char *architecture;

	if (!run_is_machine(it->options))
		return run_platform_translated(index, ret);
	architecture = machine_architecture_emulated(index);
	if (!architecture)
		return -ENOENT;
	*ret = (struct image_platform){ .os = "linux" };
	snprintf(ret->architecture, sizeof(ret->architecture), "%s", architecture);
	return 0;
}

/* Stored only for a platform that does not need this host's CPU: that is what is meant, where none
 * was asked for. -ENOEXEC: it is not. */
static int resolve_other(
	struct run_image *it, const char *name, struct image_platform *platform, struct error *err)
{
	struct image_platform host = *platform, other;
	struct error ignored = { 0 };
	char wanted[64];

	for (size_t i = 0; other_platform(it, i, &other) == 0; i++) {
		if (resolve(it, name, &other, &ignored) < 0)
			continue;
		error_clear(err);
		*platform = other;
		image_platform_format(&host, wanted, sizeof(wanted));
		image_platform_format(&other, it->platform, sizeof(it->platform));
		fprintf(stderr, "%s: %s has no %s, running %s %s\n", it->cli->program, name, wanted,
			it->platform, run_is_machine(it->options) ? "emulated" : "by translation");
		return 0;
	}
	return -ENOEXEC;
}

static int resolve_any(
	struct run_image *it, const char *name, struct image_platform *platform, struct error *err)
{
	int r = resolve(it, name, platform, err);

	return r == -ENOEXEC && !it->options->platform ? resolve_other(it, name, platform, err) : r;
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

/* An image that another tool put into the store has no unpacked layers yet, and one that no machine
 * has run has none for machines. */
static int unpack(struct run_image *it, const char *name, const struct image_platform *platform,
	struct error *err)
{
	bool machine = run_is_machine(it->options);
	int r = machine ? image_is_squashed(&it->store, &it->image)
			: image_is_unpacked(&it->store, &it->image);

	if (r < 0)
		return error_errno(err, r, "cannot look for the layers of %s", name);
	if (r > 0)
		return 0;
	run_image_release(it);
	image_free(&it->image);
	r = ask_helper(it, machine ? "__squash" : "__unpack", name, err);
	return r == 0 ? resolve(it, name, platform, err) : r;
}

/* What can be an ID is not asked for at a registry when it was found. */
static bool is_id(const char *name)
{
	return str_after_prefix(name, "sha256:") ||
		strspn(name, "0123456789abcdef") == strlen(name);
}

/* `why`: what resolve() said, with its sentence in *err. */
static int pull_missing(struct run_image *it, const char *name, int why, struct error *err)
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
	return ask_helper(it, "pull", name, err);
}

/* What a machine is for: as asked for, or as this host allows; then *ret_why is why it is not for
 * the host's own CPU. */
static int choose_machine(struct run_image *it, struct error *ret_why, struct error *err)
{
	struct image_platform asked;
	int r;

	if (it->options->platform) {
		r = image_platform_parse(it->options->platform, &asked, err);
		return r < 0 ? r : machine_architecture_check(asked.architecture, err);
	}
	snprintf(it->platform, sizeof(it->platform), "linux/%s",
		machine_architecture_default(ret_why));
	return 0;
}

static bool is_stored_for_host(struct run_image *it, const char *name)
{
	_cleanup_image_ struct image image = { 0 };
	struct image_platform host;

	return image_platform_parse(NULL, &host, NULL) == 0 &&
		image_resolve(&it->store, name, &host, &image, NULL) == 0;
}

/* Whoever has the image for this CPU expects that one. `r` is what resolve() said. */
static void tell_emulated(struct run_image *it, const char *name, int r, const struct error *why)
{
	if (*why->message && (r < 0 || is_stored_for_host(it, name)))
		fprintf(stderr, "%s: running %s, emulated: %s\n", it->cli->program, it->platform,
			why->message);
}

int run_image_find(struct run_image *it, const char *name, struct error *err)
{
	const struct run_options *o = it->options;
	struct image_platform platform;
	struct error emulated = { 0 };
	int r = run_is_machine(o) ? choose_machine(it, &emulated, err) : 0;

	if (r < 0)
		return r;
	r = image_platform_parse(*it->platform ? it->platform : o->platform, &platform, err);
	if (r == 0)
		r = image_store_open(it->cli->root, &it->store, err);
	if (r < 0)
		return r;
	if (streq(o->pull, "always")) {
		r = ask_helper(it, "pull", name, err);
		if (r < 0)
			return r;
	}
	r = resolve_any(it, name, &platform, err);
	tell_emulated(it, name, r, &emulated);
	if (streq(o->pull, "missing") && (r == -ENOENT || (r == -ENOEXEC && !is_id(name)))) {
		r = pull_missing(it, name, r, err);
		if (r == 0)
			r = resolve_any(it, name, &platform, err);
	} else if (r == -ENOEXEC) {
		r = explain_missing(o->platform, r, err);
	}
	return r == 0 ? unpack(it, name, &platform, err) : r;
}

void run_image_explain(struct run_image *it, const char *name, int exit_code, struct error *err)
{
	const struct image_platform *image = &it->image.config.platform;
	_cleanup_free_ char *runnable = NULL;
	struct image_platform host, wanted;
	struct error why = *err;
	char theirs[64];

	if (exit_code != EXIT_NOT_EXECUTABLE || image_platform_parse(NULL, &host, NULL) < 0 ||
		image_platform_parse(it->options->platform, &wanted, NULL) < 0 ||
		image_store_open(it->cli->root, &it->store, NULL) < 0 ||
		resolve(it, name, &wanted, NULL) < 0 || image_platform_matches(&host, image) ||
		run_platform_needs_translation(image))
		return;
	image_platform_format(image, theirs, sizeof(theirs));
	runnable = run_platform_describe_all();
	error_set(err, why.code, "%s: the image is for %s, and this machine runs %s", why.message,
		theirs, runnable ? runnable : "others");
}
