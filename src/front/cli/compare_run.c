/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compare_run.c - instances that are measured: how soon the command says something, and what the
 * yardstick finds in one that waits.
 *
 * All is done by this program's own command line, so an interrupt of the terminal reaches those
 * commands, too. Whatever happens, an instance that was begun is removed by its name.
 */
#include "front/cli/compare.h"

#include <dirent.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/process.h"
#include "front/cli/cli.h"

#define YARDSTICK	  "/.strata-yardstick"
#define SAID_MAX	  4096
#define PROC_FILE_MAX	  (64u << 10)
#define SERVICE_NS	  (INT64_C(5) * 1000000000) /* after the first output: it does not end */
#define READY_NS	  (INT64_C(60) * 1000000000) /* until an instance that waits answers */
#define READY_PAUSE_NS	  (INT64_C(20) * 1000000)
#define PROCESSES_AT_MOST 64 /* of one instance that waits */

/* --- our own command line --------------------------------------------------------------------- */

/* "strata [--root DIR] WORD WORD ...", the words separated by spaces. */
static char **begin_command(const struct compare *c, const char *words)
{
	char **argv = NULL, **split = strv_split(words, ' ');
	int r = split ? strv_push(&argv, c->program) : -ENOMEM;

	if (r == 0 && c->cli->root_given)
		r = strv_push(&argv, "--root") < 0 ? -ENOMEM : strv_push(&argv, c->cli->root);
	strv_for_each (word, split)
		if (r == 0)
			r = strv_push(&argv, *word);
	strv_free(split);
	return r == 0 ? argv : strv_free(argv);
}

/* One word more; NULL when memory has run out, for which command() has a sentence. */
static char **add_word(char **argv, const char *word)
{
	return !argv || strv_push(&argv, word) == 0 ? argv : strv_free(argv);
}

/* "PROGRAM failed with status 1: strata: SENTENCE": the sentence is what matters. */
static void keep_sentence(struct error *err)
{
	const char *mark = ": strata: ", *at = err ? strstr(err->message, mark) : NULL;

	if (at)
		memmove(err->message, at + strlen(mark), strlen(at + strlen(mark)) + 1);
}

/* Run it to its end; `argv` is taken. Its standard output is *ret's, if wanted. */
static int command(char **argv, char **ret, struct error *err)
{
	_cleanup_strv_ char **owned = argv;
	int r = owned ? process_run(owned, NULL, ret, err) : error_oom(err);

	if (r <= 0)
		return r;
	keep_sentence(err);
	if (ret) {
		free(*ret);
		*ret = NULL;
	}
	return -EIO;
}

static void remove_instance(const struct compare *c, const char *name)
{
	command(add_word(begin_command(c, "rm -f"), name), NULL, NULL);
}

/* What makes a `run` or a `create` this way. */
static char **begin_instance(const struct compare *c, const struct compare_result *way,
	const char *words, const char *name)
{
	char **argv = begin_command(c, words);
	const char *const options[] = { "--platform", way->platform, "--isolation",
		way->way->isolation, "--pull", "never", "--no-healthcheck", "--network",
		c->net_mib ? "host" : "none", "--name", name };

	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		argv = add_word(argv, options[i]);
	return argv;
}

int compare_find_image(struct compare *c, struct error *err)
{
	const char *pull[] = { c->cli->program, "pull", c->image, NULL, NULL, NULL };

	if (command(add_word(begin_command(c, "image inspect"), c->image), NULL, NULL) == 0)
		return 0;
	if (c->cli->root_given)
		memcpy(pull + 1, ((const char *[]){ "--root", c->cli->root, "pull", c->image }),
			4 * sizeof(*pull));
	fprintf(stderr, "Unable to find image '%s' locally\n", c->image);
	return cli_run_helper("strata-image", pull, err);
}

/* --- the command, from its start to its first output ------------------------------------------ */

struct started {
	pid_t pid;
	int out, err; /* -1 at their ends */
	struct str said;
};

static int spawn(char *const *argv, struct started *ret, struct error *err)
{
	_cleanup_close_ int out = -1, error = -1;
	posix_spawn_file_actions_t actions;
	int p[2], r;

	if (pipe2(p, O_CLOEXEC) < 0)
		return error_errno(err, errno, "cannot run %s", argv[0]);
	ret->out = p[0], out = p[1];
	if (pipe2(p, O_CLOEXEC) < 0)
		return error_errno(err, errno, "cannot run %s", argv[0]);
	ret->err = p[0], error = p[1];
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, error, STDERR_FILENO);
	r = posix_spawn(&ret->pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return r ? error_errno(err, r, "cannot run %s", argv[0]) : 0;
}

static void take(struct started *s, int *fd, bool keep)
{
	char bytes[4096];
	ssize_t n = read(*fd, bytes, sizeof(bytes));

	if (n <= 0)
		close(steal_fd(fd));
	else if (keep && s->said.len < SAID_MAX)
		str_append_n(&s->said, bytes, (size_t)n);
}

/* Until both of its streams have ended, or the deadline, or, where the end does not matter, the
 * first output; true: they have. */
static bool watch(struct started *s, int64_t began, int64_t timeout_ns, bool to_the_end,
	struct compare_start *ret)
{
	int64_t deadline = began + timeout_ns;

	while (s->out >= 0 || s->err >= 0) {
		struct pollfd p[2] = { { s->out, POLLIN, 0 }, { s->err, POLLIN, 0 } };
		int64_t left_ns = deadline - clock_monotonic_ns();

		if (left_ns <= 0 || compare_interrupted())
			return false;
		if (poll(p, 2, (int)(left_ns / 1000000) + 1) < 0 && errno != EINTR)
			return false;
		if (p[0].revents && ret->first_output_ns < 0) {
			int64_t now = clock_monotonic_ns();
			int available = 0;

			/* The end of an output is not an output. */
			if (ioctl(s->out, FIONREAD, &available) == 0 && available > 0) {
				ret->first_output_ns = now - began;
				deadline = now + SERVICE_NS;
				if (!to_the_end)
					return false;
			}
		}
		if (p[0].revents)
			take(s, &s->out, false);
		if (p[1].revents)
			take(s, &s->err, true);
	}
	return true;
}

static int run_command(const struct compare *c, char *const *argv, const char *name,
	bool to_the_end, struct compare_start *ret, struct error *err)
{
	struct started s = { .out = -1, .err = -1 };
	int64_t began = clock_monotonic_ns();
	int status = 0, r = spawn(argv, &s, err);

	if (r == 0) {
		bool ended = watch(&s, began, c->timeout_ns, to_the_end, ret);

		if (!ended) {
			remove_instance(c, name);
			kill(s.pid, SIGKILL);
		}
		while (waitpid(s.pid, &status, 0) < 0 && errno == EINTR)
			;
		if (ended) {
			ret->end_ns = clock_monotonic_ns() - began;
			ret->exit_code = process_exit_code(status);
		}
	}
	if (s.out >= 0)
		close(s.out);
	if (s.err >= 0)
		close(s.err);
	ret->said = str_finish(&s.said);
	return r;
}

int compare_start(struct compare *c, const struct compare_result *way, bool to_the_end,
	struct compare_start *ret, struct error *err)
{
	_cleanup_free_ char *name = strf("compare-%s-run", c->mark);
	_cleanup_strv_ char **argv = name ? begin_instance(c, way, "run --rm", name) : NULL;
	int r = argv ? strv_push(&argv, c->image) : -ENOMEM;

	*ret = (struct compare_start){ .first_output_ns = -1, .end_ns = -1, .exit_code = -1 };
	for (size_t i = 0; r == 0 && c->command[i]; i++)
		r = strv_push(&argv, c->command[i]);
	if (r < 0)
		return error_oom(err);
	return run_command(c, argv, name, to_the_end, ret, err);
}

/* --- what the yardstick says ------------------------------------------------------------------ */

static int yardstick_path(const char *architecture, char *buf, size_t size, struct error *err)
{
	char name[64];

	snprintf(name, sizeof(name), "strata-yardstick-%s", architecture);
	return process_helper_path(name, buf, size, err);
}

static void parse_text(const char *line, const char *word, char *ret, size_t size)
{
	const char *value = str_after_prefix(line, word);

	if (value && *value == ' ')
		snprintf(ret, size, "%s", value + 1);
}

/* Lines of a word and a value; it comes from a guest, and may say anything. */
static int parse_speed(const char *text, struct compare_speed *ret, struct error *err)
{
	const struct {
		const char *word;
		uint64_t *value;
	} numbers[] = {
		{ "processes ", &ret->processes },
		{ "integer_ns ", &ret->integer_ns },
		{ "integer_result ", &ret->integer_result },
		{ "float_ns ", &ret->float_ns },
		{ "float_result ", &ret->float_result },
		{ "calls_ns ", &ret->calls_ns },
		{ "calls_result ", &ret->calls_result },
		{ "disk_write_bytes_per_s ", &ret->disk_write },
		{ "disk_read_bytes_per_s ", &ret->disk_read },
		{ "net_send_bytes_per_s ", &ret->net_send },
		{ "net_receive_bytes_per_s ", &ret->net_receive },
	};
	_cleanup_strv_ char **lines = strv_split(text ? text : "", '\n');

	if (!lines)
		return error_oom(err);
	strv_for_each (line, lines) {
		for (char *p = *line; *p; p++)
			*p = *p < ' ' || *p > '~' ? '?' : *p;
		parse_text(*line, "kernel", ret->kernel, sizeof(ret->kernel));
		parse_text(*line, "machine", ret->machine, sizeof(ret->machine));
		for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
			const char *value = str_after_prefix(*line, numbers[i].word);

			if (value && parse_u64(value, UINT64_MAX, numbers[i].value) < 0)
				return error_set(err, EPROTO, "the yardstick says \"%s\"", *line);
		}
	}
	return 0;
}

/* --- memory ----------------------------------------------------------------------------------- */

static uint64_t private_bytes(pid_t pid)
{
	_cleanup_free_ char *text = NULL;
	const char *at;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
	if (io_read_file(AT_FDCWD, path, PROC_FILE_MAX, &text, NULL, NULL) < 0)
		return 0;
	at = strstr(text, "Private_Dirty:");
	return at ? strtoull(at + strlen("Private_Dirty:"), NULL, 10) * 1024 : 0;
}

static pid_t parent_of(pid_t pid)
{
	_cleanup_free_ char *text = NULL;
	const char *at;
	char path[64];
	int parent;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (io_read_file(AT_FDCWD, path, PROC_FILE_MAX, &text, NULL, NULL) < 0)
		return 0;
	at = strrchr(text, ')');
	return at && sscanf(at + 1, " %*c %d", &parent) == 1 ? parent : 0;
}

static bool contains(const pid_t *list, size_t count, pid_t pid)
{
	for (size_t i = 0; i < count; i++)
		if (list[i] == pid)
			return true;
	return false;
}

/* The private dirty pages of a process and of all that it has started. */
static uint64_t tree_bytes(pid_t root)
{
	pid_t found[PROCESSES_AT_MOST] = { root };
	uint64_t bytes = private_bytes(root);
	size_t count = 1, before;

	/* Numbers come round again, so a child's may be below its parent's. */
	do {
		_cleanup_closedir_ DIR *proc = opendir("/proc");
		const struct dirent *entry;

		before = count;
		while (proc && (entry = readdir(proc)) && count < ARRAY_SIZE(found)) {
			pid_t pid = (pid_t)atoi(entry->d_name);

			if (pid <= 0 || contains(found, count, pid) ||
				!contains(found, count, parent_of(pid)))
				continue;
			found[count++] = pid;
			bytes += private_bytes(pid);
		}
	} while (count > before);
	return bytes;
}

/* --- an instance that waits ------------------------------------------------------------------- */

static int make_waiting(
	struct compare *c, const struct compare_result *way, const char *name, struct error *err)
{
	_cleanup_free_ char *place = strf("%s:%s", name, YARDSTICK);
	char **argv = begin_instance(c, way, "create --entrypoint " YARDSTICK, name);
	struct image_platform platform;
	char yardstick[PATH_MAX];
	int r = command(add_word(add_word(argv, c->image), "wait"), NULL, err);

	if (r == 0)
		r = image_platform_parse(way->platform, &platform, err);
	if (r == 0)
		r = yardstick_path(platform.architecture, yardstick, sizeof(yardstick), err);
	if (r == 0 && !place)
		r = error_oom(err);
	if (r == 0)
		r = command(
			add_word(add_word(begin_command(c, "cp"), yardstick), place), NULL, err);
	return r < 0 ? r : command(add_word(begin_command(c, "start"), name), NULL, err);
}

/* Until the yardstick in it has said "ready". */
static int await_ready(struct compare *c, const char *name, struct error *err)
{
	int64_t deadline = clock_monotonic_ns() + READY_NS;

	while (!compare_interrupted()) {
		_cleanup_free_ char *log = NULL;
		int r = command(add_word(begin_command(c, "logs"), name), &log, err);

		if (r < 0)
			return r;
		if (log && strstr(log, "ready"))
			return 0;
		if (clock_monotonic_ns() > deadline)
			return error_set(err, ETIMEDOUT, "the instance does not begin");
		nanosleep(&(struct timespec){ .tv_nsec = READY_PAUSE_NS }, NULL);
	}
	return -EINTR;
}

/* The yardstick in the instance, with one kind of work; the words are separated by spaces. */
static int ask_yardstick(struct compare *c, const char *name, const char *work,
	struct compare_speed *ret, struct error *err)
{
	_cleanup_free_ char *words = strf("exec %s %s %s", name, YARDSTICK, work), *said = NULL;
	int r = words ? command(begin_command(c, words), &said, err) : error_oom(err);

	return r < 0 ? r : parse_speed(said, ret, err);
}

static int measure_memory(
	struct compare *c, const char *name, uint64_t *ret_bytes, struct error *err)
{
	_cleanup_free_ char *words = strf("inspect --format {{.State.Pid}} %s", name), *said = NULL;
	int r = words ? command(begin_command(c, words), &said, err) : error_oom(err);
	uint64_t bytes;

	if (r < 0)
		return r;
	/* Of a process, its monitor and all that belongs to them. */
	bytes = tree_bytes(parent_of((pid_t)atoi(said ? said : "")));
	*ret_bytes = bytes > c->yardstick_bytes ? bytes - c->yardstick_bytes : 0;
	return 0;
}

static int measure_speed(struct compare *c, const struct compare_way *way, const char *name,
	struct compare_speed *ret, struct error *err)
{
	char work[128];
	int r = ask_yardstick(c, name, "speed", ret, err);

	if (r == 0 && c->disk_mib) {
		snprintf(work, sizeof(work), "disk / %" PRIu64, c->disk_mib);
		r = ask_yardstick(c, name, work, ret, err);
	}
	if (r == 0 && c->net_mib) {
		snprintf(work, sizeof(work), "net %s %u %" PRIu64, way->host_address,
			c->server_port, c->net_mib);
		r = ask_yardstick(c, name, work, ret, err);
	}
	if (r == 0 &&
		(ret->integer_result != c->host.integer_result ||
			ret->float_result != c->host.float_result))
		r = error_set(err, EBADMSG, "what is computed in it is not what is computed here");
	return r;
}

int compare_measure(struct compare *c, struct compare_result *way, struct error *err)
{
	_cleanup_free_ char *name = strf("compare-%s-wait", c->mark);
	int r = name ? make_waiting(c, way, name, err) : error_oom(err);

	if (r == 0)
		r = await_ready(c, name, err);
	if (r == 0)
		r = measure_memory(c, name, &way->memory_bytes, err);
	if (r == 0)
		r = measure_speed(c, way->way, name, &way->speed, err);
	if (name)
		remove_instance(c, name);
	return r;
}

/* The yardstick as an ordinary process; the best of what it has said so far counts. */
static int measure_host_speed(struct compare *c, const char *path, struct error *err)
{
	char *argv[] = { (char *)path, (char *)"speed", NULL };
	struct compare_speed now = { 0 }, *best = &c->host;
	_cleanup_free_ char *said = NULL;
	int r = process_run(argv, NULL, &said, err);

	r = r > 0 ? -EIO : r;
	if (r == 0)
		r = parse_speed(said, &now, err);
	if (r == 0 && (!now.integer_ns || !now.float_ns || !now.calls_ns))
		r = error_set(err, EPROTO, "%s does not measure", path);
	if (r < 0)
		return r;
	if (best->integer_ns) {
		now.integer_ns = now.integer_ns < best->integer_ns ? now.integer_ns
								   : best->integer_ns;
		now.float_ns = now.float_ns < best->float_ns ? now.float_ns : best->float_ns;
	}
	*best = now;
	return 0;
}

static int measure_host_memory(struct compare *c, const char *path, struct error *err)
{
	struct started s = { .out = -1, .err = -1 };
	char ready[16];
	int r = spawn((char *[]){ (char *)path, (char *)"wait", NULL }, &s, err);

	if (r == 0) {
		if (read(s.out, ready, sizeof(ready)) > 0)
			c->yardstick_bytes = private_bytes(s.pid);
		kill(s.pid, SIGKILL);
		while (waitpid(s.pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	if (s.out >= 0)
		close(s.out);
	if (s.err >= 0)
		close(s.err);
	return r;
}

int compare_measure_host(struct compare *c, struct error *err)
{
	struct image_platform host;
	char path[PATH_MAX];
	int r = image_platform_parse(NULL, &host, err);

	if (r == 0)
		r = yardstick_path(host.architecture, path, sizeof(path), err);
	if (r == 0)
		r = measure_host_speed(c, path, err);
	return r == 0 && !c->yardstick_bytes ? measure_host_memory(c, path, err) : r;
}
