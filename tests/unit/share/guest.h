/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guest.h - a guest's kernel as the FUSE server sees it, for tests: requests in three parts,
 * answers in two, on a folder of the test.
 */
#pragma once

#include <fcntl.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "share/share.h"

#define GUEST_ROOM (256u << 10)

struct guest {
	struct share_session *session;
	struct share_buffers *buffers;
	uint32_t uid, gid;
	uint64_t unique;
	_Alignas(8) uint8_t out[GUEST_ROOM], in[GUEST_ROOM];
	struct fuse_out_header answer;
	size_t nr_answer; /* bytes behind the header, which are at... */
	const uint8_t *bytes;
};

/* The session for a folder that is there. */
static inline int guest_open(struct guest *g, const char *folder)
{
	int root_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int proc_fd = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);

	memset(g, 0, sizeof(*g));
	g->buffers = share_buffers_new();
	return share_session_open(root_fd, proc_fd, &g->session, NULL);
}

/* A request of a header, `args` and `data`; answers 0 or -errno. */
static inline int guest_ask(struct guest *g, uint32_t opcode, uint64_t node, const void *args,
	size_t nr_args, const void *data, size_t nr_data)
{
	struct fuse_in_header header = {
		.len = (uint32_t)(sizeof(header) + nr_args + nr_data),
		.opcode = opcode,
		.unique = ++g->unique,
		.nodeid = node,
		.uid = g->uid,
		.gid = g->gid,
	};
	uint8_t *args_at = g->out + sizeof(header), *data_at = args_at + nr_args;
	const struct iovec out[] = {
		{ g->out, sizeof(header) - 3 },
		{ g->out + sizeof(header) - 3, nr_args + 3 },
		{ data_at, nr_data },
	};
	const struct iovec in[] = { { g->in, 9 }, { g->in + 9, sizeof(g->in) - 9 } };
	size_t n;

	memcpy(g->out, &header, sizeof(header));
	if (nr_args)
		memcpy(args_at, args, nr_args);
	if (nr_data)
		memcpy(data_at, data, nr_data);
	n = share_session_serve(g->session, g->buffers, true, out, 3, in, 2);
	if (!n)
		return -ENODATA;
	memcpy(&g->answer, g->in, sizeof(g->answer));
	g->bytes = g->in + sizeof(g->answer);
	g->nr_answer = n - sizeof(g->answer);
	if (n != g->answer.len || g->answer.unique != g->unique || g->answer.error > 0 ||
		(g->answer.error && g->nr_answer))
		abort();
	return g->answer.error;
}

static inline void guest_close(struct guest *g)
{
	g->session = share_session_free(g->session);
	g->buffers = share_buffers_free(g->buffers);
}

static inline int guest_ask_name(struct guest *g, uint32_t opcode, uint64_t node, const void *args,
	size_t nr_args, const char *name)
{
	return guest_ask(g, opcode, node, args, nr_args, name, strlen(name) + 1);
}

static inline int guest_init(struct guest *g)
{
	const struct fuse_init_in in = {
		.major = FUSE_KERNEL_VERSION, .minor = 38, .max_readahead = 65536, .flags = ~0u
	};

	return guest_ask(g, FUSE_INIT, 0, &in, sizeof(in), NULL, 0);
}

/* The node, or 0 and what is wrong in g->answer.error. */
static inline uint64_t guest_lookup(struct guest *g, uint64_t folder, const char *name)
{
	if (guest_ask_name(g, FUSE_LOOKUP, folder, NULL, 0, name) < 0)
		return 0;
	return ((const struct fuse_entry_out *)(const void *)g->bytes)->nodeid;
}
