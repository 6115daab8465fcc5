# SPDX-License-Identifier: Apache-2.0
"""test_kvm_host.py - that the tier is one: KVM runs a program, a peer, and what the unit tests have for it."""

import ctypes
import fcntl
import mmap
import os
import re
import struct
import subprocess
from pathlib import Path

import pytest

import guests

# Linux, include/uapi/linux/kvm.h.
GET_API_VERSION, CREATE_VM, GET_VCPU_MMAP_SIZE = 0xae00, 0xae01, 0xae04
SET_USER_MEMORY_REGION, CREATE_VCPU, RUN = 0x4020ae46, 0xae41, 0xae80
GET_SREGS, SET_SREGS, SET_REGS = 0x8138ae83, 0x4138ae84, 0x4090ae82
EXIT_IO, EXIT_HLT = 2, 5
SREGS_BYTES, CS_SELECTOR = 312, 12

# out %al to port 0x80, from 1 to 3; hlt
PAYLOAD = bytes.fromhex("b001 e680 fec0 3c04 75f8 f4")


@pytest.fixture
def kvm():
    fd = os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC)
    yield fd
    os.close(fd)


def test_kvm_is_of_a_processor(kvm):
    assert fcntl.ioctl(kvm, GET_API_VERSION) == 12
    assert Path("/sys/module/kvm_amd/parameters/npt").read_text() == "Y\n"


def test_small_program(kvm):
    """In real mode: what it writes to a port comes out, and then it halts."""
    vm = fcntl.ioctl(kvm, CREATE_VM, 0)
    memory = mmap.mmap(-1, 0x10000, mmap.MAP_SHARED)
    memory[0x1000:0x1000 + len(PAYLOAD)] = PAYLOAD
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    fcntl.ioctl(vm, SET_USER_MEMORY_REGION, struct.pack("<IIQQQ", 0, 0, 0, 0x10000, address))
    vcpu = fcntl.ioctl(vm, CREATE_VCPU, 0)
    run = mmap.mmap(vcpu, fcntl.ioctl(kvm, GET_VCPU_MMAP_SIZE), mmap.MAP_SHARED)
    sregs = bytearray(SREGS_BYTES)
    fcntl.ioctl(vcpu, GET_SREGS, sregs)
    struct.pack_into("<Q", sregs, 0, 0)  # cs: base, and its selector
    struct.pack_into("<H", sregs, CS_SELECTOR, 0)
    fcntl.ioctl(vcpu, SET_SREGS, sregs)
    fcntl.ioctl(vcpu, SET_REGS, struct.pack("<18Q", *[0] * 16, 0x1000, 2))
    written = []
    for _ in range(10):
        fcntl.ioctl(vcpu, RUN, 0)
        reason = struct.unpack_from("<I", run, 8)[0]
        if reason != EXIT_IO:
            break
        direction, size, port, count, offset = struct.unpack_from("<BBHIQ", run, 32)
        assert (direction, size, count) == (1, 1, 1)
        written.append((port, run[offset]))
    assert reason == EXIT_HLT
    assert written == [(0x80, 1), (0x80, 2), (0x80, 3)]
    os.close(vcpu)
    os.close(vm)


def test_unit_tests():
    """Those that skip, or do less, where KVM is a software back-end."""
    program = Path(os.environ["STRATA_UNIT_TESTS"]) / "test-vcpu-kvm"
    done = subprocess.run([program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout
    assert "SKIPPED" not in done.stdout, done.stdout


@pytest.mark.parametrize("kernel", ["tiny-bzImage", "tiny-vmlinux"])
def test_peer_boots(kernel, tmp_path):
    """QEMU's own machine for KVM, with the kernel of ours: if this fails, it is not strata."""
    initrd = tmp_path / "initrd"
    initrd.write_bytes(guests.initramfs("grep -c ^processor /proc/cpuinfo; uname -r; reboot -f"))
    done = subprocess.run(
        ["qemu-system-x86_64", "-M", "microvm,accel=kvm,auto-kernel-cmdline=off,rtc=on", "-cpu", "host",
         "-smp", "2", "-m", "128", "-nodefaults", "-no-reboot", "-display", "none", "-serial", "stdio",
         "-kernel", guests.SHARE / kernel, "-initrd", initrd,
         "-append", f"{guests.APPEND} reboot=t"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=guests.BOOT_S,
        stdin=subprocess.DEVNULL)
    said = done.stdout.replace("\r", "")
    assert done.returncode == 0 and re.search(r"^2\n6\..*-strata-tiny$", said, re.M), said
