# SPDX-License-Identifier: Apache-2.0
"""test_machine.py - `strata vm run`: Debian's kernel and firmware for riscv64 boot on the emulated
machine, end as they say, and what cannot be booted is told."""

import base64
import os
import re
import shutil
import signal
import struct
import subprocess
import time

import pytest

import machines
from program import Terminal

BOOT_S = 240  # on a busy machine, when everything is interpreted
MODULES = ("virtio_mmio", "virtio_blk", "failover", "net_failover", "virtio_net", "virtio-rng")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def boot():
    return machines.files()


@pytest.fixture
def vm(strata_binary):
    return machines.Machine(strata_binary)


@pytest.fixture
def linux(vm, boot, tmp_path):
    """Boot Debian's kernel with a script: what the machine has said, and its status."""

    def run(script, *args, append="", status=0, modules=()):
        initrd = tmp_path / "initrd"
        initrd.write_bytes(machines.initramfs(boot, script, modules))
        done = vm("--kernel", boot["kernel"], "--initrd", initrd, "--append",
                  f"console=ttyS0 quiet panic=-1 {append}", *args, timeout=BOOT_S, input="")
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout.replace("\r", "")

    return run


def test_boots_and_powers_off(linux):
    said = linux("uname -m; nproc; cat /proc/cmdline; poweroff -f", "--memory", "256m",
                 append="strata.word")
    assert re.search(r"^riscv64\n1\n.*strata\.word", said, re.M), said


def test_four_harts(linux):
    said = linux("nproc; grep -c ^processor /proc/cpuinfo; for i in 0 1 2 3; do "
                 "taskset $(printf %x $((1 << i))) sh -c 'cut -d\" \" -f39 /proc/self/stat'; done; poweroff -f",
                 "--cpus", "4")
    assert "4\n4\n0\n1\n2\n3\n" in said


def test_devices_are_there(linux, tmp_path):
    disk = tmp_path / "disk"
    disk.write_bytes(b"first sector".ljust(512) + bytes((1 << 20) - 512))
    said = linux("cat /sys/class/rtc/rtc0/name; date +%Y; head -c 12 /dev/vda; echo; "
                 "cat /sys/block/vda/size; printf written | dd of=/dev/vda conv=notrunc; sync; "
                 "ip link set eth0 up; udhcpc -i eth0 -n -q -s /bin/true | grep lease; "
                 "cat /sys/class/net/eth0/address; head -c 8 /dev/hwrng | wc -c; "
                 "cat /sys/class/misc/hw_random/rng_current; poweroff -f", "--disk", disk,
                 modules=MODULES)
    assert "goldfish_rtc" in said and f"\n{time.gmtime().tm_year}\n" in said
    assert "\nfirst sector\n2048\n" in said
    assert disk.read_bytes().startswith(b"writtenector")
    assert "lease of 10.0.2.15 obtained from 10.0.2.2" in said
    assert "\n52:54:00:12:34:56\n8\nvirtio_rng" in said


@pytest.mark.skipif(not shutil.which("dtc"), reason="device-tree-compiler is not installed")
@pytest.mark.parametrize("harts", [1, 3])
def test_device_tree(linux, harts):
    """What the guest was given is one that dtc has nothing to say about."""
    said = linux("echo FDT; base64 /sys/firmware/fdt; echo END; poweroff -f", "--cpus", harts,
                 append="quiet")
    blob = base64.b64decode(said.split("FDT\n")[1].split("END")[0])
    done = subprocess.run(["dtc", "-I", "dtb", "-O", "dts"], input=blob, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE)
    text = done.stdout.decode()
    assert done.returncode == 0 and done.stderr == b"", done.stderr
    assert text.count('device_type = "cpu"') == harts and "sifive,plic-1.0.0" in text
    assert text.count("virtio,mmio") >= 3 and "linux,initrd-end" in text


def test_cdrom(linux, tmp_path):
    """Behind the disks, and read-only; a comma in its name is one."""
    disk, iso = tmp_path / "disk", tmp_path / "a,b.iso"
    disk.write_bytes(bytes(1 << 20))
    iso.write_bytes(b"the disc".ljust(1 << 20))
    said = linux("cat /sys/block/vda/ro /sys/block/vdb/ro; head -c 8 /dev/vdb; poweroff -f",
                 "--cdrom", iso, "--disk", disk, "--display", "none", modules=MODULES[:2])
    assert re.search(r"^0\n1\nthe disc", said, re.M), said


def test_disk_that_is_read_only(linux, tmp_path):
    disk = tmp_path / "disk"
    disk.write_bytes(b"original".ljust(1 << 20))
    said = linux("cat /sys/block/vda/ro; echo changed > /dev/vda || echo refused; poweroff -f",
                 "--disk", f"{disk},readonly", modules=MODULES[:2])
    assert re.search(r"^1\n", said, re.M) and "refused" in said
    assert disk.read_bytes().startswith(b"original")


def test_reset_and_no_reboot(linux):
    said = linux("echo once; reboot -f", "--no-reboot")
    assert said.count("once") == 1


def test_reset_boots_again(vm, boot, tmp_path):
    initrd = tmp_path / "initrd"
    initrd.write_bytes(machines.initramfs(boot, "echo once; reboot -f"))
    process = vm.popen("--kernel", boot["kernel"], "--initrd", initrd, "--append",
                       "console=ttyS0 quiet", stdin=subprocess.DEVNULL, text=False)
    said = b""
    end = time.monotonic() + 2 * BOOT_S
    while said.count(b"once") < 2 and time.monotonic() < end:
        said += os.read(process.stdout.fileno(), 4096)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 128 + signal.SIGTERM
    assert said.count(b"once") == 2


def test_panic_restarts_or_ends(linux):
    linux("exit 3", "--no-reboot")


def test_terminal(strata_binary, boot, tmp_path):
    initrd = tmp_path / "initrd"
    initrd.write_bytes(machines.initramfs(
        boot, "echo ready; exec setsid cttyhack sh"))
    terminal = Terminal([strata_binary, "vm", "run", "--kernel", boot["kernel"], "--initrd",
                         initrd, "--append", "console=ttyS0 quiet"])
    untouched = Terminal(["/bin/true"])
    try:
        before = untouched.attributes()
        terminal.expect("ready", BOOT_S)
        terminal.expect("# ", 30)
        terminal.line("echo $((6 * 7)); sleep 99")
        terminal.expect(r"\n42", 30)
        terminal.send("\x03")  # for the guest
        terminal.expect("# ", 30)
        terminal.send("\x01h")
        terminal.expect("Ctrl-A x")
        terminal.send("\x01x")
        assert terminal.wait() == 0
        assert terminal.attributes() == before
    finally:
        terminal.close()
        untouched.close()


def test_firmware(vm, boot, tmp_path):
    initrd = tmp_path / "initrd"
    initrd.write_bytes(machines.initramfs(
        boot, "dmesg | grep 'SBI implementation'; nproc; poweroff -f"))
    done = vm("--firmware", boot["fw_dynamic"], "--kernel", boot["kernel"], "--initrd", initrd,
              "--append", "console=ttyS0 quiet", "--cpus", 2, timeout=BOOT_S, input="")
    assert done.returncode == 0, done.stdout
    said = done.stdout.replace("\r", "")
    assert "OpenSBI v" in said and "SBI implementation ID=0x1 " in said and "\n2\n" in said


def test_u_boot(strata_binary, boot, tmp_path):
    disk = tmp_path / "disk"
    disk.write_bytes(bytes(64 << 20))
    terminal = Terminal([strata_binary, "vm", "run", "--firmware", boot["fw_dynamic"], "--kernel",
                         boot["u-boot"], "--disk", disk])
    try:
        terminal.expect("Hit any key to stop autoboot", BOOT_S)
        terminal.send("\r")
        terminal.expect("=> ", 60)
        terminal.line("virtio scan; virtio info")
        terminal.expect("Capacity: 64.0 MB", 60)
        terminal.line("poweroff")
        assert terminal.wait(60) == 0
    finally:
        terminal.close()


def test_uefi(strata_binary, boot, tmp_path):
    """EDK2 from flash, which keeps its variables in the other one."""
    data = tmp_path / "vars"
    data.write_bytes(boot["efi-data"].read_bytes())
    terminal = Terminal([strata_binary, "vm", "run", "--firmware", boot["fw_dynamic"], "--flash",
                         boot["efi-code"], "--flash-data", data, "--net", "none", "--memory",
                         "1g"])
    try:
        terminal.expect("EDK2 firmware version", BOOT_S)
        terminal.expect("ESCAPE", BOOT_S)
        terminal.send("\x1b")
        terminal.expect("Boot Manager|Shell>", BOOT_S)  # the latter when the key came late
        terminal.send("\x01x")
        assert terminal.wait(60) == 0
    finally:
        terminal.close()
    assert data.read_bytes() != boot["efi-data"].read_bytes()


# --- what cannot be booted -----------------------------------------------------------------------


def refused(vm, *args, because):
    done = vm(*args, input="")
    assert done.returncode == 125, (done.returncode, done.stdout, done.stderr)
    assert re.search(because, done.stderr), done.stderr
    assert done.stderr.count("\n") <= 3, done.stderr


def test_nothing_to_boot(vm):
    refused(vm, because="nothing to boot: give a kernel with --kernel")


def test_wrong_kernels(vm, tmp_path):
    kernel = tmp_path / "kernel"
    elf = struct.pack("<4sBBB9xHHIQQQIHHHHHH", b"\x7fELF", 2, 1, 1, 2, 62, 1, 0, 64, 0, 0, 64, 56,
                      1, 0, 0, 0) + bytes(56)
    for content, because in [
            (b"", "is no kernel for riscv64"),
            (b"#!/bin/sh\n" * 50, "is no kernel for riscv64"),
            (b"MZ".ljust(0x38, b"\0") + b"ARM\x64" + bytes(64), "for arm64, .* machine is riscv64"),
            (bytes(0x202) + b"HdrS" + bytes(99), "for x86, .* machine is riscv64"),
            (elf, "for x86, .* machine is riscv64"),
            (elf[:60], "ELF header is cut off"),
            (elf[:18] + b"\xf3\0" + elf[20:56] + b"\xff\xff" + elf[58:], "segments is damaged"),
            (b"MZ\0\0zimg" + struct.pack("<II", 64, 99999) + bytes(112), "before its payload does"),
            (b"\x1f\x8b\x08" + bytes(50), "gzip data is damaged"),
    ]:
        kernel.write_bytes(content)
        refused(vm, "--arch", "riscv64", "--kernel", kernel, because=because)
    refused(vm, "--arch", "riscv64", "--kernel", tmp_path / "none", because="none: No such file")
    refused(vm, "--arch", "riscv64", "--kernel", tmp_path, because="Is a directory")


def test_wrong_machines(vm, boot, tmp_path):
    kernel = ("--kernel", boot["kernel"])
    refused(vm, *kernel, "--cpus", 17, because="1 to 16 CPUs")
    refused(vm, *kernel, "--cpus", 0, because="1 to 16 CPUs")
    refused(vm, *kernel, "--memory", "1k", because="4m to 1024g")
    refused(vm, *kernel, "--memory", "2000g", because="4m to 1024g")
    refused(vm, *kernel, "--memory", "16m", because="give it more")
    refused(vm, *kernel, "--disk", tmp_path / "none", because="none")
    refused(vm, *kernel, "--disk", tmp_path, because="Is a directory")
    refused(vm, *kernel, "--disk", "x,format=qcow2", because="format wants raw")
    refused(vm, *kernel, "--initrd", tmp_path / "none", because="none")
    big = tmp_path / "big"
    with big.open("wb") as f:
        f.truncate(200 << 20)
    refused(vm, *kernel, "--initrd", big, "--memory", "128m", because="no room for 200 MiB")
    refused(vm, *kernel, "--flash-data", big, because="need --firmware")
    refused(vm, "--firmware", boot["fw_dynamic"], "--flash-data", big, because="no flash")
    refused(vm, "--firmware", boot["fw_dynamic"], "--flash", big, because="more than the flash")
    refused(vm, *kernel, "--net", "none", "--publish", "1:2", because="--publish needs --net user")
