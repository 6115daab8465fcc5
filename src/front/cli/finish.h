/* SPDX-License-Identifier: Apache-2.0 */
/*
 * finish.h - the exit status of the verbs that run a command: run, start, attach, exec.
 */
#pragma once

#include "front/cli/verb.h"
#include "instance/instance.h"

/* It could not be started: say why; returns exit_code (125, 126 or 127). */
int finish_failed(const struct cli *cli, int exit_code, const struct error *err);

/* What instance_start(), instance_run_follow() or instance_attach() returned -> the exit status. */
int finish_attached(const struct cli *cli, const char *id, int r, enum instance_attach_end end,
	int exit_code, struct error *err);
