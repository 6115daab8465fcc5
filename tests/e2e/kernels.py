# SPDX-License-Identifier: Apache-2.0
"""kernels.py - files that look like kernels and modules, for tests that boot none."""

import lzma
import struct

RELEASE = "6.1.2-test"
# What guest/init cannot do without, and what each of them needs here.
MODULES = {"virtio_mmio": [], "virtio_blk": [], "squashfs": [], "ext4": ["jbd2", "mb-cache"],
           "jbd2": [], "mb-cache": ["deep"], "deep": [], "overlay": [],
           "vmw_vsock_virtio_transport": ["vsock"], "vsock": [], "not_needed": ["vsock"]}


def image(release=RELEASE, arch="riscv64"):
    """An Image: the header, and the banner somewhere."""
    magic = {"riscv64": b"RSC\x05", "arm64": b"ARM\x64"}[arch]
    return b"MZ".ljust(0x38, b"\0") + magic + bytes(0x1000) + b"Linux version " + release.encode() + (
        b" (someone@somewhere)\0") + bytes(64)


def bzimage(release=RELEASE, version=0x20f, flags=1):
    """A bzImage: the header, and the release where it says."""
    setup = bytearray(0x800)
    setup[0x1fe:0x200] = b"\x55\xaa"
    setup[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", setup, 0x206, version)
    struct.pack_into("<H", setup, 0x20e, 0x400)
    struct.pack_into("<H", setup, 0x236, flags)
    text = release.encode() + b" (someone@somewhere) #1 SMP"
    setup[0x600:0x600 + len(text)] = text
    return bytes(setup)


def zboot(payload):
    """An EFI program with a compressed kernel inside (Linux, drivers/firmware/efi/libstub)."""
    return b"MZ\0\0zimg" + struct.pack("<II", 0x80, len(payload)) + bytes(0x80 - 16) + payload


def module(needs=(), before=()):
    """An ELF file with nothing but a .modinfo."""
    info = b"license=GPL\0depends=" + ",".join(needs).encode() + b"\0" + b"".join(
        b"softdep=pre: " + name.encode() + b" post: nobody\0" for name in before)
    names = b"\0.modinfo\0.shstrtab\0"
    start = 64 + 3 * 64
    sections = [(0, 0, 0, 0), (1, 1, start, len(info)), (10, 3, start + len(info), len(names))]
    return struct.pack("<4sBBB9xHHIQQQIHHHHHH", b"\x7fELF", 2, 1, 1, 1, 243, 1, 0, 0, 64, 0, 64, 0, 0,
                       64, 3, 2) + b"".join(
        struct.pack("<IIQQQQIIQQ", name, kind, 0, 0, offset, size, 0, 0, 1, 0)
        for name, kind, offset, size in sections) + info + names


def make_modules(folder, release=RELEASE, modules=None, builtin=()):
    """lib/modules/RELEASE below `folder`, compressed as Debian does it."""
    top = folder / "lib/modules" / release
    (top / "kernel/drivers").mkdir(parents=True)
    for name, needs in (MODULES if modules is None else modules).items():
        (top / "kernel/drivers" / f"{name}.ko.xz").write_bytes(lzma.compress(module(needs)))
    (top / "modules.builtin").write_text("".join(f"kernel/x/{name}.ko\n" for name in builtin))
    (top / "build").symlink_to("/usr/src/nowhere")
    return top
