/* SPDX-License-Identifier: Apache-2.0 */
/*
 * address.c - addresses, prefixes and MAC addresses: text, comparison, counting.
 *
 * An address is counted with as a number of 128 bits, of which IPv4 has the lower 32.
 */
#include "network/internal.h"

#include <arpa/inet.h>
#include <ctype.h>

network_number network_address_number(const struct network_address *address)
{
	network_number n = 0;

	for (unsigned i = 0; i < network_family_bits(address->family) / 8; i++)
		n = n << 8 | address->bytes[i];
	return n;
}

struct network_address network_address_of_number(sa_family_t family, network_number n)
{
	struct network_address address = { .family = family };

	for (unsigned i = network_family_bits(family) / 8; i-- > 0; n >>= 8)
		address.bytes[i] = (uint8_t)n;
	return address;
}

network_number network_prefix_size(const struct network_prefix *prefix)
{
	unsigned bits = network_family_bits(prefix->address.family) - prefix->bits;

	return bits >= 128 ? ~(network_number)0 : (network_number)1 << bits;
}

int network_address_parse(const char *text, struct network_address *ret)
{
	struct network_address address = { .family = strchr(text, ':') ? AF_INET6 : AF_INET };

	if (inet_pton(address.family, text, address.bytes) != 1)
		return -EINVAL;
	*ret = address;
	return 0;
}

const char *network_address_format(
	char buf[NETWORK_ADDRESS_TEXT], const struct network_address *address)
{
	if (!address->family ||
		!inet_ntop(address->family, address->bytes, buf, NETWORK_ADDRESS_TEXT))
		buf[0] = '\0';
	return buf;
}

bool network_address_equal(const struct network_address *a, const struct network_address *b)
{
	return a->family == b->family && network_address_number(a) == network_address_number(b);
}

static network_number mask_of(const struct network_prefix *prefix)
{
	return ~(network_prefix_size(prefix) - 1);
}

int network_prefix_parse(const char *text, struct network_prefix *ret)
{
	const char *slash = strchr(text, '/');
	char address[NETWORK_ADDRESS_TEXT];
	struct network_prefix prefix;
	uint64_t bits;

	if (!slash || (size_t)(slash - text) >= sizeof(address))
		return -EINVAL;
	snprintf(address, sizeof(address), "%.*s", (int)(slash - text), text);
	if (network_address_parse(address, &prefix.address) < 0)
		return -EINVAL;
	if (parse_u64(slash + 1, network_family_bits(prefix.address.family), &bits) < 0 || !bits)
		return -EINVAL;
	prefix.bits = (unsigned)bits;
	if (network_address_number(&prefix.address) & (network_prefix_size(&prefix) - 1))
		return -EINVAL;
	*ret = prefix;
	return 0;
}

const char *network_prefix_format(
	char buf[NETWORK_ADDRESS_TEXT], const struct network_prefix *prefix)
{
	size_t len = strlen(network_address_format(buf, &prefix->address));

	snprintf(buf + len, NETWORK_ADDRESS_TEXT - len, "/%u", prefix->bits);
	return buf;
}

bool network_prefix_contains(
	const struct network_prefix *prefix, const struct network_address *address)
{
	return prefix->address.family == address->family &&
		(network_address_number(address) & mask_of(prefix)) ==
		network_address_number(&prefix->address);
}

bool network_prefix_overlaps(const struct network_prefix *a, const struct network_prefix *b)
{
	return network_prefix_contains(a, &b->address) || network_prefix_contains(b, &a->address);
}

bool network_prefix_number(
	const struct network_prefix *prefix, uint64_t n, struct network_address *ret)
{
	if (n >= network_prefix_size(prefix))
		return false;
	*ret = network_address_of_number(
		prefix->address.family, network_address_number(&prefix->address) + n);
	return true;
}

/* --- MAC addresses ---------------------------------------------------------------------------- */

void network_mac_of_address(const struct network_address *address, uint8_t ret[NETWORK_MAC_BYTES])
{
	ret[0] = 0x02; /* locally administered */
	ret[1] = 0x42;
	memcpy(ret + 2, address->bytes + (address->family == AF_INET6 ? 12 : 0), 4);
}

int network_mac_parse(const char *text, uint8_t ret[NETWORK_MAC_BYTES])
{
	uint8_t mac[NETWORK_MAC_BYTES];
	unsigned any = 0;

	if (strlen(text) != NETWORK_MAC_TEXT - 1)
		return -EINVAL;
	for (unsigned i = 0; i < NETWORK_MAC_BYTES; i++) {
		const char digits[] = { text[3 * i], text[3 * i + 1], '\0' };

		if (!isxdigit((unsigned char)digits[0]) || !isxdigit((unsigned char)digits[1]) ||
			(i + 1 < NETWORK_MAC_BYTES && text[3 * i + 2] != ':'))
			return -EINVAL;
		mac[i] = (uint8_t)strtoul(digits, NULL, 16);
		any |= mac[i];
	}
	if (!any || mac[0] & 1)
		return -EINVAL;
	memcpy(ret, mac, sizeof(mac));
	return 0;
}

const char *network_mac_format(char buf[NETWORK_MAC_TEXT], const uint8_t mac[NETWORK_MAC_BYTES])
{
	snprintf(buf, NETWORK_MAC_TEXT, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		mac[3], mac[4], mac[5]);
	return buf;
}
