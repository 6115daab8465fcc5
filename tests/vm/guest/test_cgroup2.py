# SPDX-License-Identifier: Apache-2.0
"""test_cgroup2.py - cgroup v2: where an instance is put, and what the files there say.

That limits hold is in e2e/test_limits.py, which runs here too.
"""

import os
import subprocess
from pathlib import Path

from conftest import wait_until


def cgroup_of(pid):
    line = Path(f"/proc/{pid}/cgroup").read_text().strip()
    assert line.startswith("0::/"), line
    return Path("/sys/fs/cgroup" + line[3:])


def start(strata, *options, command=("sleep", "300")):
    strata.ok("run", "-d", "--network", "none", "--name", "it", *options, "busybox", *command)
    return cgroup_of(strata.state("it")["Pid"])


def test_limits_are_written(strata, busybox_image):
    folder = start(strata, "--memory", "48m", "--memory-swap", "64m", "--cpus", "0.5",
                   "--pids-limit", "33", "--cpu-shares", "512", "--cpuset-cpus", "1")
    read = lambda name: (folder / name).read_text().strip()  # noqa: E731
    assert read("memory.max") == str(48 << 20)
    assert read("memory.swap.max") == str(16 << 20)
    assert read("cpu.max") == "50000 100000"
    assert read("pids.max") == "33"
    assert read("cpuset.cpus") == "1"
    assert 1 <= int(read("cpu.weight")) < 100
    assert strata.inspect("it")["Id"] in str(folder)


def test_update_and_pause(strata, busybox_image):
    folder = start(strata)
    strata.ok("update", "--memory", "40m", "--memory-swap", "40m", "it")
    assert (folder / "memory.max").read_text().strip() == str(40 << 20)
    strata.ok("pause", "it")
    assert "frozen 1" in (folder / "cgroup.events").read_text()
    strata.ok("unpause", "it")
    wait_until(lambda: "frozen 0" in (folder / "cgroup.events").read_text())


def test_throttled_disk(strata, busybox_image):
    folder = start(strata, "--device-write-bps", "/dev/vda:1m")
    device = os.stat("/dev/vda").st_rdev
    assert f"{os.major(device)}:{os.minor(device)} " in (folder / "io.max").read_text()
    assert "wbps=1048576" in (folder / "io.max").read_text()


def test_devices_are_refused_by_bpf(strata, busybox_image):
    start(strata)
    out = strata.ok("exec", "it", "sh", "-c",
                    "mknod /m c 1 1; (head -c1 /m >/dev/null) 2>&1; head -c2 /dev/zero | wc -c")
    assert "not permitted" in out and out.splitlines()[-1] == "2"


def test_device_that_was_given(strata, busybox_image):
    # /dev/kmsg is refused unless it was given; reading it wants CAP_SYSLOG besides
    # (kernel.dmesg_restrict).
    start(strata, "--cap-add", "SYSLOG", "--device", "/dev/kmsg:/dev/kmsg:r")
    strata.ok("exec", "it", "head", "-c1", "/dev/kmsg")
    strata.fails("exec", "it", "sh", "-c", "echo x >/dev/kmsg")


def test_cgroup_is_gone_afterwards(strata, busybox_image):
    folder = start(strata)
    assert folder.is_dir()
    strata.ok("rm", "-f", "it")
    wait_until(lambda: not folder.exists())


def test_inside_it_is_the_root_of_its_own_view(strata, busybox_image):
    start(strata)
    assert strata.ok("exec", "it", "cat", "/proc/1/cgroup") == "0::/"
    assert "cgroup.procs" in strata.ok("exec", "it", "ls", "/sys/fs/cgroup").split()
