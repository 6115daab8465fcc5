/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spec.c - instance.json: what `create` decided once.
 */
#include "instance/internal.h"

#include <assert.h>

#include "base/io.h"
#include "instance/volume.h"
#include "network/network.h"

static const char *const restart_names[] = {
	[INSTANCE_RESTART_NO] = "no",
	[INSTANCE_RESTART_ON_FAILURE] = "on-failure",
	[INSTANCE_RESTART_UNLESS_STOPPED] = "unless-stopped",
	[INSTANCE_RESTART_ALWAYS] = "always",
};
static_assert(ARRAY_SIZE(restart_names) == INSTANCE_RESTART_ALWAYS + 1, "every policy has a name");

const char *instance_restart_name(enum instance_restart restart)
{
	return restart_names[restart];
}

void instance_spec_free(struct instance_spec *spec)
{
	free(spec->name);
	free(spec->isolation);
	free(spec->image_name);
	free(spec->image_digest);
	free(spec->manifest_digest);
	strv_free(spec->layers);
	free(spec->platform);
	free(spec->kernel);
	free(spec->cpu);
	strv_free(spec->ports);
	strv_free(spec->fill);
	strv_free(spec->networks);
	strv_free(spec->labels);
	free(spec->command_line);
	free(spec->log_driver);
	strv_free(spec->health.test);
	strv_free(spec->anonymous_volumes);
	free(spec->hosts);
	free(spec->resolv_conf);
	*spec = (struct instance_spec){ 0 };
}

static void write_health(struct json_writer *w, const struct image_healthcheck *health)
{
	if (!health->test)
		return;
	json_begin_object(w, "health");
	json_write_strv(w, "test", health->test);
	json_write_int(w, "interval_ns", health->interval_ns);
	json_write_int(w, "timeout_ns", health->timeout_ns);
	json_write_int(w, "start_period_ns", health->start_period_ns);
	json_write_int(w, "retries", health->retries);
	json_end_object(w);
}

char *instance_spec_write(const struct instance_spec *spec)
{
	struct json_writer w = { 0 };

	json_begin_object(&w, NULL);
	json_write_string(&w, "name", spec->name);
	json_write_string(&w, "isolation", spec->isolation);
	json_write_string(&w, "image_name", spec->image_name);
	json_write_string(&w, "image_digest", spec->image_digest);
	json_write_string(&w, "manifest_digest", spec->manifest_digest);
	json_write_strv(&w, "layers", spec->layers);
	json_write_string(&w, "platform", spec->platform);
	json_write_string(&w, "kernel", spec->kernel);
	json_write_string(&w, "cpu", spec->cpu);
	if (spec->disk_bytes)
		json_write_int(&w, "disk_bytes", spec->disk_bytes);
	json_write_strv(&w, "ports", spec->ports);
	json_write_strv(&w, "fill", spec->fill);
	json_write_strv(&w, "networks", spec->networks);
	if (spec->own_name_servers)
		json_write_bool(&w, "own_name_servers", true);
	json_write_strv(&w, "labels", spec->labels);
	json_write_int(&w, "created_ns", spec->created_ns);
	json_write_string(&w, "command_line", spec->command_line);
	json_write_int(&w, "entrypoint_count", spec->entrypoint_count);
	json_write_string(&w, "restart", restart_names[spec->restart]);
	json_write_int(&w, "restart_max", spec->restart_max);
	json_write_bool(&w, "auto_remove", spec->auto_remove);
	json_write_bool(&w, "no_snapshot", spec->no_snapshot);
	json_write_bool(&w, "open_stdin", spec->open_stdin);
	json_write_bool(&w, "terminal", spec->terminal);
	json_write_int(&w, "stop_signal", spec->stop_signal);
	json_write_int(&w, "stop_timeout_s", spec->stop_timeout_s);
	json_write_string(&w, "log_driver", spec->log_driver);
	json_write_int(&w, "log_max_size", spec->log_max_size);
	json_write_int(&w, "log_max_files", spec->log_max_files);
	write_health(&w, &spec->health);
	json_write_strv(&w, "anonymous_volumes", spec->anonymous_volumes);
	json_end_object(&w);
	return json_writer_finish(&w);
}

/* A row per plain member; the documents of others are never trusted to be complete. */
enum member_kind { MEMBER_STRING, MEMBER_STRV, MEMBER_INT, MEMBER_BOOL };

struct member {
	const char *field;
	enum member_kind kind;
	size_t offset;
};

#define MEMBER(name, what)                                                                         \
	{                                                                                          \
		.field = #name, .kind = (what), .offset = offsetof(struct instance_spec, name)     \
	}

static const struct member members[] = {
	MEMBER(name, MEMBER_STRING),
	MEMBER(isolation, MEMBER_STRING),
	MEMBER(image_name, MEMBER_STRING),
	MEMBER(image_digest, MEMBER_STRING),
	MEMBER(manifest_digest, MEMBER_STRING),
	MEMBER(layers, MEMBER_STRV),
	MEMBER(platform, MEMBER_STRING),
	MEMBER(kernel, MEMBER_STRING),
	MEMBER(cpu, MEMBER_STRING),
	MEMBER(disk_bytes, MEMBER_INT),
	MEMBER(ports, MEMBER_STRV),
	MEMBER(fill, MEMBER_STRV),
	MEMBER(networks, MEMBER_STRV),
	MEMBER(own_name_servers, MEMBER_BOOL),
	MEMBER(labels, MEMBER_STRV),
	MEMBER(created_ns, MEMBER_INT),
	MEMBER(command_line, MEMBER_STRING),
	MEMBER(entrypoint_count, MEMBER_INT),
	MEMBER(restart_max, MEMBER_INT),
	MEMBER(auto_remove, MEMBER_BOOL),
	MEMBER(no_snapshot, MEMBER_BOOL),
	MEMBER(open_stdin, MEMBER_BOOL),
	MEMBER(terminal, MEMBER_BOOL),
	MEMBER(stop_timeout_s, MEMBER_INT),
	MEMBER(log_driver, MEMBER_STRING),
	MEMBER(log_max_size, MEMBER_INT),
	MEMBER(log_max_files, MEMBER_INT),
	MEMBER(anonymous_volumes, MEMBER_STRV),
};

static int read_member(const json_t *document, const struct member *member,
	struct instance_spec *spec, struct error *err)
{
	void *target = (char *)spec + member->offset;
	const char *text = NULL;
	int r;

	switch (member->kind) {
	case MEMBER_STRING:
		r = json_get_string(document, member->field, &text, INSTANCE_SPEC_FILE, err);
		if (r == 0 && text) {
			*(char **)target = strdup(text);
			if (!*(char **)target)
				r = error_oom(err);
		}
		return r;
	case MEMBER_STRV:
		return json_get_strv(document, member->field, target, INSTANCE_SPEC_FILE, err);
	case MEMBER_INT:
		return json_get_int(document, member->field, target, INSTANCE_SPEC_FILE, err);
	case MEMBER_BOOL:
		return json_get_bool(document, member->field, target, INSTANCE_SPEC_FILE, err);
	}
	return -EINVAL;
}

static int read_health(const json_t *document, struct image_healthcheck *health, struct error *err)
{
	static const char what[] = INSTANCE_SPEC_FILE ": health";
	json_t *object = NULL;
	int r;

	r = json_get_object(document, "health", &object, INSTANCE_SPEC_FILE, err);
	if (r < 0 || !object)
		return r;
	r = json_get_strv(object, "test", &health->test, what, err);
	if (r == 0)
		r = json_get_int(object, "interval_ns", &health->interval_ns, what, err);
	if (r == 0)
		r = json_get_int(object, "timeout_ns", &health->timeout_ns, what, err);
	if (r == 0)
		r = json_get_int(object, "start_period_ns", &health->start_period_ns, what, err);
	if (r == 0)
		r = json_get_int(object, "retries", &health->retries, what, err);
	return r;
}

static int read_restart(const json_t *document, enum instance_restart *ret, struct error *err)
{
	const char *text = "no";
	int r = json_get_string(document, "restart", &text, INSTANCE_SPEC_FILE, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(restart_names); i++)
		if (streq(restart_names[i], text)) {
			*ret = (enum instance_restart)i;
			return 0;
		}
	return error_set(err, EINVAL, INSTANCE_SPEC_FILE ": \"%s\" is no restart policy", text);
}

/* What later code relies on: these become parts of paths. */
static int check(const struct instance_spec *spec, struct error *err)
{
	if (!spec->name || !instance_name_is_valid(spec->name))
		return error_set(
			err, EINVAL, INSTANCE_SPEC_FILE ": the name is missing or invalid");
	if (!spec->isolation)
		return error_set(err, EINVAL, INSTANCE_SPEC_FILE ": isolation is missing");
	strv_for_each (layer, spec->layers) {
		const char *hex = str_after_prefix(*layer, "sha256:");

		if (!hex || !instance_id_is_valid(hex))
			return error_set(err, EINVAL,
				INSTANCE_SPEC_FILE ": \"%s\" is no digest of a layer", *layer);
	}
	strv_for_each (volume, spec->anonymous_volumes) {
		if (!volume_name_is_valid(*volume))
			return error_set(err, EINVAL,
				INSTANCE_SPEC_FILE ": \"%s\" is no name of a volume", *volume);
	}
	strv_for_each (text, spec->networks) {
		struct network_request request = { 0 };
		int r = network_request_parse(*text, &request, err);

		network_request_free(&request);
		if (r < 0)
			return error_prefix(err, INSTANCE_SPEC_FILE);
	}
	return 0;
}

int instance_spec_parse(const json_t *document, struct instance_spec *ret, struct error *err)
{
	_cleanup_(instance_spec_free) struct instance_spec spec = {
		.stop_timeout_s = INSTANCE_STOP_TIMEOUT_S,
		.log_max_files = 1,
	};
	int64_t stop_signal = 0;
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(members) && r == 0; i++)
		r = read_member(document, &members[i], &spec, err);
	if (r == 0)
		r = json_get_int(document, "stop_signal", &stop_signal, INSTANCE_SPEC_FILE, err);
	if (r == 0)
		r = read_restart(document, &spec.restart, err);
	if (r == 0)
		r = read_health(document, &spec.health, err);
	if (r == 0)
		r = check(&spec, err);
	if (r < 0)
		return r;
	if (stop_signal < 0 || stop_signal > 64)
		return error_set(err, EINVAL, INSTANCE_SPEC_FILE ": %lld is no signal",
			(long long)stop_signal);
	spec.stop_signal = (int)stop_signal;
	if (spec.log_max_files < 1)
		spec.log_max_files = 1;
	*ret = spec;
	spec = (struct instance_spec){ 0 };
	return 0;
}

int instance_spec_save(const struct instance *instance, struct error *err)
{
	_cleanup_free_ char *text = instance_spec_write(&instance->spec);

	if (!text)
		return error_oom(err);
	return io_replace_file(instance->dir_fd, INSTANCE_SPEC_FILE, 0600, text, strlen(text),
		instance->spec.auto_remove ? IO_VOLATILE : IO_DURABLE, err);
}
