/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aml.h - writing the bytecode of ACPI's tables (ACPI 6.5 §20.2), term by term.
 *
 * As with a device tree (tree.h), the first failure is kept and all after it does nothing; whoever
 * has the text at the end looks whether it failed. Names are four letters, "_SB_" or "COM1".
 */
#pragma once

#include "base/str.h"

#define AML_DEPTH_MAX 8

struct aml {
	struct str text;
	size_t starts[AML_DEPTH_MAX]; /* where the lengths of what is open go */
	unsigned depth;
};

/* What has a length; each is ended by aml_end(). */
void aml_scope(struct aml *aml, const char *path); /* "\\_SB_" */
void aml_device(struct aml *aml, const char *name);
void aml_method(struct aml *aml, const char *name, unsigned nr_arguments); /* serialized */
void aml_package(struct aml *aml, unsigned nr_elements);
void aml_end(struct aml *aml);

/* Name (name, ...): what follows is its value. */
void aml_name(struct aml *aml, const char *name);
void aml_integer(struct aml *aml, uint64_t value);
void aml_string(struct aml *aml, const char *text);
/* "PNP0501", as the number that ACPI makes of it. */
void aml_eisa_id(struct aml *aml, const char *id);

/* 32 bits at an I/O port, as a field of this name. */
void aml_port_field(struct aml *aml, const char *region, const char *field, uint16_t port);
/* Local0 = field */
void aml_load_local0(struct aml *aml, const char *field);
/* If (Local0 & mask) { Notify (object, value) } */
void aml_notify_if(struct aml *aml, uint8_t mask, const char *object, uint8_t value);

/* _CRS: the resources between the two. */
struct aml_resources {
	struct str bytes;
};

void aml_resource_ports(struct aml_resources *resources, uint16_t start, uint8_t size);
void aml_resource_memory(struct aml_resources *resources, uint32_t start, uint32_t size);
void aml_resource_irq(struct aml_resources *resources, uint32_t irq, bool is_edge);
/* Name (_CRS, ...); the resources are freed. */
void aml_crs(struct aml *aml, struct aml_resources *resources);
