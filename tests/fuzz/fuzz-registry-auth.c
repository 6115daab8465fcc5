/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-registry-auth.c - what a registry's challenge and a credential file may hold.
 *
 * The first byte chooses: "c" a WWW-Authenticate header, anything else a file.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "image/auth.h"
#include "image/registry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void challenge(const char *text)
{
	struct auth_challenge c = {};

	if (auth_challenge_parse(text, &c, NULL) == 0 && c.realm)
		free(registry_token_url(&c, NULL, "user", true));
	auth_challenge_free(&c);
	free(registry_next_link(text));
}

static void file(const char *text, size_t len)
{
	struct auth_credentials credentials = {};
	char *helper = NULL;

	auth_parse_file(text, len, "file", "host.example", "team/app", &credentials, &helper, NULL);
	auth_credentials_free(&credentials);
	free(helper);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = 0;
	if (size && text[0] == 'c')
		challenge(text + 1);
	else if (size)
		file(text + 1, size - 1);
	free(text);
	return 0;
}
