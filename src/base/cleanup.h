/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cleanup.h - ownership made visible in hosted code.
 *
 * A local that owns something is declared _cleanup_(destroyer); ownership leaves the scope only
 * through steal_ptr() or steal_fd(), so that a reader finds every transfer by its name.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <dirent.h>
#include <unistd.h>
#include <errno.h>

#define _cleanup_(f)			__attribute__((cleanup(f)))
#define _printf_(fmt, first)		__attribute__((format(printf, fmt, first)))
#define ARRAY_SIZE(a)			(sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* Free the char pointer (or any malloc'd pointer) that *p holds; NULL is fine. */
static inline void cleanup_free(void *p)
{
	free(*(void **)p);
}

/* Close *fd when it is one; errno is kept, so that a failing path may still report it. */
static inline void cleanup_close(const int *fd)
{
	if (*fd >= 0) {
		int saved = errno;
		close(*fd);
		errno = saved;
	}
}

static inline void cleanup_fclose(FILE **f)
{
	if (*f)
		fclose(*f);
}

static inline void cleanup_closedir(DIR **d)
{
	if (*d)
		closedir(*d);
}

#define _cleanup_free_	   _cleanup_(cleanup_free)
#define _cleanup_close_	   _cleanup_(cleanup_close)
#define _cleanup_fclose_   _cleanup_(cleanup_fclose)
#define _cleanup_closedir_ _cleanup_(cleanup_closedir)

/* Take the pointer out of a variable that would free it. */
#define steal_ptr(pp)                                                                              \
	({                                                                                         \
		__auto_type _p = (pp);                                                             \
		__auto_type _v = *_p;                                                              \
		*_p = NULL;                                                                        \
		_v;                                                                                \
	})

/* Take the descriptor out of a variable that would close it. */
static inline int steal_fd(int *fd)
{
	int v = *fd;
	*fd = -1;
	return v;
}
