/* SPDX-License-Identifier: Apache-2.0 */
/*
 * x86-64-breaks.c - software breakpoints: int3 in guest memory, and what was there before.
 *
 * A place keeps what the guest has written to it since: where no int3 is any more, nothing is put
 * back. Two breakpoints may be at one place, through different addresses. All vcpus stand.
 */
#include "vcpu/kvm/x86-64.h"

#include <errno.h>

#define INT3 0xcc

static uint8_t *place_of(struct vm_memory *memory, const struct kvm_x86_break *at)
{
	return vm_memory_at(memory, at->physical, 1);
}

static const struct kvm_x86_break *find_place(const struct kvm_x86_breaks *b, uint64_t physical)
{
	for (unsigned i = 0; i < b->nr; i++)
		if (b->at[i].physical == physical)
			return &b->at[i];
	return NULL;
}

static void put(struct kvm_x86_breaks *b, struct kvm_x86_break *at)
{
	uint8_t *place = place_of(b->memory, at);

	if (!place || *place == INT3)
		return;
	at->original = *place;
	*place = INT3;
	vm_memory_written(b->memory, at->physical, 1);
}

static void lift(struct kvm_x86_breaks *b, const struct kvm_x86_break *at)
{
	uint8_t *place = place_of(b->memory, at);

	if (!place || *place != INT3)
		return;
	*place = at->original;
	vm_memory_written(b->memory, at->physical, 1);
}

int kvm_x86_breaks_add(struct kvm_x86_breaks *b, uint64_t address, uint64_t physical)
{
	const struct kvm_x86_break *same = find_place(b, physical);
	struct kvm_x86_break at = { .address = address, .physical = physical, .original = INT3 };

	if (!place_of(b->memory, &at))
		return -EFAULT;
	if (b->nr == KVM_X86_BREAKS_MAX)
		return -ENOSPC;
	if (same)
		at.original = same->original;
	put(b, &at);
	b->at[b->nr++] = at;
	return 0;
}

void kvm_x86_breaks_remove(struct kvm_x86_breaks *b, uint64_t address)
{
	for (unsigned i = 0; i < b->nr; i++) {
		const struct kvm_x86_break at = b->at[i];

		if (at.address != address)
			continue;
		b->at[i] = b->at[--b->nr];
		if (!find_place(b, at.physical))
			lift(b, &at);
		return;
	}
}

bool kvm_x86_breaks_has(const struct kvm_x86_breaks *b, uint64_t physical)
{
	return find_place(b, physical) != NULL;
}

void kvm_x86_breaks_lift(struct kvm_x86_breaks *b)
{
	for (unsigned i = 0; i < b->nr; i++)
		lift(b, &b->at[i]);
}

void kvm_x86_breaks_put(struct kvm_x86_breaks *b)
{
	for (unsigned i = 0; i < b->nr; i++)
		put(b, &b->at[i]);
}

int kvm_x86_breaks_read(const struct kvm_x86_breaks *b, uint64_t start, void *to, size_t size)
{
	uint8_t *bytes = to;
	int r = vm_memory_read(b->memory, start, to, size);

	for (unsigned i = 0; r == 0 && i < b->nr; i++) {
		uint64_t offset = b->at[i].physical - start;

		if (offset < size && bytes[offset] == INT3)
			bytes[offset] = b->at[i].original;
	}
	return r;
}

int kvm_x86_breaks_write(struct kvm_x86_breaks *b, uint64_t start, const void *from, size_t size)
{
	int r;

	kvm_x86_breaks_lift(b);
	r = vm_memory_write(b->memory, start, from, size);
	kvm_x86_breaks_put(b);
	return r;
}
