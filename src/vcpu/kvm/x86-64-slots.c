/* SPDX-License-Identifier: Apache-2.0 */
/*
 * x86-64-slots.c - which debug register watches what (SDM 3B, 18.2): four, each at up to 8 bytes
 * that begin at a multiple of their number. What a point needs, it gets wholly or not at all.
 */
#include "vcpu/kvm/x86-64.h"

#include <errno.h>

#define DR7_EXACT	  UINT64_C(0x600) /* GE, and the bit that is always set */
#define DR7_GLOBAL(n)	  (UINT64_C(2) << (2 * (n)))
#define DR7_TYPE(n, what) ((uint64_t)(what) << (16 + 4 * (n)))
#define DR7_SIZE(n, code) ((uint64_t)(code) << (18 + 4 * (n)))
#define BYTES_MAX	  8

static const uint8_t types[] = {
	[KVM_X86_EXECUTE] = 0,
	[KVM_X86_WRITE] = 1,
	[KVM_X86_ACCESS] = 3,
};

static const uint8_t size_codes[BYTES_MAX + 1] = { [1] = 0, [2] = 1, [4] = 3, [8] = 2 };

/* The most that one register watches from `address` on, up to `size` bytes. */
static unsigned part_of(uint64_t address, uint64_t size)
{
	unsigned bytes = BYTES_MAX;

	while (bytes > size || address % bytes)
		bytes /= 2;
	return bytes;
}

static struct kvm_x86_slot *find_free(struct kvm_x86_slots *slots)
{
	for (unsigned i = 0; i < KVM_X86_SLOTS; i++)
		if (!slots->at[i].bytes)
			return &slots->at[i];
	return NULL;
}

int kvm_x86_slots_add(struct kvm_x86_slots *slots, const struct kvm_x86_point *point)
{
	struct kvm_x86_slots changed = *slots;
	uint64_t left = point->type == KVM_X86_EXECUTE ? 1 : point->size;

	for (uint64_t address = point->address; left > 0;) {
		unsigned bytes = part_of(address, left);
		struct kvm_x86_slot *slot = find_free(&changed);

		if (!slot)
			return -ENOSPC;
		*slot = (struct kvm_x86_slot){
			.point = *point, .address = address, .bytes = bytes
		};
		address += bytes;
		left -= bytes;
	}
	*slots = changed;
	return 0;
}

void kvm_x86_slots_remove(struct kvm_x86_slots *slots, const struct kvm_x86_point *point)
{
	for (unsigned i = 0; i < KVM_X86_SLOTS; i++) {
		const struct kvm_x86_point *has = &slots->at[i].point;

		if (has->type == point->type && has->address == point->address &&
			has->size == point->size)
			slots->at[i] = (struct kvm_x86_slot){ 0 };
	}
}

uint64_t kvm_x86_slots_control(const struct kvm_x86_slots *slots)
{
	uint64_t dr7 = 0;

	for (unsigned i = 0; i < KVM_X86_SLOTS; i++) {
		const struct kvm_x86_slot *slot = &slots->at[i];

		if (slot->bytes)
			dr7 |= DR7_EXACT | DR7_GLOBAL(i) | DR7_TYPE(i, types[slot->point.type]) |
				DR7_SIZE(i, size_codes[slot->bytes]);
	}
	return dr7;
}

/* DR6 may tell of registers that are not in use, too. */
const struct kvm_x86_point *kvm_x86_slots_met(const struct kvm_x86_slots *slots, uint64_t dr6)
{
	for (unsigned i = 0; i < KVM_X86_SLOTS; i++)
		if (slots->at[i].bytes && dr6 >> i & 1)
			return &slots->at[i].point;
	return NULL;
}
