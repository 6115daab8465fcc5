/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parts.h - memory in parts, and parts of it.
 */
#pragma once

#include <stddef.h>
#include <sys/uio.h>

/*
 * The parts of [skip, skip + size) of the bytes in `from`, into `to`, which has room for `nr` of
 * them and may be `from` itself. How many there are; *ret_bytes (may be NULL): how many bytes,
 * fewer than `size` where `from` has no more.
 */
static inline unsigned parts_slice(const struct iovec *from, unsigned nr, size_t skip, size_t size,
	struct iovec *to, size_t *ret_bytes)
{
	unsigned count = 0;
	size_t bytes = 0;

	for (unsigned i = 0; i < nr && bytes < size; i++) {
		size_t length = from[i].iov_len;

		if (skip >= length) {
			skip -= length;
			continue;
		}
		length -= skip;
		if (length > size - bytes)
			length = size - bytes;
		to[count++] = (struct iovec){ (char *)from[i].iov_base + skip, length };
		bytes += length;
		skip = 0;
	}
	if (ret_bytes)
		*ret_bytes = bytes;
	return count;
}
