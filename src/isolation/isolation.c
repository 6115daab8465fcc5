/* SPDX-License-Identifier: Apache-2.0 */
/*
 * isolation.c - the array of isolations this build has.
 */
#include "isolation/isolation.h"

#include "base/str.h"

static const struct isolation_ops *const isolations[] = {
	&isolation_container,
	&isolation_vm,
};

const struct isolation_ops *isolation_find(const char *name, struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(isolations); i++)
		if (streq(isolations[i]->name, name))
			return isolations[i];
	error_set(err, EINVAL, "there is no isolation \"%s\": this strata has container and vm",
		name);
	return NULL;
}
