/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pause.c - `pause` and `resume`: stop all processes of a container through the freezer of its
 * cgroup, and let them go on.
 */
#include "front/runtime/record.h"

static int set_frozen(struct cli *cli, const char *id, bool frozen, struct error *err)
{
	_cleanup_record_ struct record record = RECORD_INIT;
	enum record_status status;
	int r = record_open_locked(runtime_of(cli), id, &record, err);

	if (r < 0)
		return r;
	status = record_status(&record);
	if (frozen && status != RECORD_RUNNING && status != RECORD_CREATED)
		return error_set(
			err, EINVAL, "container not running: it is %s", record_status_name(status));
	if (!frozen && status != RECORD_PAUSED)
		return error_set(
			err, EINVAL, "container not paused: it is %s", record_status_name(status));
	if (!record.cgroup)
		return error_set(err, ENOTSUP,
			"pausing takes the freezer of a cgroup, and this container has none");
	return cgroup_freeze(record.cgroup, frozen, err);
}

static int pause_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	int r = set_frozen(cli, argv[0], true, err);

	return r < 0 ? error_prefix(err, "cannot pause container %s", argv[0]) : 0;
}

static int resume_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	int r = set_frozen(cli, argv[0], false, err);

	return r < 0 ? error_prefix(err, "cannot resume container %s", argv[0]) : 0;
}

const struct verb runtime_verb_pause = {
	.name = "pause",
	.usage = "ID",
	.summary = "Stop all processes of a container where they stand",
	.help = "They keep their memory, and go on with `resume`. The state is \"paused\" meanwhile.",
	.min_operands = 1,
	.max_operands = 1,
	.run = pause_main,
};

const struct verb runtime_verb_resume = {
	.name = "resume",
	.usage = "ID",
	.summary = "Let the processes of a paused container go on",
	.min_operands = 1,
	.max_operands = 1,
	.run = resume_main,
};
