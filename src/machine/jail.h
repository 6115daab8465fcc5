/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jail.h - what the process of a machine gives up before the guest's first instruction.
 */
#pragma once

#include "machine/machine.h"

/*
 * When everything has been opened, on the thread that runs the event loop, before a vcpu's thread
 * is started: there is one thread, and what it gives up no other ever has. It cannot be undone: the
 * process is for this machine only.
 */
int machine_jail(const struct machine_config *config, struct error *err);
