/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xml.c - the description of a target (GDB manual appendix G), out of an architecture's tables.
 */
#include "debug/internal.h"

static void describe_feature(
	const struct debug_architecture *a, const struct debug_feature *feature, struct window *w)
{
	window_printf(w, "<feature name=\"%s\">\n", feature->name);
	if (feature->types)
		window_text(w, feature->types);
	for (unsigned i = feature->first; i < feature->first + feature->count; i++) {
		const struct debug_register *reg = &a->registers[i];

		window_printf(w, "<reg name=\"%s\" bitsize=\"%u\" regnum=\"%u\" type=\"%s\"/>\n",
			reg->name, reg->bits, i, reg->type);
	}
	window_text(w, "</feature>\n");
}

void describe_architecture(const struct debug_architecture *a, const char *osabi, struct window *w)
{
	window_text(w,
		"<?xml version=\"1.0\"?>\n<!DOCTYPE target SYSTEM \"gdb-target.dtd\">\n"
		"<target version=\"1.0\">\n");
	window_printf(w, "<architecture>%s</architecture>\n", a->name);
	if (osabi)
		window_printf(w, "<osabi>%s</osabi>\n", osabi);
	for (unsigned i = 0; i < a->nr_features; i++)
		describe_feature(a, &a->features[i], w);
	window_text(w, "</target>\n");
}
