/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http.c - the HTTP client: one exchange, and what is done when it fails.
 *
 * http_perform() is three loops inside each other: attempts (back-off between them), redirects
 * (within one attempt) and libcurl's own multi loop (within one exchange). `struct exchange` is
 * what lives through all of them; its `delivered` counts the bytes write_body() has accepted, and
 * is where the next attempt's Range begins.
 *
 * HTTP/1.1 on purpose: every thread has its own connection, and multiplexing would only add the
 * copies of HTTP/2's framing.
 */
#include "base/http.h"

#include <curl/curl.h>
#include <ctype.h>
#include <stdatomic.h>
#include <strings.h>
#include <time.h>

#include "base/http-internal.h"
#include "base/log.h"

#define RECEIVE_BUFFER_BYTES   (512L << 10)
#define UPLOAD_BUFFER_BYTES    (512L << 10)
#define HTTP_ATTEMPTS_HOPELESS 2
#define POLL_MAX_MS	       1000

struct http {
	CURLM *multi;
	CURL *easy;
	atomic_bool cancelled;
	bool answered; /* some server has answered something */
	char *ca_file, *client_certificate, *client_key;
	bool insecure;
	unsigned connect_timeout_s, stall_timeout_s;
	unsigned seed; /* of the jitter */
	char message[CURL_ERROR_SIZE];
};

struct exchange {
	struct http *http;
	const struct http_request *request;
	struct http_response *response;
	struct error *err;
	size_t header_bytes;
	uint64_t delivered; /* accepted by write_body() over all attempts */
	uint64_t skip; /* of this answer: bytes that were delivered before */
	uint64_t sent; /* of the request's body, in this exchange */
	bool body_begun; /* of this answer */
	int failure; /* -errno of a callback that stopped the transfer; err is set */
};

/* --- opening and closing ------------------------------------------------------------------- */

static char *copy_or_null(const char *s, bool *failed)
{
	char *copy = s ? strdup(s) : NULL;

	*failed |= s && !copy;
	return copy;
}

int http_open(const struct http_options *options, struct http **ret, struct error *err)
{
	struct http *http;
	bool failed = false;

	/* libcurl counts the calls, and since 7.84 makes them safe between threads. */
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return error_set(err, EIO, "cannot initialise libcurl");
	http = calloc(1, sizeof(*http));
	if (!http) {
		curl_global_cleanup();
		return error_oom(err);
	}
	http->multi = curl_multi_init();
	http->easy = curl_easy_init();
	http->insecure = options->insecure;
	http->ca_file = copy_or_null(options->ca_file, &failed);
	http->client_certificate = copy_or_null(options->client_certificate, &failed);
	http->client_key = copy_or_null(options->client_key, &failed);
	http->connect_timeout_s = options->connect_timeout_s ? options->connect_timeout_s
							     : HTTP_CONNECT_TIMEOUT_S;
	http->stall_timeout_s = options->stall_timeout_s ? options->stall_timeout_s
							 : HTTP_STALL_TIMEOUT_S;
	http->seed = (unsigned)time(NULL) ^ (unsigned)(uintptr_t)http;
	if (!http->multi || !http->easy || failed) {
		http_close(http);
		return error_oom(err);
	}
	*ret = http;
	return 0;
}

struct http *http_close(struct http *http)
{
	if (!http)
		return NULL;
	if (http->easy)
		curl_easy_cleanup(http->easy);
	if (http->multi)
		curl_multi_cleanup(http->multi);
	free(http->ca_file);
	free(http->client_certificate);
	free(http->client_key);
	free(http);
	curl_global_cleanup();
	return NULL;
}

void http_cancel(struct http *http)
{
	atomic_store(&http->cancelled, true);
	curl_multi_wakeup(http->multi);
}

void http_response_free(struct http_response *response)
{
	response->headers = strv_free(response->headers);
	str_free(&response->body);
	free(response->url);
	response->url = NULL;
}

const char *http_response_header(const struct http_response *response, const char *name)
{
	strv_for_each (line, response->headers) {
		const char *rest = str_after_prefix(*line, name);

		if (rest && rest[0] == ':')
			return rest[1] == ' ' ? rest + 2 : rest + 1;
	}
	return NULL;
}

/* --- libcurl's callbacks ------------------------------------------------------------------- */

static void forget_answer(struct exchange *x)
{
	x->response->headers = strv_free(x->response->headers);
	str_reset(&x->response->body);
	x->response->status = 0;
	x->header_bytes = 0;
	x->body_begun = false;
	x->skip = 0;
}

/* One header line, "Name: value", kept as "name: value" without white space around the value. */
static int keep_header(struct exchange *x, const char *line, size_t len)
{
	const char *colon = memchr(line, ':', len), *value, *end = line + len;
	char *text;

	if (!colon || colon == line)
		return 0;
	x->header_bytes += len;
	if (x->header_bytes > HTTP_HEADER_BYTES_MAX ||
		strv_length(x->response->headers) >= HTTP_HEADERS_MAX)
		return error_set(x->err, EFBIG, "%s sends more headers than any server should",
			x->request->url);
	value = colon + 1;
	while (value < end && (*value == ' ' || *value == '\t'))
		value++;
	while (end > value && isspace((unsigned char)end[-1]))
		end--;
	text = strf("%.*s: %.*s", (int)(colon - line), line, (int)(end - value), value);
	for (char *p = text; text && *p != ':'; p++)
		*p = (char)tolower((unsigned char)*p);
	return strv_push_take(&x->response->headers, text) < 0 ? error_oom(x->err) : 0;
}

static size_t on_header(char *line, size_t size, size_t count, void *context)
{
	struct exchange *x = context;
	size_t len = size * count;

	/* A status line begins an answer: what came before was 100 Continue or a proxy's. */
	if (len > 5 && strncasecmp(line, "HTTP/", 5) == 0)
		forget_answer(x);
	else
		x->failure = keep_header(x, line, len);
	return x->failure < 0 ? 0 : len;
}

/* An answer to a Range request: where does it begin? */
static int begin_ranged_body(struct exchange *x, int status)
{
	uint64_t wanted = x->request->resume_from + x->delivered, start = 0;
	const char *range = http_response_header(x->response, "content-range");

	if (!wanted)
		return 0;
	if (status != 206) {
		x->skip = wanted;
		return 0;
	}
	if (!range || !str_after_prefix(range, "bytes "))
		return error_set(x->err, EPROTO,
			"%s answers a range request without saying the range", x->request->url);
	start = strtoull(range + strlen("bytes "), NULL, 10);
	if (start > wanted)
		return error_set(x->err, EPROTO,
			"%s answers with another range than the one asked for", x->request->url);
	x->skip = wanted - start;
	return 0;
}

static int deliver(struct exchange *x, const char *bytes, size_t len)
{
	int r;

	if (x->skip) {
		size_t n = x->skip < len ? (size_t)x->skip : len;

		x->skip -= n;
		bytes += n;
		len -= n;
		if (!len)
			return 0;
	}
	r = x->request->write_body(x->request->context, bytes, len, x->err);
	if (r == 0)
		x->delivered += len;
	return r;
}

static int collect(struct exchange *x, const char *bytes, size_t len, bool good)
{
	struct str *body = &x->response->body;
	size_t max = good ? x->request->body_max : HTTP_ERROR_BODY_MAX;

	if (len > max - body->len) {
		if (good)
			return error_set(x->err, EFBIG,
				"%s sends more than the %zu bytes allowed here", x->request->url,
				max);
		len = max - body->len;
	}
	str_append_n(body, bytes, len);
	return body->failed ? error_oom(x->err) : 0;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *context)
{
	struct exchange *x = context;
	size_t len = size * count;
	long status = 0;
	bool good;

	if (!len)
		return 0;
	curl_easy_getinfo(x->http->easy, CURLINFO_RESPONSE_CODE, &status);
	good = status >= 200 && status < 300;
	if (!x->body_begun && good && x->request->write_body)
		x->failure = begin_ranged_body(x, (int)status);
	x->body_begun = true;
	if (x->failure == 0)
		x->failure = good && x->request->write_body ? deliver(x, bytes, len)
							    : collect(x, bytes, len, good);
	return x->failure < 0 ? 0 : len;
}

static size_t on_upload(char *buf, size_t size, size_t count, void *context)
{
	struct exchange *x = context;
	const struct http_request *request = x->request;
	uint64_t left = request->body_size - x->sent;
	size_t len = size * count;
	ssize_t n;

	if (len > left)
		len = (size_t)left;
	if (!len)
		return 0;
	if (request->body) {
		memcpy(buf, (const char *)request->body + x->sent, len);
		n = (ssize_t)len;
	} else {
		n = request->read_body(request->context, x->sent, buf, len);
	}
	if (n <= 0) {
		x->failure = error_errno(x->err, n ? (int)n : EIO,
			"cannot read what is to be sent to %s", request->url);
		return CURL_READFUNC_ABORT;
	}
	x->sent += (uint64_t)n;
	return (size_t)n;
}

static int on_seek(void *context, curl_off_t offset, int origin)
{
	struct exchange *x = context;

	if (origin != SEEK_SET || offset < 0)
		return CURL_SEEKFUNC_CANTSEEK;
	x->sent = (uint64_t)offset;
	return CURL_SEEKFUNC_OK;
}

/* --- one exchange -------------------------------------------------------------------------- */

static void set_transport(struct exchange *x, CURL *easy)
{
	struct http *http = x->http;

	curl_easy_reset(easy);
	http->message[0] = '\0';
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, http->message);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "strata/" STRATA_VERSION);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)http->connect_timeout_s);
	curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)http->stall_timeout_s);
	curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, RECEIVE_BUFFER_BYTES);
	curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, UPLOAD_BUFFER_BYTES);
	curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, x);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, x);
	if (http->insecure) {
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
	}
	/* CAPATH stays at the system's folder, so an own authority is one more, not the only one.
	 */
	if (http->ca_file)
		curl_easy_setopt(easy, CURLOPT_CAINFO, http->ca_file);
	if (http->client_certificate)
		curl_easy_setopt(easy, CURLOPT_SSLCERT, http->client_certificate);
	if (http->client_key)
		curl_easy_setopt(easy, CURLOPT_SSLKEY, http->client_key);
}

static void set_method(struct exchange *x, CURL *easy)
{
	const struct http_request *request = x->request;

	x->sent = 0;
	if (streq(request->method, "HEAD")) {
		curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
	} else if (request->body || request->read_body || streq(request->method, "PUT") ||
		streq(request->method, "PATCH")) {
		curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
		curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)request->body_size);
		curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_upload);
		curl_easy_setopt(easy, CURLOPT_READDATA, x);
		curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_seek);
		curl_easy_setopt(easy, CURLOPT_SEEKDATA, x);
	} else if (streq(request->method, "POST")) {
		curl_easy_setopt(easy, CURLOPT_POST, 1L);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, "");
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, 0L);
	} else if (!streq(request->method, "GET")) {
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
	}
}

static bool append_header(struct curl_slist **list, const char *line)
{
	struct curl_slist *longer = curl_slist_append(*list, line);

	if (longer)
		*list = longer;
	return longer;
}

static int make_headers(
	struct exchange *x, const char *url, struct curl_slist **ret, struct error *err)
{
	const struct http_request *request = x->request;
	struct curl_slist *list = NULL;
	uint64_t from = request->resume_from + x->delivered;
	bool good = append_header(&list, "Expect:");
	char text[64];

	strv_for_each (h, request->headers)
		good = good && append_header(&list, *h);
	if (request->authorization && http_url_same_origin(request->url, url)) {
		_cleanup_free_ char *line = strf("Authorization: %s", request->authorization);

		good = good && line && append_header(&list, line);
	}
	if (request->write_body && from) {
		snprintf(text, sizeof(text), "Range: bytes=%llu-", (unsigned long long)from);
		good = good && append_header(&list, text);
	}
	if (!good) {
		curl_slist_free_all(list);
		return error_oom(err);
	}
	*ret = list;
	return 0;
}

/* Drive the one transfer to its end. Returns libcurl's verdict or a negative errno. */
static int drive(struct http *http, CURLcode *ret)
{
	int running = 1, left;
	CURLMsg *message;

	curl_multi_add_handle(http->multi, http->easy);
	while (running && !atomic_load(&http->cancelled)) {
		if (curl_multi_perform(http->multi, &running) != CURLM_OK)
			break;
		if (running)
			curl_multi_poll(http->multi, NULL, 0, POLL_MAX_MS, NULL);
	}
	*ret = CURLE_ABORTED_BY_CALLBACK;
	while ((message = curl_multi_info_read(http->multi, &left)))
		if (message->msg == CURLMSG_DONE)
			*ret = message->data.result;
	curl_multi_remove_handle(http->multi, http->easy);
	return atomic_load(&http->cancelled) ? -ECANCELED : 0;
}

/* One request to one URL. 0 with *ret_code, or a negative errno that no retry helps. */
static int exchange_once(struct exchange *x, const char *url, CURLcode *ret_code)
{
	CURL *easy = x->http->easy;
	struct curl_slist *headers = NULL;
	long status = 0;
	int r;

	forget_answer(x);
	x->failure = 0;
	set_transport(x, easy);
	set_method(x, easy);
	r = make_headers(x, url, &headers, x->err);
	if (r < 0)
		return r;
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(easy, CURLOPT_URL, url);
	r = drive(x->http, ret_code);
	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	curl_slist_free_all(headers);
	x->response->status = (int)status;
	x->http->answered |= status != 0;
	if (r < 0)
		return error_set(x->err, -r, "the transfer from %s was cancelled", url);
	log_debug("%s %s: %ld%s%s", x->request->method, url, status, *ret_code ? ": " : "",
		*ret_code ? curl_easy_strerror(*ret_code) : "");
	return x->failure;
}

/* --- redirects ----------------------------------------------------------------------------- */

static bool is_redirect(int status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* Follow redirects within one attempt. *ret_url (freed by the caller) is the last place asked. */
static int attempt(struct exchange *x, CURLcode *ret_code, char **ret_url)
{
	_cleanup_free_ char *url = strdup(x->request->url);
	int r;

	if (!url)
		return error_oom(x->err);
	for (unsigned hops = 0;; hops++) {
		const char *location;
		char *next;

		r = exchange_once(x, url, ret_code);
		location = http_response_header(x->response, "location");
		if (r < 0 || *ret_code != CURLE_OK || !is_redirect(x->response->status) ||
			!location)
			break;
		if (hops == HTTP_REDIRECTS_MAX)
			return error_set(x->err, ELOOP, "%s redirects more than %d times",
				x->request->url, HTTP_REDIRECTS_MAX);
		next = http_url_resolve(url, location);
		if (!next)
			return error_set(x->err, EPROTO,
				"%s redirects to %.200s, which is no web address", url, location);
		if (str_after_prefix(url, "https:") && !str_after_prefix(next, "https:") &&
			!x->http->insecure) {
			r = error_set(x->err, EPROTO,
				"%s redirects from https to plain http, which is refused", url);
			free(next);
			return r;
		}
		free(url);
		url = next;
	}
	*ret_url = steal_ptr(&url);
	return r;
}

/* --- retries ------------------------------------------------------------------------------- */

static bool worth_retrying(CURLcode code, int status)
{
	switch (code) {
	case CURLE_OK:
		return status == 429 || status == 408 || (status >= 500 && status != 501);
	case CURLE_COULDNT_CONNECT:
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_OPERATION_TIMEDOUT:
	case CURLE_GOT_NOTHING:
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
	case CURLE_PARTIAL_FILE:
		return true;
	default:
		return false;
	}
}

/* How long to wait before attempt number `failed` + 1; negative: the server asks for too long. */
static int64_t delay_ms(struct exchange *x, unsigned failed)
{
	const char *after = http_response_header(x->response, "retry-after");
	int64_t ms = 250;
	uint64_t seconds;

	if (after && parse_u64(after, UINT32_MAX, &seconds) < 0) {
		time_t when = curl_getdate(after, NULL), now = time(NULL);

		seconds = when > now ? (uint64_t)(when - now) : 0;
	}
	if (after)
		return seconds > HTTP_RETRY_AFTER_MAX_S ? -1 : (int64_t)seconds * 1000;
	for (unsigned i = 1; i < failed && ms < 8000; i++)
		ms *= 2;
	/* Jitter: between half and the whole, so that many clients do not come back together. */
	return ms / 2 + rand_r(&x->http->seed) % (ms / 2 + 1);
}

static int wait_ms(struct http *http, int64_t ms)
{
	struct timespec begin, now;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (;;) {
		int64_t passed;

		if (atomic_load(&http->cancelled))
			return -ECANCELED;
		clock_gettime(CLOCK_MONOTONIC, &now);
		passed = (now.tv_sec - begin.tv_sec) * 1000 +
			(now.tv_nsec - begin.tv_nsec) / 1000000;
		if (passed >= ms)
			return 0;
		curl_multi_poll(http->multi, NULL, 0, (int)(ms - passed), NULL);
	}
}

static int give_up(struct exchange *x, CURLcode code, const char *url)
{
	struct http_failure failure = {
		.code = code,
		.url = url,
		.message = x->http->message,
		.connect_timeout_s = x->http->connect_timeout_s,
		.stall_timeout_s = x->http->stall_timeout_s,
	};
	curl_off_t received = 0, connect_us = 0;

	curl_easy_getinfo(x->http->easy, CURLINFO_OS_ERRNO, &failure.os_errno);
	curl_easy_getinfo(x->http->easy, CURLINFO_SIZE_DOWNLOAD_T, &received);
	curl_easy_getinfo(x->http->easy, CURLINFO_CONNECT_TIME_T, &connect_us);
	failure.received_bytes = (uint64_t)received;
	failure.connected = connect_us > 0;
	return http_describe_failure(&failure, x->err);
}

/* A server that was never there, or is silent, is not waited for as long as one that stumbles. */
static unsigned attempts_for(const struct http *http, CURLcode code, unsigned max)
{
	bool hopeless = code == CURLE_OPERATION_TIMEDOUT ||
		(!http->answered &&
			(code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST));

	return hopeless && max > HTTP_ATTEMPTS_HOPELESS ? HTTP_ATTEMPTS_HOPELESS : max;
}

static int perform(struct exchange *x)
{
	unsigned max = x->request->attempts ? x->request->attempts : HTTP_ATTEMPTS, failed = 0;

	for (;;) {
		_cleanup_free_ char *url = NULL;
		uint64_t before = x->delivered;
		CURLcode code = CURLE_OK;
		int64_t ms;
		int r = attempt(x, &code, &url);

		if (r < 0)
			return r;
		if (code == CURLE_OK && !worth_retrying(code, x->response->status)) {
			x->response->url = steal_ptr(&url);
			return 0;
		}
		failed = x->delivered - before >= HTTP_PROGRESS_MIN_BYTES ? 1 : failed + 1;
		ms = delay_ms(x, failed);
		if (failed >= attempts_for(x->http, code, max) || ms < 0 ||
			!worth_retrying(code, x->response->status)) {
			if (code != CURLE_OK)
				return give_up(x, code, url);
			x->response->url = steal_ptr(&url);
			return 0;
		}
		log_info("%s %s failed (%s), trying again in %lld ms", x->request->method, url,
			code ? curl_easy_strerror(code) : "the server is busy", (long long)ms);
		if (wait_ms(x->http, ms) < 0)
			return error_set(
				x->err, ECANCELED, "the transfer from %s was cancelled", url);
	}
}

int http_perform(struct http *http, const struct http_request *request, struct http_response *ret,
	struct error *err)
{
	struct http_response response = { 0 };
	struct error ignored;
	struct exchange x = {
		.http = http,
		.request = request,
		.response = &response,
		.err = err ? err : &ignored,
	};
	int r = perform(&x);

	if (r < 0 || !ret)
		http_response_free(&response);
	else
		*ret = response;
	return r;
}
