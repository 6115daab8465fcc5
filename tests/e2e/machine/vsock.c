/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vsock.c - the guest's end of vsock connections. "vsock connect PORT" says hello to the host and
 * prints what it answers, up to the end; "vsock echo PORT" says "listening" and sends what the
 * first connection brings back to it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <linux/vm_sockets.h>
#include <unistd.h>

static char buffer[65536];

static int write_all(int fd, const char *from, ssize_t size)
{
	for (ssize_t done = 0, n; done < size; done += n) {
		n = write(fd, from + done, (size_t)(size - done));
		if (n < 0)
			return -1;
	}
	return 0;
}

static int copy(int from, int to)
{
	ssize_t n;

	while ((n = read(from, buffer, sizeof(buffer))) > 0)
		if (write_all(to, buffer, n) < 0)
			return -1;
	return n < 0 ? -1 : 0;
}

static int talk(int fd)
{
	static const char hello[] = "hello from the guest\n";

	if (write_all(fd, hello, sizeof(hello) - 1) < 0 || shutdown(fd, SHUT_WR) < 0)
		return -1;
	return copy(fd, STDOUT_FILENO);
}

int main(int argc, char **argv)
{
	struct sockaddr_vm at = { .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_HOST };
	int fd = socket(AF_VSOCK, SOCK_STREAM, 0), r;

	if (argc != 3)
		return 2;
	at.svm_port = (unsigned)atoi(argv[2]);
	if (!strcmp(argv[1], "connect")) {
		r = connect(fd, (void *)&at, sizeof(at));
		if (r == 0)
			r = talk(fd);
	} else {
		at.svm_cid = VMADDR_CID_ANY;
		r = bind(fd, (void *)&at, sizeof(at));
		if (r == 0)
			r = listen(fd, 1);
		puts("listening");
		fflush(stdout);
		fd = accept(fd, NULL, NULL);
		if (r == 0)
			r = copy(fd, fd);
	}
	if (r < 0)
		perror(argv[1]);
	return r < 0;
}
