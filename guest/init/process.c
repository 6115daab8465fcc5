/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process.c - starting processes: pipes or a terminal, the fork, and what a child does until it
 * executes its command.
 *
 * The main process has a pid, a mount and a cgroup namespace of its own, so that it is number 1
 * there as it is in a container, and everything it started ends with it. Those that are started
 * later join these. A child that cannot go on writes a struct report and a sentence to a pipe that
 * the execve(2) closes.
 *
 * Rights are dropped in the order of src/container/process.c: bounding set; groups, gid, uid;
 * working directory; capabilities; ambient ones. There is no filter of system calls here: the
 * kernel is the guest's own.
 */
#include "internal.h"

#include <linux/capability.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

#define SIGCHLD_NUMBER 17
#define SIGNALS	       64
#define PATH_DEFAULT   "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define RESOURCES      16

/* The main process's namespaces; 0 (never one of these): there is none. */
static struct {
	int pid_ns, mount_ns, cgroup_ns;
} joined;

/* Everything a child needs, filled before the fork. */
struct child {
	const struct agent_exec_parts *parts;
	int report_fd;
	int stdio[3];
	char terminal[32]; /* "/dev/pts/0", or "" */
	bool main;
	char **args, **env;
	const char *cwd, *user_spec, *group_names;
	struct user user;
};

void process_exit(int status)
{
	for (;;)
		sys(SYS_exit_group, status);
}

/* Tell the parent why, and end. */
static void fail(const struct child *child, bool of_command, long code, const char *format, ...)
	__attribute__((noreturn, format(printf, 4, 5)));

static void fail(const struct child *child, bool of_command, long code, const char *format, ...)
{
	char buffer[sizeof(struct report) + AGENT_MESSAGE_MAX];
	struct text text = { .at = buffer + sizeof(struct report), .size = AGENT_MESSAGE_MAX };
	struct report report = { (int32_t)(code < 0 ? -code : code), of_command };
	va_list list;

	va_start(list, format);
	text_add_list(&text, format, list);
	va_end(list);
	memcpy(buffer, &report, sizeof(report));
	write_all(child->report_fd, buffer, sizeof(report) + text.len);
	process_exit(127);
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		sys(SYS_close, *fd);
	*fd = -1;
}

void process_close(struct process *process)
{
	close_fd(&process->report_fd);
	close_fd(&process->stdin_fd);
	close_fd(&process->output_fds[0]);
	close_fd(&process->output_fds[1]);
}

void process_forget_main(void)
{
	if (!joined.pid_ns)
		return;
	sys(SYS_close, joined.pid_ns);
	sys(SYS_close, joined.mount_ns);
	sys(SYS_close, joined.cgroup_ns);
	joined.pid_ns = joined.mount_ns = joined.cgroup_ns = 0;
}

/* --- in the child: namespaces ----------------------------------------------------------------- */

static void must(const struct child *child, long r, const char *what)
{
	if (r < 0)
		fail(child, false, r, "%s: %s", what, error_text(r));
}

/* Optional: a kernel may lack it, or an image may have nowhere to put it. */
static void mount_in(const char *type, const char *source, const char *target, unsigned long flags,
	const char *options)
{
	long fd = open_in(AT_FDCWD, target, O_PATH | O_DIRECTORY, 0);
	char place[40];

	if (fd < 0)
		return;
	text_write(place, sizeof(place), "/proc/self/fd/%d", (int)fd);
	sys(SYS_mount, source, place, type, flags, options);
	sys(SYS_close, fd);
}

/* The instance's own, as the host's containers have it; to be written only by who has the right to
 * mount another one. It is bound, because mount(2) puts no filesystem on itself. */
static void show_cgroup(const struct child *child)
{
	const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;

	mount_in(NULL, CGROUP, "/sys/fs/cgroup", MS_BIND, NULL);
	if (!(child->parts->head.cap_bounding >> CAP_SYS_ADMIN & 1))
		mount_in(NULL, NULL, "/sys/fs/cgroup", MS_REMOUNT | MS_BIND | MS_RDONLY | flags,
			NULL);
}

static void become_main(const struct child *child)
{
	const char *why = "cannot mount";
	long r;

	must(child, sys(SYS_mount, NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL),
		"cannot make mounts private");
	r = request_mount_all(&why);
	if (r < 0)
		fail(child, false, r, "%s: %s", why, error_text(r));
	if (child->terminal[0])
		sys(SYS_mount, child->terminal, ROOT "/dev/console", NULL, MS_BIND, NULL);
	must(child, sys(SYS_chdir, ROOT), "cannot enter the root filesystem");
	must(child, sys(SYS_mount, ".", "/", NULL, MS_MOVE, NULL),
		"cannot move the root filesystem");
	must(child, sys(SYS_chroot, "."), "cannot change the root");
	/* Seen from the new namespaces. /proc/self/fd is still the old one's, and good for it. */
	sys(SYS_unshare, CLONE_NEWCGROUP);
	show_cgroup(child);
	mount_in("proc", "proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	/* Root's, as a container's is, and before nobody can write; what is wrong, chdir() says. */
	make_folders(AT_FDCWD, child->cwd);
	if (child->parts->head.flags & AGENT_EXEC_READ_ONLY)
		must(child, sys(SYS_mount, NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL),
			"cannot make the root filesystem read-only");
}

static void enter_namespaces(const struct child *child)
{
	file_write_text(CGROUP "/cgroup.procs", "0"); /* a kernel without cgroups counts nothing */
	if (child->main) {
		become_main(child);
		return;
	}
	must(child, sys(SYS_setns, joined.cgroup_ns, CLONE_NEWCGROUP), "cannot join the cgroup");
	/* The root becomes the namespace's. */
	must(child, sys(SYS_setns, joined.mount_ns, CLONE_NEWNS), "cannot join the mounts");
}

/* --- in the child: rights --------------------------------------------------------------------- */

static void set_limits(const struct child *child)
{
	for (uint32_t i = 0; i < child->parts->head.nr_limits; i++) {
		struct agent_limit limit;
		uint64_t pair[2];

		memcpy(&limit, &child->parts->limits[i], sizeof(limit));
		pair[0] = limit.soft;
		pair[1] = limit.hard;
		if (limit.resource >= RESOURCES || pair[0] > pair[1])
			fail(child, false, EINVAL, "no resource limit: %u", limit.resource);
		must(child, sys(SYS_prlimit64, 0, limit.resource, pair, NULL),
			"cannot set a resource limit");
	}
}

static void find_user(struct child *child)
{
	const struct agent_exec *head = &child->parts->head;
	const char *why = "", *spec = child->user_spec;
	char number[32];
	long r;

	if (!*spec && !head->nr_group_names) {
		child->user.uid = head->uid;
		child->user.gid = head->gid;
		child->user.nr_groups = head->nr_groups;
		memcpy(child->user.groups, child->parts->groups,
			head->nr_groups * sizeof(uint32_t));
		return;
	}
	if (!*spec) {
		text_write(number, sizeof(number), "%u:%u", head->uid, head->gid);
		spec = number;
	}
	r = user_find(spec, child->group_names, head->nr_group_names, &child->user, &why);
	if (r < 0)
		fail(child, false, r, "user \"%s\": %s", spec, why);
}

/* HOME of a number that nobody looked up yet. */
static const char *find_home(struct child *child)
{
	static struct user known;
	const char *why, *home = child->user.home;
	char number[16];

	if (!*home) {
		text_write(number, sizeof(number), "%u", child->user.uid);
		if (user_find(number, "", 0, &known, &why) == 0)
			home = known.home;
	}
	return *home ? home : "/";
}

static size_t name_length(const char *variable)
{
	size_t len = 0;

	while (variable[len] && variable[len] != '=')
		len++;
	return len;
}

/* Each name once, as the last one says; HOME if there is none. */
static void complete_environment(struct child *child)
{
	static char home[PATH_SIZE + 8];
	size_t kept = 0;
	bool has_home = false;

	for (char **at = child->env; *at; at++) {
		size_t len = name_length(*at);
		char **later = at + 1;

		while (*later && !(name_length(*later) == len && memcmp(*later, *at, len) == 0))
			later++;
		if (*later || text_equal(*at, "HOME="))
			continue;
		has_home = has_home || text_begins(*at, "HOME=");
		child->env[kept++] = *at;
	}
	if (!has_home) {
		text_write(home, sizeof(home), "HOME=%s", find_home(child));
		child->env[kept++] = home;
	}
	child->env[kept] = NULL;
}

static void set_capabilities(
	const struct child *child, uint64_t effective, uint64_t permitted, uint64_t inheritable)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = {
		{ (uint32_t)effective, (uint32_t)permitted, (uint32_t)inheritable },
		{ (uint32_t)(effective >> 32), (uint32_t)(permitted >> 32),
			(uint32_t)(inheritable >> 32) },
	};

	must(child, sys(SYS_capset, &header, data), "cannot set the capabilities");
}

static void become_user(const struct child *child)
{
	const struct agent_exec *head = &child->parts->head;
	const struct user *user = &child->user;

	for (unsigned n = 0; n < 64; n++)
		if (!(head->cap_bounding >> n & 1) &&
			sys(SYS_prctl, PR_CAPBSET_DROP, n, 0, 0, 0) < 0)
			break; /* the last one that the kernel knows was before it */
	must(child, sys(SYS_prctl, PR_SET_KEEPCAPS, 1, 0, 0, 0), "cannot keep capabilities");
	must(child, sys(SYS_setresgid, user->gid, user->gid, user->gid), "cannot become the group");
	must(child, sys(SYS_setgroups, user->nr_groups, user->groups),
		"cannot set the supplementary groups");
	must(child, sys(SYS_setresuid, user->uid, user->uid, user->uid), "cannot become the user");
}

/* Only capabilities that this kernel knows, and lets us have, can be had. */
static uint64_t known_capabilities(void)
{
	uint64_t known = 0;

	for (unsigned n = 0; n < 64; n++)
		if (sys(SYS_prctl, PR_CAPBSET_READ, n, 0, 0, 0) == 1)
			known |= UINT64_C(1) << n;
	return known;
}

static void limit_capabilities(const struct child *child, uint64_t known)
{
	const struct agent_exec *head = &child->parts->head;
	uint64_t permitted = head->cap_permitted & known;
	uint64_t inheritable = head->cap_inheritable & known;

	set_capabilities(child, head->cap_effective & permitted, permitted, inheritable);
	for (unsigned n = 0; n < 64; n++)
		if (head->cap_ambient & permitted & inheritable & UINT64_C(1) << n)
			must(child, sys(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, n, 0, 0),
				"cannot raise an ambient capability");
	if (head->flags & AGENT_EXEC_NO_NEW_PRIVILEGES)
		must(child, sys(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
			"cannot set no_new_privs");
}

/* --- in the child: streams and command ---------------------------------------------------------
 */

static void set_streams(const struct child *child)
{
	long null = sys(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC);

	sys(SYS_setsid);
	for (int i = 0; i < 3; i++) {
		long fd = child->stdio[i];

		if (child->terminal[0])
			fd = sys(SYS_openat, AT_FDCWD, child->terminal,
				O_RDWR | (i ? O_NOCTTY : 0) | O_CLOEXEC);
		else if (fd < 0)
			fd = null;
		must(child, fd, "cannot open a stream");
		must(child, sys(SYS_dup3, fd, i, 0), "cannot set up a stream");
	}
	if (child->terminal[0])
		sys(SYS_ioctl, 0, TIOCSCTTY, 0);
}

/* So that the user may open /dev/stdout again. */
static void own_streams(const struct child *child)
{
	for (int i = 0; i < 3; i++)
		if (child->terminal[0] || child->stdio[i] >= 0)
			sys(SYS_fchown, i, child->user.uid, -1);
}

static void enter_working_directory(const struct child *child)
{
	long r = sys(SYS_chdir, child->cwd);

	if (r < 0)
		fail(child, false, r, "cannot enter the working directory %s: %s", child->cwd,
			error_text(r));
}

static void execute_command(const struct child *child)
{
	const char *name = child->args[0], *folders = PATH_DEFAULT;
	char path[PATH_SIZE];
	long r = -ENOENT, worst = 0;

	for (char **at = child->env; *at; at++)
		if (text_begins(*at, "PATH="))
			folders = *at + 5;
	if (strchr(name, '/'))
		r = sys(SYS_execve, name, child->args, child->env);
	while (*name && !strchr(name, '/')) {
		const char *end = folders;

		while (*end && *end != ':')
			end++;
		r = -ENAMETOOLONG;
		if ((size_t)(end - folders) + strlen(name) + 3 < sizeof(path)) {
			memcpy(path, folders, (size_t)(end - folders));
			text_write(path + (end - folders), sizeof(path) - (size_t)(end - folders),
				"%s/%s", end == folders ? "." : "", name);
			r = sys(SYS_execve, path, child->args, child->env);
		}
		if (r != -ENOENT && r != -ENOTDIR)
			worst = r;
		if (r == -ENOEXEC || r == -E2BIG || !*end)
			break;
		folders = end + 1;
	}
	r = worst ? worst : r;
	fail(child, true, r, "exec: \"%s\": %s", name,
		r == -ENOENT && !strchr(name, '/') ? "executable file not found in $PATH"
						   : error_text(r));
}

/* --init: number 1 waits for all, and hands signals on to the command. */
static void be_init(int command)
{
	uint64_t all = ~UINT64_C(0);
	int status = 0;

	/* Nothing that others wait for the end of. */
	sys(SYS_close_range, 0, ~0u, 0);
	sys(SYS_rt_sigprocmask, 0 /* SIG_BLOCK */, &all, NULL, sizeof(all));
	sys(SYS_prctl, PR_SET_NAME, "init", 0, 0, 0);
	for (;;) {
		char info[128] __attribute__((aligned(8)));
		int *signo = (int *)(void *)info;
		long pid, r = sys(SYS_rt_sigtimedwait, &all, info, NULL, sizeof(all));

		if (r > 0 && *signo != SIGCHLD_NUMBER)
			sys(SYS_kill, command, *signo);
		while ((pid = sys(SYS_wait4, -1, &status, 1 /* WNOHANG */, NULL)) > 0)
			if (pid == command)
				process_exit(
					status & 127 ? 128 + (status & 127) : status >> 8 & 255);
	}
}

static void run_child(struct child *child)
{
	const struct agent_exec *head = &child->parts->head;
	uint64_t none = 0, known;
	char number[16];

	set_streams(child);
	enter_namespaces(child);
	if (head->flags & AGENT_EXEC_OOM_SCORE) {
		text_write(number, sizeof(number), "%d", head->oom_score_adj);
		file_write_text("/proc/self/oom_score_adj", number);
	}
	find_user(child);
	complete_environment(child);
	own_streams(child);
	set_limits(child);
	known = known_capabilities();
	become_user(child);
	enter_working_directory(child);
	limit_capabilities(child, known);
	sys(SYS_umask, head->umask);
	if (child->main && head->flags & AGENT_EXEC_INIT) {
		long pid = sys(SYS_clone, SIGCHLD_NUMBER, 0, 0, 0, 0);

		must(child, pid, "cannot fork");
		if (pid > 0) {
			sys(SYS_close, child->report_fd);
			be_init((int)pid);
		}
		sys(SYS_setsid);
		if (child->terminal[0])
			sys(SYS_ioctl, 0, TIOCSCTTY, 1);
	}
	sys(SYS_rt_sigprocmask, 2 /* SIG_SETMASK */, &none, NULL, sizeof(none));
	execute_command(child);
}

/* --- in the parent ---------------------------------------------------------------------------- */

/* Where nr strings begin, in memory that nobody gives back: the child's execve does. */
static char **point_to(const char **strings, uint32_t nr)
{
	/* Room for HOME and the end. */
	char **list = map_memory((nr + 2) * sizeof(char *));

	for (uint32_t i = 0; list && i < nr; i++) {
		list[i] = (char *)*strings;
		*strings += strlen(*strings) + 1;
	}
	return list;
}

static long open_terminal(struct child *child, struct process *ret)
{
	const struct agent_exec *head = &child->parts->head;
	struct winsize size = { .ws_row = head->rows, .ws_col = head->columns };
	long fd = sys(
		SYS_openat, AT_FDCWD, "/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	int number, unlock = 0;
	long r;

	if (fd < 0)
		return fd;
	ret->output_fds[0] = (int)fd;
	r = sys(SYS_ioctl, fd, TIOCSPTLCK, &unlock);
	if (r == 0)
		r = sys(SYS_ioctl, fd, TIOCGPTN, &number);
	if (r < 0)
		return r;
	if (size.ws_row || size.ws_col)
		sys(SYS_ioctl, fd, TIOCSWINSZ, &size);
	text_write(child->terminal, sizeof(child->terminal), "/dev/pts/%d", number);
	r = sys(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 3);
	ret->stdin_fd = (int)r;
	return r < 0 ? r : 0;
}

/* A pipe whose end for the child is fds[child_end]; ours does not block. */
static long open_pipe(int child_end, int *ret_ours, int *ret_theirs)
{
	int fds[2];
	long r = sys(SYS_pipe2, fds, O_CLOEXEC);

	if (r < 0)
		return r;
	*ret_theirs = fds[child_end];
	*ret_ours = fds[!child_end];
	return sys(SYS_fcntl, *ret_ours, F_SETFL, O_NONBLOCK);
}

static long open_streams(struct child *child, struct process *ret)
{
	uint32_t flags = child->parts->head.flags;
	long r = 0;

	if (flags & AGENT_EXEC_TERMINAL)
		return open_terminal(child, ret);
	if (flags & AGENT_EXEC_STDIN)
		r = open_pipe(0, &ret->stdin_fd, &child->stdio[0]);
	if (r == 0 && flags & AGENT_EXEC_STDOUT)
		r = open_pipe(1, &ret->output_fds[0], &child->stdio[1]);
	if (r == 0 && flags & AGENT_EXEC_STDERR)
		r = open_pipe(1, &ret->output_fds[1], &child->stdio[2]);
	return r;
}

/* Children are born in the namespace of the main process, if they are to join it; we are not. */
static long fork_child(bool main)
{
	unsigned long flags = SIGCHLD_NUMBER | (main ? CLONE_NEWPID | CLONE_NEWNS : 0);
	long pid, ours = -1, r;

	if (!main) {
		ours = sys(SYS_openat, AT_FDCWD, "/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
		if (ours < 0)
			return ours;
		r = sys(SYS_setns, joined.pid_ns, CLONE_NEWPID);
		if (r < 0) {
			sys(SYS_close, ours);
			return r;
		}
	}
	pid = sys(SYS_clone, flags, 0, 0, 0, 0);
	if (ours >= 0 && pid != 0) {
		sys(SYS_setns, ours, CLONE_NEWPID);
		sys(SYS_close, ours);
	}
	return pid;
}

static int open_namespace(long pid, const char *name)
{
	char path[64];
	long fd;

	text_write(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, name);
	fd = sys(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? 0 : (int)fd;
}

static long fill(struct child *child, struct process *ret)
{
	const struct agent_exec *head = &child->parts->head;
	const char *strings = child->parts->strings;

	child->cwd = strings;
	strings += strlen(strings) + 1;
	child->user_spec = strings;
	strings += strlen(strings) + 1;
	child->args = point_to(&strings, head->nr_args);
	child->env = point_to(&strings, head->nr_env);
	child->group_names = strings;
	if (!child->args || !child->env)
		return -ENOMEM;
	return open_streams(child, ret);
}

static void free_child(struct child *child)
{
	const struct agent_exec *head = &child->parts->head;

	unmap_memory(child->args, (head->nr_args + 2) * sizeof(char *));
	unmap_memory(child->env, (head->nr_env + 2) * sizeof(char *));
	close_fd(&child->report_fd);
	for (int i = 0; i < 3; i++)
		close_fd(&child->stdio[i]);
}

long process_start(const struct agent_exec_parts *parts, struct process *ret, const char **ret_why)
{
	static struct child child; /* large, and there is one at a time */
	bool main = parts->head.flags & AGENT_EXEC_MAIN;
	long r;

	*ret = (struct process){ .report_fd = -1,
		.stdin_fd = -1,
		.output_fds = { -1, -1 },
		.terminal = parts->head.flags & AGENT_EXEC_TERMINAL,
		.detached = parts->head.flags & AGENT_EXEC_DETACHED,
		.main = main };
	*ret_why = main ? "there is a main process already" : "the main process does not run";
	if (main ? joined.pid_ns != 0 : joined.cgroup_ns == 0)
		return main ? -EBUSY : -ESRCH;
	*ret_why = "cannot start a process";
	child = (struct child){
		.parts = parts, .main = main, .report_fd = -1, .stdio = { -1, -1, -1 }
	};
	r = open_pipe(1, &ret->report_fd, &child.report_fd);
	if (r == 0)
		r = fill(&child, ret);
	if (r == 0)
		r = fork_child(main);
	if (r == 0)
		run_child(&child);
	free_child(&child);
	if (r < 0) {
		process_close(ret);
		return r;
	}
	ret->pid = (int)r;
	if (main) {
		joined.pid_ns = open_namespace(r, "pid");
		joined.mount_ns = open_namespace(r, "mnt");
	}
	return 0;
}

void process_main_executes(struct process *process)
{
	joined.cgroup_ns = open_namespace(process->pid, "cgroup");
}

/* A child that executes nothing has the agent's descriptors, and keeps them open. */
static void keep_only(unsigned a, unsigned b)
{
	unsigned low = a < b ? a : b, high = a < b ? b : a;

	if (low > 0)
		sys(SYS_close_range, 0, low - 1, 0);
	if (high > low + 1)
		sys(SYS_close_range, low + 1, high - 1, 0);
	sys(SYS_close_range, high + 1, ~0u, 0);
}

/* As the main process would see it, where there is none. */
static void mount_root(int report_fd)
{
	const char *why = "cannot mount";
	long r = sys(SYS_unshare, CLONE_NEWNS);

	if (r == 0)
		r = sys(SYS_mount, NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	if (r == 0)
		r = request_mount_all(&why);
	if (r < 0)
		files_report(report_fd, r, why);
}

static void enter_root(int report_fd)
{
	if (!joined.mount_ns)
		mount_root(report_fd);
	if (joined.mount_ns ? sys(SYS_setns, joined.mount_ns, CLONE_NEWNS) < 0
			    : sys(SYS_chdir, ROOT) < 0 || sys(SYS_chroot, ".") < 0)
		files_report(report_fd, EIO, "cannot enter the root filesystem");
}

long process_start_transfer(enum agent_type what, const char *path, struct process *ret)
{
	int report = -1, stream = -1;
	long r;

	*ret = (struct process){ .report_fd = -1, .stdin_fd = -1, .output_fds = { -1, -1 } };
	r = open_pipe(1, &ret->report_fd, &report);
	if (r == 0 && what == AGENT_PUT)
		r = open_pipe(0, &ret->stdin_fd, &stream);
	else if (r == 0)
		r = open_pipe(1, &ret->output_fds[0], &stream);
	if (r == 0)
		r = sys(SYS_clone, SIGCHLD_NUMBER, 0, 0, 0, 0);
	if (r == 0) {
		enter_root(report);
		keep_only((unsigned)report, (unsigned)stream);
		if (what == AGENT_PUT)
			files_unpack(path, stream, report, false);
		if (what == AGENT_GET)
			files_pack(path, stream, report);
		if (what == AGENT_LIST)
			list_processes(stream, report);
		files_look(path, report);
	}
	close_fd(&report);
	close_fd(&stream);
	if (r < 0) {
		process_close(ret);
		return r;
	}
	ret->pid = (int)r;
	return 0;
}
