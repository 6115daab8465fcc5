/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-network-json.c - network.json and endpoints as a crash or a stranger might leave them, and
 * what users type for --network and --publish. What parses is written as something that parses to
 * the same again.
 */
#include <stdlib.h>
#include <string.h>

#include "network/network.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static json_t *parse_or_abort(const char *text)
{
	json_t *document = NULL;

	if (!text || json_parse(text, strlen(text), "again", &document, NULL) < 0)
		abort();
	return document;
}

static void must_be_equal(char *first, char *second)
{
	if (!first || !second || strcmp(first, second) != 0)
		abort();
	free(first);
	free(second);
}

static void as_network(const json_t *document)
{
	struct network network, again;
	char *first;
	json_t *copy;

	if (network_document_parse(document, &network, NULL) < 0)
		return;
	first = network_document_write(&network);
	copy = parse_or_abort(first);
	if (network_document_parse(copy, &again, NULL) < 0)
		abort();
	must_be_equal(first, network_document_write(&again));
	json_decref(copy);
	network_free(&network);
	network_free(&again);
}

static void as_endpoint(const json_t *document)
{
	struct network_endpoint endpoint, again;
	char *first;
	json_t *copy;

	if (network_endpoint_parse(document, &endpoint, NULL) < 0)
		return;
	first = network_endpoint_write(&endpoint);
	copy = parse_or_abort(first);
	if (network_endpoint_parse(copy, &again, NULL) < 0)
		abort();
	must_be_equal(first, network_endpoint_write(&again));
	json_decref(copy);
	network_endpoint_free(&endpoint);
	network_endpoint_free(&again);
}

static void as_request(const char *text)
{
	struct network_request request, again;
	char *first;

	if (network_request_parse(text, &request, NULL) < 0)
		return;
	first = network_request_format(&request);
	if (network_request_parse(first, &again, NULL) < 0)
		abort();
	must_be_equal(first, network_request_format(&again));
	network_request_free(&request);
	network_request_free(&again);
}

static void as_ports(const char *text)
{
	struct network_port port;
	char **ports = NULL;

	if (network_ports_expand(text, &ports, NULL) == 0)
		strv_for_each (one, ports) {
			if (network_port_parse(*one, &port, NULL) < 0)
				abort();
			must_be_equal(strdup(*one), network_port_format(&port));
		}
	strv_free(ports);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *document = NULL;
	char *text = strndup((const char *)data, size);

	if (!text)
		return 0;
	as_request(text);
	as_ports(text);
	free(text);
	if (json_parse((const char *)data, size, "input", &document, NULL) < 0)
		return 0;
	as_network(document);
	as_endpoint(document);
	json_decref(document);
	return 0;
}
