/* SPDX-License-Identifier: Apache-2.0 */
/*
 * volume.c - make, find, list and remove volumes.
 */
#include "instance/volume.h"

#include <ctype.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/userns.h"

#define DOCUMENT     "volume.json"
#define DOCUMENT_MAX (1u << 20)
#define RANDOM_BYTES 32 /* of an anonymous volume's name, as many as Docker's */

void volume_free(struct volume *volume)
{
	free(volume->name);
	free(volume->path);
	strv_free(volume->labels);
	*volume = (struct volume){ 0 };
}

void volume_list_free(struct volume *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		volume_free(&list[i]);
	free(list);
}

bool volume_name_is_valid(const char *name)
{
	size_t len = strlen(name);

	if (len < 2 || len > VOLUME_NAME_MAX || !isalnum((unsigned char)name[0]))
		return false;
	for (size_t i = 1; i < len; i++)
		if (!isalnum((unsigned char)name[i]) && !strchr("_.-", name[i]))
			return false;
	return true;
}

static int check_name(const char *name, struct error *err)
{
	if (volume_name_is_valid(name))
		return 0;
	return error_set(err, EINVAL,
		"invalid volume name \"%s\": only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed, two or more of them; give an absolute path to mount a directory of the host",
		name);
}

/* Open ROOT/volumes; -ENOENT (silent) when there are none yet and none is to be made. */
static int open_volumes(const char *root, bool make, struct error *err)
{
	_cleanup_free_ char *path = strf("%s/volumes", root);

	return path ? io_open_store_dir(path, make, err) : error_oom(err);
}

static int read_document(const json_t *document, struct volume *volume, struct error *err)
{
	const char *created = NULL;
	int r;

	r = json_get_string(document, "created", &created, DOCUMENT, err);
	if (r == 0)
		r = json_get_bool(document, "anonymous", &volume->anonymous, DOCUMENT, err);
	if (r == 0)
		r = json_get_strv(document, "labels", &volume->labels, DOCUMENT, err);
	if (r < 0)
		return r;
	if (created && clock_parse(created, &volume->created_ns) < 0)
		return error_set(err, EINVAL, "%s: created is not a time", DOCUMENT);
	return 0;
}

static int load_at(
	const char *root, int volumes_fd, const char *name, struct volume *ret, struct error *err)
{
	_cleanup_volume_ struct volume volume = { 0 };
	_cleanup_json_ json_t *document = NULL;
	_cleanup_free_ char *file = strf("%s/" DOCUMENT, name);
	int r;

	volume.name = strdup(name);
	volume.path = strf("%s/volumes/%s/_data", root, name);
	if (!file || !volume.name || !volume.path)
		return error_oom(err);
	if (faccessat(volumes_fd, name, F_OK, 0) < 0)
		return error_set(err, ENOENT, "no such volume: %s", name);
	r = json_read_file(volumes_fd, file, DOCUMENT_MAX, &document, err);
	if (r == 0)
		r = read_document(document, &volume, err);
	if (r < 0)
		return error_prefix(err, "volume %s is damaged", name);
	*ret = volume;
	volume = (struct volume){ 0 };
	return 0;
}

static int write_document(int dir_fd, bool anonymous, char *const *labels, struct error *err)
{
	struct json_writer w = { 0 };
	char created[CLOCK_TEXT_MAX];
	_cleanup_free_ char *text = NULL;

	clock_format(created, clock_realtime_ns());
	json_begin_object(&w, NULL);
	json_write_string(&w, "created", created);
	json_write_bool(&w, "anonymous", anonymous);
	json_write_strv(&w, "labels", labels);
	json_end_object(&w);
	text = json_writer_finish(&w);
	if (!text)
		return error_oom(err);
	return io_replace_file(dir_fd, DOCUMENT, 0644, text, strlen(text),
		anonymous ? IO_VOLATILE : IO_DURABLE, err);
}

/* Fill .new-XXXX and give it its name. 0 also when somebody else made it meanwhile. */
static int make(
	int volumes_fd, const char *name, bool anonymous, char *const *labels, struct error *err)
{
	char temporary[32] = ".new-", random[17];
	_cleanup_close_ int fd = -1;
	int r;

	io_random_hex(random, 8);
	strcat(temporary, random);
	if (mkdirat(volumes_fd, temporary, 0711) < 0)
		return error_errno(err, errno, "cannot make volume %s", name);
	fd = io_open_dir(volumes_fd, temporary);
	r = fd < 0 ? fd : 0;
	if (r == 0 && mkdirat(fd, "_data", 0755) < 0)
		r = -errno;
	if (r < 0)
		error_errno(err, r, "cannot make volume %s", name);
	else
		r = write_document(fd, anonymous, labels, err);
	if (r == 0 && renameat2(volumes_fd, temporary, volumes_fd, name, RENAME_NOREPLACE) < 0) {
		r = errno == EEXIST ? 0 : error_errno(err, errno, "cannot make volume %s", name);
		io_remove_tree(volumes_fd, temporary, NULL);
	} else if (r < 0) {
		io_remove_tree(volumes_fd, temporary, NULL);
	}
	return r;
}

int volume_create(const char *root, const char *name, char *const *labels, struct volume *ret,
	struct error *err)
{
	char random[2 * RANDOM_BYTES + 1];
	bool anonymous = !name;
	_cleanup_close_ int fd = -1;
	int r;

	if (anonymous) {
		io_random_hex(random, RANDOM_BYTES);
		name = random;
	}
	r = check_name(name, err);
	if (r < 0)
		return r;
	fd = open_volumes(root, true, err);
	if (fd < 0)
		return fd;
	if (faccessat(fd, name, F_OK, 0) < 0) {
		r = make(fd, name, anonymous, labels, err);
		if (r < 0)
			return r;
	}
	return load_at(root, fd, name, ret, err);
}

int volume_load(const char *root, const char *name, struct volume *ret, struct error *err)
{
	_cleanup_close_ int fd = -1;

	if (!volume_name_is_valid(name))
		return error_set(err, ENOENT, "no such volume: %s", name);
	fd = open_volumes(root, false, err);
	if (fd == -ENOENT)
		return error_set(err, ENOENT, "no such volume: %s", name);
	return fd < 0 ? fd : load_at(root, fd, name, ret, err);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(((const struct volume *)a)->name, ((const struct volume *)b)->name);
}

static int append(struct volume **list, size_t *count, struct volume *volume, struct error *err)
{
	struct volume *grown = realloc(*list, (*count + 1) * sizeof(*grown));

	if (!grown) {
		volume_free(volume);
		return error_oom(err);
	}
	*list = grown;
	grown[(*count)++] = *volume;
	return 0;
}

int volume_list(const char *root, struct volume **ret, size_t *ret_count, struct error *err)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct volume *list = NULL;
	size_t count = 0;
	struct dirent *entry;
	int fd = open_volumes(root, false, err), r = 0;

	if (fd < 0 && fd != -ENOENT)
		return fd;
	dir = fd >= 0 ? fdopendir(fd) : NULL;
	while (r == 0 && dir && (entry = readdir(dir))) {
		struct volume volume = { 0 };
		struct error broken = { 0 };

		if (!volume_name_is_valid(entry->d_name))
			continue;
		r = load_at(root, fd, entry->d_name, &volume, &broken);
		if (r == 0) {
			r = append(&list, &count, &volume, err);
		} else {
			/* -ENOENT: removed since readdir(). */
			if (r != -ENOENT)
				log_warning("%s", broken.message);
			r = 0;
		}
	}
	if (r < 0) {
		volume_list_free(list, count);
		return r;
	}
	if (count)
		qsort(list, count, sizeof(*list), compare_names);
	*ret = list;
	*ret_count = count;
	return 0;
}

static bool mounts_path(const struct container_config *config, const char *path)
{
	for (size_t i = 0; i < config->nr_mounts; i++)
		if (config->mounts[i].source && streq(config->mounts[i].source, path))
			return true;
	return false;
}

int volume_users(
	const struct instance_roots *roots, const char *name, char ***ret, struct error *err)
{
	_cleanup_free_ char *path = strf("%s/volumes/%s/_data", roots->root, name);
	_cleanup_strv_ char **users = NULL;
	struct instance *list = NULL;
	size_t count = 0;
	int r;

	if (!path)
		return error_oom(err);
	r = instance_list(roots, &list, &count, err);
	for (size_t i = 0; r == 0 && i < count; i++) {
		/* One that cannot be read may use it: better not call the volume free. */
		r = instance_load_config(&list[i], err);
		if (r == 0 && mounts_path(&list[i].config, path))
			r = strv_push(&users, list[i].spec.name) < 0 ? error_oom(err) : 0;
	}
	instance_list_free(list, count);
	if (r == 0)
		*ret = steal_ptr(&users);
	return r;
}

struct removal {
	int volumes_fd;
	const char *name;
};

/* Files in a volume belong to the users of containers: only their namespace's root may remove
 * them. */
static int remove_as_root(void *context, struct error *err)
{
	const struct removal *removal = context;

	return io_remove_tree(removal->volumes_fd, removal->name, err);
}

int volume_remove(const char *root, const char *name, struct error *err)
{
	char gone[32] = ".gone-", random[17];
	_cleanup_close_ int fd = -1;
	struct removal removal = { .name = gone };
	int r;

	if (!volume_name_is_valid(name))
		return error_set(err, ENOENT, "no such volume: %s", name);
	fd = open_volumes(root, false, err);
	if (fd < 0 && fd != -ENOENT)
		return fd;
	io_random_hex(random, 8);
	strcat(gone, random);
	if (fd < 0 || renameat(fd, name, fd, gone) < 0) {
		if (fd < 0 || errno == ENOENT)
			return error_set(err, ENOENT, "no such volume: %s", name);
		return error_errno(err, errno, "cannot remove volume %s", name);
	}
	removal.volumes_fd = fd;
	r = userns_call(remove_as_root, &removal, err);
	return r < 0 ? error_prefix(err, "volume %s", name) : 0;
}

char *volume_name_of_path(const char *root, const char *path)
{
	const char *rest = str_after_prefix(path, root), *end;

	rest = rest ? str_after_prefix(rest, "/volumes/") : NULL;
	end = rest ? strchr(rest, '/') : NULL;
	if (!end || !streq(end, "/_data"))
		return NULL;
	return strndup(rest, (size_t)(end - rest));
}
