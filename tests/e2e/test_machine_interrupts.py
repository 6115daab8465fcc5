# SPDX-License-Identifier: Apache-2.0
"""test_machine_interrupts.py - `strata vm run --aia`: through which controller Debian's kernel gets
its devices' interrupts, beneath strata's own SBI and OpenSBI, and that a snapshot keeps it."""

import base64
import re
import shutil
import signal
import subprocess

import pytest

import machines
from machines import Run, wait_for_folder

BOOT_S = 240  # on a busy machine
MODULES = ("virtio_mmio", "virtio_blk")
CHIPS = {"none": "PLIC", "aplic": "APLIC-DIRECT", "aplic-imsic": "APLIC-MSI"}
# One read more that cannot come from memory: more interrupts of the disk than before.
SCRIPT = """
irqs() { awk '/virtio/ { for (i = 2; i <= NF && $i ~ /^[0-9]+$/; i++) n += $i } END { print n }' /proc/interrupts; }
read_disk() { echo 3 > /proc/sys/vm/drop_caches; head -c 9 /dev/vda; echo; }
before=$(irqs); read_disk; after=$(irqs)
[ "$after" -gt "$before" ] && echo "disk interrupts"
grep -E 'virtio|ttyS' /proc/interrupts
"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def boot():
    return machines.files()


@pytest.fixture
def options(strata_binary, boot, tmp_path):
    """Of `vm run`, with a disk, and an initramfs of this script."""

    def make(script):
        (tmp_path / "disk").write_bytes(b"the disk!".ljust(1 << 20))
        (tmp_path / "initrd").write_bytes(machines.initramfs(boot, script, MODULES))
        return ["--kernel", boot["kernel"], "--initrd", tmp_path / "initrd", "--append",
                "console=ttyS0 quiet panic=-1", "--disk", tmp_path / "disk", "--memory", "256m",
                "--net", "none"]

    return make


@pytest.mark.parametrize("harts", [1, 4])
@pytest.mark.parametrize("firmware", [None, "fw_dynamic"])
@pytest.mark.parametrize("aia", CHIPS)
def test_linux_is_interrupted(strata_binary, boot, options, aia, firmware, harts):
    argv = options(SCRIPT + "poweroff -f")
    if firmware:
        argv += ["--firmware", boot[firmware]]
    done = machines.Machine(strata_binary)(*argv, "--aia", aia, "--cpus", harts, timeout=BOOT_S,
                                           input="")
    said = done.stdout.replace("\r", "")
    assert done.returncode == 0 and "the disk!\ndisk interrupts\n" in said, said + done.stderr
    lines = [line.split() for line in said.splitlines() if re.search(r" (virtio\d|ttyS0)$", line)]
    assert lines and all(CHIPS[aia] in " ".join(line) for line in lines), said


@pytest.mark.parametrize("aia", ["aplic", "aplic-imsic"])
def test_affinity(strata_binary, options, aia):
    """An interrupt that is moved arrives at the other hart, and no more at the first."""
    said = machines.Machine(strata_binary)(*options(SCRIPT + """
irq=$(awk '/virtio/ { sub(":", "", $1); print $1; exit }' /proc/interrupts)
for hart in 2 1; do
    echo $hart > /proc/irq/$irq/smp_affinity_list; read_disk
    a=$(awk "/^ *$irq:/ { print \\$($hart + 2) }" /proc/interrupts); read_disk
    b=$(awk "/^ *$irq:/ { print \\$($hart + 2) }" /proc/interrupts)
    [ "$b" -gt "$a" ] && echo "hart $hart has it"
done
poweroff -f"""), "--aia", aia, "--cpus", 3, timeout=BOOT_S, input="").stdout
    assert "hart 2 has it" in said and "hart 1 has it" in said, said


@pytest.mark.skipif(not shutil.which("dtc"), reason="device-tree-compiler is not installed")
@pytest.mark.parametrize("firmware", [False, True])
@pytest.mark.parametrize("aia", ["aplic", "aplic-imsic"])
def test_device_tree(strata_binary, boot, options, aia, firmware):
    """One that dtc has nothing to say about; with firmware, a root domain delegates. What harts have
    of it is told only where they have it."""
    argv = options("echo FDT; base64 /sys/firmware/fdt; echo END; poweroff -f") + ["--aia", aia]
    if firmware:
        argv += ["--firmware", boot["fw_dynamic"]]
    said = machines.Machine(strata_binary)(*argv, timeout=BOOT_S, input="").stdout
    blob = base64.b64decode(said.replace("\r", "").split("FDT\n")[-1].split("END")[0])
    done = subprocess.run(["dtc", "-I", "dtb", "-O", "dts"], input=blob, capture_output=True)
    text = done.stdout.decode()
    assert done.returncode == 0 and done.stderr == b"", done.stderr
    assert text.count('"riscv,aplic"') == 1 + firmware and "plic-1.0.0" not in text
    assert ("riscv,delegation" in text) == firmware
    has_imsic = aia == "aplic-imsic"
    assert text.count('"riscv,imsics"') == has_imsic * (1 + firmware)
    assert ("_smaia_" in text and r"\0ssaia\0" in text) == has_imsic == ("aia" in text)


@pytest.mark.parametrize("firmware", [None, "fw_dynamic"])
@pytest.mark.parametrize("aia", ["aplic", "aplic-imsic"])
def test_snapshot(strata_binary, boot, options, tmp_path, aia, firmware):
    """What is restored is interrupted as before; a machine with another controller is another."""
    argv = [strata_binary, "vm", "run", *options(
        SCRIPT + "echo is ready; while read -r line; do eval \"$line\"; done"), "--cpus", 2]
    if firmware:
        argv += ["--firmware", boot[firmware]]
    folder = tmp_path / "snapshot"
    run = Run(*argv, "--aia", aia, "--snapshot", folder)
    try:
        run.wait_for(b"is ready")
        run.process.send_signal(signal.SIGUSR1)
        wait_for_folder(folder, run)
    finally:
        run.end()
    for other, name in {"none": "plic", "aplic": "aplic", "aplic-imsic": "aplic-msi"}.items():
        if other != aia:
            done = subprocess.run([str(a) for a in [*argv, "--aia", other, "--restore", folder]],
                                  text=True, stdin=subprocess.DEVNULL, capture_output=True,
                                  timeout=BOOT_S)
            assert done.returncode == 125, done
            assert re.search(rf"has a aplic\S* 0 where this machine has a {name} 0", done.stderr)
    run = Run(*argv, "--aia", aia, "--restore", folder)
    try:
        run.tell("before=$(irqs); read_disk; [ $(irqs) -gt $before ] && echo goes on; poweroff -f")
        run.wait_for(b"goes on\r\n")
        assert run.process.wait(BOOT_S) == 0
    finally:
        run.end()


def test_no_such_controller(strata_binary, boot):
    done = machines.Machine(strata_binary)("--kernel", boot["kernel"], "--aia", "imsic", timeout=60)
    assert done.returncode == 125 and "aia" in done.stderr, done
