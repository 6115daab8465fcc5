/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compare_picture.c - the table as a picture (SVG 1.1): a group of bars for each measure, a colour
 * for each way. Bars of a group are as long as their values; the longest is as long as there is
 * room.
 */
#include "front/cli/compare.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/io.h"

#define WIDTH	     720
#define MARGIN	     24
#define BARS_AT	     190 /* behind the titles of ways */
#define BAR_MAX	     400
#define BAR_HEIGHT   16
#define BAR_STEP     21
#define GROUP_GAP    44
#define HEADER	     76
#define SHORTEST_BAR 1.5

static double first_output(const struct compare *c, const struct compare_result *r)
{
	(void)c;
	return (double)r->first_output_ns / 1e6;
}

static double memory(const struct compare *c, const struct compare_result *r)
{
	(void)c;
	return (double)r->memory_bytes / 0x1p20;
}

static double integer(const struct compare *c, const struct compare_result *r)
{
	return (double)r->speed.integer_ns / (double)c->host.integer_ns;
}

static double floating(const struct compare *c, const struct compare_result *r)
{
	return (double)r->speed.float_ns / (double)c->host.float_ns;
}

static double calls(const struct compare *c, const struct compare_result *r)
{
	(void)c;
	return (double)r->speed.calls_result * 1e3 / (double)r->speed.calls_ns;
}

static double disk_write(const struct compare *c, const struct compare_result *r)
{
	return c->disk_mib ? (double)r->speed.disk_write / 1e6 : 0;
}

static double disk_read(const struct compare *c, const struct compare_result *r)
{
	return c->disk_mib ? (double)r->speed.disk_read / 1e6 : 0;
}

static double net_send(const struct compare *c, const struct compare_result *r)
{
	return c->net_mib ? (double)r->speed.net_send / 1e6 : 0;
}

static double net_receive(const struct compare *c, const struct compare_result *r)
{
	return c->net_mib ? (double)r->speed.net_receive / 1e6 : 0;
}

/* A group without values (not asked for) is left out. */
static const struct {
	const char *title, *unit;
	int digits;
	double (*value)(const struct compare *c, const struct compare_result *r);
} groups[] = {
	{ "First output (shorter is better)", "ms", 1, first_output },
	{ "Memory beyond the workload (shorter is better)", "MiB", 1, memory },
	{ "Integer work, times as long as without strata (shorter is better)", "", 2, integer },
	{ "Floating-point work (shorter is better)", "", 2, floating },
	{ "System calls a second (longer is better)", "M", 2, calls },
	{ "Disk, writing (longer is better)", "MB/s", 0, disk_write },
	{ "Disk, reading (longer is better)", "MB/s", 0, disk_read },
	{ "Network, sending (longer is better)", "MB/s", 0, net_send },
	{ "Network, receiving (longer is better)", "MB/s", 0, net_receive },
};

/* What XML 1.0 §2.2 lets text be, escaped; other bytes become a question mark. */
static void add_text(struct str *out, const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		switch (*p) {
		case '<':
			str_append(out, "&lt;");
			break;
		case '>':
			str_append(out, "&gt;");
			break;
		case '&':
			str_append(out, "&amp;");
			break;
		case '"':
			str_append(out, "&quot;");
			break;
		default:
			str_append_char(out, *p < ' ' || *p > '~' ? '?' : (char)*p);
		}
	}
}

static void add_bar(struct str *out, const struct compare_result *result, size_t group,
	double value, double largest, int y)
{
	double length = largest > 0 ? value / largest * BAR_MAX : 0;

	if (length < SHORTEST_BAR)
		length = SHORTEST_BAR;
	str_appendf(out, "<text x=\"%d\" y=\"%d\" class=\"way\">", BARS_AT - 10, y + 12);
	add_text(out, result->way->title);
	str_appendf(out,
		"</text>\n<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" rx=\"2\" fill=\"%s\"/>\n"
		"<text x=\"%.1f\" y=\"%d\">%.*f%s%s</text>\n",
		BARS_AT, y, length, BAR_HEIGHT, result->way->colour, BARS_AT + length + 8, y + 12,
		groups[group].digits, value, *groups[group].unit ? " " : "", groups[group].unit);
}

/* -> where the next one may begin */
static int add_group(struct str *out, const struct compare *c, const struct compare_result *results,
	size_t count, size_t group, int y)
{
	double largest = 0;

	for (size_t i = 0; i < count; i++) {
		double value = results[i].reason ? 0 : groups[group].value(c, &results[i]);

		largest = value > largest ? value : largest;
	}
	if (largest <= 0)
		return y;
	str_appendf(out, "<text x=\"%d\" y=\"%d\" class=\"group\">%s</text>\n", MARGIN, y,
		groups[group].title);
	y += 12;
	for (size_t i = 0; i < count; i++) {
		if (results[i].reason)
			continue;
		add_bar(out, &results[i], group, groups[group].value(c, &results[i]), largest, y);
		y += BAR_STEP;
	}
	return y + GROUP_GAP - 12;
}

static void add_title(struct str *out, const struct compare *c)
{
	str_appendf(out, "<text x=\"%d\" y=\"36\" class=\"title\">strata compare ", MARGIN);
	add_text(out, c->image);
	for (size_t i = 0; c->command[i]; i++) {
		str_append_char(out, ' ');
		add_text(out, c->command[i]);
	}
	str_append(out, "</text>\n");
}

int compare_draw(const struct compare *c, const struct compare_result *results, size_t count,
	const char *path, struct error *err)
{
	_cleanup_free_ char *text = NULL, *bars = NULL;
	struct str body = { 0 }, out = { 0 };
	int y = HEADER;

	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		y = add_group(&body, c, results, count, i, y);
	bars = str_finish(&body);
	str_appendf(&out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
		"viewBox=\"0 0 %d %d\">\n"
		"<style>text{font:12px system-ui,sans-serif;fill:#333}.way{text-anchor:end}"
		".group{font-weight:600}.title{font-size:17px;font-weight:600}</style>\n"
		"<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
		WIDTH, y, WIDTH, y);
	add_title(&out, c);
	if (bars)
		str_append(&out, bars);
	str_append(&out, "</svg>\n");
	text = str_finish(&out);
	if (!bars || !text)
		return error_oom(err);
	return io_replace_file(AT_FDCWD, path, 0666, text, strlen(text), IO_VOLATILE, err);
}
