/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reference.c - image references and digests.
 */
#include "image/image.h"

bool image_digest_is_valid(const char *digest)
{
	const char *hex = str_after_prefix(digest, "sha256:");

	return hex && strlen(hex) == 64 && strspn(hex, "0123456789abcdef") == 64;
}

const char *image_digest_hex(const char *digest)
{
	return digest + strlen("sha256:");
}
