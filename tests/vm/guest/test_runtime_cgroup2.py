# SPDX-License-Identifier: Apache-2.0
"""test_runtime_cgroup2.py - strata-runtime on cgroup v2: limits of config.json, devices, both
drivers, delegation, freezing and running out of memory.

Every start costs half a second here: a test looks at as much as it can of one container.
"""

import json
import os
import subprocess
import uuid
from pathlib import Path

import pytest

from conftest import wait_until
from test_runtime import rootfs, runtime  # noqa: F401
from test_runtime_verbs import box, people  # noqa: F401
from test_systemd import session, session_user  # noqa: F401

ROOT = Path("/sys/fs/cgroup")
KMSG = {"major": 1, "minor": 11}


def cgroup_of(state):
    line = Path(f"/proc/{state['pid']}/cgroup").read_text().strip()
    assert line.startswith("0::/"), line
    return Path(f"{ROOT}{line[3:]}")


def bundle_of(runtime, rootfs, args, name, resources, path, change):
    bundle = runtime.bundle(rootfs, *args)
    linux = bundle.config["linux"]
    linux["resources"] = {"devices": [{"allow": False, "access": "rwm"}], **(resources or {})}
    if path:
        linux["cgroupsPath"] = path.replace("ID", name)
    if change:
        change(bundle.config)
    return bundle.save()


class Box:
    """A running container of busybox with these resources."""

    def __init__(self, runtime, rootfs, *args, resources=None, path=None, change=None, driver=()):
        self.runtime, self.driver = runtime, driver
        self.name = runtime.new_id()
        bundle = bundle_of(runtime, rootfs, args or ("sleep", "1000"), self.name, resources, path,
                           change)
        runtime(*driver, "run", "--detach", "--bundle", bundle.path, self.name)
        self.state = runtime.state(self.name)
        self.folder = cgroup_of(self.state)

    def read(self, name):
        return (self.folder / name).read_text().strip()


def output_of(runtime, rootfs, script, **kw):
    """What a shell script prints that runs as a container's only process."""
    name = runtime.new_id()
    bundle = bundle_of(runtime, rootfs, ("sh", "-c", script), name, kw.get("resources"),
                       kw.get("path"), kw.get("change"))
    return runtime("run", "--bundle", bundle.path, name, check=kw.get("check", True))


def show(unit, *properties, argv=("systemctl",)):
    done = subprocess.run([*argv, "show", *[f"-p{p}" for p in properties], unit], check=True,
                          text=True, stdout=subprocess.PIPE)
    return dict(line.split("=", 1) for line in done.stdout.splitlines())


def test_criu_works_on_this_kernel():
    """What checkpoint and restore stand on; Debian 12's criu does not work on newer kernels."""
    done = subprocess.run(["criu", "check"], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout


def test_limits_of_config_json(runtime, rootfs):  # noqa: F811
    device = os.stat("/dev/vda").st_rdev
    major, minor = os.major(device), os.minor(device)
    box = Box(runtime, rootfs, path="/strata-vm/deep/ID", resources={
        "memory": {"limit": 64 << 20, "swap": 96 << 20, "reservation": 32 << 20},
        "cpu": {"shares": 2048, "quota": 40000, "period": 50000, "burst": 30000, "cpus": "1"},
        "pids": {"limit": 77},
        "blockIO": {"throttleWriteBpsDevice": [{"major": major, "minor": minor, "rate": 1048576}]},
        "hugepageLimits": [{"pageSize": "2MB", "limit": 4 << 20}],
        "unified": {"memory.high": str(60 << 20)},
    })
    assert box.folder == ROOT / "strata-vm/deep" / box.name
    assert box.read("memory.max") == str(64 << 20)
    assert box.read("memory.swap.max") == str(32 << 20)
    assert box.read("memory.low") == str(32 << 20)
    assert box.read("memory.high") == str(60 << 20)
    assert box.read("cpu.weight") == "174"
    assert box.read("cpu.max") == "40000 50000"
    assert box.read("cpu.max.burst") == "30000"
    assert box.read("cpuset.cpus") == "1"
    assert box.read("pids.max") == "77"
    assert f"{major}:{minor} rbps=max wbps=1048576" in box.read("io.max")
    assert box.read("hugetlb.2MB.max") == str(4 << 20)


def test_idle(runtime, rootfs):  # noqa: F811
    box = Box(runtime, rootfs, resources={"cpu": {"shares": 512, "idle": 1}})
    assert box.read("cpu.idle") == "1"


def test_update_pause_and_exec(runtime, rootfs):  # noqa: F811
    box = Box(runtime, rootfs, resources={"memory": {"limit": 64 << 20, "swap": 64 << 20},
                                          "cpu": {"quota": 20000, "period": 100000}})
    runtime("update", "--memory", 96 << 20, "--memory-swap", 128 << 20, "--cpu-quota", 5000,
            "--cpu-period", 10000, "--cpu-burst", 4000, "--cpu-share", 512, "--pids-limit", 44,
            "--cpuset-cpus", "0", box.name)
    assert box.read("memory.max") == str(96 << 20)
    assert box.read("memory.swap.max") == str(32 << 20)
    assert box.read("cpu.max") == "5000 10000"
    assert box.read("cpu.max.burst") == "4000"
    assert box.read("pids.max") == "44"
    assert box.read("cpuset.cpus") == "0"
    runtime("update", "--memory", "-1", "--pids-limit", "-1", "--cpu-quota", "-1", "--cpu-idle", "1",
            "--cpu-burst", "0", box.name)
    assert (box.read("memory.max"), box.read("memory.swap.max")) == ("max", "max")
    assert (box.read("pids.max"), box.read("cpu.max")) == ("max", "max 10000")
    assert box.read("cpu.idle") == "1"
    runtime("pause", box.name)
    assert "frozen 1" in box.read("cgroup.events")
    assert runtime.state(box.name)["status"] == "paused"
    runtime("resume", box.name)
    assert "frozen 0" in box.read("cgroup.events")
    runtime("exec", "--detach", box.name, "sleep", "1000")
    assert len(box.read("cgroup.procs").split()) == 2


def test_running_out_of_memory_is_an_event(runtime, rootfs):  # noqa: F811
    box = Box(runtime, rootfs, resources={"memory": {"limit": 24 << 20, "swap": 24 << 20}})
    with subprocess.Popen([*runtime.argv, "events", box.name], text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE) as follower:
        try:
            first = json.loads(follower.stdout.readline())  # it listens
            assert first["type"] == "stats" and first["data"]["memory"]["usage"]["limit"] == 24 << 20
            runtime("exec", box.name, "sh", "-c", "x=0123456789abcdef; while :; do x=$x$x; done",
                    check=False)
            kinds = (json.loads(line)["type"] for line in follower.stdout)
            assert next(kind for kind in kinds if kind != "stats") == "oom"
        finally:
            follower.kill()
    assert runtime.state(box.name)["status"] == "running"


@pytest.mark.parametrize("resources,reason", [
    ({"network": {"classID": 7}}, "network.classID exists on cgroup v1 only"),
    ({"memory": {"swappiness": 10}}, "memory.swappiness exists on cgroup v1 only"),
    ({"cpu": {"realtimeRuntime": 1000}}, "cpu.realtimeRuntime exists on cgroup v1 only"),
    ({"unified": {"nothing.max": "1"}}, "cannot set 'nothing.max=1'"),
], ids=["network", "swappiness", "realtime", "unified"])
def test_what_v2_has_not_is_refused(runtime, rootfs, resources, reason):  # noqa: F811
    name = runtime.new_id()
    bundle = bundle_of(runtime, rootfs, ("true",), name, resources, None, None)
    assert reason in runtime.fail("run", "--bundle", bundle.path, name)


def test_devices(runtime, rootfs):  # noqa: F811
    """Nodes may be made; what they stand for is only used by those who were allowed to."""
    script = ("mknod /dev/k c 1 11; (head -c1 /dev/k >/dev/null) 2>&1; head -c3 /dev/zero | wc -c")
    caps = ["CAP_MKNOD", "CAP_SYSLOG"]

    def change(config):
        config["root"]["readonly"] = False
        for kind in ("bounding", "effective", "permitted"):
            config["process"]["capabilities"][kind] = caps

    refused = output_of(runtime, rootfs, script, change=change)
    assert "not permitted" in refused.stdout and refused.stdout.splitlines()[-1] == "3"
    allowed = output_of(runtime, rootfs, script, change=change, resources={"devices": [
        {"allow": False, "access": "rwm"}, {"allow": True, "type": "c", "access": "r", **KMSG}]})
    assert allowed.stdout.split() == ["3"], allowed.stdout + allowed.stderr


def test_a_cgroup_in_use_and_a_frozen_one(runtime, rootfs):  # noqa: F811
    box = Box(runtime, rootfs, path="/strata-vm/ID")
    second = runtime.new_id()
    bundle = bundle_of(runtime, rootfs, ("true",), second, None, f"/strata-vm/{box.name}", None)
    assert "is in use" in runtime.fail("run", "--bundle", bundle.path, second)
    assert box.read("cgroup.procs") == str(box.state["pid"])
    frozen = ROOT / "strata-vm/frozen"
    frozen.mkdir()
    try:
        (frozen / "cgroup.freeze").write_text("1")
        bundle = bundle_of(runtime, rootfs, ("true",), second, None, "/strata-vm/frozen/ID", None)
        assert "is frozen" in runtime.fail("run", "--bundle", bundle.path, second)
    finally:
        frozen.rmdir()


def test_a_parent_with_processes(runtime, rootfs):  # noqa: F811
    """It may hand no controllers down: no limit can be held below it."""
    busy = ROOT / "strata-vm/busy"
    busy.mkdir(parents=True, exist_ok=True)
    sleeper = subprocess.Popen(["sleep", "1000"])
    try:
        (busy / "cgroup.procs").write_text(str(sleeper.pid))
        name = runtime.new_id()
        bundle = bundle_of(runtime, rootfs, ("true",), name, {"memory": {"limit": 64 << 20}},
                           "/strata-vm/busy/ID", None)
        assert "cgroup /strata-vm/busy has processes" in runtime.fail(
            "run", "--bundle", bundle.path, name)
    finally:
        sleeper.kill()
        sleeper.wait()
        busy.rmdir()


def test_running_out_of_memory(runtime, rootfs):  # noqa: F811
    script = "x=0123456789abcdef; while :; do x=$x$x; done"
    done = output_of(runtime, rootfs, script, check=False,
                     resources={"memory": {"limit": 16 << 20, "swap": 16 << 20}})
    assert done.returncode == 137


def test_systemd_driver(runtime, rootfs):  # noqa: F811
    def change(config):
        config["annotations"] = {"org.systemd.property.TimeoutStopSec": "7"}

    box = Box(runtime, rootfs, path="strata-vm.slice:test:ID", driver=["--systemd-cgroup"],
              change=change, resources={
                  "memory": {"limit": 64 << 20, "swap": 96 << 20, "reservation": 32 << 20},
                  "cpu": {"shares": 2048, "quota": 40000, "period": 50000, "cpus": "1"},
                  "pids": {"limit": 77}, "unified": {"memory.high": str(60 << 20)}})
    unit = f"test-{box.name}.scope"
    assert box.folder == ROOT / "strata.slice/strata-vm.slice" / unit
    # systemd does what it was told, and keeps to it.
    subprocess.run(["systemctl", "daemon-reload"], check=True)
    assert box.read("memory.max") == str(64 << 20)
    assert box.read("memory.swap.max") == str(32 << 20)
    assert box.read("memory.high") == str(60 << 20)
    assert box.read("cpu.max") == "40000 50000"
    assert box.read("pids.max") == "77"
    assert show(unit, "MemoryMax", "MemorySwapMax", "MemoryLow", "MemoryHigh", "CPUWeight",
                "CPUQuotaPerSecUSec", "CPUQuotaPeriodUSec", "TasksMax", "AllowedCPUs", "Slice",
                "Delegate", "DefaultDependencies", "TimeoutStopUSec", "ActiveState") == {
        "MemoryMax": str(64 << 20), "MemorySwapMax": str(32 << 20), "MemoryLow": str(32 << 20),
        "MemoryHigh": str(60 << 20), "CPUWeight": "174", "CPUQuotaPerSecUSec": "800ms",
        "CPUQuotaPeriodUSec": "50ms", "TasksMax": "77", "AllowedCPUs": "1",
        "Slice": "strata-vm.slice", "Delegate": "yes", "DefaultDependencies": "no",
        "TimeoutStopUSec": "7s", "ActiveState": "active"}
    runtime("update", "--memory", 80 << 20, "--memory-swap", 80 << 20, "--cpu-quota", "-1",
            "--pids-limit", "-1", box.name)
    subprocess.run(["systemctl", "daemon-reload"], check=True)
    assert (box.read("memory.max"), box.read("memory.swap.max")) == (str(80 << 20), "0")
    assert (box.read("cpu.max").split()[0], box.read("pids.max")) == ("max", "max")
    assert show(unit, "MemoryMax", "TasksMax") == {"MemoryMax": str(80 << 20), "TasksMax": "infinity"}
    runtime("delete", "--force", box.name)
    assert not box.folder.exists()
    assert show(unit, "LoadState") == {"LoadState": "not-found"}


def test_systemd_driver_refuses_what_is_no_scope(runtime, rootfs):  # noqa: F811
    name = runtime.new_id()
    for path, reason in (("/a/b", "SLICE:PREFIX:NAME"), ("a--b.slice:x:y", "not the name of a slice"),
                         ("a.slice:x:y.slice", "not that of a scope")):
        bundle = bundle_of(runtime, rootfs, ("true",), name, None, path, None)
        assert reason in runtime.fail("--systemd-cgroup", "run", "--bundle", bundle.path, name)


def test_an_annotation_that_systemd_refuses(runtime, rootfs):  # noqa: F811
    name = runtime.new_id()
    bundle = bundle_of(runtime, rootfs, ("true",), name, None, "system.slice:test:ID",
                       lambda c: c.update(annotations={"org.systemd.property.NoSuch": "1"}))
    assert "NoSuch" in runtime.fail("--systemd-cgroup", "run", "--bundle", bundle.path, name)
    assert show(f"test-{name}.scope", "LoadState") == {"LoadState": "not-found"}


def test_a_container_divides_its_cgroup(runtime, rootfs):  # noqa: F811
    """Its own root, who is nobody outside, makes cgroups below and moves itself."""
    def change(config):
        linux = config["linux"]
        linux["namespaces"] += [{"type": "user"}]
        if not any(n["type"] == "cgroup" for n in linux["namespaces"]):
            linux["namespaces"] += [{"type": "cgroup"}]
        linux["uidMappings"] = linux["gidMappings"] = [
            {"containerID": 0, "hostID": 300000, "size": 1000}]
        for mount in config["mounts"]:
            if mount["type"] == "cgroup":
                mount["options"].remove("ro")

    script = "mkdir /sys/fs/cgroup/in && echo 0 >/sys/fs/cgroup/in/cgroup.procs && cat /proc/self/cgroup"
    os.chmod(runtime.tmp, 0o755)
    for parent in Path(rootfs).parents:
        os.chmod(parent, parent.stat().st_mode | 0o755)
    assert output_of(runtime, rootfs, script, change=change).stdout == "0::/in\n"


@pytest.mark.parametrize("prefix", [(), ("unshare", "--map-root-user", "--mount")],
                         ids=["user", "root-of-a-user-namespace"])
def test_a_users_container_at_their_systemd(session, runtime, rootfs, prefix):  # noqa: F811
    """Rootless, with the user's own manager: a scope below user@.service, limits and all. podman
    starts its runtime as root of a user namespace."""
    name = f"strata-test-{uuid.uuid4().hex[:12]}"
    home = Path(session.user.home)
    bundle = home / name
    bundle.mkdir()
    os.chown(bundle, session.user.uid, session.user.gid)
    for parent in Path(rootfs).parents:
        os.chmod(parent, parent.stat().st_mode | 0o755)
    argv = [*prefix, runtime.argv[0], "--systemd-cgroup", "--root", str(home / "runtime")]

    def run(*words):
        # Through a file: what stays keeps its standard streams, and a pipe would never end.
        with open(home / "out", "w+") as out:
            done = subprocess.run([*argv, *words], stdout=out, stderr=out, timeout=60,
                                  stdin=subprocess.DEVNULL, env=session.env(),
                                  **session._as_user())
            out.seek(0)
            text = out.read()
        assert done.returncode == 0, text
        return text

    run("spec", "--rootless", "--bundle", bundle)
    config = json.loads((bundle / "config.json").read_text())
    config["process"] |= {"terminal": False, "args": ["sleep", "1000"]}
    config["root"]["path"] = str(rootfs)
    config["linux"]["cgroupsPath"] = f"user.slice:test:{name}"
    config["linux"]["resources"] = {"memory": {"limit": 48 << 20}, "pids": {"limit": 33}}
    (bundle / "config.json").write_text(json.dumps(config))
    run("run", "--detach", "--bundle", bundle, name)
    folder = cgroup_of(json.loads(run("state", name)))
    uid = session.user.uid
    assert folder == (ROOT / f"user.slice/user-{uid}.slice/user@{uid}.service/user.slice"
                      / f"test-{name}.scope")
    assert (folder / "memory.max").read_text().strip() == str(48 << 20)
    assert (folder / "pids.max").read_text().strip() == "33"
    if not prefix:
        # From outside the user's tree: their systemd moves what is to run inside.
        run("exec", "--detach", name, "sleep", "1000")
        assert len((folder / "cgroup.procs").read_text().split()) == 2
    run("delete", "--force", name)
    wait_until(lambda: not folder.exists())


def test_exec_where_the_cgroup_is_divided(runtime, box):  # noqa: F811
    """It alone refuses processes in a cgroup that hands controllers on."""
    state = runtime.state(box)
    top = cgroup_of(state)
    (top / "init").mkdir()
    (top / "init/cgroup.procs").write_text(str(state["pid"]))
    (top / "cgroup.subtree_control").write_text("+pids")
    assert runtime("exec", box, "cat", "/proc/self/cgroup").stdout.strip().endswith("/init")
