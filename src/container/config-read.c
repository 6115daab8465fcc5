/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config-read.c - reading members of config.json.
 */
#include "container/config-read.h"

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

int config_read_u32(const json_t *object, const char *name, uint32_t max, uint32_t *ret,
	const char *what, struct error *err)
{
	int64_t value = *ret;
	int r;

	r = json_get_int(object, name, &value, what, err);
	if (r < 0)
		return r;
	if (value < 0 || value > max)
		return error_set(err, ERANGE, "%s: %s must be between 0 and %u", what, name, max);
	*ret = (uint32_t)value;
	return 0;
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

int config_open_list(const json_t *object, const char *name, size_t item_size, json_t **ret_json,
	void *ret_items, size_t *ret_count, struct error *err)
{
	json_t *array = NULL;
	size_t count;
	void *items;
	int r;

	r = json_get_array(object, name, &array, "config.json", err);
	if (r < 0)
		return r;
	*ret_json = array;
	count = json_array_size(array);
	if (count == 0)
		return 0;
	if (count > CONFIG_LIST_MAX)
		return error_set(err, E2BIG, "config.json: %s has more than %d entries", name,
			CONFIG_LIST_MAX);
	for (size_t i = 0; i < count; i++)
		if (!json_is_object(json_array_get(array, i)))
			return error_set(
				err, EINVAL, "config.json: %s must be an array of objects", name);
	items = calloc(count, item_size);
	if (!items)
		return error_oom(err);
	*(void **)ret_items = items;
	*ret_count = count;
	return 0;
}

int config_read_device_type(const json_t *item, const char *allowed, char *ret, struct error *err)
{
	const char *type = NULL;
	int r;

	r = json_get_string(item, "type", &type, "config.json: linux.devices", err);
	if (r < 0 || !type)
		return r;
	if (strlen(type) != 1 || !strchr(allowed, *type))
		return error_set(err, EINVAL, "config.json: there is no device type \"%s\"", type);
	*ret = *type == 'u' ? 'c' : *type;
	return 0;
}
