/* SPDX-License-Identifier: Apache-2.0 */
/*
 * error.c - the error object. The message is a fixed array inside the caller's struct, so that
 * reporting a failure never allocates and therefore cannot itself fail.
 */
#include "base/error.h"

#include <stdarg.h>
#include <string.h>

static int positive(int code)
{
	return code < 0 ? -code : code;
}

int error_set(struct error *err, int code, const char *fmt, ...)
{
	va_list ap;

	code = positive(code);
	if (!err)
		return -code;
	err->code = code;
	va_start(ap, fmt);
	vsnprintf(err->message, sizeof(err->message), fmt, ap);
	va_end(ap);
	return -code;
}

int error_errno(struct error *err, int code, const char *fmt, ...)
{
	va_list ap;
	size_t used;

	code = positive(code);
	if (!err)
		return -code;
	err->code = code;
	va_start(ap, fmt);
	vsnprintf(err->message, sizeof(err->message), fmt, ap);
	va_end(ap);
	used = strlen(err->message);
	snprintf(err->message + used, sizeof(err->message) - used, ": %s", strerror(code));
	return -code;
}

int error_prefix(struct error *err, const char *fmt, ...)
{
	char rest[ERROR_MESSAGE_MAX];
	va_list ap;
	size_t used;

	if (!err)
		return -EIO;
	memcpy(rest, err->message, sizeof(rest));
	va_start(ap, fmt);
	vsnprintf(err->message, sizeof(err->message), fmt, ap);
	va_end(ap);
	used = strlen(err->message);
	snprintf(err->message + used, sizeof(err->message) - used, ": %s", rest);
	return -err->code;
}

int error_oom(struct error *err)
{
	return error_set(err, ENOMEM, "out of memory");
}
