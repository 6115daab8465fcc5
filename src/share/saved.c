/* SPDX-License-Identifier: Apache-2.0 */
/*
 * saved.c - a session in a file, and back: which files the guest knows, and which it has open.
 *
 * A node is saved with its name and its folder, and is opened again when it is asked for (nodes.c);
 * if another file is there by then, or none, the guest hears ESTALE, for that one alone. What was
 * open is opened again at once, with the same effect. A file without a name is gone.
 *
 *   struct saved_head, struct saved_node and its name for each node, struct saved_handle for each
 *
 * What is read may be any bytes.
 */
#include "share/internal.h"

#include <string.h>
#include <sys/uio.h>

#include "base/cleanup.h"

#define BUFFER_BYTES 65536u

struct saved_head {
	uint32_t nr_slots, nr_nodes, nr_handles;
	uint8_t is_initialized, has_submounts, unused[2];
};

struct saved_node {
	uint64_t dev, ino, lookups;
	uint32_t slot, generation, folder, type;
	uint32_t nr_name; /* bytes of the name behind it; 0: it has none */
	uint32_t unused;
};

struct saved_handle {
	uint32_t number, node;
	int32_t flags; /* open(2)'s */
	uint8_t is_folder, appends, unused[2];
};

/* A file in pieces, one way or the other. */
struct stream {
	int fd;
	off_t at;
	size_t used, size; /* bytes of the buffer that were taken; that there are */
	int error; /* the first that has come up */
	uint8_t buffer[BUFFER_BYTES];
};

/* --- saving ----------------------------------------------------------------------------------- */

static void flush(struct stream *out)
{
	for (size_t done = 0; done < out->used && !out->error;) {
		const struct iovec part = { out->buffer + done, out->used - done };
		ssize_t n = pwritev2(out->fd, &part, 1, out->at, 0);

		if (n <= 0) {
			out->error = n < 0 ? -errno : -EIO;
			break;
		}
		done += (size_t)n;
		out->at += n;
	}
	out->used = 0;
}

/* `size` is less than the buffer's. */
static void put(struct stream *out, const void *bytes, size_t size)
{
	if (out->used + size > sizeof(out->buffer))
		flush(out);
	memcpy(out->buffer + out->used, bytes, size);
	out->used += size;
}

static void put_node(struct stream *out, const struct share_session *s, uint32_t slot)
{
	const struct node *node = &s->nodes[slot];
	const char *name = node->is_kept || !node->name ? "" : node->name;
	const struct saved_node saved = {
		.dev = node->dev,
		.ino = node->ino,
		.lookups = node->lookups,
		.slot = slot,
		.generation = node->generation,
		.folder = node->folder,
		.type = node->type,
		.nr_name = (uint32_t)strlen(name),
	};

	put(out, &saved, sizeof(saved));
	put(out, name, saved.nr_name);
}

static void put_handle(struct stream *out, const struct share_session *s, uint32_t number)
{
	const struct handle *handle = &s->handles[number];
	const struct saved_handle saved = {
		.number = number,
		.node = handle->node,
		.flags = handle->is_gone ? 0 : fcntl(handle->fd, F_GETFL),
		.is_folder = handle->is_folder,
		.appends = handle->appends,
	};

	put(out, &saved, sizeof(saved));
}

static bool is_open(const struct handle *handle)
{
	return handle->fd >= 0 || handle->is_gone;
}

static int save(struct share_session *s, struct stream *out)
{
	struct saved_head head = {
		.nr_slots = s->nr_nodes,
		.nr_nodes = s->nr_used - 1, /* the root is there by itself */
		.is_initialized = s->is_initialized,
		.has_submounts = s->has_submounts,
	};

	for (uint32_t i = 0; i < SESSION_HANDLES_MAX; i++)
		head.nr_handles += is_open(&s->handles[i]);
	put(out, &head, sizeof(head));
	for (uint32_t i = 1; i < s->nr_nodes; i++)
		if (s->nodes[i].lookups)
			put_node(out, s, i);
	for (uint32_t i = 0; i < SESSION_HANDLES_MAX; i++)
		if (is_open(&s->handles[i]))
			put_handle(out, s, i);
	flush(out);
	return out->error;
}

int share_session_save(struct share_session *s, int fd)
{
	_cleanup_free_ struct stream *out = calloc(1, sizeof(*out));
	int r;

	if (!out)
		return -ENOMEM;
	out->fd = fd;
	if (ftruncate(fd, 0) < 0)
		return -errno;
	pthread_rwlock_wrlock(&s->life);
	r = save(s, out);
	pthread_rwlock_unlock(&s->life);
	return r;
}

/* --- restoring -------------------------------------------------------------------------------- */

/* All of it, or -EINVAL: the file ends before. */
static int get(struct stream *in, void *to, size_t size)
{
	for (size_t done = 0; done < size;) {
		size_t n = in->size - in->used < size - done ? in->size - in->used : size - done;
		const struct iovec whole = { in->buffer, sizeof(in->buffer) };
		ssize_t more;

		memcpy((uint8_t *)to + done, in->buffer + in->used, n);
		done += n;
		in->used += n;
		if (done == size)
			break;
		more = preadv(in->fd, &whole, 1, in->at);
		if (more <= 0)
			return more < 0 ? -errno : -EINVAL;
		in->at += more;
		in->used = 0;
		in->size = (size_t)more;
	}
	return 0;
}

static int get_node(struct stream *in, struct share_session *s)
{
	struct saved_node saved;
	char name[NAME_MAX + 1];
	struct node node = { .fd = -1 };
	int r = get(in, &saved, sizeof(saved));

	if (r < 0 || saved.nr_name > NAME_MAX || saved.folder >= s->nr_nodes)
		return r < 0 ? r : -EINVAL;
	r = get(in, name, saved.nr_name);
	name[saved.nr_name] = '\0';
	if (r < 0 || strlen(name) != saved.nr_name || strchr(name, '/') || !strcmp(name, ".") ||
		!strcmp(name, ".."))
		return r < 0 ? r : -EINVAL;
	node.dev = saved.dev;
	node.ino = saved.ino;
	node.lookups = saved.lookups;
	node.generation = saved.generation;
	node.folder = saved.folder;
	node.type = saved.type & S_IFMT;
	node.name = saved.nr_name ? strdup(name) : NULL;
	r = saved.nr_name && !node.name ? -ENOMEM : node_put(s, saved.slot, &node);
	if (r < 0)
		free(node.name);
	return r;
}

/* Flags that mean the same for a file that is there. */
#define FLAGS_AGAIN (O_ACCMODE | O_SYNC | O_DSYNC | O_DIRECTORY)

static int get_handle(struct stream *in, struct share_session *s)
{
	struct saved_handle saved;
	struct handle *handle;
	struct node *node;
	int r = get(in, &saved, sizeof(saved));

	if (r < 0 || saved.number >= SESSION_HANDLES_MAX || is_open(&s->handles[saved.number]))
		return r < 0 ? r : -EINVAL;
	handle = &s->handles[saved.number];
	*handle = (struct handle){ .fd = -1,
		.is_folder = saved.is_folder,
		.appends = saved.appends,
		.node = saved.node,
		.position = -1 };
	if (node_hold(s, (uint64_t)saved.node + 1, &node) == 0) {
		if ((node->type == S_IFDIR) == handle->is_folder)
			handle->fd = node_open(s, node, saved.flags & FLAGS_AGAIN);
		node->nr_handles++;
		node_release(s, node);
	}
	handle->is_gone = handle->fd < 0;
	if (handle->fd < 0)
		handle->fd = -1;
	return 0;
}

static int restore(struct share_session *s, struct stream *in)
{
	struct saved_head head;
	int r = get(in, &head, sizeof(head));

	if (r < 0 || head.nr_slots < 1 || head.nr_slots > SESSION_NODES_MAX ||
		head.nr_nodes >= head.nr_slots || head.nr_handles > SESSION_HANDLES_MAX)
		return r < 0 ? r : -EINVAL;
	s->nr_nodes = head.nr_slots;
	for (uint32_t i = 0; i < head.nr_nodes && r == 0; i++)
		r = get_node(in, s);
	for (uint32_t i = 0; i < head.nr_handles && r == 0; i++)
		r = get_handle(in, s);
	nodes_find_free(s);
	s->is_initialized = head.is_initialized;
	s->has_submounts = head.has_submounts;
	return r;
}

int share_session_restore(struct share_session *s, int fd)
{
	_cleanup_free_ struct stream *in = calloc(1, sizeof(*in));
	int r;

	if (!in)
		return -ENOMEM;
	in->fd = fd;
	pthread_rwlock_wrlock(&s->life);
	session_reset(s);
	r = restore(s, in);
	if (r < 0)
		session_reset(s);
	pthread_rwlock_unlock(&s->life);
	return r;
}
