/* SPDX-License-Identifier: Apache-2.0 */
/*
 * saved-code-internal.h - what the process of the guest tells the one that translates again.
 *
 * The list is from a process that has run guest code: anything may stand in it. It can make us
 * translate what nobody wants, of files that whoever runs us may read, and nothing else.
 */
#pragma once

#include <limits.h>
#include <stdint.h>
#include <sys/stat.h>

#define SAVED_MODULES_MAX  64 /* of a process */
#define SAVED_PLACES_MAX   (1u << 20) /* of a file */
#define SAVED_NAME_BYTES   160
#define SAVED_PLACES_WORTH 24 /* of a file: fewer are not worth translating it again */
#define SAVED_USE_SECONDS  86400 /* a use is told when the last one that was is as old */
#define SAVED_CODE_LIST_FD 3 /* of the process that translates again */

/*
 * In place of the device's number in the names of a container's files. It sees them through an
 * overlay, which gives the layer's inode number, size and times, but not its device. All layers are
 * on one file system, where no two states of a file agree in the others: the time of the last
 * change is the kernel's to set, to the nanosecond.
 */
#define SAVED_CODE_ANY_DEVICE 0

struct saved_place {
	uint64_t offset; /* from the start of the file's code */
	uint32_t loop_bytes, unused;
};

/* A file's part of the list, in front of its places. Without any it has only been used. */
struct saved_module {
	uint64_t start, size, offset;
	uint64_t nr_places;
	char name[SAVED_NAME_BYTES]; /* of the file in the folder */
	char path[PATH_MAX];
};

/* saved-code-folder.c. The name for this state of a file, and this piece of it. */
void saved_code_name(
	char name[static SAVED_NAME_BYTES], const struct stat *st, uint64_t offset, uint64_t size);
/* What it is called until it is whole; NULL: memory is out. */
char *saved_code_temporary_name(const char *name);
/* It has been taken. */
void saved_code_used(int dir_fd, const char *name);
/* Remove what is left over, and of what is too much that which was not used for longest. */
void saved_code_collect(int dir_fd);
