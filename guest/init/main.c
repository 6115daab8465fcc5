/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main.c - where the kernel begins us as number 1 of a machine, or a test as an ordinary process:
 *
 *   init --serve FD     serve one session on FD, in the root filesystem at ROOT (/root), with
 *                       /dev, /proc and /sys as they are
 *
 * The host is reached over vsock; a machine without has ports of a virtio console instead, which
 * are called strata.0, strata.1, ...
 */
#include "internal.h"

#include <sys/socket.h>
#include <linux/vm_sockets.h>

ENTRY;

void begin(const long *stack) __attribute__((noreturn, used));

static int connect_host(void)
{
	struct sockaddr_vm address = {
		.svm_family = AF_VSOCK, .svm_port = AGENT_PORT, .svm_cid = VMADDR_CID_HOST
	};
	long fd = sys(SYS_socket, AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0), r = fd;

	if (fd >= 0)
		r = sys(SYS_connect, fd, &address, sizeof(address));
	if (r >= 0)
		return (int)fd;
	if (fd >= 0)
		sys(SYS_close, fd);
	return -1;
}

static long open_port(void *context, const char *name, unsigned type)
{
	char path[128], text[64];
	int *fd = context;

	text_write(path, sizeof(path), "/sys/class/virtio-ports/%s/name", name);
	if (file_read(AT_FDCWD, path, text, sizeof(text)) < 0 || !text_begins(text, "strata."))
		return 0;
	text_write(path, sizeof(path), "/dev/%s", name);
	*fd = (int)sys(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
	return *fd >= 0;
}

static void serve_machine(void)
{
	int fd = -1;

	if (boot_machine() < 0)
		boot_shut_down(AGENT_SHUTDOWN_POWER_OFF);
	fd = connect_host();
	if (fd < 0)
		folder_each(AT_FDCWD, "/sys/class/virtio-ports", open_port, &fd);
	if (fd < 0) {
		tell("the host cannot be reached: neither by vsock nor by a console's port");
		boot_shut_down(AGENT_SHUTDOWN_POWER_OFF);
	}
	agent_serve(fd, false);
}

void begin(const long *stack)
{
	long argc = stack[0];
	const char *const *argv = (const char *const *)(stack + 1);
	uint64_t fd;

	if (argc == 3 && text_equal(argv[1], "--serve") &&
		number_parse(argv[2], strlen(argv[2]), 1 << 20, &fd))
		agent_serve((int)fd, true);
	else if (sys(SYS_getpid) == 1)
		serve_machine();
	process_exit(0);
}
