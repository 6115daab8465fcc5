/* SPDX-License-Identifier: Apache-2.0 */
/*
 * netlink.h - messages to the kernel's rtnetlink(7): written into a buffer of a fixed size, several
 * to be sent at once, and answered one by one.
 *
 * It is on the path of every `run` with a network: one send and one receive for a whole batch, and
 * nothing is allocated.
 */
#pragma once

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NETLINK_BATCH_BYTES    4096
#define NETLINK_BATCH_MESSAGES 16

struct netlink_batch {
	/* What is written; the first error stays until the end. */
	size_t len;
	unsigned nr;
	bool is_full;
	size_t message; /* where the last one begins */
	char bytes[NETLINK_BATCH_BYTES] __attribute__((aligned(8)));
};

/* A socket of NETLINK_ROUTE in the network namespace that we are in. -errno. */
int netlink_open(void);

/* Begin a message of that type (RTM_NEWLINK, ...) that asks for an acknowledgement, with `body`
 * behind its header. */
void netlink_begin(
	struct netlink_batch *batch, uint16_t type, uint16_t flags, const void *body, size_t size);
void netlink_add(struct netlink_batch *batch, uint16_t type, const void *data, size_t size);
void netlink_add_text(struct netlink_batch *batch, uint16_t type, const char *text);
void netlink_add_u32(struct netlink_batch *batch, uint16_t type, uint32_t value);
void netlink_add_u16(struct netlink_batch *batch, uint16_t type, uint16_t value);
void netlink_add_u8(struct netlink_batch *batch, uint16_t type, uint8_t value);
/* An attribute that has others inside, and perhaps `size` bytes before them: from here to the
 * end(), which takes what begin returned. */
size_t netlink_begin_nested(
	struct netlink_batch *batch, uint16_t type, const void *data, size_t size);
void netlink_end_nested(struct netlink_batch *batch, size_t place);

/*
 * Send all of it and await every answer: 0, or the first -errno, with the number of the message
 * that it is about in *ret_failed (may be NULL). Messages behind one that failed were executed all
 * the same. The batch is empty then.
 */
int netlink_send(int fd, struct netlink_batch *batch, unsigned *ret_failed);

/* Send one request for a list (NLM_F_DUMP) and call `each` for every message of the answer; what
 * it returns, if not 0, is returned when the answer is over. */
typedef int (*netlink_each_fn)(void *context, const struct nlmsghdr *message);
int netlink_dump(
	int fd, uint16_t type, const void *body, size_t size, netlink_each_fn each, void *context);
