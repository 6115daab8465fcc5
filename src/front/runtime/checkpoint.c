/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint.c - `checkpoint`: the processes of a container into files, through criu(8). Then the
 * container is gone, unless it is to run on.
 */
#include <fcntl.h>

#include "front/runtime/checkpoint_options.h"
#include "front/runtime/record.h"

#define AT(member) offsetof(struct verb_options, member)

struct verb_options {
	struct checkpoint_options common;
	char **empty_namespaces;
	const char *parent_path, *page_server;
	bool pre_dump, leave_running, tcp_skip_in_flight, link_remap;
	int64_t status_fd;
};

static const struct verb_options defaults = { .status_fd = -1 };

static const struct option checkpoint_table[] = {
	CHECKPOINT_OPTIONS(struct verb_options),
	{ OPTION_FLAG, 0, "leave-running", AT(leave_running), NULL, "Let the container run on" },
	{ OPTION_FLAG, 0, "pre-dump", AT(pre_dump), NULL,
		"Save memory only, ahead of a checkpoint with --parent-path" },
	{ OPTION_STRING, 0, "parent-path", AT(parent_path), "DIR",
		"Images of the --pre-dump before, relative to those now" },
	{ OPTION_FLAG, 0, "tcp-skip-in-flight", AT(tcp_skip_in_flight), NULL,
		"Leave out TCP connections that are being made" },
	{ OPTION_FLAG, 0, "link-remap", AT(link_remap), NULL,
		"Give open files that were deleted a name" },
	{ OPTION_STRING, 0, "page-server", AT(page_server), "ADDRESS:PORT",
		"Send memory to this criu page-server" },
	{ OPTION_INT, 0, "status-fd", AT(status_fd), "FD",
		"Write a zero byte there once --lazy-pages is ready" },
	{ OPTION_END },
};

static int check_status_fd(int64_t fd, struct error *err)
{
	int flags;

	if (fd == -1)
		return 0;
	flags = fd < 0 || fd > INT32_MAX ? -1 : fcntl((int)fd, F_GETFL);
	if (flags < 0)
		return error_set(err, EBADF, "--status-fd %lld is not open", (long long)fd);
	if ((flags & O_ACCMODE) == O_RDONLY)
		return error_set(
			err, EBADF, "--status-fd %lld is not open for writing", (long long)fd);
	return 0;
}

static int dump(const struct verb_options *o, const struct record *record, struct error *err)
{
	const struct container_dump_options options = {
		.common = o->common,
		.parent_path = o->parent_path && *o->parent_path ? o->parent_path : NULL,
		.page_server = o->page_server && *o->page_server ? o->page_server : NULL,
		.pre_dump = o->pre_dump,
		.leave_running = o->leave_running,
		.tcp_skip_in_flight = o->tcp_skip_in_flight,
		.link_remap = o->link_remap,
		.status_fd = (int)o->status_fd,
	};
	struct container_config config;
	int r = record_load_config(record, &config, err);

	if (r < 0)
		return r;
	r = container_checkpoint(&config, record->pid, &options, err);
	container_config_free(&config);
	return r;
}

static int checkpoint(
	struct runtime *runtime, const struct verb_options *o, const char *id, struct error *err)
{
	_cleanup_record_ struct record record = RECORD_INIT;
	enum record_status status;
	int r = check_status_fd(o->status_fd, err);

	if (r == 0)
		r = record_open_locked(runtime, id, &record, err);
	if (r < 0)
		return r;
	status = record_status(&record);
	if (status != RECORD_RUNNING && status != RECORD_PAUSED)
		return error_set(err, EINVAL, "it cannot be checkpointed in %s state",
			record_status_name(status));
	r = dump(o, &record, err);
	if (r < 0 || o->leave_running || o->pre_dump)
		return r;
	r = record_kill(&record, err);
	if (r == 0)
		r = record_remove_cgroup(&record, err);
	return r < 0 ? r : record_remove(runtime, &record, err);
}

static int checkpoint_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	struct verb_options *o = options;
	int r;

	checkpoint_complete_options(&o->common);
	r = checkpoint(runtime_of(cli), o, argv[0], err);
	return r < 0 ? error_prefix(err, "cannot checkpoint container %s", argv[0]) : 0;
}

const struct verb runtime_verb_checkpoint = {
	.name = "checkpoint",
	.usage = "[OPTIONS] ID",
	.summary = "Save the processes of a container to files, through criu",
	.help = "Then the container is gone, unless --leave-running or --pre-dump says otherwise; `restore`\n"
		"brings it back. The files of its root are not saved.\n"
		"\n"
		"Examples:\n"
		"  strata-runtime checkpoint --image-path /var/tmp/web web\n"
		"  strata-runtime checkpoint --pre-dump --image-path /var/tmp/web-1 web\n"
		"  strata-runtime checkpoint --parent-path ../web-1 --image-path /var/tmp/web-2 web",
	.options = checkpoint_table,
	.options_size = sizeof(struct verb_options),
	.defaults = &defaults,
	.min_operands = 1,
	.max_operands = 1,
	.run = checkpoint_main,
};
