/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.c - the image configuration (OCI image-spec config.md; Docker's image JSON is the same
 * document with more in it: Healthcheck, Shell).
 *
 * Members we do not know are ignored, as the specification asks; those we use must have the right
 * type, and every diff ID must be a digest, because it becomes part of a path.
 */
#include "image/internal.h"

/* Labels, volumes and ports of one image; more is an attack or a mistake. */
#define MEMBERS_MAX 4096

static int copy_string(
	const json_t *object, const char *field, char **ret, const char *what, struct error *err)
{
	const char *value = NULL;
	int r = json_get_string(object, field, &value, what, err);

	if (r < 0 || !value || !*value)
		return r;
	*ret = strdup(value);
	return *ret ? 0 : error_oom(err);
}

/* A list of words; old builders wrote a single string. */
static int copy_words(
	const json_t *object, const char *field, char ***ret, const char *what, struct error *err)
{
	if (json_is_string(json_object_get(object, field))) {
		const char *word = NULL;
		int r = json_get_string(object, field, &word, what, err);

		if (r < 0 || !*word)
			return r;
		return strv_push(ret, word) < 0 ? error_oom(err) : 0;
	}
	return json_get_strv(object, field, ret, what, err);
}

/* The member names of an object used as a set ("Volumes", "ExposedPorts"). */
static int copy_keys(
	const json_t *object, const char *field, char ***ret, const char *what, struct error *err)
{
	json_t *set = NULL, *value;
	const char *key;
	int r = json_get_object(object, field, &set, what, err);

	if (r < 0)
		return r;
	if (json_object_size(set) > MEMBERS_MAX)
		return error_set(
			err, EINVAL, "%s: %s has more than %d members", what, field, MEMBERS_MAX);
	json_object_foreach (set, key, value) {
		if (strv_push(ret, key) < 0)
			return error_oom(err);
	}
	return 0;
}

static int copy_map(
	const json_t *object, const char *field, char ***ret, const char *what, struct error *err)
{
	json_t *map = NULL, *value;
	const char *key;
	int r = json_get_object(object, field, &map, what, err);

	if (r < 0)
		return r;
	if (json_object_size(map) > MEMBERS_MAX)
		return error_set(
			err, EINVAL, "%s: %s has more than %d members", what, field, MEMBERS_MAX);
	json_object_foreach (map, key, value) {
		const char *text = "";

		r = json_get_string(map, key, &text, what, err);
		if (r < 0)
			return r;
		if (strv_pushf(ret, "%s=%s", key, text) < 0)
			return error_oom(err);
	}
	return 0;
}

static int parse_healthcheck(
	const json_t *config, struct image_healthcheck *health, const char *what, struct error *err)
{
	struct {
		const char *field;
		int64_t *value;
	} numbers[] = {
		{ "Interval", &health->interval_ns },
		{ "Timeout", &health->timeout_ns },
		{ "StartPeriod", &health->start_period_ns },
		{ "Retries", &health->retries },
	};
	json_t *object = NULL;
	int r = json_get_object(config, "Healthcheck", &object, what, err);

	if (r < 0 || !object)
		return r;
	r = json_get_strv(object, "Test", &health->test, what, err);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(numbers); i++) {
		r = json_get_int(object, numbers[i].field, numbers[i].value, what, err);
		if (r == 0 && *numbers[i].value < 0)
			r = error_set(err, EINVAL, "%s: Healthcheck.%s is negative", what,
				numbers[i].field);
	}
	return r;
}

/* The "config" member: what a container made from the image starts with. */
static int parse_defaults(
	const json_t *document, struct image_config *c, const char *what, struct error *err)
{
	json_t *config = NULL;
	int r = json_get_object(document, "config", &config, what, err);

	if (r < 0 || !config)
		return r;
	r = copy_string(config, "User", &c->user, what, err);
	if (r == 0)
		r = copy_string(config, "WorkingDir", &c->working_dir, what, err);
	if (r == 0)
		r = copy_string(config, "StopSignal", &c->stop_signal, what, err);
	if (r == 0)
		r = copy_words(config, "Entrypoint", &c->entrypoint, what, err);
	if (r == 0)
		r = copy_words(config, "Cmd", &c->cmd, what, err);
	if (r == 0)
		r = json_get_strv(config, "Env", &c->env, what, err);
	if (r == 0)
		r = json_get_strv(config, "Shell", &c->shell, what, err);
	if (r == 0)
		r = copy_map(config, "Labels", &c->labels, what, err);
	if (r == 0)
		r = copy_keys(config, "Volumes", &c->volumes, what, err);
	if (r == 0)
		r = copy_keys(config, "ExposedPorts", &c->exposed_ports, what, err);
	return r < 0 ? r : parse_healthcheck(config, &c->healthcheck, what, err);
}

static int parse_rootfs(
	const json_t *document, struct image_config *c, const char *what, struct error *err)
{
	const char *type = "layers";
	json_t *rootfs = NULL;
	int r = json_get_object(document, "rootfs", &rootfs, what, err);

	if (r == 0 && !rootfs)
		return error_set(err, EINVAL, "%s: rootfs is missing", what);
	if (r == 0)
		r = json_get_string(rootfs, "type", &type, what, err);
	if (r == 0 && !streq(type, "layers"))
		return error_set(
			err, EINVAL, "%s: rootfs type \"%.32s\" is not \"layers\"", what, type);
	if (r == 0)
		r = json_get_strv(rootfs, "diff_ids", &c->diff_ids, what, err);
	if (r < 0)
		return r;
	if (strv_length(c->diff_ids) > IMAGE_LAYERS_MAX)
		return error_set(err, EINVAL, "%s: %zu layers are more than the %d allowed", what,
			strv_length(c->diff_ids), IMAGE_LAYERS_MAX);
	strv_for_each (id, c->diff_ids) {
		if (!image_digest_is_valid(*id))
			return error_set(err, EINVAL,
				"%s: diff ID \"%.100s\" is not a sha256 digest", what, *id);
	}
	return 0;
}

static int parse_document(
	const json_t *document, struct image_config *c, const char *what, struct error *err)
{
	int r = image_platform_from_json(document, &c->platform, what, err);

	if (r == 0)
		r = copy_string(document, "created", &c->created, what, err);
	if (r == 0)
		r = copy_string(document, "author", &c->author, what, err);
	if (r == 0)
		r = parse_defaults(document, c, what, err);
	return r < 0 ? r : parse_rootfs(document, c, what, err);
}

int image_config_parse(
	const char *text, size_t len, const char *what, struct image_config *ret, struct error *err)
{
	_cleanup_json_ json_t *document = NULL;
	struct image_config config = { 0 };
	int r;

	if (len > IMAGE_CONFIG_MAX)
		return error_set(err, EFBIG, "%s is larger than the %u bytes allowed", what,
			IMAGE_CONFIG_MAX);
	r = json_parse(text, len, what, &document, err);
	if (r < 0)
		return r;
	r = parse_document(document, &config, what, err);
	if (r < 0) {
		image_config_free(&config);
		return r;
	}
	*ret = config;
	return 0;
}

void image_config_free(struct image_config *config)
{
	free(config->created);
	free(config->author);
	free(config->user);
	free(config->working_dir);
	free(config->stop_signal);
	strv_free(config->entrypoint);
	strv_free(config->cmd);
	strv_free(config->env);
	strv_free(config->shell);
	strv_free(config->labels);
	strv_free(config->volumes);
	strv_free(config->exposed_ports);
	strv_free(config->healthcheck.test);
	strv_free(config->diff_ids);
	*config = (struct image_config){ 0 };
}
