/* SPDX-License-Identifier: Apache-2.0 */
/*
 * start.c - `start`: let the command of a created container run.
 */
#include "front/runtime/record.h"

#include "base/log.h"

static int check_status(const struct record *record, struct error *err)
{
	enum record_status status = record_status(record);

	if (status == RECORD_CREATED)
		return 0;
	if (status == RECORD_STOPPED)
		return error_set(err, EINVAL, "cannot start a container that has stopped");
	if (status == RECORD_CREATING)
		return error_set(err, EINVAL, "cannot start a container that was not made whole");
	return error_set(err, EBUSY, "cannot start an already running container");
}

static int start(struct runtime *runtime, const char *id, struct error *err)
{
	_cleanup_record_ struct record record = RECORD_INIT;
	struct container_handle handle;
	int r = record_open_locked(runtime, id, &record, err);

	if (r == 0)
		r = check_status(&record, err);
	if (r == 0)
		r = container_connect(record.dir_fd, RECORD_SOCKET, &handle, err);
	if (r < 0)
		return r;
	/* Before the command runs: whatever kills us, no running container looks created. One that
	 * was not released ends with our connection. */
	unlinkat(record.dir_fd, RECORD_SOCKET, 0);
	r = container_release(&handle, err);
	container_handle_close(&handle);
	if (r == 0)
		log_debug("container %s: process %d executes its command", id, (int)record.pid);
	/* It is ending; what comes next must find it stopped. */
	if (r < 0) {
		record_kill(&record, NULL);
		return r;
	}
	r = record_run_poststart(&record, err);
	if (r < 0 && record_kill(&record, NULL) == 0 && record_remove_cgroup(&record, NULL) == 0)
		record_remove(runtime, &record, NULL);
	return r;
}

static int start_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	int r = start(runtime_of(cli), argv[0], err);

	return r < 0 ? error_prefix(err, "cannot start container %s", argv[0]) : 0;
}

const struct verb runtime_verb_start = {
	.name = "start",
	.usage = "ID",
	.summary = "Run the command of a created container",
	.min_operands = 1,
	.max_operands = 1,
	.run = start_main,
};
