/* SPDX-License-Identifier: Apache-2.0 */
/*
 * files.c - files of an instance that does not run and has a kernel of its own: nobody but a guest
 * reads its disk, so a machine is started for that and nothing else.
 *
 * Two machines on one disk would ruin it. Whoever starts one holds the instance's lock, and what is
 * started keeps it open until it has ended, whatever becomes of us.
 */
#include "instance/internal.h"

int instance_open_files(struct instance *instance, struct isolation_process *ret, struct error *err)
{
	const struct isolation_ops *ops = instance_isolation(instance, err);
	int r = ops ? instance_lock_idle(instance, err) : -err->code;

	if (r < 0)
		return r;
	r = instance_prepare_start(instance, err);
	if (r == 0)
		r = ops->open_files(&instance->config, instance->dir_fd, ret, err);
	if (r < 0)
		instance_unlock(instance);
	return r;
}

int instance_close_files(
	struct instance *instance, struct isolation_process *files, struct error *err)
{
	const struct isolation_ops *ops = instance_isolation(instance, err);
	int r = ops ? ops->close_files(files, err) : -err->code;

	if (ops && ops->cleanup)
		ops->cleanup(&instance->config, NULL);
	instance_unlock(instance);
	return r;
}
