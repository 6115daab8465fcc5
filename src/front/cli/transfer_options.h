/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transfer_options.h - the options that pull, push, login and logout share.
 */
#pragma once

#include <stddef.h>

#include "front/cli/options.h"
#include "image/transfer.h"

struct registry_options {
	const char *tls_verify; /* "true", "false" or NULL */
	const char *tls_ca, *authfile;
	bool plain_http;
	int64_t timeout_ns;
};

#define REGISTRY_OFFSET(type, member, field)                                                       \
	(offsetof(type, member) + offsetof(struct registry_options, field))

#define REGISTRY_OPTION_AUTHFILE(type, member)                                                     \
	{                                                                                          \
		OPTION_STRING, 0, "authfile", REGISTRY_OFFSET(type, member, authfile), "FILE",     \
			"Credentials (default: $REGISTRY_AUTH_FILE or ~/.docker/config.json)",     \
			COMPLETE_FILE                                                              \
	}
#define REGISTRY_OPTION_TLS_VERIFY(type, member)                                                   \
	{                                                                                          \
		OPTION_STRING, 0, "tls-verify", REGISTRY_OFFSET(type, member, tls_verify), "BOOL", \
			"Insist on https with a trusted certificate (default true)",               \
			COMPLETE_CHOICES, "true|false"                                             \
	}
#define REGISTRY_OPTION_TLS_CA(type, member)                                                       \
	{                                                                                          \
		OPTION_STRING, 0, "tls-ca", REGISTRY_OFFSET(type, member, tls_ca), "FILE",         \
			"Trust this authority too (PEM)", COMPLETE_FILE                            \
	}
#define REGISTRY_OPTION_PLAIN_HTTP(type, member)                                                   \
	{                                                                                          \
		OPTION_FLAG, 0, "plain-http", REGISTRY_OFFSET(type, member, plain_http), NULL,     \
			"Use http instead of https"                                                \
	}
#define REGISTRY_OPTION_TIMEOUT(type, member)                                                      \
	{                                                                                          \
		OPTION_DURATION, 0, "timeout", REGISTRY_OFFSET(type, member, timeout_ns),          \
			"DURATION", "Give up on a registry silent for so long (default 30s)"       \
	}
#define REGISTRY_OPTIONS(type, member)                                                             \
	REGISTRY_OPTION_AUTHFILE(type, member), REGISTRY_OPTION_TLS_VERIFY(type, member),          \
		REGISTRY_OPTION_TLS_CA(type, member), REGISTRY_OPTION_PLAIN_HTTP(type, member),    \
		REGISTRY_OPTION_TIMEOUT(type, member)

/* Check them and hand them to the transfers. */
int registry_options_apply(const struct registry_options *options,
	struct image_transfer_options *transfer, struct error *err);
