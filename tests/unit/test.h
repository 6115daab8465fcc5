/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test.h - cmocka with the headers it wants before it.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>
