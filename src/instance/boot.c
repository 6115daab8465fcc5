/* SPDX-License-Identifier: Apache-2.0 */
/*
 * boot.c - after a reboot: start again what the restart policies promise.
 *
 *   always          everything that was ever started; one that the user stopped only after a
 *                   reboot (as in Docker)
 *   unless-stopped  what the user did not stop
 *
 * It may be called at any time: what runs is left alone.
 */
#include "instance/internal.h"

#include "base/log.h"
#include "base/process.h"

static bool is_promised(const struct instance *instance, const char *boot_id)
{
	const struct instance_state *state = &instance->state;

	if (instance_is_live(instance) || !state->started_ns)
		return false;
	if (instance->spec.restart == INSTANCE_RESTART_ALWAYS)
		return !state->stopped_by_user || !streq(state->boot_id, boot_id);
	return instance->spec.restart == INSTANCE_RESTART_UNLESS_STOPPED && !state->stopped_by_user;
}

int instance_boot(const struct instance_roots *roots, char ***ret_started, struct error *err)
{
	_cleanup_strv_ char **started = NULL;
	struct instance *list = NULL;
	struct error first = { 0 };
	char boot_id[37] = "";
	size_t count = 0;
	int r;

	r = process_boot_id(boot_id);
	if (r < 0)
		return error_errno(err, r, "cannot read the boot ID");
	r = instance_list(roots, &list, &count, err);
	if (r < 0)
		return r;
	/* Oldest first: what was made later may need what was made before. */
	for (size_t i = count; i > 0; i--) {
		struct instance *instance = &list[i - 1];
		enum instance_attach_end end;
		struct error why = { 0 };
		int code;

		if (!is_promised(instance, boot_id))
			continue;
		r = instance_start(instance, NULL, &end, &code, &why);
		if (r == 0)
			r = strv_push(&started, instance->spec.name) < 0 ? error_oom(&why) : 0;
		if (r < 0) {
			error_prefix(&why, "cannot start %s", instance_label(instance));
			log_warning("%s", why.message);
			if (!first.code)
				first = why;
		}
	}
	instance_list_free(list, count);
	*ret_started = steal_ptr(&started);
	return first.code ? error_set(err, first.code, "%s", first.message) : 0;
}
