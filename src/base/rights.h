/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rights.h - what a thread gives up that works on what a guest wrote.
 */
#pragma once

#include <stdint.h>

/*
 * No new privileges, and of the calling thread's capabilities only those whose bits (1 << CAP_X)
 * are in `kept`. Threads that it starts afterwards have no more; others have to call this
 * themselves. -errno of prctl(2) or capset(2).
 */
int rights_drop(uint64_t kept);
