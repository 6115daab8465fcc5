/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aio.c - asynchronous I/O, whose ring lies in memory that the kernel maps.
 */
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <sys/syscall.h>

#include "show.h"

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
	older();
	return 0;
}
