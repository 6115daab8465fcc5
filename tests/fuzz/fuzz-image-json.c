/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-image-json.c - one document read as everything a registry or an archive may send: an index,
 * a manifest, a descriptor and an image configuration.
 *
 * What a parser accepts must hold what its header promises: valid digests, bounded counts.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "image/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void try_config(const char *text, size_t size)
{
	struct image_config config;
	struct error err;

	if (image_config_parse(text, size, "input", &config, &err) < 0)
		return;
	require(strv_length(config.diff_ids) <= IMAGE_LAYERS_MAX);
	strv_for_each (id, config.diff_ids)
		require(image_digest_is_valid(*id));
	require(config.healthcheck.interval_ns >= 0);
	image_config_free(&config);
}

static void try_manifest(json_t *document)
{
	struct image_manifest manifest;
	struct error err;

	if (image_manifest_parse(document, &manifest, "input", &err) < 0)
		return;
	require(manifest.nr_layers <= IMAGE_LAYERS_MAX);
	require(image_digest_is_valid(manifest.config.digest));
	for (size_t i = 0; i < manifest.nr_layers; i++)
		require(image_digest_is_valid(manifest.layers[i].digest));
	image_manifest_free(&manifest);
}

static void try_index(json_t *document)
{
	json_t *manifests = json_object_get(document, "manifests"), *entry;
	struct image_descriptor descriptor;
	struct error err;
	size_t i;

	json_array_foreach (manifests, i, entry) {
		char platform[80];

		image_entry_name(entry);
		image_entry_digest(entry);
		if (image_descriptor_parse(entry, &descriptor, "input", &err) < 0)
			continue;
		require(image_digest_is_valid(descriptor.digest));
		image_platform_format(&descriptor.platform, platform, sizeof(platform));
		require(image_platform_matches(&descriptor.platform, &descriptor.platform) ||
			!descriptor.has_platform);
	}
	if (json_is_array(manifests) && json_array_size(manifests)) {
		entry = json_deep_copy(json_array_get(manifests, 0));
		require(image_index_set(manifests, "docker.io/library/x:latest", entry) == 0 ||
			!json_is_object(entry));
		json_decref(entry);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	json_t *document = NULL;
	struct error err;

	try_config(text, size);
	if (json_parse(text, size, "input", &document, &err) < 0)
		return 0;
	try_manifest(document);
	try_index(document);
	json_decref(document);
	return 0;
}
