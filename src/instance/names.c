/* SPDX-License-Identifier: Apache-2.0 */
/*
 * names.c - what instances are called.
 *
 * A name is a symbolic link ROOT/names/NAME -> ID. symlink(2) is exclusive, so making the link is
 * what reserves the name; no index needs to be locked or rewritten. A link whose instance is no
 * more (a crash between the two) may be taken over; all who do that hold a lock on the directory
 * of names, so that nobody takes over a link that was just renewed.
 */
#include "instance/internal.h"

#include <limits.h>
#include <sys/file.h>
#include <sys/random.h>

#include "base/io.h"

/* Words of building and geology: the ground and what stands on it. */
static const char *const adjectives[] = { "alpine", "ancient", "arched", "basaltic", "bedded",
	"bright", "broad", "buttressed", "calm", "carved", "chalky", "clayey", "coastal",
	"corbelled", "crystalline", "deep", "domed", "dry", "eroded", "fluted", "folded", "fossil",
	"gabled", "glacial", "glazed", "gothic", "granitic", "gravelly", "hewn", "high", "igneous",
	"inlaid", "jointed", "karstic", "layered", "level", "limpid", "lofty", "magnetic",
	"marbled", "massive", "mossy", "mortared", "northern", "oaken", "open", "oriel", "paved",
	"pillared", "plumb", "polished", "porous", "quarried", "quiet", "red", "ribbed", "roman",
	"rugged", "sandy", "sedimentary", "shady", "silty", "slanted", "slated", "solid", "steep",
	"stepped", "stony", "sturdy", "sunken", "tectonic", "terraced", "thatched", "tidal",
	"tiled", "timbered", "upland", "vaulted", "veined", "volcanic", "weathered", "wide" };
static const char *const nouns[] = { "abutment", "agate", "alcove", "arcade", "arch", "architrave",
	"ashlar", "atrium", "attic", "balcony", "basalt", "basement", "basin", "beam", "bedrock",
	"belfry", "boulder", "brick", "bridge", "canyon", "capstone", "cellar", "chalk", "chimney",
	"cliff", "cloister", "colonnade", "column", "corbel", "cornice", "crater", "crypt",
	"cupola", "dolomite", "dome", "dune", "escarpment", "facade", "feldspar", "flint", "floor",
	"frieze", "gable", "gallery", "garnet", "geode", "glacier", "gneiss", "granite", "gravel",
	"hearth", "jasper", "keystone", "lantern", "lava", "ledge", "limestone", "lintel", "loam",
	"loft", "mantle", "marble", "masonry", "mesa", "mica", "moraine", "mosaic", "nave",
	"obelisk", "obsidian", "outcrop", "parapet", "pavilion", "pediment", "pillar", "plinth",
	"porch", "portico", "pumice", "quarry", "quartz", "rafter", "rampart", "ridge", "roof",
	"rotunda", "sandstone", "schist", "shale", "sill", "slate", "spire", "stairway", "terrace",
	"tower", "travertine", "truss", "tuff", "turret", "vault", "veranda" };

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool instance_name_is_valid(const char *name)
{
	size_t len = strlen(name);

	if (len < 2 || len > INSTANCE_NAME_MAX || !is_alnum(name[0]))
		return false;
	for (const char *p = name; *p; p++)
		if (!is_alnum(*p) && *p != '_' && *p != '.' && *p != '-')
			return false;
	return true;
}

bool instance_id_is_valid(const char *id)
{
	return strspn(id, "0123456789abcdef") == INSTANCE_ID_LEN && !id[INSTANCE_ID_LEN];
}

void instance_name_random(char *buf, size_t size, unsigned attempt)
{
	uint16_t random[3] = { 0 };

	while (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		;
	snprintf(buf, size, "%s_%s", adjectives[random[0] % ARRAY_SIZE(adjectives)],
		nouns[random[1] % ARRAY_SIZE(nouns)]);
	if (attempt) {
		size_t used = strlen(buf);

		snprintf(buf + used, size - used, "%u", random[2] % 1000u);
	}
}

static int name_path(const struct instance_roots *roots, const char *name, char *buf, size_t size)
{
	int n = snprintf(buf, size, "%s/names%s%s", roots->root, name ? "/" : "", name ? name : "");

	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

static int read_link(const char *path, char ret_id[INSTANCE_ID_LEN + 1])
{
	char target[INSTANCE_ID_LEN + 2];
	ssize_t n = readlink(path, target, sizeof(target) - 1);

	if (n < 0)
		return -errno;
	target[n] = '\0';
	if (!instance_id_is_valid(target))
		return -EBADMSG;
	memcpy(ret_id, target, INSTANCE_ID_LEN + 1);
	return 0;
}

int instance_name_resolve(
	const struct instance_roots *roots, const char *name, char ret_id[INSTANCE_ID_LEN + 1])
{
	char path[PATH_MAX];
	int r;

	if (!instance_name_is_valid(name))
		return -ENOENT;
	r = name_path(roots, name, path, sizeof(path));
	return r < 0 ? r : read_link(path, ret_id);
}

/*
 * Does the instance that a link points to exist, finished or in the making? The making is looked at
 * first: asked the other way round, one that is renamed between the two would be missed.
 */
static bool holder_exists(const struct instance_roots *roots, const char *id)
{
	static const char *const prefixes[] = { INSTANCE_NEW_PREFIX, "" };

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		char path[PATH_MAX];

		if (instance_path(roots, path, sizeof(path), prefixes[i], id, NULL) == 0 &&
			access(path, F_OK) == 0)
			return true;
	}
	return false;
}

static int in_use(const char *name, const char *holder, struct error *err)
{
	return error_set(err, EEXIST,
		"the name \"%s\" is in use by instance %.12s: remove or rename that one to use the name again",
		name, holder);
}

/* The link is there. Its instance may not be: then, and under the lock, it becomes ours. */
static int take_over(const struct instance_roots *roots, const char *name, const char *path,
	const char *id, struct error *err)
{
	_cleanup_close_ int names_fd = -1;
	char holder[INSTANCE_ID_LEN + 1], names[PATH_MAX];
	int r;

	r = read_link(path, holder);
	if (r == 0 && holder_exists(roots, holder))
		return in_use(name, holder, err);
	name_path(roots, NULL, names, sizeof(names));
	names_fd = io_open_dir(AT_FDCWD, names);
	if (names_fd < 0)
		return error_errno(err, names_fd, "cannot open %s", names);
	io_lock(names_fd, true);
	r = read_link(path, holder);
	if (r == 0 && holder_exists(roots, holder))
		return in_use(name, holder, err);
	if (unlinkat(names_fd, name, 0) < 0 && errno != ENOENT)
		return error_errno(err, errno, "cannot take over the stale name %s", name);
	if (symlinkat(id, names_fd, name) < 0)
		return error_errno(err, errno, "cannot reserve the name \"%s\"", name);
	return 0;
}

/* A create that was killed leaves a name of which nothing on disk tells but the link itself. */
void instance_names_sweep(const struct instance_roots *roots)
{
	_cleanup_closedir_ DIR *dir = NULL;
	char path[PATH_MAX], holder[INSTANCE_ID_LEN + 1];
	struct dirent *entry;

	if (name_path(roots, NULL, path, sizeof(path)) < 0)
		return;
	dir = opendir(path);
	if (!dir)
		return;
	io_lock(dirfd(dir), true);
	while ((entry = readdir(dir))) {
		if (name_path(roots, entry->d_name, path, sizeof(path)) == 0 &&
			read_link(path, holder) == 0 && !holder_exists(roots, holder))
			unlinkat(dirfd(dir), entry->d_name, 0);
	}
}

int instance_name_take(
	const struct instance_roots *roots, const char *name, const char *id, struct error *err)
{
	char path[PATH_MAX], names[PATH_MAX];
	int r;

	r = name_path(roots, name, path, sizeof(path));
	if (r < 0)
		return error_errno(err, r, "cannot reserve the name \"%s\"", name);
	if (symlink(id, path) == 0)
		return 0;
	if (errno == ENOENT) {
		name_path(roots, NULL, names, sizeof(names));
		r = io_make_dirs(AT_FDCWD, names, 0711, err);
		if (r < 0)
			return r;
		if (symlink(id, path) == 0)
			return 0;
	}
	if (errno != EEXIST)
		return error_errno(err, errno, "cannot reserve the name \"%s\"", name);
	return take_over(roots, name, path, id, err);
}

void instance_name_drop(const struct instance_roots *roots, const char *name, const char *id)
{
	char path[PATH_MAX], holder[INSTANCE_ID_LEN + 1];

	if (!name || name_path(roots, name, path, sizeof(path)) < 0)
		return;
	if (read_link(path, holder) == 0 && streq(holder, id))
		unlink(path);
}
