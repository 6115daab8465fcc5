/* SPDX-License-Identifier: Apache-2.0 */
/*
 * events.c - `events`: what happens to instances, as it happens.
 */
#include <stdio.h>

#include "base/clock.h"
#include "front/cli/each.h"
#include "front/cli/filter.h"
#include "front/cli/show.h"
#include "front/cli/template.h"
#include "front/cli/verbs.h"

#define FILTERS "container|event|image|label|type"

struct events_options {
	const char *since, *until, *format;
	char **filters;
};

static const struct option option_table[] = {
	{ OPTION_STRING, 0, "since", offsetof(struct events_options, since), "TIME",
		"From a time on (2006-01-02T15:04:05Z), or from a while ago (10m)" },
	{ OPTION_STRING, 0, "until", offsetof(struct events_options, until), "TIME",
		"Until then; without it, until it is interrupted" },
	FILTER_OPTION(struct events_options, filters, "container, event, image, label, type"),
	{ OPTION_STRING, 0, "format", offsetof(struct events_options, format), "FORMAT",
		"\"json\", or a template such as '{{.Action}} {{.Actor.Attributes.name}}'" },
	{ OPTION_END },
};

struct printer {
	const struct events_options *options;
	struct template template;
	bool json, has_template;
	struct error *err;
};

static const char *member(const json_t *object, const char *name)
{
	const char *value = json_string_value(json_object_get(object, name));

	return value ? value : "";
}

/* --- filters --- */

static bool match_container(const char *value, const void *context)
{
	const json_t *actor = json_object_get(context, "Actor");

	return str_after_prefix(member(actor, "ID"), value) ||
		streq(member(json_object_get(actor, "Attributes"), "name"), value);
}

/* "health_status: healthy" is also an event "health_status", as "exec_start: sh" is "exec_start".
 */
static bool match_event(const char *value, const void *context)
{
	const char *action = member(context, "Action"), *rest = str_after_prefix(action, value);

	return rest && (!*rest || *rest == ':');
}

static bool match_image(const char *value, const void *context)
{
	const char *image = member(
		json_object_get(json_object_get(context, "Actor"), "Attributes"), "image");
	const char *rest = str_after_prefix(image, value);

	return rest && (!*rest || *rest == ':');
}

static bool match_type(const char *value, const void *context)
{
	return streq(member(context, "Type"), value);
}

static bool match_label(const char *value, const void *context)
{
	const json_t *attributes = json_object_get(json_object_get(context, "Actor"), "Attributes");
	size_t n = strcspn(value, "=");
	_cleanup_free_ char *key = strndup(value, n);
	const char *found = key ? json_string_value(json_object_get(attributes, key)) : NULL;

	return found && (!value[n] || streq(found, value + n + 1));
}

static bool is_wanted(char *const *filters, const json_t *event)
{
	return filter_accepts(filters, "container", match_container, event) &&
		filter_accepts(filters, "event", match_event, event) &&
		filter_accepts(filters, "image", match_image, event) &&
		filter_accepts(filters, "type", match_type, event) &&
		filter_accepts(filters, "label", match_label, event);
}

/* --- output --- */

static void print_plain(const json_t *event)
{
	json_t *actor = json_object_get(event, "Actor"), *value;
	json_t *attributes = json_object_get(actor, "Attributes");
	char time[CLOCK_TEXT_MAX];
	const char *key, *separator = "";

	clock_format(time, json_integer_value(json_object_get(event, "timeNano")));
	printf("%s %s %s %s (", time, member(event, "Type"), member(event, "Action"),
		member(actor, "ID"));
	json_object_foreach (attributes, key, value) {
		printf("%s%s=%s", separator, key, member(attributes, key));
		separator = ", ";
	}
	printf(")\n");
}

static int print_event(void *context, const json_t *event)
{
	struct printer *p = context;
	int r = 0;

	if (!is_wanted(p->options->filters, event))
		return 0;
	if (p->json) {
		_cleanup_free_ char *text = json_dumps(event, JSON_COMPACT);

		printf("%s\n", text ? text : "");
	} else if (p->has_template) {
		_cleanup_str_ struct str out = { 0 };

		r = template_render(&p->template, event, &out, p->err);
		if (r < 0)
			return r;
		printf("%s\n", out.data ? out.data : "");
	} else {
		print_plain(event);
	}
	return fflush(stdout) != 0 ? -errno : 0;
}

static int events_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	struct instance_roots roots = cli_roots(cli);
	const struct events_options *o = options;
	struct printer printer = { .options = o, .err = err };
	/* Without --since: what comes from now on. */
	int64_t since = clock_realtime_ns(), until = 0;
	int r;

	r = filter_check(o->filters, FILTERS, err);
	if (r == 0 && o->since)
		r = show_parse_time(o->since, &since, err);
	if (r == 0 && o->until)
		r = show_parse_time(o->until, &until, err);
	printer.json = o->format && streq(o->format, "json");
	printer.has_template = o->format && *o->format && !printer.json;
	if (r == 0 && printer.has_template)
		r = template_parse(o->format, &printer.template, err);
	if (r == 0)
		r = instance_events(&roots, since, until, !until || until > clock_realtime_ns(),
			print_event, &printer, err);
	template_free(&printer.template);
	return r;
}

const struct verb verb_events = {
	.name = "events",
	.group = "Instances",
	.usage = "[OPTIONS]",
	.summary = "Show what happens to instances",
	.help = "Examples:\n"
		"  strata events --filter event=die --format '{{.Actor.Attributes.name}}'\n"
		"  strata events --since 1h --until 0s --format json",
	.options = option_table,
	.options_size = sizeof(struct events_options),
	.run = events_main,
};
