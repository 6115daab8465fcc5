/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verbs-translate.c - the verb of the helper program strata-translate, which has a HELPER() row in
 * verbs.c.
 */
#include "front/cli/verbs.h"

const struct verb *const verbs[] = {
	&verb_man,
	&verb_translate,
	NULL,
};
