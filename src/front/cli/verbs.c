/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verbs.c - the verbs of the small program: one explicit array, in the order help shows them.
 *
 * A verb of the helper program is a row made with HELPER() (name, group and summary for the
 * overview; everything else is in the helper's own array); its aliases stand in both arrays,
 * because the helper parses the command line as it was typed.
 */
#include "front/cli/verbs.h"

#define ALIAS(alias, target)                                                                       \
	&(const struct verb)                                                                       \
	{                                                                                          \
		.name = (alias), .alias_of = (target)                                              \
	}
#define HELPER(program, verb_name, verb_group, verb_summary)                                       \
	&(const struct verb)                                                                       \
	{                                                                                          \
		.name = (verb_name), .group = (verb_group), .summary = (verb_summary),             \
		.helper = (program)                                                                \
	}

const struct verb *const verbs[] = {
	&verb_run,
	ALIAS("container run", "run"),
	&verb_create,
	ALIAS("container create", "create"),
	&verb_start,
	ALIAS("container start", "start"),
	&verb_exec,
	ALIAS("container exec", "exec"),
	&(const struct verb){ .name = "translate",
		.group = "Run",
		.summary = "Run a program for another CPU (riscv64), with no image",
		.helper = "strata-translate",
		.stateless = true },
	&verb_attach,
	ALIAS("container attach", "attach"),
	&verb_update,
	ALIAS("container update", "update"),
	&verb_cp,
	&verb_export,
	ALIAS("container cp", "cp"),
	&verb_ps,
	ALIAS("container ls", "ps"),
	ALIAS("container list", "ps"),
	ALIAS("container ps", "ps"),
	&verb_inspect,
	ALIAS("container inspect", "inspect"),
	&verb_logs,
	ALIAS("container logs", "logs"),
	&verb_top,
	ALIAS("container top", "top"),
	&verb_stats,
	ALIAS("container stats", "stats"),
	&verb_events,
	ALIAS("system events", "events"),
	&verb_wait,
	ALIAS("container wait", "wait"),
	&verb_stop,
	ALIAS("container stop", "stop"),
	&verb_restart,
	ALIAS("container restart", "restart"),
	&verb_kill,
	ALIAS("container kill", "kill"),
	&verb_pause,
	ALIAS("container pause", "pause"),
	&verb_unpause,
	ALIAS("container unpause", "unpause"),
	&verb_rename,
	ALIAS("container rename", "rename"),
	&verb_rm,
	ALIAS("container rm", "rm"),
	ALIAS("container remove", "rm"),
	&verb_container_prune,
	&verb_images,
	ALIAS("image ls", "images"),
	ALIAS("image list", "images"),
	&verb_tag,
	ALIAS("image tag", "tag"),
	&verb_rmi,
	ALIAS("image rm", "rmi"),
	ALIAS("image remove", "rmi"),
	&verb_image_prune,
	&verb_image_inspect,
	&verb_image_history,
	ALIAS("history", "image history"),
	HELPER("strata-image", "pull", "Images", "Download an image from a registry"),
	ALIAS("image pull", "pull"),
	HELPER("strata-image", "push", "Images", "Upload an image to a registry"),
	ALIAS("image push", "push"),
	HELPER("strata-image", "login", "Images",
		"Keep the credentials for a registry (default docker.io)"),
	HELPER("strata-image", "logout", "Images",
		"Forget the credentials for a registry (default docker.io)"),
	HELPER("strata-image", "image verify", "Images", "Check the digest of everything stored"),
	HELPER("strata-image", "import", "Images",
		"Make an image from a root filesystem tar, or take in an image archive"),
	HELPER("strata-image", "load", "Images",
		"Load images from a docker-archive, an oci-archive or an OCI layout"),
	HELPER("strata-image", "save", "Images", "Save images to an archive"),
	&verb_volume_create,
	&verb_volume_ls,
	ALIAS("volume list", "volume ls"),
	&verb_volume_inspect,
	&verb_volume_rm,
	ALIAS("volume remove", "volume rm"),
	&verb_volume_prune,
	&verb_info,
	ALIAS("system info", "info"),
	&verb_version,
	&verb_runtime,
	&verb_boot,
	&verb_completion,
	&verb_complete,
	&verb_man,
	NULL,
};
