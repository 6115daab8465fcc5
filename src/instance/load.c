/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load.c - find an instance, read what is written about it, and hold that against reality.
 *
 * A live status (running, paused, restarting) is believed as long as its monitor lives: pid and
 * start time, of this boot. Without one the first process itself is asked for. Nothing of it left
 * means that it ended unseen: exited, 255. The file is read again before that is believed, since a
 * monitor that just ends writes the truth first and dies after.
 */
#include "instance/internal.h"

#include <limits.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/process.h"

#define LOCK_POLL_NS	2000000L
#define HEALTH_FILE_MAX (256u << 10) /* five results, each of 4 KiB before JSON quotes it */

int instance_path(const struct instance_roots *roots, char *buf, size_t size, const char *prefix,
	const char *id, const char *file)
{
	int n = snprintf(buf, size, "%s/instances/%s%s%s%s", roots->root, prefix, id,
		file ? "/" : "", file ? file : "");

	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

const char *instance_label(const struct instance *instance)
{
	return instance->spec.name ? instance->spec.name : instance->id;
}

const struct isolation_ops *instance_isolation(const struct instance *instance, struct error *err)
{
	return isolation_find(instance->spec.isolation, err);
}

void instance_close(struct instance *instance)
{
	cleanup_close(&instance->dir_fd);
	if (instance->network_fd > 0)
		close(instance->network_fd);
	if (instance->image_lock_fd > 0)
		close(instance->image_lock_fd);
	instance_spec_free(&instance->spec);
	instance_state_free(&instance->state);
	if (instance->has_config)
		container_config_free(&instance->config);
	*instance = (struct instance){ .dir_fd = -1 };
}

json_t *instance_health_log(const struct instance *instance)
{
	_cleanup_json_ json_t *document = NULL;
	json_t *log;

	if (json_read_file(
		    instance->dir_fd, INSTANCE_HEALTH_FILE, HEALTH_FILE_MAX, &document, NULL) < 0)
		return json_array();
	log = json_object_get(document, "Log");
	return json_is_array(log) ? json_incref(log) : json_array();
}

int instance_lock(const struct instance *instance, int64_t timeout_ns, struct error *err)
{
	int64_t deadline = clock_monotonic_ns() + timeout_ns;

	while (flock(instance->dir_fd, LOCK_EX | LOCK_NB) < 0) {
		struct timespec nap = { .tv_nsec = LOCK_POLL_NS };

		if (errno == EINTR)
			continue;
		if (errno != EWOULDBLOCK)
			return error_errno(
				err, errno, "cannot lock instance %s", instance_label(instance));
		if (clock_monotonic_ns() >= deadline)
			return error_set(err, EBUSY,
				"instance %s is being started, stopped or removed by another process",
				instance_label(instance));
		nanosleep(&nap, NULL);
	}
	return 0;
}

void instance_unlock(const struct instance *instance)
{
	flock(instance->dir_fd, LOCK_UN);
}

/* Does the state, as written, still hold? Clears what is gone. */
static bool state_holds(struct instance_state *state, const char *boot_id)
{
	if (!streq(state->boot_id, boot_id)) {
		state->monitor_pid = 0;
		state->pid = 0;
		return false;
	}
	if (process_alive(state->monitor_pid, state->monitor_ticks))
		return true;
	state->monitor_pid = 0;
	if (process_alive(state->pid, state->start_ticks)) {
		/* Still there, but nobody starts it again or keeps its output. */
		if (state->status == INSTANCE_RESTARTING)
			state->status = INSTANCE_RUNNING;
		return true;
	}
	state->pid = 0;
	return false;
}

static bool is_live_status(enum instance_status status)
{
	return status == INSTANCE_RUNNING || status == INSTANCE_PAUSED ||
		status == INSTANCE_RESTARTING || status == INSTANCE_REMOVING;
}

int instance_refresh(struct instance *instance, struct error *err)
{
	char boot_id[37] = "";

	for (int look = 0;; look++) {
		struct instance_state state;
		int r = instance_state_load(instance->dir_fd, &state, err);

		if (r < 0)
			return error_prefix(err, "instance %s", instance_label(instance));
		instance_state_free(&instance->state);
		instance->state = state;
		if (!is_live_status(state.status)) {
			instance->state.monitor_pid = 0;
			instance->state.pid = 0;
			return 0;
		}
		if (!boot_id[0])
			process_boot_id(boot_id);
		if (state_holds(&instance->state, boot_id))
			return 0;
		if (look > 0)
			break;
	}
	instance->state.status = INSTANCE_EXITED;
	instance->state.exit_code = INSTANCE_EXIT_UNKNOWN;
	if (instance->state.finished_ns < instance->state.started_ns)
		instance->state.finished_ns = clock_realtime_ns();
	if (instance->state.health != INSTANCE_HEALTH_NONE)
		instance->state.health = INSTANCE_HEALTH_UNHEALTHY;
	return 0;
}

/* Has somebody else the lock of a directory? */
static bool is_locked(int dir_fd)
{
	if (flock(dir_fd, LOCK_SH | LOCK_NB) < 0)
		return errno == EWOULDBLOCK;
	flock(dir_fd, LOCK_UN);
	return false;
}

/* Open by exact ID: -ENOENT when there is no such directory, or it is still being filled. */
int instance_open(
	const struct instance_roots *roots, const char *id, struct instance *ret, struct error *err)
{
	_cleanup_instance_ struct instance instance = { .roots = *roots, .dir_fd = -1 };
	_cleanup_json_ json_t *document = NULL;
	char path[PATH_MAX];
	int r;

	memcpy(instance.id, id, sizeof(instance.id));
	r = instance_path(roots, path, sizeof(path), "", id, NULL);
	if (r == 0)
		r = instance.dir_fd = io_open_dir(AT_FDCWD, path);
	if (r < 0)
		return error_errno(err, r, "cannot open instance %.12s", id);
	r = json_read_file(instance.dir_fd, INSTANCE_SPEC_FILE, INSTANCE_SPEC_MAX, &document, err);
	if (r == 0)
		r = instance_spec_parse(document, &instance.spec, err);
	if (r == -ENOENT && is_locked(instance.dir_fd))
		return r; /* its monitor is about to write it */
	if (r == -ENOENT)
		r = -EBADMSG; /* the directory is there: this is damage, not absence */
	if (r < 0) {
		error_prefix(err, "instance %.12s is damaged", id);
		return r;
	}
	r = instance_refresh(&instance, err);
	if (r < 0)
		return r;
	*ret = instance;
	instance = (struct instance){ .dir_fd = -1 };
	return 0;
}

/* The one directory whose name starts with `text`. */
static int find_by_prefix(const struct instance_roots *roots, const char *text,
	char ret_id[INSTANCE_ID_LEN + 1], struct error *err)
{
	_cleanup_closedir_ DIR *dir = NULL;
	size_t len = strlen(text), found = 0;
	char path[PATH_MAX];
	struct dirent *entry;

	if (!len || strspn(text, "0123456789abcdef") != len || len > INSTANCE_ID_LEN)
		return -ENOENT;
	if (instance_path(roots, path, sizeof(path), "", "", NULL) < 0)
		return -ENOENT;
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		if (strncmp(entry->d_name, text, len) != 0 || !instance_id_is_valid(entry->d_name))
			continue;
		memcpy(ret_id, entry->d_name, INSTANCE_ID_LEN + 1);
		found++;
	}
	if (found > 1)
		return error_set(err, ENOTUNIQ,
			"\"%s\" stands for %zu instances: give more of the ID", text, found);
	return found ? 0 : -ENOENT;
}

int instance_load(const struct instance_roots *roots, const char *text, struct instance *ret,
	struct error *err)
{
	char id[INSTANCE_ID_LEN + 1];
	bool is_id = instance_id_is_valid(text);
	struct error why = { 0 };
	int r;

	r = instance_name_resolve(roots, text, id);
	if (r == -EBADMSG)
		return error_set(
			err, r, "names/%s is damaged: it does not point to an instance", text);
	if (r < 0 && is_id) {
		memcpy(id, text, sizeof(id));
		r = 0;
	} else if (r < 0) {
		r = find_by_prefix(roots, text, id, &why);
		if (r == -ENOTUNIQ)
			return error_set(err, r, "%s", why.message);
	}
	if (r == 0)
		r = instance_open(roots, id, ret, &why);
	if (r == -ENOENT)
		return error_set(err, ENOENT, "no such instance: %s", text);
	return r < 0 ? error_set(err, r, "%s", why.message) : 0;
}

static int set_path(
	char **target, const struct instance *instance, const char *file, struct error *err)
{
	char path[PATH_MAX], *copy;

	if (instance_path(&instance->roots, path, sizeof(path), "", instance->id, file) < 0)
		return error_set(err, ENAMETOOLONG, "the state root's path is too long");
	copy = strdup(path);
	if (!copy)
		return error_oom(err);
	free(*target);
	*target = copy;
	return 0;
}

/* ROOT/layers/HEX, top first (spec->layers is bottom first, as diff IDs are in an image), and below
 * them all the places for our own mounts. */
static int derive_layers(struct instance *instance, struct error *err)
{
	_cleanup_strv_ char **paths = NULL;

	for (size_t i = strv_length(instance->spec.layers); i > 0; i--)
		if (strv_pushf(&paths, "%s/layers/%s", instance->roots.root,
			    image_digest_hex(instance->spec.layers[i - 1])) < 0)
			return error_oom(err);
	if (strv_pushf(&paths, "%s/layers/" IMAGE_SKELETON, instance->roots.root) < 0)
		return error_oom(err);
	strv_free(instance->config.rootfs.layers);
	instance->config.rootfs.layers = steal_ptr(&paths);
	return 0;
}

/* Files of ours keep their place in the instance when the whole directory was moved. */
static int derive_sources(struct instance *instance, struct error *err)
{
	static const char *const files[] = { "hostname", "hosts", "resolv.conf" };
	char tail[INSTANCE_ID_LEN + 32];

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		snprintf(tail, sizeof(tail), "/instances/%s/%s", instance->id, files[i]);
		for (size_t m = 0; m < instance->config.nr_mounts; m++) {
			char **source = &instance->config.mounts[m].source;

			if (*source && str_has_suffix(*source, tail)) {
				int r = set_path(source, instance, files[i], err);

				if (r < 0)
					return r;
			}
		}
	}
	return 0;
}

int instance_get_cgroup(const struct instance *instance, char **ret, struct error *err)
{
	const char *path = instance->state.cgroup;

	*ret = NULL;
	if (path && !*path)
		return 0;
	/* Not known yet, or its monitor was killed before it could say so: root's is always this.
	 */
	*ret = path ? strdup(path) : strf("/strata-%s", instance->id);
	return *ret ? 0 : error_oom(err);
}

int instance_choose_cgroup(struct instance *instance, struct error *err)
{
	struct container_config *config = &instance->config;
	_cleanup_free_ char *path = NULL;
	char *copy;
	int r = cgroup_path_for(instance->id, &config->limits, &path, err);

	if (r < 0)
		return r;
	copy = strdup(path ? path : "");
	if (!copy)
		return error_oom(err);
	free(instance->state.cgroup);
	instance->state.cgroup = copy;
	free(config->cgroup_path);
	config->cgroup_path = steal_ptr(&path);
	return 0;
}

/* "linux/riscv64" -> "riscv64" */
static char *architecture_of(const char *platform)
{
	const char *slash = platform ? strchr(platform, '/') : NULL;

	return strndup(slash ? slash + 1 : "", slash ? strcspn(slash + 1, "/") : 0);
}

/* What a machine is made of; everything else of the configuration is the guest's business. */
static int derive_machine(struct instance *instance, struct error *err)
{
	struct container_machine *m = calloc(1, sizeof(*m));
	const struct instance_spec *spec = &instance->spec;

	instance->config.machine = container_machine_free(instance->config.machine);
	instance->config.machine = m;
	if (!m)
		return error_oom(err);
	m->root = strdup(instance->roots.root);
	m->folder = strf("%s/%s.machine", instance->roots.run_root, instance->id);
	m->architecture = architecture_of(spec->platform);
	m->kernel = spec->kernel ? strdup(spec->kernel) : NULL;
	m->cpu = spec->cpu ? strdup(spec->cpu) : NULL;
	m->disk_bytes = (uint64_t)spec->disk_bytes;
	m->has_network = !instance->config.namespaces[CONTAINER_NS_NETWORK].wanted;
	m->boots = spec->no_snapshot;
	m->ports = spec->networks ? NULL : strv_copy(spec->ports);
	m->fill = strv_copy(spec->fill);
	strv_for_each (layer, spec->layers) {
		char *path = image_squash_path(instance->roots.root, *layer);

		if (!path || strv_push_take(&m->layers, path) < 0)
			return error_oom(err);
	}
	if (!m->root || !m->folder || !m->architecture || (spec->kernel && !m->kernel) ||
		(spec->cpu && !m->cpu) || (spec->ports && !spec->networks && !m->ports) ||
		(spec->fill && !m->fill))
		return error_oom(err);
	instance->config.rootfs.ephemeral = spec->auto_remove;
	return set_path(&m->disk, instance, "disk.ext4", err);
}

int instance_derive_config(struct instance *instance, struct error *err)
{
	const struct isolation_ops *ops = instance_isolation(instance, err);
	struct container_config *config = &instance->config;
	int r;

	if (!ops)
		return -EINVAL;
	if (ops->has_kernel) {
		r = derive_machine(instance, err);
		return r < 0 ? r : derive_sources(instance, err);
	}
	free(config->cgroup_path);
	r = instance_get_cgroup(instance, &config->cgroup_path, err);
	if (r < 0 || !instance->spec.layers)
		return r;
	r = derive_layers(instance, err);
	if (r == 0)
		r = set_path(&config->rootfs.upper, instance, "upper", err);
	if (r == 0)
		r = set_path(&config->rootfs.work, instance, "work", err);
	/* What --rm throws away need not reach the disk first. */
	config->rootfs.ephemeral = instance->spec.auto_remove;
	if (r == 0)
		r = derive_sources(instance, err);
	return r;
}

int instance_load_config(struct instance *instance, struct error *err)
{
	_cleanup_json_ json_t *document = NULL;
	int r;

	if (instance->has_config)
		return 0;
	r = json_read_file(
		instance->dir_fd, INSTANCE_CONFIG_FILE, JSON_DOCUMENT_MAX, &document, err);
	if (r == 0)
		r = container_config_parse(document, &instance->config, err);
	if (r < 0) {
		error_prefix(err, "instance %s is damaged", instance_label(instance));
		return r;
	}
	instance->has_config = true;
	return instance_derive_config(instance, err);
}
