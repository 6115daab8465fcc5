/* SPDX-License-Identifier: Apache-2.0 */
/*
 * challenge.c - WWW-Authenticate headers (RFC 9110 sections 5.6 and 11.6.1).
 *
 * A header holds several challenges and each has parameters, all separated by commas; a word is a
 * parameter when "=" follows it, and the next scheme's name when it does not.
 */
#include <ctype.h>
#include <strings.h>

#include "base/str.h"
#include "image/auth.h"

enum scheme {
	SCHEME_OTHER,
	SCHEME_BASIC,
	SCHEME_BEARER,
};

static const char *skip_space(const char *p)
{
	while (*p == ' ' || *p == '\t')
		p++;
	return p;
}

/* RFC 9110 section 5.6.2, and the characters of token68, which some schemes use. */
static size_t token_length(const char *p)
{
	size_t n = 0;

	while (p[n] && (isalnum((unsigned char)p[n]) || strchr("!#$%&'*+-.^_`|~/", p[n])))
		n++;
	return n;
}

/* A token or a quoted string at *p; *p moves behind it. NULL with -EPROTO or -ENOMEM in *r. */
static char *take_value(const char **p, int *r)
{
	const char *s = *p;
	struct str value = { 0 };
	char *text;

	str_append(&value, "");
	if (*s == '"') {
		for (s++; *s && *s != '"'; s++) {
			if (*s == '\\' && s[1])
				s++;
			str_append_char(&value, *s);
		}
		if (*s != '"') {
			str_free(&value);
			*r = -EPROTO;
			return NULL;
		}
		s++;
	} else {
		/* Laxer than a token: addresses without quotes have been seen. */
		size_t n = strcspn(s, ", \t\"");

		str_append_n(&value, s, n);
		s += n;
	}
	*p = s;
	text = str_finish(&value);
	*r = text ? 0 : -ENOMEM;
	return text;
}

static enum scheme scheme_of(const char *word, size_t len)
{
	if (len == 5 && strncasecmp(word, "basic", len) == 0)
		return SCHEME_BASIC;
	if (len == 6 && strncasecmp(word, "bearer", len) == 0)
		return SCHEME_BEARER;
	return SCHEME_OTHER;
}

static void keep_parameter(
	struct auth_challenge *challenge, const char *name, size_t len, char **value)
{
	const struct {
		const char *name;
		char **slot;
	} known[] = {
		{ "realm", &challenge->realm },
		{ "service", &challenge->service },
		{ "scope", &challenge->scope },
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (strlen(known[i].name) != len || strncasecmp(known[i].name, name, len) != 0)
			continue;
		free(*known[i].slot);
		*known[i].slot = steal_ptr(value);
	}
}

int auth_challenge_parse(const char *text, struct auth_challenge *challenge, struct error *err)
{
	enum scheme scheme = SCHEME_OTHER;
	const char *p = text;

	if (strlen(text) > AUTH_CHALLENGE_MAX)
		return error_set(err, EPROTO, "the registry's WWW-Authenticate header is too long");
	for (;;) {
		_cleanup_free_ char *value = NULL;
		const char *word, *after;
		size_t len;
		int r;

		while (*p == ' ' || *p == '\t' || *p == ',')
			p++;
		if (!*p)
			return 0;
		word = p;
		len = token_length(p);
		after = skip_space(p + len);
		/* "=" and "==" behind a token68 are padding, not a parameter. */
		if (len && *after != '=') {
			scheme = scheme_of(word, len);
			challenge->basic |= scheme == SCHEME_BASIC;
			challenge->bearer |= scheme == SCHEME_BEARER;
			p = after;
			continue;
		}
		if (!len)
			return error_set(err, EPROTO,
				"the registry's WWW-Authenticate header is malformed: %.200s",
				text);
		p = skip_space(after + 1);
		while (*p == '=')
			p++;
		value = take_value(&p, &r);
		if (!value)
			return r == -ENOMEM ? error_oom(err)
					    : error_set(err, EPROTO,
						      "the registry's WWW-Authenticate header "
						      "is malformed: %.200s",
						      text);
		if (scheme == SCHEME_BEARER)
			keep_parameter(challenge, word, len, &value);
	}
}

void auth_challenge_free(struct auth_challenge *challenge)
{
	free(challenge->realm);
	free(challenge->service);
	free(challenge->scope);
	*challenge = (struct auth_challenge){ 0 };
}
