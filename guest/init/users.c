/* SPDX-License-Identifier: Apache-2.0 */
/*
 * users.c - "name|uid[:group|gid]" against the image's own /etc/passwd and /etc/group.
 *
 * The rules are those of containers (src/container/user.c), which are Docker's: a name must be in
 * the file, a number need not be; a number that is in the file brings that user's group, home and
 * supplementary groups; a group given explicitly replaces the supplementary ones; the main group is
 * the first of them. Only regular files are read, and only so much of them.
 */
#include "internal.h"

#define ACCOUNT_FILE_MAX (4u << 20)
#define ID_MAX		 (UINT32_MAX - 1u) /* -1 is "none" to the kernel */

/* One line's fields; none of them ends with NUL. */
struct fields {
	const char *at[7];
	size_t len[7];
	unsigned count;
};

/* An empty text when there is no such file; NULL when it cannot be read. */
static char *read_accounts(const char *path)
{
	char *text = map_memory(ACCOUNT_FILE_MAX + 1);
	long fd = sys(SYS_openat, AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;
	long n = -EINVAL;

	if (!text || fd == -ENOENT || fd == -ENOTDIR)
		return text;
	if (fd >= 0 && sys(SYS_fstat, fd, &st) == 0 && S_ISREG(st.st_mode))
		n = file_read(AT_FDCWD, path, text, ACCOUNT_FILE_MAX);
	if (fd >= 0)
		sys(SYS_close, fd);
	return n < 0 ? NULL : text;
}

/* The line at *text, which moves on to the next one. */
static bool next_line(const char **text, struct fields *ret)
{
	const char *at = *text;

	if (!*at)
		return false;
	*ret = (struct fields){ .at[0] = at };
	for (;; at++) {
		bool last = *at == '\0' || *at == '\n';

		if (*at != ':' && !last)
			continue;
		if (ret->count < ARRAY_SIZE(ret->at)) {
			ret->len[ret->count] = (size_t)(at - ret->at[ret->count]);
			ret->count++;
		}
		if (last)
			break;
		if (ret->count < ARRAY_SIZE(ret->at))
			ret->at[ret->count] = at + 1;
	}
	*text = *at ? at + 1 : at;
	return true;
}

static bool field_is(const struct fields *f, unsigned n, const char *text, size_t len)
{
	return n < f->count && f->len[n] == len && memcmp(f->at[n], text, len) == 0;
}

static bool field_id(const struct fields *f, unsigned n, uint32_t *ret)
{
	uint64_t id;

	if (n >= f->count || !number_parse(f->at[n], f->len[n], ID_MAX, &id))
		return false;
	*ret = (uint32_t)id;
	return true;
}

static bool add_group(struct user *user, uint32_t gid)
{
	for (uint32_t i = 0; i < user->nr_groups; i++)
		if (user->groups[i] == gid)
			return true;
	if (user->nr_groups == ARRAY_SIZE(user->groups))
		return false;
	user->groups[user->nr_groups++] = gid;
	return true;
}

static bool find_group(const char *groups, const char *name, size_t len, uint32_t *ret)
{
	struct fields f;
	uint64_t id;

	while (next_line(&groups, &f))
		if (f.len[0] && field_is(&f, 0, name, len) && field_id(&f, 2, ret))
			return true;
	if (!number_parse(name, len, ID_MAX, &id))
		return false;
	*ret = (uint32_t)id;
	return true;
}

/* Every group that lists `name` among its members. */
static bool add_memberships(const char *groups, const char *name, size_t len, struct user *user)
{
	struct fields f;
	uint32_t gid;

	while (next_line(&groups, &f)) {
		const char *at = f.at[3], *end = at + f.len[3];

		if (f.count < 4 || !field_id(&f, 2, &gid))
			continue;
		while (at < end) {
			const char *stop = at;

			while (stop < end && *stop != ',')
				stop++;
			if ((size_t)(stop - at) == len && memcmp(at, name, len) == 0 &&
				!add_group(user, gid))
				return false;
			at = stop + 1;
		}
	}
	return true;
}

/* A name that is also a number is a name first. */
static bool find_user(
	const char *passwd, const char *name, size_t len, struct fields *ret, struct user *user)
{
	uint64_t number = 0;
	bool is_number = number_parse(name, len, ID_MAX, &number);

	while (next_line(&passwd, ret)) {
		if (!ret->len[0] || !field_id(ret, 2, &user->uid) || !field_id(ret, 3, &user->gid))
			continue;
		if (field_is(ret, 0, name, len) || (is_number && user->uid == number))
			return true;
	}
	ret->count = 0;
	user->uid = (uint32_t)number;
	user->gid = 0;
	return is_number;
}

static long find_groups(const char *group_name, const struct fields *entry, const char *more,
	uint32_t nr_more, struct user *user, const char **ret_why)
{
	const char *groups = read_accounts("/etc/group");
	bool fits;
	uint32_t gid;

	*ret_why = "/etc/group of the image cannot be read";
	if (!groups)
		return -EINVAL;
	*ret_why = "there is no such group in the image's /etc/group";
	if (*group_name && !find_group(groups, group_name, strlen(group_name), &user->gid))
		return -ENOENT;
	fits = add_group(user, user->gid);
	if (fits && entry->count && !*group_name)
		fits = add_memberships(groups, entry->at[0], entry->len[0], user);
	for (; fits && nr_more; nr_more--, more += strlen(more) + 1) {
		if (!find_group(groups, more, strlen(more), &gid))
			return -ENOENT;
		fits = add_group(user, gid);
	}
	*ret_why = "too many groups";
	return fits ? 0 : -E2BIG;
}

long user_find(const char *spec, const char *more, uint32_t nr_more, struct user *ret,
	const char **ret_why)
{
	const char *passwd = read_accounts("/etc/passwd"), *colon = strchr(spec, ':');
	const char *name = spec == colon || !*spec ? "0" : spec;
	size_t len = colon && name == spec ? (size_t)(colon - spec) : strlen(name);
	struct fields entry;

	*ret_why = "/etc/passwd of the image cannot be read";
	if (!passwd)
		return -EINVAL;
	ret->nr_groups = 0;
	ret->home[0] = '\0';
	*ret_why = "there is no such user in the image's /etc/passwd";
	if (!find_user(passwd, name, len, &entry, ret))
		return -ENOENT;
	if (entry.count > 5 && entry.len[5] < sizeof(ret->home)) {
		memcpy(ret->home, entry.at[5], entry.len[5]);
		ret->home[entry.len[5]] = '\0';
	}
	return find_groups(colon ? colon + 1 : "", &entry, more, nr_more, ret, ret_why);
}

const char *user_read_passwd(void)
{
	return read_accounts("/etc/passwd");
}

size_t user_name(const char *passwd, uint32_t uid, char *buffer, size_t size)
{
	struct text text = { .at = buffer, .size = size };
	struct fields f;
	uint32_t id;

	while (passwd && next_line(&passwd, &f)) {
		if (!field_id(&f, 2, &id) || id != uid || !f.len[0] || f.len[0] > size)
			continue;
		memcpy(buffer, f.at[0], f.len[0]);
		return f.len[0];
	}
	text_add(&text, "%u", uid);
	return text.len;
}
