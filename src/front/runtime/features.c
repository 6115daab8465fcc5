/* SPDX-License-Identifier: Apache-2.0 */
/*
 * features.c - `features`: what this runtime can do, for engines to ask before they do it
 * (runtime-spec features.md). All of it comes from the tables that do the work.
 */
#include <limits.h>

#include "base/json.h"
#include "base/process.h"
#include "front/runtime/record.h"

static int compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int write_words(
	struct json_writer *w, const char *key, enum container_feature feature, struct error *err)
{
	_cleanup_strv_ char **words = NULL;
	int r = container_feature_words(feature, &words, err);

	if (r < 0)
		return r;
	/* Hooks and capabilities have an order of their own. */
	if (words && feature != CONTAINER_FEATURE_HOOKS &&
		feature != CONTAINER_FEATURE_CAPABILITIES)
		qsort(words, strv_length(words), sizeof(*words), compare);
	json_write_strv(w, key, words);
	return 0;
}

static void write_enabled(struct json_writer *w, const char *key, bool enabled)
{
	json_begin_object(w, key);
	json_write_bool(w, "enabled", enabled);
	json_end_object(w);
}

static void write_cgroup(struct json_writer *w)
{
	char path[PATH_MAX];
	/* The driver for systemd is a program of its own, built where libsystemd is. */
	bool systemd = process_helper_path("strata-scope", path, sizeof(path), NULL) == 0;

	json_begin_object(w, "cgroup");
	json_write_bool(w, "v1", true);
	json_write_bool(w, "v2", true);
	json_write_bool(w, "systemd", systemd);
	json_write_bool(w, "systemdUser", systemd);
	json_write_bool(w, "rdma", true);
	json_end_object(w);
}

static int write_seccomp(struct json_writer *w, struct error *err)
{
	static const struct {
		const char *key;
		enum container_feature feature;
	} lists[] = {
		{ "actions", CONTAINER_FEATURE_SECCOMP_ACTIONS },
		{ "operators", CONTAINER_FEATURE_SECCOMP_OPERATORS },
		{ "archs", CONTAINER_FEATURE_SECCOMP_ARCHS },
		{ "knownFlags", CONTAINER_FEATURE_SECCOMP_FLAGS },
		{ "supportedFlags", CONTAINER_FEATURE_SECCOMP_FLAGS },
	};
	int r = 0;

	json_begin_object(w, "seccomp");
	json_write_bool(w, "enabled", true);
	for (size_t i = 0; i < ARRAY_SIZE(lists) && r == 0; i++)
		r = write_words(w, lists[i].key, lists[i].feature, err);
	json_end_object(w);
	return r;
}

static int write_features(struct json_writer *w, struct error *err)
{
	int r;

	json_begin_object(w, NULL);
	json_write_string(w, "ociVersionMin", "1.0.0");
	json_write_string(w, "ociVersionMax", CONTAINER_SPEC_VERSION);
	if ((r = write_words(w, "hooks", CONTAINER_FEATURE_HOOKS, err)) < 0 ||
		(r = write_words(w, "mountOptions", CONTAINER_FEATURE_MOUNT_OPTIONS, err)) < 0)
		return r;
	json_begin_object(w, "linux");
	if ((r = write_words(w, "namespaces", CONTAINER_FEATURE_NAMESPACES, err)) < 0 ||
		(r = write_words(w, "capabilities", CONTAINER_FEATURE_CAPABILITIES, err)) < 0)
		return r;
	write_cgroup(w);
	r = write_seccomp(w, err);
	if (r < 0)
		return r;
	write_enabled(w, "apparmor", true);
	write_enabled(w, "selinux", true);
	write_enabled(w, "intelRdt", true);
	write_enabled(w, "netDevices", true);
	json_begin_object(w, "mountExtensions");
	write_enabled(w, "idmap", true);
	json_end_object(w);
	json_end_object(w);
	json_begin_array(w, "potentiallyUnsafeConfigAnnotations");
	/* They become properties of a unit of the host's systemd. */
	json_write_string(w, NULL, "org.systemd.property.");
	json_end_array(w);
	json_end_object(w);
	return 0;
}

static int features_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	struct json_writer w = { 0 };
	int r = write_features(&w, err);
	_cleanup_free_ char *text = json_writer_finish(&w);

	return r < 0 ? r : runtime_print_json(text, err);
}

const struct verb runtime_verb_features = {
	.name = "features",
	.summary = "Print what this runtime can do, as JSON",
	.run = features_main,
};
