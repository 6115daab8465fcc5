/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-spawn.c - containers are really made: a root with a static busybox in it, one property a
 * case, as seen from inside. Needs root and busybox-static; without them every case is skipped.
 */
#include "unit/test.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "base/io.h"
#include "base/process.h"
#include "container/container.h"

#define CGROUP "/strata-test-spawn"

static char base_path[64];

/* --- the root -------------------------------------------------------------------------------- */

static void write_text(const char *path, mode_t mode, const char *text)
{
	_cleanup_free_ char *full = strf("%s/%s", base_path, path);
	struct error error = { 0 };

	if (io_replace_file(AT_FDCWD, full, mode, text, strlen(text), IO_VOLATILE, &error) < 0)
		fail_msg("%s", error.message);
}

static void make_link(const char *path, const char *target)
{
	_cleanup_free_ char *full = strf("%s/%s", base_path, path);

	assert_int_equal(symlink(target, full), 0);
}

static int copy_busybox(void)
{
	_cleanup_free_ char *bytes = NULL, *full = strf("%s/root/bin/busybox", base_path);
	size_t len;

	if (io_read_file(AT_FDCWD, "/bin/busybox", 16u << 20, &bytes, &len, NULL) < 0)
		return -1;
	return io_replace_file(AT_FDCWD, full, 0755, bytes, len, IO_VOLATILE, NULL);
}

static int set_up(void **state)
{
	static const char *const applets[] = { "sh", "cat", "id", "mount", "ls", "grep", "sleep",
		"stat", "touch", "hostname", "tty", "readlink", "ip", "mkdir", "true", "test" };
	static const char *const directories[] = { "root", "root/bin", "root/etc", "root/src",
		"upper", "work", "volume" };

	if (geteuid() != 0)
		return 0;
	strcpy(base_path, "/tmp/strata-test-spawn-XXXXXX");
	assert_non_null(mkdtemp(base_path));
	assert_int_equal(chmod(base_path, 0755), 0);
	for (size_t i = 0; i < ARRAY_SIZE(directories); i++) {
		_cleanup_free_ char *full = strf("%s/%s", base_path, directories[i]);

		assert_int_equal(mkdir(full, 0755), 0);
	}
	if (copy_busybox() < 0) {
		io_remove_tree(AT_FDCWD, base_path, NULL);
		base_path[0] = '\0';
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(applets); i++) {
		_cleanup_free_ char *link = strf("root/bin/%s", applets[i]);

		make_link(link, "busybox");
	}
	write_text("root/etc/passwd", 0644,
		"root:x:0:0::/root:/bin/sh\nbob:x:1000:1001::/home/bob:\n");
	write_text("root/etc/group", 0644, "root:x:0:\nstaff:x:50:bob\n");
	return 0;
}

static int tear_down(void **state)
{
	if (base_path[0])
		io_remove_tree(AT_FDCWD, base_path, NULL);
	container_cleanup(CGROUP, NULL);
	return 0;
}

static void require_root(void)
{
	if (geteuid() != 0) {
		print_message("skipped: making a container needs root\n");
		skip();
	}
	if (!base_path[0]) {
		print_message("skipped: /bin/busybox (package busybox-static) is missing\n");
		skip();
	}
}

/* --- running --------------------------------------------------------------------------------- */

struct run {
	struct container_config config;
	struct container_handle handle;
	int output_fd;
	char *output;
	int status; /* as in a shell, or the negative errno of spawn or release */
	struct error error;
};

static void configure_any(struct run *run, const char *script)
{
	struct container_config *c = &run->config;

	memset(run, 0, sizeof(*run));
	assert_int_equal(container_config_defaults(c, 1 << 20, &run->error), 0);
	c->rootfs.path = strf("%s/root", base_path);
	c->hostname = strdup("inside");
	c->cgroup_path = strdup(CGROUP);
	strv_push(&c->process.env, "PATH=/bin");
	strv_push(&c->process.args, "sh");
	strv_push(&c->process.args, "-c");
	strv_push(&c->process.args, script);
}

static void configure(struct run *run, const char *script)
{
	require_root();
	configure_any(run, script);
}

static void start(struct run *run)
{
	struct container_spawn_options options = { { -1, -1, -1 } };
	int p[2];

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	options.stdio[1] = options.stdio[2] = p[1];
	run->output_fd = p[0];
	run->status = container_spawn(&run->config, &options, &run->handle, &run->error);
	if (run->status == 0) {
		run->status = container_release(&run->handle, &run->error);
		if (run->status < 0)
			waitpid(run->handle.pid, NULL, 0);
	}
	close(p[1]);
}

static void finish(struct run *run)
{
	int status;

	assert_int_equal(io_read_fd(run->output_fd, 1 << 20, &run->output, NULL), 0);
	if (run->status == 0) {
		assert_int_equal(waitpid(run->handle.pid, &status, 0), run->handle.pid);
		run->status = process_exit_code(status);
	}
	close(run->output_fd);
	container_handle_close(&run->handle);
	assert_int_equal(container_cleanup(CGROUP, &run->error), 0);
}

static void release(struct run *run)
{
	container_config_free(&run->config);
	free(run->output);
}

static void go(struct run *run)
{
	start(run);
	finish(run);
}

static void expect(const struct run *run, const char *text)
{
	if (!strstr(run->output, text))
		fail_msg("status %d (%s): \"%s\" is not in:\n%s", run->status, run->error.message,
			text, run->output);
}

static void expect_error(const struct run *run, int code, const char *text)
{
	if (run->status != code || !strstr(run->error.message, text))
		fail_msg("status %d: \"%s\" instead of %d \"%s\"", run->status, run->error.message,
			code, text);
}

/* --- cases ----------------------------------------------------------------------------------- */

static void namespaces_are_new(void **state)
{
	static const char *const names[] = { "mnt", "pid", "net", "ipc", "uts", "cgroup" };
	struct run run;

	configure(&run,
		"for n in mnt pid net ipc uts cgroup user; do readlink /proc/self/ns/$n; done; hostname; echo pid $$; ip link show lo");
	go(&run);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *path = strf("/proc/self/ns/%s", names[i]);
		char ours[64] = "";

		assert_true(readlink(path, ours, sizeof(ours) - 1) > 0);
		assert_null(strstr(run.output, ours));
	}
	expect(&run, "inside\npid 1\n");
	expect(&run, "LOOPBACK,UP");
	assert_int_equal(run.status, 0);
	release(&run);
}

static void mounts_are_dockers(void **state)
{
	struct run run;

	configure(&run,
		"mount; cat /proc/timer_list; ls /sys/firmware; echo x >/proc/sys/kernel/hostname; echo x >/dev/null && stat -c '%a %t:%T' /dev/null; ls /dev");
	go(&run);
	expect(&run, "proc on /proc type proc (rw,nosuid,nodev,noexec");
	expect(&run, "tmpfs on /dev type tmpfs (rw,nosuid");
	expect(&run, "sysfs on /sys type sysfs (ro,nosuid,nodev,noexec");
	expect(&run, "on /dev/shm type tmpfs (rw,nosuid,nodev,noexec,relatime,size=1024k)");
	expect(&run, "proc on /proc/sys type proc (ro");
	expect(&run, "/proc/sys/kernel/hostname: Read-only file system");
	expect(&run, "666 1:3");
	expect(&run, "ptmx");
	assert_null(strstr(run.output, "Timer List"));
	assert_null(strstr(run.output, base_path));
	release(&run);
}

static void rights_are_dropped(void **state)
{
	struct run run;

	configure(&run,
		"grep -E '^(Cap|Seccomp:|NoNewPrivs)' /proc/self/status; mount -t tmpfs x /src");
	run.config.process.no_new_privileges = true;
	go(&run);
	expect(&run,
		"CapInh:\t0000000000000000\nCapPrm:\t00000000a80425fb\nCapEff:\t00000000a80425fb\nCapBnd:\t00000000a80425fb\nCapAmb:\t0000000000000000\n");
	expect(&run, "NoNewPrivs:\t1\nSeccomp:\t2\n");
	assert_int_not_equal(run.status, 0);
	release(&run);
}

static void users_are_looked_up_inside(void **state)
{
	struct run run;

	configure(&run, "id; echo $HOME; touch /x; grep CapEff /proc/self/status");
	run.config.process.user = strdup("bob");
	go(&run);
	expect(&run, "uid=1000(bob) gid=1001 groups=50(staff),1001");
	expect(&run, "/home/bob");
	expect(&run, "/x: Permission denied");
	expect(&run, "CapEff:\t0000000000000000");
	release(&run);
	configure(&run, "true");
	run.config.process.user = strdup("eve");
	go(&run);
	expect_error(&run, -ENOENT, "there is no user \"eve\" in the container's /etc/passwd");
	release(&run);
}

static void limits_are_set(void **state)
{
	struct run run;

	configure(&run, "ulimit -n; ulimit -Hn; pwd; umask");
	run.config.process.rlimits = calloc(1, sizeof(struct container_rlimit));
	run.config.process.rlimits[0] = (struct container_rlimit){ RLIMIT_NOFILE, 100, 200 };
	run.config.process.nr_rlimits = 1;
	free(run.config.process.cwd);
	run.config.process.cwd = strdup("/made/for/it");
	run.config.process.umask = 077;
	go(&run);
	assert_string_equal(run.output, "100\n200\n/made/for/it\n0077\n");
	release(&run);
}

static void exit_codes_come_back(void **state)
{
	struct run run;

	configure(&run, "exit 42");
	go(&run);
	assert_int_equal(run.status, 42);
	release(&run);
	configure(&run, "kill -TERM $$; kill -KILL $$; exit 3");
	go(&run);
	assert_int_equal(run.status, 3); /* pid 1 is not killed from inside */
	release(&run);
	configure(&run, "kill -TERM $$; exit 3");
	run.config.init = true;
	go(&run);
	assert_int_equal(run.status, 128 + SIGTERM);
	release(&run);
}

static void failures_say_what_and_why(void **state)
{
	struct run run;

	configure(&run, "");
	strcpy(run.config.process.args[0], "q");
	go(&run);
	expect_error(&run, -ENOENT, "exec: \"q\": executable file not found in $PATH");
	assert_true(run.handle.command_failed);
	release(&run);
	configure(&run, "");
	free(run.config.process.args[0]);
	run.config.process.args[0] = strdup("/etc/passwd");
	go(&run);
	expect_error(&run, -EACCES, "exec: \"/etc/passwd\": permission denied");
	release(&run);
	configure(&run, "");
	container_config_add_mount(&run.config, "bind", "/nowhere", "/src", "bind", NULL);
	go(&run);
	expect_error(&run, -ENOENT, "cannot bind /nowhere on /src: No such file or directory");
	assert_false(run.handle.command_failed);
	release(&run);
	configure(&run, "");
	run.config.sysctls = calloc(1, sizeof(*run.config.sysctls));
	run.config.sysctls[0] = (struct container_key_value){ strdup("kernel.panic"), strdup("1") };
	run.config.nr_sysctls = 1;
	go(&run);
	expect_error(&run, -EPERM, "sysctl kernel.panic: it is not kept per container");
	release(&run);
}

static void layers_are_an_overlay(void **state)
{
	struct run run;
	_cleanup_free_ char *written = strf("%s/upper/new", base_path),
			    *below = strf("%s/root/new", base_path);

	configure(&run, "touch /new && mount");
	strv_push_take(&run.config.rootfs.layers, steal_ptr(&run.config.rootfs.path));
	run.config.rootfs.upper = strf("%s/upper", base_path);
	run.config.rootfs.work = strf("%s/work", base_path);
	go(&run);
	expect(&run, "overlay on / type overlay");
	assert_int_equal(run.status, 0);
	assert_int_equal(access(written, F_OK), 0);
	assert_int_equal(access(below, F_OK), -1);
	/* The same by descriptors: layers in different directories. */
	strv_push(&run.config.rootfs.layers, "/etc");
	free(run.output);
	go(&run);
	expect(&run, "overlay on / type overlay");
	assert_int_equal(run.status, 0);
	/* Read-only, and volatile. */
	run.config.rootfs.read_only = run.config.rootfs.ephemeral = true;
	free(run.output);
	go(&run);
	expect(&run, "/new: Read-only file system");
	release(&run);
}

static void volumes_are_bound(void **state)
{
	_cleanup_free_ char *volume = strf("%s/volume", base_path);
	struct run run;

	configure(&run,
		"echo a >/data/rw/file; cat /data/ro/file; echo b >/data/ro/file; cat /etc/one");
	container_config_add_mount(&run.config, "bind", volume, "/data/rw", "rbind", NULL);
	container_config_add_mount(&run.config, "bind", volume, "/data/ro", "rbind,ro", NULL);
	container_config_add_mount(
		&run.config, "bind", "/etc/hostname", "/etc/one", "bind,ro", NULL);
	container_config_add_mount(&run.config, "tmpfs", "tmpfs", "/etc", "tmpcopyup,ro", NULL);
	go(&run);
	expect(&run, "a\n");
	expect(&run, "/data/ro/file: Read-only file system");
	release(&run);
}

/* What the image says must not decide where on the host a mount or a directory appears. */
static void links_do_not_lead_out(void **state)
{
	_cleanup_free_ char *outside = strf("%s/outside", base_path),
			    *volume = strf("%s/volume", base_path),
			    *link = strf("%s/root/evil", base_path),
			    *magic = strf("%s/root/magic", base_path);
	struct run run;

	require_root();
	assert_int_equal(symlink(outside, link), 0);
	assert_int_equal(symlink("/proc/self/cwd", magic), 0);
	configure(&run, "ls -d /evil/made");
	container_config_add_mount(&run.config, "bind", volume, "/evil/made", "bind", NULL);
	go(&run);
	assert_int_equal(access(outside, F_OK), -1);
	/* Resolved inside: the link's target, below the root, was made there or refused. */
	assert_true(run.status != 0 || strstr(run.output, "/evil/made"));
	release(&run);
	configure(&run, "true");
	container_config_add_mount(&run.config, "bind", volume, "/magic/made", "bind", NULL);
	go(&run);
	assert_int_equal(run.status, -ELOOP);
	release(&run);
	unlink(link);
	unlink(magic);
}

/* CVE-2019-5736: our own program is never executed inside. */
static void our_own_program_is_refused(void **state)
{
	char program[256] = "";
	struct run run;

	configure(&run, "");
	free(run.config.process.args[0]);
	run.config.process.args[0] = strdup("/proc/self/exe");
	go(&run);
	expect_error(&run, -EACCES, "a link of /proc cannot be executed");
	release(&run);
	write_text("root/bin/trap", 0755, "#!/proc/self/exe\n");
	write_text("root/bin/trap2", 0711, "#!  /bin/trap x\n");
	configure(&run, "");
	free(run.config.process.args[0]);
	run.config.process.args[0] = strdup("trap2");
	run.config.process.user = strdup("bob");
	go(&run);
	expect_error(&run, -EACCES, "a link of /proc cannot be executed");
	release(&run);
	/* Bound into the container it has another name, but not another inode. */
	configure(&run, "");
	assert_true(readlink("/proc/self/exe", program, sizeof(program) - 1) > 0);
	container_config_add_mount(&run.config, "bind", program, "/bin/self", "bind", NULL);
	free(run.config.process.args[0]);
	run.config.process.args[0] = strdup("self");
	go(&run);
	expect_error(&run, -EACCES, "this is the strata program of the host");
	release(&run);
}

static void nothing_of_ours_leaks(void **state)
{
	struct run run;
	int leak;

	configure(&run, "ls -l /proc/self/fd");
	leak = open("/", O_RDONLY); /* inheritable on purpose */
	assert_int_equal(dup2(leak, 77), 77);
	go(&run);
	assert_null(strstr(run.output, "77 ->"));
	close(77);
	close(leak);
	release(&run);
	/* CVE-2024-21626: a working directory through a descriptor of the host. */
	configure(&run, "pwd");
	leak = open("/", O_RDONLY | O_DIRECTORY);
	assert_int_equal(dup2(leak, 77), 77);
	free(run.config.process.cwd);
	run.config.process.cwd = strdup("/proc/self/fd/77");
	go(&run);
	expect_error(&run, -EPERM, "is outside the root");
	close(77);
	close(leak);
	release(&run);
}

static void exec_joins(void **state)
{
	struct container_spawn_options options = { { -1, -1, -1 } };
	struct container_process process = { .umask = -1 };
	struct container_handle handle;
	struct run run;
	char *text;
	int p[2], status;

	configure(&run, "sleep 1000");
	start(&run);
	assert_int_equal(run.status, 0);
	strv_push(&process.args, "sh");
	strv_push(&process.args, "-c");
	strv_push(&process.args,
		"hostname; readlink /proc/1/exe; readlink /proc/self/ns/net; grep -E '^(CapBnd|Seccomp:)' /proc/self/status; cat /proc/self/cgroup; exit 5");
	process.cap_bounding = process.cap_effective = process.cap_permitted =
		container_capabilities_default();
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	options.stdio[1] = options.stdio[2] = p[1];
	assert_int_equal(container_exec(&run.config, run.handle.pid, &process, &options, &handle,
				 &run.error),
		0);
	assert_int_equal(container_release(&handle, &run.error), 0);
	close(p[1]);
	assert_int_equal(io_read_fd(p[0], 1 << 20, &text, NULL), 0);
	close(p[0]);
	assert_int_equal(waitpid(handle.pid, &status, 0), handle.pid);
	assert_int_equal(process_exit_code(status), 5);
	container_handle_close(&handle);
	assert_non_null(strstr(text, "inside\n/bin/busybox\nnet:"));
	assert_non_null(strstr(text, "CapBnd:\t00000000a80425fb\nSeccomp:\t2\n"));
	/* Our own pid namespace for children is back. */
	assert_int_equal(kill(run.handle.pid, SIGKILL), 0);
	finish(&run);
	assert_int_equal(run.status, 128 + SIGKILL);
	free(text);
	container_process_free(&process);
	release(&run);
}

static void terminals_are_the_containers(void **state)
{
	struct container_spawn_options options = { { -1, -1, -1 } };
	char text[256] = "";
	struct run run;
	ssize_t n;
	int status;

	configure(&run, "tty; stat -c %t /dev/console; exec true");
	run.config.process.terminal = true;
	assert_int_equal(container_spawn(&run.config, &options, &run.handle, &run.error), 0);
	assert_true(run.handle.terminal_fd >= 0);
	assert_int_equal(container_release(&run.handle, &run.error), 0);
	for (size_t used = 0; used < sizeof(text) - 1; used += (size_t)n) {
		n = read(run.handle.terminal_fd, text + used, sizeof(text) - 1 - used);
		if (n <= 0)
			break;
	}
	assert_non_null(strstr(text, "/dev/pts/0\r\n88\r\n"));
	assert_int_equal(waitpid(run.handle.pid, &status, 0), run.handle.pid);
	assert_int_equal(status, 0);
	container_handle_close(&run.handle);
	assert_int_equal(container_cleanup(CGROUP, &run.error), 0);
	release(&run);
}

/* The host's /dev/null stays the host's, whoever reads from it. */
static void devices_as_streams_keep_their_owner(void **state)
{
	struct container_spawn_options options = { { -1, -1, -1 } };
	_cleanup_free_ char *null = strf("%s/null", base_path);
	struct stat st;
	struct run run;
	int status;

	configure(&run, "test -w /proc/self/fd/1");
	run.config.process.uid = 1000;
	assert_int_equal(mknod(null, S_IFCHR | 0666, makedev(1, 3)), 0);
	options.stdio[0] = open(null, O_RDONLY | O_CLOEXEC);
	assert_true(options.stdio[0] >= 0);
	assert_int_equal(container_spawn(&run.config, &options, &run.handle, &run.error), 0);
	assert_int_equal(container_release(&run.handle, &run.error), 0);
	assert_int_equal(waitpid(run.handle.pid, &status, 0), run.handle.pid);
	assert_int_equal(status, 0);
	assert_int_equal(fstat(options.stdio[0], &st), 0);
	assert_int_equal(st.st_uid, 0);
	close(options.stdio[0]);
	container_handle_close(&run.handle);
	assert_int_equal(container_cleanup(CGROUP, &run.error), 0);
	release(&run);
}

/* Without a mount namespace: the host's, but not its root; exec joins likewise. */
static void mounts_can_be_shared(void **state)
{
	struct container_spawn_options options = { { -1, -1, -1 } };
	struct container_process process = { .umask = -1 };
	_cleanup_free_ char *root = strf("%s/root", base_path);
	struct container_handle handle;
	char host[64] = "", *text;
	struct run run;
	int p[2];

	configure(&run, "readlink /proc/self/ns/mnt; ls /; touch /ready; sleep 1000");
	run.config.namespaces[CONTAINER_NS_MOUNT].wanted = false;
	assert_true(readlink("/proc/self/ns/mnt", host, sizeof(host) - 1) > 0);
	start(&run);
	assert_int_equal(run.status, 0);
	strv_push(&process.args, "sh");
	strv_push(&process.args, "-c");
	strv_push(&process.args,
		"until busybox rm /ready 2>&-; do sleep 0.01; done; ls -d /src /upper");
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	options.stdio[1] = p[1];
	assert_int_equal(container_exec(&run.config, run.handle.pid, &process, &options, &handle,
				 &run.error),
		0);
	assert_int_equal(container_release(&handle, &run.error), 0);
	close(p[1]);
	assert_int_equal(io_read_fd(p[0], 1 << 20, &text, NULL), 0);
	close(p[0]);
	assert_int_equal(waitpid(handle.pid, NULL, 0), handle.pid);
	container_handle_close(&handle);
	assert_string_equal(text, "/src\n");
	assert_int_equal(kill(run.handle.pid, SIGKILL), 0);
	finish(&run);
	assert_int_equal(umount2(root, MNT_DETACH), 0);
	assert_int_equal(umount2(root, MNT_DETACH), -1);
	assert_int_equal(strncmp(run.output, host, strlen(host)), 0);
	assert_non_null(strstr(run.output, "\nsrc\n"));
	free(text);
	container_process_free(&process);
	release(&run);
}

/* Two containers sharing a pid and a network namespace. */
static void namespaces_can_be_shared(void **state)
{
	struct run first, second;

	configure(&first, "sleep 1000");
	start(&first);
	assert_int_equal(first.status, 0);
	configure(&second, "readlink /proc/self/ns/net; ls -d /proc/1/ns; echo pid $$");
	second.config.namespaces[CONTAINER_NS_PID].path = strf(
		"/proc/%d/ns/pid", (int)first.handle.pid);
	second.config.namespaces[CONTAINER_NS_NETWORK].path = strf(
		"/proc/%d/ns/net", (int)first.handle.pid);
	free(second.config.cgroup_path);
	second.config.cgroup_path = NULL;
	start(&second);
	assert_int_equal(second.status, 0);
	assert_int_equal(io_read_fd(second.output_fd, 1 << 20, &second.output, NULL), 0);
	expect(&second, "net:[");
	assert_null(strstr(second.output, "pid 1\n"));
	waitpid(second.handle.pid, NULL, 0);
	close(second.output_fd);
	container_handle_close(&second.handle);
	assert_int_equal(kill(first.handle.pid, SIGKILL), 0);
	finish(&first);
	release(&first);
	release(&second);
}

/* Root's containers in a user namespace: other ids on the host, the image's ids on disk. */
static void ids_can_be_mapped(void **state)
{
	_cleanup_free_ char *written = strf("%s/upper/mapped", base_path);
	struct userns_map *maps;
	struct stat st;
	struct run run;

	configure(&run,
		"id -u; cat /proc/self/uid_map; stat -c %u /bin/busybox; touch /mapped; stat -c %u /mapped");
	strv_push_take(&run.config.rootfs.layers, steal_ptr(&run.config.rootfs.path));
	run.config.rootfs.upper = strf("%s/upper", base_path);
	run.config.rootfs.work = strf("%s/work", base_path);
	run.config.namespaces[CONTAINER_NS_USER].wanted = true;
	maps = calloc(2, sizeof(*maps));
	maps[0] = (struct userns_map){ 0, 200000, 65536 };
	run.config.id_maps = (struct userns_maps){ maps, malloc(sizeof(*maps)), 1, 1, false };
	run.config.id_maps.gid[0] = maps[0];
	go(&run);
	expect(&run, "0\n         0     200000      65536\n0\n0\n");
	assert_int_equal(run.status, 0);
	assert_int_equal(stat(written, &st), 0);
	assert_int_equal(st.st_uid, 0);
	release(&run);
}

static void clocks_can_be_shifted(void **state)
{
	struct run run;

	configure(&run, "cat /proc/self/timens_offsets");
	run.config.namespaces[CONTAINER_NS_TIME].wanted = true;
	run.config.has_time_offsets = true;
	run.config.monotonic_offset_s = run.config.boottime_offset_s = 7200;
	go(&run);
	expect(&run, "7200");
	assert_int_equal(run.status, 0);
	release(&run);
}

/* --- an ordinary user ------------------------------------------------------------------------ */

/* nobody has no subordinate ids: the single mapping. In a process of its own, since there is no
 * way back; its exit status is the number of the check that failed. */
static int run_as_nobody(void)
{
	struct container_spawn_options options = { { -1, -1, -1 } };
	struct container_process process = { .umask = -1 };
	struct container_handle handle;
	struct run run;
	int status;

	/* The change of user has made us undumpable, an exec would have undone that. */
	if (setgid(65534) < 0 || setuid(65534) < 0 || prctl(PR_SET_DUMPABLE, 1) < 0)
		return 1;
	configure_any(&run, "id -u; echo x >/dev/null; cat /proc/self/uid_map; sleep 0.2");
	free(run.config.cgroup_path);
	run.config.cgroup_path = NULL;
	run.config.init = true;
	run.config.namespaces[CONTAINER_NS_USER].wanted = true;
	if (userns_maps_of_caller(&run.config.id_maps, &run.error) < 0 ||
		!run.config.id_maps.single)
		return 2;
	/* The mount points that must not be made in a root that is not theirs are there already:
	 * earlier cases ran as root. */
	start(&run);
	if (run.status < 0) {
		print_error("%s\n", run.error.message);
		return 3;
	}
	strv_push(&process.args, "true");
	strv_push(&process.env, "PATH=/bin");
	if (container_exec(&run.config, run.handle.pid, &process, &options, &handle, &run.error) <
			0 ||
		container_release(&handle, &run.error) < 0) {
		print_error("%s\n", run.error.message);
		return 4;
	}
	if (waitpid(handle.pid, &status, 0) != handle.pid || status != 0)
		return 5;
	if (io_read_fd(run.output_fd, 1 << 20, &run.output, NULL) < 0 ||
		waitpid(run.handle.pid, &status, 0) != run.handle.pid || status != 0)
		return 6;
	if (!str_after_prefix(run.output, "0\n") || !strstr(run.output, " 65534 ")) {
		print_error("%s\n", run.output);
		return 7;
	}
	return 0;
}

static void ordinary_users_get_a_user_namespace(void **state)
{
	int status;
	pid_t pid;

	require_root();
	pid = fork();
	if (pid == 0)
		_exit(run_as_nobody());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void a_stopped_root_can_be_opened(void **state)
{
	_cleanup_close_ int root = -1;
	struct run run;

	configure(&run, "");
	assert_int_equal(container_open_rootfs(&run.config, &root, NULL, &run.error), 0);
	assert_int_equal(faccessat(root, "bin/busybox", X_OK, 0), 0);
	release(&run);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(namespaces_are_new),
		cmocka_unit_test(mounts_are_dockers),
		cmocka_unit_test(rights_are_dropped),
		cmocka_unit_test(users_are_looked_up_inside),
		cmocka_unit_test(limits_are_set),
		cmocka_unit_test(exit_codes_come_back),
		cmocka_unit_test(failures_say_what_and_why),
		cmocka_unit_test(layers_are_an_overlay),
		cmocka_unit_test(volumes_are_bound),
		cmocka_unit_test(links_do_not_lead_out),
		cmocka_unit_test(our_own_program_is_refused),
		cmocka_unit_test(nothing_of_ours_leaks),
		cmocka_unit_test(exec_joins),
		cmocka_unit_test(terminals_are_the_containers),
		cmocka_unit_test(devices_as_streams_keep_their_owner),
		cmocka_unit_test(mounts_can_be_shared),
		cmocka_unit_test(namespaces_can_be_shared),
		cmocka_unit_test(ids_can_be_mapped),
		cmocka_unit_test(clocks_can_be_shifted),
		cmocka_unit_test(ordinary_users_get_a_user_namespace),
		cmocka_unit_test(a_stopped_root_can_be_opened),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
