# SPDX-License-Identifier: Apache-2.0
"""test_machine_virtio.py - a machine's console, balloon and disks, as Linux uses them."""

import hashlib
import json
import re
import subprocess
import time
from pathlib import Path

import machines
import pytest
from program import wait_until

WAIT_S = 240  # on a busy machine
EXT4 = ["virtio_mmio", "virtio_blk", "crc16", "crc32c_generic", "mbcache", "jbd2", "ext4"]
MIB = 1024  # in KiB
NONSENSE = Path(__file__).parent / "machine/nonsense.c"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def boot():
    return machines.files()


@pytest.fixture
def start(strata_binary, boot, tmp_path):
    """Start a machine with a script: the process, whose standard input and output are pipes."""
    started = []

    def run(script, modules, *args, append=""):
        (tmp_path / "initrd").write_bytes(machines.initramfs(boot, script, modules))
        argv = machines.Machine(strata_binary).argv(
            "--net", "none", "--kernel", boot["kernel"], "--initrd", tmp_path / "initrd",
            "--append", f"quiet panic=-1 {append}", *args)
        started.append(subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def say(process, text):
    process.stdin.write(text.encode())
    process.stdin.flush()


def wait_for(process, line):
    """Read lines until this one; a machine that ends without it fails."""
    seen = []
    for text in process.stdout:
        seen.append(text.decode(errors="replace").strip())
        if seen[-1] == line:
            return seen
    raise AssertionError(seen)


def wait_for_number(process):
    for text in process.stdout:
        if text.strip().isdigit():
            return int(text)
    raise AssertionError("it ended without a number")


def test_virtio_console(start, tmp_path):
    """Both ways, and much at once, while the serial port goes elsewhere."""
    process = start("exec </dev/hvc0 >/dev/hvc0 2>&1; stty -echo raw; echo ready; "
                    "head -c 100000 | md5sum; seq 1 30000; poweroff -f", ["virtio_mmio"],
                    "--hvc", "stdio", "--console", tmp_path / "serial", append="console=ttyS0")
    wait_for(process, "ready")
    typed = "0123456789" * 10000
    say(process, typed)
    output, _ = process.communicate(timeout=WAIT_S)
    text = output.decode().split()
    assert text[0] == hashlib.md5(typed.encode()).hexdigest()
    assert text[2:] == [str(i) for i in range(1, 30001)]
    assert process.returncode == 0
    assert "ready" not in (tmp_path / "serial").read_text()


def memory_kib(pid):
    """What of the guest's memory is there."""
    return int(re.search(r"^RssShmem:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(), re.M)[1])


def test_free_memory_goes_back(start):
    """What the guest has used and freed is the host's again (free page reporting)."""
    process = start("mount -t tmpfs none /mnt; dd if=/dev/zero of=/mnt/much bs=1M count=200 "
                    "2>/dev/null; echo full; read word; rm /mnt/much; echo freed; read word; "
                    "poweroff -f", ["virtio_mmio", "virtio_balloon"], "--memory", "512m",
                    append="console=ttyS0")
    wait_for(process, "full")
    full = memory_kib(process.pid)
    assert full > 200 * MIB
    say(process, "on\n")
    wait_for(process, "freed")
    end = time.monotonic() + WAIT_S
    while memory_kib(process.pid) > full - 150 * MIB and time.monotonic() < end:
        time.sleep(0.2)
    assert memory_kib(process.pid) <= full - 150 * MIB
    say(process, "off\n")
    assert process.wait(timeout=WAIT_S) == 0


def test_balloon_from_outside(start, strata_binary, tmp_path):
    """The guest gives up as much memory as it is asked for, and gets it back."""
    def balloon(*size):
        return json.loads(subprocess.run(
            [strata_binary, "vm", "monitor", "--format", "json", tmp_path / "monitor", "balloon",
             *size], check=True, stdout=subprocess.PIPE, timeout=WAIT_S).stdout)["balloon_bytes"]

    free = "awk '/MemFree/ { print $2 }' /proc/meminfo"
    process = start(f"echo ready; read w; {free}; read w; {free}; read w; poweroff -f",
                    ["virtio_mmio", "virtio_balloon"], "--memory", "512m", "--monitor",
                    tmp_path / "monitor", append="console=ttyS0")
    wait_for(process, "ready")
    assert balloon() == 0
    balloon("200m")
    wait_until(lambda: balloon() == 200 << 20, WAIT_S)
    say(process, "on\n")
    small = wait_for_number(process)
    balloon("0")
    wait_until(lambda: balloon() == 0, WAIT_S)
    say(process, "on\n")
    # Up to 64 MiB of free memory do not count as that while Linux reports them.
    assert wait_for_number(process) > small + 100 * MIB
    say(process, "off\n")
    assert process.wait(timeout=WAIT_S) == 0


def test_file_system_of_four_harts(start, tmp_path):
    """All harts write to an ext4 at once, each through a queue of its own; the host finds nothing
    wrong with it, and in it what the guest has read."""
    disk, back = tmp_path / "disk", tmp_path / "back"
    subprocess.run(["/sbin/mke2fs", "-q", "-t", "ext4", disk, "96m"], check=True)
    process = start(
        "mount /dev/vda /mnt; ls /sys/block/vda/mq | wc -l; for i in 1 2 3 4; do "
        "(dd if=/dev/urandom of=/mnt/$i bs=64k count=128 2>/dev/null; cp /mnt/$i /mnt/copy$i; "
        "rm /mnt/$i; sync) & done; wait; echo 3 >/proc/sys/vm/drop_caches; "
        "md5sum /mnt/copy*; umount /mnt; poweroff -f", EXT4, "--cpus", "4", "--disk", disk,
        append="console=ttyS0")
    output, _ = process.communicate(timeout=WAIT_S)
    text = output.decode(errors="replace").replace("\r", "")
    assert process.returncode == 0, text
    sums = dict(re.findall(r"^(\w{32})  /mnt/(copy\d)$", text, re.M))
    assert len(sums) == 4 and re.search(r"^4$", text, re.M), text
    subprocess.run(["/sbin/e2fsck", "-f", "-n", disk], check=True, stdout=subprocess.PIPE)
    for expected, name in sums.items():
        subprocess.run(["/sbin/debugfs", "-R", f"dump /{name} {back}", disk], check=True,
                       stderr=subprocess.PIPE)
        assert hashlib.md5(back.read_bytes()).hexdigest() == expected


def test_nonsense(strata_binary, tmp_path):
    """Four harts program all devices with nonsense at once: the machine ends as it was told to, and
    nobody has written to what is read-only."""
    program, part = tmp_path / "nonsense", tmp_path / "part"
    subprocess.run(["riscv64-linux-gnu-gcc", "-O2", "-static", "-nostdlib", "-ffreestanding",
                    "-fno-pic", "-no-pie", "-mcmodel=medany", "-Wall", "-Werror",
                    "-Wl,-Ttext=0x80200000,--build-id=none,--no-relax,--no-warn-rwx-segments",
                    NONSENSE, "-o", program], check=True)
    (tmp_path / "shared").mkdir()
    for name in ("disk", "limited", "part"):
        (tmp_path / name).write_bytes(b"strata" * (1 << 18))
    done = machines.Machine(strata_binary)(
        "--cpus", 4, "--memory", "512m", "--kernel", program, "--part", f"part={part}",
        "--disk", tmp_path / "disk", "--disk", f"{tmp_path}/limited,iops=100000",
        "--share", f"x={tmp_path}/shared", "--hvc", "/dev/null", "--vsock", tmp_path / "vsock",
        timeout=WAIT_S, input="")
    assert done.returncode == 0, done.stderr
    assert "nonsense: done" in done.stdout
    assert part.read_bytes() == b"strata" * (1 << 18)
