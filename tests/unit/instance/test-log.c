/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-log.c - what is written into log.json is JSON that jansson reads as the same text, lines
 * are split and joined as Docker's are, files rotate, and the reader finds what is asked for.
 */
#include "unit/test.h"

#include <time.h>

#include "fake.h"
#include "instance/log.h"

struct fixture {
	struct fake_roots *fake;
	struct instance instance;
	struct log_writer *writer;
};

static struct fixture *open_fixture(void **state, int64_t max_size, int64_t max_files)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct instance_spec spec;
	struct container_config config;
	struct error err = { 0 };

	f->fake = *state;
	fake_instance(&spec, &config, "logs", "true");
	if (instance_create(&f->fake->roots, &spec, &config, &f->instance, &err) < 0)
		fail_msg("%s", err.message);
	f->writer = calloc(1, sizeof(*f->writer));
	log_writer_open(f->writer, f->instance.dir_fd, true, max_size, max_files);
	return f;
}

static void close_fixture(struct fixture *f)
{
	log_writer_close(f->writer);
	free(f->writer);
	instance_close(&f->instance);
	free(f);
}

static void put(struct fixture *f, int stream, const char *text)
{
	log_writer_append(f->writer, stream, text, strlen(text));
}

/* Everything read, as "1:text" pieces one after the other. */
struct gathered {
	struct str text;
	size_t lines;
	int64_t last_ns;
};

static int gather(void *context, const struct instance_log_line *line)
{
	struct gathered *g = context;

	str_appendf(&g->text, "%d:", line->stream);
	str_append_n(&g->text, line->text, line->len);
	assert_true(line->time_ns >= g->last_ns);
	g->last_ns = line->time_ns;
	g->lines++;
	return 0;
}

static struct gathered read_log(struct fixture *f, int64_t tail, int64_t since, int64_t until)
{
	struct instance_log_options options = {
		.tail = tail, .since_ns = since, .until_ns = until
	};
	struct gathered g = { 0 };
	struct error err = { 0 };

	if (instance_logs(&f->instance, &options, gather, &g, &err) < 0)
		fail_msg("%s", err.message);
	str_append(&g.text, "");
	return g;
}

static void expect(struct fixture *f, int64_t tail, const char *text)
{
	struct gathered g = read_log(f, tail, 0, 0);

	assert_string_equal(g.text.data ? g.text.data : "", text);
	str_free(&g.text);
}

static void no_output_makes_no_file(void **state)
{
	struct fixture *f = open_fixture(state, 0, 1);

	log_writer_flush(f->writer);
	assert_int_equal(faccessat(f->instance.dir_fd, "log.json", F_OK, 0), -1);
	expect(f, -1, "");
	expect(f, 5, "");
	close_fixture(f);
}

static void lines_wait_for_their_end(void **state)
{
	struct fixture *f = open_fixture(state, 0, 1);

	put(f, 1, "hel");
	put(f, 2, "err\n");
	expect(f, -1, "2:err\n");
	put(f, 1, "lo\nwor");
	expect(f, -1, "2:err\n1:hello\n");
	put(f, 1, "ld\n\n");
	put(f, 2, "rest");
	log_writer_flush(f->writer);
	expect(f, -1, "2:err\n1:hello\n1:world\n1:\n2:rest");
	expect(f, 2, "1:\n2:rest");
	expect(f, 0, "");
	expect(f, 100, "2:err\n1:hello\n1:world\n1:\n2:rest");
	close_fixture(f);
}

/* jansson is the judge: the text of every line comes back byte by byte. */
static void escaping_is_jsons(void **state)
{
	struct fixture *f = open_fixture(state, 0, 1);
	char bytes[600], *text, *line;
	size_t n = 0;
	struct error err = { 0 };

	/* Every ASCII byte at every alignment within the eight that are looked at together. */
	for (int c = 1; c < 128; c++) {
		if (c == '\n')
			continue;
		memset(bytes, 'a', 16);
		bytes[c % 16] = (char)c;
		bytes[16] = '\n';
		log_writer_append(f->writer, 1, bytes, 17);
	}
	/* Multi-byte characters stay. */
	put(f, 1, "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x8f\xa0 end\n");
	assert_int_equal(
		io_read_file(f->instance.dir_fd, "log.json", 1 << 20, &text, NULL, &err), 0);
	line = text;
	for (int c = 1; c < 128; c++) {
		json_t *document = NULL;
		const char *log = NULL;
		char *end = strchr(line, '\n');

		if (c == '\n')
			continue;
		assert_non_null(end);
		if (json_parse(line, (size_t)(end - line), "line", &document, &err) < 0)
			fail_msg("byte %d: %s", c, err.message);
		json_get_string(document, "log", &log, "line", NULL);
		memset(bytes, 'a', 16);
		bytes[c % 16] = (char)c;
		memcpy(bytes + 16, "\n", 2);
		assert_string_equal(log, bytes);
		json_decref(document);
		line = end + 1;
		n++;
	}
	assert_int_equal(n, 126);
	assert_non_null(strstr(line, "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x8f\xa0 end\\n"));
	free(text);
	close_fixture(f);
}

static void bytes_that_are_no_text_are_replaced(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = { { "a\xff"
		       "b\n",
			     "a\xef\xbf\xbd"
			     "b\n" },
		{ "\xc3\n", "\xef\xbf\xbd\n" }, /* cut short */
		{ "\xc0\x80\n", "\xef\xbf\xbd\xef\xbf\xbd\n" }, /* overlong */
		{ "\xed\xa0\x80\n", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\n" }, /* a surrogate */
		{ "\xf4\x90\x80\x80\n", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\n" } };
	struct fixture *f = open_fixture(state, 0, 1);
	struct str all = { 0 };
	struct gathered g;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		put(f, 1, rows[i].in);
		str_appendf(&all, "1:%s", rows[i].out);
	}
	g = read_log(f, -1, 0, 0);
	assert_string_equal(g.text.data, all.data);
	str_free(&g.text);
	str_free(&all);
	close_fixture(f);
}

static void long_lines_are_split(void **state)
{
	struct fixture *f = open_fixture(state, 0, 1);
	size_t len = 3 * LOG_LINE_MAX + 100;
	char *text = malloc(len + 2);
	struct gathered g;

	/* Worst for the buffer: every byte is six. */
	memset(text, 1, len);
	memcpy(text + len, "\n", 2);
	/* In pieces that do not fit the limit. */
	for (size_t at = 0; at <= len; at += 5000) {
		size_t n = len + 1 - at < 5000 ? len + 1 - at : 5000;

		log_writer_append(f->writer, 1, text + at, n);
	}
	put(f, 1, "next\n");
	g = read_log(f, -1, 0, 0);
	assert_int_equal(g.lines, 5);
	/* Four pieces of it, each with "1:" in front, and the next line. */
	assert_int_equal(g.text.len, len + 1 + 4 * 2 + 7);
	assert_string_equal(g.text.data + g.text.len - 7, "1:next\n");
	str_free(&g.text);
	free(text);
	close_fixture(f);
}

static void files_rotate_between_lines(void **state)
{
	struct fixture *f = open_fixture(state, 2000, 3);
	struct gathered g;
	char line[32], *text;
	size_t len;
	struct error err = { 0 };

	for (int i = 0; i < 200; i++) {
		snprintf(line, sizeof(line), "line %d\n", i);
		put(f, 1, line);
	}
	assert_int_equal(faccessat(f->instance.dir_fd, "log.json.2", F_OK, 0), 0);
	assert_int_equal(faccessat(f->instance.dir_fd, "log.json.3", F_OK, 0), -1);
	for (int i = 0; i < 3; i++) {
		static const char *const names[] = { "log.json", "log.json.1", "log.json.2" };

		assert_int_equal(
			io_read_file(f->instance.dir_fd, names[i], 4000, &text, &len, &err), 0);
		assert_true(len < 2000 + 200);
		assert_int_equal(text[0], '{');
		assert_int_equal(text[len - 1], '\n');
		free(text);
	}
	g = read_log(f, -1, 0, 0);
	assert_true(g.lines > 40 && g.lines < 100);
	assert_string_equal(g.text.data + g.text.len - 11, "1:line 199\n");
	str_free(&g.text);
	/* A tail that reaches into the older files. */
	g = read_log(f, 30, 0, 0);
	assert_int_equal(g.lines, 30);
	assert_memory_equal(g.text.data, "1:line 170\n", 11);
	str_free(&g.text);
	close_fixture(f);
}

static void one_file_is_kept_small(void **state)
{
	struct fixture *f = open_fixture(state, 1000, 1);
	struct stat st;

	for (int i = 0; i < 100; i++)
		put(f, 2, "some line of text\n");
	assert_int_equal(fstatat(f->instance.dir_fd, "log.json", &st, 0), 0);
	assert_true(st.st_size < 1200);
	assert_int_equal(faccessat(f->instance.dir_fd, "log.json.1", F_OK, 0), -1);
	close_fixture(f);
}

static void spans_of_time_are_cut_out(void **state)
{
	struct timespec nap = { .tv_nsec = 2000000 };
	struct fixture *f = open_fixture(state, 0, 1);
	struct gathered g;
	int64_t first, second;

	put(f, 1, "one\n");
	nanosleep(&nap, NULL);
	first = clock_realtime_ns();
	put(f, 1, "two\n");
	second = clock_realtime_ns();
	nanosleep(&nap, NULL);
	put(f, 1, "three\n");
	g = read_log(f, -1, first, 0);
	assert_string_equal(g.text.data, "1:two\n1:three\n");
	str_free(&g.text);
	g = read_log(f, -1, first, second);
	assert_string_equal(g.text.data, "1:two\n");
	str_free(&g.text);
	close_fixture(f);
}

static void torn_lines_are_skipped(void **state)
{
	struct fixture *f = open_fixture(state, 0, 1);
	int fd;

	put(f, 1, "before\n");
	fd = openat(f->instance.dir_fd, "log.json", O_WRONLY | O_APPEND | O_CLOEXEC);
	assert_int_equal(io_write_full(fd, "{\"log\":\"torn\n\0\0\n{}\n", 19), 0);
	close(fd);
	put(f, 1, "after\n");
	expect(f, -1, "1:before\n1:after\n");
	close_fixture(f);
}

static void the_driver_none_has_no_logs(void **state)
{
	struct fixture *f = open_fixture(state, 0, 1);
	struct instance_log_options options = { .tail = -1 };
	struct error err = { 0 };
	struct gathered g = { 0 };

	free(f->instance.spec.log_driver);
	f->instance.spec.log_driver = strdup("none");
	assert_int_equal(instance_logs(&f->instance, &options, gather, &g, &err), -ENOTSUP);
	assert_non_null(strstr(err.message, "log driver \"none\""));
	close_fixture(f);
}

/* Follow to the end of a run that is still going on, over rotations. */
static void following_ends_with_the_run(void **state)
{
	struct fake_roots *fake = *state;
	struct instance_log_options options = { .tail = -1, .follow = true };
	enum instance_attach_end end;
	struct container_config config;
	struct instance_spec spec;
	struct instance instance;
	struct error err = { 0 };
	struct gathered g = { 0 };
	int code;

	fake_instance(&spec, &config, "follow",
		"for i in 1 2 3 4 5 6 7 8 9; do echo line $i; sleep 0.05; done; printf end");
	spec.log_max_size = 200;
	spec.log_max_files = 4;
	assert_int_equal(instance_create(&fake->roots, &spec, &config, &instance, &err), 0);
	assert_int_equal(instance_start(&instance, NULL, &end, &code, &err), 0);
	assert_int_equal(instance_logs(&instance, &options, gather, &g, &err), 0);
	assert_string_equal(g.text.data,
		"1:line 1\n1:line 2\n1:line 3\n1:line 4\n1:line 5\n1:line 6\n1:line 7\n1:line 8\n"
		"1:line 9\n1:end");
	str_free(&g.text);
	instance_close(&instance);
}

int main(void)
{
#define WITH_ROOT(f) cmocka_unit_test_setup_teardown(f, fake_setup, fake_teardown)
	const struct CMUnitTest tests[] = {
		WITH_ROOT(no_output_makes_no_file),
		WITH_ROOT(lines_wait_for_their_end),
		WITH_ROOT(escaping_is_jsons),
		WITH_ROOT(bytes_that_are_no_text_are_replaced),
		WITH_ROOT(long_lines_are_split),
		WITH_ROOT(files_rotate_between_lines),
		WITH_ROOT(one_file_is_kept_small),
		WITH_ROOT(spans_of_time_are_cut_out),
		WITH_ROOT(torn_lines_are_skipped),
		WITH_ROOT(the_driver_none_has_no_logs),
		WITH_ROOT(following_ends_with_the_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
