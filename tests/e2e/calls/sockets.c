/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sockets.c - sockets of the unix and inet families, with what travels beside the bytes.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>

#include "show.h"

static void pass_descriptor(int from, int to)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
		struct cmsghdr align;
	} control = { 0 };
	char text[16] = "with it";
	struct iovec parts[2] = { { text, 4 }, { text + 4, 4 } };
	struct msghdr message = { .msg_iov = parts,
		.msg_iovlen = 2,
		.msg_control = &control,
		.msg_controllen = CMSG_SPACE(sizeof(int)) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&message);
	int pipes[2], on = 1;

	SHOW(pipe(pipes) < 0);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &pipes[1], sizeof(int));
	SHOW(setsockopt(to, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)));
	SHOW(sendmsg(from, &message, 0));
	memset(text, 0, sizeof(text));
	message.msg_controllen = sizeof(control);
	SHOW(recvmsg(to, &message, MSG_CMSG_CLOEXEC));
	VALUE(message.msg_flags);
	VALUE(message.msg_controllen);
	puts(text);
	for (c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
		struct ucred who;
		int fd;

		printf("level %d type %d length %zu\n", c->cmsg_level, c->cmsg_type, c->cmsg_len);
		if (c->cmsg_type == SCM_CREDENTIALS) {
			memcpy(&who, CMSG_DATA(c), sizeof(who));
			VALUE(who.pid == getpid() && who.uid == getuid() && who.gid == getgid());
			continue;
		}
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
		SHOW(fcntl(fd, F_GETFD));
		SHOW(write(fd, "through", 7));
		SHOW(read(pipes[0], text, sizeof(text)));
		puts(text);
	}
}

static void unix_sockets(void)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX, .sun_path = "socket" }, peer;
	socklen_t length = sizeof(peer);
	int pair[2], listener, client, server, waiting;
	struct stat s;

	SHOW(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	pass_descriptor(pair[0], pair[1]);
	SHOW(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair));
	SHOW(recv(pair[0], &s, 1, 0));
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	SHOW(bind(listener, (void *)&name, sizeof(name)));
	SHOW(bind(listener, (void *)&name, sizeof(name)));
	SHOW(stat("socket", &s));
	VALUE(S_ISSOCK(s.st_mode));
	client = socket(AF_UNIX, SOCK_STREAM, 0);
	SHOW(connect(client, (void *)&name, sizeof(name)));
	SHOW(listen(listener, 5));
	SHOW(connect(client, (void *)&name, sizeof(name)));
	server = accept4(listener, (void *)&peer, &length, SOCK_NONBLOCK);
	VALUE(length);
	SHOW(fcntl(server, F_GETFL));
	SHOW(getsockname(server, (void *)&peer, (length = sizeof(peer), &length)));
	VALUE(length);
	puts(peer.sun_path);
	SHOW(write(client, "12345", 5));
	SHOW(ioctl(server, FIONREAD, &waiting));
	VALUE(waiting);
	SHOW(shutdown(client, SHUT_WR));
	SHOW(recv(server, &peer, 100, MSG_PEEK));
	SHOW(recvfrom(server, (void *)16, 100, 0, NULL, NULL));
	SHOW(recv(server, &peer, 100, MSG_WAITALL));
	SHOW(recv(server, &peer, 100, 0));
	memset(&name, 0, sizeof(name));
	name.sun_family = AF_UNIX;
	snprintf(name.sun_path + 1, 60, "strata-calls-%d", getpid());
	SHOW(bind(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&name,
		offsetof(struct sockaddr_un, sun_path) + 10));
}

static void inet_sockets(void)
{
	struct sockaddr_in name = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval patience = { 0, 20000 };
	socklen_t length = sizeof(name);
	int listener = socket(AF_INET, SOCK_STREAM, 0), client, server, on = 1, value;
	struct tcp_info info;
	char buffer[64];

	SHOW(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)));
	SHOW(bind(listener, (void *)&name, sizeof(name)));
	SHOW(listen(listener, 1));
	SHOW(getsockname(listener, (void *)&name, &length));
	client = socket(AF_INET, SOCK_STREAM, 0);
	SHOW(connect(client, (void *)&name, length));
	server = accept(listener, NULL, NULL);
	SHOW(setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)));
	SHOW(getsockopt(server, IPPROTO_TCP, TCP_NODELAY, &value, (length = 4, &length)));
	VALUE(value);
	SHOW(getsockopt(server, IPPROTO_TCP, TCP_INFO, &info, (length = sizeof(info), &length)));
	VALUE(info.tcpi_state);
	SHOW(getsockopt(server, SOL_SOCKET, SO_TYPE, &value, (length = 4, &length)));
	VALUE(value);
	SHOW(getsockopt(server, SOL_SOCKET, 9999, &value, &length));
	SHOW(send(client, "abc", 3, MSG_NOSIGNAL));
	SHOW(read(server, buffer, sizeof(buffer)));
	SHOW(setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)));
	SHOW(read(server, buffer, sizeof(buffer)));
	SHOW(close(client));
	SHOW(read(server, buffer, sizeof(buffer)));
	SHOW(connect(socket(AF_INET, SOCK_STREAM, 0), (void *)&name, 3));
	SHOW(socket(AF_INET, 77, 0));
	SHOW(socket(12345, SOCK_STREAM, 0));
}

static void many_messages(void)
{
	struct sockaddr_in name = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(name);
	int receiver = socket(AF_INET, SOCK_DGRAM, 0), sender = socket(AF_INET, SOCK_DGRAM, 0);
	char texts[3][8] = { "one", "two", "three" }, got[5][8] = { 0 };
	struct iovec parts[5];
	struct mmsghdr messages[5] = { 0 };
	struct timespec patience = { 0, 50000000 };

	SHOW(bind(receiver, (void *)&name, sizeof(name)));
	getsockname(receiver, (void *)&name, &length);
	for (int i = 0; i < 3; i++) {
		parts[i] = (struct iovec){ texts[i], strlen(texts[i]) };
		messages[i].msg_hdr.msg_iov = &parts[i];
		messages[i].msg_hdr.msg_iovlen = 1;
		messages[i].msg_hdr.msg_name = &name;
		messages[i].msg_hdr.msg_namelen = length;
	}
	SHOW(sendmmsg(sender, messages, 3, 0));
	memset(messages, 0, sizeof(messages));
	for (int i = 0; i < 5; i++) {
		parts[i] = (struct iovec){ got[i], sizeof(got[i]) };
		messages[i].msg_hdr.msg_iov = &parts[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	SHOW(recvmmsg(receiver, messages, 5, MSG_WAITFORONE, &patience));
	for (int i = 0; i < 3; i++)
		printf("%u %s\n", messages[i].msg_len, got[i]);
}

int main(void)
{
	unix_sockets();
	inet_sockets();
	many_messages();
	return 0;
}
