/* SPDX-License-Identifier: Apache-2.0 */
/*
 * names.c - a network's names: dnsmasq(8) on the gateway's addresses, and the files it reads.
 *
 * dnsmasq hangs on a process of ours that is the first one of a pid namespace, ends when the keeper
 * does, however that ends, and takes the namespace with it: no kill leaves a name server behind. It
 * gives up root by itself, so it gets a place where it may read: a file system of its own mounts,
 * with the folder of names at /tmp. A file that comes, changes or goes there is seen at once
 * (inotify).
 *
 * An instance is known by its name, the first digits of its ID, and its aliases; names without a
 * dot are never asked outside, and neither is anything from an internal network.
 */
#include "network/keep.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/io.h"
#include "network/internal.h"

#define FOLDER		 "/tmp" /* in dnsmasq's own mounts */
#define START_TIMEOUT_NS INT64_C(10000000000)
#define ASK_EVERY_MS	 5
#define SHORT_ID	 12

/* --- files ----------------------------------------------------------------------------------- */

static void append_line(struct str *s, const struct network_endpoint *endpoint,
	const struct network_address *address)
{
	char text[NETWORK_ADDRESS_TEXT];

	if (!address->family)
		return;
	str_appendf(s, "%s", network_address_format(text, address));
	if (endpoint->instance)
		str_appendf(s, " %s", endpoint->instance);
	str_appendf(s, " %.*s", SHORT_ID, endpoint->id);
	strv_for_each (alias, endpoint->aliases)
		str_appendf(s, " %s", *alias);
	str_append(s, "\n");
}

char *names_text(const struct network_endpoint *endpoint)
{
	struct str s = { 0 };

	str_append(&s, "");
	append_line(&s, endpoint, &endpoint->ip);
	append_line(&s, endpoint, &endpoint->ip6);
	return str_finish(&s);
}

static const struct network_endpoint *find(
	const struct network_endpoint *endpoints, size_t count, const char *id)
{
	for (size_t i = 0; i < count; i++)
		if (streq(endpoints[i].id, id))
			return &endpoints[i];
	return NULL;
}

static int open_folder(const struct names *names, struct error *err)
{
	_cleanup_free_ char *path = network_run_path(names->roots, names->network->name, "names");
	int fd;

	if (!path)
		return error_oom(err);
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return error_errno(err, errno, "cannot make %s", path);
	fd = io_open_dir(AT_FDCWD, path);
	return fd < 0 ? error_errno(err, fd, "cannot open %s", path) : fd;
}

/* An unchanged one is left alone: dnsmasq would read it again. */
static int write_one(int dir_fd, const struct network_endpoint *endpoint, struct error *err)
{
	_cleanup_free_ char *text = names_text(endpoint), *old = NULL;

	if (!text)
		return error_oom(err);
	if (io_read_file(dir_fd, endpoint->id, NETWORK_ENDPOINT_MAX, &old, NULL, NULL) == 0 &&
		streq(old, text))
		return 0;
	return io_replace_file(dir_fd, endpoint->id, 0644, text, strlen(text), IO_VOLATILE, err);
}

int names_set(struct names *names, const struct network_endpoint *endpoints, size_t nr_endpoints,
	struct error *err)
{
	int fd = open_folder(names, err), r = 0;
	_cleanup_closedir_ DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;

	if (!dir)
		return fd < 0 ? fd : error_oom(err);
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.' && !find(endpoints, nr_endpoints, entry->d_name))
			unlinkat(fd, entry->d_name, 0);
	for (size_t i = 0; r == 0 && i < nr_endpoints; i++)
		r = write_one(fd, &endpoints[i], err);
	return r;
}

/* --- the process ----------------------------------------------------------------------------- */

static int add_arguments(const struct network *network, char ***argv)
{
	static const char *const always[] = { "dnsmasq", "--keep-in-foreground",
		"--conf-file=/dev/null", "--pid-file=", "--no-hosts", "--bind-interfaces",
		"--log-facility=-", "--domain-needed", "--local-ttl=0", "--no-negcache",
		"--hostsdir=" FOLDER "/names" };
	char text[NETWORK_ADDRESS_TEXT];
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(always); i++)
		r = strv_push(argv, always[i]);
	for (size_t i = 0; r == 0 && i < network->nr_subnets; i++)
		r = strv_pushf(argv, "--listen-address=%s",
			network_address_format(text, &network->subnets[i].gateway));
	if (r == 0 && network->internal)
		r = strv_push(argv, "--no-resolv");
	return r;
}

/* As the first process of its namespace; what is wrong is said as dnsmasq would. */
static void be_first(const struct names *names, int alive_fd, int words_fd)
	__attribute__((noreturn));

static void give_up(const char *what)
{
	dprintf(STDERR_FILENO, "dnsmasq: %s: %s\n", what, strerror(errno));
	_exit(1);
}

static void be_first(const struct names *names, int alive_fd, int words_fd)
{
	struct pollfd keeper = { .fd = alive_fd };
	_cleanup_strv_ char **argv = NULL;
	char folder[40];
	sigset_t none;
	int status, folder_fd;
	pid_t pid;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* The keeper has the other end: it may have ended before. */
	if (poll(&keeper, 1, 0) != 0)
		_exit(1);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	dup2(words_fd, STDOUT_FILENO);
	dup2(words_fd, STDERR_FILENO);
	/* Opened here, for it to be of our own mounts, and before something lies over it. */
	folder_fd = open_folder(names, NULL);
	snprintf(folder, sizeof(folder), "/proc/self/fd/%d", folder_fd);
	if (folder_fd < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0 ||
		mount("tmpfs", FOLDER, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
			"mode=755,size=64k") < 0 ||
		mkdir(FOLDER "/names", 0755) < 0 ||
		mount(folder, FOLDER "/names", NULL, MS_BIND, NULL) < 0)
		give_up("cannot make a place for the names");
	if (add_arguments(names->network, &argv) < 0)
		_exit(1);
	pid = fork();
	if (pid == 0) {
		execvp("dnsmasq", argv);
		if (errno == ENOENT)
			dprintf(STDERR_FILENO, "dnsmasq: it is not installed\n");
		else
			give_up("cannot execute it");
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	_exit(1);
}

/* The last line it said, without its name. */
static int explain(struct names *names, struct error *err)
{
	char words[1024];
	ssize_t n = read(names->words_fd, words, sizeof(words) - 1);
	char *line = words, *end;

	words[n > 0 ? n : 0] = '\0';
	end = strchr(words, '\n');
	if (end)
		*end = '\0';
	if (str_after_prefix(line, "dnsmasq: "))
		line += strlen("dnsmasq: ");
	return error_set(err, EIO, "its name server, dnsmasq, does not start: %s",
		*line ? line : "it ended");
}

/* A question that it can answer by itself: localhost. RFC 1035 §4. */
static int ask(const struct network_address *server)
{
	static const uint8_t question[] = { 0x73, 0x74, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 9, 'l', 'o',
		'c', 'a', 'l', 'h', 'o', 's', 't', 0, 0, 1, 0, 1 };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(53) };
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(53) };
	bool is_ipv4 = server->family == AF_INET;
	int fd = socket(server->family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	memcpy(&in.sin_addr, server->bytes, sizeof(in.sin_addr));
	memcpy(&in6.sin6_addr, server->bytes, sizeof(in6.sin6_addr));
	if (connect(fd, is_ipv4 ? (struct sockaddr *)&in : (struct sockaddr *)&in6,
		    is_ipv4 ? sizeof(in) : sizeof(in6)) < 0 ||
		send(fd, question, sizeof(question), MSG_NOSIGNAL) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	return fd;
}

/* Until it answers. It ends when it cannot start, and says why. */
static int await(struct names *names, struct error *err)
{
	int64_t end = clock_monotonic_ns() + START_TIMEOUT_NS;
	const struct network_address *server = &names->network->subnets[0].gateway;

	while (clock_monotonic_ns() < end) {
		_cleanup_close_ int fd = ask(server);
		struct pollfd p[2] = { { .fd = fd, .events = POLLIN },
			{ .fd = names->words_fd, .events = 0 } };
		char answer[512];

		if (poll(p, 2, ASK_EVERY_MS) < 0 && errno != EINTR)
			break;
		if (fd >= 0 && p[0].revents && recv(fd, answer, sizeof(answer), 0) > 0)
			return 0;
		if (p[1].revents & POLLHUP)
			return explain(names, err);
		/* Refused at once: not yet. */
		if (p[0].revents)
			poll(NULL, 0, ASK_EVERY_MS);
	}
	return error_set(err, ETIMEDOUT, "its name server, dnsmasq, does not answer");
}

int names_start(struct names *names, struct error *err)
{
	int alive[2], words[2];
	long pid;

	names->alive_fd = names->words_fd = -1;
	if (pipe2(alive, O_CLOEXEC) < 0)
		return error_errno(err, errno, "cannot make a pipe");
	if (pipe2(words, O_CLOEXEC | O_NONBLOCK) < 0) {
		close(alive[0]);
		close(alive[1]);
		return error_errno(err, errno, "cannot make a pipe");
	}
	/* fork(2) with namespaces. */
	pid = syscall(SYS_clone, CLONE_NEWPID | CLONE_NEWNS | SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid == 0) {
		close(alive[1]);
		be_first(names, alive[0], words[1]);
	}
	close(alive[0]);
	close(words[1]);
	names->pid = pid > 0 ? (int)pid : 0;
	names->alive_fd = alive[1];
	names->words_fd = words[0];
	if (pid < 0) {
		names_stop(names);
		return error_errno(err, errno, "cannot make a pid namespace for dnsmasq");
	}
	if (await(names, err) == 0)
		return 0;
	names_stop(names);
	return -EIO;
}

void names_stop(struct names *names)
{
	if (names->pid) {
		kill(names->pid, SIGKILL);
		while (waitpid(names->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	cleanup_close(&names->alive_fd);
	cleanup_close(&names->words_fd);
	names->pid = 0;
	names->alive_fd = names->words_fd = -1;
}
