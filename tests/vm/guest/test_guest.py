# SPDX-License-Identifier: Apache-2.0
"""test_guest.py - the machine is what the other tests take for granted."""

from pathlib import Path


def test_cgroup_v2_has_the_controllers():
    controllers = Path("/sys/fs/cgroup/cgroup.controllers").read_text().split()
    assert {"cpu", "cpuset", "io", "memory", "pids"} <= set(controllers)


def test_systemd_is_the_first_process():
    assert Path("/proc/1/comm").read_text().strip() == "systemd"
