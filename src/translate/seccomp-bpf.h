/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp-bpf.h - classic BPF as seccomp(2) knows it: checked, interpreted, and asked what it says
 * of a call whatever its arguments are. Knows nothing of threads or of translation.
 */
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Would the kernel take this program? 0 or -EINVAL. One that passes ends after at most `count`
 * instructions and reads nothing but the data and scratch words that it wrote before.
 */
int seccomp_bpf_check(const struct sock_filter *program, size_t count);

/* What a program that passed the check returns for that call: SECCOMP_RET_* and data. */
uint32_t seccomp_bpf_run(const struct sock_filter *program, const struct seccomp_data *data);

/* Does it allow the call `nr` of architecture `arch` without having looked at anything else? */
bool seccomp_bpf_always_allows(const struct sock_filter *program, uint32_t arch, int nr);
