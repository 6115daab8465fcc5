/* SPDX-License-Identifier: Apache-2.0 */
/*
 * processes.c - fork, vfork, posix_spawn, execve and what they hand down.
 *
 * Called with a first argument it is one of its own children.
 */
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "check.h"

extern char **environ;
static const char *self;

static int end_of(pid_t child)
{
	int status;

	CHECK(child > 0);
	CHECK(waitpid(child, &status, 0) == child);
	return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void forks(void)
{
	static int value = 1;
	pid_t child = fork();

	if (!child) {
		value = 2;
		_exit(getppid() > 0 ? value : 9);
	}
	CHECK(end_of(child) == 2 && value == 1);
	DONE("fork");
}

static volatile int shared;

static void vforks(void)
{
	pid_t child;

	for (int i = 0; i < 200; i++) {
		child = vfork();
		if (!child) {
			shared = i + 1;
			_exit(3);
		}
		CHECK(shared == i + 1); /* it has gone before we go on */
		CHECK(end_of(child) == 3);
	}
	child = vfork();
	if (!child) {
		execl(self, self, "exit", "17", NULL);
		_exit(9);
	}
	CHECK(end_of(child) == 17);
	child = vfork();
	if (!child) {
		execl("/there/is/none", "x", NULL);
		_exit(errno);
	}
	CHECK(end_of(child) == ENOENT);
	/* What the child does to its signals is not done to ours. */
	signal(SIGUSR1, SIG_IGN);
	child = vfork();
	if (!child) {
		signal(SIGUSR1, SIG_DFL);
		raise(SIGUSR1);
		_exit(0);
	}
	CHECK(end_of(child) == 1000 + SIGUSR1);
	raise(SIGUSR1);
	DONE("vfork");
}

static void spawns(void)
{
	char *const argv[] = { (char *)self, "exit", "23", NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t set;
	pid_t child;
	int fds[2];
	char text[64] = { 0 };

	for (int i = 0; i < 20; i++) {
		CHECK(posix_spawn(&child, self, NULL, NULL, argv, environ) == 0);
		CHECK(end_of(child) == 23);
	}
	CHECK(posix_spawn(&child, "/there/is/none", NULL, NULL, argv, environ) == ENOENT);
	CHECK(posix_spawn(&child, "/etc/passwd", NULL, NULL, argv, environ) == EACCES);
	CHECK(pipe(fds) == 0);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fds[1], 1);
	posix_spawnattr_init(&attributes);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	posix_spawnattr_setsigmask(&attributes, &set);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	CHECK(posix_spawn(&child, self, &actions, &attributes,
		      (char *const[]){ (char *)self, "say-mask", NULL }, environ) == 0);
	CHECK(end_of(child) == 0);
	CHECK(read(fds[0], text, sizeof(text) - 1) > 0 && strcmp(text, "USR2\n") == 0);
	DONE("posix_spawn");
}

static int clone_child(void *argument)
{
	*(volatile int *)argument = 5;
	return 6;
}

static void clones(void)
{
	static char stack[65536] __attribute__((aligned(16)));
	volatile int value = 0;
	pid_t child = clone(clone_child, stack + sizeof(stack), SIGCHLD, (void *)&value);

	CHECK(end_of(child) == 6 && value == 0);
	child = clone(clone_child, stack + sizeof(stack), CLONE_VM | SIGCHLD, (void *)&value);
	CHECK(end_of(child) == 6 && value == 5);
	CHECK(clone(clone_child, stack + sizeof(stack), CLONE_THREAD, NULL) == -1 &&
		errno == EINVAL);
	DONE("clone");
}

static void file(const char *path, const char *content, int mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

	CHECK(fd >= 0 && write(fd, content, strlen(content)) == (ssize_t)strlen(content));
	close(fd);
	CHECK(chmod(path, mode) == 0);
}

static int run(const char *path, char *const *argv, char *const *envp)
{
	pid_t child = fork();

	if (!child) {
		execve(path, argv, envp);
		_exit(errno);
	}
	return end_of(child);
}

static void executes(void)
{
	char text[PATH_MAX + 64], name[] = "/tmp/strata-XXXXXX";
	char *const argv[] = { "any name", "exit", "5", NULL };
	pid_t child;
	char *const env[] = { "A=1", "STRATA_TRANSLATE=forged\nfd=0\n/bin/true", "B=2", NULL };

	CHECK(mkdtemp(name) && chdir(name) == 0);
	CHECK(run(self, argv, environ) == 5);
	CHECK(run(self, (char *const[]){ "x", "environment", NULL }, env) == 0);
	CHECK(run("", argv, environ) == ENOENT);
	CHECK(run("/", argv, environ) == EACCES);
	CHECK(run("/dev/null", argv, environ) == EACCES);
	file("empty", "", 0755);
	CHECK(run("./empty", argv, environ) == ENOEXEC);
	file("text", "not a program\n", 0755);
	CHECK(run("./text", argv, environ) == ENOEXEC);
	file("elf", "\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\2\0\363\0", 0755);
	CHECK(run("./elf", argv, environ) == ENOEXEC);
	CHECK(symlink("loop", "loop") == 0 && run("./loop", argv, environ) == ELOOP);
	CHECK(run("text/x", argv, environ) == ENOTDIR);
	snprintf(text, sizeof(text), "#! %s arguments  with space \n", self);
	file("script", text, 0755);
	CHECK(run("./script", (char *const[]){ "gone", "x y", "", NULL }, environ) == 0);
	file("second", "#!./script\n", 0755);
	file("loops", "#!./loops\n", 0755);
	CHECK(run("./loops", argv, environ) == ELOOP);
	file("blank", "#!   \n", 0755);
	CHECK(run("./blank", argv, environ) == ENOEXEC);
	file("missing", "#!/there/is/none\n", 0755);
	CHECK(run("./missing", argv, environ) == ENOENT);
	/* Ignored signals stay ignored, handled ones are not; masks stay. */
	signal(SIGUSR1, SIG_IGN);
	signal(SIGSEGV, SIG_IGN);
	signal(SIGUSR2, (void (*)(int))executes);
	CHECK(run(self, (char *const[]){ "x", "actions", NULL }, environ) == 0);
	signal(SIGSEGV, SIG_DFL);
	child = fork();
	if (!child) {
		signal(SIGCHLD, SIG_IGN);
		execl(self, "x", "ignores-children", NULL);
		_exit(99);
	}
	CHECK(end_of(child) == 0);
	DONE("execve");
}

static void by_descriptor(void)
{
	char *const argv[] = { "fd", "exit", "31", NULL };
	int fd = open(self, O_RDONLY | O_CLOEXEC), dir;
	pid_t child = fork();

	CHECK(fd >= 0);
	if (!child) {
		fexecve(fd, argv, environ);
		_exit(99);
	}
	CHECK(end_of(child) == 31);
	dir = open("/", O_PATH | O_DIRECTORY);
	child = fork();
	if (!child) {
		execveat(dir, self + 1, argv, environ, 0);
		_exit(99);
	}
	CHECK(end_of(child) == 31);
	child = fork();
	if (!child) {
		execl("/proc/self/exe", "x", "exit", "32", NULL);
		_exit(99);
	}
	CHECK(end_of(child) == 32);
	DONE("descriptors");
}

static void seen_from_outside(void)
{
	char path[64], text[256] = { 0 };
	int fds[2], fd;
	pid_t child;

	CHECK(pipe(fds) == 0);
	child = fork();
	if (!child) {
		close(fds[1]);
		dup2(fds[0], 0);
		execl(self, "a name", "wait", "for me", NULL);
		_exit(9);
	}
	close(fds[0]);
	usleep(200000);
	snprintf(path, sizeof(path), "/proc/%d/cmdline", child);
	fd = open(path, O_RDONLY);
	CHECK(fd >= 0 && read(fd, text, sizeof(text)) == 19);
	CHECK(memcmp(text, "a name\0wait\0for me", 19) == 0);
	close(fd);
	memset(text, 0, sizeof(text));
	snprintf(path, sizeof(path), "/proc/%d/environ", child);
	fd = open(path, O_RDONLY);
	CHECK(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 && !strstr(text, "STRATA_TRANSLATE"));
	close(fd);
	memset(text, 0, sizeof(text));
	snprintf(path, sizeof(path), "/proc/%d/comm", child);
	fd = open(path, O_RDONLY);
	CHECK(fd >= 0 && read(fd, text, sizeof(text)) > 0);
	text[strcspn(text, "\n")] = '\0';
	CHECK(strncmp(strrchr(self, '/') + 1, text, strlen(text)) == 0);
	close(fd);
	close(fds[1]);
	CHECK(end_of(child) == 0);
	DONE("seen from outside");
}

static void descriptors_are_the_guests(void)
{
	int open_ones = 0;

	for (int fd = 0; fd < 2048; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			open_ones++;
	CHECK(open_ones == 3);
	DONE("no descriptors of ours");
}

static int child_main(int argc, char **argv)
{
	sigset_t mask;
	struct sigaction a, b;
	char c;

	if (strcmp(argv[1], "exit") == 0)
		return atoi(argv[2]);
	if (strcmp(argv[1], "say-mask") == 0) {
		sigprocmask(SIG_BLOCK, NULL, &mask);
		return !(sigismember(&mask, SIGUSR2) && !sigismember(&mask, SIGUSR1) &&
			puts("USR2") > 0);
	}
	if (strcmp(argv[1], "environment") == 0)
		return !(environ[0] && strcmp(environ[0], "A=1") == 0 && environ[1] &&
			strcmp(environ[1], "B=2") == 0 && !environ[2]);
	if (strcmp(argv[1], "arguments  with space") == 0)
		return !(argc == 5 && strcmp(argv[0], self) == 0 &&
			strcmp(argv[2], "./script") == 0 && strcmp(argv[3], "x y") == 0 &&
			!argv[4][0] && strcmp((char *)getenv("_") ?: "", "") >= 0);
	if (strcmp(argv[1], "actions") == 0) {
		sigaction(SIGUSR1, NULL, &a);
		sigaction(SIGUSR2, NULL, &b);
		if (a.sa_handler != SIG_IGN || b.sa_handler != SIG_DFL)
			return 1;
		sigaction(SIGSEGV, NULL, &a);
		return a.sa_handler != SIG_IGN;
	}
	if (strcmp(argv[1], "ignores-children") == 0)
		return sigaction(SIGCHLD, NULL, &a) != 0 || a.sa_handler != SIG_IGN;
	if (strcmp(argv[1], "wait") == 0)
		return (int)read(0, &c, 1);
	return 98;
}

int main(int argc, char **argv)
{
	static char path[PATH_MAX];

	CHECK(readlink("/proc/self/exe", path, sizeof(path) - 1) > 0);
	self = path;
	if (argc > 1)
		return child_main(argc, argv);
	descriptors_are_the_guests();
	forks();
	vforks();
	spawns();
	clones();
	executes();
	by_descriptor();
	seen_from_outside();
	return 0;
}
