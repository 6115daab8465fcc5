/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-log.c - any bytes as a log file, and any bytes as output.
 *
 * As a file: the reader survives it. As output, in pieces: the file is JSON by jansson's judgement,
 * and the reader gives back as many newlines as went in.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "instance/internal.h"
#include "instance/log.h"

#define PIECE 777

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int count_newlines(void *context, const struct instance_log_line *line)
{
	size_t *newlines = context;

	for (size_t i = 0; i < line->len; i++)
		*newlines += line->text[i] == '\n';
	return 0;
}

static size_t read_back(struct instance *instance, int64_t tail)
{
	struct instance_log_options options = { .tail = tail };
	size_t newlines = 0;

	instance_logs(instance, &options, count_newlines, &newlines, NULL);
	return newlines;
}

static void as_file(struct instance *instance, const uint8_t *data, size_t size)
{
	if (io_replace_file(instance->dir_fd, "log.json", 0600, data, size, IO_VOLATILE, NULL) < 0)
		abort();
	read_back(instance, -1);
	read_back(instance, 3);
	unlinkat(instance->dir_fd, "log.json", 0);
}

static void check_json(int dir_fd)
{
	char *text, *line, *end;
	size_t len;

	if (io_read_file(dir_fd, "log.json", 64u << 20, &text, &len, NULL) < 0)
		return; /* no output, no file */
	for (line = text; line < text + len; line = end + 1) {
		json_t *document;

		end = memchr(line, '\n', (size_t)(text + len - line));
		if (!end)
			abort();
		document = json_loadb(line, (size_t)(end - line), JSON_ALLOW_NUL, NULL);
		if (!document)
			abort();
		json_decref(document);
	}
	free(text);
}

static void as_output(struct instance *instance, const uint8_t *data, size_t size)
{
	struct log_writer *writer = calloc(1, sizeof(*writer));
	size_t newlines = 0;

	if (!writer)
		return;
	log_writer_open(writer, instance->dir_fd, true, 0, 1);
	for (size_t at = 0; at < size; at += PIECE)
		log_writer_append(
			writer, 1, (const char *)data + at, size - at < PIECE ? size - at : PIECE);
	log_writer_close(writer);
	free(writer);
	for (size_t i = 0; i < size; i++)
		newlines += data[i] == '\n';
	check_json(instance->dir_fd);
	if (read_back(instance, -1) != newlines)
		abort();
	unlinkat(instance->dir_fd, "log.json", 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char driver[] = "json-file", path[] = "/tmp/strata-fuzz-XXXXXX";
	struct instance instance = { .spec = { .log_driver = driver } };

	if (!mkdtemp(path))
		return 0;
	instance.dir_fd = io_open_dir(AT_FDCWD, path);
	as_file(&instance, data, size);
	as_output(&instance, data, size);
	close(instance.dir_fd);
	rmdir(path);
	return 0;
}
