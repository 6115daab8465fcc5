# SPDX-License-Identifier: Apache-2.0
"""test_kvm_run.py - `strata run --isolation vm` on KVM: an image in a machine of this CPU means what it
means in a container. With Debian's kernel where it says so, else with the tiny one."""

import json
import os
import re
import signal
from pathlib import Path

import pytest

import guests
import machines  # by way of guests
from program import wait_until  # by way of guests

VM = ("--isolation", "vm", "--memory", "192m")
TINY = (*VM, "--kernel", "tiny")
LOOP = "while :; do sleep 0.2; done"


@pytest.fixture
def strata():
    one = guests.Strata()
    yield one
    one.end_processes()
    names = one.ok("ps", "-aq").split()
    if names:
        one("rm", "-f", *names, timeout=60)
    wait_until(lambda: not one.machines(), 30)
    assert not list((one.root / "run").glob("*.machine"))


def run(strata, *args):
    return strata("run", "--rm", *args[:-1], "busybox", *args[-1], timeout=guests.BOOT_S)


@pytest.fixture
def started(strata):
    """A machine with two processors that runs, called m1."""
    strata.ok("run", "-d", "--name", "m1", *TINY, "--cpus", "2", "--pids-limit", "30", "-e",
              "WORD=said", "busybox", "sh", "-c",
              f"trap 'echo stopping; exit 3' TERM; echo started $WORD; {LOOP}", timeout=guests.BOOT_S)
    return "m1"


@pytest.fixture
def container_root():
    """Its layers are where an overlay may write: not on virtio-fs."""
    one = guests.Strata(Path(os.environ["TMPDIR"]) / "root")
    one.ok("import", guests.SHARE / "root/images")
    return one


def test_debian_kernel_runs_it_as_a_container_does(strata, container_root):
    same = ["-e", "A=b c", "-w", "/tmp/new", "--hostname", "guest", "--user", "7:8", "--cap-drop", "ALL",
            "--read-only", "--tmpfs", "/scratch", "--ulimit", "nofile=99",
            ["sh", "-c", 'echo "$A $(pwd) $(hostname) $(id -u):$(id -g) $$"; uname -m; ulimit -n; '
             "grep Cap /proc/self/status; touch /x; ls -d /scratch; echo e >&2; exit 7"]]
    container = run(container_root, *same)
    assert container.returncode == 7 and "\nx86_64\n" in container.stdout, container.stderr
    for _ in range(2):
        machine = run(strata, *VM, *same)
        assert (machine.returncode, machine.stdout, machine.stderr) == (
            7, container.stdout, container.stderr)
    assert "-cloud-amd64" in run(strata, *VM, ["uname", "-r"]).stdout
    for kept in (strata.root / "machines").glob("golden-*"):
        assert re.search("-amd64-AuthenticAMD-[0-9a-f]+-192m-1-", kept.name)


def test_later_machines_go_on_and_are_others(strata):
    """A machine that cannot be kept is not, so it may take some until one goes on."""
    names = []
    while not any(word.startswith("--restore=") for words in strata.machines().values()
                  for word in words):
        assert len(names) < 4, strata.machines()
        names.append(f"number{len(names)}")
        strata.ok("run", "-d", "--name", names[-1], *TINY, "busybox", "sh", "-c",
                  f"cat /proc/sys/kernel/random/boot_id; hostname; {LOOP}", timeout=guests.BOOT_S)
    logs = [wait_until(lambda: len(lines := strata.ok("logs", name).splitlines()) == 2 and lines, 60)
            for name in names]
    assert len({boot for boot, _ in logs}) == len({host for _, host in logs}) == len(names)
    assert strata("run", "--rm", "--no-snapshot", *TINY, "busybox", "sh", "-c", "exit 5",
                  timeout=guests.BOOT_S).returncode == 5


def test_exec_logs_stats_pause_cp_and_stop(strata, started, tmp_path):
    wait_until(lambda: strata.ok("logs", started) == "started said")
    assert strata("exec", started, "sh", "-c", "nproc; cat /proc/1/comm; for n in 0 1; do "
                  "taskset $((n + 1)) cut -d' ' -f39 /proc/self/stat; done; exit 4",
                  check=4).stdout == "2\nsh\n0\n1\n"
    assert strata("exec", "-i", started, "cat", input="through\n").stdout == "through\n"
    strata("exec", started, "nope", check=127)
    stats = json.loads(strata.ok("stats", "--no-stream", "--format", "json", started))
    assert int(stats["PIDs"]) >= 1 and "MiB" in stats["MemUsage"]
    (tmp_path / "file").write_bytes(b"x" * 300000)
    strata.ok("cp", tmp_path / "file", f"{started}:/etc/")
    strata.ok("cp", f"{started}:/etc/file", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == (tmp_path / "file").read_bytes()
    strata.ok("pause", started)
    assert "Paused" in strata.ok("ps")
    strata.ok("unpause", started)
    strata.ok("exec", started, "sh", "-c", "echo kept > /kept")
    strata.ok("stop", started, timeout=60)
    assert strata.ok("logs", started).endswith("stopping")
    assert strata.ok("inspect", "-f", "{{.State.ExitCode}}", started) == "3"
    strata.ok("start", started, timeout=guests.BOOT_S)
    assert strata.ok("exec", started, "cat", "/kept") == "kept"


def test_model_of_cpu(strata):
    """A kept machine of a model is that model's, and not the host's."""
    for _ in range(2):
        done = run(strata, *TINY, "--cpu", "x86-64-v2", ["grep", "-m1", "model name", "/proc/cpuinfo"])
        assert done.stdout == "model name\t: strata x86-64-v2\n", done
    kept = [path.name for path in (strata.root / "machines").glob("golden-*-amd64-x86-64-v2-*")]
    assert len(kept) == 1, kept
    done = strata("run", "--rm", *TINY, "--cpu", "rv64", "busybox", "true", check=125)
    assert 'a machine for x86_64 has no "rv64"' in done.stderr


def test_limits_hold(strata, started):
    forks = strata("exec", started, "sh", "-c", "i=0; while [ $i -lt 40 ]; do sleep 5 & i=$((i + 1)); done")
    assert "fork" in forks.stderr
    done = run(strata, *TINY, "--cpus", "0.5", ["sh", "-c", "nproc; head -1 /proc/meminfo"])
    processors, memory = done.stdout.splitlines()
    assert processors == "1" and 100 << 10 < int(memory.split()[1]) < 192 << 10


def test_fractions_of_a_cpu_hold(strata, started):
    """From the beginning, and when they are changed."""
    done = run(strata, *TINY, "--cpus", "0.4", ["sh", "-c", machines.BUSY])
    machines.check_quota(done.stdout, 40000, 100000)
    strata.ok("update", "--cpus", "0.25", started)
    machines.check_quota(strata.ok("exec", started, "sh", "-c", machines.BUSY), 25000, 100000)


def test_folders_and_network(strata, tmp_path):
    """Out through the host's sockets, and in through a port; a folder of the host both ways."""
    (tmp_path / "in").write_text("of the host\n")
    name = "net1"
    strata.ok("run", "-d", "--name", name, *TINY, "--network", "host", "-p", "127.0.0.1:8085:80", "-v",
              f"{tmp_path}:/data", "busybox", "sh", "-c",
              "cat /data/in > /data/out; httpd -f -p 80 -h /data", timeout=guests.BOOT_S)
    wait_until(lambda: (tmp_path / "out").exists() and (tmp_path / "out").read_text(), 30)
    assert (tmp_path / "out").read_text() == "of the host\n"
    assert _fetch(8085, "out") == b"of the host\n"
    assert strata.ok("exec", name, "sh", "-c", "ls /sys/class/net; ip route | head -1").split()[:3] == [
        "eth0", "lo", "default"]
    assert strata.ok("exec", name, "wget", "-q", "-O", "-", "http://10.0.2.2:8085/in") == "of the host"


def _fetch(port, name):
    import urllib.request

    def get():
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{port}/{name}", timeout=30).read()
        except OSError:
            return None

    return wait_until(get, 30)


def test_terminal(strata):
    t = strata.terminal("run", "-it", "--rm", *TINY, "busybox", "sh", rows=30, columns=90)
    t.expect("# ", guests.BOOT_S)
    t.line("stty size; tty")
    t.expect("30 90.*/dev/pts/")
    t.line("exit 9")
    assert t.wait(30) == 9


def test_panic_is_told_as_one(strata, started):
    strata("exec", "--privileged", started, "sh", "-c", "echo c > /proc/sysrq-trigger")
    wait_until(lambda: "Exited (125)" in strata.ok("ps", "-a"), 60)
    assert "Kernel panic - not syncing" in strata("logs", started).stderr


def test_kill_leaves_nothing(strata, started):
    (machine,) = strata.machines()
    os.kill(machine, signal.SIGKILL)
    wait_until(lambda: "Exited (125)" in strata.ok("ps", "-a"), 30)
    assert "the machine ended before its command did" in strata("logs", started).stderr
    assert not [p for p in Path("/sys/kernel/debug/kvm").iterdir() if p.is_dir()]
