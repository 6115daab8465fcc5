/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nodes.c - what the guest knows of the tree: nodes by number and by file, handles by number.
 *
 * A file has one node, found by its device and inode number, which cannot be another file's while
 * the node's descriptor is there.
 */
#include "share/internal.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/cleanup.h"

#define NODES_FIRST 1024 /* room for so many at first */

static uint32_t *bucket_of(struct share_session *s, dev_t dev, ino_t ino)
{
	uint64_t hash = (ino ^ dev * UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0x9e3779b97f4a7c15);

	return &s->buckets[hash >> 32 & (SESSION_BUCKETS - 1)];
}

static int grow(struct share_session *s)
{
	uint32_t max = s->nodes_max ? s->nodes_max * 2 : NODES_FIRST;
	struct node *nodes = realloc(s->nodes, max * sizeof(*nodes));

	if (!nodes)
		return -ENOMEM;
	for (uint32_t i = s->nodes_max; i < max; i++)
		nodes[i] = (struct node){ .fd = -1 };
	s->nodes = nodes;
	s->nodes_max = max;
	return 0;
}

/* As many nodes as there can be descriptors for. */
static uint32_t limit_nodes(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur < 2 * SESSION_SPARE_FDS)
		return SESSION_SPARE_FDS;
	if (limit.rlim_cur - SESSION_SPARE_FDS > SESSION_NODES_MAX)
		return SESSION_NODES_MAX;
	return (uint32_t)(limit.rlim_cur - SESSION_SPARE_FDS);
}

static void put_root(struct share_session *s, const struct stat *st)
{
	struct node *root = &s->nodes[0];

	*root = (struct node){
		.fd = s->root_fd,
		.type = st->st_mode & S_IFMT,
		.dev = st->st_dev,
		.ino = st->st_ino,
		.lookups = 1,
		.next = NODE_NONE,
	};
	*bucket_of(s, st->st_dev, st->st_ino) = 0;
	s->nr_nodes = s->nr_used = 1;
}

int nodes_init(struct share_session *s)
{
	struct stat st;
	int r = s->nodes ? 0 : grow(s);

	if (r < 0)
		return r;
	if (fstat(s->root_fd, &st) < 0)
		return -errno;
	memset(s->buckets, 0xff, sizeof(s->buckets));
	s->free_node = NODE_NONE;
	s->nodes_limit = limit_nodes();
	put_root(s, &st);
	for (uint32_t i = 0; i < SESSION_HANDLES_MAX; i++)
		s->handles[i] = (struct handle){ .fd = -1, .next_free = i + 1 };
	s->free_handle = 0;
	return 0;
}

void nodes_free(struct share_session *s)
{
	/* The first one's descriptor is the session's. */
	for (uint32_t i = 1; i < s->nr_nodes; i++)
		cleanup_close(&s->nodes[i].fd);
	for (uint32_t i = 0; i < s->nr_nodes; i++)
		s->nodes[i].fd = -1;
	for (uint32_t i = 0; s->nr_nodes && i < SESSION_HANDLES_MAX; i++)
		cleanup_close(&s->handles[i].fd);
	s->nr_nodes = 0;
}

struct node *node_find(struct share_session *s, uint64_t id)
{
	if (!id || id > s->nr_nodes || s->nodes[id - 1].fd < 0)
		return NULL;
	return &s->nodes[id - 1];
}

uint64_t node_id(const struct share_session *s, const struct node *node)
{
	return (uint64_t)(node - s->nodes) + 1;
}

/* A free slot, in which only the generation stays. */
static int take_slot(struct share_session *s, uint32_t *ret)
{
	uint32_t slot = s->free_node;
	int r;

	if (s->nr_used >= s->nodes_limit)
		return -ENFILE;
	if (slot != NODE_NONE) {
		s->free_node = s->nodes[slot].next;
	} else {
		r = s->nr_nodes < s->nodes_max ? 0 : grow(s);
		if (r < 0)
			return r;
		slot = s->nr_nodes++;
	}
	s->nr_used++;
	*ret = slot;
	return 0;
}

int node_enter(struct share_session *s, int fd, const struct stat *st, struct node **ret)
{
	uint32_t *bucket = bucket_of(s, st->st_dev, st->st_ino);
	uint32_t slot = *bucket;
	int r;

	while (slot != NODE_NONE &&
		(s->nodes[slot].ino != st->st_ino || s->nodes[slot].dev != st->st_dev))
		slot = s->nodes[slot].next;
	if (slot != NODE_NONE) {
		close(fd);
		s->nodes[slot].lookups++;
		*ret = &s->nodes[slot];
		return 0;
	}
	r = take_slot(s, &slot);
	if (r < 0) {
		close(fd);
		return r;
	}
	s->nodes[slot] = (struct node){
		.fd = fd,
		.type = st->st_mode & S_IFMT,
		.dev = st->st_dev,
		.ino = st->st_ino,
		.lookups = 1,
		.generation = s->nodes[slot].generation + 1,
		.next = *bucket,
	};
	*bucket = slot;
	*ret = &s->nodes[slot];
	return 0;
}

void node_forget(struct share_session *s, uint64_t id, uint64_t lookups)
{
	struct node *node = node_find(s, id);
	uint32_t *from;

	/* The root stays. */
	if (!node || id == FUSE_ROOT_ID)
		return;
	node->lookups -= lookups < node->lookups ? lookups : node->lookups;
	if (node->lookups)
		return;
	from = bucket_of(s, node->dev, node->ino);
	while (*from != id - 1)
		from = &s->nodes[*from].next;
	*from = node->next;
	close(node->fd);
	node->fd = -1;
	node->next = s->free_node;
	s->free_node = (uint32_t)(id - 1);
	s->nr_used--;
}

void node_path(const struct node *node, char path[NODE_PATH_MAX])
{
	snprintf(path, NODE_PATH_MAX, "%d", node->fd);
}

int node_open(struct share_session *s, const struct node *node, int flags)
{
	char path[NODE_PATH_MAX];
	int fd;

	/* Nothing that might wait, or be more than a file. */
	if (node->type != S_IFREG && node->type != S_IFDIR)
		return node->type == S_IFLNK ? -ELOOP : -ENXIO;
	node_path(node, path);
	fd = openat(s->proc_fd, path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	return fd < 0 ? -errno : fd;
}

int handle_add(struct share_session *s, int fd, bool is_folder, uint64_t *ret)
{
	uint32_t number = s->free_handle;

	if (number == SESSION_HANDLES_MAX) {
		close(fd);
		return -ENFILE;
	}
	s->free_handle = s->handles[number].next_free;
	s->handles[number] = (struct handle){ .fd = fd, .is_folder = is_folder };
	*ret = number;
	return 0;
}

struct handle *handle_find(struct share_session *s, uint64_t number, bool is_folder)
{
	struct handle *handle = number < SESSION_HANDLES_MAX ? &s->handles[number] : NULL;

	return handle && handle->fd >= 0 && handle->is_folder == is_folder ? handle : NULL;
}

void handle_remove(struct share_session *s, uint64_t number, bool is_folder)
{
	struct handle *handle = handle_find(s, number, is_folder);

	if (!handle)
		return;
	close(handle->fd);
	*handle = (struct handle){ .fd = -1, .next_free = s->free_handle };
	s->free_handle = (uint32_t)number;
}
