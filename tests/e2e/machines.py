# SPDX-License-Identifier: Apache-2.0
"""machines.py - what tests boot: Debian's kernel for riscv64, firmware, and a busybox initramfs.

Everything is downloaded once through this machine's own apt (debs.py) and kept in the cache.
"""

import contextlib
import fcntl
import lzma
import os
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import debs
from program import Program

CPU, SUITE = "riscv64", "trixie"
WAIT_S = 120  # for what one of them says next
FILES = {  # what tests ask for: the package that has it, and where
    "kernel": ("linux-image-riscv64", "boot/vmlinux-*"),
    "busybox": ("busybox-static", "usr/bin/busybox"),
    "fw_dynamic": ("opensbi", "usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin"),
    "efi-code": ("qemu-efi-riscv64", "usr/share/qemu-efi-riscv64/RISCV_VIRT_CODE.fd"),
    "efi-data": ("qemu-efi-riscv64", "usr/share/qemu-efi-riscv64/RISCV_VIRT_VARS.fd"),
    "u-boot": ("u-boot-qemu", "usr/lib/u-boot/qemu-riscv64_smode/u-boot.bin"),
}
INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
"""
# A process is busy for thirty periods, in some of which it is held back.
BUSY = """
state() { sed -n "s/^$1 //p" /sys/fs/cgroup/cpu.stat; }
show() { echo "$(state usage_usec) $(state nr_periods)"; }
cat /sys/fs/cgroup/cpu.max; first=$(state nr_periods); held=$(state nr_throttled); show
while :; do :; done & busy=$!
while [ $(state nr_periods) -lt $((first + 30)) ]; do sleep 0.1; done
kill $busy; show
[ $(state nr_throttled) -gt $held ] || echo "it was not held back"
"""


def check_quota(said, quota_us, period_us):
    """What BUSY has said: it got its share of each period, and some that the scheduler takes back."""
    limit, before, after = said.splitlines()
    assert limit == f"{quota_us} {period_us}"
    used, periods = (int(b) - int(a) for a, b in zip(before.split(), after.split()))
    assert periods >= 20 and 0 < used <= (periods + 12) * quota_us, said


class Machine(Program):
    """`strata vm run`"""

    def __init__(self, binary):
        super().__init__()
        self.binary = str(binary)

    def argv(self, *args):
        return [self.binary, "vm", "run", *map(str, args)]

    def env(self, extra=None):
        return {**os.environ, **(extra or {})}


class Run:
    """A machine in the background: what it prints, and what it is told."""

    def __init__(self, *argv):
        self.process = subprocess.Popen([str(a) for a in argv], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.said = b""
        self._more = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        while data := os.read(self.process.stdout.fileno(), 65536):
            with self._more:
                self.said += data
                self._more.notify()

    def wait_until(self, is_so):
        """Until what it has said makes that true."""
        with self._more:
            assert self._more.wait_for(is_so, WAIT_S), self.said[-2000:]

    def wait_for(self, text):
        self.wait_until(lambda: text in self.said)

    def tell(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def end(self):
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def runs():
    """Gives a function that starts a Run; all that it has started end with the block."""
    started = []

    def start(*argv):
        started.append(Run(*argv))
        return started[-1]

    try:
        yield start
    finally:
        for run in started:
            run.end()


def wait_for_folder(folder, run):
    """Until the machine has saved itself."""
    deadline = time.monotonic() + WAIT_S
    while not folder.exists():
        assert time.monotonic() < deadline, run.said[-2000:]
        time.sleep(0.05)


def _unpack(folder):
    with tempfile.TemporaryDirectory(dir=debs.CACHE) as tmp:
        apt = debs.Apt(tmp, CPU, SUITE)
        for package in sorted({package for package, _ in FILES.values()}):
            if package == "linux-image-riscv64":  # a name without files: the newest one's
                uris = apt._run("install", "-y", package, "--print-uris").split()
                package = next(u for u in uris if u.startswith("linux-image-6")).split("_")[0]
            subprocess.run(["dpkg-deb", "-x", apt.package(package), folder], check=True)


def files():
    """{name: path} of FILES."""
    folder = debs.CACHE / f"machine-{CPU}"  # as FILES has it
    debs.CACHE.mkdir(parents=True, exist_ok=True)
    with open(debs.CACHE / f"machine-{CPU}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = folder / "complete"
        if not stamp.exists() or stamp.read_text() != repr(FILES):
            subprocess.run(["rm", "-rf", folder], check=True)
            folder.mkdir()
            _unpack(folder)
            stamp.write_text(repr(FILES))
    return {name: next(Path(folder).glob(pattern)) for name, (_, pattern) in FILES.items()}


def entry(name, mode, data=b"", number=[1]):
    """One member of a cpio archive in the format newc."""
    number[0] += 1
    fields = [number[0], mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0]
    head = b"070701" + b"".join(b"%08X" % f for f in fields) + name.encode() + b"\0"
    return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)


def module(boot, name):
    """A module of the kernel, decompressed."""
    compressed = next(boot["kernel"].parents[1].glob(f"usr/lib/modules/**/{name}.ko.xz"))
    return lzma.decompress(compressed.read_bytes())


def program(source, folder):
    """A static program of machine/ for the guest: its bytes."""
    output = Path(folder) / Path(source).stem
    subprocess.run(["riscv64-linux-gnu-gcc", "-O1", "-Wall", "-Werror", "-static", "-o", output,
                    Path(__file__).parent / "machine" / source], check=True)
    return output.read_bytes()


def initramfs(boot, script, modules=(), programs=None):
    """An archive whose /init is INIT, these modules in their order, and then `script`; programs are
    {name: bytes} in /bin."""
    parts = [entry(name, 0o40755) for name in ("bin", "dev", "proc", "sys", "mnt")]
    parts.append(entry("bin/busybox", 0o100755, boot["busybox"].read_bytes()))
    for name, data in (programs or {}).items():
        parts.append(entry(f"bin/{name}", 0o100755, data))
    loads = ""
    for name in modules:
        parts.append(entry(f"{name}.ko", 0o100644, module(boot, name)))
        loads += f"insmod /{name}.ko\n"
    parts.append(entry("init", 0o100755, (INIT + loads + script + "\n").encode()))
    return b"".join(parts) + entry("TRAILER!!!", 0)
