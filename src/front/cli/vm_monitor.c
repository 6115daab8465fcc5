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

/* As the machine's process finds it, too. */
static int append_folder(struct str *line, const char *folder, struct error *err)
{
	_cleanup_free_ char *here = *folder == '/' ? NULL : getcwd(NULL, 0);

	if (*folder != '/' && !here)
		return error_errno(err, errno, "cannot tell the current folder");
	if (strchr(folder, ' ') || (here && strchr(here, ' ')))
		return error_set(err, EINVAL, "%s: no space may be in the path", folder);
	str_appendf(line, "%s%s%s", here ? here : "", here ? "/" : "", folder);
	return 0;
}

static int ask(char *const *words, json_t **ret, struct error *err)
{
	_cleanup_close_ int fd = connect_to(words[0], err);
	_cleanup_str_ struct str line = { 0 };
	_cleanup_free_ char *text = NULL;
	size_t size;
	int r;

	if (fd < 0)
		return fd;
	for (size_t i = 1; words[i]; i++) {
		str_appendf(&line, "%s", i > 1 ? " " : "");
		if (i == 2 && (streq(words[1], "save") || streq(words[1], "save-diff"))) {
			r = append_folder(&line, words[i], err);
			if (r < 0)
				return r;
		} else {
			str_appendf(&line, "%s", words[i]);
		}
	}
	str_append_char(&line, '\n');
	if (line.failed)
		return error_oom(err);
	r = io_write_full(fd, line.data, line.len);
	if (r == 0)
		r = io_read_fd(fd, ANSWER_BYTES_MAX, &text, &size);
	if (r < 0)
		return error_errno(err, r, "the machine at %s does not answer", words[0]);
	*ret = json_loadb(text, size, 0, NULL);
	return *ret ? 0 : error_set(err, EBADMSG, "the machine at %s has ended", words[0]);
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
	int r = ask(argv, &answer, err);

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
