/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup-convert.c - Docker's numbers in the terms of cgroup v1 and v2. Pure functions.
 */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/str.h"
#include "container/cgroup-ops.h"

/*
 * Both scales have a default (1024 shares, weight 100) and two ends; a straight line through the
 * ends would put the default at 39. The curve through all three points, as runc (since 1.3.2) and
 * crun (since 1.23) have it: log10(weight) = (l^2 + 125 l) / 612 - 7/34 with l = log2(shares).
 */
uint64_t cgroup_weight_from_shares(uint64_t shares)
{
	double l, weight;

	if (shares <= 2)
		return 1;
	if (shares >= 262144)
		return 10000;
	l = log2((double)shares);
	weight = pow(10, (l * l + 125 * l) / 612.0 - 7.0 / 34.0);
	/* The three points are met exactly, not at their rounding error's mercy. */
	return (uint64_t)ceil(weight - 1e-6);
}

/* 10..1000 -> 1..10000, linear, as the runtime-spec's users expect: 1 + (w - 10) * 9999 / 990. */
uint64_t cgroup_io_weight_from_blkio(uint64_t weight)
{
	if (weight <= 10)
		return 1;
	if (weight >= 1000)
		return 10000;
	return 1 + (weight - 10) * 9999 / 990;
}

int cgroup_parse_set(const char *text, uint8_t *bits, size_t size)
{
	while (*text) {
		unsigned long first, last;
		char *end;

		if (*text < '0' || *text > '9')
			return -EINVAL;
		first = last = strtoul(text, &end, 10);
		if (*end == '-' && end[1] >= '0' && end[1] <= '9')
			last = strtoul(end + 1, &end, 10);
		if (last < first || last >= size * 8)
			return -ERANGE;
		for (unsigned long i = first; i <= last; i++)
			bits[i / 8] |= (uint8_t)(1u << (i % 8));
		if (*end && *end != ',' && *end != '\n')
			return -EINVAL;
		text = *end ? end + 1 : end;
	}
	return 0;
}

int cgroup_swap_from_total(int64_t memory, int64_t total, int64_t *ret, struct error *err)
{
	if (total == CGROUP_UNSET || total == CGROUP_UNLIMITED) {
		*ret = total;
		return 0;
	}
	if (memory == CGROUP_UNSET || memory == CGROUP_UNLIMITED)
		return error_set(err, EINVAL, "--memory-swap needs --memory beside it");
	if (total < memory)
		return error_set(err, EINVAL,
			"--memory-swap counts memory and swap together and cannot be less than --memory");
	*ret = total - memory;
	return 0;
}

char *cgroup_rdma_line(const struct cgroup_rdma_limit *limit)
{
	_cleanup_str_ struct str line = { 0 };

	str_append(&line, limit->device);
	if (limit->handles != CGROUP_UNSET)
		str_appendf(&line, " hca_handle=%lld", (long long)limit->handles);
	if (limit->objects != CGROUP_UNSET)
		str_appendf(&line, " hca_object=%lld", (long long)limit->objects);
	return str_finish(&line);
}

int cgroup_split_unified(
	const char *setting, char *key, size_t size, const char **value, struct error *err)
{
	const char *equals = strchr(setting, '=');
	size_t n = equals ? (size_t)(equals - setting) : 0;

	if (n == 0 || n >= size || memchr(setting, '/', n) || !memchr(setting, '.', n))
		return error_set(err, EINVAL, "'%s' is not a FILE=VALUE of cgroup v2", setting);
	memcpy(key, setting, n);
	key[n] = '\0';
	*value = equals + 1;
	return 0;
}

unsigned cgroup_access_parse(const char *text, size_t len)
{
	unsigned access = 0;

	for (size_t i = 0; i < len && text[i]; i++) {
		if (text[i] == 'r')
			access |= CGROUP_ACCESS_READ;
		else if (text[i] == 'w')
			access |= CGROUP_ACCESS_WRITE;
		else if (text[i] == 'm')
			access |= CGROUP_ACCESS_MKNOD;
	}
	return access;
}

/* Do the two name some device in common? */
static bool overlaps(
	const struct cgroup_device_exception *a, const struct cgroup_device_exception *b)
{
	return a->type == b->type && (a->major == b->major || a->major < 0 || b->major < 0) &&
		(a->minor == b->minor || a->minor < 0 || b->minor < 0);
}

/* Is every device of b one of a's? */
static bool covers(const struct cgroup_device_exception *a, const struct cgroup_device_exception *b)
{
	return a->type == b->type && (a->major < 0 || a->major == b->major) &&
		(a->minor < 0 || a->minor == b->minor);
}

/* A rule that goes against the default: one more exception, or more access for one. */
static int add_exception(
	struct cgroup_device_policy *policy, const struct cgroup_device_exception *e)
{
	struct cgroup_device_exception *grown;

	for (size_t i = 0; i < policy->count; i++) {
		struct cgroup_device_exception *old = &policy->exceptions[i];

		if (old->type == e->type && old->major == e->major && old->minor == e->minor) {
			old->access |= e->access;
			return 0;
		}
	}
	grown = reallocarray(policy->exceptions, policy->count + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	policy->exceptions = grown;
	grown[policy->count++] = *e;
	return 0;
}

/* A rule that goes back to the default: take its access from every exception it covers. One that
 * would only take a part of a wider exception's devices cannot be said to v1's kernel. */
static int take_exception(
	struct cgroup_device_policy *policy, const struct cgroup_device_exception *e)
{
	size_t kept = 0;

	for (size_t i = 0; i < policy->count; i++) {
		const struct cgroup_device_exception *old = &policy->exceptions[i];

		if (overlaps(old, e) && (old->access & e->access) && !covers(e, old))
			return -ENOTSUP;
	}
	for (size_t i = 0; i < policy->count; i++) {
		struct cgroup_device_exception old = policy->exceptions[i];

		if (covers(e, &old))
			old.access &= ~e->access;
		if (old.access)
			policy->exceptions[kept++] = old;
	}
	policy->count = kept;
	return 0;
}

/* One rule of type 'b' or 'c'. */
static int apply_rule(struct cgroup_device_policy *policy, const struct cgroup_device_rule *rule,
	char type, struct error *err)
{
	const struct cgroup_device_exception e = {
		.type = type,
		.major = rule->major,
		.minor = rule->minor,
		.access = cgroup_access_parse(rule->access, sizeof(rule->access)),
	};
	int r;

	if (e.access == 0)
		return error_set(err, EINVAL, "a device rule has no access of 'r', 'w' or 'm'");
	r = rule->allow == policy->allow_by_default ? take_exception(policy, &e)
						    : add_exception(policy, &e);
	if (r == -ENOMEM)
		return error_oom(err);
	if (r < 0)
		return error_set(err, r,
			"device rule '%s %c %lld:%lld' takes a part of an earlier, wider rule: cgroup v1 "
			"cannot hold that",
			rule->allow ? "allow" : "deny", type, (long long)rule->major,
			(long long)rule->minor);
	return 0;
}

/* "a" with every access and number resets everything said before (as v1's "a" does). */
static bool is_reset(const struct cgroup_device_rule *rule)
{
	return rule->type == 'a' && rule->major < 0 && rule->minor < 0 &&
		cgroup_access_parse(rule->access, sizeof(rule->access)) == CGROUP_ACCESS_ALL;
}

int cgroup_device_policy(const struct cgroup_device_rule *rules, size_t count,
	struct cgroup_device_policy *ret, struct error *err)
{
	struct cgroup_device_policy policy = { .allow_by_default = true };
	int r = 0;

	if (count > CGROUP_DEVICE_RULES_MAX)
		return error_set(err, E2BIG, "more than %d device rules", CGROUP_DEVICE_RULES_MAX);
	for (size_t i = 0; i < count && r == 0; i++) {
		const struct cgroup_device_rule *rule = &rules[i];

		if (is_reset(rule)) {
			policy.allow_by_default = rule->allow;
			policy.count = 0;
		} else if (rule->type == 'a') {
			r = apply_rule(&policy, rule, 'c', err);
			if (r == 0)
				r = apply_rule(&policy, rule, 'b', err);
		} else if (rule->type == 'b' || rule->type == 'c') {
			r = apply_rule(&policy, rule, rule->type, err);
		} else {
			r = error_set(err, EINVAL, "a device rule's type is 'a', 'b' or 'c'");
		}
	}
	if (r < 0) {
		free(policy.exceptions);
		return r;
	}
	*ret = policy;
	return 0;
}
