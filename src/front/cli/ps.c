/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ps.c - `ps`: the instances there are, the newest first.
 */
#include <regex.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/io.h"
#include "front/cli/each.h"
#include "front/cli/filter.h"
#include "front/cli/ports.h"
#include "front/cli/show.h"
#include "front/cli/table.h"
#include "front/cli/verbs.h"
#include "instance/volume.h"
#include "network/network.h"

#define FILTERS	    "name|status|label|id|ancestor|exited|health|volume|before|since"
#define COMMAND_MAX 20 /* columns, as Docker */

struct ps_options {
	bool all, quiet, latest, no_trunc, size;
	int64_t last;
	const char *format;
	char **filters;
};

static const struct ps_options defaults = { .last = -1 };

static const struct option option_table[] = {
	{ OPTION_FLAG, 'a', "all", offsetof(struct ps_options, all), NULL,
		"Those that do not run, too" },
	TABLE_QUIET_OPTION(struct ps_options, quiet),
	{ OPTION_INT, 'n', "last", offsetof(struct ps_options, last), "N",
		"The N newest, running or not" },
	{ OPTION_FLAG, 'l', "latest", offsetof(struct ps_options, latest), NULL,
		"The newest, running or not" },
	TABLE_NO_TRUNC_OPTION(struct ps_options, no_trunc),
	{ OPTION_FLAG, 's', "size", offsetof(struct ps_options, size), NULL,
		"Show what each has written, and its size with the image" },
	TABLE_FORMAT_OPTION(struct ps_options, format),
	FILTER_OPTION(struct ps_options, filters,
		"name, status, label, id, ancestor, exited, health, volume, before, since"),
	{ OPTION_END },
};

enum {
	COL_ID,
	COL_IMAGE,
	COL_COMMAND,
	COL_CREATED,
	COL_STATUS,
	COL_PORTS,
	COL_NAMES,
	COL_SIZE,
	COL_CREATED_AT,
	COL_STATE,
	COL_LABELS,
	COL_MOUNTS,
	COL_NETWORKS,
	COL_ISOLATION,
	COL_PLATFORM,
	COL_COUNT
};

static const struct table_column all_columns[COL_COUNT] = {
	[COL_ID] = { "ID", "CONTAINER ID" },
	[COL_IMAGE] = { "Image", "IMAGE" },
	[COL_COMMAND] = { "Command", "COMMAND" },
	[COL_CREATED] = { "RunningFor", "CREATED" },
	[COL_STATUS] = { "Status", "STATUS" },
	[COL_PORTS] = { "Ports", "PORTS" },
	[COL_NAMES] = { "Names", "NAMES" },
	[COL_SIZE] = { "Size", "SIZE", .hidden = true },
	[COL_CREATED_AT] = { "CreatedAt", "CREATED AT", .hidden = true },
	[COL_STATE] = { "State", "STATE", .hidden = true },
	[COL_LABELS] = { "Labels", "LABELS", .hidden = true },
	[COL_MOUNTS] = { "Mounts", "MOUNTS", .hidden = true },
	[COL_NETWORKS] = { "Networks", "NETWORKS", .hidden = true },
	[COL_ISOLATION] = { "Isolation", "ISOLATION", .hidden = true },
	[COL_PLATFORM] = { "Platform", "PLATFORM", .hidden = true },
};

/* --- the STATUS column --- */

static const char *health_suffix(const struct instance *instance)
{
	switch (instance->state.health) {
	case INSTANCE_HEALTH_STARTING:
		return " (health: starting)";
	case INSTANCE_HEALTH_HEALTHY:
		return " (healthy)";
	case INSTANCE_HEALTH_UNHEALTHY:
		return " (unhealthy)";
	case INSTANCE_HEALTH_NONE:
		break;
	}
	return "";
}

static void format_status(char *buf, size_t size, const struct instance *instance)
{
	const struct instance_state *s = &instance->state;
	int64_t now = clock_realtime_ns();
	char up[32], ago[32];

	format_age(up, sizeof(up), (now - s->started_ns) / 1000000000);
	format_age(ago, sizeof(ago), (now - s->finished_ns) / 1000000000);
	switch (s->status) {
	case INSTANCE_CREATED:
		snprintf(buf, size, "Created");
		break;
	case INSTANCE_RUNNING:
		snprintf(buf, size, "Up %s%s", up, health_suffix(instance));
		break;
	case INSTANCE_PAUSED:
		snprintf(buf, size, "Up %s (Paused)", up);
		break;
	case INSTANCE_RESTARTING:
		snprintf(buf, size, "Restarting (%d) %s ago", s->exit_code, ago);
		break;
	case INSTANCE_REMOVING:
		snprintf(buf, size, "Removal In Progress");
		break;
	case INSTANCE_EXITED:
		if (s->finished_ns)
			snprintf(buf, size, "Exited (%d) %s ago", s->exit_code, ago);
		else
			snprintf(buf, size, "Exited (%d)", s->exit_code);
		break;
	case INSTANCE_DEAD:
	case INSTANCE_STATUS_COUNT:
		snprintf(buf, size, "Dead");
		break;
	}
}

/* --- filters --- */

struct ps_filter {
	struct instance *instance;
	struct image_store *store; /* NULL: no image of the store is needed */
};

static bool match_name(const char *value, const void *context)
{
	const struct ps_filter *f = context;
	regex_t regex;
	bool found;

	/* A regular expression, as in Docker; the leading slash of its API is forgiven. */
	if (regcomp(&regex, value, REG_EXTENDED | REG_NOSUB) != 0)
		return strstr(f->instance->spec.name, value) != NULL;
	found = regexec(&regex, f->instance->spec.name, 0, NULL, 0) == 0;
	regfree(&regex);
	return found;
}

static bool match_id(const char *value, const void *context)
{
	const struct ps_filter *f = context;

	return str_after_prefix(f->instance->id, value) != NULL;
}

static bool match_status(const char *value, const void *context)
{
	const struct ps_filter *f = context;

	return streq(instance_status_name(f->instance->state.status), value);
}

static bool match_exited(const char *value, const void *context)
{
	const struct ps_filter *f = context;
	char code[16];

	snprintf(code, sizeof(code), "%d", f->instance->state.exit_code);
	return f->instance->state.status == INSTANCE_EXITED && streq(code, value);
}

static bool match_health(const char *value, const void *context)
{
	static const char *const names[] = {
		[INSTANCE_HEALTH_NONE] = "none",
		[INSTANCE_HEALTH_STARTING] = "starting",
		[INSTANCE_HEALTH_HEALTHY] = "healthy",
		[INSTANCE_HEALTH_UNHEALTHY] = "unhealthy",
	};
	const struct ps_filter *f = context;

	return streq(names[f->instance->state.health], value);
}

/* An image by name or ID: the one it was made from, or an image that shares its ID. */
static bool match_ancestor(const char *value, const void *context)
{
	const struct ps_filter *f = context;
	const struct instance_spec *spec = &f->instance->spec;
	const struct image_platform any = { 0 };
	_cleanup_image_ struct image image = { 0 };

	if (spec->image_name && streq(spec->image_name, value))
		return true;
	if (!f->store || !spec->image_digest ||
		image_resolve(f->store, value, &any, &image, NULL) < 0)
		return false;
	return streq(image.config_digest, spec->image_digest) ||
		streq_ptr(image.manifest_digest, spec->manifest_digest);
}

static bool match_volume(const char *value, const void *context)
{
	const struct ps_filter *f = context;

	if (instance_load_config(f->instance, NULL) < 0)
		return false;
	for (size_t i = 0; i < f->instance->config.nr_mounts; i++) {
		const struct container_mount *m = &f->instance->config.mounts[i];
		_cleanup_free_ char *volume = m->source
			? volume_name_of_path(f->instance->roots.root, m->source)
			: NULL;

		if (streq(m->destination, value) || (volume && streq(volume, value)))
			return true;
	}
	return false;
}

/* "before=X" and "since=X": when X was made. 0 when the filter is not given. */
static int reference_time(const struct instance_roots *roots, char *const *filters, const char *key,
	int64_t *ret_ns, struct error *err)
{
	_cleanup_instance_ struct instance instance = { .dir_fd = -1 };
	const char *value = filter_value(filters, key);
	int r;

	*ret_ns = 0;
	if (!value)
		return 0;
	r = instance_load(roots, value, &instance, err);
	if (r == 0)
		*ret_ns = instance.spec.created_ns;
	return r;
}

static bool passes_filters(char *const *filters, const struct ps_filter *f)
{
	return filter_accepts(filters, "name", match_name, f) &&
		filter_accepts(filters, "id", match_id, f) &&
		filter_accepts(filters, "status", match_status, f) &&
		filter_accepts(filters, "exited", match_exited, f) &&
		filter_accepts(filters, "health", match_health, f) &&
		filter_accepts(filters, "ancestor", match_ancestor, f) &&
		filter_accepts(filters, "volume", match_volume, f) &&
		filter_accepts_labels(filters, "label", f->instance->spec.labels);
}

static bool is_live(const struct instance *instance)
{
	return instance->state.status == INSTANCE_RUNNING ||
		instance->state.status == INSTANCE_PAUSED ||
		instance->state.status == INSTANCE_RESTARTING;
}

/* --- rows --- */

static void format_sizes(char *buf, size_t size, const struct instance *instance)
{
	uint64_t written = 0, total, layer;
	char own[32], virtual[32];

	if (io_tree_size(instance->dir_fd, "upper", &written) < 0)
		written = 0;
	total = written;
	strv_for_each (diff_id, instance->spec.layers) {
		_cleanup_free_ char *path = strf(
			"%s/layers/%s", instance->roots.root, image_digest_hex(*diff_id));

		if (path && io_tree_size(AT_FDCWD, path, &layer) == 0)
			total += layer;
	}
	format_size(own, sizeof(own), written);
	format_size(virtual, sizeof(virtual), total);
	snprintf(buf, size, "%s (virtual %s)", own, virtual);
}

static char *mount_names(struct instance *instance)
{
	struct str out = { 0 };

	if (instance_load_config(instance, NULL) < 0)
		return strdup("");
	for (size_t i = 0; i < instance->config.nr_mounts; i++) {
		const struct container_mount *m = &instance->config.mounts[i];
		_cleanup_free_ char *volume = m->source
			? volume_name_of_path(instance->roots.root, m->source)
			: NULL;

		if (volume)
			str_appendf(&out, "%s%s", out.len ? "," : "", volume);
	}
	return str_finish(&out);
}

/* "" where it is another instance's. */
static char *network_name(struct instance *instance)
{
	const struct container_namespace_config *network =
		&instance->config.namespaces[CONTAINER_NS_NETWORK];

	struct str out = { 0 };

	str_append(&out, "");
	strv_for_each (text, instance->spec.networks) {
		struct network_request request = { 0 };

		if (network_request_parse(*text, &request, NULL) == 0)
			str_appendf(&out, "%s%s", out.len ? "," : "", request.network);
		network_request_free(&request);
	}
	if (!out.len && instance_load_config(instance, NULL) == 0 && !network->path)
		str_append(&out, network->wanted ? "none" : "host");
	return str_finish(&out);
}

static int add_row(
	struct table *t, const struct ps_options *o, struct instance *instance, struct error *err)
{
	char id[80], age[SHOW_TIME_MAX], at[SHOW_TIME_MAX], status[128], size[96] = "";
	const struct instance_spec *spec = &instance->spec;
	_cleanup_free_ char *labels = show_labels(spec->labels), *command = NULL, *mounts = NULL;
	_cleanup_free_ char *networks = NULL;
	_cleanup_free_ char *ports = is_live(instance) ? ports_format(instance) : strdup("");

	command = table_format_text(
		spec->command_line ? spec->command_line : "", COMMAND_MAX, true, o->no_trunc);
	/* Only a template or JSON asks for these; the documents are read then only. */
	mounts = o->format ? mount_names(instance) : strdup("");
	networks = o->format ? network_name(instance) : strdup("");
	if (!labels || !command || !mounts || !ports || !networks)
		return error_oom(err);
	format_status(status, sizeof(status), instance);
	if (o->size)
		format_sizes(size, sizeof(size), instance);
	return table_row(t,
		(const char *const[COL_COUNT]){
			[COL_ID] = table_format_id(id, sizeof(id), instance->id, o->no_trunc),
			[COL_IMAGE] = spec->image_name,
			[COL_COMMAND] = command,
			[COL_CREATED] = show_age(age, spec->created_ns),
			[COL_STATUS] = status,
			[COL_PORTS] = ports,
			[COL_NAMES] = spec->name,
			[COL_SIZE] = size,
			[COL_CREATED_AT] = show_time(at, spec->created_ns),
			[COL_STATE] = instance_status_name(instance->state.status),
			[COL_LABELS] = labels,
			[COL_MOUNTS] = mounts,
			[COL_NETWORKS] = networks,
			[COL_ISOLATION] = spec->isolation,
			[COL_PLATFORM] = spec->platform,
		},
		err);
}

static int fill(struct cli *cli, struct table *t, const struct ps_options *o, struct instance *list,
	size_t count, struct error *err)
{
	struct instance_roots roots = cli_roots(cli);
	/* Asking for a state asks for those in it, running or not. */
	bool all = o->all || o->latest || o->last >= 0 || filter_value(o->filters, "status") ||
		filter_value(o->filters, "exited");
	int64_t limit = o->latest ? 1 : o->last >= 0 ? o->last : INT64_MAX, before, since;
	struct image_store store;
	bool has_store = filter_value(o->filters, "ancestor") != NULL;
	int r;

	r = reference_time(&roots, o->filters, "before", &before, err);
	if (r == 0)
		r = reference_time(&roots, o->filters, "since", &since, err);
	if (r == 0 && has_store)
		r = image_store_open(cli->root, &store, err);
	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < count && limit > 0; i++) {
		struct ps_filter f = { &list[i], has_store ? &store : NULL };

		if ((!all && !is_live(&list[i])) || (before && list[i].spec.created_ns >= before) ||
			(since && list[i].spec.created_ns <= since) ||
			!passes_filters(o->filters, &f))
			continue;
		r = add_row(t, o, &list[i], err);
		limit--;
	}
	if (has_store)
		image_store_close(&store);
	return r;
}

static int ps_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	struct instance_roots roots = cli_roots(cli);
	struct table_column columns[COL_COUNT];
	_cleanup_table_ struct table t = { 0 };
	const struct ps_options *o = options;
	struct instance *list = NULL;
	size_t count = 0;
	int r;

	r = filter_check(o->filters, FILTERS, err);
	if (r < 0)
		return r;
	memcpy(columns, all_columns, sizeof(columns));
	columns[COL_SIZE].hidden = !o->size;
	r = table_open(&t, columns, COL_COUNT, o->format, o->quiet, err);
	if (r == 0)
		r = instance_list(&roots, &list, &count, err);
	if (r == 0)
		r = fill(cli, &t, o, list, count, err);
	if (r == 0)
		r = table_print(&t, stdout, err);
	instance_list_free(list, count);
	return r;
}

const struct verb verb_ps = {
	.name = "ps",
	.group = "Instances",
	.usage = "[OPTIONS]",
	.summary = "List instances",
	.help = "The running ones, or with -a all of them.\n"
		"\n"
		"Examples:\n"
		"  strata ps -a --filter status=exited\n"
		"  strata ps --format '{{.Names}}\\t{{.Status}}'\n"
		"  strata rm $(strata ps -aq --filter exited=0)",
	.options = option_table,
	.options_size = sizeof(struct ps_options),
	.defaults = &defaults,
	.run = ps_main,
};
