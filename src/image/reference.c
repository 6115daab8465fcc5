/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reference.c - image references as Docker reads them.
 *
 * The grammar is that of the distribution project's reference package:
 *   reference  = name [ ":" tag ] [ "@" digest ]
 *   name       = [ domain "/" ] component *( "/" component )        at most 255 bytes
 *   domain     = host [ ":" port ]; host is dot-separated labels or "[" IPv6 "]"
 *   component  = alnum *( separator alnum ); separator is "." | "_" | "__" | 1*"-"
 *   tag        = word *127( word | "." | "-" )
 *   digest     = "sha256:" 64 hexadecimal digits                    (no other algorithm is stored)
 * and its two conveniences: what stands before the first slash is a domain only if it has a dot, a
 * colon or a capital letter, or is "localhost"; and a bare name of docker.io is in "library/".
 *
 * A parsed reference therefore contains no "..", no empty component and no control character.
 */
#include "image/image.h"

#include <ctype.h>

#define NAME_MAX_BYTES	 255
#define TAG_MAX_BYTES	 128
#define DEFAULT_REGISTRY "docker.io"
#define LEGACY_REGISTRY	 "index.docker.io"
#define DEFAULT_TAG	 "latest"
#define OFFICIAL_PREFIX	 "library/"

static const char lower_alnum[] = "abcdefghijklmnopqrstuvwxyz0123456789";

bool image_digest_is_valid(const char *digest)
{
	const char *hex = str_after_prefix(digest, "sha256:");

	return hex && strlen(hex) == 64 && strspn(hex, "0123456789abcdef") == 64;
}

const char *image_digest_hex(const char *digest)
{
	return digest + strlen("sha256:");
}

static bool is_alnum(char c)
{
	return isascii(c) && isalnum((unsigned char)c);
}

/* One host label: letters, digits and inner hyphens. */
static bool label_is_valid(const char *label, size_t len)
{
	if (!len || label[0] == '-' || label[len - 1] == '-')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!is_alnum(label[i]) && label[i] != '-')
			return false;
	return true;
}

static bool host_is_valid(const char *host, size_t len)
{
	const char *end = host + len;

	if (len >= 2 && host[0] == '[' && host[len - 1] == ']') {
		for (size_t i = 1; i < len - 1; i++)
			if (!isascii(host[i]) ||
				(!isxdigit((unsigned char)host[i]) && host[i] != ':'))
				return false;
		return len > 2;
	}
	for (;;) {
		const char *dot = memchr(host, '.', (size_t)(end - host));

		if (!label_is_valid(host, (size_t)((dot ? dot : end) - host)))
			return false;
		if (!dot)
			return true;
		host = dot + 1;
	}
}

static bool domain_is_valid(const char *domain)
{
	const char *bracket = strrchr(domain, ']');
	const char *colon = strrchr(bracket ? bracket : domain, ':');
	size_t host_len = colon ? (size_t)(colon - domain) : strlen(domain);

	if (colon && (!colon[1] || strspn(colon + 1, "0123456789") != strlen(colon + 1)))
		return false;
	return host_is_valid(domain, host_len);
}

/* Step over one separator; NULL when there is none here. */
static const char *skip_separator(const char *p)
{
	if (*p == '-')
		return p + strspn(p, "-");
	if (p[0] == '_' && p[1] == '_')
		return p + 2;
	if (*p == '_' || *p == '.')
		return p + 1;
	return NULL;
}

static bool path_is_valid(const char *p)
{
	for (;;) {
		size_t n = strspn(p, lower_alnum);

		if (!n)
			return false;
		p += n;
		if (!*p)
			return true;
		p = *p == '/' ? p + 1 : skip_separator(p);
		if (!p)
			return false;
	}
}

static bool tag_is_valid(const char *tag)
{
	size_t len = strlen(tag);

	if (!len || len > TAG_MAX_BYTES || tag[0] == '.' || tag[0] == '-')
		return false;
	for (; *tag; tag++)
		if (!is_alnum(*tag) && !strchr("_.-", *tag))
			return false;
	return true;
}

/* Does what stands before the first slash name a registry? */
static bool first_part_is_domain(const char *part)
{
	if (strpbrk(part, ".:") || streq(part, "localhost"))
		return true;
	for (; *part; part++)
		if (isascii(*part) && isupper((unsigned char)*part))
			return true;
	return false;
}

static int invalid(const char *text, const char *why, struct error *err)
{
	return error_set(
		err, EINVAL, "invalid reference \"%.*s\": %s", IMAGE_REFERENCE_MAX, text, why);
}

/* `name` without tag and digest -> registry and repository. */
static int split_name(
	const char *text, const char *name, struct image_reference *ref, struct error *err)
{
	_cleanup_free_ char *domain = NULL;
	const char *slash = strchr(name, '/'), *path = name;

	if (strlen(name) == 64 && strspn(name, "0123456789abcdef") == 64)
		return invalid(text, "64 hexadecimal digits are an ID, not a name", err);
	if (slash) {
		domain = strndup(name, (size_t)(slash - name));
		if (!domain)
			return error_oom(err);
		if (first_part_is_domain(domain))
			path = slash + 1;
	}
	if (path == name || streq(domain, LEGACY_REGISTRY)) {
		free(domain);
		domain = strdup(DEFAULT_REGISTRY);
		if (!domain)
			return error_oom(err);
	}
	for (const char *p = path; *p; p++)
		if (isascii(*p) && isupper((unsigned char)*p))
			return invalid(text, "the repository name must be lower-case", err);
	if (!domain_is_valid(domain))
		return invalid(text, "the registry is not a host name with an optional port", err);
	if (!path_is_valid(path))
		return invalid(text,
			"a repository name is lower-case letters and digits, separated by '.', "
			"'_', '__', '-' or '/'",
			err);
	ref->repository = streq(domain, DEFAULT_REGISTRY) && !strchr(path, '/')
		? strf(OFFICIAL_PREFIX "%s", path)
		: strdup(path);
	ref->registry = steal_ptr(&domain);
	if (!ref->repository)
		return error_oom(err);
	if (strlen(ref->registry) + 1 + strlen(ref->repository) > NAME_MAX_BYTES)
		return invalid(text, "the name is longer than 255 bytes", err);
	return 0;
}

static void cleanup_reference(struct image_reference *ref)
{
	image_reference_free(ref);
}

int image_reference_parse(const char *text, struct image_reference *ret, struct error *err)
{
	_cleanup_(cleanup_reference) struct image_reference ref = { 0 };
	_cleanup_free_ char *name = NULL;
	char *at, *colon, *slash;
	int r;

	if (strlen(text) > IMAGE_REFERENCE_MAX)
		return error_set(err, EINVAL, "a reference has at most %d bytes, this one has %zu",
			IMAGE_REFERENCE_MAX, strlen(text));
	if (!*text)
		return invalid(text, "it is empty", err);
	name = strdup(text);
	if (!name)
		return error_oom(err);
	at = strchr(name, '@');
	if (at) {
		*at++ = '\0';
		if (!image_digest_is_valid(at))
			return invalid(text,
				"a digest is \"sha256:\" and 64 lower-case hexadecimal digits",
				err);
		ref.digest = strdup(at);
		if (!ref.digest)
			return error_oom(err);
	}
	/* A colon after the last slash starts the tag; before it, it is a registry's port. */
	slash = strrchr(name, '/');
	colon = strrchr(slash ? slash : name, ':');
	if (colon) {
		*colon++ = '\0';
		if (!tag_is_valid(colon))
			return invalid(text,
				"a tag is at most 128 letters, digits, '_', '.' and '-', and starts "
				"with neither '.' nor '-'",
				err);
		ref.tag = strdup(colon);
	} else if (!ref.digest) {
		ref.tag = strdup(DEFAULT_TAG);
	}
	if (!ref.tag && !ref.digest)
		return error_oom(err);
	r = split_name(text, name, &ref, err);
	if (r < 0)
		return r;
	*ret = ref;
	ref = (struct image_reference){ 0 };
	return 0;
}

void image_reference_free(struct image_reference *ref)
{
	free(ref->registry);
	free(ref->repository);
	free(ref->tag);
	free(ref->digest);
	*ref = (struct image_reference){ 0 };
}

static char *join(const char *registry, const char *repository, const struct image_reference *ref)
{
	return strf("%s%s%s%s%s%s%s", registry, *registry ? "/" : "", repository,
		ref->tag ? ":" : "", ref->tag ? ref->tag : "", ref->digest ? "@" : "",
		ref->digest ? ref->digest : "");
}

char *image_reference_full(const struct image_reference *ref)
{
	return join(ref->registry, ref->repository, ref);
}

char *image_reference_familiar(const struct image_reference *ref)
{
	const char *bare;

	if (!streq(ref->registry, DEFAULT_REGISTRY))
		return image_reference_full(ref);
	bare = str_after_prefix(ref->repository, OFFICIAL_PREFIX);
	return join("", bare && !strchr(bare, '/') ? bare : ref->repository, ref);
}

char *image_familiar_name(const char *full)
{
	struct image_reference ref;
	char *name;

	if (image_reference_parse(full, &ref, NULL) < 0)
		return strdup(full);
	name = image_reference_familiar(&ref);
	image_reference_free(&ref);
	return name;
}
