/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mount-options.c - mount options from words, one table.
 *
 * The same word means a flag of mount(2) when a file system is mounted and an attribute of
 * mount_setattr(2) when a directory is bound; "r" in front of an attribute's word makes it hold for
 * every mount below (runtime-spec config.md, "Linux mount options"). The last word wins. Words the
 * table does not know are the file system's own; a bind has no use for them, and mount(2) has
 * always dropped them: worth a warning (mounts.c), but configurations with them are about.
 */
#include "container/mount-options.h"

#include <sys/mount.h>

struct option_row {
	const char *word;
	unsigned long flag; /* MS_* */
	uint64_t attribute; /* MOUNT_ATTR_* */
	bool clears;
};

/* MOUNT_ATTR_RELATIME is zero: the access-time words share one field of the attributes. */
static const struct option_row rows[] = {
	{ "ro", MS_RDONLY, MOUNT_ATTR_RDONLY, false },
	{ "rw", MS_RDONLY, MOUNT_ATTR_RDONLY, true },
	{ "nosuid", MS_NOSUID, MOUNT_ATTR_NOSUID, false },
	{ "suid", MS_NOSUID, MOUNT_ATTR_NOSUID, true },
	{ "nodev", MS_NODEV, MOUNT_ATTR_NODEV, false },
	{ "dev", MS_NODEV, MOUNT_ATTR_NODEV, true },
	{ "noexec", MS_NOEXEC, MOUNT_ATTR_NOEXEC, false },
	{ "exec", MS_NOEXEC, MOUNT_ATTR_NOEXEC, true },
	{ "nodiratime", MS_NODIRATIME, MOUNT_ATTR_NODIRATIME, false },
	{ "diratime", MS_NODIRATIME, MOUNT_ATTR_NODIRATIME, true },
	{ "nosymfollow", MS_NOSYMFOLLOW, MOUNT_ATTR_NOSYMFOLLOW, false },
	{ "symfollow", MS_NOSYMFOLLOW, MOUNT_ATTR_NOSYMFOLLOW, true },
	{ "sync", MS_SYNCHRONOUS, 0, false },
	{ "async", MS_SYNCHRONOUS, 0, true },
	{ "dirsync", MS_DIRSYNC, 0, false },
	{ "lazytime", MS_LAZYTIME, 0, false },
	{ "nolazytime", MS_LAZYTIME, 0, true },
	{ "mand", MS_MANDLOCK, 0, false },
	{ "nomand", MS_MANDLOCK, 0, true },
	{ "silent", MS_SILENT, 0, false },
	{ "loud", MS_SILENT, 0, true },
	{ "iversion", MS_I_VERSION, 0, false },
	{ "noiversion", MS_I_VERSION, 0, true },
	{ "defaults", 0, 0, false },
};

static const struct option_row access_time_rows[] = {
	{ "relatime", MS_RELATIME, MOUNT_ATTR_RELATIME, false },
	{ "norelatime", 0, MOUNT_ATTR_STRICTATIME, false },
	{ "noatime", MS_NOATIME, MOUNT_ATTR_NOATIME, false },
	{ "atime", 0, MOUNT_ATTR_RELATIME, false },
	{ "strictatime", MS_STRICTATIME, MOUNT_ATTR_STRICTATIME, false },
	{ "nostrictatime", 0, MOUNT_ATTR_RELATIME, false },
};

static const struct {
	const char *word;
	unsigned long propagation;
} propagation_rows[] = {
	{ "private", MS_PRIVATE },
	{ "rprivate", MS_PRIVATE | MS_REC },
	{ "slave", MS_SLAVE },
	{ "rslave", MS_SLAVE | MS_REC },
	{ "shared", MS_SHARED },
	{ "rshared", MS_SHARED | MS_REC },
	{ "unbindable", MS_UNBINDABLE },
	{ "runbindable", MS_UNBINDABLE | MS_REC },
};

unsigned long mount_propagation_from_name(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(propagation_rows); i++)
		if (streq(propagation_rows[i].word, name))
			return propagation_rows[i].propagation;
	return 0;
}

static bool apply_row(const char *word, bool recursive, struct mount_options *o)
{
	uint64_t *set = recursive ? &o->set_recursive : &o->set;
	uint64_t *clear = recursive ? &o->clear_recursive : &o->clear;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (!streq(rows[i].word, word) || (recursive && !rows[i].attribute))
			continue;
		if (!recursive)
			o->flags = rows[i].clears ? o->flags & ~rows[i].flag
						  : o->flags | rows[i].flag;
		*set = rows[i].clears ? *set & ~rows[i].attribute : *set | rows[i].attribute;
		if (rows[i].clears)
			*clear |= rows[i].attribute;
		else
			*clear &= ~rows[i].attribute;
		return true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(access_time_rows); i++) {
		if (!streq(access_time_rows[i].word, word))
			continue;
		if (!recursive)
			o->flags = (o->flags &
					   ~(unsigned long)(MS_RELATIME | MS_NOATIME |
						   MS_STRICTATIME)) |
				access_time_rows[i].flag;
		*set = (*set & ~(uint64_t)MOUNT_ATTR__ATIME) | access_time_rows[i].attribute;
		*clear |= MOUNT_ATTR__ATIME;
		return true;
	}
	return false;
}

static void apply_word(const char *word, struct mount_options *o)
{
	unsigned long propagation = mount_propagation_from_name(word);

	if (propagation) {
		o->propagation = propagation & ~(unsigned long)MS_REC;
		o->propagation_recursive = propagation & MS_REC;
		return;
	}
	if (streq(word, "bind") || streq(word, "rbind") || streq(word, "")) {
		o->recursive |= streq(word, "rbind");
		return;
	}
	if (streq(word, "tmpcopyup")) {
		o->copy_up = true;
		return;
	}
	if (streq(word, "remount")) {
		o->remount = true;
		return;
	}
	if (streq(word, "idmap") || streq(word, "ridmap")) {
		o->id_mapped = true;
		o->id_mapped_recursive = streq(word, "ridmap");
		return;
	}
	if (apply_row(word, false, o) || (word[0] == 'r' && apply_row(word + 1, true, o)))
		return;
	if (o->data.len)
		str_append_char(&o->data, ',');
	str_append(&o->data, word);
}

int mount_options_parse(
	const struct container_mount *mount, struct mount_options *ret, struct error *err)
{
	struct mount_options o = { 0 };
	int r = 0;

	o.bind = strv_contains(mount->options, "bind") || strv_contains(mount->options, "rbind") ||
		(mount->type && streq(mount->type, "bind"));
	if (!o.bind && !mount->type)
		return error_set(err, EINVAL, "mount on %s: neither a type nor \"bind\" is given",
			mount->destination);
	strv_for_each (word, mount->options)
		apply_word(*word, &o);
	if (o.copy_up && (!mount->type || !streq(mount->type, "tmpfs")))
		r = error_set(err, EINVAL, "\"tmpcopyup\" is for a tmpfs");
	o.id_mapped |= mount->id_maps.nr_uid || mount->id_maps.nr_gid;
	if (r == 0 && o.id_mapped && (!o.bind || o.remount))
		r = error_set(err, EINVAL, "\"idmap\" is for a bind");
	if (r == 0 && o.data.failed)
		r = error_oom(err);
	if (r < 0) {
		mount_options_free(&o);
		return error_prefix(err, "mount on %s", mount->destination);
	}
	*ret = o;
	return 0;
}

void mount_options_free(struct mount_options *options)
{
	str_free(&options->data);
}

static int push_row(char ***v, const char *word, bool recursive_too)
{
	if (strv_push(v, word) < 0)
		return -ENOMEM;
	return recursive_too ? strv_pushf(v, "r%s", word) : 0;
}

int mount_options_list(char ***v)
{
	/* apply_word() */
	static const char *const others[] = { "bind", "rbind", "tmpcopyup", "remount", "idmap",
		"ridmap" };
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(rows) && r == 0; i++)
		r = push_row(v, rows[i].word, rows[i].attribute != 0);
	for (size_t i = 0; i < ARRAY_SIZE(access_time_rows) && r == 0; i++)
		r = push_row(v, access_time_rows[i].word, true);
	for (size_t i = 0; i < ARRAY_SIZE(propagation_rows) && r == 0; i++)
		r = push_row(v, propagation_rows[i].word, false);
	for (size_t i = 0; i < ARRAY_SIZE(others) && r == 0; i++)
		r = push_row(v, others[i], false);
	return r;
}
