/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aes.h - the steps of AES by the host's own instructions.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* FIPS 197: ShiftRows, SubBytes and MixColumns, and back. */
enum host_aes_op {
	HOST_AES_ROUND,
	HOST_AES_LAST_ROUND, /* without MixColumns */
	HOST_AES_ROUND_BACK, /* InvShiftRows, InvSubBytes, InvMixColumns */
	HOST_AES_LAST_ROUND_BACK,
	HOST_AES_MIX_BACK, /* InvMixColumns alone */
	HOST_AES_SUBSTITUTE, /* SubWord of the lowest word; the others are undefined */
};

/* Replace a state of 16 bytes, the lowest first in block[0]. False: the host cannot. */
bool host_aes(enum host_aes_op op, uint64_t block[2]);
