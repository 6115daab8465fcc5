/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nodes.c - what the guest knows of the tree: nodes by number and by file, handles by number.
 *
 * A file has one node, found by its device and inode number, which cannot be another file's while
 * the node's descriptor is there. Without one, a file that the host has put in its place under the
 * same number is taken for it.
 */
#include "share/internal.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "base/cleanup.h"

#define FOLDERS_MAX 1024 /* above each other, that are opened again */

static uint32_t *bucket_of(struct share_session *s, dev_t dev, ino_t ino)
{
	uint64_t hash = (ino ^ dev * UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0x9e3779b97f4a7c15);

	return &s->buckets[hash >> 32 & (SESSION_BUCKETS - 1)];
}

/* All of the table, of which pages come as they are touched: so no node ever moves. */
static int map_nodes(struct share_session *s)
{
	void *at = mmap(NULL, SESSION_NODES_MAX * sizeof(*s->nodes), PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (at == MAP_FAILED)
		return -errno;
	s->nodes = at;
	return 0;
}

/* Half of all descriptors; handles and what a request needs have the others. */
static uint32_t limit_open(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur > 2 * SESSION_NODES_MAX)
		return SESSION_NODES_MAX;
	return (uint32_t)(limit.rlim_cur / 2);
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
	int r = s->nodes ? 0 : map_nodes(s);

	if (r < 0)
		return r;
	if (fstat(s->root_fd, &st) < 0)
		return -errno;
	memset(s->buckets, 0xff, sizeof(s->buckets));
	s->free_node = NODE_NONE;
	s->open_limit = limit_open();
	s->nr_open = s->hand = 0;
	put_root(s, &st);
	for (uint32_t i = 0; i < SESSION_HANDLES_MAX; i++)
		s->handles[i] = (struct handle){ .fd = -1, .next_free = i + 1 };
	s->free_handle = 0;
	return 0;
}

void nodes_free(struct share_session *s)
{
	for (uint32_t i = 0; i < s->nr_nodes; i++) {
		/* The first one's descriptor is the session's. */
		if (i)
			cleanup_close(&s->nodes[i].fd);
		free(s->nodes[i].name);
		s->nodes[i] = (struct node){ .fd = -1 };
	}
	for (uint32_t i = 0; s->nr_nodes && i < SESSION_HANDLES_MAX; i++)
		cleanup_close(&s->handles[i].fd);
	s->nr_nodes = 0;
}

static struct node *find_node(struct share_session *s, uint64_t id)
{
	if (!id || id > s->nr_nodes || !s->nodes[id - 1].lookups)
		return NULL;
	return &s->nodes[id - 1];
}

/* A free slot, in which only the generation stays. */
static int take_slot(struct share_session *s, uint32_t *ret)
{
	uint32_t slot = s->free_node;

	if (s->nr_used >= SESSION_NODES_MAX)
		return -ENFILE;
	if (slot != NODE_NONE)
		s->free_node = s->nodes[slot].next;
	else
		slot = s->nr_nodes++;
	s->nr_used++;
	*ret = slot;
	return 0;
}

/* --- descriptors ------------------------------------------------------------------------------ */

static bool can_close(const struct node *node)
{
	return node->lookups && node->fd >= 0 && node->type != S_IFDIR && node->name &&
		!node->is_kept && !node->nr_handles && !node->nr_holders;
}

/* For one descriptor more: somebody loses theirs, in turns. */
static int make_room(struct share_session *s)
{
	for (uint32_t i = 0; s->nr_open >= s->open_limit && i < s->nr_nodes; i++) {
		struct node *node = &s->nodes[s->hand];

		s->hand = (s->hand + 1) % s->nr_nodes;
		if (!can_close(node))
			continue;
		close(node->fd);
		node->fd = -1;
		s->nr_open--;
	}
	return s->nr_open < s->open_limit ? 0 : -ENFILE;
}

/* Where it was last seen, if that is the same file still. Its folder has a descriptor. */
static int open_again(struct share_session *s, struct node *node)
{
	struct node *folder = &s->nodes[node->folder];
	struct stat st;
	int fd, r = make_room(s);

	if (r < 0)
		return r;
	fd = openat(folder->fd, node->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? -ESTALE : -errno;
	if (fstat(fd, &st) < 0 || st.st_dev != node->dev || st.st_ino != node->ino ||
		(st.st_mode & S_IFMT) != node->type) {
		close(fd);
		return -ESTALE;
	}
	node->fd = fd;
	s->nr_open++;
	return 0;
}

/* See to it that it has a descriptor. Folders have one, but for those of a session that was saved:
 * then it begins with the first that has. */
static int need(struct share_session *s, struct node *node)
{
	uint32_t path[FOLDERS_MAX];
	unsigned nr = 0;
	int r = 0;

	while (node && node->fd < 0) {
		if (nr == FOLDERS_MAX || !node->name)
			return -ESTALE;
		path[nr++] = (uint32_t)(node - s->nodes);
		node = find_node(s, (uint64_t)node->folder + 1);
	}
	if (!node)
		return -ESTALE;
	while (nr > 0 && r == 0)
		r = open_again(s, &s->nodes[path[--nr]]);
	return r;
}

int node_hold(struct share_session *s, uint64_t id, struct node **ret)
{
	struct node *node;
	int r;

	pthread_mutex_lock(&s->lock);
	node = find_node(s, id);
	r = node ? need(s, node) : -ESTALE;
	if (r == 0) {
		node->nr_holders++;
		*ret = node;
	}
	pthread_mutex_unlock(&s->lock);
	return r;
}

int node_keep(struct share_session *s, struct node *node)
{
	int r;

	pthread_mutex_lock(&s->lock);
	r = need(s, node);
	if (r == 0)
		node->is_kept = true;
	pthread_mutex_unlock(&s->lock);
	/* What is somewhere else by now has lost its name already. */
	return r == -ESTALE ? 0 : r;
}

static void rename_node(
	struct share_session *s, struct node *node, const struct node *folder, const char *name)
{
	char *copy;

	if (node->name && node->folder == folder - s->nodes && !strcmp(node->name, name))
		return;
	/* Without memory for a name, there is none. */
	copy = strdup(name);
	free(node->name);
	node->name = copy;
	node->folder = (uint32_t)(folder - s->nodes);
	node->is_kept = false;
}

void node_rename(
	struct share_session *s, struct node *node, const struct node *folder, const char *name)
{
	pthread_mutex_lock(&s->lock);
	/* One that was forgotten meanwhile has no name any more. */
	if (node->lookups)
		rename_node(s, node, folder, name);
	pthread_mutex_unlock(&s->lock);
}

/* --- by file ---------------------------------------------------------------------------------- */

static struct node *find_file(struct share_session *s, const struct stat *st)
{
	uint32_t slot = *bucket_of(s, st->st_dev, st->st_ino);

	while (slot != NODE_NONE &&
		(s->nodes[slot].ino != st->st_ino || s->nodes[slot].dev != st->st_dev))
		slot = s->nodes[slot].next;
	return slot == NODE_NONE ? NULL : &s->nodes[slot];
}

struct node *node_hold_at(struct share_session *s, const struct node *folder, const char *name)
{
	struct node *node;
	struct stat st;

	if (fstatat(folder->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return NULL;
	pthread_mutex_lock(&s->lock);
	node = find_file(s, &st);
	if (node)
		node->nr_holders++;
	pthread_mutex_unlock(&s->lock);
	return node;
}

/* A new node, whose descriptor is given to it by the caller. */
static int add_node(struct share_session *s, const struct stat *st, struct node **ret)
{
	uint32_t *bucket = bucket_of(s, st->st_dev, st->st_ino);
	uint32_t slot;
	int r = take_slot(s, &slot);

	if (r < 0)
		return r;
	s->nodes[slot] = (struct node){
		.fd = -1,
		.type = st->st_mode & S_IFMT,
		.dev = st->st_dev,
		.ino = st->st_ino,
		.generation = s->nodes[slot].generation + 1,
		.next = *bucket,
	};
	*bucket = slot;
	*ret = &s->nodes[slot];
	return 0;
}

static int enter(struct share_session *s, int fd, const struct stat *st, const struct node *folder,
	const char *name, struct node **ret)
{
	struct node *node = find_file(s, st);
	int r = node && node->fd >= 0 ? 0 : make_room(s);

	if (r == 0 && !node)
		r = add_node(s, st, &node);
	if (r < 0 || node->fd >= 0) {
		close(fd);
	} else {
		node->fd = fd;
		s->nr_open++;
	}
	if (r < 0)
		return r;
	node->lookups++;
	if (name)
		rename_node(s, node, folder, name);
	*ret = node;
	return 0;
}

int node_put(struct share_session *s, uint32_t slot, const struct node *node)
{
	uint32_t *bucket = bucket_of(s, node->dev, node->ino);

	if (!slot || slot >= s->nr_nodes || s->nodes[slot].lookups || !node->lookups)
		return -EINVAL;
	s->nodes[slot] = *node;
	s->nodes[slot].next = *bucket;
	*bucket = slot;
	s->nr_used++;
	return 0;
}

void nodes_find_free(struct share_session *s)
{
	for (uint32_t slot = s->nr_nodes; slot-- > 1;)
		if (!s->nodes[slot].lookups) {
			s->nodes[slot].fd = -1;
			s->nodes[slot].next = s->free_node;
			s->free_node = slot;
		}
	for (uint32_t i = SESSION_HANDLES_MAX, next = SESSION_HANDLES_MAX; i-- > 0;)
		if (s->handles[i].fd < 0 && !s->handles[i].is_gone) {
			s->handles[i].next_free = next;
			s->free_handle = next = i;
		}
}

int node_enter(struct share_session *s, int fd, const struct stat *st, const struct node *folder,
	const char *name, uint64_t *ret_id, uint32_t *ret_generation)
{
	struct node *node;
	int r;

	pthread_mutex_lock(&s->lock);
	r = enter(s, fd, st, folder, name, &node);
	if (r == 0) {
		*ret_id = (uint64_t)(node - s->nodes) + 1;
		*ret_generation = node->generation;
	}
	pthread_mutex_unlock(&s->lock);
	return r;
}

/* No more found by its file, which another node may be for from now on. */
static void unlist(struct share_session *s, struct node *node)
{
	uint32_t *from = bucket_of(s, node->dev, node->ino);

	while (*from != node - s->nodes)
		from = &s->nodes[*from].next;
	*from = node->next;
}

static void free_node(struct share_session *s, struct node *node)
{
	if (node->fd >= 0) {
		close(node->fd);
		s->nr_open--;
	}
	free(node->name);
	*node = (struct node){ .fd = -1, .generation = node->generation };
	node->next = s->free_node;
	s->free_node = (uint32_t)(node - s->nodes);
	s->nr_used--;
}

void node_release(struct share_session *s, struct node *node)
{
	if (!node)
		return;
	pthread_mutex_lock(&s->lock);
	if (!--node->nr_holders && !node->lookups)
		free_node(s, node);
	pthread_mutex_unlock(&s->lock);
}

void node_forget(struct share_session *s, uint64_t id, uint64_t lookups)
{
	struct node *node;

	pthread_mutex_lock(&s->lock);
	node = find_node(s, id);
	/* The root stays. */
	if (node && id != FUSE_ROOT_ID) {
		node->lookups -= lookups < node->lookups ? lookups : node->lookups;
		if (!node->lookups)
			unlist(s, node);
		if (!node->lookups && !node->nr_holders)
			free_node(s, node);
	}
	pthread_mutex_unlock(&s->lock);
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

int handle_add(
	struct share_session *s, uint64_t node, int fd, bool is_folder, bool appends, uint64_t *ret)
{
	struct node *of;
	uint32_t number;

	pthread_mutex_lock(&s->lock);
	of = find_node(s, node);
	number = s->free_handle;
	if (of && number < SESSION_HANDLES_MAX) {
		s->free_handle = s->handles[number].next_free;
		s->handles[number] = (struct handle){ .fd = fd,
			.is_folder = is_folder,
			.appends = appends,
			.node = (uint32_t)(of - s->nodes) };
		of->nr_handles++;
	}
	pthread_mutex_unlock(&s->lock);
	if (of && number < SESSION_HANDLES_MAX) {
		*ret = number;
		return 0;
	}
	close(fd);
	return of ? -ENFILE : -ESTALE;
}

static struct handle *find_handle(struct share_session *s, uint64_t number, bool is_folder)
{
	struct handle *handle = number < SESSION_HANDLES_MAX ? &s->handles[number] : NULL;

	return handle && (handle->fd >= 0 || handle->is_gone) && handle->is_folder == is_folder &&
			!handle->is_released
		? handle
		: NULL;
}

static void free_handle(struct share_session *s, struct handle *handle)
{
	cleanup_close(&handle->fd);
	*handle = (struct handle){ .fd = -1, .next_free = s->free_handle };
	s->free_handle = (uint32_t)(handle - s->handles);
}

struct handle *handle_hold(struct share_session *s, uint64_t number, bool is_folder)
{
	struct handle *handle;

	pthread_mutex_lock(&s->lock);
	handle = find_handle(s, number, is_folder);
	if (handle)
		handle->nr_holders++;
	pthread_mutex_unlock(&s->lock);
	return handle;
}

void handle_release(struct share_session *s, struct handle *handle)
{
	if (!handle)
		return;
	pthread_mutex_lock(&s->lock);
	if (!--handle->nr_holders && handle->is_released)
		free_handle(s, handle);
	pthread_mutex_unlock(&s->lock);
}

void handle_remove(struct share_session *s, uint64_t number, bool is_folder)
{
	struct handle *handle;
	struct node *node;

	pthread_mutex_lock(&s->lock);
	handle = find_handle(s, number, is_folder);
	node = handle ? find_node(s, (uint64_t)handle->node + 1) : NULL;
	/* One that was forgotten before may be another by now. */
	if (node && node->nr_handles)
		node->nr_handles--;
	if (handle)
		handle->is_released = true;
	if (handle && !handle->nr_holders)
		free_handle(s, handle);
	pthread_mutex_unlock(&s->lock);
}
