# SPDX-License-Identifier: Apache-2.0
"""test_hybrid.py - beside a systemd that has the controllers on cgroup v1 (a machine of its own,
booted with systemd.unified_cgroup_hierarchy=0): the systemd driver there."""

import subprocess
from pathlib import Path

import pytest

from test_runtime import rootfs, runtime  # noqa: F401
from test_runtime_cgroup2 import bundle_of, output_of, show

pytestmark = pytest.mark.hybrid
ROOT = Path("/sys/fs/cgroup")


def test_the_controllers_are_v1s():
    assert (ROOT / "memory/memory.use_hierarchy").exists()
    assert (ROOT / "unified/cgroup.controllers").exists()


def test_systemd_driver(runtime, rootfs):  # noqa: F811
    name = runtime.new_id()
    bundle = bundle_of(runtime, rootfs, ("sleep", "1000"), name, {
        "memory": {"limit": 64 << 20}, "cpu": {"shares": 2048, "quota": 40000, "period": 50000},
        "pids": {"limit": 77}}, "strata-vm.slice:test:ID", None)
    runtime("--systemd-cgroup", "run", "--detach", "--bundle", bundle.path, name)
    unit = f"test-{name}.scope"
    path = f"strata.slice/strata-vm.slice/{unit}"
    lines = Path(f"/proc/{runtime.state(name)['pid']}/cgroup").read_text()
    for controller in ("memory", "cpu,cpuacct", "pids", "devices", "blkio", "name=systemd"):
        assert f":{controller}:/{path}\n" in lines, lines
    subprocess.run(["systemctl", "daemon-reload"], check=True)
    read = lambda f: (ROOT / f.format(path)).read_text()  # noqa: E731
    assert read("memory/{}/memory.limit_in_bytes").strip() == str(64 << 20)
    assert read("cpu/{}/cpu.shares").strip() == "2048"
    assert read("cpu/{}/cpu.cfs_quota_us").strip() == "40000"
    assert read("pids/{}/pids.max").strip() == "77"
    devices = read("devices/{}/devices.list").split("\n")
    assert "c 1:3 rwm" in devices and "a *:* rwm" not in devices
    assert show(unit, "MemoryLimit", "CPUShares", "TasksMax", "DevicePolicy", "Slice") == {
        "MemoryLimit": str(64 << 20), "CPUShares": "2048", "TasksMax": "77",
        "DevicePolicy": "strict", "Slice": "strata-vm.slice"}
    runtime("delete", "--force", name)
    assert not list(ROOT.glob(f"*/{path}"))
    assert show(unit, "LoadState") == {"LoadState": "not-found"}


def test_cgroupfs_driver(runtime, rootfs):  # noqa: F811
    script = "cat /proc/self/cgroup"
    out = output_of(runtime, rootfs, script, path="/strata-vm/ID",
                    change=lambda c: c["linux"].update(namespaces=[
                        n for n in c["linux"]["namespaces"] if n["type"] != "cgroup"])).stdout
    assert f":memory:/strata-vm/{runtime.ids[-1]}\n" in out
    assert f":cpu,cpuacct:/strata-vm/{runtime.ids[-1]}\n" in out
