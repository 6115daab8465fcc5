/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sbi-features.c - what a kernel may change of its hart (SBI 3.0, chapter 18, "FWFT"), as far as
 * the hart has it. All of them are a hart's own, and begin as riscv_hart_start() leaves them.
 *
 * That hardware sets accessed and dirty bits is none of them, although it is in the table there:
 * it would have to begin turned off. The device tree says Svadu without Svade, which means that
 * it is always on (Linux, Documentation/devicetree/bindings/riscv/extensions.yaml). With both of
 * them Linux takes Svade: a fault for each first access and each first write.
 */
#include "machine/riscv/sbi.h"

#define CSR_MENVCFG    0x30a
#define MENVCFG_PMM    32 /* bit */
#define FEATURE_PUBLIC UINT32_C(6) /* the first that is reserved, or of a platform */
#define FLAG_LOCK      1u

enum {
	MISALIGNED_DELEGATION,
	LANDING_PAD,
	SHADOW_STACK,
	DOUBLE_TRAP,
	DIRTY_BY_HARDWARE,
	POINTER_MASKING,
};

struct feature {
	uint8_t shift, bits; /* of its field in menvcfg; 0: it cannot be changed */
	uint8_t nr_values;
	uint8_t values[3]; /* of the feature, and what each is in the field */
	uint8_t fields[3];
};

/* Traps of what is misaligned have nowhere else to go: nobody is in machine mode. */
static const struct feature features[] = {
	[MISALIGNED_DELEGATION] = { 0, 0, 1, { 1 }, { 0 } },
	[POINTER_MASKING] = { MENVCFG_PMM, 2, 3, { 0, 7, 16 }, { 0, 2, 3 } },
};

static enum sbi_error find(uint32_t number, const struct feature **ret)
{
	if (number >= FEATURE_PUBLIC)
		return SBI_DENIED;
	*ret = &features[number];
	return (*ret)->nr_values ? SBI_SUCCESS : SBI_NOT_SUPPORTED;
}

static uint64_t mask_of(const struct feature *feature)
{
	return (UINT64_C(1) << feature->bits) - 1;
}

/* Its value, and menvcfg without it. */
static uint64_t value_of(struct sbi_call *call, const struct feature *feature, uint64_t *rest)
{
	uint64_t menvcfg = 0, field;

	if (!feature->shift)
		return feature->values[0];
	riscv_hart_read_csr(call->hart, CSR_MENVCFG, &menvcfg);
	field = menvcfg >> feature->shift & mask_of(feature);
	*rest = menvcfg & ~(mask_of(feature) << feature->shift);
	for (unsigned i = 0; i < feature->nr_values; i++)
		if (feature->fields[i] == field)
			return feature->values[i];
	return 0;
}

static enum sbi_error change(
	struct sbi_call *call, const struct feature *feature, uint64_t value, bool is_locked)
{
	uint64_t rest = 0, old = value_of(call, feature, &rest);

	for (unsigned i = 0; i < feature->nr_values; i++) {
		if (feature->values[i] != value)
			continue;
		if (value == old)
			return SBI_SUCCESS;
		if (is_locked)
			return SBI_DENIED_LOCKED;
		riscv_hart_write_csr(call->hart, CSR_MENVCFG,
			rest | (uint64_t)feature->fields[i] << feature->shift);
		return SBI_SUCCESS;
	}
	return feature->shift || value > 1 ? SBI_INVALID_PARAM : SBI_DENIED;
}

static enum sbi_error set(struct sbi_call *call)
{
	uint32_t number = (uint32_t)call->a[0];
	const struct feature *feature = NULL;
	enum sbi_error error = find(number, &feature);

	if (error != SBI_SUCCESS)
		return error;
	if (call->a[2] & ~(uint64_t)FLAG_LOCK)
		return SBI_INVALID_PARAM;
	error = change(call, feature, call->a[1], call->hart->sbi.locked >> number & 1);
	if (error == SBI_SUCCESS && call->a[2] & FLAG_LOCK)
		call->hart->sbi.locked |= UINT32_C(1) << number;
	return error;
}

static enum sbi_error get(struct sbi_call *call)
{
	const struct feature *feature = NULL;
	enum sbi_error error = find((uint32_t)call->a[0], &feature);
	uint64_t rest;

	if (error == SBI_SUCCESS)
		call->value = value_of(call, feature, &rest);
	return error;
}

static const sbi_function functions[] = { set, get };

const struct sbi_extension sbi_features = { "FWFT", 0x46574654, functions, ARRAY_SIZE(functions) };
