/* SPDX-License-Identifier: Apache-2.0 */
/*
 * variant.h - properties of a unit as words of a command line.
 */
#pragma once

#include <systemd/sd-bus.h>

#include "base/error.h"

/* Append NAME=VALUE, the value in GLib's text form of a variant, as one (sv) to the message. A
 * NAME that ends in "Sec" and has a number is sent as systemd's ...USec. */
int variant_append_property(sd_bus_message *m, const char *setting, struct error *err);
