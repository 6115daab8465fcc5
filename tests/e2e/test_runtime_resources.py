# SPDX-License-Identifier: Apache-2.0
"""test_runtime_resources.py - linux.resources of config.json on a host whose controllers are v1's.
(v2 and systemd: tests/vm/guest/test_runtime_cgroup2.py.)"""

import subprocess
from pathlib import Path

import pytest

from test_runtime import rootfs, runtime  # noqa: F401

ROOT = Path("/sys/fs/cgroup")
pytestmark = [pytest.mark.needs_root,
              pytest.mark.skipif(not (ROOT / "memory/cgroup.procs").exists(),
                                 reason="this host's controllers are not v1's")]


def box(runtime, rootfs, resources, path=None):
    name = runtime.new_id()
    bundle = runtime.bundle(rootfs, "sleep", "1000")
    bundle.config["linux"]["resources"].update(resources)
    if path:
        bundle.config["linux"]["cgroupsPath"] = path.replace("ID", name)
    runtime("run", "--detach", "--bundle", bundle.save().path, name)
    return runtime.state(name)["pid"]


def folder_of(pid, controller):
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        number, names, path = line.split(":", 2)
        if controller in names.split(",") or (controller == "unified" and number == "0"):
            return ROOT / controller / path[1:]
    raise AssertionError(f"{pid} is in no hierarchy {controller}")


def test_limits(runtime, rootfs):  # noqa: F811
    pid = box(runtime, rootfs, {
        "memory": {"limit": 64 << 20, "reservation": 32 << 20, "swappiness": 7},
        "cpu": {"shares": 512, "quota": 40000, "period": 50000, "burst": 10000, "cpus": "0"},
        "pids": {"limit": 77}}, "strata-relative/ID")
    for controller, file, value in (
            ("memory", "memory.limit_in_bytes", 64 << 20),
            ("memory", "memory.soft_limit_in_bytes", 32 << 20),
            ("memory", "memory.swappiness", 7),
            ("cpu", "cpu.shares", 512), ("cpu", "cpu.cfs_quota_us", 40000),
            ("cpu", "cpu.cfs_period_us", 50000), ("cpu", "cpu.cfs_burst_us", 10000),
            ("cpuset", "cpuset.cpus", 0), ("pids", "pids.max", 77)):
        folder = folder_of(pid, controller)
        assert "/strata-relative/" in str(folder)
        assert int((folder / file).read_text()) == value, file
    # What engines read without a limit being set.
    assert folder_of(pid, "blkio") != ROOT / "blkio"
    for controller in ROOT.glob("*/strata-relative"):
        runtime("delete", "--force", runtime.ids[0])
        controller.rmdir()


def test_huge_pages(runtime, rootfs):  # noqa: F811
    if not (ROOT / "hugetlb/cgroup.procs").exists() and "hugetlb" not in (
            ROOT / "unified/cgroup.controllers").read_text():
        pytest.skip("no controller of huge pages")
    v1 = (ROOT / "hugetlb/cgroup.procs").exists()
    pid = box(runtime, rootfs, {"hugepageLimits": [{"pageSize": "2MB", "limit": 4 << 20}]})
    folder = folder_of(pid, "hugetlb" if v1 else "unified")
    assert int((folder / ("hugetlb.2MB." + ("limit_in_bytes" if v1 else "max"))).read_text()) == 4 << 20


def test_root_of_a_user_namespace_sets_no_device_rules(runtime, rootfs):  # noqa: F811
    """Neither can it, nor has it to: nobody makes device nodes there."""
    name = runtime.new_id()
    bundle = runtime.bundle(rootfs, "true")
    config = bundle.config
    config["mounts"] = [m for m in config["mounts"]
                        if m["type"] not in ("cgroup", "sysfs", "devpts")]
    config["linux"]["namespaces"] = [
        {"type": t} for t in ("user", "mount", "pid", "ipc", "uts")]
    config["linux"]["uidMappings"] = config["linux"]["gidMappings"] = [
        {"containerID": 0, "hostID": 0, "size": 1}]
    bundle.save()
    done = subprocess.run(["unshare", "-Urmpf", "--mount-proc", *runtime.argv, "run", "--bundle",
                           bundle.path, name], text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    assert done.returncode == 0, done.stdout
