/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vm_monitor.c - `vm monitor`: ask a machine that was started with --monitor about itself.
 */
#include <jansson.h>
#include <stdio.h>

#include "base/io.h"
#include "base/unix.h"
#include "front/cli/cli.h"
#include "front/cli/verbs.h"
#include "machine/snapshot-folder.h"

#define ANSWER_BYTES_MAX (16u << 20)

struct vm_monitor_options {
	const char *format;
};

static const struct option vm_monitor_table[] = {
	{ OPTION_STRING, 0, "format", offsetof(struct vm_monitor_options, format), "text|json",
		"How the answer is printed [text]", COMPLETE_CHOICES, "text|json" },
	{ OPTION_END },
};

/* --- asking ---------------------------------------------------------------------------------- */

static int connect_to(const char *path, struct error *err)
{
	int fd = unix_connect(path);

	return fd < 0 ? error_errno(err, fd, "no machine answers at %s", path) : fd;
}

static int ask_words(int fd, const char *path, char *const *words, struct error *err)
{
	_cleanup_str_ struct str line = { 0 };
	int r;

	for (size_t i = 0; words[i]; i++)
		str_appendf(&line, "%s%s", i ? " " : "", words[i]);
	str_append_char(&line, '\n');
	if (line.failed)
		return error_oom(err);
	r = io_write_full(fd, line.data, line.len);
	return r < 0 ? error_errno(err, r, "the machine at %s does not answer", path) : 0;
}

static int hear(int fd, const char *path, json_t **ret, struct error *err)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	int r = io_read_fd(fd, ANSWER_BYTES_MAX, &text, &size);

	if (r < 0)
		return error_errno(err, r, "the machine at %s does not answer", path);
	*ret = json_loadb(text, size, 0, NULL);
	return *ret ? 0 : error_set(err, EBADMSG, "the machine at %s has ended", path);
}

static int ask(const char *path, char *const *words, json_t **ret, struct error *err)
{
	_cleanup_close_ int fd = connect_to(path, err);
	int r = fd < 0 ? fd : ask_words(fd, path, words, err);

	return r < 0 ? r : hear(fd, path, ret, err);
}

/* --- saving: the machine can reach no folder, so it is given the files ------------------------ */

/* What it would be a difference to, which is still there. *ret_path: NULL when the machine has said
 * why there is none, in *ret. */
static int find_base(const char *path, char **ret_path, json_t **ret, struct error *err)
{
	static char *const words[] = { (char *)(uintptr_t) "base", NULL };
	const char *folder, *id;
	int r = ask(path, words, ret, err);

	*ret_path = NULL;
	if (r < 0 || json_object_get(*ret, "error"))
		return r;
	folder = json_string_value(json_object_get(*ret, "folder"));
	id = json_string_value(json_object_get(*ret, "id"));
	r = folder && id ? snapshot_folder_check(folder, id, err)
			 : error_set(err, EBADMSG, "the machine at %s speaks nonsense", path);
	if (r == 0) {
		*ret_path = strf("%s", folder);
		r = *ret_path ? 0 : error_oom(err);
	}
	json_decref(*ret);
	*ret = NULL;
	return r;
}

static int save_to(
	const char *path, const char *folder, const char *base, json_t **ret, struct error *err)
{
	_cleanup_close_ int fd = connect_to(path, err);
	struct snapshot_folder files;
	int r = fd < 0 ? fd : snapshot_folder_make(folder, &files, err);

	if (r < 0)
		return r;
	r = snapshot_folder_ask(fd, &files, base, err);
	snapshot_folder_close(&files);
	if (r == 0)
		r = hear(fd, path, ret, err);
	if (r < 0 || json_object_get(*ret, "error")) {
		snapshot_folder_finish(folder, NULL, false, NULL);
		return r;
	}
	r = snapshot_folder_finish(folder, base, true, err);
	if (r < 0)
		json_decref(*ret);
	return r;
}

static int save(
	const char *path, const char *folder, bool is_difference, json_t **ret, struct error *err)
{
	_cleanup_free_ char *base = NULL;
	int r = is_difference ? find_base(path, &base, ret, err) : 0;

	if (r < 0 || (is_difference && !base))
		return r;
	return save_to(path, folder, base, ret, err);
}

static int ask_or_save(char *const *words, json_t **ret, struct error *err)
{
	const char *path = words[0];
	bool is_difference = streq(words[1], "save-diff");

	if (words[2] && (is_difference || streq(words[1], "save")))
		return save(path, words[2], is_difference, ret, err);
	return ask(path, words + 1, ret, err);
}

/* --- printing: one line for each value, "name.name  value" ----------------------------------- */

static void print_value(const char *name, const json_t *value);

static void print_members(const char *name, const json_t *value)
{
	const char *key;
	json_t *member;
	size_t i;

	json_object_foreach ((json_t *)(uintptr_t)value, key, member) {
		_cleanup_free_ char *full = *name ? strf("%s.%s", name, key) : strf("%s", key);

		print_value(full ? full : key, member);
	}
	json_array_foreach (value, i, member) {
		_cleanup_free_ char *full = strf("%s%zu", name, i);

		print_value(full ? full : name, member);
	}
}

static void print_value(const char *name, const json_t *value)
{
	if (json_is_object(value) || json_is_array(value))
		print_members(name, value);
	else if (json_is_string(value))
		printf("%-20s %s\n", name, json_string_value(value));
	else if (json_is_integer(value))
		printf("%-20s %lld\n", name, (long long)json_integer_value(value));
	else
		printf("%-20s %s\n", name,
			json_is_null(value)	      ? "none"
				: json_is_true(value) ? "yes"
						      : "no");
}

/* Digits to bytes: what dtc reads. */
static void print_blob(const char *digits)
{
	unsigned byte;

	for (; sscanf(digits, "%2x", &byte) == 1; digits += 2)
		putchar((int)byte);
}

static int vm_monitor_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	const struct vm_monitor_options *o = options;
	json_t *answer;
	const char *problem, *blob;
	int r = ask_or_save(argv, &answer, err);

	if (r < 0)
		return r;
	problem = json_string_value(json_object_get(answer, "error"));
	blob = json_string_value(json_object_get(answer, "tree"));
	if (problem) {
		r = error_set(err, EINVAL, "%s", problem);
	} else if (o->format && streq(o->format, "json")) {
		json_dumpf(answer, stdout, JSON_INDENT(2));
		putchar('\n');
	} else if (blob) {
		print_blob(blob);
	} else {
		print_value("", answer);
	}
	json_decref(answer);
	return r;
}

const struct verb verb_vm_monitor = {
	.name = "vm monitor",
	.group = "Machines",
	.usage = "[OPTIONS] SOCKET COMMAND [ARG...]",
	.summary = "Look into a machine that runs, or hold it",
	.help = "SOCKET is what the machine was given with vm run --monitor; HART is the number of a hart or\n"
		"vcpu, 0 when it is left out. Commands:\n"
		"  status                 what it is, and which harts are on\n"
		"  registers [HART]       all registers, control and status among them\n"
		"  traps [HART]           the last 64 traps, the oldest first (riscv64)\n"
		"  walk ADDRESS [HART]    the page table's entries for a virtual address (hexadecimal)\n"
		"  tree                   the device tree, as a blob: pipe it into dtc -I dtb (riscv64)\n"
		"  pause, resume          let all harts stand; no time passes for the guest\n"
		"  code [places]          counts of translated code; which places it is of\n"
		"  balloon [BYTES]        let the guest give up so much memory (\"0\": none); what it has\n"
		"                         given up so far\n"
		"  save FOLDER            make a snapshot, for vm run --restore\n"
		"  save-diff FOLDER       make one of what was written since the last, which has to stay\n"
		"                         where it is (vm run --track-dirty-pages)\n"
		"  power                  press the power button (x86-64), for what listens to it in there\n"
		"  reset, quit            restart it; turn it off\n"
		"\n"
		"Example:\n"
		"  strata vm monitor /tmp/m --format json registers 0 | jq -r .pc",
	.options = vm_monitor_table,
	.options_size = sizeof(struct vm_monitor_options),
	.min_operands = 2,
	.max_operands = 4,
	.operand = COMPLETE_FILE,
	.stateless = true,
	.run = vm_monitor_main,
};
