/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config-write-process.c - the object "process" of config.json.
 */
#include "container/config-write.h"

#include "base/str.h"

static void write_capabilities(struct json_writer *w, const struct container_process *process)
{
	json_begin_object(w, "capabilities");
	for (size_t i = 0; i < CONFIG_CAPABILITY_SETS; i++) {
		const struct config_capability_set *set = &config_capability_sets[i];
		uint64_t bits = *(const uint64_t *)((const char *)process + set->offset);

		if (!bits)
			continue;
		json_begin_array(w, set->name);
		for (int n = 0; n < CONTAINER_CAPABILITY_COUNT; n++) {
			const char *name = bits >> n & 1 ? container_capability_name(n) : NULL;

			if (name)
				json_write_string(w, NULL, name);
		}
		json_end_array(w);
	}
	json_end_object(w);
}

static void write_user(struct json_writer *w, const struct container_config *c)
{
	json_begin_object(w, "user");
	config_write_fields(w, CONFIG_USER, c);
	if (c->process.umask >= 0)
		json_write_int(w, "umask", c->process.umask);
	if (c->process.nr_groups) {
		json_begin_array(w, "additionalGids");
		for (size_t i = 0; i < c->process.nr_groups; i++)
			json_write_uint(w, NULL, c->process.groups[i]);
		json_end_array(w);
	}
	json_end_object(w);
}

static void write_rlimits(struct json_writer *w, const struct container_process *p)
{
	if (!p->nr_rlimits)
		return;
	json_begin_array(w, "rlimits");
	for (size_t i = 0; i < p->nr_rlimits; i++) {
		json_begin_object(w, NULL);
		json_write_string(w, "type", config_rlimit_name(p->rlimits[i].resource));
		json_write_uint(w, "soft", p->rlimits[i].soft);
		json_write_uint(w, "hard", p->rlimits[i].hard);
		json_end_object(w);
	}
	json_end_array(w);
}

static void write_unless_zero(struct json_writer *w, const char *name, uint64_t value)
{
	if (value)
		json_write_uint(w, name, value);
}

static void write_scheduler(struct json_writer *w, const struct container_scheduler *s)
{
	if (!s->wanted)
		return;
	json_begin_object(w, "scheduler");
	json_write_string(w, "policy",
		config_word_of(config_scheduler_policies, CONFIG_SCHEDULER_POLICIES, s->policy));
	json_write_int(w, "nice", s->nice);
	json_write_uint(w, "priority", s->priority);
	if (s->flags) {
		json_begin_array(w, "flags");
		for (size_t i = 0; i < CONFIG_SCHEDULER_FLAGS; i++)
			if (s->flags & (uint64_t)config_scheduler_flags[i].value)
				json_write_string(w, NULL, config_scheduler_flags[i].word);
		json_end_array(w);
	}
	write_unless_zero(w, "runtime", s->runtime_ns);
	write_unless_zero(w, "deadline", s->deadline_ns);
	write_unless_zero(w, "period", s->period_ns);
	json_end_object(w);
}

static void write_io_priority(struct json_writer *w, const struct container_io_priority *io)
{
	if (!io->wanted)
		return;
	json_begin_object(w, "ioPriority");
	json_write_string(
		w, "class", config_word_of(config_io_classes, CONFIG_IO_CLASSES, io->io_class));
	json_write_int(w, "priority", io->level);
	json_end_object(w);
}

void config_write_process(struct json_writer *w, const struct container_config *c)
{
	const struct container_process *p = &c->process;

	json_begin_object(w, "process");
	config_write_fields(w, CONFIG_PROCESS, c);
	if (p->rows || p->columns) {
		json_begin_object(w, "consoleSize");
		json_write_uint(w, "height", p->rows);
		json_write_uint(w, "width", p->columns);
		json_end_object(w);
	}
	write_user(w, c);
	write_capabilities(w, p);
	write_rlimits(w, p);
	if (p->has_oom_score_adj)
		json_write_int(w, "oomScoreAdj", p->oom_score_adj);
	write_scheduler(w, &p->scheduler);
	write_io_priority(w, &p->io_priority);
	if (p->cpus_initial || p->cpus_final) {
		json_begin_object(w, "execCPUAffinity");
		config_write_fields(w, CONFIG_AFFINITY, c);
		json_end_object(w);
	}
	json_end_object(w);
}
