/* SPDX-License-Identifier: Apache-2.0 */
/*
 * system.c - `info` and `version`.
 */
#include <stdio.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include "container/cgroup.h"
#include "front/cli/cli.h"
#include "front/cli/each.h"
#include "front/cli/run_platform.h"
#include "front/cli/template.h"
#include "front/cli/verbs.h"
#include "image/image.h"

/* --- a document as lines "Name: value", or by a template --- */

struct format_options {
	const char *format;
};

static const struct option format_table[] = {
	{ OPTION_STRING, 'f', "format", offsetof(struct format_options, format), "FORMAT",
		"\"json\", or a template such as '{{.Version}}'" },
	{ OPTION_END },
};

static int print_document(const json_t *document, const char *format, struct error *err)
{
	_cleanup_(template_free) struct template template = { 0 };
	_cleanup_str_ struct str out = { 0 };
	json_t *value;
	const char *key;
	int r = 0;

	if (format && *format && !streq(format, "json")) {
		r = template_parse(format, &template, err);
		if (r == 0)
			r = template_render(&template, document, &out, err);
		if (r == 0)
			printf("%s\n", out.data ? out.data : "");
		return r;
	}
	if (format && *format) {
		_cleanup_free_ char *text = json_dumps(document, JSON_COMPACT);

		printf("%s\n", text ? text : "");
		return text ? 0 : error_oom(err);
	}
	json_object_foreach ((json_t *)document, key, value) {
		_cleanup_free_ char *text = json_dumps(value, JSON_ENCODE_ANY);

		printf("%s: %s\n", key,
			json_is_string(value) ? json_string_value(value)
				: text	      ? text
					      : "");
	}
	return 0;
}

/* --- info --- */

static const char *const cgroup_kinds[] = {
	[CGROUP_NONE] = "none",
	[CGROUP_V1] = "v1",
	[CGROUP_V2] = "v2",
};

static int count_images(const char *root, int64_t *ret, struct error *err)
{
	struct image_summary *images;
	struct image_store store;
	size_t count;
	int r = image_store_open(root, &store, err);

	if (r < 0)
		return r;
	r = image_list(&store, &images, &count, err);
	image_store_close(&store);
	if (r < 0)
		return r;
	*ret = 0;
	for (size_t i = 0; i < count; i++)
		*ret += images[i].present;
	image_list_free(images, count);
	return 0;
}

struct instance_counts {
	json_int_t all, running, paused, stopped;
};

static int count_instances(struct cli *cli, struct instance_counts *counts, struct error *err)
{
	struct instance_roots roots = cli_roots(cli);
	struct instance *list;
	size_t count;
	int r = instance_list(&roots, &list, &count, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++) {
		enum instance_status status = list[i].state.status;

		counts->all++;
		counts->running += status == INSTANCE_RUNNING || status == INSTANCE_RESTARTING;
		counts->paused += status == INSTANCE_PAUSED;
	}
	counts->stopped = counts->all - counts->running - counts->paused;
	instance_list_free(list, count);
	return 0;
}

/* ["linux/amd64", "linux/riscv64"]: the host's first, then those that are translated. */
static json_t *list_platforms(void)
{
	json_t *array = json_array();
	struct image_platform platform;
	char text[64];
	int r = image_platform_parse(NULL, &platform, NULL);

	for (size_t i = 0; r == 0; i++) {
		image_platform_format(&platform, text, sizeof(text));
		json_array_append_new(array, json_string(text));
		r = run_platform_translated(i, &platform);
	}
	return array;
}

static int info_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	const struct format_options *o = options;
	_cleanup_json_ json_t *document = NULL;
	struct instance_counts counts = { 0 };
	struct utsname system = { 0 };
	struct sysinfo memory = { 0 };
	int64_t images = 0;
	int r;

	r = count_instances(cli, &counts, err);
	if (r == 0)
		r = count_images(cli->root, &images, err);
	if (r < 0)
		return r;
	uname(&system);
	sysinfo(&memory);
	document = json_pack(
		"{s:I, s:I, s:I, s:I, s:I, s:s, s:s, s:b, s:s, s:s, s:s, s:s, s:o, s:i, s:I, s:s}",
		"Containers", counts.all, "ContainersRunning", counts.running, "ContainersPaused",
		counts.paused, "ContainersStopped", counts.stopped, "Images", (json_int_t)images,
		"RootDir", cli->root, "RunDir", cli->run_root, "Rootless", cli->rootless,
		"CgroupVersion", cgroup_kinds[cgroup_host_kind()], "KernelVersion", system.release,
		"OSType", "linux", "Architecture", system.machine, "Platforms", list_platforms(),
		"NCPU", get_nprocs(), "MemTotal",
		(json_int_t)(memory.totalram * (uint64_t)memory.mem_unit), "ServerVersion",
		STRATA_VERSION);
	return document ? print_document(document, o->format, err) : error_oom(err);
}

const struct verb verb_info = {
	.name = "info",
	.group = "System",
	.usage = "[OPTIONS]",
	.summary = "Show what this host is, and how much there is",
	.options = format_table,
	.options_size = sizeof(struct format_options),
	.run = info_main,
};

/* --- version --- */

static int version_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	const struct format_options *o = options;
	_cleanup_json_ json_t *document = NULL;
	struct utsname system = { 0 };

	uname(&system);
	document = json_pack("{s:s, s:s, s:s, s:s, s:s}", "Version", STRATA_VERSION, "Os", "linux",
		"Arch", system.machine, "KernelVersion", system.release, "Compiler", __VERSION__);
	return document ? print_document(document, o->format, err) : error_oom(err);
}

const struct verb verb_version = {
	.name = "version",
	.group = "System",
	.usage = "[OPTIONS]",
	.summary = "Show the version",
	.options = format_table,
	.options_size = sizeof(struct format_options),
	.run = version_main,
};
