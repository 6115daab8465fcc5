# SPDX-License-Identifier: Apache-2.0
"""test_kvm_machines.py - `strata vm run` with kernels for x86-64, on KVM: they boot, see their processors
and devices, end as they say, and leave nothing behind."""

import json
import os
import re
import struct
import subprocess
from pathlib import Path

import pytest

import guests
import machines  # by way of guests
from program import wait_until  # by way of guests

EXIT_PORT = 0xf4  # its argument n becomes status n
PVH_ENTRY = 18  # Xen's note for it


@pytest.fixture
def vm():
    return guests.Machine(os.environ["STRATA_BIN"])


@pytest.fixture
def linux(vm, tmp_path):
    """Boot a kernel with a script: what the machine has said, when it has ended so."""

    def run(script, *args, kernel="tiny-vmlinux", append="", status=0, modules=()):
        initrd = tmp_path / "initrd"
        initrd.write_bytes(guests.initramfs(script, modules))
        done = vm("--kernel", guests.SHARE / kernel, "--initrd", initrd, "--append",
                  f"{guests.APPEND} {append}", *args, timeout=guests.BOOT_S, input="")
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout.replace("\r", "") + done.stderr

    return run


@pytest.mark.parametrize("kernel", ["tiny-vmlinux", "tiny-bzImage"])
def test_boots_and_powers_off(linux, kernel):
    said = linux("uname -r; cat /sys/devices/system/clocksource/clocksource0/current_clocksource; "
                 "poweroff -f", "--net", "none", kernel=kernel)
    assert re.search(r"^6\..*-strata-tiny\nkvm-clock$", said, re.M), said
    assert "WARNING" not in said and "Error" not in said, said


@pytest.mark.parametrize("cpus", [2, 4])
def test_processors(linux, cpus):
    said = linux(f"nproc; i=0; while [ $i -lt {cpus} ]; do taskset $(printf %x $((1 << i))) sh -c "
                 "'cut -d\" \" -f39 /proc/self/stat'; i=$((i + 1)); done; poweroff -f",
                 "--cpus", cpus, "--net", "none")
    assert "\n".join(map(str, [cpus, *range(cpus)])) in said, said


@pytest.mark.parametrize("kernel", ["tiny-vmlinux", "cloud-bzImage"])
def test_model_of_cpu(linux, kernel):
    """Linux is content with it, and sees its level and nothing of the host's CPU."""
    said = linux("grep -e '^model name' -e ^flags -e '^cpu family' -e ^microcode -e ^address "
                 "/proc/cpuinfo; cat /sys/devices/system/clocksource/clocksource0/current_clocksource; "
                 "nproc; poweroff -f", "--net", "none", "--cpu", "x86-64-v3", "--cpus", "2",
                 kernel=kernel)
    lines = said.splitlines()
    assert lines.count("model name\t: strata x86-64-v3") == 2 and "kvm-clock" in lines, said
    assert "address sizes\t: 39 bits physical, 48 bits virtual" in lines and "2" in lines, said
    flags = set(next(line for line in lines if line.startswith("flags")).split())
    # AVX is there, but not in this tier: QEMU's SVM lets XSETBV pass KVM by, which then tells Linux
    # a size of the area that is not the one, whoever is the monitor.
    wanted = {"bmi2", "f16c", "movbe", "cx16", "hypervisor", "x2apic"}
    assert wanted <= flags, (wanted - flags, said)
    assert not {"aes", "svm", "rdrand", "xsaveopt", "rdtscp", "avx512f"} & flags, flags
    assert "EPYC" not in said and "WARNING" not in said and "unstable" not in said, said


def test_model_that_the_host_is_not(vm, tmp_path):
    kernel = tmp_path / "program"
    kernel.write_bytes(program(b"\xf4"))
    done = vm("--kernel", kernel, "--net", "none", "--cpu", "x86-64-v4")
    assert done.returncode == 125, done
    assert ("without AVX512F, AVX512DQ, AVX512CD, AVX512BW, AVX512VL; the highest level that they have "
            "is x86-64-v3") in done.stderr, done


def test_devices(linux, tmp_path):
    disk = tmp_path / "disk"
    disk.write_bytes(b"first sector".ljust(512) + bytes((1 << 20) - 512))
    said = linux("head -c 12 /dev/vda; echo; cat /sys/block/vda/size; printf written | "
                 "dd of=/dev/vda conv=notrunc 2>/dev/null; sync; ip link set eth0 up; "
                 "udhcpc -i eth0 -n -q -s /bin/true | grep lease; head -c 8 /dev/hwrng | wc -c; "
                 "poweroff -f", "--disk", disk)
    assert re.search(r"^first sector\n2048\n", said, re.M), said
    assert re.search(r"lease of 10\.0\.2\.15 obtained from 10\.0\.2\.2", said), said
    assert re.search(r"^8$", said, re.M), said
    assert disk.read_bytes().startswith(b"writtenector")


def test_power_button(tmp_path):
    """Linux has a button, and who listens hears of it."""
    (tmp_path / "initrd").write_bytes(guests.initramfs(
        "cat /sys/class/input/event0/device/name; exec 3</dev/input/event0; echo listens; "
        "head -c 24 <&3 >/dev/null; echo heard; poweroff -f"))
    binary = os.environ["STRATA_BIN"]
    with machines.runs() as runs:
        run = runs(binary, "vm", "run", "--net", "none", "--monitor", tmp_path / "monitor", "--kernel",
                   guests.SHARE / "tiny-vmlinux", "--initrd", tmp_path / "initrd", "--append",
                   guests.APPEND)
        run.wait_for(b"listens")
        subprocess.run([binary, "vm", "monitor", tmp_path / "monitor", "power"], check=True,
                       timeout=guests.BOOT_S)
        assert run.process.wait(guests.BOOT_S) == 0
        run.wait_for(b"heard")
        assert b"Power Button" in run.said


SPARED = 8 << 20


def _is_short():
    """A little less than a sixteenth of this host's memory is left."""
    words = Path("/proc/meminfo").read_text().split()
    total, available = (int(words[words.index(name) + 1]) for name in ("MemTotal:", "MemAvailable:"))
    return available < total // 17


def _fill(memory):
    """A list grows, until it is so."""
    while not _is_short():
        memory.append(b"x" * (1 << 20))


def test_a_host_that_is_short_of_memory(tmp_path):
    """A guest whose memory is full of what it can read again gives some of it up."""
    disk = tmp_path / "disk"
    with open(disk, "wb") as file:
        file.truncate(256 << 20)
    (tmp_path / "initrd").write_bytes(guests.initramfs(
        "cat /dev/vda >/dev/null; echo full; while read -r line; do eval $line; done"))
    monitor, binary = tmp_path / "monitor", os.environ["STRATA_BIN"]

    def asked():
        said = subprocess.run([binary, "vm", "monitor", "--format", "json", monitor, "balloon"],
                              check=True, stdout=subprocess.PIPE, timeout=guests.BOOT_S).stdout
        return json.loads(said)

    memory = []
    with machines.runs() as runs:
        run = runs(binary, "vm", "run", "--net", "none", "--memory", "384m", "--monitor", monitor,
                   "--kernel", guests.SHARE / "tiny-vmlinux", "--initrd", tmp_path / "initrd",
                   "--disk", disk, "--append", guests.APPEND)
        run.wait_for(b"full")
        assert asked()["taken_bytes"] == 0

        def has_given():
            _fill(memory)
            return asked()["balloon_bytes"] >= SPARED

        wait_until(has_given, guests.BOOT_S)
        assert asked()["taken_bytes"] >= SPARED


def test_panic_ends(linux):
    assert "Kernel panic" in linux("exit 3", "--no-reboot", "--net", "none")


def test_restarts(linux):
    """The second boot finds that it is one on the disk."""
    said = linux("mount -t devtmpfs dev /dev; read -r n < /dev/vda; echo boot $n; if [ $n = 1 ]; then "
                 "echo 2 > /dev/vda; sync; reboot -f; fi; poweroff -f", "--net", "none", "--disk",
                 _disk_with(b"1\n"))
    assert said.index("boot 1\n") < said.index("boot 2\n")


def _disk_with(data):
    path = Path(os.environ["TMPDIR"]) / "counter"
    path.write_bytes(data.ljust(1 << 20, b"\0"))
    return path


# --- a program without a kernel ----------------------------------------------------------------


def program(code):
    """An ELF file that is entered through PVH: 32 bits, flat, at 1 MiB."""
    start = 0x100000
    note = struct.pack("<III4sI", 4, 4, PVH_ENTRY, b"Xen\0", start)
    head = struct.pack("<4sBBB9xHHIQQQIHHHHHH", b"\x7fELF", 2, 1, 1, 2, 62, 1, start, 64, 0, 0, 64, 56,
                       2, 0, 0, 0)
    at = 64 + 2 * 56
    return head + b"".join(
        struct.pack("<IIQQQQQQ", kind, 7, offset, address, address, size, size, 4)
        for kind, offset, address, size in ((4, at, 0, len(note)),
                                            (1, at + len(note), start, len(code)))) + note + code


def test_status(vm, tmp_path):
    kernel = tmp_path / "program"
    kernel.write_bytes(program(b"\xb0\x2a\xe6" + bytes([EXIT_PORT])))  # mov $42, %al; out
    done = vm("--kernel", kernel, "--memory", "16m", "--net", "none")
    assert done.returncode == 42, done.stderr


def test_triple_fault_is_told(vm, tmp_path):
    kernel = tmp_path / "program"
    # lidt of six zeros behind it, int3
    kernel.write_bytes(program(bytes.fromhex("0f011d 08001000 cc 000000000000")))
    done = vm("--kernel", kernel, "--memory", "16m", "--net", "none")
    assert done.returncode == 125 and "triple fault" in done.stderr, done


def _left():
    """What a machine could leave behind: processes of ours, files in /tmp's place, machines of KVM."""
    processes = {p.read_text().strip() for p in Path("/proc").glob("[0-9]*/comm")}
    return (sorted(p for p in processes if p.startswith("strata")),
            sorted(os.listdir("/run")), sorted(os.listdir("/dev/shm")),
            sorted(p.name for p in Path("/sys/kernel/debug/kvm").iterdir() if p.is_dir()))


def test_many_leave_nothing(vm, tmp_path):
    kernel = tmp_path / "program"
    kernel.write_bytes(program(b"\xb0\x07\xe6" + bytes([EXIT_PORT])))
    loop = tmp_path / "loop"
    loop.write_bytes(program(b"\xeb\xfe"))  # jmp itself
    before = _left()
    for _ in range(20):
        assert vm("--kernel", kernel, "--memory", "16m", "--net", "none").returncode == 7
    for number in range(20):  # killed, in whatever they are doing then
        run = vm.popen("--kernel", loop, "--memory", "16m", "--net", "none", stdin=subprocess.DEVNULL)
        if number % 2:
            wait_until(lambda: len(_left()[3]) > len(before[3]), 30)
        run.kill()
        run.wait()
    wait_until(lambda: _left() == before, 30, what=f"{before} again")
