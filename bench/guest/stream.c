/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream.c - how fast a guest's network is: "stream ADDRESS PORT" talks with the server of
 * bench/network, for some seconds in each way, and says "network NAME NUMBER" by the guest's clock.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SECONDS	    3.0
#define CONNECTIONS 4

static struct sockaddr_in server = { .sin_family = AF_INET };
static char buffer[1 << 18];

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int begin(char way)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(fd, (void *)&server, sizeof(server)) < 0 || write(fd, &way, 1) != 1) {
		perror("stream");
		exit(1);
	}
	return fd;
}

/* Megabytes a second; a sender waits until all has arrived. */
static double stream(char way)
{
	int fd = begin(way);
	double start = now(), bytes = 0;
	ssize_t n = 1;

	while (n > 0 && now() - start < SECONDS) {
		n = way == 'w' ? write(fd, buffer, sizeof(buffer))
			       : read(fd, buffer, sizeof(buffer));
		bytes += n > 0 ? (double)n : 0;
	}
	if (way == 'w' && (shutdown(fd, SHUT_WR) < 0 || read(fd, buffer, 1) != 1))
		exit(1);
	close(fd);
	return bytes / 1e6 / (now() - start);
}

/* Round trips a second. */
static double trips(void)
{
	int fd = begin('p');
	double start = now(), count = 0;

	for (; now() - start < SECONDS; count++)
		if (write(fd, buffer, 1) != 1 || read(fd, buffer, 1) != 1)
			exit(1);
	close(fd);
	return count / (now() - start);
}

static double several(char way)
{
	double *rates = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	double sum = 0;

	for (int i = 0; i < CONNECTIONS; i++) {
		if (fork() == 0) {
			rates[i] = stream(way);
			_exit(0);
		}
	}
	while (wait(NULL) > 0)
		;
	for (int i = 0; i < CONNECTIONS; i++)
		sum += rates[i];
	return sum;
}

static void say(const char *name, double number)
{
	printf("network %s %.1f\n", name, number);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	if (argc != 3 || inet_pton(AF_INET, argv[1], &server.sin_addr) != 1)
		return 2;
	server.sin_port = htons((unsigned short)atoi(argv[2]));
	say("out-1", stream('w'));
	say("in-1", stream('r'));
	say("out-4", several('w'));
	say("in-4", several('r'));
	say("round-trips", trips());
	return 0;
}
