/* SPDX-License-Identifier: Apache-2.0 */
/*
 * user.c - "name|uid[:group|gid]" against the container's own /etc/passwd and /etc/group.
 *
 * The rules are Docker's: a name must be in the file, a number need not be; a number that is in the
 * file brings that user's group, home and supplementary groups; a group given explicitly replaces
 * the supplementary ones. The main group is also the first supplementary one: a set-group-ID
 * program replaces the former, and with it would shed a group that a file's mode denies something
 * to (CVE-2022-36109). The files are the image's, so hostile: only regular files are read, only so
 * much of them, and a line that makes no sense is passed over.
 */
#include "container/internal.h"

#include <sys/stat.h>

#include "base/io.h"
#include "base/str.h"

/* Larger account files are refused. */
#define ACCOUNT_FILE_MAX (4u << 20)
/* The kernel takes no more supplementary groups (NGROUPS_MAX). */
#define GROUPS_MAX 65536
/* uid_t -1 means "none" to the kernel. */
#define ID_MAX (UINT32_MAX - 1)

void container_user_free(struct container_user *user)
{
	free(user->groups);
	free(user->home);
	*user = (struct container_user){ 0 };
}

/* The text of an account file; an empty one when there is none. */
static int read_accounts(int root_fd, const char *path, char **ret, struct error *err)
{
	_cleanup_close_ int fd = io_open_in_root(
		root_fd, path, O_RDONLY | O_NOCTTY | O_NONBLOCK, 0);
	struct stat st;
	int r;

	if (fd == -ENOENT || fd == -ENOTDIR) {
		*ret = strdup("");
		return *ret ? 0 : error_oom(err);
	}
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(
			err, fd < 0 ? fd : errno, "cannot open the container's %s", path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, EINVAL, "the container's %s is not a file", path);
	r = io_read_fd(fd, ACCOUNT_FILE_MAX, ret, NULL);
	return r < 0 ? error_errno(err, r, "cannot read the container's %s", path) : 0;
}

static bool parse_id(const char *text, uint32_t *ret)
{
	uint64_t n;

	if (!text || parse_u64(text, ID_MAX, &n) < 0)
		return false;
	*ret = (uint32_t)n;
	return true;
}

static int add_group(struct container_user *user, gid_t gid)
{
	gid_t *grown;

	for (size_t i = 0; i < user->nr_groups; i++)
		if (user->groups[i] == gid)
			return 0;
	if (user->nr_groups >= GROUPS_MAX)
		return -E2BIG;
	/* Doubles at every power of two. */
	if ((user->nr_groups & (user->nr_groups - 1)) == 0) {
		size_t capacity = user->nr_groups ? 2 * user->nr_groups : 1;

		grown = reallocarray(user->groups, capacity, sizeof(gid_t));
		if (!grown)
			return -ENOMEM;
		user->groups = grown;
	}
	user->groups[user->nr_groups++] = gid;
	return 0;
}

struct passwd_entry {
	const char *name;
	uid_t uid;
	gid_t gid;
	const char *home;
};

/* NAME:PASSWORD:UID:GID:GECOS:HOME:SHELL, taken apart in place; false for other lines. */
static bool parse_passwd_line(char *line, struct passwd_entry *ret)
{
	const char *uid, *gid;

	ret->name = strsep(&line, ":");
	strsep(&line, ":");
	uid = strsep(&line, ":");
	gid = strsep(&line, ":");
	strsep(&line, ":");
	ret->home = strsep(&line, ":");
	return *ret->name && parse_id(uid, &ret->uid) && parse_id(gid, &ret->gid);
}

/*
 * The first entry of that name, or of that number. A name that is also a number is a name first,
 * as in Docker. The strings stay in `text`.
 */
static bool find_user(
	char *text, const char *name, bool is_number, uid_t uid, struct passwd_entry *ret)
{
	char *line;

	while ((line = strsep(&text, "\n"))) {
		if (parse_passwd_line(line, ret) &&
			(streq(ret->name, name) || (is_number && ret->uid == uid)))
			return true;
	}
	return false;
}

/* NAME:PASSWORD:GID:MEMBER,MEMBER taken apart in place. */
static bool parse_group_line(char *line, const char **name, gid_t *gid, char **members)
{
	const char *number;

	*name = strsep(&line, ":");
	strsep(&line, ":");
	number = strsep(&line, ":");
	*members = strsep(&line, ":");
	return **name && parse_id(number, gid);
}

static int find_group(const char *text, const char *name, gid_t *ret, struct error *err)
{
	_cleanup_free_ char *copy = strdup(text);
	char *cursor = copy, *line, *members;
	const char *candidate;
	gid_t gid;

	if (!copy)
		return error_oom(err);
	while ((line = strsep(&cursor, "\n")))
		if (parse_group_line(line, &candidate, &gid, &members) && streq(candidate, name)) {
			*ret = gid;
			return 0;
		}
	if (parse_id(name, ret))
		return 0;
	return error_set(
		err, ENOENT, "there is no group \"%s\" in the container's /etc/group", name);
}

/* Every group that lists the user as a member. */
static int add_memberships(const char *text, const char *user_name, struct container_user *user)
{
	_cleanup_free_ char *copy = strdup(text);
	char *cursor = copy, *line, *members, *member;
	const char *name;
	gid_t gid;

	if (!copy)
		return -ENOMEM;
	while ((line = strsep(&cursor, "\n"))) {
		if (!parse_group_line(line, &name, &gid, &members))
			continue;
		while (members && (member = strsep(&members, ","))) {
			int r;

			if (!streq(member, user_name))
				continue;
			r = add_group(user, gid);
			if (r < 0)
				return r;
			break;
		}
	}
	return 0;
}

static int resolve(int root_fd, char *spec, char *const *more_groups, struct container_user *user,
	struct error *err)
{
	_cleanup_free_ char *passwd = NULL, *group = NULL;
	char *group_name = spec, *user_name = strsep(&group_name, ":");
	struct passwd_entry entry = { 0 };
	uint32_t number = 0;
	bool is_number, known;
	int r;

	if (!*user_name)
		user_name = (char *)(uintptr_t) "0";
	r = read_accounts(root_fd, "/etc/passwd", &passwd, err);
	if (r < 0)
		return r;
	is_number = parse_id(user_name, &number);
	known = find_user(passwd, user_name, is_number, number, &entry);
	if (!known && !is_number)
		return error_set(err, ENOENT,
			"there is no user \"%s\" in the container's /etc/passwd", user_name);
	user->uid = known ? entry.uid : number;
	user->gid = known ? entry.gid : 0;
	if (known && entry.home && *entry.home && !(user->home = strdup(entry.home)))
		return error_oom(err);
	if (known || group_name || more_groups)
		r = read_accounts(root_fd, "/etc/group", &group, err);
	if (r == 0 && group_name && *group_name)
		r = find_group(group, group_name, &user->gid, err);
	if (r == 0 && add_group(user, user->gid) < 0)
		r = error_oom(err);
	if (r == 0 && known && !(group_name && *group_name) &&
		add_memberships(group, entry.name, user) < 0)
		r = error_oom(err);
	for (char *const *name = more_groups; r == 0 && name && *name; name++) {
		gid_t gid = 0;

		r = find_group(group, *name, &gid, err);
		if (r == 0 && add_group(user, gid) < 0)
			r = error_oom(err);
	}
	return r;
}

int user_resolve(int root_fd, const char *spec, char *const *more_groups,
	struct container_user *ret, struct error *err)
{
	_cleanup_free_ char *copy = strdup(spec);
	struct container_user user = { 0 };
	int r;

	if (!copy)
		return error_oom(err);
	r = resolve(root_fd, copy, more_groups, &user, err);
	if (r < 0) {
		container_user_free(&user);
		return r;
	}
	*ret = user;
	return 0;
}
