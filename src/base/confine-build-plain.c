/* SPDX-License-Identifier: Apache-2.0 */
/*
 * confine-build-plain.c - a program that is built as it is written makes no other calls.
 */
#include "base/confine-build.h"

const struct confine_list confine_build = { NULL, 0 };
