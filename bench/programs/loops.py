# SPDX-License-Identifier: Apache-2.0
"""loops.py - what an interpreter does all day: attributes, dictionaries, strings, numbers, calls.

Prints a checksum of all results; for bench/translate.
"""

import hashlib
import json
import re
import zlib


class Account:
    def __init__(self, name):
        self.name, self.balance = name, 0

    def add(self, amount):
        self.balance += amount
        return self.balance


def accounts(count):
    held = {}
    for i in range(count):
        name = f"account {i * 7919 % 500}"
        if name not in held:
            held[name] = Account(name)
        held[name].add(i % 97 - 40)
    return sorted((a.balance, a.name) for a in held.values())


def primes(limit):
    sieve = bytearray([1]) * limit
    for i in range(2, int(limit ** 0.5) + 1):
        if sieve[i]:
            sieve[i * i::i] = bytes(len(range(i * i, limit, i)))
    return sum(sieve)


def words(count):
    text = " ".join(f"w{i % 131}-{i % 17}" for i in range(count))
    found = {}
    for match in re.finditer(r"w(\d+)-(\d+)", text):
        found[match[1]] = found.get(match[1], 0) + int(match[2])
    return found, zlib.crc32(text.encode())


def queens(n, row=0, columns=0, left=0, right=0):
    if row == n:
        return 1
    total, free = 0, ((1 << n) - 1) & ~(columns | left | right)
    while free:
        bit = free & -free
        free ^= bit
        total += queens(n, row + 1, columns | bit, (left | bit) << 1, (right | bit) >> 1)
    return total


def floats(count):
    x = 0.5
    values = []
    for _ in range(count):
        x = 3.7 * x * (1 - x)
        values.append(x)
    return sum(sorted(values)[::100])


RESULTS = [accounts(60000), primes(300000), words(20000), queens(8), repr(floats(60000)),
           3 ** 5000 % 10 ** 30]
print(hashlib.sha256(json.dumps(RESULTS).encode()).hexdigest())
