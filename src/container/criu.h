/* SPDX-License-Identifier: Apache-2.0 */
/*
 * criu.h - one run of the program criu(8) under our direction. Private to checkpoint.c, restore.c
 * and their neighbours.
 */
#pragma once

#include "container/checkpoint.h"
#include "container/criu-message.h"

/* Is criu there, and does it work on this kernel? `criu check`, whose words are in the error. */
int criu_check(struct error *err);

/* Behind the standard streams and its socket. */
#define CRIU_FIRST_FD 4

struct criu_call {
	enum criu_type type;
	const struct str *options; /* criu_opts; NULL = none */
	const struct str *features; /* criu_features; NULL = none */
	const char *log_dir, *log_file; /* where the options have criu write its log; NULL */
	const int *stdio; /* three; NULL: /dev/null */
	/* Become CRIU_FIRST_FD and so on, for CRIU_INHERIT_FD. */
	const int *fds;
	size_t nr_fds;
	/* Called in the process that is about to become criu. */
	int (*prepare)(void *context, struct error *err);
	/* Called for every stage that criu tells (criu(8) --action-script); `fd` comes with
	 * "orphan-pts-master" and is closed afterwards, else it is -1. A failure ends criu. */
	int (*notify)(void *context, const char *script, pid_t pid, int fd, struct error *err);
	void *context;
	bool *ret_started; /* set once `prepare` has succeeded and criu runs; may be NULL */
};

/* The final answer, which is a success. */
int criu_call(const struct criu_call *call, struct criu_answer *ret, struct error *err);

/* --- what dump and restore have in common (criu-options.c) --- */

/* Names under which a namespace or mount is known to the images; the ones that runc gives, so that
 * each of us restores what the other dumped. */
#define CRIU_NETWORK_KEY  "extRootNetNS"
#define CRIU_PID_KEY	  "extRootPidNS"
#define CRIU_MASK_KEY	  "/dev/null"
#define CRIU_DESCRIPTORS  "descriptors.json"
#define CRIU_MOUNTS	  "strata-mounts.json"
#define CRIU_STANDARD_FDS 3

/* Open (and, for a dump, make) the directories of images and of work; *ret_work_fd is -1 where
 * they are one. */
int criu_open_directories(const struct checkpoint_options *options, bool make, int *ret_images_fd,
	int *ret_work_fd, struct error *err);

/* The options that both directions take. */
int criu_put_common(struct str *message, const struct container_config *config,
	const struct checkpoint_options *options, int images_fd, int work_fd, const char *log_file,
	struct error *err);
