/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attributes.c - extended attributes of files.
 */
#include <fcntl.h>
#include <sys/xattr.h>

#include "show.h"

int main(void)
{
	char buffer[256] = { 0 };
	int fd = open("file", O_CREAT | O_RDWR, 0600);

	if (setxattr("file", "user.a", "value", 5, 0) < 0 && errno == ENOTSUP) {
		puts("no attributes here");
		return 0;
	}
	SHOW(setxattr("file", "user.a", "other", 5, XATTR_CREATE));
	SHOW(setxattr("file", "user.b", "other", 5, XATTR_REPLACE));
	SHOW(fsetxattr(fd, "user.b", "", 0, 0));
	SHOW(setxattr("file", "bad", "", 0, 0));
	SHOW(getxattr("file", "user.a", buffer, sizeof(buffer)));
	puts(buffer);
	SHOW(fgetxattr(fd, "user.a", buffer, 2));
	SHOW(getxattr("file", "user.a", NULL, 0));
	SHOW(getxattr("file", "user.c", buffer, sizeof(buffer)));
	SHOW(symlink("file", "link"));
	SHOW(getxattr("link", "user.a", buffer, sizeof(buffer)));
	SHOW(lgetxattr("link", "user.a", buffer, sizeof(buffer)));
	memset(buffer, 0, sizeof(buffer));
	DO(listxattr("file", buffer, sizeof(buffer)));
	for (char *name = buffer; *name; name += strlen(name) + 1)
		if (strncmp(name, "user.", 5) == 0)
			puts(name);
	SHOW(removexattr("file", "user.a"));
	SHOW(fremovexattr(fd, "user.a"));
	SHOW(setxattr("file", "user.a", (void *)16, 5, 0));
	return 0;
}
