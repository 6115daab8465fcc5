/* SPDX-License-Identifier: Apache-2.0 */
/*
 * archive-config.c - the configuration document of an image made from a root filesystem tar, and
 * the Dockerfile instructions (--change) that may shape it.
 *
 * An instruction is one row of `instructions`; its value is words as a shell splits them (quotes
 * and backslashes), or a JSON array of strings for the "exec form".
 */
#include "image/archive-file.h"

#include <ctype.h>

#include "base/clock.h"

#define CHANGES_MAX 1024 /* instructions of one import */

struct config_draft {
	char **cmd, **entrypoint, **env, **exposed_ports, **labels, **volumes;
	char *user, *working_dir, *stop_signal;
};

static void free_draft(struct config_draft *d)
{
	strv_free(d->cmd);
	strv_free(d->entrypoint);
	strv_free(d->env);
	strv_free(d->exposed_ports);
	strv_free(d->labels);
	strv_free(d->volumes);
	free(d->user);
	free(d->working_dir);
	free(d->stop_signal);
}

/* --- values --------------------------------------------------------------------------------- */

/* Split at white space outside quotes; quotes and backslashes are taken away. */
static int split_words(const char *text, char ***ret, struct error *err)
{
	_cleanup_strv_ char **words = NULL;

	for (;;) {
		_cleanup_str_ struct str word = { 0 };
		char quote = 0, *done;

		while (isspace((unsigned char)*text))
			text++;
		if (!*text)
			break;
		str_append(&word, "");
		for (; *text && (quote || !isspace((unsigned char)*text)); text++) {
			if (*text == quote)
				quote = 0;
			else if (!quote && (*text == '"' || *text == '\''))
				quote = *text;
			else if (*text == '\\' && quote != '\'' && text[1])
				str_append_char(&word, *++text);
			else
				str_append_char(&word, *text);
		}
		if (quote)
			return error_set(err, EINVAL, "a quote is not closed");
		done = str_finish(&word);
		if (!done || strv_push_take(&words, done) < 0)
			return error_oom(err);
	}
	*ret = steal_ptr(&words);
	return 0;
}

static int parse_array(const char *text, char ***ret, struct error *err)
{
	_cleanup_json_ json_t *wrapped = NULL;
	_cleanup_free_ char *document = strf("{\"value\":%s}", text);
	int r;

	if (!document)
		return error_oom(err);
	r = json_parse(document, strlen(document), "the array", &wrapped, err);
	return r < 0 ? r : json_get_strv(wrapped, "value", ret, "the array", err);
}

/* CMD and ENTRYPOINT: ["exec", "form"] or a line for the shell. */
static int parse_command(const char *text, char ***ret, struct error *err)
{
	_cleanup_strv_ char **v = NULL;

	if (*text == '[')
		return parse_array(text, ret, err);
	if (strv_push(&v, "/bin/sh") < 0 || strv_push(&v, "-c") < 0 || strv_push(&v, text) < 0)
		return error_oom(err);
	*ret = steal_ptr(&v);
	return 0;
}

static int parse_list(const char *text, char ***ret, struct error *err)
{
	return *text == '[' ? parse_array(text, ret, err) : split_words(text, ret, err);
}

/* KEY=VALUE pairs, or the old form "KEY the rest of the line". */
static int parse_pairs(const char *text, char ***ret, struct error *err)
{
	_cleanup_strv_ char **words = NULL, **pairs = NULL;
	int r = split_words(text, &words, err);

	if (r < 0)
		return r;
	if (words && !strchr(words[0], '=')) {
		const char *value = text + strcspn(text, " \t");

		value += strspn(value, " \t");
		if (!*value)
			return error_set(err, EINVAL, "\"%s\" needs a value", words[0]);
		if (strv_pushf(&pairs, "%s=%s", words[0], value) < 0)
			return error_oom(err);
		*ret = steal_ptr(&pairs);
		return 0;
	}
	strv_for_each (word, words) {
		if (!strchr(*word, '=') || **word == '=')
			return error_set(err, EINVAL, "\"%s\" is not KEY=VALUE", *word);
	}
	*ret = steal_ptr(&words);
	return 0;
}

/* A later pair of the same key takes the earlier one's place. */
static int merge_pairs(char ***target, char *const *pairs, struct error *err)
{
	strv_for_each (pair, pairs) {
		size_t key = strcspn(*pair, "=") + 1;
		bool replaced = false;

		for (char **old = *target; old && *old && !replaced; old++) {
			if (strncmp(*old, *pair, key) == 0) {
				char *copy = strdup(*pair);

				if (!copy)
					return error_oom(err);
				free(*old);
				*old = copy;
				replaced = true;
			}
		}
		if (!replaced && strv_push(target, *pair) < 0)
			return error_oom(err);
	}
	return 0;
}

/* --- instructions --------------------------------------------------------------------------- */

enum instruction_kind {
	KIND_COMMAND, /* replaces */
	KIND_LIST, /* adds */
	KIND_PAIRS, /* adds */
	KIND_TEXT, /* replaces */
};

static const struct instruction {
	const char *name;
	enum instruction_kind kind;
	size_t offset; /* in struct config_draft */
} instructions[] = {
	{ "CMD", KIND_COMMAND, offsetof(struct config_draft, cmd) },
	{ "ENTRYPOINT", KIND_COMMAND, offsetof(struct config_draft, entrypoint) },
	{ "ENV", KIND_PAIRS, offsetof(struct config_draft, env) },
	{ "EXPOSE", KIND_LIST, offsetof(struct config_draft, exposed_ports) },
	{ "LABEL", KIND_PAIRS, offsetof(struct config_draft, labels) },
	{ "STOPSIGNAL", KIND_TEXT, offsetof(struct config_draft, stop_signal) },
	{ "USER", KIND_TEXT, offsetof(struct config_draft, user) },
	{ "VOLUME", KIND_LIST, offsetof(struct config_draft, volumes) },
	{ "WORKDIR", KIND_TEXT, offsetof(struct config_draft, working_dir) },
};

static int apply_vector(
	const struct instruction *in, char ***field, const char *value, struct error *err)
{
	_cleanup_strv_ char **v = NULL;
	int r;

	switch (in->kind) {
	case KIND_COMMAND:
		r = parse_command(value, &v, err);
		if (r < 0)
			return r;
		strv_free(*field);
		*field = steal_ptr(&v);
		return 0;
	case KIND_PAIRS:
		r = parse_pairs(value, &v, err);
		return r < 0 ? r : merge_pairs(field, v, err);
	default:
		r = parse_list(value, &v, err);
		if (r < 0)
			return r;
		strv_for_each (item, v) {
			/* Ports without a protocol are TCP. */
			bool port = streq(in->name, "EXPOSE") && !strchr(*item, '/');

			if (strv_pushf(field, "%s%s", *item, port ? "/tcp" : "") < 0)
				return error_oom(err);
		}
		return 0;
	}
}

static int apply_text(char **field, const char *value, struct error *err)
{
	char *copy = strdup(value);

	if (!copy)
		return error_oom(err);
	free(*field);
	*field = copy;
	return 0;
}

static int apply_change(struct config_draft *draft, const char *change, struct error *err)
{
	const char *value = change + strcspn(change, " \t=");
	size_t len = (size_t)(value - change);

	/* docker import also takes "CMD=..." */
	value += strspn(value, " \t=");
	if (!*value)
		return error_set(err, EINVAL, "the change \"%s\" has no value", change);
	for (size_t i = 0; i < ARRAY_SIZE(instructions); i++) {
		const struct instruction *in = &instructions[i];
		void *field = (char *)draft + in->offset;
		int r;

		if (strlen(in->name) != len || strncasecmp(in->name, change, len) != 0)
			continue;
		r = in->kind == KIND_TEXT ? apply_text(field, value, err)
					  : apply_vector(in, field, value, err);
		return r < 0 ? error_prefix(err, "bad change \"%s\"", change) : 0;
	}
	return error_set(err, EINVAL,
		"\"%.*s\" cannot be changed: only CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, STOPSIGNAL, USER, VOLUME and WORKDIR can",
		(int)len, change);
}

/* --- the document --------------------------------------------------------------------------- */

/* Go's map[string]struct{}: the names as keys of an object. */
static void write_set(struct json_writer *w, const char *key, char *const *names)
{
	if (!names)
		return;
	json_begin_object(w, key);
	strv_for_each (name, names)
		json_write_raw(w, *name, "{}");
	json_end_object(w);
}

static void write_draft(struct json_writer *w, const struct config_draft *d)
{
	json_begin_object(w, "config");
	json_write_string(w, "User", d->user);
	write_set(w, "ExposedPorts", d->exposed_ports);
	json_write_strv(w, "Env", d->env);
	json_write_strv(w, "Entrypoint", d->entrypoint);
	json_write_strv(w, "Cmd", d->cmd);
	write_set(w, "Volumes", d->volumes);
	json_write_string(w, "WorkingDir", d->working_dir);
	json_write_map(w, "Labels", d->labels);
	json_write_string(w, "StopSignal", d->stop_signal);
	json_end_object(w);
}

static char *write_document(const struct image_platform *platform, const char *diff_id,
	const char *message, const struct config_draft *draft)
{
	char *const diff_ids[] = { (char *)diff_id, NULL };
	char now[CLOCK_TEXT_MAX];
	struct json_writer w = { 0 };

	clock_format(now, clock_realtime_ns());
	json_begin_object(&w, NULL);
	json_write_string(&w, "created", now);
	json_write_string(&w, "architecture", platform->architecture);
	json_write_string(&w, "os", platform->os);
	json_write_string(&w, "variant", platform->variant[0] ? platform->variant : NULL);
	write_draft(&w, draft);
	json_begin_object(&w, "rootfs");
	json_write_string(&w, "type", "layers");
	json_write_strv(&w, "diff_ids", diff_ids);
	json_end_object(&w);
	json_begin_array(&w, "history");
	json_begin_object(&w, NULL);
	json_write_string(&w, "created", now);
	json_write_string(&w, "created_by", "strata import");
	json_write_string(&w, "comment", message);
	json_end_object(&w);
	json_end_array(&w);
	json_end_object(&w);
	return json_writer_finish(&w);
}

int archive_make_config(const struct image_platform *platform, const char *diff_id,
	char *const *changes, const char *message, char **ret_text, struct error *err)
{
	_cleanup_(free_draft) struct config_draft draft = { 0 };

	if (strv_length(changes) > CHANGES_MAX)
		return error_set(err, E2BIG, "more than %d changes", CHANGES_MAX);
	strv_for_each (change, changes) {
		int r = apply_change(&draft, *change, err);

		if (r < 0)
			return r;
	}
	*ret_text = write_document(platform, diff_id, message, &draft);
	return *ret_text ? 0 : error_oom(err);
}
