/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal.h - what the files of jit/ share, whatever the guest; what a host must provide.
 */
#pragma once

#include "jit/jit.h"

/* --- the host: x86/ ------------------------------------------------------------------------- */

/* Change `context` so that the handler returns into leave(argument), which must not return. */
void host_divert(ucontext_t *context, void (*leave)(void *argument), void *argument);
