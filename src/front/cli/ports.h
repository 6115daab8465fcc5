/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ports.h - the ports of the host that lead into an instance, as Docker shows them.
 */
#pragma once

#include "base/json.h"
#include "instance/instance.h"

/* "127.0.0.1:8080->80/tcp, 0.0.0.0:53->53/udp"; NULL when out of memory. */
char *ports_format(const struct instance *instance);
/* {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}]}; what listens on every address has
 * `everywhere` for one. */
json_t *ports_json(char *const *ports, const char *everywhere);
