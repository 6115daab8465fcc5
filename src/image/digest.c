/* SPDX-License-Identifier: Apache-2.0 */
/*
 * digest.c - streaming SHA-256 through libcrypto, which uses the CPU's own instructions.
 */
#include "image/digest.h"

#include <openssl/evp.h>

#include "base/io.h"

/* Large enough that read(2) costs nothing beside the hashing, small enough for the L2 cache. */
#define HASH_CHUNK (256u << 10)

static int crypto_error(struct error *err)
{
	return error_set(err, EIO, "libcrypto cannot compute SHA-256");
}

int image_digester_reset(struct image_digester *digester, struct error *err)
{
	digester->failed = false;
	if (EVP_DigestInit_ex(digester->context, EVP_sha256(), NULL) != 1)
		return crypto_error(err);
	return 0;
}

int image_digester_open(struct image_digester *ret, struct error *err)
{
	struct image_digester d = { .context = EVP_MD_CTX_new() };
	int r;

	if (!d.context)
		return error_oom(err);
	r = image_digester_reset(&d, err);
	if (r < 0) {
		image_digester_free(&d);
		return r;
	}
	*ret = d;
	return 0;
}

void image_digester_update(struct image_digester *digester, const void *bytes, size_t len)
{
	if (len && EVP_DigestUpdate(digester->context, bytes, len) != 1)
		digester->failed = true;
}

int image_digester_update_fd(
	struct image_digester *digester, int fd, off_t offset, uint64_t *ret_len, struct error *err)
{
	_cleanup_free_ char *chunk = malloc(HASH_CHUNK);
	off_t at = offset;

	if (!chunk)
		return error_oom(err);
	for (;;) {
		ssize_t n = pread(fd, chunk, HASH_CHUNK, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_errno(err, errno, "cannot read what is to be hashed");
		if (n == 0)
			break;
		image_digester_update(digester, chunk, (size_t)n);
		at += n;
	}
	if (ret_len)
		*ret_len = (uint64_t)(at - offset);
	return 0;
}

int image_digester_finish(
	struct image_digester *digester, char ret[IMAGE_DIGEST_LEN + 1], struct error *err)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned int len = 0;
	char *p;

	if (digester->failed || EVP_DigestFinal_ex(digester->context, hash, &len) != 1 || len != 32)
		return crypto_error(err);
	p = stpcpy(ret, "sha256:");
	for (unsigned int i = 0; i < len; i++) {
		*p++ = digits[hash[i] >> 4];
		*p++ = digits[hash[i] & 15];
	}
	*p = '\0';
	return 0;
}

void image_digester_free(struct image_digester *digester)
{
	EVP_MD_CTX_free(digester->context);
	*digester = (struct image_digester){ 0 };
}

int image_digest_of(
	const void *bytes, size_t len, char ret[IMAGE_DIGEST_LEN + 1], struct error *err)
{
	_cleanup_digester_ struct image_digester d = { 0 };
	int r = image_digester_open(&d, err);

	if (r < 0)
		return r;
	image_digester_update(&d, bytes, len);
	return image_digester_finish(&d, ret, err);
}
