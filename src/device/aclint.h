/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aclint.h - timers and software interrupts between harts for machine mode, and one for supervisor
 * mode: the devices of a RISC-V ACLINT, the first two where SiFive's CLINT has them.
 */
#pragma once

#include <pthread.h>

#include "base/loop.h"
#include "vm/vm.h"

#define ACLINT_BYTES	  0x10000
#define ACLINT_SSWI_BYTES 0x4000

/* What the guest can see. */
struct aclint_state {
	uint64_t compare[VM_VCPUS_MAX]; /* mtimecmp */
	uint8_t software[VM_VCPUS_MAX]; /* msip */
};

/* The time that mtime shows, as the harts' own counter. */
struct aclint_time {
	uint64_t (*read)(void *context); /* from any thread */
	void *context;
	uint64_t frequency_hz; /* at most 1,000,000,000 */
};

struct aclint {
	struct vm_io io, sswi; /* their `start` is filled in by the board */
	struct vm_saved saved;
	struct aclint_time time;
	struct vm_vcpu *const *vcpus;
	unsigned nr_vcpus;
	struct loop *loop;
	struct loop_source timer; /* a timerfd, for the next one that is due */
	pthread_mutex_t lock;
	struct aclint_state state;
};

/* The array stays the caller's. Errors: of timerfd_create(2) and epoll_ctl(2). */
int aclint_init(struct aclint *aclint, struct vm_vcpu *const *vcpus, unsigned nr_vcpus,
	const struct aclint_time *time, struct loop *loop, struct error *err);
void aclint_reset(struct aclint *aclint);
void aclint_destroy(struct aclint *aclint);
