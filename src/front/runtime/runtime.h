/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime.h - the frame around the verbs of strata-runtime, the command line of an OCI runtime as
 * runc has it: Docker, containerd and podman call it.
 */
#pragma once

#include "front/cli/verb.h"

enum runtime_cgroup_manager {
	RUNTIME_CGROUPFS,
	RUNTIME_SYSTEMD,
	RUNTIME_NO_CGROUP,
};

/* The global options. cli.root is the directory of all containers, absolute. */
struct runtime {
	struct cli cli;
	enum runtime_cgroup_manager cgroup_manager;
	char **words; /* of the command line, rewritten; argv points to them */
	int failure; /* exit status of a verb that fails: 255 where others are the command's */
};

/* What a verb's function gets is the `cli` of this. */
static inline struct runtime *runtime_of(struct cli *cli)
{
	return container_of(cli, struct runtime, cli);
}

/* The program strata-runtime, and `strata runtime ...` with argv[0] = "runtime". */
int runtime_main(int argc, char **argv);

/* A JSON document to stdout, indented as runc does it. NULL is the want of memory. */
int runtime_print_json(const char *text, struct error *err);

/* The verbs, NULL-ended; each is exported by the file that bears its name. */
extern const struct verb *const runtime_verbs[];
extern const struct verb runtime_verb_checkpoint;
extern const struct verb runtime_verb_create;
extern const struct verb runtime_verb_delete;
extern const struct verb runtime_verb_events;
extern const struct verb runtime_verb_exec;
extern const struct verb runtime_verb_features;
extern const struct verb runtime_verb_kill;
extern const struct verb runtime_verb_list;
extern const struct verb runtime_verb_pause;
extern const struct verb runtime_verb_ps;
extern const struct verb runtime_verb_restore;
extern const struct verb runtime_verb_resume;
extern const struct verb runtime_verb_run;
extern const struct verb runtime_verb_spec;
extern const struct verb runtime_verb_start;
extern const struct verb runtime_verb_state;
extern const struct verb runtime_verb_update;
