# SPDX-License-Identifier: Apache-2.0
"""guest_disk.py - the guest of machine/disk.c: Debian's kernel, the modules for virtio, and that
program as the first process."""

import re
import subprocess
from pathlib import Path

import machines

SOURCE = Path(__file__).parent / "machine/disk.c"
MODULES = ["virtio_mmio", "virtio_blk", "virtio-rng"]  # in the order in which they are loaded
FNV_START, FNV_PRIME, MASK = 0xcbf29ce484222325, 0x100000001b3, (1 << 64) - 1


def build(folder):
    """The program."""
    program = folder / "disk"
    subprocess.run(["riscv64-linux-gnu-gcc", "-O2", "-static", "-Wall", "-Werror", SOURCE, "-o",
                    program], check=True)
    return program


def initramfs(boot, program):
    """An archive with it; `boot` are machines.files()."""
    parts = [machines.entry("modules", 0o40755),
             machines.entry("init", 0o100755, program.read_bytes())]
    parts += [machines.entry(f"modules/{i}-{name}.ko", 0o100644, machines.module(boot, name))
              for i, name in enumerate(MODULES)]
    return b"".join(parts) + machines.entry("TRAILER!!!", 0)


def said(output):
    """What the program has printed: a list of words for each line."""
    lines = re.findall(r"^disk: (.*)$", output.replace("\r", ""), re.M)
    assert lines and lines[-1] == "done", output[-2000:]
    return [line.split() for line in lines[:-1]]


def fnv(data):
    """As the program adds up a disk."""
    total = FNV_START
    for byte in data:
        total = (total ^ byte) * FNV_PRIME & MASK
    return f"{total:016x}"
