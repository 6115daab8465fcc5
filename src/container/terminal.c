/* SPDX-License-Identifier: Apache-2.0 */
/*
 * terminal.c - the pseudo-terminal of a container's process (child).
 *
 * It is opened in the container's own devpts, so that ttyname(3) works inside; its master travels
 * to the parent with SYNC_READY. The image may have put anything at /dev/pts: what is opened there
 * must be on a devpts, and the other end is found by TIOCGPTPEER, never by a name.
 */
#include "container/mounts.h"

#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <termios.h>

#include "base/io.h"

int terminal_open(struct child *child, struct error *err)
{
	const struct container_process *process = child->process;
	_cleanup_close_ int master = -1, slave = -1;
	struct winsize size = { .ws_row = process->rows, .ws_col = process->columns };
	struct statfs fs;
	int unlock = 0;

	if (!process->terminal)
		return 0;
	master = io_open_in_root(
		child->root_fd, "/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK, 0);
	if (master < 0)
		return error_errno(err, master, "cannot open /dev/pts/ptmx for a terminal");
	if (fstatfs(master, &fs) < 0 || fs.f_type != DEVPTS_SUPER_MAGIC)
		return error_set(err, EINVAL,
			"cannot open a terminal: /dev/pts in the container is no devpts");
	if (fcntl(master, F_SETFL, O_RDWR) < 0 || ioctl(master, TIOCSPTLCK, &unlock) < 0)
		return error_errno(err, errno, "cannot unlock the terminal");
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return error_errno(err, errno, "cannot open the terminal");
	if ((size.ws_row || size.ws_col) && ioctl(master, TIOCSWINSZ, &size) < 0)
		return error_errno(err, errno, "cannot set the terminal's size");
	child->terminal_master_fd = steal_fd(&master);
	child->terminal_fd = steal_fd(&slave);
	return 0;
}

int terminal_make_console(struct child *child, struct error *err)
{
	_cleanup_close_ int tree = -1, target = -1;
	bool made;

	if (child->terminal_fd < 0)
		return 0;
	tree = open_tree(
		child->terminal_fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (tree < 0)
		return error_errno(err, errno, "cannot bind the terminal on /dev/console");
	/* Where there is no mount on /dev, the image may have a link there (CVE-2025-52565). */
	target = mount_target_open(
		child, "/dev/console", &(struct mount_subject){ .tree_fd = tree }, &made, err);
	return target < 0 ? target : mounts_attach(tree, target, "", "/dev/console", err);
}

int terminal_take(struct child *child, struct error *err)
{
	bool terminal = child->terminal_fd >= 0;

	if (!terminal && !child->options->new_session)
		return 0;
	if (setsid() < 0)
		return error_errno(err, errno, "cannot start a session");
	if (terminal && ioctl(child->terminal_fd, TIOCSCTTY, 0) < 0)
		return error_errno(err, errno, "cannot take the terminal");
	return 0;
}
