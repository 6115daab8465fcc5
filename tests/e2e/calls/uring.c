/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uring.c - io_uring and the older asynchronous I/O, whose rings lie in memory that the kernel
 * maps.
 */
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "show.h"

struct ring {
	int fd;
	struct io_uring_params params;
	char *submissions, *completions;
	struct io_uring_sqe *entries;
};

static unsigned *field(char *base, unsigned offset)
{
	return (unsigned *)(void *)(base + offset);
}

static int ring_open(struct ring *r)
{
	struct io_uring_params *p = &r->params;
	size_t size;

	memset(r, 0, sizeof(*r));
	r->fd = (int)syscall(SYS_io_uring_setup, 8L, p);
	if (r->fd < 0)
		return -1;
	size = p->sq_off.array + p->sq_entries * sizeof(unsigned);
	r->submissions = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, r->fd,
		IORING_OFF_SQ_RING);
	size = p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe);
	r->completions = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, r->fd,
		IORING_OFF_CQ_RING);
	r->entries = mmap(NULL, p->sq_entries * sizeof(struct io_uring_sqe), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_POPULATE, r->fd, IORING_OFF_SQES);
	return r->submissions == MAP_FAILED || r->completions == MAP_FAILED ||
			r->entries == MAP_FAILED
		? -1
		: 0;
}

/* One operation, waited for: its result. */
static int run(struct ring *r, const struct io_uring_sqe *entry)
{
	const struct io_sqring_offsets *sq = &r->params.sq_off;
	const struct io_cqring_offsets *cq = &r->params.cq_off;
	unsigned tail = *field(r->submissions, sq->tail),
		 mask = *field(r->submissions, sq->ring_mask);
	unsigned head = *field(r->completions, cq->head);
	struct io_uring_cqe *cqes = (void *)(r->completions + cq->cqes), *done;

	r->entries[tail & mask] = *entry;
	field(r->submissions, sq->array)[tail & mask] = tail & mask;
	__atomic_store_n(field(r->submissions, sq->tail), tail + 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, r->fd, 1L, 1L, (long)IORING_ENTER_GETEVENTS, NULL, 0L) != 1)
		return -9999;
	if (__atomic_load_n(field(r->completions, cq->tail), __ATOMIC_ACQUIRE) == head)
		return -8888;
	done = &cqes[head & *field(r->completions, cq->ring_mask)];
	printf("user data %llx\n", (unsigned long long)done->user_data);
	__atomic_store_n(field(r->completions, cq->head), head + 1, __ATOMIC_RELEASE);
	return done->res;
}

static void rings(void)
{
	char text[32] = "written by a ring", got[32] = { 0 };
	struct iovec part = { got, sizeof(got) };
	struct io_uring_sqe entry = { .opcode = IORING_OP_NOP, .user_data = 0x1122334455667788 };
	struct ring r;
	int fd = open("file", O_CREAT | O_RDWR, 0600);

	if (ring_open(&r) < 0) {
		printf("no rings: %s\n", strerrorname_np(errno));
		return;
	}
	VALUE(run(&r, &entry));
	entry.opcode = IORING_OP_WRITE;
	entry.fd = fd;
	entry.addr = (unsigned long)text;
	entry.len = 17;
	entry.user_data++;
	VALUE(run(&r, &entry));
	entry.opcode = IORING_OP_READV;
	entry.addr = (unsigned long)&part;
	entry.len = 1;
	entry.off = 8;
	VALUE(run(&r, &entry));
	puts(got);
	entry.opcode = IORING_OP_READ;
	entry.addr = 16;
	entry.len = 5;
	VALUE(run(&r, &entry));
	entry.fd = 999;
	VALUE(run(&r, &entry));
	entry.opcode = 255;
	VALUE(run(&r, &entry));
	SHOW(syscall(SYS_io_uring_register, r.fd, (long)IORING_REGISTER_BUFFERS, &part, 1L));
	SHOW(syscall(SYS_io_uring_register, r.fd, 9999L, NULL, 0L));
	SHOW(syscall(SYS_io_uring_enter, fd, 1L, 0L, 0L, NULL, 0L));
	SHOW(syscall(SYS_io_uring_setup, 0L, &r.params));
	close(r.fd);
}

static void older(void)
{
	aio_context_t context = 0;
	char text[16] = "asynchronous";
	int fd = open("file2", O_CREAT | O_RDWR, 0600);
	struct iocb block = { .aio_data = 77,
		.aio_lio_opcode = IOCB_CMD_PWRITE,
		.aio_fildes = fd,
		.aio_buf = (unsigned long)text,
		.aio_nbytes = 12 },
		    *blocks[] = { &block };
	struct io_event event;
	struct timespec patience = { 0, 10000000 };

	SHOW(syscall(SYS_io_setup, 5L, &context));
	SHOW(syscall(SYS_io_submit, context, 1L, blocks));
	SHOW(syscall(SYS_io_getevents, context, 1L, 1L, &event, NULL));
	VALUE(event.data);
	VALUE(event.res);
	VALUE(event.obj == (unsigned long)&block);
	SHOW(syscall(SYS_io_getevents, context, 1L, 1L, &event, &patience));
	SHOW(syscall(SYS_io_pgetevents, context, 1L, 1L, &event, &patience, NULL));
	SHOW(syscall(SYS_io_destroy, context));
	SHOW(syscall(SYS_io_destroy, context));
}

int main(void)
{
	rings();
	older();
	return 0;
}
