/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint_options.h - what `checkpoint` and `restore` are asked alike.
 */
#pragma once

#include "container/checkpoint.h"
#include "front/cli/options.h"

#define CHECKPOINT_IMAGES_DEFAULT "checkpoint" /* below the working directory */

/* Rows of an options table; `type` is a struct whose member `common` is a struct
 * checkpoint_options and `empty_namespaces` an strv. */
#define CHECKPOINT_OPTIONS(type)                                                                   \
	{ OPTION_STRING, 0, "image-path", offsetof(type, common.image_path), "DIR",                \
		"Directory of the images (default: ./checkpoint)", COMPLETE_DIRECTORY },           \
		{ OPTION_STRING, 0, "work-path", offsetof(type, common.work_path), "DIR",          \
			"Directory of criu's log (default: that of the images)",                   \
			COMPLETE_DIRECTORY },                                                      \
		{ OPTION_STRING, 0, "manage-cgroups-mode", offsetof(type, common.cgroups_mode),    \
			"MODE", "What becomes of cgroups: soft (default), full, strict, ignore",   \
			COMPLETE_CHOICES, "soft|full|strict|ignore" },                             \
		{ OPTION_LIST, 0, "empty-ns", offsetof(type, empty_namespaces), "NAMESPACE",       \
			"Leave out what is in it; only network, which always is",                  \
			COMPLETE_CHOICES, "network" },                                             \
		{ OPTION_FLAG, 0, "tcp-established", offsetof(type, common.tcp_established), NULL, \
			"Keep TCP connections" },                                                  \
		{ OPTION_FLAG, 0, "ext-unix-sk", offsetof(type, common.ext_unix_sk), NULL,         \
			"Sockets may be connected to outside" },                                   \
		{ OPTION_FLAG, 0, "shell-job", offsetof(type, common.shell_job), NULL,             \
			"The session leader may be outside" },                                     \
		{ OPTION_FLAG, 0, "file-locks", offsetof(type, common.file_locks), NULL,           \
			"Keep file locks" },                                                       \
		{ OPTION_FLAG, 0, "auto-dedup", offsetof(type, common.auto_dedup), NULL,           \
			"Cut memory out of older images that newer ones hold" },                   \
	{                                                                                          \
		OPTION_FLAG, 0, "lazy-pages", offsetof(type, common.lazy_pages), NULL,             \
			"Leave memory behind, to be fetched when it is used (criu lazy-pages)"     \
	}

/* Those that engines pass empty are not given. */
static inline void checkpoint_complete_options(struct checkpoint_options *o)
{
	if (!o->image_path || !*o->image_path)
		o->image_path = CHECKPOINT_IMAGES_DEFAULT;
	if (o->work_path && !*o->work_path)
		o->work_path = NULL;
}
