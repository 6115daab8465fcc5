/* SPDX-License-Identifier: Apache-2.0 */
/*
 * progress.c - bars per layer.
 *
 * A frame is one write(2): up to the first line of the last frame, each line with the rest of its
 * old text erased, so that nothing blinks. How many rows the last frame takes is computed anew from
 * the width of the moment: a window made narrower has wrapped its lines. When there are more lines
 * than the window is high, only those that still move are shown, and one that counts the others.
 */
#include "front/cli/progress.h"

#include <sys/ioctl.h>

#include "base/clock.h"
#include "base/io.h"

#define COLUMNS_DEFAULT 80
#define ROWS_DEFAULT	24
#define ID_DIGITS	12
#define BAR_MIN		8
#define BAR_MAX		50

static const char *const moving[] = { "Downloading", "Extracting", "Pushing", "Reading",
	"Writing" };
static const char *const passing[] = { "Waiting", "Preparing", "Download complete" };

static bool has_bar(const char *phase)
{
	for (size_t i = 0; i < ARRAY_SIZE(moving); i++)
		if (streq(moving[i], phase))
			return true;
	return false;
}

static bool is_end(const char *phase)
{
	for (size_t i = 0; i < ARRAY_SIZE(passing); i++)
		if (str_after_prefix(phase, passing[i]))
			return false;
	return !has_bar(phase);
}

static const char *short_id(const char *digest)
{
	const char *hex = strchr(digest, ':');

	return hex ? hex + 1 : digest;
}

void progress_format_row(struct str *out, const struct progress_row *row, size_t columns)
{
	char head[80], done[32], total[32], tail[80] = "";
	uint64_t all = row->total_bytes, now = row->done_bytes < all ? row->done_bytes : all;
	size_t bar, fill;

	snprintf(head, sizeof(head), "%.*s: %s", ID_DIGITS, short_id(row->digest), row->phase);
	if (has_bar(row->phase) && all) {
		format_size(done, sizeof(done), now);
		format_size(total, sizeof(total), all);
		snprintf(tail, sizeof(tail), "%s/%s", done, total);
	}
	/* Head, " [", bar, "] ", tail; the last column stays free, or some terminals wrap. */
	bar = strlen(head) + strlen(tail) + 5;
	bar = columns > bar ? columns - bar : 0;
	bar = bar > BAR_MAX ? BAR_MAX : bar;
	if (!*tail) {
		str_appendf(out, "%.*s", (int)(columns - 1), head);
	} else if (bar < BAR_MIN) {
		str_appendf(out, "%.*s", (int)(columns - 1), head);
		if (strlen(head) + 1 + strlen(tail) < columns)
			str_appendf(out, " %s", tail);
	} else {
		fill = (size_t)((double)now / (double)all * (double)bar);
		str_appendf(out, "%s [", head);
		for (size_t i = 0; i < bar; i++)
			str_append_char(out, i < fill ? '=' : i == fill ? '>' : ' ');
		str_appendf(out, "] %s", tail);
	}
}

static void window_size(int fd, size_t *ret_rows, size_t *ret_columns)
{
	struct winsize size = { 0 };

	ioctl(fd, TIOCGWINSZ, &size);
	*ret_rows = size.ws_row ? size.ws_row : ROWS_DEFAULT;
	*ret_columns = size.ws_col ? size.ws_col : COLUMNS_DEFAULT;
}

/* --- frames -------------------------------------------------------------------------------- */

static void go_up(struct progress *p, size_t columns)
{
	size_t rows = 0;

	for (size_t i = 0; i < p->drawn; i++) {
		size_t len = p->drawn_lengths[i];

		rows += len ? (len + columns - 1) / columns : 1;
	}
	if (rows)
		str_appendf(&p->frame, "\033[%zuA", rows);
	str_append_char(&p->frame, '\r');
}

static void add_line(struct progress *p, size_t begin)
{
	if (p->drawn < p->drawn_capacity)
		p->drawn_lengths[p->drawn++] = p->frame.len - begin;
	str_append(&p->frame, "\033[K\n");
}

static void add_rows(struct progress *p, size_t rows, size_t columns)
{
	bool all = p->count < rows;
	size_t room = rows > 2 ? rows - 2 : 1, shown = 0, ended = 0;

	for (size_t i = 0; i < p->count; i++) {
		size_t begin = p->frame.len;

		ended += p->rows[i].ended;
		if (!all && (p->rows[i].ended || shown >= room))
			continue;
		progress_format_row(&p->frame, &p->rows[i], columns);
		add_line(p, begin);
		shown++;
	}
	if (!all) {
		size_t begin = p->frame.len;

		str_appendf(&p->frame, "%zu of %zu complete", ended, p->count);
		add_line(p, begin);
	}
}

static void write_frame(struct progress *p)
{
	/* A terminal that cannot be written to is no reason for a transfer to fail. */
	if (!p->frame.failed)
		(void)io_write_full(p->fd, p->frame.data, p->frame.len);
	str_reset(&p->frame);
}

static void draw(struct progress *p)
{
	size_t rows, columns;

	if (!p->terminal || p->quiet)
		return;
	window_size(p->fd, &rows, &columns);
	go_up(p, columns);
	p->drawn = 0;
	add_rows(p, rows, columns);
	/* A frame with fewer lines than the last leaves nothing of it. */
	str_append(&p->frame, "\033[J");
	write_frame(p);
	p->drawn_ns = clock_monotonic_ns();
}

/* --- what transfers call ------------------------------------------------------------------- */

static struct progress_row *find_row(struct progress *p, const char *digest)
{
	struct progress_row *grown;
	size_t *lengths;

	for (size_t i = 0; i < p->count; i++)
		if (streq(p->rows[i].digest, digest))
			return &p->rows[i];
	grown = reallocarray(p->rows, p->count + 1, sizeof(*grown));
	if (!grown)
		return NULL;
	p->rows = grown;
	lengths = reallocarray(p->drawn_lengths, p->count + 2, sizeof(*lengths));
	if (!lengths)
		return NULL;
	p->drawn_lengths = lengths;
	p->drawn_capacity = p->count + 2;
	grown[p->count] = (struct progress_row){ 0 };
	snprintf(grown[p->count].digest, sizeof(grown[0].digest), "%s", digest);
	return &p->rows[p->count++];
}

static void update(struct image_progress *image, const char *digest, const char *phase,
	uint64_t done_bytes, uint64_t total_bytes)
{
	struct progress *p = container_of(image, struct progress, image);
	struct progress_row *row = p->quiet ? NULL : find_row(p, digest);
	bool changed;

	if (!row)
		return;
	changed = !streq(row->phase, phase);
	snprintf(row->phase, sizeof(row->phase), "%s", phase);
	row->done_bytes = done_bytes;
	row->total_bytes = total_bytes;
	row->ended = is_end(phase);
	if (!p->terminal) {
		if (changed && row->ended) {
			str_appendf(&p->frame, "%.*s: %s\n", ID_DIGITS, short_id(digest), phase);
			write_frame(p);
		}
		return;
	}
	if (changed || clock_monotonic_ns() - p->drawn_ns >= PROGRESS_FRAME_NS)
		draw(p);
}

static void message(struct image_progress *image, const char *text)
{
	struct progress *p = container_of(image, struct progress, image);
	size_t rows, columns;

	if (p->quiet)
		return;
	if (p->terminal) {
		window_size(p->fd, &rows, &columns);
		go_up(p, columns);
		str_append(&p->frame, "\033[J");
		p->drawn = 0;
	}
	str_appendf(&p->frame, "%s\n", text);
	write_frame(p);
	draw(p);
}

void progress_open(struct progress *progress, int fd, bool quiet)
{
	*progress = (struct progress){
		.image = { .update = update, .message = message },
		.fd = fd,
		.terminal = isatty(fd),
		.quiet = quiet,
	};
}

void progress_close(struct progress *progress)
{
	if (progress->count)
		draw(progress);
	free(progress->rows);
	free(progress->drawn_lengths);
	str_free(&progress->frame);
	*progress = (struct progress){ .fd = -1 };
}
