/* SPDX-License-Identifier: Apache-2.0 */
/*
 * platform.c - operating system, architecture and variant, in Go's names, as image indexes use
 * them; normalisation and variant rules follow containerd's platforms package.
 *
 * A normalised platform never says a variant that is its architecture's ordinary one (amd64 v1,
 * arm64 v8), except for arm, where v7 is written out.
 */
#include "image/internal.h"

#include <ctype.h>
#include <sys/utsname.h>

/* Names other tools use -> Go's. */
static const struct {
	const char *alias, *architecture, *variant;
} aliases[] = {
	{ "x86_64", "amd64", "" },
	{ "x86-64", "amd64", "" },
	{ "i386", "386", "" },
	{ "i486", "386", "" },
	{ "i586", "386", "" },
	{ "i686", "386", "" },
	{ "aarch64", "arm64", "" },
	{ "armhf", "arm", "v7" },
	{ "armv7l", "arm", "v7" },
	{ "armel", "arm", "v6" },
	{ "armv6l", "arm", "v6" },
	{ "ppc64el", "ppc64le", "" },
	{ "mips64el", "mips64le", "" },
	{ "loongarch64", "loong64", "" },
};

/* What a word without a slash must be to count as an architecture rather than an OS. */
static const char *const architectures[] = { "amd64", "386", "arm64", "arm", "riscv64", "ppc64le",
	"ppc64", "s390x", "mips64le", "mips64", "mipsle", "mips", "loong64", "wasm" };

static const char *const systems[] = { "linux", "darwin", "windows", "freebsd", "netbsd", "openbsd",
	"solaris", "wasip1", "unknown" };

static bool is_one_of(const char *const *words, size_t count, const char *word)
{
	for (size_t i = 0; i < count; i++)
		if (streq(words[i], word))
			return true;
	return false;
}

static bool word_is_valid(const char *word)
{
	if (!*word)
		return false;
	for (; *word; word++)
		if (!isascii(*word) || (!isalnum((unsigned char)*word) && !strchr("_.-", *word)))
			return false;
	return true;
}

static void normalise(struct image_platform *p)
{
	for (size_t i = 0; i < ARRAY_SIZE(aliases); i++) {
		if (!streq(aliases[i].alias, p->architecture))
			continue;
		strcpy(p->architecture, aliases[i].architecture);
		if (!*p->variant)
			strcpy(p->variant, aliases[i].variant);
		break;
	}
	/* "7" means "v7". */
	if (isdigit((unsigned char)p->variant[0]) && strlen(p->variant) + 1 < sizeof(p->variant)) {
		memmove(p->variant + 1, p->variant, strlen(p->variant) + 1);
		p->variant[0] = 'v';
	}
	if (streq(p->architecture, "arm") && !*p->variant)
		strcpy(p->variant, "v7");
	if ((streq(p->architecture, "amd64") && streq(p->variant, "v1")) ||
		(streq(p->architecture, "arm64") && streq(p->variant, "v8")))
		p->variant[0] = '\0';
}

static int set_field(char *field, size_t size, const char *value, const char *what,
	const char *name, struct error *err)
{
	if (!word_is_valid(value) || strlen(value) >= size)
		return error_set(
			err, EINVAL, "%s: \"%.64s\" is not a valid platform %s", what, value, name);
	strcpy(field, value);
	return 0;
}

static void host_platform(struct image_platform *ret)
{
	struct utsname u;

	*ret = (struct image_platform){ .os = "linux" };
	uname(&u);
	snprintf(ret->architecture, sizeof(ret->architecture), "%.*s",
		(int)sizeof(ret->architecture) - 1, u.machine);
	normalise(ret);
}

int image_platform_parse(const char *text, struct image_platform *ret, struct error *err)
{
	_cleanup_strv_ char **part = NULL;
	struct image_platform p;
	size_t n, first;
	int r;

	host_platform(&p);
	if (!text || !*text) {
		*ret = p;
		return 0;
	}
	part = strv_split(text, '/');
	if (!part)
		return error_oom(err);
	n = strv_length(part);
	if (n > 3)
		return error_set(
			err, EINVAL, "platform \"%.64s\" is not OS/ARCHITECTURE[/VARIANT]", text);
	/* "arm64" and "arm/v7" leave the operating system out. */
	first = is_one_of(systems, ARRAY_SIZE(systems), part[0]) ? 1 : 0;
	if (first &&
		(r = set_field(p.os, sizeof(p.os), part[0], text, "operating system", err)) < 0)
		return r;
	if (!first && n == 3)
		return error_set(err, EINVAL,
			"platform \"%.64s\": unknown operating system \"%.16s\"", text, part[0]);
	if (n > first) {
		p.variant[0] = '\0';
		r = set_field(p.architecture, sizeof(p.architecture), part[first], text,
			"architecture", err);
		if (r == 0 && n > first + 1)
			r = set_field(p.variant, sizeof(p.variant), part[first + 1], text,
				"variant", err);
		if (r < 0)
			return r;
		normalise(&p);
		if (!is_one_of(architectures, ARRAY_SIZE(architectures), p.architecture))
			return error_set(err, EINVAL,
				"platform \"%.64s\": unknown architecture \"%s\"", text,
				p.architecture);
	}
	*ret = p;
	return 0;
}

int image_platform_from_json(
	const json_t *object, struct image_platform *ret, const char *what, struct error *err)
{
	const char *os = "linux", *architecture = "", *variant = "";
	struct image_platform p = { 0 };
	int r;

	r = json_get_string(object, "os", &os, what, err);
	if (r == 0)
		r = json_get_string(object, "architecture", &architecture, what, err);
	if (r == 0)
		r = json_get_string(object, "variant", &variant, what, err);
	/* Attestations say "unknown"; an absent architecture is no platform of ours either. */
	if (r == 0)
		r = set_field(p.os, sizeof(p.os), *os ? os : "unknown", what, "os", err);
	if (r == 0)
		r = set_field(p.architecture, sizeof(p.architecture),
			*architecture ? architecture : "unknown", what, "architecture", err);
	if (r == 0 && *variant)
		r = set_field(p.variant, sizeof(p.variant), variant, what, "variant", err);
	if (r < 0)
		return r;
	normalise(&p);
	*ret = p;
	return 0;
}

/* "v7" -> 70, "v8.2" -> 82, "" -> the architecture's ordinary one; -1 for other words. */
static int variant_number(const struct image_platform *p)
{
	const char *v = p->variant;

	if (!*v)
		return streq(p->architecture, "amd64")	  ? 10
			: streq(p->architecture, "arm64") ? 80
							  : 0;
	if (v[0] != 'v' || !isdigit((unsigned char)v[1]))
		return -1;
	if (!v[2])
		return (v[1] - '0') * 10;
	if (v[2] == '.' && isdigit((unsigned char)v[3]) && !v[4])
		return (v[1] - '0') * 10 + (v[3] - '0');
	return -1;
}

int image_platform_rank(const struct image_platform *want, const struct image_platform *have)
{
	int w, h;

	if (!*want->os)
		return !streq(have->os, "unknown");
	if (!streq(want->os, have->os) || !streq(want->architecture, have->architecture))
		return 0;
	if (streq(want->variant, have->variant))
		return 1000;
	/* Later variants run what was made for earlier ones; the latest that fits is best. */
	w = variant_number(want);
	h = variant_number(have);
	return w >= 0 && h >= 0 && h < w ? 1 + h : 0;
}

bool image_platform_matches(const struct image_platform *want, const struct image_platform *have)
{
	return image_platform_rank(want, have) > 0;
}

void image_platform_format(const struct image_platform *platform, char *buf, size_t size)
{
	snprintf(buf, size, "%s/%s%s%s", platform->os, platform->architecture,
		*platform->variant ? "/" : "", platform->variant);
}
