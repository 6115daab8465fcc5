/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-table.c - templates and tables print what Docker's do, and refuse the rest of Go's language.
 */
#include "unit/test.h"

#include <errno.h>

#include "front/cli/table.h"

static const struct table_column columns[] = {
	{ "ID", "CONTAINER ID" },
	{ "Names", "NAMES" },
	{ "Labels", "LABELS", .hidden = true },
};

/* The whole print-out of three rows. */
static char *print(const char *format, bool quiet, struct error *err)
{
	_cleanup_table_ struct table t = { 0 };
	char *text = NULL;
	size_t len;
	FILE *out;

	if (table_open(&t, columns, ARRAY_SIZE(columns), format, quiet, err) < 0)
		return NULL;
	assert_int_equal(table_row(&t, (const char *const[]){ "1", "web", "a=b" }, err), 0);
	assert_int_equal(table_row(&t, (const char *const[]){ "22", "über", NULL }, err), 0);
	assert_int_equal(table_row(&t, (const char *const[]){ "3", "d\"b", "" }, err), 0);
	out = open_memstream(&text, &len);
	assert_int_equal(table_print(&t, out, err), 0);
	fclose(out);
	return text;
}

static void formats_print(void **state)
{
	static const struct {
		const char *format;
		bool quiet;
		const char *text;
	} cases[] = {
		{ NULL, false,
			"CONTAINER ID   NAMES\n"
			"1              web\n"
			"22             über\n"
			"3              d\"b\n" },
		{ "table", false,
			"CONTAINER ID   NAMES\n"
			"1              web\n"
			"22             über\n"
			"3              d\"b\n" },
		{ NULL, true, "1\n22\n3\n" },
		{ "table {{.Names}}\\t{{.ID}}", false,
			"NAMES   CONTAINER ID\n"
			"web     1\n"
			"über    22\n"
			"d\"b     3\n" },
		{ "{{.ID}}\\t{{ .Labels }}|", false, "1\ta=b|\n22\t|\n3\t|\n" },
		{ "json", false,
			"{\"ID\":\"1\",\"Names\":\"web\",\"Labels\":\"a=b\"}\n"
			"{\"ID\":\"22\",\"Names\":\"über\",\"Labels\":\"\"}\n"
			"{\"ID\":\"3\",\"Names\":\"d\\\"b\",\"Labels\":\"\"}\n" },
		{ "{{json .Names}}", false, "\"web\"\n\"über\"\n\"d\\\"b\"\n" },
		{ "{{json .}}", true,
			"{\"ID\":\"1\",\"Names\":\"web\",\"Labels\":\"a=b\"}\n"
			"{\"ID\":\"22\",\"Names\":\"über\",\"Labels\":\"\"}\n"
			"{\"ID\":\"3\",\"Names\":\"d\\\"b\",\"Labels\":\"\"}\n" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct error err = { 0 };
		_cleanup_free_ char *text = print(cases[i].format, cases[i].quiet, &err);

		assert_non_null(text);
		assert_string_equal(text, cases[i].text);
	}
}

static void other_templates_are_refused(void **state)
{
	static const char *const cases[][2] = {
		{ "{{.Nope}}",
			"template: there is no field .Nope here: there are .ID, .Names, .Labels" },
		{ "{{.}}", "template: there is no field . here: there are .ID, .Names, .Labels" },
		{ "{{upper .ID}}",
			"template: {{upper .ID}} is not known here: there are {{.Field}}, {{.A.B}}, {{json .}} and {{json .Field}}" },
		{ "{{range .}}x{{end}}",
			"template: {{range .}} is not known here: there are {{.Field}}, {{.A.B}}, {{json .}} and {{json .Field}}" },
		{ "{{.ID", "template: {{ without }}: {{.ID" },
		{ "{{}}",
			"template: {{}} is not known here: there are {{.Field}}, {{.A.B}}, {{json .}} and {{json .Field}}" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct error err = { 0 };

		assert_null(print(cases[i][0], false, &err));
		assert_string_equal(err.message, cases[i][1]);
	}
}

static char *render(const char *template, const char *document)
{
	struct template t = { 0 };
	struct str out = { 0 };
	json_t *json = NULL;
	struct error err = { 0 };
	int r;

	assert_int_equal(json_parse(document, strlen(document), "test", &json, &err), 0);
	r = template_parse(template, &t, &err);
	if (r == 0)
		r = template_render(&t, json, &out, &err);
	template_free(&t);
	json_decref(json);
	if (r == 0)
		return str_finish(&out);
	str_free(&out);
	return strdup(err.message);
}

static void documents_render(void **state)
{
	static const char document[] =
		"{\"A\":{\"B\":1,\"Ok\":true,\"No\":null},\"L\":[\"x\",\"y\"],\"S\":\"t\\\"t\"}";
	static const char *const cases[][2] = {
		{ "{{.A.B}}", "1" },
		{ "<{{.A.Ok}} {{.A.No}}>", "<true <nil>>" },
		{ "{{.L}}", "[x y]" },
		{ "{{.S}}", "t\"t" },
		{ "{{json .S}}", "\"t\\\"t\"" },
		{ "{{json .A}}", "{\"B\":1,\"Ok\":true,\"No\":null}" },
		{ "{{.A}}", "map[B:1 Ok:true No:<nil>]" },
		{ "{{\"{{\"}}", "{{" },
		{ "{{.A.X}}", "template: there is no field .A.X here" },
		{ "{{.S.X}}", "template: there is no field .S.X here" },
		{ "a\\tb", "a\tb" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *text = render(cases[i][0], document);

		assert_non_null(text);
		assert_string_equal(text, cases[i][1]);
	}
}

static void cells_are_shortened(void **state)
{
	static const char id[] =
		"sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	char buf[80];
	char *text;

	assert_string_equal(table_format_id(buf, sizeof(buf), id, false), "0123456789ab");
	assert_string_equal(table_format_id(buf, sizeof(buf), id, true), id);
	text = table_format_text("0123456789", 10, false, false);
	assert_string_equal(text, "0123456789");
	free(text);
	text = table_format_text("0123456789x", 10, true, false);
	assert_string_equal(text, "\"012345678…\"");
	free(text);
	text = table_format_text("ääääää", 4, false, false);
	assert_string_equal(text, "äää…");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(formats_print),
		cmocka_unit_test(other_templates_are_refused),
		cmocka_unit_test(documents_render),
		cmocka_unit_test(cells_are_shortened),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
