# SPDX-License-Identifier: Apache-2.0
"""test_engines_podman.py - strata-runtime under podman, as root and as an ordinary user."""

import json
import os
import subprocess

import pytest

from engines import Machine, Podman
from program import wait_until

pytestmark = pytest.mark.needs_root


def end(podman):
    podman.end_processes()
    podman("pod", "rm", "-fat", "0")
    podman("rm", "-fat", "0")


@pytest.fixture(scope="module")
def engine(runtime, busybox_archive):
    with Machine("podman") as machine:
        podman = Podman(machine, runtime)
        podman.ok("load", "-q", "-i", busybox_archive)
        podman.ok("tag", "docker.io/library/busybox", "busybox")
        for network in ("podman", "host"):  # makes what podman keeps
            podman.ok("run", "--rm", "--network", network, "--cgroup-parent",
                      machine.cgroup, "busybox", "true")
        machine.remember()
        yield podman


@pytest.fixture
def podman(engine):
    yield engine
    end(engine)
    # Of a pod podman removes the cgroups of controllers only, and it keeps a folder of its events.
    ours = ("/systemd/", "/unified/")
    wait_until(lambda: not [w for w in engine.machine.left()
                            if not (w.startswith("cgroup") and any(o in w for o in ours))], 20, 0.1,
               what=f"nothing is left: {engine.machine.left()}")


def run(podman, *args, **kw):
    return podman.ok("run", "--rm", "--cgroup-parent", podman.machine.cgroup, *args, **kw)


def start(podman, name, *args, network="none"):
    return podman.ok("run", "-d", "--name", name, "--network", network, "--cgroup-parent",
                     podman.machine.cgroup, *args)


def sh(podman, script, *options):
    return run(podman, "--network", "none", *options, "busybox", "sh", "-c", script)


def inspect(podman, name, what):
    return podman.ok("inspect", "-f", what, name)


def test_it_is_strata(podman, runtime):
    identity = start(podman, "it", "busybox", "sleep", "100")
    assert inspect(podman, "it", "{{.OCIRuntime}}") == "tested"
    state = json.loads(podman.machine.output(runtime, "state", identity))
    assert state["pid"] == int(inspect(podman, "it", "{{.State.Pid}}"))
    assert podman.ok("--runtime", runtime, "run", "--rm", "--network", "none", "--cgroup-parent",
                     podman.machine.cgroup, "busybox", "echo", "named") == "named"


def test_run_and_exit_codes(podman):
    done = podman("run", "--rm", "--cgroup-parent", podman.machine.cgroup, "busybox", "sh", "-c",
                  "echo out; echo err >&2; exit 3")
    assert (done.returncode, done.stdout, done.stderr) == (3, "out\n", "err\n")
    parent = ["--cgroup-parent", podman.machine.cgroup]
    assert podman("run", "--rm", *parent, "--init", "busybox", "sh", "-c", "kill -TERM $$"
                  ).returncode == 143
    podman.fails("run", "--rm", *parent, "busybox", "no-such-command", status=127,
                 saying="no-such-command")
    podman.fails("run", "--rm", *parent, "busybox", "/etc/notexec", status=126, saying="denied")
    podman.fails("run", "--rm", *parent, "--sysctl", "net.no.such=1", "busybox", "true",
                 saying="net[./]no[./]such")


def test_terminals(podman):
    terminal = podman.terminal("run", "--rm", "-it", "--network", "none", "--cgroup-parent",
                               podman.machine.cgroup, "--name", "it", "busybox", rows=33, columns=101)
    terminal.expect("# ")
    terminal.line("tty; stty size")
    terminal.expect(r"/dev/pts/0\r+\n33 101\r+\n")
    second = podman.terminal("exec", "-it", "it", "sh", rows=21, columns=77)
    second.expect("# ")
    second.line("stty size")
    second.expect(r"21 77\r+\n")
    second.line("exit 9")
    assert second.wait() == 9
    terminal.line("exit 5")
    assert terminal.wait() == 5


def test_life(podman):
    start(podman, "it", "busybox", "sh", "-c",
          "trap 'echo bye; exit 7' TERM; trap 'echo usr' USR1; echo hello; while :; do sleep 0.1; done")
    wait_until(lambda: podman.ok("logs", "it") == "hello")
    done = podman("exec", "-u", "1000", "-w", "/tmp", "-e", "C=d", "it", "sh", "-c",
                  "echo $(id -u) $PWD $C; exit 4")
    assert (done.returncode, done.stdout) == (4, "1000 /tmp d\n")
    assert podman.fails("exec", "it", "no-such-command", saying="no-such-command").returncode == 127
    podman.ok("kill", "-s", "USR1", "it")
    wait_until(lambda: podman.ok("logs", "it") == "hello\nusr")
    podman.ok("pause", "it")
    assert inspect(podman, "it", "{{.State.Status}}") == "paused"
    podman.ok("unpause", "it")
    podman.ok("stop", "it")
    assert inspect(podman, "it", "{{.State.ExitCode}}") == "7"
    podman.ok("start", "it")
    podman.ok("restart", "it")
    podman.ok("kill", "it")
    assert podman.ok("wait", "it") == "137"


@pytest.mark.needs_cgroup1
def test_stats_and_top(podman):
    start(podman, "it", "--memory", "64m", "--pids-limit", "30", "busybox", "sh", "-c",
          "sleep 99 & sleep 98")
    stats = json.loads(podman.ok("stats", "--no-stream", "--format", "json", "it"))[0]
    assert stats["pids"] == "2" and stats["mem_usage"].endswith(" / 67.11MB")
    assert podman.ok("top", "it", "args").split()[1:] == ["sleep", "98", "sleep", "99"]
    assert podman.ok("exec", "it", "cat", "/sys/fs/cgroup/pids/pids.max") == "30"


def test_out_of_memory(podman):
    start(podman, "it", "--memory", "32m", "--memory-swap", "32m", "busybox", "tail", "/dev/zero")
    assert podman.ok("wait", "it") == "137"


def test_health(podman):
    start(podman, "it", "--health-cmd", "test -e /tmp/well", "--health-interval", "disable", "busybox",
          "sleep", "100")
    assert podman("healthcheck", "run", "it").returncode == 1
    podman.ok("exec", "it", "touch", "/tmp/well")
    podman.ok("healthcheck", "run", "it")


def test_options(podman, open_tmp, tmp_path):
    (open_tmp / "file").write_text("the host's\n")
    out = sh(podman, "id -u; pwd; cat /b/file; touch /x 2>&1 | grep -o Read-only; cat /proc/1/comm; "
             "grep CapEff /proc/self/status | cut -f2; ulimit -n; grep -c Seccomp:.2 /proc/1/status; "
             "df -k /dev/shm | awk 'END {print $2}'; stat -c %t:%T /dev/thing; cat /secret; hostname",
             "-u", "1000", "-w", "/tmp", "-v", f"{open_tmp}:/b:ro", "--read-only", "--init",
             "--cap-drop", "all", "--ulimit", "nofile=99:99", "--ulimit", "nproc=500:500", "--shm-size", "3m", "--device",
             "/dev/fuse:/dev/thing", "--tmpfs", "/t", "--mount",
             f"type=bind,src={open_tmp}/file,dst=/secret,ro", "--hostname", "its-name").splitlines()
    assert out == ["1000", "/tmp", "the host's", "Read-only", "podman-init", "0" * 16, "99", "1",
                   "3072", "a:e5", "the host's", "its-name"]
    uids = sh(podman, "cat /proc/self/uid_map; stat -c %u /", "--uidmap", "0:200000:65536",
              "--gidmap", "0:200000:65536").split()
    assert uids == ["0", "200000", "65536", "0"]


def test_pod(podman):
    """Two containers that share the pod's network and find each other on the loopback."""
    podman.ok("pod", "create", "--name", "pod", "--cgroup-parent", podman.machine.cgroup, "-p",
              "8080:80")
    podman.ok("run", "-d", "--pod", "pod", "--name", "server", "busybox", "sh", "-c",
              "echo page >/index.html; httpd -f -h /")
    done = podman("run", "--rm", "--pod", "pod", "busybox", "sh", "-c",
                  "until wget -qO- http://127.0.0.1/; do sleep 0.1; done")
    assert done.stdout == "page\n", done.stderr
    assert podman.machine.output("curl", "-sf", "http://127.0.0.1:8080/") == "page"
    podman.ok("pod", "pause", "pod")
    assert inspect(podman, "server", "{{.State.Status}}") == "paused"
    podman.ok("pod", "unpause", "pod")
    podman.ok("pod", "stop", "-t", "0", "pod")
    podman.ok("pod", "start", "pod")
    wait_until(lambda: podman.machine.run("curl", "-sf", "http://127.0.0.1:8080/", check=False
                                          ).stdout == "page\n")
    podman.ok("pod", "rm", "-ft", "0", "pod")


def test_build(podman, tmp_path):
    (tmp_path / "Dockerfile").write_text(
        "FROM busybox\nRUN echo built by $(id -u) >/made\nUSER user\nRUN touch ~/mine\n"
        'CMD ["cat", "/made"]\n')
    podman.ok("build", "-q", "-t", "made", "--network", "none", "--cgroup-parent",
              f"{podman.machine.cgroup}/build", tmp_path)
    assert run(podman, "made") == "built by 0"
    podman.ok("rmi", "made")


def test_many_runs_leave_nothing(podman):
    for turn in range(10):
        assert run(podman, "--network", "none", "busybox", "echo", str(turn)) == str(turn)


# --- as an ordinary user ---------------------------------------------------------------------


@pytest.fixture
def rootless_podman(runtime, rootless_user, busybox_archive):
    with Machine("podman-user") as machine:
        podman = Podman(machine, runtime, rootless_user)
        image = machine.folder / "image.tar"
        subprocess.run(["cp", str(busybox_archive), str(image)], check=True)
        os.chmod(image, 0o644)
        podman.ok("load", "-q", "-i", image)
        podman.ok("tag", "docker.io/library/busybox", "busybox")
        yield podman
        end(podman)
        wait_until(lambda: set(machine.processes().values()) <= {"podman", "catatonit"}, 5,
                   what=f"only podman's pause process is left: {machine.processes()}")


def test_rootless(rootless_podman, rootless_user):
    podman = rootless_podman
    done = podman("run", "--rm", "--network", "none", "busybox", "sh", "-c",
                  "id -u; cat /proc/self/uid_map; exit 3")
    assert done.returncode == 3 and done.stdout.split()[:3] == ["0", "0", str(rootless_user.uid)]
    podman.ok("run", "-d", "--name", "it", "--network", "host", "-v", f"{podman.folder}:/home/own",
              "busybox", "sh", "-c", "trap 'exit 7' TERM; touch /home/own/x; while :; do sleep 0.1; done")
    pid = inspect(podman, "it", "{{.State.Pid}}")
    uid = podman.machine.proc(pid, "status").read_text().split("Uid:")[1].split()[0]
    assert int(uid) == rootless_user.uid
    assert podman.ok("exec", "-u", "user", "it", "id", "-u") == "1000"
    assert "sleep 0.1" in podman.ok("run", "--rm", "--network", "none", "--pid", "container:it",
                                    "busybox", "sh", "-c", "ps; ps; ps")
    wait_until((podman.folder / "x").exists)
    assert (podman.folder / "x").stat().st_uid == rootless_user.uid
    podman.ok("stop", "it")
    assert inspect(podman, "it", "{{.State.ExitCode}}") == "7"
    podman.fails("run", "--rm", "--network", "none", "busybox", "no-such-command", status=127,
                 saying="no-such-command")


def test_rootless_terminal_and_pod(rootless_podman):
    podman = rootless_podman
    terminal = podman.terminal("run", "--rm", "-it", "--network", "none", "busybox")
    terminal.expect("# ")
    terminal.line("tty; exit 5")
    terminal.expect("/dev/pts/0")
    assert terminal.wait() == 5
    podman.ok("pod", "create", "--name", "pod", "--network", "none")
    podman.ok("run", "-d", "--pod", "pod", "busybox", "httpd", "-f", "-h", "/etc")
    done = podman("run", "--rm", "--pod", "pod", "busybox", "sh", "-c",
                  "until wget -qO- http://127.0.0.1/notexec; do sleep 0.1; done")
    assert done.stdout == "#!/bin/sh\n", done.stderr
