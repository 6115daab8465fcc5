# SPDX-License-Identifier: Apache-2.0
"""test_runtime_process.py - what config.json says of the process, as the process finds it."""

import contextlib
import errno
import fcntl
import json
import os
import select
import socket
import struct
import subprocess
import threading
from pathlib import Path

import pytest

from program import wait_until
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
    assert '"domainname" says another one' in refused(
        "true", linux={"sysctl": {"kernel.domainname": "a"}}, top={"domainname": "b"})
    assert run("cat", "/proc/sys/kernel/domainname", linux={"sysctl": {"kernel.domainname": "b"}},
               top={"domainname": "b"}) == "b\n"
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
    assert "selinuxLabel" in (error := refused("true", selinuxLabel="a:b:c:d"))
    assert "SELinux is not enabled on this host" in error
    assert "mountLabel" in refused("true", linux={"mountLabel": "a:b:c:d"})


# --- namespaces that are joined ------------------------------------------------------------------


@pytest.fixture
def in_namespaces(runtime, rootfs):
    """Run a command in these namespaces: {type: path or None}; its new user namespace is mapped."""
    def call(namespaces, *args, verb=("run",), name=None):
        bundle = make(runtime, rootfs, *args)
        mapped = [{"containerID": 0, "hostID": 100000, "size": 65536}]
        listed = {"mount": None, "pid": None} | namespaces
        bundle.config["linux"]["namespaces"] = [
            {"type": kind} | ({"path": str(path)} if path else {}) for kind, path in listed.items()]
        if listed.get("user", "joined") is None:
            bundle.config["linux"] |= {"uidMappings": mapped, "gidMappings": mapped}
        bundle.config["hostname"] = ""
        bundle.config["mounts"] = [{"destination": "/proc", "type": "proc", "source": "proc"},
                                   {"destination": "/dev", "type": "tmpfs", "source": "tmpfs"}]
        bundle.save()
        return runtime(*verb, "--bundle", bundle.path, name or runtime.new_id()).stdout.split()
    return call


def namespace_of(pid, kind):
    return os.readlink(f"/proc/{pid}/ns/{kind}")


def test_namespaces_of_several_owners(runtime, in_namespaces):
    """What belongs to the host's user namespace, and what to the one that is new or joined."""
    name = runtime.new_id()
    in_namespaces({"user": None, "network": None, "ipc": None}, "sleep", "1000",
                  verb=("run", "--detach"), name=name)
    first = runtime.state(name)["pid"]
    hosts = subprocess.Popen(["unshare", "--net", "--ipc", "sleep", "1000"])
    try:
        wait_until(lambda: namespace_of(hosts.pid, "net") != namespace_of("self", "net"))
        for user in (None, f"/proc/{first}/ns/user"):
            assert in_namespaces({"user": user, "network": f"/proc/{hosts.pid}/ns/net",
                                  "ipc": f"/proc/{hosts.pid}/ns/ipc"},
                                 "sh", "-c", "readlink /proc/self/ns/net; readlink /proc/self/ns/ipc") \
                == [namespace_of(hosts.pid, "net"), namespace_of(hosts.pid, "ipc")]
        assert in_namespaces({"user": f"/proc/{first}/ns/user", "time": None,
                              "network": f"/proc/{first}/ns/net"},
                             "sh", "-c", "readlink /proc/self/ns/user; readlink /proc/self/ns/net; "
                             "readlink /proc/self/ns/time")[:2] \
            == [namespace_of(first, "user"), namespace_of(first, "net")]
    finally:
        hosts.kill()
        hosts.wait()
        runtime("delete", "--force", name)


# --- seccomp ------------------------------------------------------------------------------------

RECV, SEND = 0xC0502100, 0xC0182101  # SECCOMP_IOCTL_NOTIF_*: struct seccomp_notif, _resp
CONTINUE = 1  # SECCOMP_USER_NOTIF_FLAG_CONTINUE
MKDIR = 83


class Agent:
    """Answers system calls for a container: the calls of `answers` with an error, others go on."""

    def __init__(self, path, answers):
        self.answers = answers
        self.states = []
        self.calls = []
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(path))
        self.socket.listen()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            connection, _ = self.socket.accept()
            text, fds, _, _ = socket.recv_fds(connection, 65536, 4)
            while more := connection.recv(65536):
                text += more
            connection.close()
            self.states.append((json.loads(text), len(fds)))
            threading.Thread(target=self.answer, args=fds, daemon=True).start()

    def answer(self, fd):
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        while poll.poll()[0][1] & select.POLLIN:
            call = bytearray(80)
            try:
                fcntl.ioctl(fd, RECV, call)
            except OSError:
                continue  # it was interrupted
            notification, _, _, number = struct.unpack_from("QIIi", call)
            self.calls.append(number)
            error = self.answers.get(number)
            with contextlib.suppress(OSError):
                fcntl.ioctl(fd, SEND, struct.pack("QqiI", notification, 0, -error if error else 0,
                                                  0 if error else CONTINUE))
        os.close(fd)


@pytest.fixture
def agent(tmp_path):
    def start(answers):
        return Agent(tmp_path / "agent", answers)
    return start


@pytest.mark.parametrize("no_new_privileges", [True, False])
def test_an_agent_answers_system_calls(run, agent, tmp_path, no_new_privileges):
    it = agent({MKDIR: errno.EXDEV})
    seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": str(tmp_path / "agent"),
               "listenerMetadata": "for you",
               "syscalls": [{"names": ["mkdir", "getcwd"], "action": "SCMP_ACT_NOTIFY"}]}
    out = run("sh", "-c", "mkdir /tmp/x 2>&1; echo $$; pwd", linux={"seccomp": seccomp},
              top={"annotations": {"a": "b"}}, noNewPrivileges=no_new_privileges)
    assert "Invalid cross-device link" in out or "Cross-device link" in out, out
    (state, descriptors), = it.states
    assert descriptors == 1
    assert state["fds"] == ["seccompFd"]
    assert state["metadata"] == "for you"
    assert state["pid"] == state["state"]["pid"] > 1
    assert state["state"]["status"] == "created"
    assert state["state"]["id"].startswith("strata-test-")
    assert Path(state["state"]["bundle"], "config.json").exists()
    assert state["state"]["annotations"] == {"a": "b"}
    assert MKDIR in it.calls


def test_an_agent_of_a_container_that_is_created_first(runtime, rootfs, agent, tmp_path):
    it = agent({MKDIR: errno.EXDEV})
    seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": str(tmp_path / "agent"),
               "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}]}
    bundle = make(runtime, rootfs, "sh", "-c", "mkdir /tmp/x; sleep 100",
                  linux={"seccomp": seccomp})
    name = runtime.new_id()
    runtime("create", "--bundle", bundle.path, name)
    assert not it.states
    runtime("start", name)
    wait_until(lambda: MKDIR in it.calls, what="the agent is asked")
    assert it.states[0][0]["state"]["id"] == name
    runtime("delete", "--force", name)


def test_every_call_may_be_the_agents(run, agent, tmp_path):
    """Also those with which the runtime itself would send the descriptor."""
    it = agent({})
    seccomp = {"defaultAction": "SCMP_ACT_NOTIFY", "listenerPath": str(tmp_path / "agent")}
    assert run("echo", "here", linux={"seccomp": seccomp}) == "here\n"
    assert len(it.states) == 1
    assert 59 in it.calls  # execve
    # Who may not send is sent for.
    (tmp_path / "agent").unlink()
    it = agent({})
    seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": str(tmp_path / "agent"),
               "syscalls": [{"names": ["sendmsg", "clone", "nanosleep", "futex"],
                             "action": "SCMP_ACT_ERRNO"},
                            {"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}]}
    run("mkdir", "/dev/shm/sent", linux={"seccomp": seccomp})
    assert it.calls == [MKDIR]


def test_an_agent_that_is_not_there(refused, tmp_path):
    seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": str(tmp_path / "agent"),
               "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}]}
    assert "listenerPath: cannot open" in refused("true", linux={"seccomp": seccomp})
    (tmp_path / "agent").write_text("")
    assert "is not a socket" in refused("true", linux={"seccomp": seccomp})
    (tmp_path / "agent").unlink()
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(tmp_path / "agent"))
        error = refused("true", linux={"seccomp": seccomp})
        assert "cannot connect to the seccomp agent" in error


def test_a_profile_that_is_wrong_is_named(refused):
    seccomp = {"defaultAction": "SCMP_ACT_ALLOW",
               "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"},
                            {"names": ["mkdir"], "action": "SCMP_ACT_ERRNO",
                             "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_OTTER"}]}]}
    assert "syscalls[1].args[0]: unknown comparison 'SCMP_CMP_OTTER'" in refused(
        "true", linux={"seccomp": seccomp})


def test_capabilities_that_cannot_be_granted_are_warned_of(runtime, rootfs):
    with open("/proc/self/status") as status:
        held = int(next(line for line in status if line.startswith("CapPrm")).split()[1], 16)
    if held >> 24 & 1:
        pytest.skip("there is none that this root lacks (CAP_SYS_RESOURCE)")
    sets = {name: ["CAP_SYS_RESOURCE", "CAP_KILL"] for name in
            ("bounding", "permitted", "effective", "inheritable", "ambient")}
    sets["ambient"].append("CAP_CHOWN")
    bundle = make(runtime, rootfs, "true", capabilities=sets)
    done = runtime("run", "--bundle", bundle.path, runtime.new_id())
    assert "CAP_SYS_RESOURCE cannot be granted" in done.stderr
    assert "CAP_CHOWN" not in done.stderr, "no runtime speaks of those that are not inheritable"
    assert "CAP_KILL" not in done.stderr


def test_intel_rdt_where_there_is_none(refused):
    if Path("/sys/fs/resctrl/schemata").exists():
        pytest.skip("this host has resctrl")
    assert "no resctrl file system is mounted" in refused("true", linux={"intelRdt": {}})


# --- network devices ----------------------------------------------------------------------------


def with_devices(runtime, bundle, prepare, check=True):
    """Run it in a network namespace of its own, in which `prepare` has made interfaces."""
    command = " ".join([*runtime.argv, "run", "--bundle", str(bundle.path), runtime.new_id()])
    done = subprocess.run(["unshare", "-n", "sh", "-ec", f"{prepare}\n{command}"], text=True,
                          capture_output=True, timeout=60)
    if check:
        assert done.returncode == 0, done.stderr
    return done


VETH = """ip link add here type veth peer name there
ip address add 192.0.2.1/24 dev here
ip -6 address add 2001:db8::1/64 dev here
ip address add 192.0.2.7/24 dev here valid_lft 1000 preferred_lft 1000
"""


def test_network_devices_move_in(runtime, rootfs):
    show = "ip address show dev inner; ls /sys/class/net"
    bundle = make(runtime, rootfs, "sh", "-c", show,
                  linux={"netDevices": {"here": {"name": "inner"}, "there": {"name": "eth%d"}}})
    out = with_devices(runtime, bundle, VETH).stdout
    assert "inet 192.0.2.1/24" in out
    assert "inet6 2001:db8::1/64" in out
    assert "192.0.2.7" not in out  # not permanent
    assert "UP" in out.splitlines()[0]
    assert out.split()[-3:] == ["eth0", "inner", "lo"]


def test_network_devices_that_cannot_move(runtime, rootfs):
    def error(**devices):
        bundle = make(runtime, rootfs, "true", linux={"netDevices": devices})
        done = with_devices(runtime, bundle, VETH, check=False)
        assert done.returncode == 1
        return done.stderr

    assert "there is no interface missing" in error(missing={})
    assert "cannot move here into the container as lo: File exists" in error(here={"name": "lo"})
    shared = {"namespaces": [{"type": "mount"}, {"type": "uts"}], "netDevices": {"here": {}}}
    bundle = make(runtime, rootfs, "true", linux=shared)
    assert "needs a network namespace" in with_devices(runtime, bundle, VETH, check=False).stderr


def test_environment_has_each_name_once(run):
    env = ["PATH=/bin", "ONE=1", "HOME=", "TWO=a", "ONE=2", "TWO=", "ONE=3=3"]
    assert sorted(run("env", env=env).splitlines()) == ["HOME=/", "ONE=3=3", "PATH=/bin", "TWO="]
    env = ["PATH=/bin", "HOME=", "HOME=/here"]
    assert run("sh", "-c", "echo $HOME", env=env) == "/here\n"


def test_working_directory_of_another_user(run, rootfs):
    """Root without CAP_DAC_OVERRIDE, and a user who may not: both get in."""
    directory = rootfs / "private"
    directory.mkdir()
    directory.chmod(0o700)
    try:
        for owner, user in ((42, 0), (42, 42), (0, 42)):
            os.chown(directory, owner, owner)
            out = run("pwd", cwd="/private", user={"uid": user, "gid": user}, capabilities={})
            assert out == "/private\n"
    finally:
        directory.rmdir()


def test_all_cpus_whatever_the_engine_has(run):
    cpus = os.sched_getaffinity(0)
    if len(cpus) < 2:
        pytest.skip("one CPU only")
    line = run("grep", "Cpus_allowed:", "/proc/self/status")
    os.sched_setaffinity(0, {min(cpus)})
    try:
        assert run("grep", "Cpus_allowed:", "/proc/self/status") == line
    finally:
        os.sched_setaffinity(0, cpus)


# --- exec ---------------------------------------------------------------------------------------


@pytest.fixture
def running(runtime, rootfs):
    """A container that sleeps, with more of config.json where that is given."""
    def start(**kw):
        name = runtime.new_id()
        runtime("run", "--detach", "--bundle", make(runtime, rootfs, "sleep", "1000", **kw).path,
                name)
        return name
    return start


def execute(runtime, tmp_path, name, *args, check=True, **process):
    file = tmp_path / "process.json"
    file.write_text(json.dumps({"args": args, "cwd": "/", "env": ["PATH=/bin"],
                                "user": {"uid": 0, "gid": 0}} | process))
    return runtime("exec", "--process", file, name, check=check)


def test_exec_has_a_scheduler_of_its_own(runtime, running, tmp_path):
    name = running(scheduler={"policy": "SCHED_IDLE"}, linux={"personality": {"domain": "LINUX32"}})
    out = execute(runtime, tmp_path, name, "sh", "-c", "cat /proc/self/sched; ionice; uname -m",
                  scheduler={"policy": "SCHED_BATCH", "nice": 3},
                  ioPriority={"class": "IOPRIO_CLASS_BE", "priority": 7}).stdout
    assert sched(out, "policy") == "3"
    assert "best-effort: prio 7" in out
    assert out.splitlines()[-1] == "i686"
    out = execute(runtime, tmp_path, name, "cat", "/proc/self/sched").stdout
    assert sched(out, "policy") == "0"


def test_exec_runs_on_its_cpus(runtime, running, tmp_path):
    cpus = sorted(os.sched_getaffinity(0))
    name = running(execCPUAffinity={"final": str(cpus[-1])})  # not the first process's
    allowed = runtime("exec", name, "grep", "Cpus_allowed_list", "/proc/self/status").stdout
    assert allowed.split()[1] == str(cpus[-1])
    first = runtime("exec", name, "grep", "Cpus_allowed_list", "/proc/1/status").stdout
    assert first.split()[1] != str(cpus[-1]) or len(cpus) == 1
    out = execute(runtime, tmp_path, name, "grep", "Cpus_allowed_list", "/proc/self/status",
                  execCPUAffinity={"initial": str(cpus[0])}).stdout
    assert out.split()[1] in (str(cpus[0]), first.split()[1])  # the cpuset may have widened it
    done = execute(runtime, tmp_path, name, "true", check=False,
                   execCPUAffinity={"final": "8000"})
    assert "execCPUAffinity: cannot run on 8000 (final)" in done.stderr


def test_exec_is_told_to_the_agent(runtime, running, agent, tmp_path):
    it = agent({MKDIR: errno.EXDEV})
    seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": str(tmp_path / "agent"),
               "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}]}
    name = running(linux={"seccomp": seccomp})
    done = execute(runtime, tmp_path, name, "mkdir", "/dev/shm/x", check=False)
    assert "ross-device link" in done.stderr
    (first, _), (second, _) = it.states
    assert first["state"]["status"] == "created"
    assert second["state"]["status"] == "running"
    assert second["state"]["pid"] == first["pid"] != second["pid"]
    assert second["state"]["id"] == name


def test_exec_sets_no_kernel_values(runtime, running):
    """They are set once, in the container's namespaces: exec is not in them at first."""
    path = Path("/proc/sys/net/ipv4/ip_default_ttl")
    before = path.read_text()
    name = running(linux={"sysctl": {"net.ipv4.ip_default_ttl": "77"}})
    assert runtime("exec", name, "cat", str(path)).stdout == "77\n"
    assert path.read_text() == before


def test_the_program_of_exec_cannot_be_written(runtime, running):
    name = running()
    process = subprocess.Popen([*runtime.argv, "exec", name, "cat"], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE)
    process.stdin.write(b"here\n")
    process.stdin.flush()
    assert process.stdout.readline() == b"here\n"
    with open(f"/proc/{process.pid}/exe", "rb") as program:
        process.stdin.close()
        process.wait()
        assert os.readlink(f"/proc/self/fd/{program.fileno()}").startswith("/memfd:strata")
        with pytest.raises(OSError) as refused:
            os.write(os.open(f"/proc/self/fd/{program.fileno()}", os.O_WRONLY), b"x")
    assert refused.value.errno == errno.EPERM
