/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ps.c - `ps`: the processes of a container, as ps(1) of the host shows them.
 *
 * Which they are says the cgroup; of what ps(1) prints, the lines with their pids are kept.
 */
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>

#include "base/io.h"
#include "base/json.h"
#include "base/process.h"
#include "front/runtime/record.h"

#define OUTPUT_MAX (64u << 20) /* of ps(1) */

extern char **environ;

struct ps_options {
	const char *format;
};

static const struct ps_options defaults = { .format = "table" };

static const struct option ps_table[] = {
	{ OPTION_STRING, 'f', "format", offsetof(struct ps_options, format), "FORMAT",
		"table: the lines of ps(1); json: an array of pids", COMPLETE_CHOICES,
		"table|json" },
	{ OPTION_END },
};

struct pids {
	pid_t *items;
	size_t count;
};

static int by_number(const void *a, const void *b)
{
	pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

	return x < y ? -1 : x > y;
}

static bool has_pid(const struct pids *pids, uint64_t number)
{
	pid_t pid = (pid_t)number;

	return number <= INT32_MAX &&
		bsearch(&pid, pids->items, pids->count, sizeof(pid), by_number);
}

/* --- ps(1) ----------------------------------------------------------------------------------- */

static int spawn_ps(char **argv, int output_fd, pid_t *ret_pid)
{
	posix_spawn_file_actions_t actions;
	int r;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, output_fd, 1);
	posix_spawn_file_actions_adddup2(&actions, output_fd, 2);
	r = posix_spawnp(ret_pid, "ps", &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return -r;
}

/* In one line: the log has one for an error. */
static int refuse(int status, char *output, struct error *err)
{
	output[strcspn(output, "\n")] = '\0';
	return error_set(err, EINVAL, "ps ended with status %d: %s", status, output);
}

/* What it prints to both streams: an error comes with its own words. */
static int run_ps(char **argv, char **ret, struct error *err)
{
	_cleanup_close_ int read_end = -1, write_end = -1;
	_cleanup_free_ char *output = NULL;
	int pair[2], status, r;
	pid_t pid;

	if (pipe2(pair, O_CLOEXEC) < 0)
		return error_errno(err, errno, "cannot make a pipe");
	read_end = pair[0], write_end = pair[1];
	r = spawn_ps(argv, write_end, &pid);
	close(steal_fd(&write_end));
	if (r == -ENOENT)
		return error_set(err, ENOENT, "it takes the program ps, which is not in $PATH");
	if (r < 0)
		return error_errno(err, r, "cannot run ps");
	r = io_read_fd(read_end, OUTPUT_MAX, &output, NULL);
	close(steal_fd(&read_end));
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (r < 0)
		return error_errno(err, r, "cannot read what ps prints");
	if (status != 0)
		return refuse(process_exit_code(status), output, err);
	*ret = steal_ptr(&output);
	return 0;
}

/* Word number `index` of a line; NULL when it has not so many. The line is left as it is. */
static const char *word_at(const char *line, int index, size_t *ret_len)
{
	static const char blanks[] = " \t";

	for (;;) {
		line += strspn(line, blanks);
		if (!*line)
			return NULL;
		*ret_len = strcspn(line, blanks);
		if (index-- == 0)
			return line;
		line += *ret_len;
	}
}

static int find_pid_column(const char *title, struct error *err)
{
	const char *word;
	size_t len;

	for (int i = 0; (word = word_at(title, i, &len)); i++)
		if (len == 3 && memcmp(word, "PID", 3) == 0)
			return i;
	return error_set(err, EINVAL,
		"couldn't find PID field in ps output: its lines cannot be told apart without");
}

static int print_table(const struct pids *pids, char *output, struct error *err)
{
	char *line = strsep(&output, "\n");
	int column = find_pid_column(line ? line : "", err);

	if (column < 0)
		return column;
	printf("%s\n", line);
	while ((line = strsep(&output, "\n"))) {
		char number[24];
		uint64_t pid;
		size_t len;
		const char *word = word_at(line, column, &len);

		if (!word || len >= sizeof(number))
			continue;
		memcpy(number, word, len);
		number[len] = '\0';
		if (parse_u64(number, INT32_MAX, &pid) < 0)
			return error_set(err, EINVAL,
				"unable to parse pid \"%s\": is there a column with blanks before it?",
				number);
		if (has_pid(pids, pid))
			printf("%s\n", line);
	}
	return 0;
}

/* --- the verb -------------------------------------------------------------------------------- */

static int show_table(const struct pids *pids, int argc, char **argv, struct error *err)
{
	_cleanup_free_ char **words = calloc((size_t)argc + 3, sizeof(*words));
	_cleanup_free_ char *output = NULL;
	int r;

	if (!words)
		return error_oom(err);
	words[0] = (char *)"ps";
	words[1] = (char *)"-ef";
	for (int i = 0; i < argc; i++)
		words[i + 1] = argv[i];
	r = run_ps(words, &output, err);
	return r < 0 ? r : print_table(pids, output, err);
}

static int show_json(const struct pids *pids, struct error *err)
{
	struct json_writer w = { 0 };
	_cleanup_free_ char *text = NULL;

	json_begin_array(&w, NULL);
	for (size_t i = 0; i < pids->count; i++)
		json_write_int(&w, NULL, pids->items[i]);
	json_end_array(&w);
	text = json_writer_finish(&w);
	if (!text)
		return error_oom(err);
	printf("%s\n", text);
	return 0;
}

static int ps(struct cli *cli, const struct ps_options *o, int argc, char **argv, struct error *err)
{
	_cleanup_record_ struct record record = RECORD_INIT;
	struct pids pids = { 0 };
	int r = record_open(runtime_of(cli), argv[0], &record, err);

	if (r == 0 && !record.cgroup)
		r = error_set(err, ENOTSUP,
			"its processes are known by its cgroup, and this container has none");
	if (r == 0)
		r = cgroup_pids(record.cgroup, &pids.items, &pids.count, err);
	if (r < 0)
		return r;
	if (pids.count)
		qsort(pids.items, pids.count, sizeof(*pids.items), by_number);
	if (streq(o->format, "json"))
		r = show_json(&pids, err);
	else
		r = show_table(&pids, argc - 1, argv + 1, err);
	free(pids.items);
	return r;
}

static int ps_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	int r = ps(cli, options, argc, argv, err);

	return r < 0 ? error_prefix(err, "cannot list the processes of container %s", argv[0]) : 0;
}

const struct verb runtime_verb_ps = {
	.name = "ps",
	.usage = "[OPTIONS] ID [PS-OPTION...]",
	.summary = "Show the processes of a container",
	.help = "Pids are the host's. What follows the ID goes to ps(1), which prints `-ef` without; it\n"
		"must print a column PID.\n"
		"\n"
		"Examples:\n"
		"  strata-runtime ps web -o pid,rss,args\n"
		"  strata-runtime ps --format json web",
	.options = ps_table,
	.options_size = sizeof(struct ps_options),
	.defaults = &defaults,
	.stop_at_operand = true,
	.min_operands = 1,
	.max_operands = -1,
	.run = ps_main,
};
