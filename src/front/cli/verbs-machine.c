/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verbs-machine.c - the verbs of the helper program strata-machine, which have HELPER() rows in
 * verbs.c.
 */
#include "front/cli/verbs.h"

const struct verb *const verbs[] = {
	&verb_man,
	&verb_keep_code,
	&verb_vm_run,
	&verb_vm_monitor,
	NULL,
};
