/* SPDX-License-Identifier: Apache-2.0 */
/*
 * list.c - all instances at once. Whoever lists also sweeps: directories that a killed process
 * left half made or half removed are deleted, crashed instances are brought to rest.
 */
#include "instance/internal.h"

#include <limits.h>

#include "base/io.h"
#include "base/log.h"

void instance_list_free(struct instance *list, size_t count)
{
	for (size_t i = 0; list && i < count; i++)
		instance_close(&list[i]);
	free(list);
}

struct listing {
	struct instance *list;
	size_t count, capacity;
};

static int add(struct listing *listing, struct instance *instance)
{
	if (listing->count == listing->capacity) {
		size_t capacity = listing->capacity ? 2 * listing->capacity : 16;
		struct instance *grown = reallocarray(listing->list, capacity, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		listing->list = grown;
		listing->capacity = capacity;
	}
	listing->list[listing->count++] = *instance;
	*instance = (struct instance){ .dir_fd = -1 };
	return 0;
}

/* Newest first; the ID decides between equals, so that the order is stable. */
static int compare(const void *a, const void *b)
{
	const struct instance *x = a, *y = b;

	if (x->spec.created_ns != y->spec.created_ns)
		return x->spec.created_ns < y->spec.created_ns ? 1 : -1;
	return strcmp(x->id, y->id);
}

/* Ended unseen: its state on disk is live, but instance_refresh() knew better. */
static bool is_crashed(const struct instance *instance)
{
	struct instance_state written;
	bool crashed;

	if (instance->state.status != INSTANCE_EXITED ||
		instance->state.exit_code != INSTANCE_EXIT_UNKNOWN)
		return false;
	if (instance_state_load(instance->dir_fd, &written, NULL) < 0)
		return false;
	crashed = written.status != INSTANCE_EXITED;
	instance_state_free(&written);
	return crashed;
}

static int visit(const struct instance_roots *roots, const char *entry, struct listing *listing,
	struct error *err)
{
	_cleanup_instance_ struct instance instance = { .dir_fd = -1 };
	struct error why = { 0 };
	int r;

	if (str_after_prefix(entry, INSTANCE_NEW_PREFIX) ||
		str_after_prefix(entry, INSTANCE_GONE_PREFIX)) {
		instance_sweep(roots, entry);
		return 0;
	}
	if (!instance_id_is_valid(entry))
		return 0;
	r = instance_open(roots, entry, &instance, &why);
	if (r == -ENOENT)
		return 0; /* removed while we were looking, or not filled yet */
	if (r < 0) {
		if (!instance_sweep(roots, entry))
			log_warning("%s", why.message);
		return 0;
	}
	if (is_crashed(&instance) && instance_settle(&instance, &why) > 0)
		return 0;
	return add(listing, &instance) < 0 ? error_oom(err) : 0;
}

int instance_list(const struct instance_roots *roots, struct instance **ret, size_t *ret_count,
	struct error *err)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct listing listing = { 0 };
	struct dirent *entry;
	char path[PATH_MAX];
	int r = 0;

	r = instance_path(roots, path, sizeof(path), "", "", NULL);
	if (r < 0)
		return error_set(err, ENAMETOOLONG, "the state root's path is too long");
	dir = opendir(path);
	if (!dir && errno != ENOENT)
		return error_errno(err, errno, "cannot open %s", path);
	while (dir && r == 0 && (entry = readdir(dir)))
		r = visit(roots, entry->d_name, &listing, err);
	instance_names_sweep(roots);
	if (r < 0) {
		instance_list_free(listing.list, listing.count);
		return r;
	}
	if (listing.count)
		qsort(listing.list, listing.count, sizeof(*listing.list), compare);
	*ret = listing.list;
	*ret_count = listing.count;
	return 0;
}

int instance_pinned_images(const struct instance_roots *roots, char ***ret, struct error *err)
{
	_cleanup_strv_ char **pinned = NULL;
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *entry;
	char path[PATH_MAX];

	if (instance_path(roots, path, sizeof(path), "", "", NULL) < 0)
		return error_set(err, ENAMETOOLONG, "the state root's path is too long");
	dir = opendir(path);
	if (!dir && errno != ENOENT)
		return error_errno(err, errno, "cannot open %s", path);
	while (dir && (entry = readdir(dir))) {
		_cleanup_json_ json_t *document = NULL;
		const char *digest = NULL;
		char file[NAME_MAX + 32];
		int r;

		/* One that is being made pins its image too; one that is going no longer does. */
		if (entry->d_name[0] == '.' &&
			!str_after_prefix(entry->d_name, INSTANCE_NEW_PREFIX))
			continue;
		snprintf(file, sizeof(file), "%s/" INSTANCE_SPEC_FILE, entry->d_name);
		r = json_read_file(dirfd(dir), file, INSTANCE_SPEC_MAX, &document, NULL);
		if (r == -ENOENT)
			continue;
		if (r == 0)
			r = json_get_string(
				document, "manifest_digest", &digest, INSTANCE_SPEC_FILE, NULL);
		if (r < 0)
			return error_set(err, EBADMSG,
				"%s/%s cannot be read, so it is not known which image it uses: remove it with `rm -f` first",
				path, file);
		if (digest && !strv_contains(pinned, digest) && strv_push(&pinned, digest) < 0)
			return error_oom(err);
	}
	*ret = steal_ptr(&pinned);
	return 0;
}
