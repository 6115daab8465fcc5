/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transfer_options.c - the options that pull, push, login and logout share.
 */
#include "front/cli/transfer_options.h"

#define TIMEOUT_MAX_S 86400
#define SECOND_NS     INT64_C(1000000000)

int registry_options_apply(const struct registry_options *options,
	struct image_transfer_options *transfer, struct error *err)
{
	bool insecure = options->tls_verify && streq(options->tls_verify, "false");
	int64_t seconds = (options->timeout_ns + SECOND_NS - 1) / SECOND_NS;

	if (options->plain_http && options->tls_ca)
		return error_set(err, EINVAL, "--plain-http and --tls-ca exclude each other");
	if (insecure && options->tls_ca)
		return error_set(err, EINVAL, "--tls-verify=false and --tls-ca exclude each other");
	if (seconds < 0 || seconds > TIMEOUT_MAX_S)
		return error_set(err, EINVAL, "--timeout must be at most 24h");
	if (options->tls_ca && access(options->tls_ca, R_OK) < 0)
		return error_errno(err, errno, "cannot read --tls-ca %s", options->tls_ca);
	transfer->insecure = insecure && !options->plain_http;
	transfer->plain_http = insecure || options->plain_http;
	transfer->ca_file = options->tls_ca;
	transfer->auth_file = options->authfile;
	transfer->timeout_s = (unsigned)seconds;
	return 0;
}
