/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http-internal.h - shared by the files of the HTTP client, and by nobody else.
 */
#pragma once

#include "base/http.h"

/* Everything the sentence about a failed exchange is made of. */
struct http_failure {
	int code; /* CURLcode */
	const char *url;
	const char *message; /* libcurl's own words; may be empty */
	long os_errno;
	bool connected;
	uint64_t received_bytes;
	unsigned connect_timeout_s, stall_timeout_s;
};

/* Set the sentence, return the negative errno that http_perform() documents. */
int http_describe_failure(const struct http_failure *failure, struct error *err);
