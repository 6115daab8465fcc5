/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verbs.h - every verb of the command line, by name: what its own file exports.
 */
#pragma once

#include "front/cli/verb.h"

/* The rows of this program, NULL-ended: verbs.c in the small one, verbs-image.c in strata-image. */
extern const struct verb *const verbs[];

extern const struct verb verb_attach;
extern const struct verb verb_boot;
extern const struct verb verb_compare;
extern const struct verb verb_complete;
extern const struct verb verb_completion;
extern const struct verb verb_container_prune;
extern const struct verb verb_cp;
extern const struct verb verb_create;
extern const struct verb verb_events;
extern const struct verb verb_exec;
extern const struct verb verb_export;
extern const struct verb verb_image_history;
extern const struct verb verb_image_inspect;
extern const struct verb verb_image_prune;
extern const struct verb verb_image_pull;
extern const struct verb verb_image_push;
extern const struct verb verb_image_verify;
extern const struct verb verb_images;
extern const struct verb verb_import;
extern const struct verb verb_info;
extern const struct verb verb_initramfs;
extern const struct verb verb_inspect;
extern const struct verb verb_keep_code;
extern const struct verb verb_kernel_fetch;
extern const struct verb verb_kernel_import;
extern const struct verb verb_kernel_inspect;
extern const struct verb verb_kernel_ls;
extern const struct verb verb_kernel_pull;
extern const struct verb verb_kernel_push;
extern const struct verb verb_kernel_rm;
extern const struct verb verb_kill;
extern const struct verb verb_load;
extern const struct verb verb_login;
extern const struct verb verb_logout;
extern const struct verb verb_logs;
extern const struct verb verb_man;
extern const struct verb verb_pause;
extern const struct verb verb_port;
extern const struct verb verb_ps;
extern const struct verb verb_pull;
extern const struct verb verb_push;
extern const struct verb verb_rename;
extern const struct verb verb_restart;
extern const struct verb verb_rm;
extern const struct verb verb_rmi;
extern const struct verb verb_run;
extern const struct verb verb_runtime;
extern const struct verb verb_save;
extern const struct verb verb_start;
extern const struct verb verb_stats;
extern const struct verb verb_stop;
extern const struct verb verb_system_df;
extern const struct verb verb_system_prune;
extern const struct verb verb_tag;
extern const struct verb verb_tar_create;
extern const struct verb verb_tar_extract;
extern const struct verb verb_top;
extern const struct verb verb_settle;
extern const struct verb verb_squash;
extern const struct verb verb_translate;
extern const struct verb verb_unpack;
extern const struct verb verb_unpause;
extern const struct verb verb_update;
extern const struct verb verb_version;
extern const struct verb verb_vm_monitor;
extern const struct verb verb_vm_run;
extern const struct verb verb_network_connect;
extern const struct verb verb_network_create;
extern const struct verb verb_network_disconnect;
extern const struct verb verb_network_inspect;
extern const struct verb verb_network_ls;
extern const struct verb verb_network_prune;
extern const struct verb verb_network_rm;
extern const struct verb verb_volume_create;
extern const struct verb verb_volume_inspect;
extern const struct verb verb_volume_ls;
extern const struct verb verb_volume_prune;
extern const struct verb verb_volume_rm;
extern const struct verb verb_wait;
