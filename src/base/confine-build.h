/* SPDX-License-Identifier: Apache-2.0 */
/*
 * confine-build.h - what a way of building adds to each thread's list: confine-build-*.c, of which
 * the build takes one. Private to confine*.c.
 */
#pragma once

#include "base/confine.h"

extern const struct confine_list confine_build;
