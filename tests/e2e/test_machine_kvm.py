# SPDX-License-Identifier: Apache-2.0
"""test_machine_kvm.py - `strata vm run` for x86-64, by KVM, with kernels of a few bytes of ours: that
much runs wherever /dev/kvm opens. Linux is booted by tests/vm."""

import json
import os
import re
import signal
import struct
import subprocess

import pytest

import machines
from program import wait_until

BASE = 0x100000
MESSAGE = b"by string\n"


def needs_kvm():
    try:
        os.close(os.open("/dev/kvm", os.O_RDWR))
    except OSError as error:
        pytest.skip(f"/dev/kvm does not open: {error.strerror}")


@pytest.fixture
def vm(strata_binary):
    return machines.Machine(strata_binary)


@pytest.fixture
def boot(vm, tmp_path):
    """Run a kernel without disks and networks: what the machine has said, and its status."""

    def run(kernel, *args, timeout=60):
        needs_kvm()
        path = tmp_path / "kernel"
        path.write_bytes(kernel)
        return vm("--kernel", path, "--net", "none", *args, timeout=timeout, input="")

    return run


# --- kernels: what they say goes to the serial port, and then they end as `end` says -----------


def out(port, value):
    return b"\xba" + struct.pack("<H", port)[:2] + b"\0\0" + b"\xb0" + bytes([value]) + b"\xee"


OFF = out(0x600, 5 << 2 | 0x20)
RESET = out(0x602, 1)
KEYS = out(0x64, 0xfe)
HALT = b"\xf4\xeb\xfd"
SPIN = b"\xeb\xfe"
FAULT = b"\x0f\x0b"


def status(value):
    return out(0xf4, value)


# Until the NUL that esi points to: lodsb; test al, al; jz; out dx, al; jmp
SAY = b"\x66\xba\xf8\x03" + b"\xac\x84\xc0\x74\x03\xee\xeb\xf8"


def say_string(address):
    """rep outsb, which is one exit for all."""
    return (b"\xbe" + struct.pack("<I", address) + b"\xb9" + struct.pack("<I", len(MESSAGE)) +
            b"\x66\xba\xf8\x03\xf3\x6e")


def with_message(code):
    """code, in which MESSAGE_AT is where the message is."""
    whole = code(0)
    return code(BASE + len(whole)) + MESSAGE


def pvh(code, note=True):
    """An ELF file that is entered as Xen would: 32 bits, ebx points to what it is told."""
    code = bytes(code)
    notes = struct.pack("<III4sI", 4, 4, 18, b"Xen\0", BASE)
    head = 64 + 2 * 56
    elf = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    elf += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, BASE, 64, 0, 0, 64, 56, 2 if note else 1, 0, 0, 0)
    elf += struct.pack("<IIQQQQQQ", 1, 7, head, BASE, BASE, len(code), len(code) + 4096, 4096)
    elf += struct.pack("<IIQQQQQQ", 4, 4, head + len(code), 0, 0, len(notes), len(notes), 4)
    return elf + code + notes


def pvh_code(end):
    """The command line, a message, and what virtio's first place says it is."""
    return with_message(lambda at: b"\x8b\x73\x18" + SAY + say_string(at) +  # mov esi, [ebx + 24]
                        b"\xa1\x00\x00\x00\xd0\x3dvirt" +  # cmp [0xd0000000], "virt"
                        b"\x74" + bytes([len(status(9))]) + status(9) + end + HALT)


def bzimage(code, version=0x20f):
    """Entered with 64 bits; rsi points to the zero page."""
    setup = bytearray(1024)
    setup[0x1f1] = 1
    setup[0x1fe:0x200] = b"\x55\xaa"
    setup[0x200:0x202] = b"\xeb\x66"
    setup[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", setup, 0x206, version)
    struct.pack_into("<I", setup, 0x22c, 0x7fffffff)
    struct.pack_into("<H", setup, 0x236, 1)
    struct.pack_into("<I", setup, 0x238, 60)
    struct.pack_into("<QI", setup, 0x258, BASE, 0x10000)
    return bytes(setup) + bytes(0x200) + bytes(code)


# --- booting -----------------------------------------------------------------------------------


def test_models_of_cpu(boot, vm):
    assert boot(pvh(status(7)), "--cpu", "x86-64-v1").returncode == 7
    done = boot(pvh(status(7)), "--cpu", "i486")
    assert done.returncode == 125 and done.stderr == (
        'strata: --cpu: a machine for x86_64 has no "i486", but host, x86-64-v1, x86-64-v2, x86-64-v3, '
        "x86-64-v4\n")
    lines = vm("--cpu", "help").stdout.splitlines()
    assert [line.split()[:2] for line in lines][::5] == [["x86_64", "host"], ["riscv64", "rv64"]]


def test_pvh(boot):
    done = boot(pvh(pvh_code(status(7))), "--append", "first words\n")
    assert done.returncode == 7, done.stderr
    assert done.stdout.replace("\r", "") == "first words\nby string\n"


def test_bzimage(boot, tmp_path):
    """The command line and the initial RAM disk are where the zero page says."""
    initrd = tmp_path / "initrd"
    initrd.write_bytes(b"initrd\0")
    code = (b"\x48\x89\xf3" +  # mov rbx, rsi
            b"\x8b\xb3\x28\x02\0\0" + SAY +  # mov esi, [rbx + 0x228]
            b"\x8b\xb3\x18\x02\0\0" + SAY)  # mov esi, [rbx + 0x218]
    done = boot(bzimage(code + OFF + HALT), "--append", "words and ", "--initrd", initrd,
                "--memory", "8m")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "words and initrd"


def test_elf_without_note(boot):
    """It is entered with 64 bits, as a bzImage is."""
    code = b"\x8b\xb6\x28\x02\0\0" + SAY  # mov esi, [rsi + 0x228]
    done = boot(pvh(code + status(3) + HALT, note=False), "--append", "words")
    assert (done.returncode, done.stdout) == (3, "words"), done.stderr


def test_memory_above_the_hole(boot):
    """4 GiB are 3, and 1 behind the devices: the last of the ranges that PVH tells of."""
    code = (b"\x8b\x43\x30" +  # mov eax, [ebx + 48]: how many
            b"\x83\xf8\x04\x74" + bytes([len(status(9))]) + status(9) +  # 4
            b"\x8b\x5b\x28" +  # mov ebx, [ebx + 40]: the first
            b"\x83\x7b\x4c\x01\x74" + bytes([len(status(8))]) + status(8) +  # from 1 << 32 on
            b"\x81\x7b\x50\0\0\0\x40\x74" + bytes([len(status(6))]) + status(6) + OFF + HALT)
    done = boot(pvh(code), "--memory", "4g")
    assert done.returncode == 0, done.stderr


# --- ends --------------------------------------------------------------------------------------


@pytest.mark.parametrize("end,wanted", [(OFF, 0), (status(0), 0), (status(200), 200)],
                         ids=["acpi", "exit0", "exit200"])
def test_ends(boot, end, wanted):
    assert boot(pvh(pvh_code(end))).returncode == wanted


@pytest.mark.parametrize("end", [RESET, KEYS], ids=["acpi", "keyboard"])
def test_reset_ends_the_machine(boot, end):
    done = boot(pvh(pvh_code(end)), "--no-reboot")
    assert (done.returncode, done.stdout.count("by string")) == (0, 1), done.stderr


def test_reset_begins_anew(vm, tmp_path):
    """Memory is what it was, so the same is said again and again."""
    needs_kvm()
    kernel = tmp_path / "kernel"
    # The word behind the code is 0 each time: inc, and say it as a digit.
    code = lambda at: (b"\xff\x05" + struct.pack("<I", at) + b"\xa1" + struct.pack("<I", at) +
                       b"\x04\x30\x66\xba\xf8\x03\xee" + RESET + HALT)
    kernel.write_bytes(pvh(code(BASE + len(code(0)))))
    said = tmp_path / "said"
    with open(said, "wb") as file, subprocess.Popen(
            vm.argv("--kernel", kernel, "--net", "none", "--cpus", "2"), stdout=file,
            stdin=subprocess.DEVNULL) as machine:
        try:
            wait_until(lambda: said.stat().st_size >= 3 or machine.poll() is not None, 60)
            machine.send_signal(signal.SIGTERM)
            assert machine.wait(60) == 128 + signal.SIGTERM
        finally:
            machine.kill()
    assert set(said.read_text()) == {"1"}


def test_a_triple_fault_is_told(boot):
    done = boot(pvh(pvh_code(FAULT)))
    assert done.returncode == 125
    assert "vcpu 0: " in done.stderr and "triple fault" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_guest_that_spins_can_be_ended(vm, tmp_path):
    needs_kvm()
    kernel, said = tmp_path / "kernel", tmp_path / "said"
    kernel.write_bytes(pvh(pvh_code(SPIN)))
    with open(said, "wb") as file, subprocess.Popen(
            vm.argv("--kernel", kernel, "--net", "none"), stdout=file,
            stdin=subprocess.DEVNULL) as machine:
        try:
            wait_until(lambda: b"by string" in said.read_bytes(), 60)
            machine.send_signal(signal.SIGTERM)
            assert machine.wait(60) == 128 + signal.SIGTERM
        finally:
            machine.kill()


def anonymous_kib(pid, guest_kib):
    """Memory of no file, but for the guest's."""
    with open(f"/proc/{pid}/smaps") as smaps:
        found = re.findall(r"^Size:\s+(\d+) kB$.*?^Anonymous:\s+(\d+) kB$", smaps.read(), re.M | re.S)
    assert guest_kib in {int(size) for size, _ in found}
    return sum(int(anonymous) for size, anonymous in found if int(size) != guest_kib)


def test_files_are_not_kept_without_need(vm, tmp_path):
    """A machine that is never reset has no use for what it was booted from."""
    needs_kvm()
    kernel, said, initrd = tmp_path / "kernel", tmp_path / "said", tmp_path / "initrd"
    kernel.write_bytes(pvh(pvh_code(SPIN)))
    initrd.write_bytes(os.urandom(32 << 20))
    with open(said, "wb") as file, subprocess.Popen(
            vm.argv("--kernel", kernel, "--net", "none", "--initrd", initrd, "--no-reboot"),
            stdout=file, stdin=subprocess.DEVNULL) as machine:
        try:
            wait_until(lambda: b"by string" in said.read_bytes(), 60)
            assert anonymous_kib(machine.pid, 512 << 10) < 16 << 10
        finally:
            machine.kill()


# --- snapshots and looking in ------------------------------------------------------------------


def test_snapshot(vm, tmp_path, strata_binary):
    """A counter in a register goes on where it was saved."""
    needs_kvm()
    kernel, said, monitor = tmp_path / "kernel", tmp_path / "said", tmp_path / "monitor"
    # ebx counts; each time it is a multiple of 65536, say its bits 16 to 23 as a letter.
    code = (b"\x31\xdb\x66\xba\xf8\x03" + b"\x43\x66\x85\xdb\x75\xfa" +
            b"\x89\xd8\xc1\xe8\x10\x04\x40\xee\xeb\xf0")
    kernel.write_bytes(pvh(code))

    def ask(*words):
        return subprocess.run([strata_binary, "vm", "monitor", monitor, *words],
                              stdout=subprocess.PIPE, text=True, check=True).stdout

    def run(*args, until):
        with open(said, "wb") as file, subprocess.Popen(
                vm.argv("--net", "none", "--monitor", monitor, *args), stdout=file,
                stdin=subprocess.DEVNULL) as machine:
            try:
                wait_until(lambda: until in said.read_text() or machine.poll() is not None, 60)
                assert machine.poll() is None
                if "--kernel" in args:
                    registers = ask("registers")
                    assert "registers.rip" in registers and "0x1000" in registers
                    assert "physical" in ask("walk", "100000")
                    ask("save", str(tmp_path / "saved"))
                ask("quit")
                machine.wait(60)
            finally:
                machine.kill()
        return said.read_text()

    first = run("--kernel", kernel, until="C")
    assert first.startswith("ABC")
    restored = run("--restore", tmp_path / "saved", until=chr(ord(first[-1]) + 3))
    assert "A" not in restored and restored[0] in (first[-1], chr(ord(first[-1]) + 1))
    done = vm("--arch", "riscv64", "--restore", tmp_path / "saved", timeout=60)
    assert done.returncode == 125 and "x86-64 micro" in done.stderr


def test_power_button(vm, tmp_path, strata_binary):
    """The guest looks at the event register until that is it, and ends."""
    needs_kvm()
    kernel, monitor = tmp_path / "kernel", tmp_path / "monitor"
    kernel.write_bytes(pvh(b"\xba\x04\x06\0\0" + b"\xed\xa8\x01\x74\xfb" + status(6)))  # in eax, dx; test
    with subprocess.Popen(vm.argv("--net", "none", "--monitor", monitor, "--kernel", kernel),
                          stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as machine:
        try:
            wait_until(lambda: monitor.exists() or machine.poll() is not None, 60)
            assert machine.poll() is None
            subprocess.run([strata_binary, "vm", "monitor", monitor, "power"], check=True,
                           stdout=subprocess.DEVNULL)
            assert machine.wait(60) == 6
        finally:
            machine.kill()


def test_notifications_are_no_exits(vm, tmp_path, strata_binary):
    """The first device's queue 0 is told three times, a queue that is not there once."""
    needs_kvm()
    kernel, said, monitor = tmp_path / "kernel", tmp_path / "said", tmp_path / "monitor"
    notify = b"\xc7\x05\x50\0\0\xd0" + bytes(4)  # mov dword [0xd0000050], 0
    kernel.write_bytes(pvh(3 * notify + notify[:-4] + struct.pack("<I", 99) + out(0x3f8, ord("k")) + SPIN))
    with open(said, "wb") as file, subprocess.Popen(
            vm.argv("--net", "none", "--monitor", monitor, "--kernel", kernel), stdout=file,
            stdin=subprocess.DEVNULL) as machine:
        try:
            wait_until(lambda: said.read_bytes() == b"k" or machine.poll() is not None, 60)
            told = subprocess.run([strata_binary, "vm", "monitor", "--format", "json", monitor,
                                   "registers"], stdout=subprocess.PIPE, text=True, check=True)
            exits = json.loads(told.stdout)["exits"]
            assert (exits["mmio"], exits["ports"]) == (1, 1)
        finally:
            machine.kill()


# --- what cannot be ----------------------------------------------------------------------------


def test_wrong_kernels(vm, tmp_path):
    kernel = tmp_path / "kernel"
    kernel.write_bytes(bzimage(HALT))
    done = vm("--arch", "riscv64", "--kernel", kernel)
    assert done.returncode == 125 and "for x86, and the machine is riscv64" in done.stderr
    kernel.write_bytes(b"no kernel")
    done = vm("--arch", "x86_64", "--kernel", kernel)
    assert done.returncode == 125 and "no kernel for x86_64" in done.stderr
    kernel.write_bytes(bzimage(HALT, version=0x20b))
    done = vm("--kernel", kernel)
    assert done.returncode == 125 and "32 bits" in done.stderr
    done = vm("--arch", "s390x", "--kernel", kernel)
    assert done.returncode == 125 and "riscv64|x86_64|amd64" in done.stderr


@pytest.mark.parametrize("args,said", [
    (("--firmware", "F"), "no firmware"),
    (("--aia", "aplic"), "AIA"),
    (("--append", "x" * 61), "60 bytes"),
    (("--memory", "4m", "--initrd", "I"), "no room"),
], ids=["firmware", "aia", "command-line", "initrd"])
def test_what_is_not_there_is_told(boot, args, said, tmp_path):
    (tmp_path / "big").write_bytes(bytes(8 << 20))
    args = [str(tmp_path / "big") if a in ("F", "I") else a for a in args]
    done = boot(bzimage(HALT), "--arch", "x86_64", *args)
    assert done.returncode == 125 and said in done.stderr, done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(os.getuid() != 0, reason="makes a /dev of its own, which needs root")
@pytest.mark.parametrize("dev,said", [
    ("mount -t tmpfs dev /dev", "not there"),
    ("mount --bind /dev/null /dev/kvm", "is no KVM"),
], ids=["absent", "another"])
def test_without_kvm(vm, tmp_path, dev, said):
    if "bind" in dev and not os.path.exists("/dev/kvm"):
        pytest.skip("there is no /dev/kvm to hide")
    kernel = tmp_path / "kernel"
    kernel.write_bytes(bzimage(HALT))
    done = subprocess.run(["unshare", "-m", "sh", "-c", dev + ' && exec "$@"', "sh",
                           *vm.argv("--kernel", kernel)], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 125 and said in done.stderr, done.stderr
    assert "machines of another CPU" in done.stderr
    assert done.stderr.count("\n") == 1
