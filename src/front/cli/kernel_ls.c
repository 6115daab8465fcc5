/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kernel_ls.c - `kernel ls`, `rm` and `inspect`: the kernels that are stored.
 */
#include <stdio.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/json.h"
#include "front/cli/kernel_store.h"
#include "front/cli/show.h"
#include "front/cli/table.h"

struct ls_values {
	bool quiet, no_trunc;
	const char *format;
};

static const struct option ls_rows[] = {
	TABLE_QUIET_OPTION(struct ls_values, quiet),
	TABLE_NO_TRUNC_OPTION(struct ls_values, no_trunc),
	TABLE_FORMAT_OPTION(struct ls_values, format),
	{ OPTION_END },
};

static const struct table_column columns[] = {
	{ "ID", "KERNEL ID", false },
	{ "Name", "NAME", false },
	{ "Platform", "PLATFORM", false },
	{ "Release", "RELEASE", false },
	{ "Format", "FORMAT", false },
	{ "CreatedSince", "CREATED", false },
	{ "Size", "SIZE", false },
};

static const char *label(char *const *labels, const char *key)
{
	strv_for_each (entry, labels) {
		const char *rest = str_after_prefix(*entry, key);

		if (rest && *rest == '=')
			return rest + 1;
	}
	return "";
}

static int add_row(
	struct table *table, const struct image_summary *image, bool no_trunc, struct error *err)
{
	_cleanup_free_ char *name = image->name ? image_familiar_name(image->name) : NULL;
	char id[80], platform[64], age[SHOW_TIME_MAX], size[32];

	image_platform_format(&image->platform, platform, sizeof(platform));
	format_size(size, sizeof(size), image->size_bytes);
	return table_row(table,
		(const char *const[]){
			table_format_id(id, sizeof(id), image->config_digest, no_trunc),
			name ? name : "<none>", platform,
			label(image->labels, KERNEL_LABEL_RELEASE),
			label(image->labels, KERNEL_LABEL_FORMAT), show_age(age, image->created_ns),
			size },
		err);
}

static int ls_main(struct cli *cli, void *values, int argc, char **argv, struct error *err)
{
	const struct ls_values *v = values;
	_cleanup_table_ struct table table = { 0 };
	struct image_summary *list = NULL;
	struct image_store store;
	size_t count = 0;
	int r = table_open(&table, columns, ARRAY_SIZE(columns), v->format, v->quiet, err);

	if (r == 0)
		r = kernel_store_open(cli->root, &store, err);
	if (r < 0)
		return r;
	r = image_list(&store, &list, &count, err);
	for (size_t i = 0; r == 0 && i < count; i++)
		if (list[i].present)
			r = add_row(&table, &list[i], v->no_trunc, err);
	if (r == 0)
		r = table_print(&table, stdout, err);
	image_list_free(list, count);
	image_store_close(&store);
	return r;
}

const struct verb verb_kernel_ls = {
	.name = "kernel ls",
	.group = "Machines",
	.usage = "[OPTIONS]",
	.summary = "List the kernels for machines",
	.options = ls_rows,
	.options_size = sizeof(struct ls_values),
	.run = ls_main,
};

/* --- rm ----------------------------------------------------------------------------------------
 */

static const struct option rm_rows[] = { { OPTION_END } };

/* First filesystems of layers that are gone. */
static void collect_initramfs(const struct image_store *store)
{
	int fd = openat(store->root_fd, "boot", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_closedir_ DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		char hex[65];

		if (strlen(entry->d_name) < sizeof(hex) || entry->d_name[64] != '-')
			continue;
		snprintf(hex, sizeof(hex), "%.64s", entry->d_name);
		if (faccessat(store->layers_fd, hex, F_OK, 0) < 0 && errno == ENOENT)
			unlinkat(fd, entry->d_name, 0);
	}
}

static int rm_main(struct cli *cli, void *values, int argc, char **argv, struct error *err)
{
	struct image_store store;
	int r = kernel_store_open(cli->root, &store, err);

	if (r < 0)
		return r;
	for (int i = 0; i < argc && r == 0; i++) {
		_cleanup_strv_ char **log = NULL;

		/* A machine that runs has read its kernel already. */
		r = image_remove(&store, argv[i], false, NULL, &log, err);
		strv_for_each (line, log)
			puts(*line);
	}
	collect_initramfs(&store);
	image_store_close(&store);
	return r;
}

const struct verb verb_kernel_rm = {
	.name = "kernel rm",
	.group = "Machines",
	.usage = "NAME|ID...",
	.summary = "Remove kernels for machines",
	.options = rm_rows,
	.min_operands = 1,
	.max_operands = -1,
	.run = rm_main,
};

/* --- inspect ------------------------------------------------------------------------------------
 */

struct inspect_values {
	const char *platform;
};

static const struct option inspect_rows[] = {
	{ OPTION_STRING, 0, "platform", offsetof(struct inspect_values, platform), "OS/ARCH",
		"Which of a name's kernels [" KERNEL_PLATFORM_DEFAULT "]" },
	{ OPTION_END },
};

static json_t *describe(const struct kernel *kernel)
{
	char platform[64];
	struct stat st = { 0 };

	image_platform_format(&kernel->platform, platform, sizeof(platform));
	stat(kernel->vmlinux, &st);
	return json_pack("{s:s?, s:s, s:s, s:s, s:s, s:s, s:I, s:s}", "Name", kernel->name,
		"Digest", kernel->digest, "Platform", platform, "Release", kernel->release,
		"Format", kernel->format, "Kernel", kernel->vmlinux, "KernelSize",
		(json_int_t)st.st_size, "FirstFilesystem", kernel->initramfs);
}

static int inspect_main(struct cli *cli, void *values, int argc, char **argv, struct error *err)
{
	const struct inspect_values *v = values;
	_cleanup_json_ json_t *list = json_array();
	_cleanup_free_ char *text = NULL;
	struct image_platform platform;
	int r = kernel_platform(v->platform, &platform, err);

	for (int i = 0; i < argc && r == 0; i++) {
		_cleanup_kernel_ struct kernel kernel = { 0 };

		r = kernel_find(cli->root, argv[i], platform.architecture, &kernel, err);
		if (r == 0 && json_array_append_new(list, describe(&kernel)) < 0)
			r = error_oom(err);
	}
	if (r < 0)
		return r;
	text = json_dumps(list, JSON_INDENT(4));
	if (!text)
		return error_oom(err);
	puts(text);
	return 0;
}

const struct verb verb_kernel_inspect = {
	.name = "kernel inspect",
	.group = "Machines",
	.usage = "[OPTIONS] NAME|ID...",
	.summary = "Show what is known of kernels for machines, as JSON",
	.options = inspect_rows,
	.options_size = sizeof(struct inspect_values),
	.min_operands = 1,
	.max_operands = -1,
	.run = inspect_main,
};
