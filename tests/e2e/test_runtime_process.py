# SPDX-License-Identifier: Apache-2.0
"""test_runtime_process.py - what config.json says of the process, as the process finds it."""

from pathlib import Path

import pytest

from test_runtime import rootfs, runtime  # noqa: F401 (fixtures)

pytestmark = [pytest.mark.needs_root]

NAMESPACES = ["mount", "pid", "network", "ipc", "uts"]


def make(runtime, rootfs, *args, linux=None, top=None, **process):
    bundle = runtime.bundle(rootfs, *args, **process)
    bundle.config["linux"] |= {"namespaces": [{"type": n} for n in NAMESPACES]} | (linux or {})
    bundle.config |= top or {}
    return bundle.save()


@pytest.fixture
def run(runtime, rootfs):
    def call(*args, **kw):
        return runtime("run", "--bundle", make(runtime, rootfs, *args, **kw).path,
                       runtime.new_id()).stdout
    return call


@pytest.fixture
def refused(runtime, rootfs):
    def call(*args, **kw):
        return runtime.fail("run", "--bundle", make(runtime, rootfs, *args, **kw).path,
                            runtime.new_id())
    return call


def sched(text, field):
    """A line of /proc/PID/sched."""
    return next(line.split(":")[1].strip() for line in text.splitlines() if line.startswith(field))


def test_scheduler(run, refused):
    out = run("cat", "/proc/self/sched", scheduler={"policy": "SCHED_BATCH", "nice": 7})
    assert sched(out, "policy") == "3"
    assert sched(out, "prio") == "127"
    out = run("cat", "/proc/self/sched", scheduler={"policy": "SCHED_FIFO", "priority": 12})
    assert sched(out, "policy") == "1"
    assert sched(out, "prio") == str(99 - 12)
    error = refused("true", scheduler={"policy": "SCHED_RR", "priority": 200})
    assert "process.scheduler: cannot set SCHED_RR, nice 0, priority 200" in error


def test_scheduler_is_reset_on_fork(run):
    out = run("sh", "-c", "cat /proc/self/sched; true",
              scheduler={"policy": "SCHED_FIFO", "priority": 5, "flags": ["SCHED_FLAG_RESET_ON_FORK"]})
    assert sched(out, "policy") == "0"


def test_io_priority(run):
    assert run("ionice", ioPriority={"class": "IOPRIO_CLASS_BE", "priority": 6}) == \
        "best-effort: prio 6\n"
    assert run("ionice", ioPriority={"class": "IOPRIO_CLASS_IDLE", "priority": 0}).startswith("idle")


def test_personality(run):
    assert run("uname", "-m", linux={"personality": {"domain": "LINUX32"}}) == "i686\n"
    assert run("uname", "-m", linux={"personality": {"domain": "LINUX"}}) == "x86_64\n"


def test_time_offsets(run):
    offsets = {"boottime": {"secs": 100000000, "nanosecs": 500000000}, "monotonic": {"secs": 5}}
    namespaces = [{"type": n} for n in [*NAMESPACES, "time"]]
    out = run("cat", "/proc/uptime", "/proc/self/timens_offsets",
              linux={"namespaces": namespaces, "timeOffsets": offsets})
    assert float(out.split()[0]) > 100000000
    lines = [line.split() for line in out.splitlines()[1:]]
    assert ["monotonic", "5", "0"] in lines
    assert ["boottime", "100000000", "500000000"] in lines


def test_sysctl(run, refused):
    assert run("cat", "/proc/sys/net/ipv4/ip_default_ttl",
               linux={"sysctl": {"net.ipv4.ip_default_ttl": "77"}}) == "77\n"
    assert "not kept per container" in refused("true", linux={"sysctl": {"vm.swappiness": "1"}})
    error = refused("true", linux={"sysctl": {"net.core.somaxconn": "1"},
                                   "namespaces": [{"type": n} for n in ("mount", "pid", "uts")]})
    assert "whose net namespace" in error


def test_names(run, refused):
    assert run("sh", "-c", "hostname; cat /proc/sys/kernel/domainname",
               top={"hostname": "otter", "domainname": "river.example"}) == \
        "otter\nriver.example\n"
    shared = {"namespaces": [{"type": "mount"}]}
    assert "hostname needs a uts namespace" in refused("true", linux=shared,
                                                       top={"hostname": "otter"})


def test_user_and_umask(run):
    out = run("sh", "-c", "id -u; id -g; id -G; umask",
              user={"uid": 7, "gid": 8, "umask": 0o27, "additionalGids": [9, 10]})
    assert out.splitlines() == ["7", "8", "8 9 10", "0027"]


def test_capabilities(run):
    sets = {"bounding": ["CAP_KILL", "CAP_CHOWN"], "permitted": ["CAP_KILL"],
            "effective": ["CAP_KILL"], "inheritable": ["CAP_KILL"], "ambient": ["CAP_KILL"]}
    out = run("grep", "Cap", "/proc/self/status", user={"uid": 7, "gid": 7}, capabilities=sets)
    got = {line.split(":")[0]: int(line.split()[1], 16) for line in out.splitlines()}
    kill = 1 << 5
    assert got == {"CapInh": kill, "CapPrm": kill, "CapEff": kill, "CapBnd": kill | 1,
                   "CapAmb": kill}


def test_unknown_capabilities_are_warned_of(runtime, rootfs):
    bundle = make(runtime, rootfs, "true", capabilities={"bounding": ["CAP_OTTER"]})
    done = runtime("run", "--bundle", bundle.path, runtime.new_id())
    assert 'process.capabilities.bounding: there is no capability "CAP_OTTER"' in done.stderr


def test_limits_and_oom_score(run):
    out = run("sh", "-c", "ulimit -Sc; ulimit -Hc; cat /proc/self/oom_score_adj", oomScoreAdj=123,
              rlimits=[{"type": "RLIMIT_CORE", "soft": 0, "hard": 1048576}])
    assert out.split() == ["0", "2048", "123"]


def test_no_new_privileges(run):
    for wanted in (True, False):
        out = run("grep", "NoNewPrivs", "/proc/self/status", noNewPrivileges=wanted)
        assert out.split()[1] == str(int(wanted))


def test_a_value_that_is_wrong_is_named(refused):
    assert 'process.scheduler: there is no policy "SCHED_OTTER"' in refused(
        "true", scheduler={"policy": "SCHED_OTTER"})
    assert 'process: cwd "tmp" is not absolute' in refused("true", cwd="tmp")


def test_labels_the_host_does_not_know(run, refused):
    if Path("/sys/kernel/security/apparmor").exists():
        pytest.skip("this host has AppArmor")
    assert run("echo", "here", apparmorProfile="unconfined") == "here\n"
    assert run("echo", "here", apparmorProfile="", selinuxLabel="") == "here\n"
    assert "this host has no AppArmor" in refused("true", apparmorProfile="otter")
    assert "SELinux is not enabled on this host" in refused("true", selinuxLabel="a:b:c:d")


@pytest.mark.guest
def test_an_apparmor_profile_is_used(run, refused):
    if not Path("/sys/kernel/security/apparmor").exists():
        pytest.skip("this host has no AppArmor")
    error = refused("true", apparmorProfile="strata-test-missing")
    assert 'cannot use the profile "strata-test-missing" (is it loaded?)' in error
    assert run("cat", "/proc/self/attr/current", apparmorProfile="unconfined") == "unconfined\n"
