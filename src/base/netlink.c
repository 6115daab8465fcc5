/* SPDX-License-Identifier: Apache-2.0 */
/*
 * netlink.c - rtnetlink(7) and netlink(7): headers, attributes, acknowledgements.
 */
#include "base/netlink.h"

#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"

#define ANSWER_BYTES (32u << 10) /* what the kernel puts into one datagram of a list, at most */

int netlink_open(void)
{
	const int on = 1;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd < 0)
		return -errno;
	/* Acknowledgements without a copy of what they are for. */
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	return fd;
}

/* --- writing ---------------------------------------------------------------------------------- */

static struct nlmsghdr *header_of(struct netlink_batch *batch)
{
	return (void *)(batch->bytes + batch->message);
}

/* Room for `size` bytes, aligned and zeroed; NULL: there is none. */
static void *reserve(struct netlink_batch *batch, size_t size)
{
	size_t aligned = NLMSG_ALIGN(size);
	void *place = batch->bytes + batch->len;

	if (batch->is_full || sizeof(batch->bytes) - batch->len < aligned) {
		batch->is_full = true;
		return NULL;
	}
	memset(place, 0, aligned);
	batch->len += aligned;
	return place;
}

static void set_length(struct netlink_batch *batch)
{
	if (!batch->is_full)
		header_of(batch)->nlmsg_len = (uint32_t)(batch->len - batch->message);
}

void netlink_begin(
	struct netlink_batch *batch, uint16_t type, uint16_t flags, const void *body, size_t size)
{
	struct nlmsghdr *header;

	if (batch->nr == NETLINK_BATCH_MESSAGES)
		batch->is_full = true;
	batch->message = batch->len;
	header = reserve(batch, NLMSG_LENGTH(size));
	if (!header)
		return;
	header->nlmsg_type = type;
	header->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	header->nlmsg_seq = ++batch->nr;
	memcpy(NLMSG_DATA(header), body, size);
	set_length(batch);
}

void netlink_add(struct netlink_batch *batch, uint16_t type, const void *data, size_t size)
{
	struct rtattr *attribute = reserve(batch, RTA_LENGTH(size));

	if (!attribute)
		return;
	attribute->rta_type = type;
	attribute->rta_len = (unsigned short)RTA_LENGTH(size);
	memcpy(RTA_DATA(attribute), data, size);
	set_length(batch);
}

void netlink_add_text(struct netlink_batch *batch, uint16_t type, const char *text)
{
	netlink_add(batch, type, text, strlen(text) + 1);
}

void netlink_add_u32(struct netlink_batch *batch, uint16_t type, uint32_t value)
{
	netlink_add(batch, type, &value, sizeof(value));
}

void netlink_add_u16(struct netlink_batch *batch, uint16_t type, uint16_t value)
{
	netlink_add(batch, type, &value, sizeof(value));
}

void netlink_add_u8(struct netlink_batch *batch, uint16_t type, uint8_t value)
{
	netlink_add(batch, type, &value, sizeof(value));
}

size_t netlink_begin_nested(
	struct netlink_batch *batch, uint16_t type, const void *data, size_t size)
{
	size_t place = batch->len;

	netlink_add(batch, type, data ? data : "", data ? size : 0);
	return place;
}

void netlink_end_nested(struct netlink_batch *batch, size_t place)
{
	struct rtattr *attribute = (void *)(batch->bytes + place);

	if (!batch->is_full)
		attribute->rta_len = (unsigned short)(batch->len - place);
}

/* --- sending ---------------------------------------------------------------------------------- */

static int await_answers(int fd, unsigned nr, unsigned *ret_failed)
{
	char answer[NETLINK_BATCH_MESSAGES * 128] __attribute__((aligned(8)));
	unsigned answered = 0;
	int first = 0;

	while (answered < nr) {
		ssize_t n = recv(fd, answer, sizeof(answer), 0);
		const struct nlmsghdr *h = (const void *)answer;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		for (int left = (int)n; NLMSG_OK(h, (unsigned)left); h = NLMSG_NEXT(h, left)) {
			const struct nlmsgerr *e = NLMSG_DATA(h);

			if (h->nlmsg_type != NLMSG_ERROR)
				continue;
			answered++;
			if (e->error && !first) {
				first = e->error;
				if (ret_failed)
					*ret_failed = h->nlmsg_seq - 1;
			}
		}
	}
	return first;
}

int netlink_send(int fd, struct netlink_batch *batch, unsigned *ret_failed)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	unsigned nr = batch->nr;
	ssize_t n;

	if (batch->is_full)
		return -EMSGSIZE;
	n = sendto(fd, batch->bytes, batch->len, 0, (struct sockaddr *)&kernel, sizeof(kernel));
	batch->len = batch->message = batch->nr = 0;
	if (n < 0)
		return -errno;
	return await_answers(fd, nr, ret_failed);
}

int netlink_dump(
	int fd, uint16_t type, const void *body, size_t size, netlink_each_fn each, void *context)
{
	_cleanup_free_ char *answer = malloc(ANSWER_BYTES);
	struct {
		struct nlmsghdr header;
		char body[64];
	} request = { .header = { .nlmsg_len = (uint32_t)NLMSG_LENGTH(size),
			      .nlmsg_type = type,
			      .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP } };
	int result = 0;

	if (!answer)
		return -ENOMEM;
	if (size > sizeof(request.body))
		return -EMSGSIZE;
	memcpy(NLMSG_DATA(&request.header), body, size);
	if (send(fd, &request, request.header.nlmsg_len, 0) < 0)
		return -errno;
	for (;;) {
		ssize_t n = recv(fd, answer, ANSWER_BYTES, 0);
		const struct nlmsghdr *h = (const void *)answer;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		for (int left = (int)n; NLMSG_OK(h, (unsigned)left); h = NLMSG_NEXT(h, left)) {
			if (h->nlmsg_type == NLMSG_DONE)
				return result;
			if (h->nlmsg_type == NLMSG_ERROR)
				return ((const struct nlmsgerr *)NLMSG_DATA(h))->error;
			if (result == 0)
				result = each(context, h);
		}
	}
}
