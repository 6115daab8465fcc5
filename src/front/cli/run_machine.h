/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_machine.h - `run --isolation vm`.
 */
#pragma once

#include "front/cli/run_options.h"

/* Of the host's sockets as its network (net/net.h): asks whom the host asks. */
#define RUN_MACHINE_NAME_SERVER "10.0.2.3"

bool run_is_machine(const struct run_options *options);
/* Options that exclude each other there, or are only for it. */
int run_check_machine(const struct run_options *options, struct error *err);
/* Those of them that `update` has, too. */
int run_check_machine_limits(const struct resource_options *limits, struct error *err);
/* One of the parts of run_plan_build(), the last. */
int run_build_machine(const struct run_request *request, struct run_plan *plan, struct error *err);
