/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config-read.c - reading members of config.json.
 */
#include "container/config-read.h"

#include <inttypes.h>

#include "base/str.h"

int config_read_string(
	const json_t *object, const char *name, char **ret, const char *what, struct error *err)
{
	const char *value = NULL;
	char *copy;
	int r;

	r = json_get_string(object, name, &value, what, err);
	if (r < 0 || !value)
		return r;
	copy = strdup(value);
	if (!copy)
		return error_oom(err);
	free(*ret);
	*ret = copy;
	return 0;
}

int config_need_string(
	const json_t *object, const char *name, char **ret, const char *what, struct error *err)
{
	int r = config_read_string(object, name, ret, what, err);

	if (r == 0 && (!*ret || !**ret))
		return error_set(err, EINVAL, "%s: %s is missing", what, name);
	return r;
}

int config_read_int(const json_t *object, const char *name, int64_t min, int64_t max, int64_t *ret,
	const char *what, struct error *err)
{
	int64_t value = INT64_MIN;
	int r;

	r = json_get_int(object, name, &value, what, err);
	if (r < 0 || value == INT64_MIN)
		return r;
	if (value < min || value > max)
		return error_set(err, ERANGE,
			"%s: %s must be between %" PRId64 " and %" PRId64 ", not %" PRId64, what,
			name, min, max, value);
	*ret = value;
	return 0;
}

int config_read_u32(const json_t *object, const char *name, uint32_t max, uint32_t *ret,
	const char *what, struct error *err)
{
	int64_t value = *ret;
	int r = config_read_int(object, name, 0, max, &value, what, err);

	if (r == 0)
		*ret = (uint32_t)value;
	return r;
}

int config_read_map(
	const json_t *object, const char *name, char ***ret, const char *what, struct error *err)
{
	_cleanup_strv_ char **pairs = NULL;
	json_t *map = NULL, *value;
	const char *key;
	int r;

	r = json_get_object(object, name, &map, what, err);
	if (r < 0)
		return r;
	json_object_foreach (map, key, value) {
		if (!json_is_string(value) || strchr(key, '='))
			return error_set(
				err, EINVAL, "%s: %s must map names to strings", what, name);
		r = strv_pushf(&pairs, "%s=%s", key, json_string_value(value));
		if (r < 0)
			return error_oom(err);
	}
	strv_free(*ret);
	*ret = steal_ptr(&pairs);
	return 0;
}

int config_read_word(const json_t *object, const char *name, const struct config_word *words,
	size_t nr_words, int64_t *ret, const char *what, struct error *err)
{
	const char *word = NULL;
	int r;

	r = json_get_string(object, name, &word, what, err);
	if (r < 0 || !word)
		return r;
	if (config_word_value(words, nr_words, word, ret) < 0)
		return error_set(err, EINVAL, "%s: there is no %s \"%s\"", what, name, word);
	return 0;
}

int config_read_list(const json_t *object, const char *name, config_read_item *read_item,
	size_t item_size, void *ret_items, size_t *ret_count, const char *what, struct error *err)
{
	json_t *array = NULL, *json;
	char *items, place[160];
	size_t i;
	int r;

	r = json_get_array(object, name, &array, what, err);
	if (r < 0 || json_array_size(array) == 0)
		return r;
	if (json_array_size(array) > CONFIG_LIST_MAX)
		return error_set(
			err, E2BIG, "%s: %s has more than %d entries", what, name, CONFIG_LIST_MAX);
	items = calloc(json_array_size(array), item_size);
	if (!items)
		return error_oom(err);
	*(void **)ret_items = items;
	*ret_count = json_array_size(array);
	json_array_foreach (array, i, json) {
		snprintf(place, sizeof(place), "%s%s%s[%zu]", what,
			streq(what, "config.json") ? ": " : ".", name, i);
		if (!json_is_object(json))
			return error_set(err, EINVAL, "%s must be an object", place);
		r = read_item(json, items + i * item_size, place, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int config_read_id_map(const json_t *json, void *item, const char *what, struct error *err)
{
	struct userns_map *map = item;
	int r;

	if ((r = config_read_u32(json, "containerID", UINT32_MAX, &map->inside, what, err)) < 0 ||
		(r = config_read_u32(json, "hostID", UINT32_MAX, &map->outside, what, err)) < 0)
		return r;
	return config_read_u32(json, "size", UINT32_MAX, &map->count, what, err);
}

int config_read_device_type(
	const json_t *item, const char *allowed, char *ret, const char *what, struct error *err)
{
	const char *type = NULL;
	int r;

	r = json_get_string(item, "type", &type, what, err);
	if (r < 0 || !type)
		return r;
	if (strlen(type) != 1 || !strchr(allowed, *type))
		return error_set(err, EINVAL, "%s: there is no device type \"%s\"", what, type);
	*ret = *type == 'u' ? 'c' : *type;
	return 0;
}
