# SPDX-License-Identifier: Apache-2.0
"""test_engines_containerd.py - strata-runtime under containerd, driven with ctr."""

import itertools
import json
import time

import pytest

from engines import Containerd, Machine
from program import wait_until

pytestmark = pytest.mark.needs_root
IMAGE = "docker.io/library/busybox:latest"


class Ctr:
    """ctr whose containers are strata's and in the machine's cgroup."""

    def __init__(self, engine, runtime):
        self.engine, self.runtime = engine, runtime
        self._numbers = itertools.count()

    def options(self, name):
        return ["--runc-binary", self.runtime, "--cgroup", f"{self.engine.machine.cgroup}/{name}"]

    def argv(self, *args, options=()):
        name = f"run-{next(self._numbers)}"
        return ["run", "--rm", *self.options(name), *options, IMAGE, name, *args]

    def run(self, *args, **kw):
        return self.engine(*self.argv(*args, **kw))

    def start(self, name, *args, options=()):
        self.engine.ok("run", "-d", *self.options(name), *options, IMAGE, name, *args)

    def pid(self, name):
        for line in self.engine.ok("task", "ls").splitlines():
            if line.split()[0] == name:
                return int(line.split()[1])
        return None

    def status(self, name):
        for line in self.engine.ok("task", "ls").splitlines():
            if line.split()[0] == name:
                return line.split()[2]
        return None


@pytest.fixture(scope="module")
def engine(busybox_archive):
    with Machine("containerd") as machine:
        engine = Containerd(machine).start()
        engine.ok("image", "import", busybox_archive)
        engine.ok("run", "--rm", "--cgroup", machine.cgroup + "/warm", "--runc-binary",
                  "/usr/sbin/runc", IMAGE, "warm", "true")
        machine.remember()
        yield engine


@pytest.fixture
def ctr(engine, runtime):
    yield Ctr(engine, runtime)
    engine.end_processes()
    for name in engine.ok("container", "ls", "-q").split():
        engine("task", "rm", "-f", name)
        engine.ok("container", "rm", name)
    engine.machine.assert_clean()


def test_run(ctr, runtime):
    done = ctr.run("sh", "-c", "echo out; echo err >&2; exit 3")
    assert (done.returncode, done.stdout, done.stderr) == (3, "out\n", "err\n")
    ctr.start("it", "sleep", "100")
    root = ctr.engine.machine.output("find", "/run/containerd", "-name", "it", "-path", "*runc*")
    state = ctr.engine.machine.output(runtime, "--root", root.rsplit("/", 1)[0], "state", "it")
    assert json.loads(state)["pid"] == ctr.pid("it")


def test_the_reason_reaches_the_user(ctr):
    done = ctr.run("no-such-command")
    assert done.returncode != 0 and "no-such-command" in done.stderr


def test_terminal(ctr):
    terminal = ctr.engine.terminal(*ctr.argv("sh", options=["-t"]), rows=33, columns=101)
    terminal.expect("# ")
    terminal.line("tty; stty size")
    terminal.expect(r"/dev/pts/0\r+\n33 101\r+\n")
    terminal.line("exit 5")
    assert terminal.wait() == 5


def test_exec_kill(ctr):
    ctr.start("it", "sh", "-c", "trap 'exit 7' TERM; while :; do sleep 0.1; done")
    done = ctr.engine("task", "exec", "--exec-id", "e", "it", "sh", "-c", "echo $$ >&2; exit 4")
    assert done.returncode == 4 and int(done.stderr) > 1
    ctr.engine.fails("task", "exec", "--exec-id", "e", "it", "no-such-command",
                     saying="no-such-command")
    ctr.engine.ok("task", "exec", "--exec-id", "e", "it", "true")
    ctr.engine.ok("task", "kill", "-s", "TERM", "it")
    wait_until(lambda: ctr.status("it") == "STOPPED")
    assert "exit code 7" in ctr.engine("task", "rm", "it").stderr
    ctr.start("two", "sleep", "100")
    ctr.engine.ok("task", "kill", "-s", "KILL", "--all", "two")
    wait_until(lambda: ctr.status("two") == "STOPPED")


def test_pause_resume(ctr):
    ctr.start("it", "sh", "-c", "while :; do echo >>/x; sleep 0.02; done")
    file = ctr.engine.machine.proc(ctr.pid("it"), "root/x")
    wait_until(file.exists)
    ctr.engine.ok("task", "pause", "it")
    assert ctr.status("it") == "PAUSED"
    before = file.stat().st_size
    time.sleep(0.2)
    assert file.stat().st_size == before
    ctr.engine.ok("task", "resume", "it")
    wait_until(lambda: file.stat().st_size > before)


@pytest.mark.needs_cgroup1
def test_metrics_and_ps(ctr):
    ctr.start("it", "sh", "-c", "sleep 99 & sleep 98", options=["--memory-limit", str(64 << 20)])
    metrics = json.loads(ctr.engine.ok("task", "metrics", "--format", "json", "it"))
    text = json.dumps(metrics)
    assert str(64 << 20) in text and metrics["pids"]["current"] == 2
    pids = ctr.engine.ok("task", "ps", "it").splitlines()[1:]
    assert len(pids) == 2 and int(pids[0].split()[0]) == ctr.pid("it")


@pytest.mark.needs_cgroup1
def test_options(ctr, open_tmp):
    (open_tmp / "file").write_text("the host's\n")
    done = ctr.run(
        "sh", "-c", "pwd; cat /b/file; touch /x 2>&1 | grep -o Read-only; echo $A; "
        "cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes cpu/cpu.cfs_quota_us; "
        "readlink /proc/self/ns/net; grep -c Seccomp:.2 /proc/self/status; stat -c %t /dev/fuse",
        options=["--cwd", "/tmp", "--read-only", "--env", "A=b", "--memory-limit", 64 << 20, "--cpus",
                 "0.5", "--seccomp", "--device", "/dev/fuse", "--with-ns", "network:/proc/1/ns/net",
                 "--mount", f"type=bind,src={open_tmp},dst=/b,options=rbind:ro",
                 "--mount", "type=cgroup,src=cgroup,dst=/sys/fs/cgroup,options=ro"])
    network = ctr.engine.machine.output("readlink", "/proc/1/ns/net")
    assert done.stdout.splitlines() == ["/tmp", "the host's", "Read-only", "b", str(64 << 20), "50000",
                                        network, "1", "a"], done.stderr
    assert ctr.run("cat", "/proc/self/uid_map", options=["--uidmap", "0:200000:65536", "--gidmap",
                                                          "0:200000:65536"]
                   ).stdout.split() == ["0", "200000", "65536"]
