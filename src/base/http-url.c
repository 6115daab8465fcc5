/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http-url.c - addresses, and the sentences about servers that cannot be talked to.
 */
#include "base/http-internal.h"

#include <curl/curl.h>
#include <stdio.h>
#include <strings.h>

static void cleanup_url(CURLU **url)
{
	curl_url_cleanup(*url);
}

static void cleanup_curl(char **text)
{
	curl_free(*text);
}

char *http_url_resolve(const char *base, const char *reference)
{
	_cleanup_(cleanup_url) CURLU *url = curl_url();
	_cleanup_(cleanup_curl) char *text = NULL;

	if (!url || curl_url_set(url, CURLUPART_URL, base, 0) != CURLUE_OK ||
		curl_url_set(url, CURLUPART_URL, reference, 0) != CURLUE_OK ||
		curl_url_get(url, CURLUPART_URL, &text, 0) != CURLUE_OK)
		return NULL;
	if (!str_after_prefix(text, "http://") && !str_after_prefix(text, "https://"))
		return NULL;
	return strdup(text);
}

/* "https://Host:443/x" -> "https", "host", "443"; any part that is missing makes it fail. */
static bool same_part(CURLU *a, CURLU *b, CURLUPart part)
{
	_cleanup_(cleanup_curl) char *x = NULL, *y = NULL;

	return curl_url_get(a, part, &x, CURLU_DEFAULT_PORT) == CURLUE_OK &&
		curl_url_get(b, part, &y, CURLU_DEFAULT_PORT) == CURLUE_OK && strcasecmp(x, y) == 0;
}

bool http_url_same_origin(const char *a, const char *b)
{
	_cleanup_(cleanup_url) CURLU *x = curl_url(), *y = curl_url();

	return x && y && curl_url_set(x, CURLUPART_URL, a, 0) == CURLUE_OK &&
		curl_url_set(y, CURLUPART_URL, b, 0) == CURLUE_OK &&
		same_part(x, y, CURLUPART_SCHEME) && same_part(x, y, CURLUPART_HOST) &&
		same_part(x, y, CURLUPART_PORT);
}

char *http_url_escape(const char *text)
{
	static const char digits[] = "0123456789ABCDEF";
	struct str out = { 0 };

	str_append(&out, "");
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		if ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
			(*p >= '0' && *p <= '9') || strchr("-._~", *p)) {
			str_append_char(&out, (char)*p);
		} else {
			str_append_char(&out, '%');
			str_append_char(&out, digits[*p >> 4]);
			str_append_char(&out, digits[*p & 15]);
		}
	}
	return str_finish(&out);
}

void http_url_add_query(struct str *url, const char *name, const char *value)
{
	_cleanup_free_ char *escaped = http_url_escape(value);

	if (!escaped || !url->data) {
		url->failed = true;
		return;
	}
	str_append_char(url, strchr(url->data, '?') ? '&' : '?');
	str_append(url, name);
	str_append_char(url, '=');
	str_append(url, escaped);
}

/* "host:port" of a URL, or the whole of it when it has none. */
static void origin_of(const char *url, char *buf, size_t size)
{
	const char *host = strstr(url, "://");

	host = host ? host + 3 : url;
	snprintf(buf, size, "%.*s", (int)strcspn(host, "/?#"), host);
}

static int describe_timeout(const struct http_failure *f, const char *origin, struct error *err)
{
	if (!f->connected)
		return error_set(err, ETIMEDOUT, "cannot connect to %s within %u seconds", origin,
			f->connect_timeout_s);
	return error_set(
		err, ETIMEDOUT, "%s has sent nothing for %u seconds", origin, f->stall_timeout_s);
}

int http_describe_failure(const struct http_failure *f, struct error *err)
{
	const char *why = f->message[0] ? f->message : curl_easy_strerror((CURLcode)f->code);
	char origin[300];

	origin_of(f->url, origin, sizeof(origin));
	switch (f->code) {
	case CURLE_COULDNT_RESOLVE_HOST:
		return error_set(
			err, EHOSTUNREACH, "cannot reach %s: its name does not resolve", origin);
	case CURLE_COULDNT_RESOLVE_PROXY:
		return error_set(err, EHOSTUNREACH, "cannot reach %s: %s", origin, why);
	case CURLE_COULDNT_CONNECT:
		return error_set(err, ECONNREFUSED, "cannot connect to %s: %s", origin,
			f->os_errno ? strerror((int)f->os_errno) : why);
	case CURLE_OPERATION_TIMEDOUT:
		return describe_timeout(f, origin, err);
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_ISSUER_ERROR:
		return error_set(
			err, EKEYREJECTED, "the certificate of %s is not trusted: %s", origin, why);
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CERTPROBLEM:
		return error_set(err, EINVAL, "cannot set up TLS for %s: %s", origin, why);
	case CURLE_SSL_CONNECT_ERROR:
		return error_set(err, EPROTO, "no TLS connection with %s: %s", origin, why);
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_HTTP2:
	case CURLE_WEIRD_SERVER_REPLY:
		return error_set(err, EPROTO, "%s does not speak HTTP: %s", origin, why);
	case CURLE_PARTIAL_FILE:
	case CURLE_GOT_NOTHING:
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
		return error_set(err, EPIPE, "%s broke off the connection after %llu bytes: %s",
			origin, (unsigned long long)f->received_bytes, why);
	case CURLE_URL_MALFORMAT:
		return error_set(err, EINVAL, "%s is not a web address", f->url);
	default:
		return error_set(err, EIO, "the transfer with %s failed: %s", origin, why);
	}
}
