/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process.c - what the command's process is like: limits, user, rights, working directory,
 * descriptors; and the execve(2) itself (child).
 *
 * process_prepare() runs with all rights, inside the root, before SYNC_READY. process_execute()
 * comes after SYNC_GO and drops them in this order:
 *   1. the bounding set, which needs CAP_SETPCAP
 *   2. groups, gid, uid; the permitted capabilities are kept over it
 *   3. capabilities to those wanted, and CAP_SYS_ADMIN for the filter where no_new_privs is not
 *      asked for
 *   4. working directory and command, looked up with the user's rights; AppArmor and SELinux
 *      are told what the command shall be
 *   5. the seccomp filter
 *   6. capabilities to exactly those wanted; ambient ones
 * After the filter only capset, prctl, fork and execve are called, or fcntl and execveat for a
 * command that is translated (and a write to report failure):
 * a profile that refuses those refuses the container.
 */
#include "container/internal.h"

#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "base/io.h"
#include "base/str.h"
#include "container/config-fields.h"

/* --- with all rights ------------------------------------------------------------------------ */

int process_set_oom_score(struct child *child, struct error *err)
{
	char text[16];
	int r;

	if (!child->process->has_oom_score_adj)
		return 0;
	snprintf(text, sizeof(text), "%d", child->process->oom_score_adj);
	r = io_write_kernel_file(AT_FDCWD, "/proc/self/oom_score_adj", text);
	if (r < 0)
		sync_warn(child->sync_fd, "cannot set the OOM score to %s: %s", text, strerror(-r));
	return 0;
}

static int find_user(struct child *child, struct error *err)
{
	const struct container_process *process = child->process;
	_cleanup_free_ char *number = NULL;
	int r;

	if (process->user || process->group_names) {
		const char *spec = process->user;

		if (!spec && !(spec = number = strf("%u:%u", process->uid, process->gid)))
			return error_oom(err);
		return user_resolve(child->root_fd, spec, process->group_names, &child->user, err);
	}
	child->user.uid = process->uid;
	child->user.gid = process->gid;
	if (!process->nr_groups)
		return 0;
	child->user.groups = malloc(process->nr_groups * sizeof(gid_t));
	if (!child->user.groups)
		return error_oom(err);
	r = (int)(process->nr_groups * sizeof(gid_t));
	memcpy(child->user.groups, process->groups, (size_t)r);
	child->user.nr_groups = process->nr_groups;
	return 0;
}

struct variable {
	char *text;
	size_t name_len, place;
};

/* By name, the last one first. */
static int compare_variables(const void *a, const void *b)
{
	const struct variable *x = a, *y = b;
	size_t common = x->name_len < y->name_len ? x->name_len : y->name_len;
	int order = memcmp(x->text, y->text, common);

	if (order == 0 && x->name_len != y->name_len)
		order = x->name_len < y->name_len ? -1 : 1;
	return order ? order : (x->place < y->place) - (x->place > y->place);
}

/* Each name once, as the last one says; an empty HOME is none. */
static int copy_environment(char *const *from, char ***ret)
{
	size_t count = strv_length(from), kept = 0;
	_cleanup_free_ struct variable *sorted = calloc(count + 1, sizeof(*sorted));
	_cleanup_strv_ char **env = strv_copy(from);

	if (!sorted || (count && !env))
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		sorted[i] = (struct variable){ env[i], strcspn(env[i], "="), i };
	qsort(sorted, count, sizeof(*sorted), compare_variables);
	for (size_t i = 0, first = 0; i < count; i++) {
		const struct variable *v = &sorted[i], *winner = &sorted[first];
		bool again = i > first && winner->name_len == v->name_len &&
			memcmp(winner->text, v->text, v->name_len) == 0;

		if (!again)
			first = i;
		if (again || streq(v->text, "HOME="))
			env[v->place] = NULL;
	}
	for (size_t i = 0; i < count; i++)
		if (!env[sorted[i].place])
			free(sorted[i].text);
	for (size_t i = 0; i < count; i++)
		if (env[i])
			env[kept++] = env[i];
	if (env)
		env[kept] = NULL;
	*ret = steal_ptr(&env);
	return 0;
}

/* The environment, with HOME when it has none (as Docker does). */
static int make_environment(struct child *child, struct error *err)
{
	struct container_user known = { 0 };
	const char *home = child->user.home;
	char number[16];

	if (copy_environment(child->process->env, &child->env) < 0)
		return error_oom(err);
	strv_for_each (variable, child->env)
		if (str_after_prefix(*variable, "HOME="))
			return 0;
	/* Named users have been looked up already. */
	if (!home && !child->process->user && !child->process->group_names) {
		snprintf(number, sizeof(number), "%u", child->user.uid);
		if (user_resolve(child->root_fd, number, NULL, &known, NULL) == 0)
			home = known.home;
	}
	if (strv_pushf(&child->env, "HOME=%s", home ? home : "/") < 0)
		return error_oom(err);
	container_user_free(&known);
	return 0;
}

static int set_limits(struct child *child, struct error *err)
{
	for (size_t i = 0; i < child->process->nr_rlimits; i++) {
		const struct container_rlimit *wanted = &child->process->rlimits[i];
		const char *name = config_rlimit_name(wanted->resource);
		struct rlimit limit = { wanted->soft, wanted->hard }, now;

		if (wanted->soft > wanted->hard)
			return error_set(
				err, EINVAL, "%s: the soft limit is above the hard one", name);
		if (setrlimit((__rlimit_resource_t)wanted->resource, &limit) == 0)
			continue;
		if (errno != EPERM || getrlimit((__rlimit_resource_t)wanted->resource, &now) < 0)
			return error_errno(err, errno, "cannot set %s", name);
		/* Only CAP_SYS_RESOURCE over the host may raise it: as far as it goes, then. */
		if (limit.rlim_max > now.rlim_max)
			limit.rlim_max = now.rlim_max;
		if (limit.rlim_cur > limit.rlim_max)
			limit.rlim_cur = limit.rlim_max;
		if (setrlimit((__rlimit_resource_t)wanted->resource, &limit) < 0)
			return error_errno(err, errno, "cannot set %s", name);
		sync_warn(child->sync_fd, "%s: strata may not raise it above %llu, which it is now",
			name, (unsigned long long)now.rlim_max);
	}
	return 0;
}

/* A missing one is made for the container's own command, owned by root, as Docker and runc do. */
static int make_working_directory(struct child *child, struct error *err)
{
	const char *cwd = child->process->cwd;
	_cleanup_close_ int fd = -1;
	struct error ignored = { 0 };

	if (!cwd || streq(cwd, "/"))
		return 0;
	if (cwd[0] != '/')
		return error_set(err, EINVAL, "the working directory %s is not absolute", cwd);
	if (!child->is_first)
		return 0;
	/* On a read-only root it cannot be made; chdir(2) will say what is wrong. */
	fd = mounts_open_target(child->root_fd, cwd, true, &ignored);
	return 0;
}

/* So that the user may open /dev/stdout again; not everything has an owner. The host's /dev/null
 * and its kin (major 1, the memory devices) are everybody's. */
static void own_stream(int fd, uid_t uid)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && !(S_ISCHR(st.st_mode) && major(st.st_rdev) == 1))
		(void)!fchown(fd, uid, (gid_t)-1);
}

/* 0, 1 and 2 become what they shall be, whatever numbers the sources have. */
static int set_stdio(struct child *child, struct error *err)
{
	int source[3];

	for (int i = 0; i < 3; i++) {
		int fd = child->terminal_fd >= 0 ? child->terminal_fd : child->options->stdio[i];

		if (fd < 0)
			fd = child->null_fd;
		/* Out of the way of the targets. */
		if (fd < 3 && fd != i)
			fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		if (fd < 0)
			return error_errno(err, errno, "cannot set up standard input and output");
		source[i] = fd;
	}
	for (int i = 0; i < 3; i++) {
		if (source[i] == i ? fcntl(i, F_SETFD, 0) < 0 : dup2(source[i], i) < 0)
			return error_errno(err, errno, "cannot set up standard input and output");
		if (child->user.uid != 0 && source[i] != child->null_fd)
			own_stream(i, child->user.uid);
	}
	return 0;
}

static int leave_keyring(struct child *child, struct error *err)
{
	int r;

	if (child->options->keep_keyring)
		return 0;
	r = labels_set_key(child, true, err);
	if (r < 0)
		return r;
	/* The caller's session keys are not the container's. Kernels without keys have none to
	 * hide, and a full quota is no reason to fail. */
	syscall(SYS_keyctl, 1 /* KEYCTL_JOIN_SESSION_KEYRING */, NULL);
	return labels_set_key(child, false, err);
}

int process_prepare(struct child *child, struct error *err)
{
	int r;

	if ((r = find_user(child, err)) < 0 || (r = make_environment(child, err)) < 0 ||
		(r = make_working_directory(child, err)) < 0 || (r = set_limits(child, err)) < 0 ||
		(r = leave_keyring(child, err)) < 0 || (r = terminal_take(child, err)) < 0 ||
		(r = scheduler_apply(child, err)) < 0)
		return r;
	return set_stdio(child, err);
}

/* --- dropping rights ------------------------------------------------------------------------ */

struct capability_sets {
	uint64_t effective, permitted, inheritable;
};

static int get_capabilities(struct capability_sets *ret)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data) < 0)
		return -errno;
	ret->effective = data[0].effective | (uint64_t)data[1].effective << 32;
	ret->permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
	ret->inheritable = data[0].inheritable | (uint64_t)data[1].inheritable << 32;
	return 0;
}

static int set_capabilities(const struct capability_sets *sets)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	const struct __user_cap_data_struct data[2] = {
		{ (uint32_t)sets->effective, (uint32_t)sets->permitted,
			(uint32_t)sets->inheritable },
		{ (uint32_t)(sets->effective >> 32), (uint32_t)(sets->permitted >> 32),
			(uint32_t)(sets->inheritable >> 32) },
	};

	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

static int drop_bounding(const struct child *child, struct error *err)
{
	for (int n = 0; n < CONTAINER_CAPABILITY_COUNT; n++) {
		if (child->process->cap_bounding >> n & 1)
			continue;
		if (prctl(PR_CAPBSET_DROP, n, 0, 0, 0) == 0)
			continue;
		/* Beyond the last one the kernel knows. */
		if (errno == EINVAL)
			return 0;
		return error_errno(err, errno, "cannot drop capability %d", n);
	}
	return 0;
}

/* An id that the user namespace does not map cannot be taken on (EINVAL): say why there is none. */
static int refuse_id(
	const struct child *child, int error, const char *what, unsigned id, struct error *err)
{
	if (error == EINVAL && child->in_userns)
		return error_set(err, error, "cannot become %s %u: %s", what, id,
			child->single_mapping
				? "only one id of the user who runs this is mapped; more need a range in /etc/subuid and /etc/subgid, and newuidmap and newgidmap (package uidmap)"
				: "it is outside the ranges of /etc/subuid and /etc/subgid that are mapped");
	return error_errno(err, error, "cannot become %s %u", what, id);
}

static int refuse_groups(const struct child *child, int error, struct error *err)
{
	if (error == EINVAL && child->in_userns)
		return error_set(err, error,
			"cannot set the supplementary groups: one of them is outside the ranges of /etc/subgid that are mapped");
	return error_errno(err, error, "cannot set the supplementary groups");
}

static int become_user(const struct child *child, struct error *err)
{
	const struct container_user *user = &child->user;

	if (user->uid != 0 && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return error_errno(err, errno, "cannot keep capabilities");
	if (setresgid(user->gid, user->gid, user->gid) < 0)
		return refuse_id(child, errno, "group", user->gid, err);
	/* Where a user namespace has a single mapping, the container's or one we are root of,
	 * setgroups(2) is denied: the groups that the image lists for the user are left out, those
	 * that were asked for by name or number are an error. */
	if (setgroups(user->nr_groups, user->groups) < 0 &&
		!(errno == EPERM && (child->in_userns || !user->nr_groups) &&
			strv_length(child->process->group_names) == 0))
		return refuse_groups(child, errno, err);
	if (setresuid(user->uid, user->uid, user->uid) < 0)
		return refuse_id(child, errno, "user", user->uid, err);
	/* A change of ids makes a process dumpable again where fs.suid_dumpable says so. */
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return error_errno(err, errno, "cannot make the process undumpable");
	return 0;
}

static int limit_capabilities(
	const struct child *child, const struct capability_sets *held, struct error *err)
{
	const struct container_process *process = child->process;
	struct capability_sets sets = {
		.effective = process->cap_effective & process->cap_permitted & held->permitted,
		.permitted = process->cap_permitted & held->permitted,
		.inheritable = process->cap_inheritable & held->permitted,
	};
	int r = set_capabilities(&sets);

	return r < 0 ? error_errno(err, r, "cannot set the capabilities") : 0;
}

/*
 * What cannot be granted is to be warned of (runtime-spec config.md, "capabilities"), in one line:
 * engines hand it to their user. Not so ambient ones that are not inheritable: buildah and
 * `runc spec` name those always, and no runtime they are used with says a word.
 */
static void warn_of_missing(const struct child *child, const struct capability_sets *held)
{
	uint64_t missing = child->process->cap_permitted & ~held->permitted;
	_cleanup_str_ struct str names = { 0 };

	for (int n = 0; missing && n < CONTAINER_CAPABILITY_COUNT; n++) {
		const char *name = missing >> n & 1 ? container_capability_name(n) : NULL;

		if (name)
			str_appendf(&names, "%s%s", names.len ? ", " : "", name);
	}
	if (names.len && !names.failed)
		sync_warn(child->sync_fd, "%s cannot be granted: not held by strata itself",
			names.data);
}

/* Effective: what is granted, and CAP_SYS_ADMIN to install the filter. Permitted: what reading a
 * script may need, too. */
static int keep_borrowed(
	const struct child *child, const struct capability_sets *held, struct error *err)
{
	const struct container_process *process = child->process;
	const uint64_t admin = UINT64_C(1) << CAP_SYS_ADMIN;
	struct capability_sets sets = {
		.effective = (process->cap_effective | admin) & held->permitted,
		.permitted = (process->cap_permitted | admin | UINT64_C(1) << CAP_DAC_OVERRIDE) &
			held->permitted,
		.inheritable = process->cap_inheritable & held->permitted,
	};
	int r = set_capabilities(&sets);

	return r < 0 ? error_errno(err, r, "cannot set the capabilities") : 0;
}

/* Only what is permitted and inheritable can be ambient (capabilities(7)). Configurations name
 * more, `crun spec` for one, and runtimes leave the rest out. */
static int raise_ambient(
	const struct child *child, const struct capability_sets *held, struct error *err)
{
	const struct container_process *process = child->process;
	uint64_t wanted = process->cap_ambient & process->cap_permitted & process->cap_inheritable &
		held->permitted;

	for (int n = 0; n < CONTAINER_CAPABILITY_COUNT; n++)
		if (wanted >> n & 1 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, n, 0, 0) < 0)
			return error_errno(err, errno, "cannot raise ambient capability %d", n);
	return 0;
}

/*
 * A working directory that was opened before the root changed would be a door to the host
 * (CVE-2024-21626): the kernel tells by a path that does not start at our root.
 */
static int enter_working_directory(const struct child *child, struct error *err)
{
	const char *cwd = child->process->cwd ? child->process->cwd : "/";
	char where[PATH_MAX];

	if (chdir(cwd) < 0)
		return error_errno(err, errno, "cannot enter the working directory %s", cwd);
	if (syscall(SYS_getcwd, where, sizeof(where)) < 0 || where[0] != '/')
		return error_set(err, EPERM, "the working directory %s is outside the root", cwd);
	return 0;
}

static int install_filter(struct child *child, struct error *err)
{
	int r;

	if (child->process->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_errno(err, errno, "cannot set no_new_privs");
	if (!child->seccomp.count)
		return 0;
	if (child->seccomp.listener_path)
		return seccomp_listener_install(child, err);
	r = seccomp_install(&child->seccomp);
	return r < 0 ? error_errno(err, r, "cannot install the seccomp filter") : 0;
}

int process_check_command(struct child *child, struct error *err)
{
	_cleanup_free_ char *path = NULL;
	struct error ignored = { 0 };
	int r;

	if (!child->process->args || !child->process->args[0])
		return 0;
	/* Perhaps only the user may enter it. */
	if (enter_working_directory(child, &ignored) < 0)
		return 0;
	r = command_find(child, &path, err);
	child->command_failed = r < 0;
	return r;
}

int process_execute(struct child *child, struct error *err)
{
	const struct container_process *process = child->process;
	struct capability_sets held = { 0 };
	struct error ignored = { 0 };
	_cleanup_free_ char *path = NULL;
	bool entered;
	int r;

	/* Perhaps the user may not, or only the user may. */
	entered = enter_working_directory(child, &ignored) == 0;
	r = seccomp_listener_connect(child, err);
	if (r == 0)
		r = drop_bounding(child, err);
	if (r == 0)
		r = become_user(child, err);
	if (r == 0 && (r = get_capabilities(&held)) < 0)
		r = error_errno(err, r, "cannot read the capabilities");
	if (r == 0)
		warn_of_missing(child, &held);
	if (r == 0)
		r = keep_borrowed(child, &held, err);
	if (r == 0 && (r = enter_working_directory(child, err)) == -EACCES && entered)
		r = 0;
	if (r < 0)
		return r;
	umask(process->umask >= 0 ? (mode_t)process->umask : 0022);
	child->command_failed = true;
	r = command_find(child, &path, err);
	if (r < 0)
		return r;
	child->command_failed = false;
	r = translation_make_environment(child, path, err);
	if (r == 0)
		r = labels_apply(child, err);
	if (r == 0)
		r = install_filter(child, err);
	if (r == 0)
		r = limit_capabilities(child, &held, err);
	if (r == 0)
		r = raise_ambient(child, &held, err);
	if (r == 0 && child->is_first)
		r = hooks_start(child, err);
	if (r == 0 && child->is_first && child->config->init)
		r = init_fork(child, err);
	if (r < 0)
		return r;
	child->command_failed = true;
	if (child->translator_fd >= 0)
		translation_execute(child);
	else
		execve(path, process->args, child->env);
	return error_set(err, errno, "exec: \"%s\": %s", process->args[0],
		errno == ENOEXEC ? "exec format error" : strerror(errno));
}
