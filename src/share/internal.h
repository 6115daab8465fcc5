/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal.h - a session of the FUSE server: nodes, handles, and the request at work.
 *
 * A *node* is a file that the guest's kernel knows; it counts how often it was told of it
 * ("lookups"), and forgets by that number. A node has a descriptor that stands for the file
 * whatever it is called now (O_PATH). A *handle* is an open file or folder.
 *
 * Threads: a request is served by one, and *holds* the nodes and handles that it works with: while
 * it does, their descriptors stay what they are, whoever forgets or releases them. All else of the
 * tables is looked at and changed with the session's `lock`, which nodes.c alone takes. `life` is
 * held by each request, alone by those that begin or end a session.
 */
#pragma once

#include <fcntl.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <sys/stat.h>

#include "share/share.h"

#define SESSION_BUCKETS	    16384
#define SESSION_ARGS_MAX    (72u << 10) /* the largest is an extended attribute with its name */
#define SESSION_ANSWER_MAX  (128u << 10) /* folders are read in pieces of it */
#define SESSION_HANDLES_MAX 4096
#define SESSION_NODES_MAX   (1u << 19)
#define SESSION_VALID_S	    1 /* how long the guest need not ask again */
#define NODE_NONE	    UINT32_MAX

struct node {
	int fd; /* O_PATH; -1: it has none now */
	mode_t type; /* S_IFMT of its mode */
	dev_t dev;
	ino_t ino;
	uint64_t lookups; /* 0: this slot is free, or nearly: when nobody holds it */
	uint32_t nr_holders; /* requests */
	uint32_t generation;
	uint32_t next; /* in the bucket, or the next free slot */
	uint32_t nr_handles;
	uint32_t folder; /* the node's, in which it was last seen... */
	char *name; /* ...by this name; NULL: nobody knows */
	bool is_kept; /* its descriptor is all that leads to it */
};

struct handle {
	int fd; /* -1: this slot is free, unless: */
	bool is_gone; /* it was open when the session was saved, and could not be opened again */
	bool is_folder;
	bool appends;
	bool is_released; /* it goes when nobody holds it */
	uint32_t nr_holders; /* requests */
	uint32_t node;
	off_t position; /* of a folder; the guest reads one with one request at a time */
	uint32_t next_free;
};

struct share_session {
	pthread_rwlock_t life;
	pthread_mutex_t lock;
	int root_fd, proc_fd;
	struct node
		*nodes; /* SESSION_NODES_MAX; node n is the guest's n + 1; the first is the root */
	uint32_t nr_nodes, free_node;
	uint32_t nr_used;
	uint32_t nr_open, open_limit; /* nodes with a descriptor */
	uint32_t hand; /* where the next one that loses its descriptor is looked for */
	uint32_t buckets[SESSION_BUCKETS];
	struct handle handles[SESSION_HANDLES_MAX];
	uint32_t free_handle;
	bool is_initialized;
	bool has_submounts;
};

struct share_buffers {
	_Alignas(8) uint8_t args[SESSION_ARGS_MAX + 1]; /* a NUL behind them */
	_Alignas(8) uint8_t answer[SESSION_ANSWER_MAX];
	_Alignas(8) uint8_t folder[32u << 10]; /* what getdents64(2) says */
};

#define REQUEST_HANDLES_MAX 2

/* One request. Its arguments were copied once, and do not change any more. */
struct request {
	struct share_session *session;
	struct share_buffers *buffers;
	struct fuse_in_header header;
	struct node *node; /* that it is about, and holds */
	struct handle *handles[REQUEST_HANDLES_MAX]; /* that it holds, too */
	unsigned nr_handles;
	bool may_wait, would_wait; /* for a disk */
	bool has_met_gone; /* of the handles that it wanted, one is */
	const uint8_t *args; /* what follows the header */
	size_t nr_args;
	size_t at; /* how far take_*() have come in them */
	const struct iovec *out, *in;
	unsigned nr_out, nr_in;
	size_t out_bytes, in_bytes; /* of the whole request and the room for the whole answer */
};

/* An operation: how many bytes its answer has behind the header, or -errno. */
struct operation {
	const char *name;
	int (*run)(struct request *r);
	bool has_no_node; /* its node is not looked at */
	bool has_no_answer;
	bool waits; /* for a disk, always */
	bool is_alone; /* nothing else is served meanwhile */
};

/* --- session.c: arguments and answers --------------------------------------------------------- */

/* With `life` held alone. */
void session_reset(struct share_session *s);

/* The next `size` bytes of the arguments, or NULL: they are not all there. */
const void *request_take(struct request *r, size_t size);
/* The next string; NULL: no NUL is there. */
const char *request_take_string(struct request *r);
/* The next name in a folder: -EINVAL: it is none. */
int request_take_name(struct request *r, const char **ret);
/* An open file or folder, until the request is served; NULL: there is none by that number. At most
 * REQUEST_HANDLES_MAX times. */
struct handle *request_handle(struct request *r, uint64_t number, bool is_folder);
/* Put the answer's bytes: their number, or -ERANGE: there is no room. */
int request_answer(struct request *r, const void *bytes, size_t size);

/* --- nodes.c ---------------------------------------------------------------------------------- */

int nodes_init(struct share_session *s);
void nodes_free(struct share_session *s);
/* With a descriptor, for node_release(): 0, -ESTALE (it is not known, or not where it was),
 * -ENFILE. */
int node_hold(struct share_session *s, uint64_t id, struct node **ret);
/* NULL is fine. */
void node_release(struct share_session *s, struct node *node);
/* The node of what `fd` (O_PATH, given up) and `st` say, looked up once more as `name` in `folder`
 * (NULL: it has no name): its number, and which one by that number it is. */
int node_enter(struct share_session *s, int fd, const struct stat *st, const struct node *folder,
	const char *name, uint64_t *ret_id, uint32_t *ret_generation);
void node_forget(struct share_session *s, uint64_t id, uint64_t lookups);
/* Hold the node that `name` in `folder` is, if the guest knows it; else NULL. It may be without a
 * descriptor. */
struct node *node_hold_at(struct share_session *s, const struct node *folder, const char *name);
/* Its name is about to go: from now on, its descriptor stays. */
int node_keep(struct share_session *s, struct node *node);
/* It is called this now. */
void node_rename(
	struct share_session *s, struct node *node, const struct node *folder, const char *name);
/* Open what the node stands for, really. */
int node_open(struct share_session *s, const struct node *node, int flags);
/* Of a session that is made anew, with nr_nodes set: the node in a slot. -EINVAL: it cannot be. */
int node_put(struct share_session *s, uint32_t slot, const struct node *node);
/* Behind that, and when there are handles, too: what is free. */
void nodes_find_free(struct share_session *s);
/* Its place in /proc/self/fd, for calls that know paths only. */
#define NODE_PATH_MAX 12
void node_path(const struct node *node, char path[NODE_PATH_MAX]);
/* An open file's or folder's number, which is the guest's. fd is given up. */
int handle_add(struct share_session *s, uint64_t node, int fd, bool is_folder, bool appends,
	uint64_t *ret);
/* For handle_release(), or NULL. */
struct handle *handle_hold(struct share_session *s, uint64_t number, bool is_folder);
/* NULL is fine. */
void handle_release(struct share_session *s, struct handle *handle);
void handle_remove(struct share_session *s, uint64_t number, bool is_folder);

/* --- names.c ---------------------------------------------------------------------------------- */

/* Look a name up in the request's node: what the answer says of it. */
int names_look_up(struct request *r, const char *name, struct fuse_entry_out *ret);
/* The same of what is open already. */
int names_enter(struct request *r, int path_fd, const char *name, struct fuse_entry_out *ret);
void names_fill_attr(struct fuse_attr *attr, const struct stat *st);
int op_lookup(struct request *r);
int op_forget(struct request *r);
int op_batch_forget(struct request *r);
int op_readlink(struct request *r);
int op_symlink(struct request *r);
int op_mknod(struct request *r);
int op_mkdir(struct request *r);
int op_unlink(struct request *r);
int op_rmdir(struct request *r);
int op_rename(struct request *r);
int op_rename2(struct request *r);
int op_link(struct request *r);
/* A new file belongs to who asked for it. */
int names_give_to_caller(struct request *r, int fd, mode_t mode);

/* --- attributes.c ----------------------------------------------------------------------------- */

int op_getattr(struct request *r);
int op_setattr(struct request *r);
int op_statfs(struct request *r);
int op_setxattr(struct request *r);
int op_getxattr(struct request *r);
int op_listxattr(struct request *r);
int op_removexattr(struct request *r);

/* --- files.c ---------------------------------------------------------------------------------- */

int op_open(struct request *r);
int op_create(struct request *r);
int op_tmpfile(struct request *r);
int op_read(struct request *r);
int op_write(struct request *r);
int op_flush(struct request *r);
int op_fsync(struct request *r);
int op_release(struct request *r);
int op_lseek(struct request *r);
int op_fallocate(struct request *r);
int op_copy_file_range(struct request *r);
int op_syncfs(struct request *r);

/* --- folders.c -------------------------------------------------------------------------------- */

int op_opendir(struct request *r);
int op_readdir(struct request *r);
int op_readdirplus(struct request *r);
int op_fsyncdir(struct request *r);
int op_releasedir(struct request *r);

/* --- confine.c -------------------------------------------------------------------------------- */

/* In the server, after its ids are mapped: the tree of shares as the root of everything. */
int confine_to_shares(const struct share *shares, size_t nr, int *ret_root_fd, int *ret_proc_fd,
	struct error *err);
/* Then, of the one thread that there is: no rights but those that requests need... */
int confine_rights(struct error *err);
/* ...and of all that it has made by then: no system calls but those. */
int confine_calls(struct error *err);
