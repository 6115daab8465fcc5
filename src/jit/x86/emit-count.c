/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emit-count.c - code of a machine's mode that counts its instructions
 * (jit_guest_machine.counting_mode).
 *
 * Each way out of a block adds those since the last one, before it is known whether it is taken:
 * an addition to memory for each branch and label. What leaves in between, or wants the count exact
 * (a helper), does so out of the straight line, and adds its share by itself; a helper that comes
 * back takes it away again. Of one instruction and its neighbours all additions are of constants:
 * emitter.counted is what has been added at the place that is being emitted.
 */
#include "jit/x86/emit.h"

void add_retired(struct emitter *e, int nr)
{
	if (e->counts && nr)
		x86_arithmetic_immediate(
			&e->code, 8, X86_ADD, state_memory(e->jit->guest->machine->retired), nr);
}

void count_up_to(struct emitter *e, unsigned done)
{
	count_on_way_out(e, done);
	e->counted = (uint16_t)done;
}

void count_on_way_out(struct emitter *e, unsigned done)
{
	add_retired(e, (int)done - e->counted);
}

void stop_if_wanted(struct emitter *e, struct cold *cold)
{
	const struct jit_guest *guest = e->jit->guest;

	x86_arithmetic_immediate(&e->code, 4, X86_CMP, state_memory(guest->interrupt), 0);
	also_if(e, cold, X86_NE);
	if (!e->counts)
		return;
	x86_load(&e->code, 8, RCX, state_memory(guest->machine->retired));
	x86_arithmetic(&e->code, 8, X86_CMP, RCX, state_memory(guest->machine->retired_limit));
	also_if(e, cold, X86_AE);
}
