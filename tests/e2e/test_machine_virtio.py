# SPDX-License-Identifier: Apache-2.0
"""test_machine_virtio.py - a machine's console and balloon, as Linux uses them."""

import hashlib
import re
import subprocess
import time
from pathlib import Path

import machines
import pytest

WAIT_S = 240  # on a busy machine
MIB = 1024  # in KiB

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
