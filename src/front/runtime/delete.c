/* SPDX-License-Identifier: Apache-2.0 */
/*
 * delete.c - `delete`: remove what is left of a container: processes, cgroup, record.
 *
 * It works from the record alone, whatever state its maker left it in.
 */
#include "front/runtime/record.h"

#include "base/log.h"

struct delete_options {
	bool force;
};

static const struct option delete_table[] = {
	{ OPTION_FLAG, 'f', "force", offsetof(struct delete_options, force), NULL,
		"Kill it first when it runs; no error when it does not exist" },
	{ OPTION_END },
};

/* Does another container live in the cgroup that this one was to get? */
static bool cgroup_is_others(struct runtime *runtime, const struct record *record)
{
	_cleanup_strv_ char **ids = NULL;

	if (!record->cgroup || record_list(runtime, &ids, NULL) < 0)
		return false;
	strv_for_each (id, ids) {
		_cleanup_record_ struct record other = RECORD_INIT;

		if (!streq(*id, record->id) && record_open(runtime, *id, &other, NULL) == 0 &&
			streq_ptr(other.cgroup, record->cgroup) && other.pid)
			return true;
	}
	return false;
}

static int delete_one(struct runtime *runtime, const char *id, bool force, struct error *err)
{
	_cleanup_record_ struct record record = RECORD_INIT;
	enum record_status status;
	int r = record_open_locked(runtime, id, &record, err);

	if (r < 0)
		return r;
	status = record_status(&record);
	if (!force && (status == RECORD_RUNNING || status == RECORD_PAUSED))
		return error_set(err, EBUSY,
			"cannot delete container %s that is not stopped: it is %s", id,
			record_status_name(status));
	if (status != RECORD_STOPPED)
		r = record_kill(&record, err);
	/* Before its maker knew the process it may not have had its cgroup either. */
	if (r == 0 && (record.pid || !cgroup_is_others(runtime, &record)))
		r = record_remove_cgroup(&record, err);
	if (r == 0)
		r = record_remove(runtime, &record, err);
	if (r == 0)
		log_debug("container %s: deleted", id);
	return r < 0 ? error_prefix(err, "cannot delete container %s", id) : 0;
}

static int delete_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	const struct delete_options *o = options;
	int r = delete_one(runtime_of(cli), argv[0], o->force, err);

	return r == -ENOENT && o->force ? 0 : r;
}

const struct verb runtime_verb_delete = {
	.name = "delete",
	.usage = "[OPTIONS] ID",
	.summary = "Remove a container that is not running",
	.options = delete_table,
	.options_size = sizeof(struct delete_options),
	.min_operands = 1,
	.max_operands = 1,
	.run = delete_main,
};
