# SPDX-License-Identifier: Apache-2.0
"""test_machine_counters.py - perf_event_open(2) in a guest with Debian's kernel: instructions of a
program are counted one by one, and its samples are as many as periods have passed."""

import pytest

import machines

BOOT_S = 240  # on a busy machine
# The kernel samples less when the host keeps it waiting, unless it is told not to.
SCRIPT = "echo 0 > /proc/sys/kernel/perf_cpu_time_max_percent; dmesg | grep -i pmu; perf; poweroff -f"

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("firmware", [None, "fw_dynamic"])
def test_perf(strata_binary, tmp_path, firmware):
    """Through strata's own SBI, and through OpenSBI, which learns of counters by the device tree."""
    boot, initrd = machines.files(), tmp_path / "initrd"
    programs = {"perf": machines.program("perf.c", tmp_path)}
    initrd.write_bytes(machines.initramfs(boot, SCRIPT, programs=programs))
    more = ["--firmware", boot[firmware]] if firmware else []
    done = machines.Machine(strata_binary)(
        "--kernel", boot["kernel"], "--initrd", initrd, "--append", "console=ttyS0 quiet panic=-1",
        *more, timeout=BOOT_S, input="")
    said = done.stdout.replace("\r", "")
    assert done.returncode == 0 and "18 hardware counters" in said, said + done.stderr
    assert "the loop is counted exactly\nthe kernel is counted\n" in said, said
    assert "every period is sampled\n" in said, said
