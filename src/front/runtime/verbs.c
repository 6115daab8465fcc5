/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verbs.c - the verbs of strata-runtime: one explicit array, in the order help shows them.
 */
#include "front/runtime/runtime.h"

const struct verb *const runtime_verbs[] = {
	&runtime_verb_create,
	&runtime_verb_start,
	&runtime_verb_run,
	&runtime_verb_state,
	&runtime_verb_list,
	&runtime_verb_exec,
	&runtime_verb_ps,
	&runtime_verb_kill,
	&runtime_verb_pause,
	&runtime_verb_resume,
	&runtime_verb_update,
	&runtime_verb_events,
	&runtime_verb_checkpoint,
	&runtime_verb_restore,
	&runtime_verb_delete,
	&runtime_verb_spec,
	&runtime_verb_features,
	NULL,
};
