# SPDX-License-Identifier: Apache-2.0
"""test_runtime_verbs.py - strata-runtime: what is done with a container that runs."""

import array
import contextlib
import fcntl
import json
import os
import pty
import select
import shutil
import signal
import socket
import struct
import subprocess
import termios
import time
from pathlib import Path

import pytest

from conftest import wait_until
from test_runtime import rootfs, runtime  # noqa: F401 (fixtures)

pytestmark = [pytest.mark.needs_root]

V2 = Path("/sys/fs/cgroup/cgroup.controllers").exists()


@pytest.fixture(scope="module")
def people(rootfs, tmp_path_factory):  # noqa: F811
    """The root file system with users and groups."""
    root = tmp_path_factory.mktemp("people") / "root"
    shutil.copytree(rootfs, root, symlinks=True)
    root.chmod(0o755)
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n"
                                     "bob:x:1000:1000::/home/bob:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\nstaff:x:50:bob\nbob:x:1000:\n")
    return root


@pytest.fixture
def box(runtime, people):  # noqa: F811
    """A container that sleeps."""
    name = runtime.new_id()
    runtime("run", "-d", "-b", runtime.bundle(people, "sleep", "1000").path, name)
    return name


def cgroup(name, controller=None):
    """The container's cgroup, on v1 in the hierarchy of a controller."""
    top = Path("/sys/fs/cgroup") if V2 else Path("/sys/fs/cgroup") / (controller or "memory")
    return next(p for p in top.iterdir() if p.name.endswith(name))


def setting(name, v2, v1):
    """A limit: the file on v2, or CONTROLLER/FILE on v1."""
    if V2:
        return (cgroup(name) / v2).read_text().strip()
    controller, file = v1.split("/")
    return (cgroup(name, controller) / file).read_text().strip()


def process_file(tmp_path, **process):
    path = tmp_path / "process.json"
    path.write_text(json.dumps({"cwd": "/", "user": {"uid": 0, "gid": 0},
                                "env": ["PATH=/bin"]} | process))
    return path


def exec_fails(runtime, *argv):  # noqa: F811
    done = runtime("exec", *argv, check=False)
    assert done.returncode == 255, (done.returncode, done.stdout, done.stderr)
    return done.stderr


# --- exec --------------------------------------------------------------------------------------


def test_exec_ends_with_the_status(runtime, box):  # noqa: F811
    done = runtime("exec", box, "sh", "-c", "echo out; echo err >&2; exit 3", check=False)
    assert (done.returncode, done.stdout, done.stderr) == (3, "out\n", "err\n")
    assert runtime("exec", box, "sh", "-c", "kill -9 $$", check=False).returncode == 128 + 9


def test_exec_that_cannot_be_run(runtime, box, tmp_path):  # noqa: F811
    # By these words Docker and podman tell 127 from 126.
    assert "executable file not found in $PATH" in exec_fails(runtime, box, "nosuch")
    assert "permission denied" in exec_fails(runtime, box, "/etc/passwd")
    assert "no such file or directory" in exec_fails(runtime, box, "/bin/nosuch")
    assert "args cannot be empty" in exec_fails(runtime, box)
    assert "does not exist" in exec_fails(runtime, "nobody", "true")
    assert "No such file" in exec_fails(runtime, "--cwd", "/nosuch", box, "true")
    assert "must be an absolute path" in exec_fails(runtime, "--cwd", "tmp", box, "true")
    assert "No such file" in exec_fails(runtime, "-p", tmp_path / "nosuch", box)
    assert "positive number" in exec_fails(runtime, "-g", "-1", box, "true")
    # A command line that is wrong is 1, as in runc.
    assert "unknown flag" in runtime.fail("exec", "--nosuch", box, "true")


def test_exec_in_one_that_has_stopped(runtime, people):  # noqa: F811
    name = runtime.new_id()
    runtime("create", "-b", runtime.bundle(people, "true").path, name)
    assert runtime("exec", name, "echo", "early").stdout == "early\n"
    runtime("start", name)
    runtime.wait(name, "stopped")
    assert "stopped container" in exec_fails(runtime, name, "true")


@pytest.mark.parametrize("options, expected", [
    ([], "uid=0(root) gid=0(root)"),
    (["-u", "1000"], "uid=1000(bob) gid=0(root)"),
    (["-u", "1000:50", "-g", "7", "--additional-gids", "8"], "uid=1000(bob) gid=50(staff) groups=7,8"),
    (["-u", "bob"], "uid=1000(bob) gid=1000(bob) groups=50(staff),1000(bob)"),
    (["-u", "bob:staff", "-g", "7"], "uid=1000(bob) gid=50(staff) groups=7,50(staff)"),
])
def test_exec_user(runtime, box, options, expected):  # noqa: F811
    assert runtime("exec", *options, box, "id").stdout.strip() == expected


def test_exec_environment_and_directory(runtime, box):  # noqa: F811
    out = runtime("exec", "-e", "A=b", "--env", "TERM=dumb", "--cwd", "/tmp", box, "sh", "-c",
                  "env; pwd").stdout.splitlines()
    assert "A=b" in out and "TERM=dumb" in out and "HOME=/root" in out and "PWD=/tmp" in out
    assert not any(line == "TERM=xterm" for line in out)
    assert out[-1] == "/tmp"


def capabilities(runtime, box, *options):  # noqa: F811
    out = runtime("exec", *options, box, "cat", "/proc/self/status").stdout
    return {k: v.strip() for k, v in (line.split(":", 1) for line in out.splitlines())}


def test_exec_rights(runtime, box):  # noqa: F811
    plain = capabilities(runtime, box)
    more = capabilities(runtime, box, "--cap", "CAP_SYS_ADMIN")
    admin = 1 << 21
    assert not int(plain["CapBnd"], 16) & admin
    for which in ("CapBnd", "CapPrm", "CapEff"):
        assert int(more[which], 16) == int(plain[which], 16) | admin
    assert int(more["CapAmb"], 16) == 0
    assert plain["NoNewPrivs"] == "1"
    assert capabilities(runtime, box, "--no-new-privs=false")["NoNewPrivs"] == "0"
    assert plain["Seccomp"] == more["Seccomp"]


def test_exec_joins_everything(runtime, box):  # noqa: F811
    pid = runtime.state(box)["pid"]
    kinds = [k for k in os.listdir(f"/proc/{pid}/ns") if not k.endswith("_for_children")]
    inside = runtime("exec", box, "sh", "-c",
                     "for k in " + " ".join(kinds) + "; do readlink /proc/self/ns/$k; done")
    assert inside.stdout.split() == [os.readlink(f"/proc/{pid}/ns/{k}") for k in kinds]
    assert runtime("exec", box, "cat", "/proc/self/cgroup").stdout == \
        runtime("exec", box, "cat", "/proc/1/cgroup").stdout


def test_exec_process_file(runtime, box, tmp_path):  # noqa: F811
    path = process_file(tmp_path, args=["sh", "-c", "id -u; id -g; pwd; echo $A"], cwd="/tmp",
                        user={"uid": 5, "gid": 6}, env=["PATH=/bin", "A=b"])
    assert runtime("exec", "--process", path, box).stdout.split() == ["5", "6", "/tmp", "b"]
    limits = [{"type": "RLIMIT_NOFILE", "soft": 77, "hard": 78}]
    path = process_file(tmp_path, args=["sh", "-c", "ulimit -n; cat /proc/self/oom_score_adj"],
                        rlimits=limits, oomScoreAdj=321)
    assert runtime("exec", "-p", path, box).stdout.split() == ["77", "321"]
    for wrong, sentence in (({"cwd": "/"}, "args must not be empty"),
                            ({"args": ["true"]}, "cwd must not be empty"),
                            ({"args": ["true"], "cwd": "tmp"}, "not absolute"),
                            ({"args": "true", "cwd": "/"}, "args must be an array")):
        path.write_text(json.dumps(wrong))
        assert sentence in exec_fails(runtime, "-p", path, box)


def test_exec_detached(runtime, box, tmp_path):  # noqa: F811
    runtime("exec", "-d", "--pid-file", tmp_path / "pid", box, "sleep", "1001")
    pid = int((tmp_path / "pid").read_text())
    wait_until(lambda: b"1001" in Path(f"/proc/{pid}/cmdline").read_bytes())
    assert json.loads(runtime("ps", "-f", "json", box).stdout) == \
        sorted([runtime.state(box)["pid"], pid])
    assert "--console-socket" in exec_fails(runtime, "-d", "-t", box, "true")


def test_exec_preserve_fds(runtime, box):  # noqa: F811
    r, w = os.pipe()
    os.write(w, b"passed\n")
    os.close(w)
    done = runtime("exec", "--preserve-fds", "1", box, "sh", "-c", "cat <&3; ls /proc/self/fd",
                   close_fds=False, preexec_fn=lambda: (os.dup2(r, 3), os.set_inheritable(3, True)))
    os.close(r)
    assert done.stdout.split() == ["passed", "0", "1", "2", "3", "4"]
    assert "descriptor 3 is not open" in exec_fails(runtime, "--preserve-fds", "1", box, "true")


@contextlib.contextmanager
def listening(path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        server.settimeout(20)
        yield server


def receive_descriptor(server):
    connection, _ = server.accept()
    with connection:
        data, ancillary, _, _ = connection.recvmsg(4096, socket.CMSG_SPACE(4))
    return data, array.array("i", ancillary[0][2])[0]


def test_exec_console_socket(runtime, box, tmp_path):  # noqa: F811
    with listening(tmp_path / "socket") as server:
        runtime("exec", "-d", "-t", "--console-socket", tmp_path / "socket", box, "sh", "-c",
                "tty; echo ready; sleep 1000")
        _, master = receive_descriptor(server)
    assert b"/dev/pts/" in read_until(master, b"ready")
    os.close(master)
    assert "--console-socket is for" in exec_fails(
        runtime, "--console-socket", tmp_path / "socket", box, "true")


def test_exec_pidfd_socket(runtime, box, tmp_path):  # noqa: F811
    with listening(tmp_path / "socket") as server:
        runtime("exec", "-d", "--pidfd-socket", tmp_path / "socket", "--pid-file",
                tmp_path / "pid", box, "sleep", "1000")
        _, pidfd = receive_descriptor(server)
    text = Path(f"/proc/self/fdinfo/{pidfd}").read_text()
    os.close(pidfd)
    assert f"Pid:\t{(tmp_path / 'pid').read_text()}\n" in text


def read_until(fd, word, timeout_s=20):
    """Read until `word` (None: the end) comes."""
    text, end = b"", time.monotonic() + timeout_s
    while word is None or word not in text:
        assert select.select([fd], [], [], max(0, end - time.monotonic()))[0], text
        try:
            chunk = os.read(fd, 1000)
        except OSError:
            chunk = b""
        text += chunk
        if not chunk:
            break
    assert word is None or word in text
    return text


def on_terminal(argv, typed=b"", size=(24, 80)):
    """Run with a terminal; -> what it showed, exit status."""
    pid, master = pty.fork()
    if pid == 0:
        os.execv(argv[0], argv)
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
    shown = b""
    if typed:
        shown = read_until(master, b"ready")
        os.write(master, typed)
    shown += read_until(master, None)
    os.close(master)
    return shown.decode(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_exec_on_a_terminal(runtime, box):  # noqa: F811
    argv = [*runtime.argv, "exec", "-t", box, "sh", "-c",
            "tty; echo ready; read line; echo got $line; stty size; exit 4"]
    shown, status = on_terminal(argv, b"typed\r", (33, 99))
    assert status == 4
    assert "/dev/pts/" in shown and "got typed" in shown and "33 99" in shown


def test_run_on_a_terminal(runtime, people):  # noqa: F811
    bundle = runtime.bundle(people, "sh", "-c",
                            "tty; echo ready; read line; echo got $line; stty size; exit 5",
                            terminal=True)
    argv = [*runtime.argv, "run", "-b", str(bundle.path), runtime.new_id()]
    shown, status = on_terminal(argv, b"typed\r", (33, 99))
    assert status == 5
    assert "/dev/pts/" in shown and "got typed" in shown and "33 99" in shown


def test_terminal_into_a_pipe(runtime, people):  # noqa: F811
    """Who reads a terminal's output from a pipe gets line feeds alone."""
    bundle = runtime.bundle(people, "sh", "-c", "tty; echo two", terminal=True)
    done = runtime("run", "-b", bundle.path, runtime.new_id())
    assert done.stdout == "/dev/pts/0\ntwo\n"


def test_exec_with_an_unknown_capability(runtime, box):  # noqa: F811
    done = runtime("exec", "--cap", "CAP_OTTER", box, "true")
    assert 'there is no capability "CAP_OTTER"' in done.stderr


def test_exec_passes_signals_on(runtime, box):  # noqa: F811
    child = subprocess.Popen([*runtime.argv, "exec", box, "sh", "-c",
                              "trap 'echo told; exit 9' TERM; echo ready; while :; do sleep 0.05; done"],
                             stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "ready\n"
    child.send_signal(signal.SIGTERM)
    assert child.stdout.read() == "told\n"
    assert child.wait(20) == 9


@pytest.mark.guest
def test_exec_in_sub_cgroups(runtime, box):  # noqa: F811
    where = "sleep 0.1; cat /proc/self/cgroup"
    read = lambda *options: runtime("exec", *options, box, "sh", "-c", where).stdout  # noqa: E731
    assert "No such file" in exec_fails(runtime, "--cgroup", "/sub", box, "true")
    assert "leads out" in exec_fails(runtime, "--cgroup", "/../..", box, "true")
    assert read("--cgroup", "/") == read()
    (cgroup(box, "memory") / "sub").mkdir()
    try:
        if V2:
            assert read("--cgroup", "sub").strip().endswith("/sub")
            assert "names no controllers" in exec_fails(
                runtime, "--cgroup", "memory:sub", box, "true")
        else:
            lines = read("--cgroup", "memory:/sub").splitlines()
            assert [line.split(":")[1] for line in lines if line.endswith("/sub")] == ["memory"]
            assert "unknown controller" in exec_fails(runtime, "--cgroup", "nosuch:/", box, "true")
            # In all or in none.
            assert "No such file" in exec_fails(runtime, "--cgroup", "sub", box, "true")
    finally:
        wait_until(lambda: not (cgroup(box, "memory") / "sub/cgroup.procs").read_text())
        (cgroup(box, "memory") / "sub").rmdir()


# --- ps ----------------------------------------------------------------------------------------


def test_ps(runtime, box):  # noqa: F811
    pid = runtime.state(box)["pid"]
    title, *lines = runtime("ps", box).stdout.splitlines()
    assert title.split()[:3] == ["UID", "PID", "PPID"]
    assert [line.split()[1] for line in lines] == [str(pid)] and lines[0].endswith("sleep 1000")
    assert runtime("ps", box, "-o", "pid,comm").stdout.split() == ["PID", "COMMAND", str(pid),
                                                                   "sleep"]
    assert runtime("ps", "--format", "table", box, "aux").stdout.splitlines()[1].split()[1] == \
        str(pid)
    assert json.loads(runtime("ps", "--format", "json", box).stdout) == [pid]
    assert "PID" in runtime.fail("ps", box, "-o", "comm")
    assert "ps ended with status 1: error:" in runtime.fail("ps", box, "--nosuch")
    assert "table|json" in runtime.fail("ps", "-f", "xml", box)


# --- pause, resume -----------------------------------------------------------------------------


@pytest.mark.guest
def test_pause_and_resume(runtime, box):  # noqa: F811
    assert "not paused: it is running" in runtime.fail("resume", box)
    runtime("pause", box)
    assert runtime.state(box)["status"] == "paused"
    assert "not running: it is paused" in runtime.fail("pause", box)
    assert "paused container" in exec_fails(runtime, box, "true")
    child = subprocess.Popen([*runtime.argv, "exec", "--ignore-paused", box, "echo", "done"],
                             stdout=subprocess.PIPE, text=True)
    time.sleep(0.2)
    assert child.poll() is None
    runtime("resume", box)
    assert child.communicate(timeout=20)[0] == "done\n" and child.returncode == 0
    assert runtime.state(box)["status"] == "running"


def test_pause_before_start_and_after_the_end(runtime, people):  # noqa: F811
    name = runtime.new_id()
    runtime("create", "-b", runtime.bundle(people, "true").path, name)
    runtime("pause", name)
    assert runtime.state(name)["status"] == "paused"
    runtime("resume", name)
    assert runtime.state(name)["status"] == "created"
    runtime("kill", name, "KILL")
    runtime.wait(name, "stopped")
    assert "not running" in runtime.fail("pause", name)


# --- update ------------------------------------------------------------------------------------


@pytest.mark.guest
def test_update_options(runtime, box):  # noqa: F811
    runtime("update", "--memory", "64m", "--memory-reservation", "32m", "--pids-limit", "33",
            "--cpu-quota", "50000", "--cpu-period", "200000", "--cpuset-cpus", "0", box)
    assert setting(box, "memory.max", "memory/memory.limit_in_bytes") == str(64 << 20)
    assert setting(box, "memory.low", "memory/memory.soft_limit_in_bytes") == str(32 << 20)
    assert setting(box, "pids.max", "pids/pids.max") == "33"
    assert setting(box, "cpuset.cpus", "cpuset/cpuset.cpus") == "0"
    if V2:
        assert setting(box, "cpu.max", None) == "50000 200000"
    else:
        assert setting(box, None, "cpu/cpu.cfs_quota_us") == "50000"
        assert setting(box, None, "cpu/cpu.cfs_period_us") == "200000"
    # One alone: the others stay.
    runtime("update", "--cpu-share", "512", "--memory", "48m", box)
    assert setting(box, "memory.max", "memory/memory.limit_in_bytes") == str(48 << 20)
    assert setting(box, "pids.max", "pids/pids.max") == "33"
    if not V2:
        assert setting(box, None, "cpu/cpu.shares") == "512"
    runtime("update", "--memory", "-1", "--pids-limit", "-1", box)
    assert setting(box, "pids.max", "pids/pids.max") == "max"
    assert setting(box, "memory.max", "memory/memory.limit_in_bytes") in (
        "max", "9223372036854771712")


@pytest.mark.guest
def test_update_resources(runtime, box, tmp_path):  # noqa: F811
    limits = {"memory": {"limit": 32 << 20, "checkBeforeUpdate": False}, "pids": {"limit": 44},
              "cpu": {"shares": 2048, "cpus": ""}, "blockIO": {}}
    path = tmp_path / "resources.json"
    path.write_text(json.dumps(limits))
    # As containerd calls it; other options are left aside.
    with open(path) as file:
        runtime("update", "--resources=-", "--pids-limit", "5", box, stdin=file)
    assert setting(box, "memory.max", "memory/memory.limit_in_bytes") == str(32 << 20)
    assert setting(box, "pids.max", "pids/pids.max") == "44"
    path.write_text(json.dumps({"pids": {"limit": 55}}))
    runtime("update", "-r", path, box)
    assert setting(box, "pids.max", "pids/pids.max") == "55"


def test_update_refuses(runtime, box, tmp_path):  # noqa: F811
    path = tmp_path / "resources.json"
    for text, sentence in (("{", "not valid JSON"), ("[]", "must be an object"),
                           ('{"memory": {"limit": "x"}}', "limit must be an integer")):
        path.write_text(text)
        assert sentence in runtime.fail("update", "-r", path, box)
    assert "must be a size" in runtime.fail("update", "--memory", "10x", box)
    assert "whole number" in runtime.fail("update", "--cpu-quota", "abc", box)
    assert "No such file" in runtime.fail("update", "-r", tmp_path / "nosuch", box)
    assert "--cpuset-cpus" in runtime.fail("update", "--cpuset-cpus", "4095", box)
    assert "resctrl" in runtime.fail("update", "--l3-cache-schema", "L3:0=f", box)
    assert "resctrl" in runtime.fail("update", "--mem-bw-schema", "MB:0=50", box)
    assert "kernel memory" in runtime("update", "--kernel-memory", "5m", box).stderr


# --- events ------------------------------------------------------------------------------------


@pytest.mark.guest
def test_events_stats(runtime, box):  # noqa: F811
    runtime("update", "--memory", "64m", "--pids-limit", "33", box)
    line = runtime("events", "--stats", box).stdout
    event = json.loads(line)
    assert line.count("\n") == 1
    assert list(event) == ["type", "id", "data"]
    assert (event["type"], event["id"]) == ("stats", box)
    data = event["data"]
    assert list(data) == ["cpu", "cpuset", "memory", "pids", "blkio", "hugetlb", "intel_rdt",
                          "network_interfaces"]
    assert data["cpu"]["usage"]["total"] > 0
    assert {"kernel", "user"} <= set(data["cpu"]["usage"])
    assert data["pids"] == {"current": 1, "limit": 33}
    assert data["memory"]["usage"]["limit"] == 64 << 20
    assert data["memory"]["usage"]["usage"] > 0
    assert "failcnt" in data["memory"]["swap"] and "limit" in data["memory"]["kernelTCP"]
    assert data["memory"]["raw"]
    assert data["network_interfaces"] is None


def test_events_are_named_as_in_runc(runtime, people, tmp_path):  # noqa: F811
    """The same numbers of the same cgroup, as both print them."""
    if not shutil.which("runc"):
        pytest.skip("runc is not installed")
    bundle, name = runtime.bundle(people, "sleep", "1000"), runtime.new_id()
    bundle.config["linux"]["cgroupsPath"] = f"/{name}-both"
    bundle.save()
    runtime("run", "-d", "-b", bundle.path, name)
    ours = json.loads(runtime("events", "--stats", name).stdout)["data"]
    theirs_root = ["runc", "--root", str(tmp_path / "runc")]
    runtime("delete", "-f", name)
    with open(os.devnull, "r+") as null:
        subprocess.run([*theirs_root, "run", "-d", "-b", bundle.path, name], stdin=null,
                       stdout=null, stderr=null, check=True)
    try:
        theirs = json.loads(subprocess.run([*theirs_root, "events", "--stats", name], check=True,
                                           stdout=subprocess.PIPE).stdout)["data"]
    finally:
        subprocess.run([*theirs_root, "delete", "-f", name], check=True)
    assert list(ours) == list(theirs)
    assert set(theirs["cpu"]["usage"]) == set(ours["cpu"]["usage"])
    assert set(theirs["memory"]["raw"]) == set(ours["memory"]["raw"])
    for part in ("usage", "swap", "kernel", "kernelTCP"):
        assert set(theirs["memory"][part]) >= {"limit", "failcnt"} <= set(ours["memory"][part])
    assert set(theirs["cpuset"]) - {"cpus", "mems"} == set(ours["cpuset"]) - {"cpus", "mems"}


@pytest.mark.guest
def test_events_follow_and_end(runtime, box):  # noqa: F811
    runtime("update", "--memory", "16m", "--memory-swap", "16m", box)
    child = subprocess.Popen([*runtime.argv, "events", "--interval", "100ms", box],
                             stdout=subprocess.PIPE, text=True)
    assert json.loads(child.stdout.readline())["type"] == "stats"
    assert runtime("exec", box, "tail", "/dev/zero", check=False).returncode == 128 + 9
    lines = iter(child.stdout.readline, "")
    event = next(e for e in map(json.loads, lines) if e["type"] != "stats")
    assert event == {"type": "oom", "id": box}
    runtime("kill", box, "KILL")
    child.stdout.read()
    assert child.wait(20) == 0
    assert "is not running" in runtime.fail("events", box)
    assert "greater than 0" in runtime.fail("events", "--interval", "0s", box)


# --- a container in the foreground, checkpoint --------------------------------------------------


def test_one_in_the_foreground_can_be_changed(runtime, people):  # noqa: F811
    name = runtime.new_id()
    child = subprocess.Popen([*runtime.argv, "run", "-b",
                              runtime.bundle(people, "sh", "-c", "echo ready; sleep 1000").path, name],
                             stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "ready\n"
    runtime("pause", name)
    runtime("resume", name)
    runtime("update", "--memory", "64m", name)
    runtime("kill", name, "KILL")
    assert child.wait(20) == 128 + 9
    assert "does not exist" in runtime.fail("state", name)


def test_checkpoint_tells_why_criu_does_not_work(runtime, box, people, tmp_path):  # noqa: F811
    """That it works is in tests/vm/guest/test_criu.py."""
    if not shutil.which("criu"):
        reason = "which is not in $PATH"
    else:
        check = subprocess.run(["criu", "check"], capture_output=True, text=True)
        if check.returncode == 0:
            pytest.skip("criu works on this kernel")
        reason = check.stderr.splitlines()[0]
    assert reason in runtime.fail("checkpoint", "--image-path", tmp_path / "images", box)
    assert runtime.state(box)["status"] == "running"
    name = runtime.new_id()
    assert reason in runtime.fail("restore", "-b", runtime.bundle(people, "true").path,
                                  "--image-path", tmp_path, name)
    assert "does not exist" in runtime.fail("state", name)
