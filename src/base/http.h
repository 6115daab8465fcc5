/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http.h - an HTTP client for downloads and uploads that must arrive (libcurl underneath).
 *
 * One `struct http` belongs to one thread and keeps its connections; http_cancel() is the only call
 * another thread may make. A request is one value, an answer another; whatever can be done about
 * a flaky server is done inside http_perform(): retries with exponential back-off and jitter,
 * Retry-After, going on with a broken download by a Range request, redirects. Credentials go to
 * the origin (scheme, host, port) they were given for and to no other, however often it redirects.
 *
 * Linked only into programs that talk to registries: the library is base_http_lib, not base_lib.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/str.h"

#define HTTP_REDIRECTS_MAX	10
#define HTTP_HEADERS_MAX	256 /* lines of one answer */
#define HTTP_HEADER_BYTES_MAX	(256u << 10) /* of one answer */
#define HTTP_ERROR_BODY_MAX	(64u << 10) /* what is kept of a refusal's text */
#define HTTP_ATTEMPTS		5 /* tries without progress, the first included */
#define HTTP_CONNECT_TIMEOUT_S	15
#define HTTP_STALL_TIMEOUT_S	30 /* without a byte in either direction */
#define HTTP_RETRY_AFTER_MAX_S	60 /* a server that asks for more patience is given up */
#define HTTP_PROGRESS_MIN_BYTES (1u << 20) /* what an attempt must bring to count as progress */

struct http;

struct http_options {
	const char *ca_file; /* PEM; trusted beside the system's authorities */
	const char *client_certificate, *client_key; /* PEM files */
	bool insecure; /* do not verify certificates */
	unsigned connect_timeout_s, stall_timeout_s; /* 0 = the defaults above */
};

struct http_request {
	const char *method; /* "GET", "HEAD", "PUT", "POST", "PATCH", "DELETE" */
	const char *url;
	char *const *headers; /* strv of "Name: value" */
	const char *authorization; /* "Bearer ...", "Basic ..."; for the URL's own origin only */

	/* What is sent: `body` when not NULL, else body_size bytes from read_body(), which must be
	 * able to start again at any offset (a retry does). It returns a count > 0 or -errno. */
	const void *body;
	ssize_t (*read_body)(void *context, uint64_t offset, void *buf, size_t size);
	uint64_t body_size;

	/* What comes back with a status of 2xx: to write_body() when set (returns 0 or -errno with
	 * the sentence set), else collected, at most body_max bytes. Bodies of other answers are
	 * always collected, cut at HTTP_ERROR_BODY_MAX. */
	int (*write_body)(void *context, const void *bytes, size_t len, struct error *err);
	size_t body_max;
	void *context;

	/* With write_body: start at this byte (what comes before is here already). A server that
	 * ignores Range is read from its start and the known part dropped. */
	uint64_t resume_from;

	unsigned attempts; /* 0 = HTTP_ATTEMPTS; 1 = no retry */
};

struct http_response {
	int status;
	char **headers; /* "name: value", names in lower case */
	struct str body;
	char *url; /* where the answer came from, redirects followed */
};

int http_open(const struct http_options *options, struct http **ret, struct error *err);
struct http *http_close(struct http *http);

/*
 * Send the request and receive the answer. 0: there is an answer, whatever its status (a 5xx or
 * 429 has been retried). Negative: there is none, and the sentence names the host and the reason:
 * -ECONNREFUSED (cannot connect), -EHOSTUNREACH (name does not resolve), -ETIMEDOUT (too slow),
 * -EPROTO (what answers speaks no TLS or no HTTP), -EKEYREJECTED (its certificate is not trusted),
 * -EPIPE (it closed the connection early), -EFBIG (more than body_max), -ECANCELED
 * (http_cancel()), or what write_body() or read_body() returned.
 * *ret may be NULL; otherwise http_response_free() it after success.
 */
int http_perform(struct http *http, const struct http_request *request, struct http_response *ret,
	struct error *err);

void http_response_free(struct http_response *response);
#define _cleanup_http_response_ _cleanup_(http_response_free)

/* Value of a header of the answer (`name` in lower case), or NULL. */
const char *http_response_header(const struct http_response *response, const char *name);

/* Make the request under way, and every later one, end with -ECANCELED. From any thread. */
void http_cancel(struct http *http);

/* Resolve `reference` (absolute or relative) against `base`. NULL when it is no http(s) URL. */
char *http_url_resolve(const char *base, const char *reference);

/* Same scheme, host and port? */
bool http_url_same_origin(const char *a, const char *b);

/* Percent-encode all but unreserved characters (RFC 3986 section 2.3). NULL: out of memory. */
char *http_url_escape(const char *text);

/* Append "?name=value" or "&name=value", the value escaped. */
void http_url_add_query(struct str *url, const char *name, const char *value);
