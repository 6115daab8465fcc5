/* SPDX-License-Identifier: Apache-2.0 */
/*
 * share.h - folders of the host for a guest with a kernel of its own: a server of FUSE requests
 * (linux/fuse.h is the protocol's specification), as virtio-fs brings them.
 *
 * The server is a process of its own, which has nothing but these folders: a user and mount
 * namespace whose root is one small tree with the shares in it, no network, no right beyond what a
 * file's owner has, and a list of system calls. The requests' memory is the guest's, which the
 * server has at the same addresses as the process that forks it, so no byte of a file is copied on
 * the way.
 *
 * In the server's namespace the ids are those of the caller's containers (base/userns.h): for root,
 * the guest's ids are the host's; for a user, the guest's root is the user, and others are of the
 * user's subordinate range.
 *
 * Several requests are served at the same time, so that one that waits for a disk holds up no
 * other; what depends on each other, the guest's kernel asks one after the other. Nothing that is
 * asked waits for another process, so nothing has to be interrupted.
 *
 * Locks (fcntl, flock) are the guest's own: they hold among its processes, and the host knows
 * nothing of them. Nothing of a file is cached longer than a second without asking; what the host
 * changes is seen then.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/error.h"

#define SHARE_NAME_MAX	 63
#define SHARES_MAX	 32
#define SHARE_PARTS_MAX	 256 /* of a request */
#define SHARE_PAGES_MAX	 240 /* of data in it; the rest is for headers */
#define SHARE_PAGE_BYTES 4096u

struct share {
	const char *name; /* what the guest sees in the tree's root; no "/" in it */
	const char *path; /* a folder or a file of the host */
	bool is_readonly;
};

/* "NAME=PATH[:ro]" into the caller's memory, which `text` is cut up in. */
int share_parse(char *text, struct share *ret, struct error *err);

/* --- requests ----------------------------------------------------------------------------------
 */

struct share_session;
struct share_buffers;

/*
 * A session that serves the tree at `root_fd`. `proc_fd` is /proc/self/fd, and becomes the working
 * folder. Both descriptors are the session's from now on, even if this fails.
 */
int share_session_open(int root_fd, int proc_fd, struct share_session **ret, struct error *err);
struct share_session *share_session_free(struct share_session *session);
/* Forget all that the guest has open or knows. */
void share_session_reset(struct share_session *session);
/* Room for one request at a time: each thread that serves has its own. NULL: there is no memory. */
struct share_buffers *share_buffers_new(void);
struct share_buffers *share_buffers_free(struct share_buffers *buffers);
/*
 * Serve one request, in at most SHARE_PARTS_MAX parts: `out` is what the guest has written, `in`
 * where the answer goes. How many bytes the answer has; 0: there is none. Both may be any memory
 * that others change at the same time. From any thread, while others serve others. Where it must
 * not wait for a disk but would, SHARE_WAITS comes back instead, and nothing has happened yet. What
 * is known only to the file system, as where the kernel finds a name, is waited for all the same.
 */
#define SHARE_WAITS SIZE_MAX
size_t share_session_serve(struct share_session *session, struct share_buffers *buffers,
	bool may_wait, const struct iovec *out, unsigned nr_out, const struct iovec *in,
	unsigned nr_in);

/*
 * All that the guest knows and has open, to a file that is cut off first, and from one, in place of
 * what the session had. A negative errno, or 0; -EINVAL: the file is damaged, and the session is as
 * new. What cannot be found again is ESTALE for the guest.
 */
int share_session_save(struct share_session *session, int fd);
int share_session_restore(struct share_session *session, int fd);

/* --- the server --------------------------------------------------------------------------------
 */

/* What goes to the server, in one message: of `parts`, only those that there are. */
struct share_message {
	uint32_t id; /* or one of those below: `written` of the answer is 0 or an errno */
	uint16_t nr_out, nr_in;
	struct iovec parts[SHARE_PARTS_MAX];
};

#define SHARE_RESET	   UINT32_MAX /* forget everything */
#define SHARE_SAVE	   (UINT32_MAX - 1) /* share_session_save() to the file of the state... */
#define SHARE_RESTORE	   (UINT32_MAX - 2) /* ...and back. No request is under way */
#define SHARE_MESSAGE_HEAD offsetof(struct share_message, parts)

/* What comes back. */
struct share_answer {
	uint32_t id, written;
};

struct share_server {
	pid_t pid;
	int pidfd;
	int fd; /* SOCK_SEQPACKET */
	int state_fd; /* a file in memory that it can read and write, too */
};

/*
 * Start it. `memory` is what requests can be in; of all else that the caller shares with others,
 * the server keeps nothing. It waits until the server stands, so that what is wrong with a share is
 * told here.
 */
int share_server_start(const struct share *shares, size_t nr, const struct iovec *memory,
	size_t nr_memory, struct share_server *ret, struct error *err);
/* Ends it, without a signal. One that was never started (all zero) is fine. */
void share_server_stop(struct share_server *server);
