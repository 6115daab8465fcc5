/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mount-filesystem.c - new file systems inside the root (child).
 *
 * The plain case is one mount(2) relative to the target's descriptor. What mount(2) cannot say in
 * one call (propagation, recursive attributes), and what must be filled before anybody sees it
 * ("tmpcopyup"), is made detached with fsopen(2) and attached when it is whole.
 */
#include "container/mounts.h"

#include <sys/mount.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/str.h"

/*
 * What an ordinary user may not mount because the namespace behind it is the host's: the host's own
 * mount is shown instead, with its flags.
 */
static const struct {
	const char *type, *host_path;
	enum container_namespace ns;
} substitutes[] = {
	{ "sysfs", "/sys", CONTAINER_NS_NETWORK },
	{ "proc", "/proc", CONTAINER_NS_PID },
	{ "mqueue", "/dev/mqueue", CONTAINER_NS_IPC },
};

static int mount_substitute(struct child *child, const struct container_mount *entry,
	const struct mount_options *o, int cause, struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(substitutes); i++) {
		struct container_mount bind = { .destination = entry->destination,
			.source = (char *)(uintptr_t)substitutes[i].host_path };
		struct mount_options options = *o;

		if (!child->in_userns || cause != EPERM || !streq(substitutes[i].type, entry->type))
			continue;
		if (child->config->namespaces[substitutes[i].ns].wanted)
			continue;
		options.recursive = true;
		options.set |= MOUNT_ATTR_NOSUID;
		return mount_bind(child, &bind, &options, err);
	}
	return error_errno(err, cause, "cannot mount %s on %s", entry->type, entry->destination);
}

/* --- options ---------------------------------------------------------------------------------- */

/* Options naming groups that the user namespace has no number for are dropped: "gid=5". */
static void append_usable(struct str *out, const struct child *child, char *cursor)
{
	char *word;

	while (cursor && (word = strsep(&cursor, ","))) {
		if (child->single_mapping &&
			(str_after_prefix(word, "gid=") || str_after_prefix(word, "uid=")) &&
			!str_has_suffix(word, "=0"))
			continue;
		if (out->len)
			str_append_char(out, ',');
		str_append(out, word);
	}
}

/* Those whose files the kernel labels by itself have no such option. */
static bool has_context(const char *type)
{
	return !streq(type, "proc") && !streq(type, "sysfs") && !streq(type, "mqueue");
}

static bool names_mode(const char *data)
{
	return data && (str_after_prefix(data, "mode=") || strstr(data, ",mode="));
}

/* The options of the file system itself. A tmpfs over a directory of the image looks like it where
 * nobody says otherwise: target_fd, -1 = there was none. */
static int make_data(const struct child *child, const struct container_mount *entry,
	const struct mount_options *o, int target_fd, struct str *out, struct error *err)
{
	_cleanup_free_ char *copy = NULL;
	struct stat st;

	if (streq(entry->type, "tmpfs") && target_fd >= 0 && !names_mode(o->data.data)) {
		if (fstat(target_fd, &st) < 0)
			return error_errno(err, errno, "cannot look at %s", entry->destination);
		str_appendf(out, "mode=%04o", st.st_mode & 07777);
	}
	if (o->data.len) {
		copy = strdup(o->data.data);
		if (!copy)
			return error_oom(err);
		append_usable(out, child, copy);
	}
	if (child->config->mount_label && *child->config->mount_label && has_context(entry->type))
		str_appendf(
			out, "%scontext=\"%s\"", out->len ? "," : "", child->config->mount_label);
	return out->failed ? error_oom(err) : 0;
}

/* --- detached --------------------------------------------------------------------------------- */

/* Options of every file system that mount(2) takes as flags. */
static const struct {
	unsigned long flag;
	const char *word;
} superblock_flags[] = {
	{ MS_RDONLY, "ro" },
	{ MS_SYNCHRONOUS, "sync" },
	{ MS_DIRSYNC, "dirsync" },
	{ MS_LAZYTIME, "lazytime" },
	{ MS_MANDLOCK, "mand" },
};

/* A part between commas, but for those in quotes (an SELinux label has some), which go. */
static char *next_option(char **data)
{
	char *option = *data, *to = option;
	bool quoted = false;

	if (!option)
		return NULL;
	for (char *from = option;; from++) {
		if (*from == '"') {
			quoted = !quoted;
			continue;
		}
		if (!*from || (*from == ',' && !quoted)) {
			*data = *from ? from + 1 : NULL;
			*to = '\0';
			return option;
		}
		*to++ = *from;
	}
}

static int configure(int fs, const char *source, unsigned long flags, char *data)
{
	char *word, *value;

	if (fsconfig(fs, FSCONFIG_SET_STRING, "source", source, 0) < 0)
		return -errno;
	for (size_t i = 0; i < ARRAY_SIZE(superblock_flags); i++)
		if (flags & superblock_flags[i].flag &&
			fsconfig(fs, FSCONFIG_SET_FLAG, superblock_flags[i].word, NULL, 0) < 0)
			return -errno;
	while ((word = next_option(&data))) {
		value = strchr(word, '=');
		if (value)
			*value++ = '\0';
		if (fsconfig(fs, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, word, value, 0) <
			0)
			return -errno;
	}
	return fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0 ? -errno : 0;
}

/* A detached mount, or -errno. */
static int make_detached(
	const struct container_mount *entry, const struct mount_options *o, char *data)
{
	_cleanup_close_ int fs = fsopen(entry->type, FSOPEN_CLOEXEC);
	/* What is read-only is filled first; mounts_seal() follows. */
	unsigned long flags = o->flags & ~(unsigned long)(o->copy_up ? MS_RDONLY : 0);
	uint64_t attributes = (o->set | o->set_recursive) & ~o->clear_recursive;
	int fd, r;

	if (fs < 0)
		return -errno;
	r = configure(fs, entry->source ? entry->source : entry->type, flags, data);
	if (r < 0)
		return r;
	fd = fsmount(fs, FSMOUNT_CLOEXEC,
		(unsigned)(attributes & ~(uint64_t)(o->copy_up ? MOUNT_ATTR_RDONLY : 0)));
	return fd < 0 ? -errno : fd;
}

static int mount_detached(struct child *child, const struct container_mount *entry,
	const struct mount_options *o, int target_fd, char *data, struct error *err)
{
	_cleanup_close_ int tree = make_detached(entry, o, data), hidden = -1, top = -1;
	int r = 0;

	if (tree < 0)
		return mount_substitute(child, entry, o, -tree, err);
	if (o->copy_up) {
		hidden = openat(target_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		top = openat(tree, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (hidden < 0 || top < 0)
			return error_errno(err, errno, "cannot open %s", entry->destination);
		r = copy_tree(hidden, top, err);
	}
	if (r == 0)
		r = mount_set_attributes(
			tree, 0, 0, o->propagation, false, entry->destination, err);
	return r < 0 ? r : mounts_attach(tree, target_fd, "", entry->destination, err);
}

/* --- attached at once ------------------------------------------------------------------------- */

bool mount_is_sealed_later(const struct container_mount *mount, const struct mount_options *o)
{
	return !o->bind && !o->remount && o->set & MOUNT_ATTR_RDONLY &&
		(streq(mount->type, "tmpfs") || mount_target_is(mount->destination, "/dev"));
}

int mount_filesystem(struct child *child, const struct container_mount *entry,
	const struct mount_options *o, struct error *err)
{
	const struct mount_subject subject = { .type = entry->type, .tree_fd = -1 };
	const char *name = mounts_make_in_dev(child, entry->destination, S_IFDIR);
	unsigned long flags = o->flags;
	_cleanup_str_ struct str data = { 0 };
	_cleanup_close_ int target = -1;
	bool made = true;
	int r;

	if (!name || o->copy_up || o->propagation || o->set_recursive || o->clear_recursive) {
		target = mount_target_open(child, entry->destination, &subject, &made, err);
		if (target < 0)
			return target;
		name = NULL;
	}
	r = make_data(child, entry, o, made ? -1 : target, &data, err);
	if (r < 0)
		return r;
	if (o->copy_up || o->propagation || o->set_recursive || o->clear_recursive)
		return mount_detached(child, entry, o, target, data.data, err);
	if (mount_is_sealed_later(entry, o))
		flags &= ~(unsigned long)MS_RDONLY;
	if (fchdir(name ? child->dev_fd : target) < 0)
		return error_errno(err, errno, "cannot enter %s", entry->destination);
	if (mount(entry->source ? entry->source : entry->type, name ? name : ".", entry->type,
		    flags, data.data) < 0)
		return mount_substitute(child, entry, o, errno, err);
	return 0;
}
