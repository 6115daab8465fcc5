/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_mounts.c - -v, --mount, --tmpfs and the image's VOLUMEs become mounts of the configuration.
 *
 * They are collected first, whatever option they came from; then checked against each other, sorted
 * so that a parent is mounted before what lies inside it, and only then added.
 */
#include "front/cli/run_machine.h"

#include <limits.h>
#include <sys/stat.h>

#include "base/io.h"
#include "container/container.h"
#include "instance/volume.h"

#define MOUNTS_MAX 1024 /* of one instance, from the command line and the image */

enum mount_kind {
	MOUNT_BIND,
	MOUNT_VOLUME,
	MOUNT_TMPFS,
};

struct mount {
	enum mount_kind kind;
	char *source; /* a path; a volume's name, NULL for an anonymous one */
	char *target;
	struct str options; /* mount(8) words between commas */
	bool read_only, no_copy, make_source;
};

struct mounts {
	struct mount *list;
	size_t count;
};

static void mount_free(struct mount *m)
{
	free(m->source);
	free(m->target);
	str_free(&m->options);
}

static void mounts_free(struct mounts *mounts)
{
	for (size_t i = 0; i < mounts->count; i++)
		mount_free(&mounts->list[i]);
	free(mounts->list);
}

static void add_word(struct str *options, const char *word)
{
	if (options->len)
		str_append_char(options, ',');
	str_append(options, word);
}

/* "/a//b/./c/" -> "/a/b/c"; "..", which would mean something else inside, is refused. */
static int clean_target(const char *text, char **ret, struct error *err)
{
	struct str s = { 0 };

	if (*text != '/')
		return error_set(err, EINVAL,
			"invalid mount target '%s': it must be an absolute path", text);
	while (*text) {
		size_t n = strcspn(text, "/");

		if (n == 2 && memcmp(text, "..", 2) == 0) {
			str_free(&s);
			return error_set(
				err, EINVAL, "invalid mount target: it must not contain \"..\"");
		}
		if (n && !(n == 1 && *text == '.')) {
			str_append_char(&s, '/');
			str_append_n(&s, text, n);
		}
		text += n + (text[n] == '/');
	}
	if (!s.len) {
		str_free(&s);
		return error_set(err, EINVAL, "invalid mount target: it must not be '/'");
	}
	*ret = str_finish(&s);
	return *ret ? 0 : error_oom(err);
}

/* Take ownership of *m, also on failure. */
static int add(struct mounts *mounts, struct mount *m, struct error *err)
{
	struct mount *grown = NULL;
	int r = 0;

	for (size_t i = 0; r == 0 && i < mounts->count; i++)
		if (streq(mounts->list[i].target, m->target))
			r = error_set(err, EINVAL, "duplicate mount point: %s", m->target);
	if (r == 0 && mounts->count >= MOUNTS_MAX)
		r = error_set(err, E2BIG, "more than %d mounts", MOUNTS_MAX);
	if (r == 0 && m->options.failed)
		r = error_oom(err);
	if (r == 0) {
		grown = realloc(mounts->list, (mounts->count + 1) * sizeof(*grown));
		if (!grown)
			r = error_oom(err);
	}
	if (r < 0) {
		mount_free(m);
		return r;
	}
	mounts->list = grown;
	grown[mounts->count++] = *m;
	return 0;
}

static bool is_propagation(const char *word)
{
	static const char *const words[] = { "private", "rprivate", "shared", "rshared", "slave",
		"rslave" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (streq(words[i], word))
			return true;
	return false;
}

/* --- -v [SOURCE:]TARGET[:OPTIONS] --- */

static int volume_option(struct mount *m, const char *word, struct error *err)
{
	if (streq(word, "ro"))
		m->read_only = true;
	else if (streq(word, "rw"))
		m->read_only = false;
	else if (streq(word, "nocopy") && m->kind == MOUNT_VOLUME)
		m->no_copy = true;
	else if (is_propagation(word) && m->kind == MOUNT_BIND)
		add_word(&m->options, word);
	else
		return error_set(err, EINVAL,
			"invalid mode \"%s\" of a mount: there are ro, rw, nocopy (volumes) and [r]private, [r]shared, [r]slave (directories)",
			word);
	return 0;
}

static int host_path(const char *text, char **ret, struct error *err)
{
	char cwd[PATH_MAX];

	if (*text == '/')
		*ret = strdup(text);
	else if (getcwd(cwd, sizeof(cwd)))
		*ret = strf("%s/%s", cwd, text);
	else
		return error_errno(err, errno, "cannot find the current directory for %s", text);
	return *ret ? 0 : error_oom(err);
}

static int set_source(struct mount *m, const char *source, struct error *err)
{
	if (*source == '/' || streq(source, ".") || streq(source, "..") ||
		str_after_prefix(source, "./") || str_after_prefix(source, "../")) {
		m->kind = MOUNT_BIND;
		m->make_source = true;
		return host_path(source, &m->source, err);
	}
	m->kind = MOUNT_VOLUME;
	if (!volume_name_is_valid(source))
		return error_set(err, EINVAL,
			"invalid volume name \"%s\": only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed, two or more; give an absolute path to mount a directory of the host",
			source);
	m->source = strdup(source);
	return m->source ? 0 : error_oom(err);
}

static int parse_volume(struct mounts *mounts, const char *text, struct error *err)
{
	_cleanup_strv_ char **parts = strv_split(text, ':');
	_cleanup_strv_ char **words = NULL;
	struct mount m = { .kind = MOUNT_VOLUME };
	size_t count = strv_length(parts);
	int r;

	if (!parts)
		return error_oom(err);
	if (count > 3 || !*parts[0] || (count > 1 && !*parts[1]))
		return error_set(err, EINVAL,
			"invalid volume specification \"%s\": must be [SOURCE:]TARGET[:OPTIONS]",
			text);
	r = count > 1 ? set_source(&m, parts[0], err) : 0;
	if (r == 0)
		r = clean_target(parts[count > 1 ? 1 : 0], &m.target, err);
	if (r == 0 && count == 3) {
		words = strv_split(parts[2], ',');
		strv_for_each (word, words)
			if (r == 0)
				r = volume_option(&m, *word, err);
	}
	if (r < 0) {
		mount_free(&m);
		return error_prefix(err, "--volume %s", text);
	}
	return add(mounts, &m, err);
}

/* --- --tmpfs TARGET[:OPTIONS] --- */

static int parse_tmpfs(struct mounts *mounts, const char *text, struct error *err)
{
	const char *colon = strchrnul(text, ':');
	_cleanup_free_ char *target = strndup(text, (size_t)(colon - text));
	struct mount m = { .kind = MOUNT_TMPFS };
	int r;

	if (!target)
		return error_oom(err);
	r = clean_target(target, &m.target, err);
	if (r < 0)
		return error_prefix(err, "--tmpfs %s", text);
	add_word(&m.options, "noexec,nosuid,nodev");
	if (*colon && colon[1])
		add_word(&m.options, colon + 1);
	return add(mounts, &m, err);
}

/* --- --mount KEY=VALUE,... --- */

/* The next field of a comma-separated line whose fields may be quoted (RFC 4180), in place. */
static char *next_field(char **rest)
{
	char *in = *rest, *out = in, *start = in;
	bool quoted = false;

	if (!in)
		return NULL;
	for (; *in && (quoted || *in != ','); in++) {
		if (*in != '"') {
			*out++ = *in;
		} else if (quoted && in[1] == '"') {
			*out++ = *in++;
		} else {
			quoted = !quoted;
		}
	}
	*rest = *in ? in + 1 : NULL;
	*out = '\0';
	return start;
}

static int mount_flag(const char *key, const char *value, bool *ret, struct error *err)
{
	if (!value || streq(value, "true") || streq(value, "1"))
		*ret = true;
	else if (streq(value, "false") || streq(value, "0"))
		*ret = false;
	else
		return error_set(err, EINVAL, "invalid value for %s: %s", key, value);
	return 0;
}

static int mount_type(struct mount *m, const char *value, struct error *err)
{
	static const char *const names[] = {
		[MOUNT_BIND] = "bind",
		[MOUNT_VOLUME] = "volume",
		[MOUNT_TMPFS] = "tmpfs",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (streq(names[i], value)) {
			m->kind = (enum mount_kind)i;
			return 0;
		}
	}
	return error_set(
		err, EINVAL, "type \"%s\" is not known: there are bind, volume and tmpfs", value);
}

static int mount_size(struct mount *m, const char *value, struct error *err)
{
	uint64_t bytes;

	if (parse_size_bytes(value, &bytes) < 0)
		return error_set(err, EINVAL, "invalid tmpfs-size \"%s\"", value);
	if (m->options.len)
		str_append_char(&m->options, ',');
	str_appendf(&m->options, "size=%llu", (unsigned long long)bytes);
	return 0;
}

static int mount_field(struct mount *m, const char *key, const char *value, struct error *err)
{
	if (streq(key, "readonly") || streq(key, "ro"))
		return mount_flag(key, value, &m->read_only, err);
	if (streq(key, "volume-nocopy") && m->kind == MOUNT_VOLUME)
		return mount_flag(key, value, &m->no_copy, err);
	if (!value)
		return error_set(err, EINVAL, "\"%s\" needs a value", key);
	if (streq(key, "type"))
		return 0; /* seen already: what the other keys mean depends on it */
	if (streq(key, "source") || streq(key, "src")) {
		free(m->source);
		m->source = strdup(value);
		return m->source ? 0 : error_oom(err);
	}
	if (streq(key, "target") || streq(key, "destination") || streq(key, "dst")) {
		free(m->target);
		m->target = NULL;
		return clean_target(value, &m->target, err);
	}
	if (streq(key, "bind-propagation") && m->kind == MOUNT_BIND && is_propagation(value)) {
		add_word(&m->options, value);
		return 0;
	}
	if (streq(key, "tmpfs-size") && m->kind == MOUNT_TMPFS)
		return mount_size(m, value, err);
	if (streq(key, "tmpfs-mode") && m->kind == MOUNT_TMPFS &&
		!value[strspn(value, "01234567")]) {
		str_appendf(&m->options, "%smode=%s", m->options.len ? "," : "", value);
		return 0;
	}
	return error_set(err, EINVAL, "unexpected \"%s=%s\" for this type of mount", key, value);
}

static int finish_mount(struct mount *m, struct error *err)
{
	struct stat st;

	if (!m->target)
		return error_set(err, EINVAL, "target is required");
	switch (m->kind) {
	case MOUNT_TMPFS:
		if (m->source)
			return error_set(err, EINVAL, "a tmpfs has no source");
		add_word(&m->options, "noexec,nosuid,nodev");
		return 0;
	case MOUNT_VOLUME:
		if (m->source && !volume_name_is_valid(m->source))
			return error_set(err, EINVAL,
				"invalid volume name \"%s\": only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed, two or more",
				m->source);
		return 0;
	case MOUNT_BIND:
		break;
	}
	if (!m->source || *m->source != '/')
		return error_set(err, EINVAL, "a bind mount needs a source, an absolute path");
	if (stat(m->source, &st) < 0)
		return error_errno(err, errno, "bind source path %s", m->source);
	return 0;
}

static int parse_mount_fields(struct mount *m, char *fields, struct error *err)
{
	char *rest = fields, *field;
	int r = 0;

	while (r == 0 && (field = next_field(&rest))) {
		char *equals = strchr(field, '=');

		if (equals)
			*equals = '\0';
		r = mount_field(m, field, equals ? equals + 1 : NULL, err);
	}
	return r < 0 ? r : finish_mount(m, err);
}

static int parse_mount(struct mounts *mounts, const char *text, struct error *err)
{
	_cleanup_free_ char *scan = strdup(text), *fields = strdup(text);
	struct mount m = { .kind = MOUNT_VOLUME };
	char *rest = scan, *field;
	int r = 0;

	if (!scan || !fields)
		return error_oom(err);
	while (r == 0 && (field = next_field(&rest))) {
		const char *type = str_after_prefix(field, "type=");

		if (type)
			r = mount_type(&m, type, err);
	}
	if (r == 0)
		r = parse_mount_fields(&m, fields, err);
	if (r < 0) {
		mount_free(&m);
		return error_prefix(err, "--mount %s", text);
	}
	return add(mounts, &m, err);
}

/* --- all of them --- */

/* VOLUME of the image, where nothing was mounted by hand. */
static int add_image_volumes(
	struct mounts *mounts, const struct image_config *image, struct error *err)
{
	strv_for_each (path, image->volumes) {
		struct mount m = { .kind = MOUNT_VOLUME };
		bool taken = false;
		int r = clean_target(*path, &m.target, err);

		if (r < 0)
			return error_prefix(err, "VOLUME of the image");
		for (size_t i = 0; i < mounts->count; i++)
			taken |= streq(mounts->list[i].target, m.target);
		if (taken) {
			mount_free(&m);
			continue;
		}
		r = add(mounts, &m, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static size_t depth(const char *path)
{
	size_t n = 0;

	for (; *path; path++)
		n += *path == '/';
	return n;
}

static int compare_depth(const void *a, const void *b)
{
	const struct mount *x = a, *y = b;
	size_t dx = depth(x->target), dy = depth(y->target);

	return dx == dy ? strcmp(x->target, y->target) : dx < dy ? -1 : 1;
}

static int plan_volume(struct run_plan *plan, const struct mount *m, struct error *err)
{
	struct run_volume *grown = realloc(plan->volumes, (plan->nr_volumes + 1) * sizeof(*grown));
	struct run_volume *v;

	if (!grown)
		return error_oom(err);
	plan->volumes = grown;
	v = &grown[plan->nr_volumes++];
	*v = (struct run_volume){
		.mount = plan->config.nr_mounts - 1, .copy = !m->no_copy, .anonymous = !m->source
	};
	v->name = m->source ? strdup(m->source) : NULL;
	v->destination = strdup(m->target);
	return !v->destination || (m->source && !v->name) ? error_oom(err) : 0;
}

static int plan_mount(struct run_plan *plan, struct mount *m, struct error *err)
{
	bool tmpfs = m->kind == MOUNT_TMPFS;
	int r;

	if (!tmpfs) {
		/* A propagation typed by hand comes last and wins. */
		struct str options = { 0 };

		add_word(&options, "rbind,rprivate");
		if (m->options.len)
			add_word(&options, m->options.data);
		str_free(&m->options);
		m->options = options;
	}
	if (m->read_only)
		add_word(&m->options, "ro");
	if (m->options.failed)
		return error_oom(err);
	/* A volume's source is known once it is made: run_plan_make_volumes(). */
	r = container_config_add_mount(&plan->config, tmpfs ? "tmpfs" : "bind",
		tmpfs				? "tmpfs"
			: m->kind == MOUNT_BIND ? m->source
						: "",
		m->target, m->options.data, err);
	if (r == 0 && m->kind == MOUNT_VOLUME)
		r = plan_volume(plan, m, err);
	if (r == 0 && m->make_source && access(m->source, F_OK) < 0 && errno == ENOENT)
		r = strv_push(&plan->host_directories, m->source) < 0 ? error_oom(err) : 0;
	return r;
}

int run_build_mounts(const struct run_request *request, struct run_plan *plan, struct error *err)
{
	_cleanup_(mounts_free) struct mounts mounts = { 0 };
	const struct run_options *o = request->options;
	int r = 0;

	strv_for_each (text, o->volumes)
		if (r == 0)
			r = parse_volume(&mounts, *text, err);
	strv_for_each (text, o->mounts)
		if (r == 0)
			r = parse_mount(&mounts, *text, err);
	strv_for_each (text, o->tmpfs)
		if (r == 0)
			r = parse_tmpfs(&mounts, *text, err);
	/* What a machine writes is on its own disk wherever it is. */
	if (r == 0 && !run_is_machine(o))
		r = add_image_volumes(&mounts, &request->image->config, err);
	if (r == 0 && mounts.count > 1)
		qsort(mounts.list, mounts.count, sizeof(*mounts.list), compare_depth);
	for (size_t i = 0; r == 0 && i < mounts.count; i++)
		r = plan_mount(plan, &mounts.list[i], err);
	return r;
}
