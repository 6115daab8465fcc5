/* SPDX-License-Identifier: Apache-2.0 */
/*
 * terminal.c - a pseudo-terminal: its modes, its size, its signals.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>

#include "show.h"

static volatile int resized, stopped;

static void note(int signal)
{
	if (signal == SIGWINCH)
		resized++;
	else
		stopped = signal;
}

/* What is written to a terminal arrives by way of a thread of the kernel's. */
static void wait_for(const volatile int *what, int value)
{
	for (int i = 0; i < 1000 && *what != value; i++)
		usleep(10000);
}

static void wait_for_bytes(int fd, int count)
{
	int waiting = 0;

	for (int i = 0; i < 1000 && waiting < count; i++) {
		usleep(10000);
		ioctl(fd, FIONREAD, &waiting);
	}
}

static void show_modes(int fd)
{
	struct termios modes;

	SHOW(tcgetattr(fd, &modes));
	printf("%x %x %x %x\n", modes.c_iflag, modes.c_oflag, modes.c_cflag, modes.c_lflag);
	for (int i = 0; i < 17; i++)
		printf("%d ", modes.c_cc[i]);
	printf("speed %d %d\n", (int)cfgetispeed(&modes), (int)cfgetospeed(&modes));
}

static void in_session(int master, const char *name)
{
	struct winsize size = { 0 };
	char text[64] = { 0 };
	int fd;

	signal(SIGWINCH, note);
	signal(SIGINT, note);
	SHOW(setsid() > 0);
	fd = open(name, O_RDWR);
	VALUE(tcgetpgrp(fd) == getpgrp());
	VALUE(tcgetsid(fd) == getsid(0));
	SHOW(ioctl(fd, TIOCGWINSZ, &size));
	printf("%d %d\n", size.ws_row, size.ws_col);
	SHOW(write(master, "\3", 1));
	wait_for(&stopped, SIGINT);
	VALUE(stopped);
	size.ws_row = 60;
	SHOW(ioctl(master, TIOCSWINSZ, &size));
	wait_for(&resized, 1);
	VALUE(resized);
	SHOW(write(master, "line\nmore", 9));
	SHOW(read(fd, text, sizeof(text)));
	fputs(text, stdout);
	SHOW(ioctl(fd, TIOCSTI, "x") < 0);
	SHOW(tcflush(fd, TCIOFLUSH));
	SHOW(ioctl(fd, TIOCNOTTY));
	fflush(stdout);
}

int main(void)
{
	const struct winsize size = { 24, 80, 0, 0 };
	int master = posix_openpt(O_RDWR | O_NOCTTY), slave, number, waiting;
	struct termios modes;
	char text[64] = { 0 };

	SHOW(grantpt(master));
	SHOW(unlockpt(master));
	SHOW(ioctl(master, TIOCGPTN, &number));
	slave = open(ptsname(master), O_RDWR | O_NOCTTY);
	show_modes(slave);
	VALUE(isatty(slave));
	VALUE(isatty(open("/dev/null", O_RDONLY)));
	VALUE(errno);
	SHOW(ioctl(master, TIOCSWINSZ, &size));
	SHOW(write(master, "ab\n", 3));
	wait_for_bytes(slave, 3);
	SHOW(ioctl(slave, FIONREAD, &waiting));
	VALUE(waiting);
	SHOW(read(slave, text, sizeof(text)));
	wait_for_bytes(master, 4); /* the echo */
	SHOW(read(master, text, sizeof(text)));
	SHOW(tcgetattr(slave, &modes));
	cfmakeraw(&modes);
	cfsetspeed(&modes, B115200);
	modes.c_cc[VMIN] = 2;
	modes.c_cc[VTIME] = 1;
	SHOW(tcsetattr(slave, TCSADRAIN, &modes));
	show_modes(slave);
	SHOW(write(slave, "a\nb", 3));
	wait_for_bytes(master, 3);
	SHOW(read(master, text, sizeof(text)));
	SHOW(write(master, "x", 1));
	SHOW(read(slave, text, sizeof(text)));
	SHOW(tcdrain(slave));
	SHOW(tcflow(slave, TCOOFF));
	SHOW(tcflow(slave, TCOON));
	SHOW(ioctl(slave, TCGETS, (void *)16));
	SHOW(ioctl(slave, 0x5499, &modes));
	modes.c_lflag |= ISIG | ICANON;
	SHOW(tcsetattr(slave, TCSANOW, &modes));
	fflush(stdout);
	if (fork() == 0) {
		in_session(master, ptsname(master));
		_exit(0);
	}
	wait(&number);
	VALUE(number);
	SHOW(close(slave));
	SHOW(read(master, text, sizeof(text)) < 0 ? -1 : 0);
	return 0;
}
