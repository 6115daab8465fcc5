/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verbs-image.c - the verbs of the helper program strata-image. Each also has a HELPER() row in
 * verbs.c, which is how the small program knows whom to become.
 */
#include "front/cli/complete.h"
#include "front/cli/verbs.h"

const struct verb *const verbs[] = {
	&verb_complete_words,
	&verb_man,
	&verb_tar_create,
	&verb_tar_extract,
	&verb_settle,
	&verb_unpack,
	&verb_squash,
	&verb_initramfs,
	&verb_pull,
	&verb_image_pull,
	&verb_push,
	&verb_image_push,
	&verb_login,
	&verb_logout,
	&verb_import,
	&verb_load,
	&verb_save,
	&verb_image_verify,
	&verb_kernel_import,
	&verb_kernel_fetch,
	&verb_kernel_pull,
	&verb_kernel_push,
	&verb_kernel_ls,
	&verb_kernel_inspect,
	&verb_kernel_rm,
	NULL,
};
