/* SPDX-License-Identifier: Apache-2.0 */
/*
 * porter.c - the porter's process, and what the machine says to it: one question, one answer, over
 * a pair of sockets whose end is the porter's end.
 */
#include "machine/porter.h"

#include <assert.h>
#include <limits.h>
#include <stddef.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/confine.h"
#include "base/io.h"
#include "base/passing.h"
#include "base/rights.h"
#include "base/str.h"

#define SNAPSHOTS_MAX 1000 /* beside each other */

enum verb {
	CONNECT, /* to a port */
	MAKE_SNAPSHOT, /* whole, or a difference */
	FINISH_SNAPSHOT, /* whole, or not */
	REMOVE, /* enum porter_socket */
	NR_VERBS,
};

struct request {
	uint32_t verb, argument;
	char id[SNAPSHOT_ID_SIZE]; /* that a difference has as its base; else "" */
};

struct answer {
	int32_t result; /* 0 or -errno; with it come descriptors */
	char path[PATH_MAX]; /* of a snapshot; as much as there is of it */
};

static_assert(SNAPSHOT_FILES_MAX <= PASSING_FDS_MAX, "they come in one message");

struct porter {
	pid_t pid;
	int fd; /* SOCK_SEQPACKET */
	const char *snapshot; /* the configuration's */
};

/* Of a socket that is there by our configuration's word. */
static const char *path_of(const struct machine_config *config, unsigned which)
{
	switch (which) {
	case PORTER_MONITOR:
		return config->monitor;
	case PORTER_VSOCK:
		return config->vsock_path;
	default:
		return config->gdb && strchr(config->gdb, '/') ? config->gdb : NULL;
	}
}

/* --- the process ------------------------------------------------------------------------------ */

/* Names by the descriptors of their folders, and what is made at them. NULL: there is none. */
struct names {
	char *sockets[PORTER_SOCKETS], *snapshot;
	bool has_several; /* snapshots: one behind the other */
	char *base; /* the last one, or that the machine goes on from; by its real path */
	char *made; /* that is being made */
	bool is_difference;
};

static int connect_port(const char *path, uint32_t port)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = -1;

	if (!path ||
		(size_t)snprintf(address.sun_path, sizeof(address.sun_path), "%s_%u", path, port) >=
			sizeof(address.sun_path))
		return -ECONNREFUSED;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (void *)&address, sizeof(address)) < 0)
		return -ECONNREFUSED;
	return steal_fd(&fd);
}

static int remove_socket(const struct names *names, uint32_t which)
{
	if (which >= PORTER_SOCKETS || !names->sockets[which])
		return -ENOENT;
	return unlink(names->sockets[which]) < 0 ? -errno : 0;
}

/* The first name that is free, of a machine that makes several. */
static char *find_name(const struct names *names)
{
	char *name = strf("%s", names->snapshot);

	for (unsigned i = 1; names->has_several && name && access(name, F_OK) == 0; i++) {
		free(name);
		name = i > SNAPSHOTS_MAX ? NULL : strf("%s.%u", names->snapshot, i);
	}
	return name;
}

static int make_snapshot(struct names *names, const char *id, struct snapshot_folder *ret)
{
	int r = 0;

	if (!names->snapshot || names->made)
		return -EINVAL;
	if (*id)
		r = names->base ? snapshot_folder_check(names->base, id, NULL) : -ESTALE;
	if (r < 0)
		return r;
	names->made = find_name(names);
	if (!names->made)
		return -EEXIST;
	names->is_difference = *id;
	r = snapshot_folder_make(names->made, ret, NULL);
	if (r < 0)
		free(steal_ptr(&names->made));
	return r;
}

static int finish_snapshot(struct names *names, bool is_whole)
{
	_cleanup_free_ char *made = steal_ptr(&names->made);
	int r;

	if (!made)
		return -EINVAL;
	r = snapshot_folder_finish(made, names->is_difference ? names->base : NULL, is_whole, NULL);
	if (r == 0 && is_whole) {
		free(names->base);
		names->base = realpath(made, NULL);
	}
	return r;
}

/* The answer, and the descriptors that go with it, which are closed then. */
static int answer_one(struct names *names, const struct request *request, struct answer *answer,
	struct snapshot_folder *folder, int fds[SNAPSHOT_FILES_MAX])
{
	int r;

	switch (request->verb) {
	case CONNECT:
		r = fds[0] = connect_port(names->sockets[PORTER_VSOCK], request->argument);
		answer->result = r < 0 ? r : 0;
		return r >= 0;
	case MAKE_SNAPSHOT:
		answer->result = make_snapshot(names, request->id, folder);
		if (answer->result < 0)
			return 0;
		snprintf(answer->path, sizeof(answer->path), "%s", folder->path);
		memcpy(fds, folder->fds, sizeof(folder->fds));
		return SNAPSHOT_FILES_MAX;
	case FINISH_SNAPSHOT:
		answer->result = finish_snapshot(names, request->argument);
		return 0;
	case REMOVE:
		answer->result = remove_socket(names, request->argument);
		return 0;
	default:
		answer->result = -EINVAL;
		return 0;
	}
}

static void serve(struct names *names, int fd)
{
	struct request request;
	int fds[SNAPSHOT_FILES_MAX], r = 0;

	while (r == 0 && recv(fd, &request, sizeof(request), 0) == sizeof(request)) {
		struct snapshot_folder folder = { 0 };
		struct answer answer = { 0 };
		int nr;

		request.id[SNAPSHOT_ID_SIZE - 1] = '\0';
		nr = answer_one(names, &request, &answer, &folder, fds);
		r = passing_send(fd, &answer,
			offsetof(struct answer, path) + strlen(answer.path) + 1, fds, (unsigned)nr);
		while (nr > 0)
			close(fds[--nr]);
		free(folder.path);
	}
}

/* What is at `path`, by the descriptor of its folder, *ret_fd; -1 when that is not there, and so
 * nothing in it. */
static int keep_folder(const char *path, int *ret_fd, char **ret)
{
	const char *slash = path ? strrchr(path, '/') : NULL;
	_cleanup_free_ char *folder = NULL;

	*ret_fd = -1;
	if (!path)
		return 0;
	folder = slash ? strf("%.*s/", (int)(slash - path), path) : strf("./");
	if (!folder)
		return -ENOMEM;
	*ret_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	*ret = strf("/proc/self/fd/%d/%s", *ret_fd, slash ? slash + 1 : path);
	return *ret ? 0 : -ENOMEM;
}

/* With sockets, and with the files of a snapshot. */
static const struct confine_call calls[] = {
	/* the machine's questions */
	ALLOW(SYS_recvfrom),
	ALLOW(SYS_sendmsg),
	ALLOW(SYS_close),
	/* ports */
	ALLOW_EQUAL(SYS_socket, 0, AF_UNIX),
	ALLOW(SYS_connect),
	/* snapshot-folder.c, and what it removes */
	ALLOW(SYS_openat),
	ALLOW(SYS_read),
	ALLOW(SYS_fstat),
	ALLOW(SYS_newfstatat),
	ALLOW(SYS_getdents64),
	ALLOW(SYS_fcntl),
	ALLOW(SYS_fsync),
	ALLOW(SYS_unlinkat),
	ALLOW(SYS_symlinkat),
/* the same by the names that this kernel, or this C library, has for them */
#ifdef SYS_access
	ALLOW(SYS_access),
	ALLOW(SYS_mkdir),
	ALLOW(SYS_rename),
	ALLOW(SYS_unlink),
	ALLOW(SYS_symlink),
	ALLOW(SYS_rmdir),
	ALLOW(SYS_readlink),
#endif
	ALLOW(SYS_faccessat),
	ALLOW(SYS_mkdirat),
	ALLOW(SYS_renameat2),
	ALLOW(SYS_readlinkat),
	ALLOW(SYS_getcwd),
};

static const struct confine_list own_list = CONFINE_LIST(calls);
static const struct confine_list *const list = &own_list;

/* Nothing of the machine's or of those who started it, but the socket, the folders, and where it
 * says why it has ended. Files of others are the machine's to use when root runs it. */
static int leave_machine(const struct machine_config *config, int fd, struct names *names)
{
	int kept[PORTER_SOCKETS + 3] = { [PORTER_SOCKETS + 1] = fd, STDERR_FILENO };
	int r = keep_folder(config->snapshot, &kept[PORTER_SOCKETS], &names->snapshot);

	names->has_several = config->notes_writes;
	names->base = config->restore ? realpath(config->restore, NULL) : NULL;
	for (unsigned i = 0; i < PORTER_SOCKETS && r == 0; i++)
		r = keep_folder(path_of(config, i), &kept[i], &names->sockets[i]);
	if (r < 0)
		return r;
	io_keep_only(kept, ARRAY_SIZE(kept));
	/* A terminal's keys are not for us, nor is its name. */
	setsid();
	prctl(PR_SET_NAME, "strata-porter");
	if (chdir("/") < 0)
		return -errno;
	r = rights_drop(UINT64_C(1) << CAP_DAC_OVERRIDE);
	if (r == 0)
		r = confine_report();
	return r == 0 ? confine_thread("porter", &list, 1, NULL) : r;
}

static _Noreturn void run_porter(const struct machine_config *config, int fd)
{
	struct names names = { 0 };

	if (leave_machine(config, fd, &names) < 0)
		_exit(1);
	serve(&names, fd);
	_exit(0);
}

/* --- the machine's side ----------------------------------------------------------------------- */

static bool is_needed(const struct machine_config *config)
{
	bool needs_path = config->snapshot;

	for (unsigned i = 0; i < PORTER_SOCKETS; i++)
		needs_path = needs_path || path_of(config, i);
	return needs_path;
}

int porter_start(const struct machine_config *config, struct porter **ret, struct error *err)
{
	_cleanup_free_ struct porter *porter = NULL;
	int pair[2], e;

	*ret = NULL;
	if (!is_needed(config))
		return 0;
	porter = calloc(1, sizeof(*porter));
	if (!porter)
		return error_oom(err);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_errno(err, errno, "cannot create a pair of sockets");
	porter->pid = fork();
	if (porter->pid == 0)
		run_porter(config, pair[1]);
	e = errno;
	close(pair[1]);
	porter->fd = pair[0];
	porter->snapshot = config->snapshot;
	if (porter->pid < 0) {
		close(porter->fd);
		return error_errno(err, e, "cannot fork");
	}
	*ret = steal_ptr(&porter);
	return 0;
}

struct porter *porter_stop(struct porter *porter)
{
	if (!porter)
		return NULL;
	close(porter->fd);
	while (waitpid(porter->pid, NULL, 0) < 0 && errno == EINTR)
		;
	free(porter);
	return NULL;
}

/* -errno, the porter's or our own; *nr is how many descriptors came of those there is room for. */
static int ask(struct porter *porter, enum verb verb, uint32_t argument, const char *id,
	struct answer *ret, int *fds, unsigned *nr)
{
	struct request request = { .verb = verb, .argument = argument };
	ssize_t n;
	int r;

	snprintf(request.id, sizeof(request.id), "%s", id);
	r = passing_send(porter->fd, &request, sizeof(request), NULL, 0);
	if (r < 0)
		return r;
	n = passing_receive(porter->fd, ret, sizeof(*ret), fds, nr, 0);
	if (n < 0)
		return (int)n;
	ret->path[sizeof(ret->path) - 1] = '\0';
	return n > (ssize_t)offsetof(struct answer, path) ? ret->result : -EPIPE;
}

int porter_connect(struct porter *porter, uint32_t port)
{
	struct answer answer;
	unsigned nr = 1;
	int fd, r = ask(porter, CONNECT, port, "", &answer, &fd, &nr);

	return r < 0 ? r : nr == 1 ? fd : -EPIPE;
}

int porter_make_snapshot(
	struct porter *porter, const char *base, struct snapshot_folder *ret, struct error *err)
{
	struct answer answer = { 0 };
	unsigned nr = SNAPSHOT_FILES_MAX;
	int r;

	*ret = (struct snapshot_folder){ 0 };
	r = ask(porter, MAKE_SNAPSHOT, 0, base ? base : "", &answer, ret->fds, &nr);
	if (r == 0 && nr < SNAPSHOT_FILES_MAX)
		r = -EPIPE;
	if (r == 0) {
		ret->path = strf("%s", answer.path);
		r = ret->path ? 0 : -ENOMEM;
	}
	if (r < 0) {
		while (nr > 0)
			close(ret->fds[--nr]);
		return error_errno(err, r, "cannot save the machine to %s", porter->snapshot);
	}
	return 0;
}

int porter_finish_snapshot(struct porter *porter, bool is_whole, struct error *err)
{
	struct answer answer;
	unsigned nr = 0;
	int r = ask(porter, FINISH_SNAPSHOT, is_whole, "", &answer, NULL, &nr);

	return r < 0 ? error_errno(err, r, "cannot save the machine to %s", porter->snapshot) : 0;
}

void porter_remove(struct porter *porter, enum porter_socket which)
{
	struct answer answer;
	unsigned nr = 0;

	ask(porter, REMOVE, which, "", &answer, NULL, &nr);
}
