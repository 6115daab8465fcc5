/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aes.c - the steps of AES by AES-NI (SDM volume 2, AESENC and its kin). A round key of 0 leaves
 * out AddRoundKey.
 */
#include "jit/aes.h"

#include <immintrin.h>

__attribute__((target("aes,sse4.1"))) static __m128i apply(enum host_aes_op op, __m128i state)
{
	const __m128i no_key = _mm_setzero_si128();

	switch (op) {
	case HOST_AES_ROUND:
		return _mm_aesenc_si128(state, no_key);
	case HOST_AES_LAST_ROUND:
		return _mm_aesenclast_si128(state, no_key);
	case HOST_AES_ROUND_BACK:
		return _mm_aesdec_si128(state, no_key);
	case HOST_AES_LAST_ROUND_BACK:
		return _mm_aesdeclast_si128(state, no_key);
	case HOST_AES_MIX_BACK:
		return _mm_aesimc_si128(state);
	case HOST_AES_SUBSTITUTE: /* of word 1, to word 0 */
		return _mm_aeskeygenassist_si128(_mm_slli_si128(state, 4), 0);
	}
	return state;
}

bool host_aes(enum host_aes_op op, uint64_t block[2])
{
	__m128i state;

	if (!__builtin_cpu_supports("aes"))
		return false;
	state = apply(op, _mm_loadu_si128((const __m128i *)block));
	_mm_storeu_si128((__m128i *)block, state);
	return true;
}
