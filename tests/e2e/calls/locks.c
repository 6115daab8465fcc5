/* SPDX-License-Identifier: Apache-2.0 */
/*
 * locks.c - locks of files between processes, and waits for them that signals end.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>

#include "show.h"

static void nothing(int signal)
{
}

static int lock(int fd, int command, short type, off_t start, off_t length)
{
	struct flock l = {
		.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length
	};
	int r = fcntl(fd, command, &l);

	if (r == 0 && (command == F_GETLK || command == F_OFD_GETLK))
		printf("type %d start %ld length %ld, pid %s\n", l.l_type, (long)l.l_start,
			(long)l.l_len,
			l.l_pid == getppid()	? "parent"
				: l.l_pid == -1 ? "-1"
						: "?");
	return r;
}

static void in_child(void (*what)(int), int fd)
{
	int status;

	fflush(stdout);
	if (fork() == 0) {
		what(fd);
		fflush(stdout);
		_exit(0);
	}
	wait(&status);
	VALUE(status);
}

static void contend(int fd)
{
	SHOW(lock(fd, F_SETLK, F_WRLCK, 0, 10));
	SHOW(lock(fd, F_SETLK, F_WRLCK, 10, 0));
	SHOW(lock(fd, F_GETLK, F_WRLCK, 0, 100));
	SHOW(lock(fd, F_SETLK, F_RDLCK, 20, 5));
}

static void wait_interrupted(int fd)
{
	struct sigaction action = { .sa_handler = nothing };

	sigaction(SIGALRM, &action, NULL);
	ualarm(50000, 0);
	SHOW(lock(fd, F_SETLKW, F_WRLCK, 0, 10));
	ualarm(50000, 0);
	SHOW(flock(open("file", O_RDONLY), LOCK_EX));
	SHOW(flock(open("file", O_RDONLY), LOCK_SH | LOCK_NB));
}

int main(void)
{
	int fd = open("file", O_CREAT | O_RDWR, 0600), other;

	SHOW(lock(fd, F_SETLK, F_WRLCK, 0, 10));
	SHOW(flock(fd, LOCK_EX));
	in_child(contend, fd);
	in_child(wait_interrupted, fd);
	other = open("file", O_RDWR);
	SHOW(lock(other, F_OFD_SETLK, F_WRLCK, 50, 5));
	SHOW(lock(fd, F_OFD_SETLK, F_RDLCK, 52, 1));
	SHOW(lock(fd, F_OFD_GETLK, F_RDLCK, 52, 1));
	SHOW(lock(fd, F_SETLK, F_UNLCK, 0, 0));
	in_child(contend, fd);
	SHOW(fcntl(fd, F_SETLK, (struct flock *)16));
	SHOW(lock(fd, F_SETLK, 99, 0, 0));
	SHOW(fcntl(fd, F_SETLEASE, F_WRLCK));
	close(other);
	SHOW(fcntl(fd, F_GETLEASE));
	SHOW(fcntl(fd, F_SETOWN, getpid()));
	VALUE(fcntl(fd, F_GETOWN) == getpid());
	SHOW(fcntl(fd, F_SETSIG, SIGUSR1));
	SHOW(fcntl(fd, F_GETSIG));
	SHOW(fcntl(fd, F_GETFL) & ~O_LARGEFILE);
	SHOW(fcntl(fd, F_SETFL, O_APPEND | O_NONBLOCK));
	SHOW(fcntl(fd, F_GETFL));
	SHOW(fcntl(fd, F_DUPFD_CLOEXEC, 100));
	SHOW(fcntl(100, F_GETFD));
	return 0;
}
